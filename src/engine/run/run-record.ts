// What a run leaves in the cache for the next one: its report, the last complete run of an app, app state. Imports
// nothing heavy: an up-to-date run loads it.

import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { JSONObject, JSONValue } from '../../manifests/json-schema.js';
import { sha256Hex, type ActionKey } from '../files/digest.js';
import type { RunReport } from '../events.js';
import type { RunRequest } from '../request.js';
import { publishFile, readJSON, readSealed, removeQuietly, writeSealed, type Seal } from '../files/sealed-json.js';

/** Changes with what the files below mean; an older file is ignored. */
const RECORD_FORMAT = 3;
const KEPT_RUNS = 50;

const sealOf = (kind: string, appId: string): Seal => ({ kind, version: RECORD_FORMAT, of: appId });

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
  `${
    basename(request.appDir)
      .replace(/[^A-Za-z0-9._-]/g, '_')
      .slice(0, 40) || 'app'
  }-${sha256Hex(request.appDir).slice(0, 12)}`;

export function readLastRun(cacheDir: string, appId: string): LastRun | undefined {
  const last = readSealed<LastRun>(join(runsDir(cacheDir, appId), 'last.json'), sealOf('last', appId));
  return last?.format === RECORD_FORMAT ? last : undefined;
}

export function readState(cacheDir: string, appId: string): Readonly<Record<string, JSONValue>> {
  return readSealed<Record<string, JSONValue>>(join(cacheDir, 'state', `${appId}.json`), sealOf('state', appId)) ?? {};
}

export function writeState(cacheDir: string, appId: string, state: Readonly<Record<string, JSONValue>>): void {
  writeSealed(join(cacheDir, 'state', `${appId}.json`), sealOf('state', appId), state);
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

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const areTexts = (value: Readonly<Record<string, unknown>>, ...names: readonly string[]): boolean =>
  names.every((name) => typeof value[name] === 'string');

/** A report has no checksum, since people and platforms read and move it; so its shape is looked at. */
export function isReport(value: unknown): value is RunReport {
  if (!isObject(value) || value['schema'] !== 'pyflow.report/1') return false;
  if (!areTexts(value, 'runId', 'pipeline', 'appId', 'status', 'startedAt')) return false;
  const { exitCode, durationMs, nodes, buildData, slug, failure } = value;
  if (typeof exitCode !== 'number' || typeof durationMs !== 'number' || !isObject(buildData)) return false;
  if (slug !== undefined && !(isObject(slug) && areTexts(slug, 'path', 'digest'))) return false;
  return isObject(nodes) && Object.values(nodes).every(isNodeReport) && isFailure(failure);
}

function isNodeReport(value: unknown): boolean {
  if (!isObject(value) || !areTexts(value, 'kind', 'outcome') || typeof value['durationMs'] !== 'number') return false;
  const { reasons, failure, outputs, layer } = value;
  if (!Array.isArray(reasons) || !reasons.every((reason) => isObject(reason) && areTexts(reason, 'what'))) return false;
  return [outputs, layer].every((part) => part === undefined || isObject(part)) && isFailure(failure);
}

const isFailure = (value: unknown): boolean =>
  value === undefined || (isObject(value) && areTexts(value, 'code', 'blame', 'title', 'detail', 'remedy'));

export function readReport(cacheDir: string, appId: string, runId: string): RunReport | undefined {
  const report = readJSON<unknown>(join(runsDir(cacheDir, appId), `${runId}.json`));
  return isReport(report) ? report : undefined;
}

export function writeLastRun(cacheDir: string, appId: string, last: Omit<LastRun, 'format'>): void {
  writeSealed(join(runsDir(cacheDir, appId), 'last.json'), sealOf('last', appId), { format: RECORD_FORMAT, ...last });
}

export const fastRecordPath = (cacheDir: string, appId: string): string => join(runsDir(cacheDir, appId), 'fast.json');

export const dropFastRecord = (cacheDir: string, appId: string): void => removeQuietly(fastRecordPath(cacheDir, appId));
