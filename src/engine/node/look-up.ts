// Looks up the stored result of an action, and says how the node ends with a result.

import type { Outcome } from '../events.js';
import type { Done } from '../run/node-end.js';
import type { Run } from '../run/run.js';
import { taintOf } from '../run/taint.js';
import type { ActionResult } from '../store/store.js';
import type { Action } from './action.js';
import { withTrees } from './outputs.js';

export const isRestorable = (action: Action): boolean =>
  action.reads.sideEffects !== true && action.node.cache !== 'never';

/**
 * Milliseconds since the epoch. The result of a pure node never ages, because the key holds everything that it depends
 * on.
 */
export function tooOldFrom({ node: { cache }, isPure }: Action, { storedAt }: ActionResult): number {
  return typeof cache === 'object' && !isPure ? storedAt + cache.maxAgeMs : Number.POSITIVE_INFINITY;
}

/** When the result expires, in milliseconds since the epoch; Infinity if it does not. */
export const expiryOf = (action: Action, result: ActionResult): number =>
  Math.min(tooOldFrom(action, result), result.degraded?.expiresAt ?? Number.POSITIVE_INFINITY);

/** Whether this run must execute the node even if a result is stored. */
export const isForced = (forced: ReadonlySet<string>, { node }: Action): boolean =>
  forced.has('all') || forced.has(node.id);

/** The stored result with its layers loaded, and the layers of this run below them; undefined if there is no usable one. */
export async function lookUp(run: Run, action: Action, forced: ReadonlySet<string>): Promise<ActionResult | undefined> {
  if (!isRestorable(action) || isForced(forced, action)) return undefined;
  const result = await run.store.lookUp(action.key, run.asker);
  if (result === undefined) return undefined;
  if (tooOldFrom(action, result) <= run.composition.clock.now()) return undefined;
  // The result may come from another machine, and other nodes rely on the shape of its outputs.
  if (!run.kinds.get(action.node.kind)!.validateOutputs(result.outputs)) return undefined;
  // A layer that can't be read turns the hit into a miss here, while the node can still be executed.
  for (const layer of [result.layer, result.tool]) {
    if (layer !== undefined && !(await run.layers.load(layer))) return undefined;
  }
  const { layer, tool } = result;
  return { ...result, outputs: withTrees(action, result.outputs, { layer, tool }) };
}

export const outcomeOfHit = (run: Run, { node, key }: Action): Extract<Outcome, 'restored' | 'up-to-date'> =>
  run.lastKeyOf(node.id) === key ? 'up-to-date' : 'restored';

/** The end of a node with this result. `isStored`: a later run can find it. */
export function doneWith(
  run: Run,
  action: Action,
  result: ActionResult,
  { outcome, isStored }: Pick<Done, 'outcome' | 'isStored'>,
): Done {
  const { outputs, layer, tool, state, degraded } = result;
  const taint = taintOf(run, action.index, result.taint);
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
    ...(taint === undefined ? {} : { taint }),
    expiresAt: expiryOf(action, result),
  };
}
