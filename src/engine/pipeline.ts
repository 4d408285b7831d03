// The stages of a run on one screen, and what a run is asked. How a stage works is in the file it is imported from.

import { closing, type Compose } from './composition.js';
import type { EventSink, RunReport } from './events.js';
import { executeNode } from './node/execute.js';
import { fail, succeed, type Result } from './failure.js';
import { sweepDeadLocks } from './run/lock.js';
import { createRunDir, sweepDeadRuns } from './files/private-folders.js';
import { leftoverText, removalsEnded } from './files/removals.js';
import type { Leftover } from './files/remove-tree.js';
import { newRunId } from './run/run-record.js';
import { openRun } from './run/run.js';
import {
  announce,
  finishSlug,
  keepQuota,
  isLost,
  makeReport,
  producersOfLost,
  record,
  scheduledNodes,
  selectNodes,
  startExecution,
} from './report/run-stages.js';
import { schedule } from './plan/schedule.js';
import type { Refusal, RunOptions, RunRequest } from './request.js';
import { checkOutDir } from './slug/write.js';

/** How often a run starts over because the cache lost what a result names. */
const MAX_ATTEMPTS = 4;

/** load -> check -> plan -> schedule -> execute -> slug -> records. */
export const runPipeline = (
  request: RunRequest,
  sink: EventSink,
  compose: Compose,
  options: RunOptions,
): Promise<Result<RunReport, Refusal>> =>
  closing(compose, (composing) => runComposed(request, sink, composing, options));

async function runComposed(
  request: RunRequest,
  sink: EventSink,
  compose: Compose,
  options: RunOptions,
): Promise<Result<RunReport, Refusal>> {
  const startedAt = Date.now();
  const runId = newRunId(startedAt);
  const unsafe = checkOutDir(request.outDir, request.appDir, request.force);
  if (unsafe !== undefined) return fail({ type: 'failure', failure: unsafe });
  const composition = await compose({ cacheDir: request.cacheDir, settings: request.settings });
  const forced = new Set(request.refresh);
  let isOver = false;
  const tellLeft = (left: readonly Leftover[]): void => {
    if (!isOver)
      for (const one of left) sink.emit({ type: 'notice', code: 'run::not-removed', text: leftoverText(one) });
  };
  const sweeping = sweepDeadRuns(request.cacheDir).then(({ left }) => tellLeft(left));
  for (let attempt = 1; ; attempt++) {
    const opened = await openRun(request, composition, (code, text) => sink.emit({ type: 'notice', code, text }));
    if (!opened.ok) return opened;
    const run = opened.value;
    const selection = selectNodes(run, request);
    if (!selection.ok) return fail({ type: 'failure', failure: selection.failure });
    const runDir = createRunDir(request.cacheDir);
    try {
      const execution = startExecution(run, sink, runDir, forced, selection.value, options.version);
      announce(run, sink, runId, selection.value);
      await schedule(scheduledNodes(run, selection.value), (id) => executeNode(execution, run.positionOf(id)));
      await execution.closeSandbox();
      const slug = await finishSlug(execution, selection.value);
      const lost = [...execution.reports.values()].some(({ failure }) => isLost(failure)) || isLost(slug?.failure);
      if (lost && attempt < MAX_ATTEMPTS) {
        for (const id of await producersOfLost(execution, slug?.failure)) forced.add(id);
        sink.emit({ type: 'notice', code: 'cache::lost', text: 'The cache lost part of a result; it is made anew.' });
        continue;
      }
      const report = makeReport(execution, runId, startedAt, slug);
      await record(execution, report, slug, options);
      tellLeft(await removalsEnded());
      isOver = true;
      sink.emit({ type: 'run-finished', report });
      return succeed(report);
    } finally {
      await run.store.close();
      await Promise.all([runDir.remove(), sweeping, keepQuota(run)]);
      sweepDeadLocks(request.cacheDir);
    }
  }
}
