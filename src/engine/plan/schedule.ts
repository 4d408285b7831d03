// Orders the starts of a graph's nodes. The only importer of p-graph.

import { PGraph } from 'p-graph';

export interface ScheduledNode {
  readonly id: string;
  readonly dependencies: readonly string[];
  /** Milliseconds this node is expected to take. */
  readonly expectedMs: number;
}

/**
 * Calls `visit` once per node, after the visits of its dependencies have ended, as many at a time as the graph allows; the
 * caller limits the work (`admission.ts`). `visit` must not throw: after a rejection p-graph would still start dependents
 * of running nodes (seen with 2.0.0). So `continue` is on, and the caller records outcomes.
 */
export async function schedule(nodes: readonly ScheduledNode[], visit: (id: string) => Promise<void>): Promise<void> {
  if (nodes.length === 0) return;
  const graphNodes = new Map(nodes.map(({ id, expectedMs }) => [id, { run: () => visit(id), priority: expectedMs }]));
  // Edges are [prerequisite, dependent].
  const edges = nodes.flatMap(({ id, dependencies }) =>
    dependencies.map((dependency): [string, string] => [dependency, id]),
  );
  await new PGraph(graphNodes, edges).run({ continue: true });
}

/**
 * Milliseconds from a node's start to the end of the longest chain of its dependents; among ready nodes the largest starts
 * first. `nodes` in topological order.
 */
export function criticalPaths(nodes: readonly ScheduledNode[]): ReadonlyMap<string, number> {
  const behind = new Map<string, number>();
  for (const { id, dependencies, expectedMs } of nodes.toReversed()) {
    const rank = (behind.get(id) ?? 0) + expectedMs;
    behind.set(id, rank);
    for (const dependency of dependencies) behind.set(dependency, Math.max(behind.get(dependency) ?? 0, rank));
  }
  return behind;
}
