// How the nodes of a file are connected: the edges of each, the graph they form, and its order.

import type { CheckContext } from './check-context.js';
import { readAfter, readInputs, type Input } from './edges.js';
import { topologicalOrder, type Prerequisites } from './graph.js';
import { readGuards, type Guard } from './guards.js';
import type { Problem } from './problem.js';

/** Indexes are positions of nodes in the file. */
export interface Wiring {
  readonly inputs: readonly (readonly Input[])[];
  readonly after: readonly (readonly number[])[];
  readonly guards: ReadonlyMap<number, Guard>;
  readonly graph: Prerequisites;
  /** Topological; without the nodes that are on a cycle or wait for one. */
  readonly order: readonly number[];
  /** An edge of the node, or of a node that it waits for, could not be read, so its order is unknown. */
  readonly isUncertain: (index: number) => boolean;
}

/** Reports names that don't exist. `problems`: all found so far, and those that this step reports. */
export async function readWiring(context: CheckContext, problems: readonly Problem[]): Promise<Wiring> {
  const { drafts, indexOf } = context;
  const inputs = drafts.map((draft) => readInputs(draft, context));
  const after = drafts.map((draft) => readAfter(draft, context));
  const guards = await readGuards(context);
  const graph = drafts.map(({ index }) => prerequisitesOf(inputs[index] ?? [], after[index] ?? [], guards.get(index)));
  const order = topologicalOrder(graph);
  const uncertain = withDependents(nodesWithBadEdges(problems, indexOf), graph, order);
  return { inputs, after, guards, graph, order, isUncertain: (index) => uncertain.has(index) };
}

/** In file order, without duplicates. */
function prerequisitesOf(
  inputs: readonly Input[],
  after: readonly number[],
  guard: Guard | undefined,
): readonly number[] {
  const needs = new Set<number>(after);
  for (const { edges } of inputs) for (const { producer } of edges) needs.add(producer);
  for (const { node } of guard?.reads ?? []) needs.add(node);
  return [...needs].sort((a, b) => a - b);
}

function nodesWithBadEdges(problems: readonly Problem[], indexOf: ReadonlyMap<string, number>): ReadonlySet<number> {
  const found = new Set<number>();
  for (const { path } of problems) {
    const [section, node, field] = path;
    if (section !== 'nodes' || (field !== 'inputs' && field !== 'after' && field !== 'when')) continue;
    const index = indexOf.get(String(node));
    if (index !== undefined) found.add(index);
  }
  return found;
}

function withDependents(
  nodes: ReadonlySet<number>,
  graph: Prerequisites,
  order: readonly number[],
): ReadonlySet<number> {
  const found = new Set(nodes);
  for (const index of order) if (graph[index]?.some((needed) => found.has(needed))) found.add(index);
  return found;
}
