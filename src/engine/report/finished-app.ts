// Collects the data of the finished app, from the states of a run's nodes.

import type { RunPlan } from '../plan/run-plan.js';
import type { Run } from '../run/run.js';
import type { FinishedApp } from '../slug/finished-app.js';
import type { Layer } from '../trees/tree.js';
import { statusOf } from './report.js';

/** Undefined unless the run visited every node of the pipeline and none failed. */
export function finishedApp(run: Run, { isWhole }: RunPlan): FinishedApp | undefined {
  const { request, pipeline, states, layers, store, source, sourceDigests, composition } = run;
  if (!isWhole || pipeline.nodes.length === 0 || statusOf(run) !== 'succeeded') return undefined;
  const found = new Set<Layer>();
  for (const [, end] of states.ends()) if (end.type === 'done' && end.layer !== undefined) found.add(end.layer);
  const { appDir, outDir, cacheDir, oneTime = false, signal } = request;
  const folders = { appDir, outDir, cacheDir, isOneTime: oneTime };
  const { params } = pipeline;
  return {
    ...folders,
    params,
    source,
    sourceDigests,
    layers: [...found],
    table: layers.table,
    store,
    signal,
    clock: composition.clock,
  };
}
