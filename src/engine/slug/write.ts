// Writes the slug, which is the finished app, to the output folder. If an earlier slug is there, writes only the
// differences.

import { lstatSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { parse } from 'node:path';
import { digestOf, type Digest } from '../files/digest.js';
import { namesByFolder } from '../files/names-by-folder.js';
import type { TreeEntry } from '../trees/directories.js';
import { fail, FailureError, succeed, type Failure, type Result } from '../failure.js';
import { ignoreInGit } from '../files/own-folders.js';
import { acquireKeyLock } from '../run/lock.js';
import { copySource, materializeTree, MissingBlob } from '../trees/output-tree.js';
import { changedDuringRun } from '../app/source-digests.js';
import { failed, lost, stopWith, type Failed, type Lost } from '../run/node-end.js';
import { systemFailure } from '../files/system-failures.js';
import { contentOfSlug, type SlugContent } from './content.js';
import type { FinishedApp } from './finished-app.js';
import {
  type SlugTrace,
  MARKER_FORMAT,
  markerPaths,
  newestTime,
  readMarker,
  timesAfter,
  writeMarker,
  type Marker,
} from '../app/slug-marker.js';
import { SLUG_MARKER, UNFINISHED_MARKER } from '../app/source-names.js';
import { pathBelow, realPath } from '../app/source.js';
import { FIXED_MTIME_S } from '../files/new-files.js';
import type { BlobStore } from '../trees/blob-store.js';
import { removeFile } from '../files/remove-tree.js';
import { clearAway, interrupted, updateSlug, type Updated } from './update.js';

export interface Slug {
  readonly path: string;
  /** Digest of the root Directory message of all files. */
  readonly digest: Digest;
  readonly files: number;
  readonly bytes: number;
  /** For the fast record: the stats that change with any change of the slug. */
  readonly traces: readonly SlugTrace[];
  /** In place: folder of the app -> names that pyflow added to it. */
  readonly names: ReadonlyMap<string, readonly string[]>;
  /** False if the folder already held everything. */
  readonly changed: boolean;
  /** In place: paths of the app that nodes removed, but that stay in its folder. */
  readonly kept: readonly string[];
}

/** A failure if pyflow must not write to the output folder; called before anything runs. Undefined if it may. */
export function checkOutDir(outDir: string, appDir: string, force: boolean): Failure | undefined {
  if (outDir === appDir) return undefined;
  // Compare real paths, because `--force` empties the folder.
  const [out, app, home] = [outDir, appDir, homedir()].map(realPath) as [string, string, string];
  if (out === parse(out).root || out === home || pathBelow(out, app) !== undefined) return unsafeOut(outDir);
  let names: readonly string[];
  try {
    const link = linkBelow(appDir, outDir);
    if (link !== undefined) return throughLink(outDir, link);
    const stat = lstatSync(outDir, { throwIfNoEntry: false });
    if (force || stat === undefined) return undefined;
    if (!stat.isDirectory()) return notOurs(outDir, 'It is not a folder.');
    names = readdirSync(outDir);
  } catch (error) {
    return systemFailure(error);
  }
  if (names.length === 0 || names.includes(SLUG_MARKER) || names.includes(UNFINISHED_MARKER)) return undefined;
  return notOurs(
    outDir,
    `It contains ${names.slice(0, 3).join(', ')}${names.length > 3 ? ', ...' : ''}, but no slug marker of pyflow.`,
  );
}

export interface WrittenSlug {
  readonly slug: Slug;
  readonly content: SlugContent;
  /** Absent if the folder already held everything. */
  readonly durationMs?: number;
}
export type SlugEnd = Result<WrittenSlug, Lost | Failed>;

/** Makes `outDir` hold the finished app. If it fails, the slug there is marked as unfinished. */
export async function writeSlug(app: FinishedApp): Promise<SlugEnd> {
  const { outDir, cacheDir, signal } = app;
  const started = performance.now();
  let lock: { release(): void } | undefined;
  try {
    // Two runs that write the same folder at the same time would mix their slugs.
    const name = digestOf(Buffer.from(`slug ${realPath(outDir)}`));
    lock = await acquireKeyLock(cacheDir, name, { signal });
    const inPlace = outDir === app.appDir;
    const content = await contentOfSlug(app, inPlace && !app.isOneTime);
    if (!content.ok) return stopWith(content.failure);
    const slug = await write(app, content.value);
    if (!slug.ok) return slug;
    const durationMs = Math.round(performance.now() - started);
    return succeed({ slug: slug.value, content: content.value, ...(slug.value.changed && { durationMs }) });
  } catch (error) {
    return endOfError(error, signal);
  } finally {
    lock?.release();
  }
}

/** How writing ended that threw. Throws the error again if it is a bug. */
export function endOfError(error: unknown, signal: AbortSignal): Result<never, Lost | Failed> {
  if (signal.aborted) return stopWith(interrupted);
  if (error instanceof MissingBlob) return fail(lost('blob', error.digest));
  if (error instanceof FailureError) return stopWith(error.failure);
  const failure = systemFailure(error);
  if (failure !== undefined) return stopWith(failure);
  throw error;
}

/** What the steps of writing share. */
interface Writing {
  readonly app: FinishedApp;
  readonly slug: SlugContent;
  readonly inPlace: boolean;
  /** Whether pyflow adds a path, rather than the source. */
  readonly isOwn: (path: string) => boolean;
  readonly before: Marker | undefined;
  readonly unfinished: Marker | undefined;
  /** Marker of the slug that is being written, without times. */
  readonly marker: Pick<Marker, 'format' | 'digest' | 'paths'>;
  /** Mtime for the files that are written, in seconds since the epoch. */
  readonly mtimeS: number;
}

async function write(app: FinishedApp, slug: SlugContent): Promise<Result<Slug, Lost | Failed>> {
  const { outDir, appDir, isOneTime } = app;
  const inPlace = outDir === appDir;
  const before = isOneTime ? undefined : readMarker(outDir, SLUG_MARKER);
  const unfinished = isOneTime ? undefined : readMarker(outDir, UNFINISHED_MARKER);
  const isOwn = inPlace ? (path: string) => !app.source.entries.has(path) : () => true;
  const marker = { format: MARKER_FORMAT, digest: slug.root, paths: markerPaths(slug.entries, isOwn) };
  const mtimeS = timeOfSlug(app, [before, unfinished]);
  const writing: Writing = { app, slug, inPlace, isOwn, before, unfinished, marker, mtimeS };
  const isNew = before === undefined && !inPlace;
  const updated = isNew ? await writeAnew(writing) : succeed(await update(writing));
  if (!updated.ok) return updated;
  ignoreInGit(appDir, outDir);
  // In place, folders of the app keep their times, and a file that pyflow added would count as the app's once it is
  // edited.
  const own = [...slug.entries].filter(([path]) => isOwn(path));
  if (updated.value.changed) complete(writing, own, updated.value.written);
  return succeed(slugOf(writing, own, updated.value.changed));
}

async function writeAnew({ app, slug, mtimeS }: Writing): Promise<Result<Updated, Lost | Failed>> {
  const { outDir, appDir, store, table, signal } = app;
  clear(outDir);
  const written = await materializeTree(store, table, slug.root, outDir, {
    signal,
    sources: new Map([...slug.sources].map(([blob, path]) => [blob, `${appDir}/${path}`])),
    isRecorded: false,
    mtimeS,
  });
  if (written.ok) return succeed({ changed: true, written: [] });
  if ('failure' in written.failure) return stopWith(written.failure.failure);
  const { missing } = written.failure;
  const path = slug.sources.get(missing);
  return fail(path === undefined ? lost('blob', missing) : failed(changedDuringRun(path)));
}

function update({ app, slug, inPlace, before, unfinished, marker, mtimeS }: Writing): Promise<Updated> {
  const earlier = earlierPaths(app, inPlace ? [unfinished, before] : [before]);
  return updateSlug(app.outDir, slug.entries, before, {
    blobs: withSources(app, slug.sources),
    sources: slug.sources,
    inPlace,
    sourceSpelling: slug.sourceSpelling,
    earlier,
    // If a later run finds an unfinished slug in the app's folder, it must be able to tell it from the app.
    unfinished: {
      ...marker,
      ...timesAfter(before, marker.paths, [], mtimeS),
      next: mtimeS,
      ...(inPlace ? { paths: { ...earlier, ...marker.paths } } : {}),
    },
    mtimeS,
    signal: app.signal,
  });
}

type OwnEntries = readonly (readonly [string, TreeEntry])[];

/** Marks the slug as whole. */
function complete(
  { app, inPlace, before, marker, mtimeS }: Writing,
  own: OwnEntries,
  written: readonly string[],
): void {
  const { outDir, isOneTime } = app;
  if (!isOneTime) {
    writeMarker(outDir, SLUG_MARKER, { ...marker, ...timesAfter(before, marker.paths, written, mtimeS) });
  }
  removeFile(`${outDir}/${UNFINISHED_MARKER}`);
  // Folders get whole seconds, so any later change in one shows in its mtime.
  for (const folder of [...(inPlace ? [] : [outDir]), ...foldersOf(outDir, own)]) setTime(folder, mtimeS);
}

function slugOf({ app, slug, inPlace }: Writing, own: OwnEntries, changed: boolean): Slug {
  const { outDir, isOneTime } = app;
  const result = { path: outDir, digest: slug.root, ...sizeOfContent(slug.entries), kept: slug.kept, changed };
  if (isOneTime) return { ...result, traces: [], names: new Map() };
  const paths = own.map(([path]) => path);
  const traces = [...(inPlace ? [] : ['.']), ...paths, SLUG_MARKER].flatMap((path) => traceOf(outDir, path));
  return { ...result, traces, names: inPlace ? namesByFolder(paths) : new Map<string, string[]>() };
}

/** What earlier runs wrote there. In a one-time build, everything in the app's folder belongs to the slug. */
function earlierPaths(app: FinishedApp, markers: readonly (Marker | undefined)[]): Marker['paths'] {
  const paths = Object.assign({}, ...markers.map((marker) => marker?.paths)) as Record<string, string>;
  if (!app.isOneTime) return paths;
  // Folders get no slash here: a folder that a node removed is deleted with everything in it, also with files that no
  // node sees, such as a submodule's `.git`.
  for (const path of app.source.entries.keys()) paths[path] = '';
  return paths;
}

const DAY_S = 24 * 60 * 60;

/**
 * Mtime for the files that this run writes, in seconds since the epoch. Later than all earlier times of the slug, so
 * that a file that changes twice within a second shows it. A marker far in the future is ignored.
 */
function timeOfSlug(app: FinishedApp, markers: readonly (Marker | undefined)[]): number {
  const now = Math.floor(app.clock.now() / 1000);
  const last = Math.max(0, ...markers.map((marker) => (marker === undefined ? 0 : newestTime(marker))));
  return Math.max(FIXED_MTIME_S, now, last < now + DAY_S ? last + 1 : 0);
}

/** If the owner can't enter the parent folder, the time does not matter. */
function setTime(folder: string, mtimeS: number): void {
  try {
    utimesSync(folder, mtimeS, mtimeS);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error;
  }
}

function traceOf(outDir: string, path: string): readonly SlugTrace[] {
  try {
    const { mtimeMs, ctimeMs, ino } = lstatSync(`${outDir}/${path}`);
    return [[path, mtimeMs, ctimeMs, ino]];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error;
    return [];
  }
}

/** Empties the folder, or makes it. From the first step on, a marker shows that the slug is unfinished. */
function clear(outDir: string): void {
  if (lstatSync(outDir, { throwIfNoEntry: false })?.isDirectory() === false) clearAway(outDir);
  mkdirSync(outDir, { recursive: true });
  writeFileSync(`${outDir}/${UNFINISHED_MARKER}`, '');
  for (const name of readdirSync(outDir, { encoding: 'buffer' })) {
    if (name.toString() === UNFINISHED_MARKER) continue;
    clearAway(Buffer.concat([Buffer.from(`${outDir}/`), name]));
  }
}

function withSources(app: FinishedApp, paths: ReadonlyMap<Digest, string>): BlobStore {
  const { store } = app;
  return {
    has: (digest) => paths.has(digest) || store.has(digest),
    read: (digest) => store.read(digest),
    write: (digest, bytes) => store.write(digest, bytes),
    writeFile: (path) => store.writeFile(path),
    prefetch: (digests) => store.prefetch(digests.filter((digest) => !paths.has(digest))),
    async materialize(digest, path, form) {
      const source = paths.get(digest);
      // In place, the source file may be the one that is being replaced, so prefer the store's copy.
      if (source === undefined || store.has(digest)) return store.materialize(digest, path, form);
      return copySource(`${app.appDir}/${source}`, path, digest, form);
    },
  };
}

const foldersOf = (outDir: string, content: Iterable<readonly [string, TreeEntry]>): string[] =>
  [...content].flatMap(([path, { type }]) => (type === 'directory' ? [`${outDir}/${path}`] : []));

function sizeOfContent(content: ReadonlyMap<string, TreeEntry>): { readonly files: number; readonly bytes: number } {
  let files = 0;
  let bytes = 0;
  for (const entry of content.values()) {
    if (entry.type === 'directory') continue;
    files++;
    if (entry.type === 'file') bytes += Number(entry.digest.slice(65));
  }
  return { files, bytes };
}

/** The first link on the way from the app to a folder inside it. It is part of the app, and can point anywhere. */
export function linkBelow(appDir: string, outDir: string): string | undefined {
  const parts = outDir.startsWith(`${appDir}/`) ? outDir.slice(appDir.length + 1).split('/') : [];
  for (let depth = 1; depth <= parts.length; depth++) {
    const path = `${appDir}/${parts.slice(0, depth).join('/')}`;
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined) return undefined;
    if (stats.isSymbolicLink()) return path;
  }
  return undefined;
}

const throughLink = (outDir: string, link: string): Failure => ({
  code: 'slug::unsafe-out',
  blame: 'app',
  title: `pyflow can't write the slug to ${outDir}`,
  detail: `${link} is a symbolic link in the app, so the slug would be written to wherever it points.`,
  remedy: `Remove the link ${link}, or name a folder outside the app with --out.`,
});

const notOurs = (outDir: string, what: string): Failure => ({
  code: 'slug::not-ours',
  blame: 'pipeline',
  title: `pyflow won't overwrite the output folder: ${outDir}`,
  detail: `${what} Writing the slug would replace it.`,
  remedy: '1. Name another folder with --out.\n2. Or pass --force to delete what is there and write the slug.',
});
const unsafeOut = (outDir: string): Failure => ({
  code: 'slug::unsafe-out',
  blame: 'pipeline',
  title: `pyflow can't write the slug to ${outDir}`,
  detail:
    'It is the root folder, your home folder, a folder that contains the app, or the app itself under another name.',
  remedy: '1. Name another folder with --out.\n2. To build in place, name the folder of the app exactly as in --app.',
});
