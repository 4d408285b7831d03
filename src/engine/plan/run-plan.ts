// Which nodes of a checked pipeline a run visits, and how long each is expected to take.

import { didYouMean } from '../../manifests/closest.js';
import { fail, succeed, type Failure, type Result } from '../failure.js';
import type { RunRequest, Refusal } from '../request.js';
import type { CheckedRequest } from './checked-pipeline.js';
import type { ScheduledNode } from './schedule.js';

export interface RunPlan {
  /** Positions in the pipeline, ascending. */
  readonly positions: readonly number[];
  /** Whether every node of the pipeline is among them; only then a slug is written. */
  readonly isWhole: boolean;
}

/** All nodes, or those that `--only` and `--until` name with everything they wait for. */
export function planRun(
  { pipeline: { nodes } }: CheckedRequest,
  { only, until, refresh }: Pick<RunRequest, 'only' | 'until' | 'refresh'>,
): Result<RunPlan, Refusal> {
  const positions = new Map(nodes.map(({ id }, position) => [id as string, position]));
  const targets = [...only, ...(until === undefined ? [] : [until])];
  const unknown = [...refresh.filter((id) => id !== 'all'), ...targets].find((id) => !positions.has(id));
  if (unknown !== undefined) return fail({ type: 'failure', failure: unknownNode(unknown, [...positions.keys()]) });
  if (targets.length === 0) return succeed({ positions: [...nodes.keys()], isWhole: true });
  const selected = new Set<number>();
  const visit = (id: string): void => {
    const position = positions.get(id)!;
    if (selected.has(position)) return;
    selected.add(position);
    nodes[position]!.dependencies.forEach(visit);
  };
  targets.forEach(visit);
  return succeed({ positions: [...selected].sort((a, b) => a - b), isWhole: selected.size === nodes.length });
}

/** A node that never ran and whose kind says nothing. */
const DEFAULT_EXPECTED_MS = 1000;

/** `lastMs`: what a node's work took when it was last done. */
export function scheduledNodes(
  { pipeline, kinds }: CheckedRequest,
  { positions }: RunPlan,
  lastMs: (id: string) => number | undefined,
): readonly ScheduledNode[] {
  return positions.map((position) => {
    const { id, dependencies, kind } = pipeline.nodes[position]!;
    const expectedMs = lastMs(id) ?? kinds.get(kind)?.manifest.expectedMs ?? DEFAULT_EXPECTED_MS;
    return { id, dependencies, expectedMs };
  });
}

const unknownNode = (id: string, known: readonly string[]): Failure => ({
  code: 'run::unknown-node',
  blame: 'pipeline',
  title: `This pipeline has no node ${JSON.stringify(id)}`,
  detail: `Its nodes are ${known.slice(0, 20).join(', ')}${known.length > 20 ? ', ...' : ''}.`,
  remedy: didYouMean(id, known) ?? 'Name one of them.',
});
