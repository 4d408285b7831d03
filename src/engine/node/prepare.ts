// Turns a planned node into an action: guard, inputs, reads, view, key. Used by `run` and `plan`; nothing is executed
// here.

import type { CheckedNode } from '../../manifests/pipeline/manifest.js';
import { linkFailure, type LinkProblem } from '../app/links.js';
import { viewReader, type MetLinks } from '../app/view.js';
import { succeed, type Failure, type Result } from '../failure.js';
import { failed, stopWith, type NodeEnd, type Stop } from '../run/node-end.js';
import { isBlocking } from '../run/node-states.js';
import type { Run } from '../run/run.js';
import type { Reads } from '../sdk.js';
import { makeAction, type Action, type Asked } from './action.js';
import { resolveInputs, type ResolvedInputs } from './inputs.js';
import { selectView } from './select-view.js';

/** An action, or how the node ends without one. */
export type Prepared = { readonly type: 'action'; readonly action: Action } | Exclude<NodeEnd, { type: 'done' }>;

/** Call it when every dependency of the node has ended. */
export async function prepareNode(run: Run, index: number): Promise<Prepared> {
  const node = run.pipeline.nodes[index]!;
  const held = await holdBack(run, node);
  if (held !== undefined) return held;
  const inputs = resolveInputs(run, node);
  const asked = await askPlugin(run, index, inputs);
  if (!asked.ok) return asked.failure;
  const view = await selectView(run, index, inputs, asked.value);
  if (!view.ok) return view.failure;
  return { type: 'action', action: makeAction(run, index, inputs, asked.value, view.value) };
}

/** How the node ends without running; undefined if nothing blocks it and its guard is true. */
async function holdBack(run: Run, node: CheckedNode): Promise<Prepared | undefined> {
  const by = node.dependencies.filter((id) => isBlocking(run.states.endOf(id)!));
  if (by.length > 0) return { type: 'blocked', by };
  if (node.when === undefined) return undefined;
  const holds = await run.evaluateWhen(node);
  if (!holds.ok) return failed(holds.failure);
  return holds.value ? undefined : { type: 'skipped' };
}

async function askPlugin(run: Run, index: number, inputs: ResolvedInputs): Promise<Result<Asked, Stop>> {
  const { id, kind, config, timeoutMs } = run.pipeline.nodes[index]!;
  const plugin = await run.plugin(kind);
  run.states.files.beginLooks(index);
  const lookedUp = new Set<string>();
  const met: MetLinks = { read: [], lookedFor: [] };
  const view = viewReader(run.states.files, index, run.surroundings, lookedUp, met);
  const reads = await plugin.reads({ config: config as never, inputs: inputs.values as never }, view, {
    node: id,
    signal: run.request.signal,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  });
  const unusable = linkInTheWay(run, met, reads);
  if (unusable !== undefined) return stopWith(unusable);
  if (!reads.ok) return stopWith(reads.failure);
  return succeed({ plugin, reads: reads.value, view, met, lookedUp });
}

/** A failure if a file that the plugin wanted is behind a link that pyflow can't follow. */
function linkInTheWay(run: Run, { read, lookedFor }: MetLinks, reads: Result<Reads, Failure>): Failure | undefined {
  const isOfApp = !reads.ok && reads.failure.blame === 'app';
  const problem: LinkProblem | undefined = read[0] ?? (isOfApp ? lookedFor[0] : undefined);
  if (problem === undefined) return undefined;
  return linkFailure(problem, run.request.appDir, reads.ok ? undefined : reads.failure);
}
