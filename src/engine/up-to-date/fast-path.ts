// Recognizes an up-to-date run by the stat tuples of everything that the last complete run read, without opening any
// other file. Only a shortcut: a full run has the same outcomes. Imports nothing heavy.

import { lstatSync, readdirSync, readFileSync, readlinkSync, type Stats } from 'node:fs';
import { canonicalJSON } from '../../manifests/json-schema.js';
import type { NodeId } from '../../manifests/pipeline/manifest.js';
import { readAppVariables, type AppVariables } from '../app/app-variables.js';
import { hexOf, sha256Hex, type Digest } from '../files/digest.js';
import type { EventSink, NodeReport, OutputReport, RunReport } from '../events.js';
import { namesByFolder } from '../files/names-by-folder.js';
import { ignoreInGit } from '../files/own-folders.js';
import { judgedRequest } from '../packages/judged-request.js';
import type { RunOptions, RunRequest } from '../request.js';
import { appIdOf, dropFastRecord, fastRecordPath } from '../run/run-record.js';
import { readSealed, writeSealed, type Seal } from '../files/sealed-json.js';
import type { SlugTrace } from '../app/slug-marker.js';
import { NEVER_SOURCE } from '../app/source-names.js';
import type { Source } from '../app/source.js';
import type { Trace } from '../services/builder.js';

/** Raise it when the meaning of the record changes. Records of another format are ignored. */
const RECORD_FORMAT = 7;
/** A file that changed less than this before it was read may change again with the same timestamp. */
const YOUNG_MS = 2000;
/**
 * Numbers per tuple: size, mtime and ctime in milliseconds, inode. If all are the same, the file or folder is
 * unchanged.
 */
const TUPLE = 4;

export interface FastRecord {
  readonly format: number;
  readonly identity: string;
  /**
   * Milliseconds since the epoch. The record expires with the first result that does, or with facts that depend on the
   * date.
   */
  readonly expiresAt: number;
  /**
   * The root as `.`, every path of the source, and absolute paths of other files: the pipeline file, plugins,
   * os-release, and what shows another builder.
   */
  readonly paths: readonly string[];
  /** The tuples of all paths, one after another. */
  readonly tuples: readonly number[];
  /**
   * Index of a path that changed so recently that its tuple proves nothing -> digest of its content, names or target.
   */
  readonly young: Readonly<Record<string, string>>;
  /** Folder of the source -> its mode, if it is not 0755. */
  readonly folderModes: Readonly<Record<string, number>>;
  readonly slugTraces: readonly SlugTrace[];
  /** Of outputs besides the slug, with absolute paths. */
  readonly outputTraces: readonly SlugTrace[];
  /** Whether a node depended on the builder. Then the paths show if it changed. */
  readonly usesBuilder: boolean;
  readonly report: RunReport;
}

const sealOf = (appId: string): Seal => ({ kind: 'fast', version: RECORD_FORMAT, of: appId });

/** A new release of the system is another platform, and this file shows it. */
const OS_RELEASE = '/etc/os-release';

const identityOf = (request: RunRequest, variables: AppVariables, version: string): string =>
  sha256Hex(
    canonicalJSON({
      version,
      node: process.version,
      pipelineFile: request.pipelineFile,
      appDir: request.appDir,
      outDir: request.outDir,
      outputs: request.outputs,
      sourceTimeS: request.sourceTimeS,
      params: request.params,
      mode: request.mode,
      searchPaths: request.searchPaths,
      settings: request.settings,
      variables,
    }),
  );

const isWhole = (request: RunRequest): boolean =>
  request.only.length === 0 && request.until === undefined && request.refresh.length === 0;

/** The report of an up-to-date run; undefined if something changed, or if pyflow can't tell. */
export async function tryFastPath(
  requested: RunRequest,
  sink: EventSink,
  { version, clock }: RunOptions,
): Promise<RunReport | undefined> {
  if (!isWhole(requested) || requested.oneTime === true || requested.settings['NO_FAST_PATH'] === '1') return undefined;
  const startedAt = clock.now();
  const judged = await judgedRequest(requested, startedAt);
  if (!judged.ok) return undefined;
  const request = judged.value;
  const variables = await readAppVariables(request.envDir, request.variables);
  const record = variables.ok
    ? readFastRecord(request, { variables: variables.value, version, now: startedAt })
    : undefined;
  if (record === undefined || !isUntouched(record, request)) return undefined;
  ignoreInGit(request.appDir, request.outDir);
  const aged = withoutAged(record, startedAt);
  if (aged !== undefined)
    writeSealed(fastRecordPath(request.cacheDir, appIdOf(request)), sealOf(appIdOf(request)), aged);
  return announce(record.report, sink, { startedAt, endedAt: clock.now() });
}

/** The record of the last complete run with the same request; undefined if there is none, or it has expired. */
export function readFastRecord(
  request: RunRequest,
  { variables, version, now }: { readonly variables: AppVariables; readonly version: string; readonly now: number },
): FastRecord | undefined {
  const record = readSealed<FastRecord>(fastRecordPath(request.cacheDir, appIdOf(request)), sealOf(appIdOf(request)));
  if (record?.format !== RECORD_FORMAT || record.expiresAt <= now) return undefined;
  return identityOf(request, variables, version) === record.identity ? record : undefined;
}

/** Size, mtime, ctime and inode of the path with this index. */
export const tupleAt = (tuples: readonly number[], index: number): readonly number[] =>
  tuples.slice(index * TUPLE, (index + 1) * TUPLE);

const absolute = (appDir: string, path: string): string => (path.startsWith('/') ? path : `${appDir}/${path}`);

function isUntouched(record: FastRecord, { appDir, outDir }: RunRequest): boolean {
  const { paths, tuples, young, slugTraces, outputTraces } = record;
  try {
    for (const [path, ...stats] of slugTraces) if (!hasStats(`${outDir}/${path}`, stats)) return false;
    for (const [path, ...stats] of outputTraces) if (!hasStats(path, stats)) return false;
    for (const [index, path] of paths.entries()) {
      if (!sameTuple(lstatSync(absolute(appDir, path)), tuples, index * TUPLE)) return false;
    }
    for (const [index, digest] of Object.entries(young)) {
      if (digestNow(absolute(appDir, paths[Number(index)]!)) !== digest) return false;
    }
    return true;
  } catch {
    // Something is missing or unreadable; the full run reports it.
    return false;
  }
}

function hasStats(path: string, [mtimeMs, ctimeMs, ino]: readonly [number, number, number]): boolean {
  const stat = lstatSync(path);
  return stat.mtimeMs === mtimeMs && stat.ctimeMs === ctimeMs && stat.ino === ino;
}

const sameTuple = (stat: Stats, tuples: readonly number[], at: number): boolean =>
  stat.size === tuples[at] &&
  stat.mtimeMs === tuples[at + 1] &&
  stat.ctimeMs === tuples[at + 2] &&
  stat.ino === tuples[at + 3];

/** Digest of a file's content, a folder's names or a link's target. Throws the system's error. */
export function digestNow(path: string): string {
  const stat = lstatSync(path);
  if (stat.isDirectory()) return digestNames(readdirSync(path));
  return sha256Hex(stat.isSymbolicLink() ? readlinkSync(path) : readFileSync(path));
}

const digestNames = (names: readonly string[]): string =>
  sha256Hex(
    names
      .filter((name) => !NEVER_SOURCE.has(name))
      .sort()
      .join('\0'),
  );

/** The record without `young` entries that have aged since; undefined if none has. */
function withoutAged(record: FastRecord, now: number): FastRecord | undefined {
  const entries = Object.entries(record.young);
  const young = entries.filter(([index]) => isYoung(record.tuples, Number(index) * TUPLE, now));
  return young.length < entries.length ? { ...record, young: Object.fromEntries(young) } : undefined;
}

const isYoung = (tuples: readonly number[], at: number, now: number): boolean =>
  Math.max(tuples[at + 1]!, tuples[at + 2]!) > now - YOUNG_MS;

function announce(
  last: RunReport,
  sink: EventSink,
  { startedAt, endedAt }: { readonly startedAt: number; readonly endedAt: number },
): RunReport {
  // This run shares nothing, whatever the last one did.
  const entries = Object.entries(last.nodes).map(([id, { unshared: _then, ...node }]) => [id as NodeId, node] as const);
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
    nodes: Object.fromEntries(entries),
    startedAt: new Date(startedAt).toISOString(),
    durationMs: endedAt - startedAt,
  };
  sink.emit({ type: 'run-finished', report });
  return report;
}

export interface FastRecordInput {
  readonly request: RunRequest;
  readonly variables: AppVariables;
  readonly version: string;
  readonly source: Source;
  /** Digests of the bytes that the run read, by path. */
  readonly sourceDigests: ReadonlyMap<string, Digest>;
  readonly pipelineDigest: string;
  /** All code files of outside plugins, with the SHA-256 of the loaded bytes. */
  readonly pluginFiles: ReadonlyMap<string, string>;
  /** Read while this run held the lock of the slug. */
  readonly slugTraces: readonly SlugTrace[];
  /** Names that the slug added to folders of the app, by folder. For a slug inside the app. */
  readonly slugNames: ReadonlyMap<string, readonly string[]>;
  /** Of outputs besides the slug, with absolute paths. */
  readonly outputTraces: readonly SlugTrace[];
  /** What shows that the builder is still the same. Undefined if no node depends on it. */
  readonly builderTraces: readonly Trace[] | undefined;
  readonly expiresAt: number;
  readonly report: RunReport;
}

/** For a complete run in which every result can be restored. Writes no record if something changed during the run. */
export function writeFastRecord(input: FastRecordInput): void {
  const { request, report, expiresAt, slugTraces, outputTraces } = input;
  const recorded = recordPaths(input);
  if (recorded === undefined) return dropFastRecord(request.cacheDir, report.appId);
  const record: FastRecord = {
    format: RECORD_FORMAT,
    identity: identityOf(request, input.variables, input.version),
    expiresAt,
    ...recorded,
    folderModes: folderModesOf(input.source),
    slugTraces,
    outputTraces,
    usesBuilder: input.builderTraces !== undefined,
    report: upToDate(report),
  };
  writeSealed(fastRecordPath(request.cacheDir, report.appId), sealOf(report.appId), record);
}

function folderModesOf({ entries }: Source): Readonly<Record<string, number>> {
  const modes: Record<string, number> = {};
  for (const [path, entry] of entries) {
    if (entry.type === 'directory' && entry.mode !== undefined) modes[path] = entry.mode;
  }
  return modes;
}

/** Undefined if something is no longer as the run read it. */
function recordPaths(input: FastRecordInput): Pick<FastRecord, 'paths' | 'tuples' | 'young'> | undefined {
  const { request, source, sourceDigests } = input;
  const paths: string[] = [];
  const tuples: number[] = [];
  const young: Record<string, string> = {};
  const add = (path: string, stat: Stats, digest: () => string | undefined): boolean => {
    const index = paths.push(path) - 1;
    tuples.push(stat.size, stat.mtimeMs, stat.ctimeMs, stat.ino);
    if (!isYoung(tuples, index * TUPLE, source.listedAt)) return true;
    const known = digest();
    if (known !== undefined) young[index] = known;
    return known !== undefined;
  };
  const names = namesByFolder(source.entries.keys());
  try {
    if (!addFolder('.', source.rootStat)) return undefined;
    for (const [path, entry] of source.entries) {
      const digest = sourceDigests.get(path);
      const added =
        entry.type === 'directory'
          ? addFolder(path, entry.stat)
          : add(path, entry.stat, () =>
              entry.type === 'symlink' ? sha256Hex(entry.target) : digest === undefined ? undefined : hexOf(digest),
            );
      if (!added) return undefined;
    }
    if (!add(request.pipelineFile, lstatSync(request.pipelineFile), () => input.pipelineDigest)) return undefined;
    const release = lstatSync(OS_RELEASE, { throwIfNoEntry: false });
    if (release !== undefined && !add(OS_RELEASE, release, () => undefined)) return undefined;
    for (const [path, ...before] of input.builderTraces ?? []) {
      const stat = lstatSync(path);
      if (!sameTuple(stat, before, 0) || !add(path, stat, () => undefined)) return undefined;
    }
    for (const [path, digest] of input.pluginFiles) if (!add(path, lstatSync(path), () => digest)) return undefined;
    return { paths, tuples, young };
  } catch {
    return undefined;
  }

  /** Writing the slug may have changed a folder after it was listed. False if its names are not the expected ones. */
  function addFolder(path: string, listed: Stats): boolean {
    const key = path === '.' ? '' : path;
    const stat = lstatSync(`${source.directory}/${path}/.`);
    const expected = new Set([...(names.get(key) ?? []), ...(input.slugNames.get(key) ?? [])]);
    const digest = digestNames([...expected]);
    if (stat.mtimeMs !== listed.mtimeMs && digestNow(`${source.directory}/${path}/.`) !== digest) return false;
    return add(path, stat, () => digest);
  }
}

function upToDate(report: RunReport): RunReport {
  const nodes = Object.entries(report.nodes).map(([id, node]): [string, NodeReport] => {
    const { startedAt: _whenItRan, restoredFrom: _then, executedOn: _there, ...rest } = node;
    if (node.outcome === 'skipped') return [id, { ...rest, durationMs: 0 }];
    const savedMs = node.outcome === 'executed' ? node.durationMs : (node.savedMs ?? 0);
    return [id, { ...rest, outcome: 'up-to-date', reasons: [], durationMs: 0, savedMs }];
  });
  const { slug, outputs, remote: _whatItAsked, ...others } = report;
  return {
    ...others,
    nodes: Object.fromEntries(nodes),
    ...(slug === undefined ? {} : { slug: untouched(slug) }),
    ...(outputs === undefined ? {} : { outputs: outputs.map(untouchedOutput) }),
  };
}

function untouchedOutput({ durationMs: _whenItWasWritten, newBlobs, ...rest }: OutputReport): OutputReport {
  return newBlobs === undefined ? rest : { ...rest, newBlobs: { count: 0, bytes: 0 } };
}

function untouched(slug: NonNullable<RunReport['slug']>): NonNullable<RunReport['slug']> {
  const { durationMs: _whenItWasWritten, ...rest } = slug;
  return rest;
}
