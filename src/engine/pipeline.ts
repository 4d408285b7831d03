// A run from beginning to end, stage by stage. Each stage uses what the stages before it returned:
//
//   checkPipeline  plan/checked-pipeline.ts  loads the YAML (../manifests/pipeline/load.ts), checks the nodes
//                                            (../manifests/pipeline/check.ts) and the types of edges
//                                            (../manifests/pipeline/check-edges.ts)
//   planRun        plan/run-plan.ts          chooses the nodes to visit
//   openRun        run/run.ts                opens the store, lists the app's files
//   schedule       plan/schedule.ts          visits the nodes in graph order
//   executeNode    node/execute.ts           one node's life:
//       key        node/key.ts               makes the node's key
//       look up    node/look-up.ts           looks in the store for a result under that key, then node/remote.ts on the server
//       work       node/work.ts              runs the plugin in a sandbox if there is none
//         sandbox  node/run-sandbox.ts       chooses the run's sandbox once, by a trial (process/sandbox/probe.ts). node/work.ts
//                                            opens a session of it; process/sandbox/namespaces.ts starts each command
//         capture  trees/output-tree.ts      stores the files that the node wrote, changed or deleted
//         outputs  node/outputs.ts           checks the values that the node returned, and makes its result
//   writeSlug      slug/write.ts             writes the finished app
//   writeOutputs   slug/outputs.ts           writes its other forms: folders, archives, images
//   makeReport     report/report.ts          status, outcome of each node, exit status of the run
//   recordRun      report/record.ts          what the next run needs to know
//
// `pyflow run` calls it only if up-to-date/fast-path.ts found a change. ../cli/exit-status.ts then decides the exit status of the
// process: that of the run, unless a signal came or a file could not be written.

import { closing, type Compose, type Composition } from './composition.js';
import type { EventSink, OutputReport, RunReport } from './events.js';
import { fail, succeed, type Failure, type Result } from './failure.js';
import { createRunDir, sweepDeadRuns, type RunDir } from './files/private-folders.js';
import { leftoverText, removalsEnded } from './files/removals.js';
import type { Leftover } from './files/remove-tree.js';
import { executeNode } from './node/execute.js';
import { startExecution } from './node/execution.js';
import { judgedRequest } from './packages/judged-request.js';
import { checkPipeline, type CheckedRequest } from './plan/checked-pipeline.js';
import { planRun, scheduledNodes, type RunPlan } from './plan/run-plan.js';
import { schedule } from './plan/schedule.js';
import { announceOutput, announceRun, announceSlug } from './report/announce.js';
import { finishedApp } from './report/finished-app.js';
import { keepQuota, recordRun } from './report/record.js';
import { producersOfLost, withRecovery, type Attempt, type Attempted } from './report/recovery.js';
import type { RemoteCache, RemoteCacheOptions } from './remote/remote-cache.js';
import { makeReport } from './report/report.js';
import type { Refusal, RunOptions, RunRequest } from './request.js';
import { sweepDeadLocks } from './run/lock.js';
import { newRunId } from './run/run-record.js';
import { openRun, type Run } from './run/run.js';
import { checkOutputs } from './slug/check-outputs.js';
import type { FinishedApp } from './slug/finished-app.js';
import { writeOutputs, type OutputsEnd } from './slug/outputs.js';
import { checkOutDir, writeSlug, type WrittenSlug } from './slug/write.js';
import { refusedPlace, tellOfPlace } from './store/cache-place.js';

/**
 * Runs a pipeline. Returns a report with the exit status, or a refusal if the run can't start. Rejects only because of
 * a bug.
 */
export const runPipeline = (
  requested: RunRequest,
  sink: EventSink,
  compose: Compose,
  options: RunOptions,
): Promise<Result<RunReport, Refusal>> =>
  closing(compose, async (composing) => {
    const startedAt = options.clock.now();
    const judged = await judgedRequest(requested, startedAt);
    if (!judged.ok) return judged;
    const request = judged.value;
    // Before anything is written to the cache, or removed from it.
    const unsafe = placeRefusal(request);
    if (unsafe !== undefined) return fail({ type: 'failure', failure: unsafe });
    const { clock, version } = options;
    const onNotice = (code: string, text: string): void => sink.emit({ type: 'notice', code, text });
    for (const [code, text] of request.policy?.notices ?? []) onNotice(code, text);
    const remote = await remoteOf(request, { clock, version, onNotice });
    if (!remote.ok) return fail({ type: 'failure', failure: remote.failure });
    const composition = await composing({ cacheDir: request.cacheDir, settings: request.settings });
    const checked = await checkPipeline(request, composition);
    if (!checked.ok) return checked;
    const plan = planRun(checked.value, request);
    if (!plan.ok) return plan;
    const planned = { composition, checked: checked.value, plan: plan.value, remote: remote.value, startedAt };
    return runPlan(request, sink, { ...planned, ...options }).finally(() => remote.value?.close());
  });

const placeRefusal = (request: RunRequest): Failure | undefined =>
  refusedPlace(request.cacheDir) ?? checkOutDir(request.outDir, request.appDir, request.force) ?? checkOutputs(request);

type RemoteOptions = Pick<RemoteCacheOptions, 'clock' | 'onNotice'> & { readonly version: string };

/** Undefined without a remote cache. */
async function remoteOf(request: RunRequest, options: RemoteOptions): Promise<Result<RemoteCache | undefined>> {
  if (request.remote === undefined) return succeed(undefined);
  const { openRemote } = await import('./remote/open.js');
  return openRemote(request, options);
}

interface Planned extends RunOptions {
  readonly composition: Composition;
  readonly checked: CheckedRequest;
  readonly plan: RunPlan;
  /** Undefined without a remote cache. */
  readonly remote: RemoteCache | undefined;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
}

async function runPlan(request: RunRequest, sink: EventSink, planned: Planned): Promise<Result<RunReport, Refusal>> {
  const runId = newRunId(planned.startedAt);
  let bytesWritten = 0;
  const tellLeft = (left: readonly Leftover[]): void => {
    for (const one of left) sink.emit({ type: 'notice', code: 'run::not-removed', text: leftoverText(one) });
  };
  const sweeping = sweepDeadRuns(request.cacheDir).then(({ left }) => tellLeft(left));
  const onWarning = (code: string, text: string): void => sink.emit({ type: 'notice', code, text });
  const result = await withRecovery<Result<RunReport, Refusal>>(request.refresh, sink, async (attempt) => {
    const run = await openRun({ request, ...planned, onWarning });
    if (!run.ok) return { type: 'finished', value: run };
    if (!run.value.store.readOnly) tellOfPlace(request.cacheDir, onWarning);
    const runDir = createRunDir(request.cacheDir);
    try {
      return await visitNodes(run.value, sink, { ...planned, runId, attempt, runDir });
    } finally {
      await run.value.store.close();
      bytesWritten += run.value.store.bytesWritten;
      await runDir.remove();
    }
  });
  await sweeping;
  tellLeft(await removalsEnded());
  if (result.ok) sink.emit({ type: 'run-finished', report: result.value });
  // Nobody waits for these to see the outcome.
  await keepQuota(request, bytesWritten);
  sweepDeadLocks(request.cacheDir);
  return result;
}

interface Visit extends Planned {
  readonly runId: string;
  readonly attempt: Attempt;
  readonly runDir: RunDir;
}

async function visitNodes(run: Run, sink: EventSink, visit: Visit): Promise<Attempted<Result<RunReport, Refusal>>> {
  const { checked, plan, version, clock, runId, startedAt, attempt, runDir } = visit;
  const nodes = scheduledNodes(checked, plan, (id) => run.lastRun?.nodes[id]?.durationMs);
  const execution = startExecution(run, { sink, runDir, forced: attempt.forced, nodes, version });
  announceRun(run, sink, runId, nodes);
  await schedule(nodes, (id) => executeNode(execution, run.positionOf(id)));
  await execution.sandbox.close();
  await execution.packages.close();
  const app = finishedApp(run, plan);
  const slug = app && (await writeSlug(app));
  if (slug?.ok) announceSlug(execution.sink, slug.value);
  const outputs =
    app && slug?.ok === true ? await outputsOf(app, slug.value, { run, runDir, sink: execution.sink }) : undefined;
  const producers = await producersOfLost(run, outputs?.ok === false ? outputs : slug, attempt);
  await endRemote(run, clock.now() - startedAt);
  if (producers.length > 0) return { type: 'lost', producers };
  const report = makeReport(run, {
    runId,
    startedAt,
    durationMs: clock.now() - startedAt,
    slug,
    outputs,
    sandbox: execution.sandbox.used,
    remote: run.remote?.report(),
  });
  const written = slug?.ok ? slug.value.slug : undefined;
  const outputTraces = outputs?.ok === true ? outputs.value.traces : [];
  await recordRun(run, { report, slug: written, outputTraces, unchanged: execution.unchanged, version });
  return { type: 'finished', value: succeed(report) };
}

/** Undefined if the request names no other form of the app. */
async function outputsOf(
  app: FinishedApp,
  slug: WrittenSlug,
  { run, runDir, sink }: Pick<Visit, 'runDir'> & { readonly run: Run; readonly sink: EventSink },
): Promise<OutputsEnd | undefined> {
  const { outputs = [], sourceTimeS } = run.request;
  if (outputs.length === 0) return undefined;
  const onWritten = (report: OutputReport): void => announceOutput(sink, report);
  return writeOutputs(app, slug, { outputs, sourceTimeS, workDir: () => runDir.largeDir, onWritten });
}

/** Uploads take at most this long after the run, and never longer than the run itself. */
const MOST_UPLOAD_MS = 30_000;

async function endRemote({ remote, request }: Run, elapsedMs: number): Promise<void> {
  // After a one-time build, later buildpacks take tools from the cache.
  await remote?.publishComplete(request.oneTime === true);
  await remote?.drain(Math.min(elapsedMs, MOST_UPLOAD_MS));
}
