// The stages of a run on one screen, and what a run is asked. How a stage works is in the file it is imported from.

import type { Diagnostic } from '../manifests/pipeline/diagnostic.js';
import type { NodeId } from '../manifests/pipeline/manifest.js';
import { closing, type Compose } from './composition.js';
import type { EventSink, Outcome, Reason, RunReport } from './events.js';
import { executeNode } from './node/execute.js';
import { fail, succeed, type Failure, type Result } from './failure.js';
import { createRunDir, sweepDeadLocks, sweepDeadRuns } from './run/lock.js';
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
import type { SearchPaths } from './app/search-paths.js';
import { checkOutDir } from './slug/write.js';

/** What `run`, `plan` and `why` are asked; every path absolute. */
export interface RunRequest {
  readonly pipelineFile: string;
  readonly appDir: string;
  readonly outDir: string;
  readonly force: boolean;
  readonly cacheDir: string;
  /** Names the app in the cache; without it one is made from the app's path, and no version sticks. */
  readonly appId?: string;
  /** `-p NAME=VALUE`, unparsed: the declared type decides how VALUE is read. */
  readonly params: Readonly<Record<string, string>>;
  readonly envDir?: string;
  /** Further variables of the app; those of `envDir` win. */
  readonly variables?: Readonly<Record<string, string>>;
  /** Folders of the app for nodes that build code. */
  readonly searchPaths?: SearchPaths;
  /**
   * The app is built in place, in a folder made for this one run: whatever lies there is the app's own, no marker is left
   * in it, and no record is kept to tell a second run there by.
   */
  readonly oneTime?: true;
  readonly only: readonly string[];
  readonly until?: string;
  readonly refresh: readonly string[];
  readonly jobs?: number;
  readonly keepGoing: boolean;
  readonly mode: 'build' | 'test';
  readonly sandbox: 'auto' | 'required' | 'none';
  /** `PYFLOW_*` of the environment, by the name behind the prefix. */
  readonly settings: Readonly<Record<string, string>>;
  /** Proxy and CA variables for commands that may use the network; in no key. */
  readonly passThrough?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** Why there is no run: the file or the request is at fault, or the environment. */
export type Refusal =
  | { readonly type: 'diagnostics'; readonly diagnostics: readonly Diagnostic[]; readonly text: string }
  | { readonly type: 'failure'; readonly failure: Failure };

export interface PlanLine {
  readonly id: NodeId;
  readonly kind: string;
  /** Certain: holds in the run. Else `dependsOn` names the nodes whose outcomes decide it. */
  readonly certain: boolean;
  /** What the run will do; absent on a depending line. */
  readonly outcome?: Outcome;
  readonly dependsOn?: readonly NodeId[];
  readonly reasons: readonly Reason[];
}
export interface PlanReport {
  readonly pipeline: string;
  readonly appId: string;
  readonly lines: readonly PlanLine[];
}

export interface RunOptions {
  /** Of pyflow; part of what an up-to-date run is told by. */
  readonly version: string;
}

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
