// What a run leaves in the cache for the next one: its report, the last complete run of an app, app state, and the
// stat tuples of all it read, by which an up-to-date run is told without opening anything else (`tryFastPath`).
// Imports nothing heavy: an up-to-date run loads little more than this file.

import { randomBytes } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, type Stats } from 'node:fs';
import { basename, join } from 'node:path';
import { canonicalJSON, type JSONObject, type JSONValue } from '../manifests/json-schema.js';
import type { NodeId } from '../manifests/pipeline/manifest.js';
import { readAppVariables, type AppVariables } from './app-variables.js';
import { sha256Hex, type ActionKey } from './digest.js';
import type { EventSink, NodeReport, RunReport } from './events.js';
import type { RunRequest } from './pipeline.js';
import { publishFile, readSealed, removeQuietly, writeSealed } from './sealed-json.js';
import { NEVER_SOURCE, type Source } from './source.js';

/** Changes with what the files below mean; an older file is ignored. */
const RECORD_FORMAT = 3;
const KEPT_RUNS = 50;
/** A file changed so shortly before it was looked at may change again within the same time stamp. */
export const RACY_MS = 2000;

/** The last complete run of an app, as `restored` and `up-to-date` are told apart by, and durations expected. */
export interface LastRun {
  readonly format: number;
  readonly runId: string;
  readonly nodes: Readonly<Record<string, LastNode>>;
}
export interface LastNode {
  readonly key?: ActionKey;
  readonly outputs: JSONObject;
  readonly layer?: string;
  /** What the work took when it was last done. */
  readonly durationMs: number;
}

/** Sorts by time; the rest tells runs of one millisecond apart. */
export const newRunId = (now: number): string =>
  `${new Date(now).toISOString().replace(/[-:.]/g, '')}-${randomBytes(3).toString('hex')}`;

export const runsDir = (cacheDir: string, appId: string): string => join(cacheDir, 'runs', appId);

/** Without `--app-id` the app is named by its folder; moved, it is another app. */
export const appIdOf = (request: Pick<RunRequest, 'appId' | 'appDir'>): string =>
  request.appId ??
  `${basename(request.appDir).replace(/[^A-Za-z0-9._-]/g, '_').slice(0, 40) || 'app'}-${sha256Hex(request.appDir).slice(0, 12)}`;

export function readJSON<T>(path: string): T | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T;
  } catch {
    // Absent, cut off or not JSON: a record may be lost, and then the run finds out by itself.
    return undefined;
  }
}

export function readLastRun(cacheDir: string, appId: string): LastRun | undefined {
  const last = readSealed<LastRun>(join(runsDir(cacheDir, appId), 'last.json'));
  return last?.format === RECORD_FORMAT ? last : undefined;
}

export function readState(cacheDir: string, appId: string): Readonly<Record<string, JSONValue>> {
  return readSealed<Record<string, JSONValue>>(join(cacheDir, 'state', `${appId}.json`)) ?? {};
}

export function writeState(cacheDir: string, appId: string, state: Readonly<Record<string, JSONValue>>): void {
  writeSealed(join(cacheDir, 'state', `${appId}.json`), state);
}

/** Every run, failed ones too; the oldest beyond the last 50 go. */
export function writeReport(cacheDir: string, report: RunReport): void {
  const folder = runsDir(cacheDir, report.appId);
  publishFile(join(folder, `${report.runId}.json`), JSON.stringify(report));
  for (const old of listRuns(cacheDir, report.appId).slice(0, -KEPT_RUNS)) {
    removeQuietly(join(folder, `${old}.json`));
  }
}

/** Run ids of an app, oldest first. */
export function listRuns(cacheDir: string, appId: string): readonly string[] {
  try {
    return readdirSync(runsDir(cacheDir, appId))
      .filter((name) => /^\d{8}T\d{6}.*\.json$/.test(name))
      .map((name) => name.slice(0, -'.json'.length))
      .sort();
  } catch {
    return [];
  }
}

export const readReport = (cacheDir: string, appId: string, runId: string): RunReport | undefined =>
  readJSON<RunReport>(join(runsDir(cacheDir, appId), `${runId}.json`));

export function writeLastRun(cacheDir: string, appId: string, last: Omit<LastRun, 'format'>): void {
  writeSealed(join(runsDir(cacheDir, appId), 'last.json'), { format: RECORD_FORMAT, ...last });
}

// --- The fast path ---

/** size, mtime, ctime (ms), inode: what tells that a file or folder was not touched. */
type StatTuple = readonly [number, number, number, number];

interface FastRecord {
  readonly format: number;
  readonly identity: string;
  readonly recordedAt: number;
  /** Milliseconds since the epoch; a degraded result or a date-dependent fact ends it. */
  readonly expiresAt: number;
  /** Root first (as `.`), then every path of the source, with its tuple at the same place times four. */
  readonly paths: readonly string[];
  readonly tuples: readonly number[];
  /** Absolute paths beside the source: the pipeline file, outside plugins, os-release. */
  readonly others: readonly (readonly [string, ...StatTuple])[];
  /** Absolute path of every folder of the slug and of its marker, with mtime and inode. */
  readonly slugTraces: readonly (readonly [string, number, number])[];
  readonly report: RunReport;
}

/** Facts of the machine enter by this file: a new release of the system is another platform. */
const OS_RELEASE = '/etc/os-release';

const tupleOf = (stat: Stats): StatTuple => [stat.size, stat.mtimeMs, stat.ctimeMs, stat.ino];

const identityOf = (request: RunRequest, variables: AppVariables, version: string): string =>
  sha256Hex(
    canonicalJSON({
      version,
      node: process.version,
      pipelineFile: request.pipelineFile,
      appDir: request.appDir,
      outDir: request.outDir,
      params: request.params,
      mode: request.mode,
      settings: request.settings,
      variables,
    }),
  );

const isWhole = (request: RunRequest): boolean =>
  request.only.length === 0 && request.until === undefined && request.refresh.length === 0;

/**
 * The report of an up-to-date run when nothing that the last complete run read has been touched; undefined when
 * something has, or when that cannot be told, and then the long way gives the same outcomes.
 */
export async function tryFastPath(
  request: RunRequest,
  sink: EventSink,
  version: string,
): Promise<RunReport | undefined> {
  if (!isWhole(request) || request.settings['NO_FAST_PATH'] === '1') return undefined;
  const startedAt = Date.now();
  const appId = appIdOf(request);
  const record = readSealed<FastRecord>(join(runsDir(request.cacheDir, appId), 'fast.json'));
  if (record?.format !== RECORD_FORMAT || record.expiresAt <= startedAt) return undefined;
  const variables = await readAppVariables(request.envDir);
  if (!variables.ok || identityOf(request, variables.value, version) !== record.identity) return undefined;
  if (!isUntouched(record, request.appDir)) return undefined;
  return announce(record.report, startedAt, sink);
}

function isUntouched(record: FastRecord, appDir: string): boolean {
  try {
    for (const [path, ...tuple] of record.others) if (!sameTuple(lstatSync(path), tuple, 0)) return false;
    for (const [path, mtimeMs, ino] of record.slugTraces) {
      const stat = lstatSync(path);
      if (stat.mtimeMs !== mtimeMs || stat.ino !== ino) return false;
    }
    for (const [index, path] of record.paths.entries()) {
      if (!sameTuple(lstatSync(`${appDir}/${path}`), record.tuples, index * 4)) return false;
    }
    return true;
  } catch {
    // Something is gone or unreadable; the long way says what.
    return false;
  }
}

const sameTuple = (stat: Stats, tuples: readonly number[], at: number): boolean =>
  stat.size === tuples[at] &&
  stat.mtimeMs === tuples[at + 1] &&
  stat.ctimeMs === tuples[at + 2] &&
  stat.ino === tuples[at + 3];

function announce(last: RunReport, startedAt: number, sink: EventSink): RunReport {
  const entries = Object.entries(last.nodes) as [NodeId, NodeReport][];
  sink.emit({
    type: 'run-started',
    runId: last.runId,
    pipeline: last.pipeline,
    appId: last.appId,
    nodes: entries.map(([id, { kind }]) => ({ id, kind, expectedMs: 0 })),
  });
  for (const [node, report] of entries) sink.emit({ type: 'node-finished', node, report });
  const report: RunReport = {
    ...last,
    startedAt: new Date(startedAt).toISOString(),
    durationMs: Date.now() - startedAt,
  };
  sink.emit({ type: 'run-finished', report });
  return report;
}

export interface FastRecordInput {
  readonly request: RunRequest;
  readonly variables: AppVariables;
  readonly version: string;
  readonly racyMs?: number;
  readonly source: Source;
  readonly others: readonly string[];
  /** Taken while nobody else could write the slug. */
  readonly slugTraces: FastRecord['slugTraces'];
  readonly expiresAt: number;
  readonly report: RunReport;
}

/** Written after a complete run whose every node could be restored; not written where a stat tuple could deceive. */
export function writeFastRecord(input: FastRecordInput): void {
  const { request, source, report } = input;
  const path = join(runsDir(request.cacheDir, report.appId), 'fast.json');
  const recordedAt = Date.now();
  const paths: string[] = ['.'];
  const tuples: number[] = [...tupleOf(source.rootStat)];
  let youngest = 0;
  try {
    const rootStat = settledRoot(source);
    if (rootStat === undefined) {
      removeQuietly(path);
      return;
    }
    tuples.splice(0, 4, ...tupleOf(rootStat));
    for (const [name, { stat }] of source.entries) {
      paths.push(name);
      tuples.push(...tupleOf(stat));
      youngest = Math.max(youngest, stat.mtimeMs, stat.ctimeMs);
    }
    const others = [request.pipelineFile, OS_RELEASE, ...input.others].flatMap((other) => {
      const stat = statOrUndefined(other);
      if (stat === undefined) return [];
      youngest = Math.max(youngest, stat.mtimeMs);
      return [[other, ...tupleOf(stat)] as const];
    });
    if (youngest > source.listedAt - (input.racyMs ?? RACY_MS)) {
      removeQuietly(path);
      return;
    }
    const record: FastRecord = {
      format: RECORD_FORMAT,
      identity: identityOf(request, input.variables, input.version),
      recordedAt,
      expiresAt: input.expiresAt,
      paths,
      tuples,
      others,
      slugTraces: input.slugTraces,
      report: upToDate(report),
    };
    writeSealed(path, record);
  } catch {
    removeQuietly(path);
  }
}

/**
 * The root's tuple. Making `.pyflow` in it touched the root after it was listed; then its names must still be those
 * that were listed, or a file that came meanwhile would never be seen.
 */
function settledRoot(source: Source): Stats | undefined {
  const stat = lstatSync(`${source.directory}/.`);
  if (stat.mtimeMs === source.rootStat.mtimeMs) return stat;
  const listed = new Set([...source.entries.keys()].filter((path) => !path.includes('/')));
  const names = readdirSync(source.directory).filter((name) => !NEVER_SOURCE.has(name));
  return names.length === listed.size && names.every((name) => listed.has(name)) ? stat : undefined;
}

export const dropFastRecord = (cacheDir: string, appId: string): void =>
  removeQuietly(join(runsDir(cacheDir, appId), 'fast.json'));

const statOrUndefined = (path: string): Stats | undefined => lstatSync(path, { throwIfNoEntry: false });

function upToDate(report: RunReport): RunReport {
  const nodes = Object.entries(report.nodes).map(([id, node]): [string, NodeReport] => {
    const { startedAt: _whenItRan, ...rest } = node;
    if (node.outcome === 'skipped') return [id, { ...rest, durationMs: 0 }];
    const savedMs = node.outcome === 'executed' ? node.durationMs : (node.savedMs ?? 0);
    return [id, { ...rest, outcome: 'up-to-date', reasons: [], durationMs: 0, savedMs }];
  });
  return { ...report, nodes: Object.fromEntries(nodes) };
}
