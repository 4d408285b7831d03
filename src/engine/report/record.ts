// Writes what the next run reads from the cache, and makes room in the cache.

import { canonicalJSON, type JSONValue } from '../../manifests/json-schema.js';
import type { SlugTrace } from '../app/slug-marker.js';
import type { RunReport } from '../events.js';
import type { RunOptions, RunRequest } from '../request.js';
import { dropFastRecord, writeLastRun, writeReport, writeState, type LastNode } from '../run/run-record.js';
import type { Run } from '../run/run.js';
import type { Slug } from '../slug/write.js';
import { writeFastRecord } from '../up-to-date/fast-path.js';
import { writeLooks, type Unchanged } from '../up-to-date/unchanged.js';

/** Facts can depend on the date (end of life of a version), so a fast record is valid for a day at most. */
const FAST_RECORD_MS = 24 * 60 * 60 * 1000;

export interface RecordParts extends Pick<RunOptions, 'version'> {
  readonly report: RunReport;
  /** Undefined if the run wrote none. */
  readonly slug: Slug | undefined;
  /** Of outputs besides the slug, with absolute paths. */
  readonly outputTraces: readonly SlugTrace[];
  readonly unchanged: Unchanged | undefined;
}

/** Writes the report of every run, and the other records only after a complete run. */
export async function recordRun(
  run: Run,
  { report, slug, outputTraces, unchanged, version }: RecordParts,
): Promise<void> {
  const { request, appId, states, surroundings } = run;
  run.sourceDigests.statCache.save();
  writeReport(request.cacheDir, report);
  if (report.status !== 'succeeded' || slug === undefined) return dropFastRecord(request.cacheDir, appId);
  writeLastRun(request.cacheDir, appId, { runId: report.runId, nodes: lastNodesOf(report) });
  const state = { ...surroundings.state, ...(states.state as Record<string, JSONValue>) };
  const isStateNew = request.appId !== undefined && canonicalJSON(state) !== canonicalJSON(surroundings.state);
  if (isStateNew) writeState(request.cacheDir, appId, state);
  // A node whose result is not stored has to run again, and new app state can change what nodes read.
  if (!states.isAllStored || isStateNew || request.oneTime === true) return dropFastRecord(request.cacheDir, appId);
  writeLooks(run, report.runId, unchanged);
  writeFastRecord({
    request,
    version,
    report,
    variables: surroundings.variables,
    source: run.source,
    sourceDigests: run.sourceDigests.known,
    pipelineDigest: run.pipelineDigest,
    pluginFiles: new Map([...run.kinds.values()].flatMap(({ codeFiles }) => [...(codeFiles ?? [])])),
    slugTraces: slug.traces,
    slugNames: slug.names,
    outputTraces,
    builderTraces: usesBuilder(run, unchanged) ? run.builder.traces : undefined,
    expiresAt: expiryOf(run, unchanged),
  });
}

/** Nodes that were found unchanged did not ask for the builder again. */
const usesBuilder = ({ builder }: Run, unchanged: Unchanged | undefined): boolean =>
  builder.isAsked || unchanged?.last.usesBuilder === true;

function lastNodesOf(report: RunReport): Readonly<Record<string, LastNode>> {
  const nodes: Record<string, LastNode> = {};
  for (const [id, node] of Object.entries(report.nodes)) {
    nodes[id] = {
      ...(node.key === undefined ? {} : { key: node.key }),
      outputs: node.outputs ?? {},
      ...(node.layer === undefined ? {} : { layer: node.layer.digest }),
      durationMs: node.outcome === 'executed' ? node.durationMs : (node.savedMs ?? node.durationMs),
    };
  }
  return nodes;
}

function expiryOf({ composition, states }: Run, unchanged: Unchanged | undefined): number {
  const expiresAt = composition.clock.now() + FAST_RECORD_MS;
  // For nodes that were found unchanged, only the last record knows when their results expire.
  return Math.min(expiresAt, states.expiresAt, unchanged?.last.expiresAt ?? expiresAt);
}

/** Makes room if this run wrote much, or if the last time was long ago. */
export async function keepQuota(
  { cacheDir, settings }: Pick<RunRequest, 'cacheDir' | 'settings'>,
  bytesWritten: number,
): Promise<void> {
  if (bytesWritten === 0) return;
  const { collectGarbageIfDue } = await import('../store/quota.js');
  const maxBytes = Number(settings['CACHE_MAX_BYTES']);
  await collectGarbageIfDue(cacheDir, bytesWritten, maxBytes > 0 ? { maxBytes } : {});
}
