// What a run leaves in the cache for the next one, and room in the cache.

import { canonicalJSON, type JSONValue } from '../../manifests/json-schema.js';
import type { RunReport } from '../events.js';
import type { RunOptions } from '../request.js';
import { dropFastRecord, writeLastRun, writeReport, writeState, type LastNode } from '../run/run-record.js';
import type { Run } from '../run/run.js';
import type { Slug } from '../slug/write.js';
import { writeFastRecord } from '../up-to-date/fast-path.js';
import { writeLooks, type Unchanged } from '../up-to-date/unchanged.js';

/** Facts may depend on the day (ends of life), so an unopened record is believed for a day at the most. */
const FAST_RECORD_MS = 24 * 60 * 60 * 1000;

export interface RecordParts extends RunOptions {
  readonly report: RunReport;
  /** Absent when none was written. */
  readonly slug: Slug | undefined;
  readonly unchanged: Unchanged | undefined;
}

/** Writes what the next run reads: the report always, the rest after a complete run. */
export async function recordRun(run: Run, { report, slug, unchanged, version }: RecordParts): Promise<void> {
  const { request, appId, states, surroundings } = run;
  run.sourceDigests.statCache.save();
  writeReport(request.cacheDir, report);
  if (report.status !== 'succeeded' || slug === undefined) return dropFastRecord(request.cacheDir, appId);
  writeLastRun(request.cacheDir, appId, { runId: report.runId, nodes: lastNodesOf(report) });
  const state = { ...surroundings.state, ...(states.state as Record<string, JSONValue>) };
  const isStateNew = request.appId !== undefined && canonicalJSON(state) !== canonicalJSON(surroundings.state);
  if (isStateNew) writeState(request.cacheDir, appId, state);
  // A result that is not stored makes its node run again, and a new state may change what nodes read.
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
    expiresAt: expiryOf(run, unchanged),
  });
}

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
  // Only the last record knows how long the results of nodes last that were found unchanged.
  return Math.min(expiresAt, states.expiresAt, unchanged?.last.expiresAt ?? expiresAt);
}

/** Makes room when this run wrote much, or when nothing made room for a while. */
export async function keepQuota({ request, store }: Run): Promise<void> {
  if (store.bytesWritten === 0) return;
  const { collectGarbageIfDue } = await import('../store/quota.js');
  const maxBytes = Number(request.settings['CACHE_MAX_BYTES']);
  await collectGarbageIfDue(request.cacheDir, store.bytesWritten, maxBytes > 0 ? { maxBytes } : {});
}
