// What a node asks of the remote cache: a result that this machine lacks, and later a place for its own.

import type { Unshared } from '../events.js';
import { FailureError } from '../failure.js';
import { prepareUpload } from '../remote/upload.js';
import type { RemoteQuery } from '../remote/remote-cache.js';
import type { RemoteScope } from '../remote/settings.js';
import type { Run } from '../run/run.js';
import { taintOf } from '../run/taint.js';
import { bondOf, type Bound } from '../store/shareable.js';
import type { ActionResult, KeyRecord } from '../store/store.js';
import type { Action } from './action.js';
import type { ActionMessages, ActionVariant } from './key.js';
import { isForced, isRestorable, tooOldFrom } from './look-up.js';
import { withTrees } from './outputs.js';

/** As `lookUp`, from the server. Its files may be there still. Throws if the run requires the server and can't use it. */
export async function lookUpRemotely(
  run: Run,
  action: Action,
  forced: ReadonlySet<string>,
): Promise<ActionResult | undefined> {
  const { remote, store, layers } = run;
  if (remote === undefined || action.isPure || !isRestorable(action) || isForced(forced, action)) return undefined;
  if (staysHere(action.record) || action.inherited !== undefined) return undefined;
  const ofBuilder = mayBelongToBuilder(action) ? [queryOf(run, action, run.builder.id)] : [];
  const hit = await remote.lookUp(action.key, queryOf(run, action), ...ofBuilder);
  if (remote.failure !== undefined) throw new FailureError(remote.failure);
  if (hit === undefined) return undefined;
  for (const [digest, bytes] of hit.blobs) store.write(digest, bytes);
  const { layer, tool } = hit.result;
  for (const each of [layer, tool]) {
    if (each !== undefined && !(await layers.load(each))) return undefined;
  }
  return { ...hit.result, outputs: withTrees(action, hit.result.outputs, { layer, tool }) };
}

/** `builder`: the only one that the result may belong to. */
function queryOf(run: Run, action: Action, builder?: string): RemoteQuery {
  const validate = run.kinds.get(action.node.kind)!.validateOutputs;
  return {
    keyIn: (scope) =>
      scope.salt === '' && builder === undefined ? action.key : action.messages(variantOf(scope, builder)).key,
    hasValidOutputs: (result) => validate(result.outputs) && result.builder === builder,
    isFresh: (result) => tooOldFrom(action, result) > run.composition.clock.now(),
    record: action.record,
  };
}

/** Such a result has a key of its own on a server. */
const mayBelongToBuilder = ({ reads, record }: Action): boolean =>
  record.builder === undefined && reads.usesBuilder === 'maybe';

/** Whether no machine uploads results of such a key. */
export const staysHere = (record: KeyRecord): boolean =>
  record.scope !== '' ||
  Object.keys(record.secrets).length > 0 ||
  Object.values(record.env).some((value) => value.startsWith('sha256:'));

/** Whether the run has a server that gets results or executes nodes. */
export const isSharing = ({ remote }: Run): boolean => remote?.isWriting === true || remote?.executor !== undefined;

/** Why a result stays on this machine. Without a result, only what is known before the node runs. */
export function unsharedOf(run: Run, action: Action, result: Bound['result'] = {}): Unshared | undefined {
  if (action.isPure || !isRestorable(action)) return undefined;
  const bond = bondOf({ result, usesVariables: usesVariables(run, action) }, action.record);
  if (bond === 'app' || bond === 'secrets') return { type: action.holdsUnkeyed ? 'secrets' : bond };
  if (bond !== undefined && bond !== 'derived' && bond !== 'packed') return { type: bond };
  const taint = taintOf(run, action.index, result.taint);
  return taint === undefined ? undefined : { type: 'derived', ...taint };
}

/** Whether the node has seen a variable of the app, in its environment or by asking for it. */
export const usesVariables = ({ surroundings }: Run, { reads, lookedUp }: Action): boolean =>
  [...(reads.env ?? []), ...lookedUp].some((name) => surroundings.variables[name] !== undefined);

const variantOf = ({ salt }: RemoteScope, builder: string | undefined): ActionVariant => ({
  ...(salt === '' ? {} : { branch: salt }),
  ...(builder === undefined ? {} : { builder }),
});

/** For a result that this run has made and stored. Returns at once. */
export function offerRemotely(
  run: Run,
  action: Action,
  { result, usesVariables }: { readonly result: ActionResult; readonly usesVariables: boolean },
): void {
  const { remote } = run;
  // Pure nodes never ask, because computing their values is quicker than a round trip.
  if (remote?.isWriting !== true || action.isPure) return;
  const stored = usesVariables ? { result, usesVariables } : { result };
  if (bondOf(stored, action.record) !== undefined) return;
  const { key, blobs } = action.messages(variantOf(remote.settings.scopes[0]!, result.builder));
  if (holdsSecret(run, action, blobs)) return;
  const source = { key, messages: blobs, result, table: run.layers.table, sign: remote.settings.sign };
  remote.offer(() => prepareUpload(source, run.store));
}

/**
 * A param or an output can contain a login that the key needs, but that no other user may see. A file can contain a secret that a node
 * before this one was allowed to store.
 */
export function holdsSecret(run: Run, { node }: Action, blobs: ActionMessages['blobs']): boolean {
  const { secrets } = run;
  if (run.storableSecretsOf(run.positionOf(node.id)).size > 0) return true;
  for (const bytes of blobs.values()) {
    const text = bytes.toString('utf8');
    if (secrets.mask(text) !== text) return true;
  }
  return false;
}
