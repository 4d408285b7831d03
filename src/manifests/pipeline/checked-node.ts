// Makes a checked node from a draft that passed every check.

import type { CheckedNode, NodeId, Reference } from './manifest.js';
import type { Draft } from './nodes.js';
import type { Guard } from './guards.js';
import type { Wiring } from './wiring.js';

export function assembleNode(
  index: number,
  drafts: readonly Draft[],
  wiring: Wiring,
  optionalInputs: readonly string[],
): CheckedNode {
  const draft = drafts[index] as Draft;
  const { id, kind, raw } = draft;
  const guard = wiring.guards.get(index);
  const idOf = (node: number): NodeId => drafts[node]?.id ?? ('' as NodeId);
  return Object.freeze({
    id,
    kind: kind?.manifest.kind ?? '',
    config: draft.config,
    inputs: referencesOf(index, wiring),
    optionalInputs,
    after: (wiring.after[index] ?? []).map(idOf),
    ...(guard && { when: guard.expression }),
    whenReads: readsOf(guard, idOf),
    dependencies: (wiring.graph[index] ?? []).map(idOf),
    writes: draft.writes ?? [],
    env: draft.env,
    secrets: draft.secrets,
    cache: draft.cache,
    retries: draft.retries,
    ...(draft.retryOn !== undefined && { retryOn: draft.retryOn }),
    ...(draft.timeoutMs !== undefined && { timeoutMs: draft.timeoutMs }),
    ...(draft.limits !== undefined && { limits: draft.limits }),
    ...(draft.pool !== undefined && { pool: draft.pool }),
    network: typeof raw['network'] === 'boolean' ? raw['network'] : kind?.manifest.network === true,
    ...(typeof raw['description'] === 'string' && { description: raw['description'] }),
  });
}

function referencesOf(index: number, { inputs }: Wiring): CheckedNode['inputs'] {
  return Object.fromEntries(
    (inputs[index] ?? []).map(({ port, isList, edges }) => {
      const references = edges.map(({ reference }) => reference);
      return [port, isList ? references : (references[0] ?? [])];
    }),
  );
}

/** Each output once, however often the guard names it. */
function readsOf(guard: Guard | undefined, idOf: (node: number) => NodeId): readonly Reference[] {
  const reads = new Map(
    (guard?.reads ?? []).map(({ node, port }) => [`${idOf(node)}.${port}`, { node: idOf(node), port }]),
  );
  return [...reads.values()];
}
