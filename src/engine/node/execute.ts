// One node's life: unchanged, or prepared, looked up, and restored or run. Every way out settles the node's state.

import { FailureError, type Failure } from '../failure.js';
import type { Reason } from '../events.js';
import { systemFailure } from '../files/system-failures.js';
import { endedOrGivenUp } from '../process/stopping.js';
import { ABORTED, failed, type Done } from '../run/node-end.js';
import { acquireKeyLock } from '../run/lock.js';
import type { Run } from '../run/run.js';
import { taintOf } from '../run/taint.js';
import type { ActionResult, LogLine } from '../store/store.js';
import type { Action } from './action.js';
import { explainMiss } from './explain-miss.js';
import type { Execution } from './execution.js';
import { doneWith, isRestorable, lookUp, outcomeOfHit } from './look-up.js';
import { logLinesIn } from './log-lines.js';
import { masked, reportOf, type Ended, type Trail } from './node-report.js';
import type { Executed } from './outputs.js';
import { prepareNode, type Prepared } from './prepare.js';
import { isSharing, lookUpRemotely, offerRemotely, unsharedOf, usesVariables } from './remote.js';
import { withRetries } from './retries.js';

/** Every way out settles the node. Throws only what the receiver of events throws. */
export async function executeNode(execution: Execution, index: number): Promise<void> {
  const { run, stopping } = execution;
  try {
    settle(execution, index, await runNode(execution, index));
  } catch (error) {
    if (run.states.endOf(run.pipeline.nodes[index]!.id) !== undefined) throw error;
    settle(execution, index, { end: stopping.signal.aborted ? ABORTED : failed(failureOf(run, index, error)) });
  }
}

async function runNode(execution: Execution, index: number): Promise<Ended> {
  if (execution.stopping.signal.aborted) return { end: ABORTED };
  const unchanged = await unchangedEnd(execution, index);
  if (unchanged !== undefined) return unchanged;
  const prepared = await prepare(execution, index);
  // A plugin that is interrupted reports a failure.
  if (prepared.type === 'failed' && execution.run.request.signal.aborted) return { end: ABORTED };
  if (prepared.type !== 'action') return { end: prepared };
  const { action } = prepared;
  const found = await lookUp(execution.run, action, execution.forced);
  if (found !== undefined) return restore(execution, action, found);
  const remote = await lookUpRemotely(execution.run, action, execution.forced);
  if (remote !== undefined) return restore(execution, action, remote, 'remote');
  const reasons = await explainMiss(execution.run, action, execution.forced);
  return action.isPure ? perform(execution, action, reasons) : performInTurn(execution, action, reasons);
}

/** Records how the node ended, shows its layer to the nodes that depend on it, and emits its report. */
function settle({ run, sink, stopping }: Execution, index: number, ended: Ended): void {
  const { id, kind } = run.pipeline.nodes[index]!;
  const { end } = ended;
  const report = masked(run, reportOf(run, kind, ended));
  if (report.outcome === 'failed' && !run.request.keepGoing) stopping.stop();
  // The next run takes outputs from this run's report. If a secret was masked there, they are incomplete.
  const isWhole = end.type !== 'done' || report.outputs === end.outputs;
  run.states.settle(index, { end: isWhole ? end : { ...end, isStored: false }, report });
  sink.emit({ type: 'node-finished', node: id, report });
}

/** The end of the last complete run, if nothing that the node looked at has changed since; else undefined. */
async function unchangedEnd({ run, unchanged }: Execution, index: number): Promise<Ended | undefined> {
  const last = unchanged?.lastOf(index);
  if (last === undefined) return undefined;
  const { kind: _, outcome: _same, outputs = {}, layer: _told, failure: _none, degraded, ...rest } = last.report;
  const { unshared, ...others } = rest;
  const trail = isSharing(run) && unshared !== undefined ? { ...others, unshared } : others;
  if (last.result === undefined) return { end: { type: 'skipped' }, trail };
  const { layer, tool } = last.result;
  if (layer !== undefined && !(await run.layers.load(layer))) return undefined;
  const taint = taintOf(run, index, last.result.taint, unchanged?.looks[run.pipeline.nodes[index]!.id]);
  const end: Done = {
    type: 'done',
    outcome: 'up-to-date',
    key: last.report.key!,
    outputs,
    ...(layer === undefined ? {} : { layer }),
    ...(tool === undefined ? {} : { tool }),
    ...(degraded === undefined ? {} : { degraded }),
    ...(taint === undefined ? {} : { taint }),
    // The record of the last run holds the real expiry; see `expiryOf` in report/record.ts.
    expiresAt: Number.POSITIVE_INFINITY,
    isStored: true,
  };
  return { end, trail };
}

async function prepare({ run, stopping }: Execution, index: number): Promise<Prepared> {
  const preparing = prepareNode(run, index);
  if (!asksOutside(run, index)) return preparing;
  return (await endedOrGivenUp(preparing, stopping.signal)) ?? ABORTED;
}

/** Whether its `reads` can wait for a host, or for the code of an outside plugin. */
function asksOutside({ kinds, pipeline }: Run, index: number): boolean {
  const known = kinds.get(pipeline.nodes[index]!.kind);
  return known?.codeDigest !== undefined || known?.manifest.network === true;
}

async function restore(
  { run, sink }: Execution,
  action: Action,
  result: ActionResult,
  restoredFrom?: 'remote',
): Promise<Ended> {
  const { id } = action.node;
  const outcome = outcomeOfHit(run, action);
  // A one-time build shows the whole log of each node, as if it were the first build.
  if ((outcome === 'restored' || run.request.oneTime === true) && result.log !== undefined) {
    for (const { stream, text } of await readLog(run, result)) {
      sink.emit({ type: 'node-printed', node: id, replayed: true, stream, text });
    }
  }
  const trail = {
    savedMs: result.durationMs,
    ...(restoredFrom === undefined ? {} : { restoredFrom }),
    ...unsharedIn(run, action, result),
  };
  return { end: doneWith(run, action, result, { outcome, isStored: true }), trail };
}

async function readLog(run: Run, result: ActionResult): Promise<readonly LogLine[]> {
  const bytes = await run.store.read(result.log!);
  if (bytes === undefined) return [];
  return logLinesIn(bytes);
}

/** Waits for a token, and for another process that runs the same action. */
async function performInTurn(execution: Execution, action: Action, reasons: readonly Reason[]): Promise<Ended> {
  const { run, stopping } = execution;
  const { id, pool } = action.node;
  const leave = await execution.admission.admit({
    rank: execution.rankOf(id),
    ...(pool === undefined ? {} : { pool }),
  });
  try {
    if (stopping.signal.aborted) return { end: ABORTED, trail: { reasons } };
    // If the result can't be restored, waiting for another process that runs the same action saves nothing.
    if (!isRestorable(action)) return await perform(execution, action, reasons);
    const lock = await acquireKeyLock(run.request.cacheDir, action.key, { signal: stopping.signal });
    try {
      // Look up again even without a wait: another process may have finished since the first lookup.
      const meanwhile = await lookUp(run, action, execution.forced);
      if (meanwhile !== undefined) return await restore(execution, action, meanwhile);
      return await perform(execution, action, reasons);
    } finally {
      lock.release();
    }
  } finally {
    leave();
  }
}

async function perform(execution: Execution, action: Action, reasons: readonly Reason[]): Promise<Ended> {
  const { run } = execution;
  const clock = new WorkClock(execution, action, reasons);
  const { done, attempts } = await withRetries(execution, action, () => clock.start());
  const trail = {
    key: action.key,
    reasons,
    ...(clock.startedAt !== undefined && { startedAt: clock.startedAt }),
    durationMs: done.ok ? done.value.result.durationMs : clock.elapsedMs(),
    ...(attempts > 1 && { attempts }),
    ...(done.ok && done.value.isFromWorker === true && { executedOn: 'remote' as const }),
    ...(done.ok && unsharedIn(run, action, done.value.result)),
  };
  if (done.ok) return { end: await publish(execution, action, done.value), trail };
  const end = run.request.signal.aborted ? ABORTED : done.failure;
  if (end.type === 'aborted' && clock.startedAt !== undefined && !isRestorable(action))
    noticeHalfDone(execution, action);
  return { end, trail };
}

function unsharedIn(run: Run, action: Action, result: ActionResult): Pick<Trail, 'unshared'> {
  const unshared = isSharing(run) ? unsharedOf(run, action, result) : undefined;
  return unshared === undefined ? {} : { unshared };
}

/** Remembers when the plugin started to work, and emits `node-started` once. */
class WorkClock {
  /** ISO 8601, UTC. */
  startedAt: string | undefined;
  #since = performance.now();

  constructor(
    private readonly execution: Execution,
    private readonly action: Action,
    private readonly reasons: readonly Reason[],
  ) {}

  start(): void {
    if (this.startedAt !== undefined) return;
    const { run, sink } = this.execution;
    const { node, key, passedLinks } = this.action;
    this.startedAt = new Date(run.composition.clock.now()).toISOString();
    this.#since = performance.now();
    sink.emit({ type: 'node-started', node: node.id, kind: node.kind, key, reasons: this.reasons });
    for (const text of passedLinks) sink.emit({ type: 'notice', code: 'app::passed-link', node: node.id, text });
  }

  elapsedMs(): number {
    return Math.round(performance.now() - this.#since);
  }
}

/** Stores the result, if a later run can restore it. */
async function publish({ run, sink }: Execution, action: Action, executed: Executed): Promise<Done> {
  const { result, uncacheable } = executed;
  const { id } = action.node;
  const isStored = uncacheable === undefined && isRestorable(action);
  if (isStored) {
    const about = { usesVariables: usesVariables(run, action) };
    await run.store.publish(action.key, result, action.record, about);
    offerRemotely(run, action, { result, ...about });
  }
  if (uncacheable !== undefined) {
    const text = `pyflow doesn't cache the result of node ${id}: ${uncacheable}`;
    sink.emit({ type: 'notice', code: 'node::not-stored', node: id, text });
  }
  return doneWith(run, action, result, { outcome: 'executed', isStored });
}

/** Warns that effects elsewhere may be half done, because the next run starts from the beginning. */
function noticeHalfDone({ sink }: Execution, { node: { id }, reads }: Action): void {
  const why =
    reads.sideEffects === true ? 'Its side effects may be half done.' : 'Its result is never cached (`cache: never`).';
  const text = `pyflow stopped node ${id} before it finished. ${why} The next run executes it from the beginning.`;
  sink.emit({ type: 'notice', code: 'node::stopped', node: id, text });
}

function failureOf({ pipeline, request }: Run, index: number, error: unknown): Failure {
  if (error instanceof FailureError) return error.failure;
  return (
    systemFailure(error) ?? internalError(pipeline.nodes[index]!.id, error, request.settings['DEBUG'] !== undefined)
  );
}

const internalError = (id: string, error: unknown, debug: boolean): Failure => ({
  code: 'internal-error::unhandled',
  blame: 'internal',
  title: `pyflow failed unexpectedly in node ${id}`,
  detail: error instanceof Error ? `${error.name}: ${error.message}${debug ? `\n${error.stack}` : ''}` : String(error),
  subject: String(error),
  remedy:
    'This is a bug in pyflow or in a plugin. Run the command again with PYFLOW_DEBUG=1, and report it with the output.',
});
