// Why a node ran, was restored or missed, told from run records. Runs nothing.

import { didYouMean } from '../../manifests/closest.js';
import { differences } from '../node/explain.js';
import type { NodeReport, Reason } from '../events.js';
import { fail, succeed, type Failure, type Result } from '../failure.js';
import { openLocalStore } from '../store/local-store.js';
import { appIdOf, listRuns, readReport } from '../run/run-record.js';
import type { RunRequest } from '../request.js';

export interface Explanation {
  readonly node: string;
  readonly runId: string;
  readonly report: NodeReport;
  /** The run compared with; absent when there is none. */
  readonly against?: string;
  readonly reasons: readonly Reason[];
}

/** Without `against` the reasons are those that the last run found itself. */
export async function whyNode(
  request: Pick<RunRequest, 'appDir' | 'appId' | 'cacheDir'>,
  node: string,
  against?: string,
): Promise<Result<Explanation, Failure>> {
  const appId = appIdOf(request);
  const runs = listRuns(request.cacheDir, appId);
  const runId = runs.at(-1);
  const last = runId === undefined ? undefined : readReport(request.cacheDir, appId, runId);
  if (runId === undefined || last === undefined) return fail(noRun(request.appDir));
  const report = last.nodes[node];
  if (report === undefined) return fail(noSuchNode(node, Object.keys(last.nodes)));
  if (against === undefined) return succeed({ node, runId, report, reasons: report.reasons });
  const before = readReport(request.cacheDir, appId, against)?.nodes[node];
  if (before === undefined) return fail(noSuchRun(against, runs));
  const reasons = await compareKeys(request.cacheDir, before, report);
  return succeed({ node, runId, report, against, reasons });
}

async function compareKeys(cacheDir: string, before: NodeReport, after: NodeReport): Promise<readonly Reason[]> {
  if (before.key === undefined || after.key === undefined) {
    return [{ what: 'outcome', from: before.outcome, to: after.outcome }];
  }
  if (before.key === after.key) return [];
  const store = openLocalStore(cacheDir, { readOnly: true });
  if (!store.ok) return [{ what: store.failure.title }];
  try {
    const [from, to] = [await store.value.record(before.key), await store.value.record(after.key)];
    if (from !== undefined && to !== undefined) return differences(from, to);
    return [{ what: 'inputs changed; what they were is no longer in the cache' }];
  } finally {
    await store.value.close();
  }
}

const noRun = (appDir: string): Failure => ({
  code: 'why::no-run',
  blame: 'pipeline',
  title: 'This app has no recorded run',
  detail: `Looked for runs of ${appDir}.`,
  remedy: 'Run the pipeline first, or name the app as the run did, with --app, --app-id and --cache-dir.',
});
const noSuchNode = (node: string, known: readonly string[]): Failure => ({
  code: 'why::unknown-node',
  blame: 'pipeline',
  title: `The last run had no node ${JSON.stringify(node)}`,
  detail: `It had ${known.slice(0, 20).join(', ')}${known.length > 20 ? ', ...' : ''}.`,
  remedy: didYouMean(node, known) ?? 'Name one of them.',
});
const noSuchRun = (run: string, known: readonly string[]): Failure => ({
  code: 'why::unknown-run',
  blame: 'pipeline',
  title: `There is no record of run ${JSON.stringify(run)} with this node`,
  detail: `The last runs are ${known.slice(-5).join(', ')}.`,
  remedy: didYouMean(run, known) ?? 'Name one of them with --against.',
});
