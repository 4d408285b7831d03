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
  const makers = new Map<Layer, string>();
  for (const [id, end] of states.ends()) {
    if (end.type === 'done' && end.layer !== undefined && !makers.has(end.layer)) makers.set(end.layer, id);
  }
  const { appDir, outDir, cacheDir, oneTime = false, signal } = request;
  const folders = { appDir, outDir, cacheDir, isOneTime: oneTime, appId: run.appId };
  const { params } = pipeline;
  return {
    ...folders,
    params,
    source,
    sourceDigests,
    layers: [...makers.keys()],
    makers,
    table: layers.table,
    store,
    signal,
    clock: composition.clock,
  };
}
