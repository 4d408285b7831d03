// Explains from the records of runs why a node ran, was restored or missed.

import { didYouMean } from '../../manifests/closest.js';
import { differences, type Lookups, type MakersOf } from '../node/explain.js';
import { REPORT_SCHEMA, type NodeReport, type Reason, type RunReport } from '../events.js';
import { fail, succeed, type Failure, type Result } from '../failure.js';
import { Builder } from '../services/builder.js';
import { openLocalStore } from '../store/local-store.js';
import { appIdOf, listRuns } from '../run/run-record.js';
import { readStoredReport, type StoredReport } from '../run/stored-report.js';
import type { RunRequest } from '../request.js';

export interface Explanation {
  readonly node: string;
  readonly runId: string;
  readonly report: NodeReport;
  /** The run that was compared with, where one was named. */
  readonly against?: string;
  readonly reasons: readonly Reason[];
}

/** Without `against`, the reasons that the last run recorded. */
export async function whyNode(
  request: Pick<RunRequest, 'appDir' | 'appId' | 'cacheDir'>,
  node: string,
  against?: string,
): Promise<Result<Explanation, Failure>> {
  const appId = appIdOf(request);
  const runs = listRuns(request.cacheDir, appId);
  const runId = runs.at(-1);
  if (runId === undefined) return fail(noRun(request.appDir));
  const read = (run: string): StoredReport => readStoredReport(request.cacheDir, appId, run);
  const last = read(runId);
  if (last.type === 'other-schema') return fail(otherVersion(runId, last.schema));
  if (last.type === 'none') return fail(noRun(request.appDir));
  const report = last.report.nodes[node];
  if (report === undefined) return fail(noSuchNode(node, Object.keys(last.report.nodes)));
  if (against === undefined) return succeed({ node, runId, report, reasons: report.reasons });
  const earlier = read(against);
  if (earlier.type === 'other-schema') return fail(otherVersion(against, earlier.schema));
  const before = earlier.type === 'none' ? undefined : earlier.report.nodes[node];
  if (before === undefined) return fail(noSuchRun(against, runs));
  const reasons = await compareKeys(request.cacheDir, { before, after: report, makers: makersIn(last.report) });
  return reasons.ok ? succeed({ node, runId, report, against, reasons: reasons.value }) : reasons;
}

interface Comparison {
  readonly before: NodeReport;
  readonly after: NodeReport;
  readonly makers: MakersOf;
}

async function compareKeys(
  cacheDir: string,
  { before, after, makers }: Comparison,
): Promise<Result<readonly Reason[], Failure>> {
  if (before.key === undefined || after.key === undefined) {
    return succeed([{ type: 'outcome-changed', from: before.outcome, to: after.outcome }]);
  }
  if (before.key === after.key) return succeed([]);
  const opened = openLocalStore(cacheDir, { readOnly: true });
  if (!opened.ok) return opened;
  const store = opened.value;
  try {
    const [from, to] = [await store.record(before.key), await store.record(after.key)];
    if (from === undefined || to === undefined) {
      const evictedAt = store.evictedAt(from === undefined ? before.key : after.key);
      const at = evictedAt !== undefined && { evictedAt: new Date(evictedAt).toISOString() };
      return succeed([{ type: 'inputs-changed', ...at }]);
    }
    const builder = new Builder({ cacheDir, now: Date.now() });
    const packages: Lookups['packages'] = (old, now) => builder.changes(old, now);
    const found = differences(from, to, { makers, packages });
    return succeed(found.length > 0 ? found : [{ type: 'hidden-value-changed' }]);
  } finally {
    await store.close();
  }
}

/** By what the nodes of the run left. The first node with a tree among its outputs made it; others pass it on. */
function makersIn({ nodes }: RunReport): MakersOf {
  let makers: Map<string, string> | undefined;
  return (_port, digests) => {
    makers ??= makersOf(nodes);
    return [...new Set(digests.flatMap((digest) => makers?.get(digest) ?? []))];
  };
}

function makersOf(nodes: RunReport['nodes']): Map<string, string> {
  const makers = new Map<string, string>();
  for (const [id, { layer, outputs = {} }] of Object.entries(nodes)) {
    const trees = Object.values(outputs).flatMap((output) => (typeof output === 'string' ? output.split(',') : []));
    for (const digest of layer === undefined ? trees : [layer.digest, ...trees]) {
      if (!makers.has(digest)) makers.set(digest, id);
    }
  }
  return makers;
}

const noRun = (appDir: string): Failure => ({
  code: 'why::no-run',
  blame: 'pipeline',
  title: 'This app has no recorded run',
  detail: `pyflow looked for runs of ${appDir}.`,
  remedy:
    'Run the pipeline first, or name the app and the cache as that run did, with --app, --app-id and --cache-dir.',
});
const otherVersion = (run: string, schema: string): Failure => ({
  code: 'why::other-version',
  blame: 'pipeline',
  title: `Run ${run} was recorded by another version of pyflow`,
  detail: `Its report has the schema ${schema}. This version reads ${REPORT_SCHEMA}.`,
  remedy: 'Run the pipeline again, then repeat the command.',
});
const noSuchNode = (node: string, known: readonly string[]): Failure => ({
  code: 'why::unknown-node',
  blame: 'pipeline',
  title: `The last run has no node ${JSON.stringify(node)}`,
  detail: `Its nodes are ${known.slice(0, 20).join(', ')}${known.length > 20 ? ', ...' : ''}.`,
  remedy: didYouMean(node, known) ?? 'Use one of these names.',
});
const noSuchRun = (run: string, known: readonly string[]): Failure => ({
  code: 'why::unknown-run',
  blame: 'pipeline',
  title: `No run ${JSON.stringify(run)} with this node is recorded`,
  detail: `The last runs are ${known.slice(-5).join(', ')}.`,
  remedy: didYouMean(run, known) ?? 'Use one of them with --against.',
});
