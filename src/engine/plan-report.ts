// What a run would do, without doing it: pure nodes are evaluated, nothing else runs and nothing is stored.

import type { NodeId } from '../manifests/pipeline/manifest.js';
import { Admission } from './admission.js';
import { closing, type Compose } from './composition.js';
import type { Outcome, Reason } from './events.js';
import { explainMiss, lookUp, settle } from './execute.js';
import { fail, succeed, type Result } from './failure.js';
import type { PlanLine, PlanReport, Refusal, RunRequest } from './pipeline.js';
import { prepareNode, STOPS, type Action } from './prepare.js';
import { runAction, type Workplace } from './run-action.js';
import { selectNodes } from './run-stages.js';
import { openRun, type RunState } from './run-state.js';
import { stoppingOf } from './stopping.js';

/** Lines in plan order. Every certain line holds in the run; a depending one stands only behind a node that executes. */
export const planPipeline = (request: RunRequest, compose: Compose): Promise<Result<PlanReport, Refusal>> =>
  closing(compose, (composing) => planComposed(request, composing));

async function planComposed(request: RunRequest, compose: Compose): Promise<Result<PlanReport, Refusal>> {
  const composition = await compose({ cacheDir: request.cacheDir, settings: request.settings });
  const opened = await openRun(request, composition, () => undefined);
  if (!opened.ok) return opened;
  const run = opened.value;
  try {
    const selection = selectNodes(run, request);
    if (!selection.ok) return fail({ type: 'failure', failure: selection.failure });
    const forced = new Set(request.refresh);
    const lines: PlanLine[] = [];
    /** Node -> the nodes that execute before its inputs are known. */
    const unknown = new Map<NodeId, readonly NodeId[]>();
    for (const index of selection.value) lines.push(await planNode(run, index, forced, unknown));
    return succeed({ pipeline: run.pipeline.name, appId: run.appId, lines: run.secrets.maskValue(lines) });
  } finally {
    await run.store.close();
  }
}

async function planNode(
  run: RunState,
  index: number,
  forced: ReadonlySet<string>,
  unknown: Map<NodeId, readonly NodeId[]>,
): Promise<PlanLine> {
  const { id, kind, dependencies } = run.pipeline.nodes[index]!;
  const dependsOn = [...new Set(dependencies.flatMap((dependency) => unknown.get(dependency) ?? []))];
  if (dependsOn.length > 0) {
    if (await isSkippedAnyway(run, index, unknown)) {
      run.states.set(id, { outcome: 'skipped', outputs: {} });
      return { id, kind, certain: true, outcome: 'skipped', reasons: [] };
    }
    unknown.set(id, dependsOn);
    const isKnown = dependencies.every((dependency) => run.states.has(dependency));
    const guess = isKnown ? await guessNode(run, index, forced) : undefined;
    return { id, kind, certain: false, dependsOn, reasons: [], ...guess };
  }
  const certain = (outcome: Outcome, reasons: readonly Reason[] = []): PlanLine => {
    if (!run.states.has(id)) run.states.set(id, { outcome, outputs: {} });
    return { id, kind, certain: true, outcome, reasons };
  };
  const prepared = await prepareNode(run, index);
  switch (prepared.type) {
    case 'skipped':
      return certain('skipped');
    case 'blocked':
      return certain(
        'blocked',
        prepared.by.map((by) => ({ what: `node ${by}` })),
      );
    case 'failed':
      return certain('failed', [{ what: prepared.failure.code, to: prepared.failure.title }]);
    case 'action': {
      const { action } = prepared;
      const found = await lookUp(run, action, forced);
      if (found !== undefined) {
        const outcome = run.lastRun?.nodes[id]?.key === action.key ? 'up-to-date' : 'restored';
        settle({ run, newState: {} }, action, outcome, found);
        return certain(outcome);
      }
      const reasons = await explainMiss(run, action, forced);
      if (action.isPure) return evaluate(run, action, reasons, certain);
      unknown.set(id, [id]);
      const line = { id, kind, certain: true, outcome: 'executed' as const, reasons };
      await assumeAsBefore(run, index);
      return line;
    }
  }
}

/** The guard reads nothing that is still open, and is false: what the inputs will be does not matter. */
async function isSkippedAnyway(
  run: RunState,
  index: number,
  unknown: ReadonlyMap<NodeId, readonly NodeId[]>,
): Promise<boolean> {
  const node = run.pipeline.nodes[index]!;
  if (node.when === undefined || node.whenReads.some((read) => unknown.has(read.node))) return false;
  if (node.dependencies.some((dependency) => STOPS.has(run.states.get(dependency)?.outcome ?? 'executed')))
    return false;
  const holds = await run.evaluateWhen(node);
  return holds.ok && !holds.value;
}

/** What the node will do if the layers before it come out as in the last run; undefined when that cannot be told. */
async function guessNode(
  run: RunState,
  index: number,
  forced: ReadonlySet<string>,
): Promise<Pick<PlanLine, 'outcome' | 'reasons'> | undefined> {
  const { id } = run.pipeline.nodes[index]!;
  const prepared = await prepareNode(run, index);
  if (prepared.type !== 'action') {
    if (prepared.type === 'skipped') run.states.set(id, { outcome: 'skipped', outputs: {} });
    return prepared.type === 'skipped' ? { outcome: 'skipped', reasons: [] } : undefined;
  }
  const { action } = prepared;
  const found = await lookUp(run, action, forced);
  if (found !== undefined) {
    const outcome = run.lastRun?.nodes[id]?.key === action.key ? 'up-to-date' : 'restored';
    settle({ run, newState: {} }, action, outcome, found);
    return { outcome, reasons: [] };
  }
  const reasons = await explainMiss(run, action, forced);
  await assumeAsBefore(run, index);
  return { outcome: 'executed', reasons };
}

/** Takes what an executing node gave in the last run for what it will give; without one its dependents are left open. */
async function assumeAsBefore(run: RunState, index: number): Promise<void> {
  const { id } = run.pipeline.nodes[index]!;
  const last = run.lastRun?.nodes[id];
  if (last === undefined) return;
  const layer = last.layer === undefined ? undefined : await run.layer(last.layer);
  if (last.layer !== undefined && layer === undefined) return;
  if (layer !== undefined) run.addLayer(index, layer);
  run.states.set(id, { outcome: 'executed', outputs: last.outputs, ...(layer === undefined ? {} : { layer }) });
}

async function evaluate(
  run: RunState,
  action: Action,
  reasons: readonly Reason[],
  certain: (outcome: Outcome, reasons?: readonly Reason[]) => PlanLine,
): Promise<PlanLine> {
  const nowhere = (): never => {
    throw new Error(`a pure node asked for a folder: ${action.node.id}`);
  };
  const place: Workplace = {
    run,
    sink: { emit: () => undefined },
    secrets: {},
    limits: {},
    sandbox: nowhere,
    closeSandbox: nowhere,
    smallDir: nowhere,
    largeDir: nowhere,
    cacheDirOf: nowhere,
    rankOf: nowhere,
    stopping: stoppingOf(run.request.signal),
    working: new Admission(1, {}),
  };
  const done = await runAction(place, action, run.request.signal, { onWork: () => {}, onStatus: () => {} });
  if (!done.ok) return certain('failed', [{ what: done.failure.code, to: done.failure.title }]);
  settle({ run, newState: {} }, action, 'executed', done.value.result);
  return certain('executed', reasons);
}
