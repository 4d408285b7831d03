// Says why a node has no cached result to restore: every reason, from what the last run of the app recorded.

import type { Reason } from '../events.js';
import type { RunState } from '../run/run.js';
import { differences, type MakersOf } from './explain.js';
import type { Action } from './prepare.js';

/** Every reason why there is nothing to restore. */
export async function explainMiss(
  run: RunState,
  action: Action,
  forced: ReadonlySet<string>,
): Promise<readonly Reason[]> {
  if (action.reads.sideEffects === true) return [{ what: 'it has side effects, so it runs every time' }];
  if (action.node.cache === 'never') return [{ what: 'its cache is set to never' }];
  if (forced.has('all') || forced.has(action.node.id)) {
    const isAsked = run.request.refresh.some((id) => id === 'all' || id === action.node.id);
    return [{ what: isAsked ? 'a refresh was asked for' : 'a file of its result is missing from the cache' }];
  }
  const last = run.lastRun?.nodes[action.node.id]?.key;
  if (last === undefined) return [{ what: run.lastRun === undefined ? 'first run of this app' : 'new node' }];
  if (last === action.key) {
    const evicted = run.store.evictedAt(action.key);
    return [
      {
        what:
          evicted === undefined
            ? 'its result is missing from the cache, or too old'
            : 'its result was evicted from the cache',
      },
    ];
  }
  const record = await run.store.record(last);
  if (record !== undefined) return differences(record, action.record, makersIn(run, action));
  const evicted = run.store.evictedAt(last) !== undefined;
  return [
    {
      what: evicted
        ? 'inputs changed; the result to compare with was evicted'
        : 'inputs changed; the result to compare with is gone',
    },
  ];
}

/** By the layers themselves; where none is new, or it is a tool, by the edges of the port. */
const makersIn =
  (run: RunState, { node }: Action): MakersOf =>
  (port, digests) => {
    const writers = digests.map((digest) => run.writerOf(digest)).filter((index) => index >= 0);
    if (writers.length > 0) return [...new Set(writers)].map((index) => run.pipeline.nodes[index]!.id);
    const references = node.inputs[port] ?? [];
    return [...new Set([references].flat().map((reference) => reference.node))];
  };
