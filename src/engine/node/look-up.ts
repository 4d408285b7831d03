// Whether a stored result can stand for a node's run, and how the node ends with a result.

import type { Outcome } from '../events.js';
import type { Done } from '../run/node-end.js';
import type { Run } from '../run/run.js';
import type { ActionResult } from '../store/store.js';
import type { Action } from './action.js';

export const isRestorable = (action: Action): boolean =>
  action.reads.sideEffects !== true && action.node.cache !== 'never';

/** Milliseconds since the epoch. Values made from what is in the key alone do not age. */
function tooOldFrom({ node: { cache }, isPure }: Action, { storedAt }: ActionResult): number {
  return typeof cache === 'object' && !isPure ? storedAt + cache.maxAgeMs : Number.POSITIVE_INFINITY;
}

/** When the result must not be used any more; milliseconds since the epoch. */
export const expiryOf = (action: Action, result: ActionResult): number =>
  Math.min(tooOldFrom(action, result), result.degraded?.expiresAt ?? Number.POSITIVE_INFINITY);

/** Whether this run must execute the node although a result may be stored. */
export const isForced = (forced: ReadonlySet<string>, { node }: Action): boolean =>
  forced.has('all') || forced.has(node.id);

/** The stored result, with its layers loaded; undefined when there is none to use. */
export async function lookUp(run: Run, action: Action, forced: ReadonlySet<string>): Promise<ActionResult | undefined> {
  if (!isRestorable(action) || isForced(forced, action)) return undefined;
  const result = await run.store.lookUp(action.key, run.appId);
  if (result === undefined) return undefined;
  if (tooOldFrom(action, result) <= run.composition.clock.now()) return undefined;
  // A layer that cannot be read makes the hit a miss here, where the node can still be run.
  for (const layer of [result.layer, result.tool]) {
    if (layer !== undefined && (await run.layers.load(layer.digest)) === undefined) return undefined;
  }
  return result;
}

export const outcomeOfHit = (run: Run, { node, key }: Action): Extract<Outcome, 'restored' | 'up-to-date'> =>
  run.lastKeyOf(node.id) === key ? 'up-to-date' : 'restored';

/** How a node ends that has this result. `isStored`: a later run finds it. */
export function doneWith(
  action: Action,
  result: ActionResult,
  { outcome, isStored }: Pick<Done, 'outcome' | 'isStored'>,
): Done {
  const { outputs, layer, tool, state, degraded } = result;
  return {
    type: 'done',
    outcome,
    isStored,
    key: action.key,
    outputs,
    ...(layer === undefined ? {} : { layer }),
    ...(tool === undefined ? {} : { tool }),
    ...(state === undefined ? {} : { state }),
    ...(degraded === undefined ? {} : { degraded: degraded.reason }),
    expiresAt: expiryOf(action, result),
  };
}
