// One node's life: prepared, looked up, restored or run, recorded. Unaware of the order of nodes.

import type { NodeId } from '../../manifests/pipeline/manifest.js';
import { loadLayer } from '../trees/layers.js';
import { acquireKeyLock } from '../run/lock.js';
import { explainMiss } from './explain-miss.js';
import type { NodeReport, Outcome, Reason } from '../events.js';
import { FailureError, type Failure } from '../failure.js';
import type { Execution } from './execution.js';
import { prepareNode, type Action } from './prepare.js';
import type { NodeState } from '../run/node-states.js';
import { withRetries } from './retries.js';
import { ABORTED, someOf } from './run-action.js';
import type { RunState } from '../run/run.js';
import type { ActionResult, LogLine } from '../store/store.js';
import { endedOrGivenUp } from '../process/stopping.js';
import { systemFailure } from '../files/system-failures.js';

/** Never throws: every way out records an outcome. */
export async function executeNode(execution: Execution, index: number): Promise<void> {
  const { run } = execution;
  const { id, kind } = run.pipeline.nodes[index]!;
  try {
    await live(execution, index);
  } catch (error) {
    if (execution.stopping.signal.aborted) {
      return finish(execution, id, { kind, outcome: 'aborted', reasons: [], durationMs: 0 });
    }
    const failure =
      error instanceof FailureError
        ? error.failure
        : (systemFailure(error) ?? internalError(id, error, run.request.settings['DEBUG'] !== undefined));
    finish(execution, id, { kind, outcome: 'failed', reasons: [], durationMs: 0, failure });
  }
}

async function live(execution: Execution, index: number): Promise<void> {
  const { run } = execution;
  const { id, kind } = run.pipeline.nodes[index]!;
  const nothing = { kind, reasons: [], durationMs: 0 };
  if (execution.stopping.signal.aborted) return finish(execution, id, { ...nothing, outcome: 'aborted' });
  const last = execution.unchanged?.reportOf(index);
  if (last !== undefined && (await standAsBefore(execution, index, last))) return;
  const preparing = prepareNode(run, index);
  const prepared = asksOutside(run, kind)
    ? await endedOrGivenUp(preparing, execution.stopping.signal)
    : await preparing;
  if (prepared === undefined) return finish(execution, id, { ...nothing, outcome: 'aborted' });
  switch (prepared.type) {
    case 'skipped':
      return finish(execution, id, { ...nothing, outcome: 'skipped' });
    case 'blocked':
      return finish(execution, id, {
        ...nothing,
        outcome: 'blocked',
        reasons: prepared.by.map((node) => ({ type: 'needs-node', node })),
      });
    case 'failed':
      return finish(execution, id, { ...nothing, outcome: 'failed', failure: prepared.failure });
    case 'action':
      return liveAction(execution, prepared.action);
  }
}

/** Its `reads` may wait for a host, or for code that is not ours. */
function asksOutside({ kinds }: RunState, kind: string): boolean {
  const known = kinds.get(kind);
  return known?.codeDigest !== undefined || known?.manifest.network === true;
}

/** Nothing that the node could see has changed: it is what it was, unless its layer is gone from the cache. */
async function standAsBefore(execution: Execution, index: number, last: NodeReport): Promise<boolean> {
  const { run } = execution;
  const { id } = run.pipeline.nodes[index]!;
  const layer = last.layer === undefined ? undefined : await run.layer(last.layer.digest);
  if (last.layer !== undefined && layer === undefined) return false;
  if (layer !== undefined) run.addLayer(index, layer);
  if (last.outcome !== 'skipped') {
    const key = last.key === undefined ? {} : { key: last.key };
    const state: NodeState = { outcome: last.outcome, outputs: last.outputs ?? {}, ...key };
    run.states.set(id, layer === undefined ? state : { ...state, layer });
  }
  finish(execution, id, last);
  return true;
}

async function liveAction(execution: Execution, action: Action): Promise<void> {
  const found = await lookUp(execution.run, action, execution.forced);
  if (found !== undefined) return restore(execution, action, found);
  const reasons = await explainMiss(execution.run, action, execution.forced);
  if (action.isPure) return perform(execution, action, reasons);

  const release = await execution.admission.admit({
    rank: execution.rankOf(action.node.id),
    ...(action.node.pool === undefined ? {} : { pool: action.node.pool }),
  });
  try {
    if (execution.stopping.signal.aborted) {
      return finish(execution, action.node.id, { kind: action.node.kind, outcome: 'aborted', reasons, durationMs: 0 });
    }
    // What may not be restored gains nothing from waiting for another process that runs the same.
    if (!isRestorable(action)) return await perform(execution, action, reasons);
    const lock = await acquireKeyLock(execution.run.request.cacheDir, action.key, {
      signal: execution.stopping.signal,
    });
    try {
      // Also without a wait: another process may have come and gone since the first look.
      const meanwhile = await lookUp(execution.run, action, execution.forced);
      if (meanwhile !== undefined) return await restore(execution, action, meanwhile);
      return await perform(execution, action, reasons);
    } finally {
      lock.release();
    }
  } finally {
    release();
  }
}

export const isRestorable = (action: Action): boolean =>
  action.reads.sideEffects !== true && action.node.cache !== 'never';

/** Milliseconds since the epoch. Values made from what is in the key alone do not age. */
function tooOldFrom({ node: { cache }, isPure }: Action, { storedAt }: ActionResult): number {
  return typeof cache === 'object' && !isPure ? storedAt + cache.maxAgeMs : Number.POSITIVE_INFINITY;
}

/** The stored result, with its layers loaded; undefined when there is none to use. */
export async function lookUp(
  run: RunState,
  action: Action,
  forced: ReadonlySet<string>,
): Promise<ActionResult | undefined> {
  if (!isRestorable(action) || forced.has('all') || forced.has(action.node.id)) return undefined;
  const result = await run.store.lookUp(action.key, run.appId);
  if (result === undefined) return undefined;
  if (tooOldFrom(action, result) <= run.composition.clock.now()) return undefined;
  // A layer that cannot be read makes the hit a miss here, where the node can still be run.
  for (const layer of [result.layer, result.tool]) {
    if (layer !== undefined && (await loadLayer(run.store, layer.digest, run.table)) === undefined) return undefined;
  }
  return result;
}

async function restore(execution: Execution, action: Action, result: ActionResult): Promise<void> {
  const { run, sink } = execution;
  const { id, kind } = action.node;
  const outcome: Outcome = run.lastRun?.nodes[id]?.key === action.key ? 'up-to-date' : 'restored';
  settle(execution, action, outcome, result);
  // Whoever builds in a new folder each time reads each log as that of a build of its own.
  if ((outcome === 'restored' || run.request.oneTime === true) && result.log !== undefined) {
    for (const { stream, text } of await readLog(run, result)) {
      sink.emit({ type: 'node-printed', node: id, replayed: true, stream, text });
    }
  }
  finish(execution, id, {
    kind,
    outcome,
    key: action.key,
    reasons: [],
    durationMs: 0,
    savedMs: result.durationMs,
    ...reportOf(result),
  });
}

async function readLog(run: RunState, result: ActionResult): Promise<readonly LogLine[]> {
  const bytes = await run.store.read(result.log!);
  if (bytes === undefined) return [];
  return bytes
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as LogLine);
}

async function perform(execution: Execution, action: Action, reasons: readonly Reason[]): Promise<void> {
  const { run, sink } = execution;
  const { id, kind } = action.node;
  let startedAt: string | undefined;
  let started = performance.now();
  const onWork = (): void => {
    if (startedAt !== undefined) return;
    startedAt = new Date(run.composition.clock.now()).toISOString();
    started = performance.now();
    sink.emit({ type: 'node-started', node: id, kind, key: action.key, reasons });
    for (const text of action.passedLinks) sink.emit({ type: 'notice', code: 'app::passed-link', node: id, text });
  };
  const { done, attempts } = await withRetries(execution, action, onWork);
  const durationMs = done.ok ? done.value.result.durationMs : Math.round(performance.now() - started);
  const base = {
    kind,
    key: action.key,
    reasons,
    ...(startedAt === undefined ? {} : { startedAt }),
    durationMs,
    ...(attempts > 1 && { attempts }),
  };
  if (!done.ok) {
    const outcome = execution.signal.aborted || done.failure.code === ABORTED ? 'aborted' : 'failed';
    if (outcome === 'aborted' && startedAt !== undefined && !isRestorable(action)) tellHalfDone(execution, action);
    return finish(execution, id, { ...base, outcome, ...(outcome === 'failed' ? { failure: done.failure } : {}) });
  }
  const { result, uncacheable } = done.value;
  if (uncacheable !== undefined || !isRestorable(action)) execution.unstored.add(id);
  else await run.store.publish(action.key, result, action.record);
  if (uncacheable !== undefined) {
    sink.emit({
      type: 'notice',
      code: 'node::not-stored',
      node: id,
      text: `The result of ${id} is not stored: ${uncacheable}`,
    });
  }
  settle(execution, action, 'executed', result);
  finish(execution, id, { ...base, outcome: 'executed', ...reportOf(result) });
}

/** What it did elsewhere may be half done, and the next run does it from the start. */
function tellHalfDone({ sink }: Execution, { node: { id }, reads }: Action): void {
  const why =
    reads.sideEffects === true ? 'It has side effects, which may be half done.' : 'Its cache is set to never.';
  const text = `${id} was stopped before its end. ${why} Nothing of it is cached; the next run executes it again.`;
  sink.emit({ type: 'notice', code: 'node::stopped', node: id, text });
}

/** Makes the node's outputs and layers known to those behind it. */
export function settle(
  execution: Pick<Execution, 'run' | 'newState'>,
  action: Action,
  outcome: Outcome,
  result: ActionResult,
): void {
  const { run } = execution;
  if (result.tool !== undefined) run.addTool(result.tool);
  if (result.layer !== undefined) run.addLayer(action.index, result.layer);
  if (result.degraded !== undefined) run.validUntil = Math.min(run.validUntil, result.degraded.expiresAt);
  run.validUntil = Math.min(run.validUntil, tooOldFrom(action, result));
  if (result.state !== undefined) Object.assign(execution.newState, result.state);
  run.states.set(action.node.id, {
    outcome,
    outputs: result.outputs,
    key: action.key,
    ...(result.layer === undefined ? {} : { layer: result.layer }),
  });
}

function reportOf({ outputs, layer, degraded }: ActionResult): Pick<NodeReport, 'outputs' | 'layer' | 'degraded'> {
  return {
    outputs,
    ...(layer === undefined ? {} : { layer: { digest: layer.digest, files: layer.files, bytes: layer.bytes } }),
    ...(degraded === undefined ? {} : { degraded: degraded.reason }),
  };
}

function finish(execution: Execution, id: NodeId, report: NodeReport): void {
  const { run, sink, reports } = execution;
  if (report.outcome === 'failed' && !execution.keepGoing) execution.stopping.stop();
  if (!run.states.has(id)) run.states.set(id, { outcome: report.outcome, outputs: {} });
  execution.unchanged?.settled(run.positionOf(id), run.states.get(id)!);
  const shown = maskedReport(run, withHiddenFiles(run, report));
  // The next run would take outputs from the records of this one.
  if (shown.outputs !== report.outputs) execution.unstored.add(id);
  reports.set(id, shown);
  sink.emit({ type: 'node-finished', node: id, report: shown });
}

/** On stacks that apply `.slugignore` before the build, a file that is missing may be there for everybody but the build. */
function withHiddenFiles({ files }: RunState, report: NodeReport): NodeReport {
  const { hidden } = files.source;
  const { failure } = report;
  if (failure?.blame !== 'app' || hidden.length === 0) return report;
  const told = `${failure.title}\n${failure.detail}`;
  const isTold = (path: string): boolean => told.includes(path) || told.includes(path.slice(path.lastIndexOf('/') + 1));
  const shown = [...hidden.filter(isTold), ...hidden.filter((path) => !isTold(path))];
  const note = `On this stack .slugignore hides files from the build: ${someOf(shown)}`;
  const remedy = `${failure.remedy}\nIf the build needs a file that .slugignore hides, remove its line there.`;
  return { ...report, failure: { ...failure, detail: `${failure.detail}\n${note}`.trim(), remedy } };
}

function maskedReport({ secrets }: RunState, report: NodeReport): NodeReport {
  const { failure, outputs, degraded } = report;
  return {
    ...report,
    reasons: secrets.maskReasons(report.reasons),
    ...(failure === undefined ? {} : { failure: secrets.maskFailure(failure) }),
    ...(outputs === undefined ? {} : { outputs: secrets.maskValue(outputs) }),
    ...(degraded === undefined ? {} : { degraded: secrets.mask(degraded) }),
  };
}

const internalError = (id: string, error: unknown, debug: boolean): Failure => ({
  code: 'internal-error::unhandled',
  blame: 'internal',
  title: `pyflow failed while it handled node ${id}`,
  detail: error instanceof Error ? `${error.name}: ${error.message}${debug ? `\n${error.stack}` : ''}` : String(error),
  subject: String(error),
  remedy: 'This is a bug in pyflow or in a plugin. Please report it with the command, and with PYFLOW_DEBUG=1 set.',
});
