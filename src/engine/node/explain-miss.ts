// Says why a node has no cached result to restore: all reasons, found by comparing with the app's last complete run.

import type { Reason } from '../events.js';
import type { Run } from '../run/run.js';
import { expiryOf, isForced } from './look-up.js';
import { builderChange, differences, type Lookups, type MakersOf } from './explain.js';
import type { Action } from './action.js';

/** `forced`: ids of the nodes that this run must execute; `all` stands for every node. */
export async function explainMiss(run: Run, action: Action, forced: ReadonlySet<string>): Promise<readonly Reason[]> {
  const { id, cache } = action.node;
  if (action.reads.sideEffects === true) return [{ type: 'side-effects' }];
  if (cache === 'never') return [{ type: 'never-cached' }];
  if (isForced(forced, action)) {
    const isRequested = run.request.refresh.some((asked) => asked === 'all' || asked === id);
    return [{ type: isRequested ? 'refresh-requested' : 'result-lost' }];
  }
  if (run.lastRun === undefined) return [{ type: 'first-run' }];
  const last = run.lastRun.nodes[id];
  if (last?.key === undefined) return [{ type: last === undefined ? 'new-node' : 'skipped-before' }];
  if (last.key === action.key) return [explainLoss(run, action)];
  const record = await run.store.record(last.key);
  if (record === undefined) {
    const evictedAt = run.store.evictedAt(last.key);
    return [{ type: 'inputs-changed', ...(evictedAt !== undefined && { evictedAt: isoTime(evictedAt) }) }];
  }
  const found = differences(record, action.record, { makers: makersIn(run, action), ...packagesIn(run) });
  return found.length > 0 ? found : [{ type: 'hidden-value-changed' }];
}

/** Why there is no usable result although the key is that of the last run. */
function explainLoss(run: Run, action: Action): Reason {
  const { store, composition } = run;
  const { key } = action;
  const stored = store.inspect(key)?.result;
  if (stored === undefined) {
    const at = store.evictedAt(key);
    return at === undefined ? { type: 'missing-from-cache' } : { type: 'evicted', at: isoTime(at) };
  }
  const { degraded } = stored;
  const expiredAt = expiryOf(action, stored);
  if (expiredAt <= composition.clock.now()) return { type: 'expired', at: isoTime(expiredAt) };
  const isBound = degraded !== undefined && degraded.host !== store.hostId;
  if (isBound) return { type: 'bound-to-other-host' };
  const { builder } = stored;
  if (builder === undefined || builder === run.builder.id) return { type: 'missing-from-cache' };
  return builderChange(builder, run.builder.id, packagesIn(run));
}

const packagesIn = ({ builder }: Run): Lookups => ({ packages: (from, to) => builder.changes(from, to) });

const isoTime = (at: number): string => new Date(at).toISOString();

/** The nodes that made the layers; for a tool, the nodes that feed the port. */
const makersIn =
  (run: Run, { node }: Action): MakersOf =>
  (port, digests) => {
    const writers = digests.map((digest) => run.states.writerOf(digest)).filter((index) => index >= 0);
    if (writers.length > 0) return [...new Set(writers)].map((index) => run.pipeline.nodes[index]!.id);
    const references = [node.inputs[port]!].flat();
    return [...new Set(references.map((reference) => reference.node))];
  };
