// What a run leaves in the cache for the next one: its report, the record of the app's last complete run, app state.
// Imports nothing heavy, because an up-to-date run loads it.

import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { JSONObject, JSONValue } from '../../manifests/json-schema.js';
import { sha256Hex, type ActionKey } from '../files/digest.js';
import type { RunReport } from '../events.js';
import type { RunRequest } from '../request.js';
import { removeTree } from '../files/remove-tree.js';
import { publishFile, readSealed, writeSealed, type Seal } from '../files/sealed-json.js';

/** Raise it when the meaning of the files below changes. Files of another format are ignored. */
const RECORD_FORMAT = 3;
const KEPT_RUNS = 50;

const sealOf = (kind: string, appId: string): Seal => ({ kind, version: RECORD_FORMAT, of: appId });

/** The last complete run of an app. It tells `up-to-date` from `restored`, and has the durations to expect. */
export interface LastRun {
  readonly format: number;
  readonly runId: string;
  readonly nodes: Readonly<Record<string, LastNode>>;
}
export interface LastNode {
  readonly key?: ActionKey;
  readonly outputs: JSONObject;
  readonly layer?: string;
  /** Milliseconds that the node took when it was last executed. */
  readonly durationMs: number;
}

/** Ids sort by time. The random part distinguishes runs that start in the same millisecond. */
export const newRunId = (now: number): string =>
  `${new Date(now).toISOString().replace(/[-:.]/g, '')}-${randomBytes(3).toString('hex')}`;

export const runsDir = (cacheDir: string, appId: string): string => join(cacheDir, 'runs', appId);

/** Without `--app-id`, the folder names the app: if it is moved, it is another app. */
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

/** Called for every run, failed ones too. Keeps the last 50 reports of the app. */
export function writeReport(cacheDir: string, report: RunReport): void {
  const folder = runsDir(cacheDir, report.appId);
  publishFile(join(folder, `${report.runId}.json`), JSON.stringify(report));
  for (const old of listRuns(cacheDir, report.appId).slice(0, -KEPT_RUNS)) {
    removeTree(join(folder, `${old}.json`));
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

export function writeLastRun(cacheDir: string, appId: string, last: Omit<LastRun, 'format'>): void {
  writeSealed(join(runsDir(cacheDir, appId), 'last.json'), sealOf('last', appId), { format: RECORD_FORMAT, ...last });
}

export const fastRecordPath = (cacheDir: string, appId: string): string => join(runsDir(cacheDir, appId), 'fast.json');

export const dropFastRecord = (cacheDir: string, appId: string): void =>
  void removeTree(fastRecordPath(cacheDir, appId));
