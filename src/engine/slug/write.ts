// Writes the finished app: the source, then each layer once, in plan order; by difference where a slug lies already.
// Unaware of nodes and keys.

import { lstatSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { parse } from 'node:path';
import { digestOf, type Digest } from '../files/digest.js';
import type { TreeEntry } from '../trees/directories.js';
import { fail, FailureError, succeed, type Failure, type Result } from '../failure.js';
import { namesByFolder } from '../files/names-by-folder.js';
import { ignoreInGit } from '../files/own-folders.js';
import { acquireKeyLock } from '../run/lock.js';
import { copySource, materializeTree } from '../trees/output-tree.js';
import { BLOB_LOST, changedDuringRun } from '../node/run-action.js';
import { systemFailure } from '../files/system-failures.js';
import type { RunState } from '../run/run.js';
import { contentOfSlug } from './content.js';
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
import type { Layer } from '../trees/tree.js';
import { removeFile } from '../files/remove-tree.js';
import { clearAway, interrupted, updateSlug, type Updated } from './update.js';

export interface Slug {
  readonly path: string;
  /** Of the root Directory message of all files. */
  readonly digest: Digest;
  readonly files: number;
  readonly bytes: number;
  /** For the fast record: what any change of the slug changes. */
  readonly traces: readonly SlugTrace[];
  /** In place: folder of the app -> names put into it. */
  readonly names: ReadonlyMap<string, readonly string[]>;
  /** False when everything lay there already. */
  readonly changed: boolean;
  /** In place: paths of the app that nodes removed, and that stay in its folder nevertheless. */
  readonly kept: readonly string[];
}

/** Fails before anything is run when the output folder is not pyflow's to write. */
export function checkOutDir(outDir: string, appDir: string, force: boolean): Failure | undefined {
  if (outDir === appDir) return undefined;
  // Links must not lead around this: by force the folder is emptied.
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
    `It holds ${names.slice(0, 3).join(', ')}${names.length > 3 ? ', ...' : ''} and no slug marker.`,
  );
}

export async function writeSlug(
  run: RunState,
  layers: readonly Layer[],
  signal: AbortSignal,
): Promise<Result<Slug, Failure>> {
  const { outDir, cacheDir } = run.request;
  let lock: { release(): void } | undefined;
  try {
    // Two runs that write one slug at the same time would mix theirs.
    const name = digestOf(Buffer.from(`slug ${realPath(outDir)}`));
    lock = await acquireKeyLock(cacheDir, name, { signal });
    return await write(run, layers, signal);
  } catch (error) {
    if (signal.aborted) return fail(interrupted);
    if (error instanceof FailureError) return fail(error.failure);
    const failure = systemFailure(error);
    if (failure !== undefined) return fail(failure);
    throw error;
  } finally {
    lock?.release();
  }
}

async function write(run: RunState, layers: readonly Layer[], signal: AbortSignal): Promise<Result<Slug, Failure>> {
  const { outDir, appDir } = run.request;
  const inPlace = outDir === appDir;
  const isOneTime = run.request.oneTime === true;
  const made = await contentOfSlug(run, layers, inPlace && !isOneTime);
  if (!made.ok) return made;
  const slug = made.value;
  const content = slug.entries;
  const before = isOneTime ? undefined : readMarker(outDir, SLUG_MARKER);
  const unfinished = isOneTime ? undefined : readMarker(outDir, UNFINISHED_MARKER);
  const isOwn = inPlace ? (path: string) => !run.files.source.entries.has(path) : () => true;
  const paths = markerPaths(content, isOwn);
  const mtimeS = timeOfSlug(run, [before, unfinished]);
  const marker = { format: MARKER_FORMAT, digest: slug.root, paths };
  const missing = (blob: Digest): Failure => {
    const path = slug.sources.get(blob);
    return path === undefined ? lost(blob) : changedDuringRun(path);
  };
  let updated: Updated = { changed: true, written: [] };
  if (before === undefined && !inPlace) {
    clear(outDir);
    const written = await materializeTree(run.store, run.table, slug.root, outDir, {
      signal,
      sources: new Map([...slug.sources].map(([blob, path]) => [blob, `${appDir}/${path}`])),
      isRecorded: false,
      mtimeS,
    });
    if (!written.ok) {
      return fail('missing' in written.failure ? missing(written.failure.missing) : written.failure.failure);
    }
  } else {
    const earlier = earlierPaths(run, inPlace ? [unfinished, before] : [before]);
    updated = await updateSlug(outDir, content, before, {
      blobs: withSources(run, slug.sources),
      missing,
      inPlace,
      sourceSpelling: slug.sourceSpelling,
      earlier,
      // Whoever finds an unfinished slug in the app must be able to tell it from the app.
      unfinished: {
        ...marker,
        ...timesAfter(before, paths, [], mtimeS),
        next: mtimeS,
        ...(inPlace ? { paths: { ...earlier, ...paths } } : {}),
      },
      mtimeS,
      signal,
    });
  }
  ignoreInGit(appDir, outDir);
  const { changed, written } = updated;
  // In place the app's own folders keep their times, and files of ours would be taken for the app's once edited.
  const own = [...content].filter(([path]) => isOwn(path));
  if (changed) {
    if (!isOneTime) writeMarker(outDir, SLUG_MARKER, { ...marker, ...timesAfter(before, paths, written, mtimeS) });
    removeFile(`${outDir}/${UNFINISHED_MARKER}`);
    // With whole seconds on every folder, any later change in one shows by its time.
    for (const folder of [...(inPlace ? [] : [outDir]), ...foldersOf(outDir, own)]) setTime(folder, mtimeS);
  }
  const result = { path: outDir, digest: slug.root, ...sizeOfContent(content), kept: slug.kept, changed };
  if (isOneTime) return succeed({ ...result, traces: [], names: new Map() });
  const traces = [...(inPlace ? [] : ['.']), ...own.map(([path]) => path), SLUG_MARKER].flatMap((path) =>
    traceOf(outDir, path),
  );
  const names = inPlace ? namesByFolder(own.map(([path]) => path)) : new Map<string, string[]>();
  return succeed({ ...result, traces, names });
}

/** What earlier runs put there; where a folder is built once, all that the app has is the slug's. */
function earlierPaths(run: RunState, markers: readonly (Marker | undefined)[]): Marker['paths'] {
  const paths = Object.assign({}, ...markers.map((marker) => marker?.paths)) as Record<string, string>;
  if (run.request.oneTime !== true) return paths;
  // Folders without a slash: one that a node removed goes with all that no node was shown, such as a submodule's `.git`.
  for (const path of run.files.source.entries.keys()) paths[path] = '';
  return paths;
}

const DAY_S = 24 * 60 * 60;

/**
 * Seconds since the epoch, of the files that this run writes: now, but later than any other time of the slug, since a file
 * that changes twice within a second must show it. A marker that is far ahead of the clock is not followed.
 */
function timeOfSlug(run: RunState, markers: readonly (Marker | undefined)[]): number {
  const now = Math.floor(run.composition.clock.now() / 1000);
  const last = Math.max(0, ...markers.map((marker) => (marker === undefined ? 0 : newestTime(marker))));
  return Math.max(FIXED_MTIME_S, now, last < now + DAY_S ? last + 1 : 0);
}

/** Where its owner may not enter the folder above, the time says nothing to anybody. */
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

/** Empties the folder, or makes it. From the first step on it can be told for a slug that is not finished. */
function clear(outDir: string): void {
  if (lstatSync(outDir, { throwIfNoEntry: false })?.isDirectory() === false) clearAway(outDir);
  mkdirSync(outDir, { recursive: true });
  writeFileSync(`${outDir}/${UNFINISHED_MARKER}`, '');
  for (const name of readdirSync(outDir, { encoding: 'buffer' })) {
    if (name.toString() === UNFINISHED_MARKER) continue;
    clearAway(Buffer.concat([Buffer.from(`${outDir}/`), name]));
  }
}

function withSources(run: RunState, paths: ReadonlyMap<Digest, string>): BlobStore {
  const { store } = run;
  return {
    has: (digest) => paths.has(digest) || store.has(digest),
    read: (digest) => store.read(digest),
    write: (digest, bytes) => store.write(digest, bytes),
    writeFile: (path) => store.writeFile(path),
    async materialize(digest, path, form) {
      const source = paths.get(digest);
      // In place the source may be what is being replaced; the store's copy stays.
      if (source === undefined || store.has(digest)) return store.materialize(digest, path, form);
      return copySource(`${run.request.appDir}/${source}`, path, digest, form);
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

const lost = (digest: Digest): Failure => ({
  code: BLOB_LOST,
  blame: 'internal',
  title: 'A file of the slug is missing from the cache',
  detail: digest,
  remedy: 'Run again; the node that made it is executed anew.',
});
/** The first link on the way from the app to a folder below it: the app's author put it there, and may lead it anywhere. */
function linkBelow(appDir: string, outDir: string): string | undefined {
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
  title: `The slug cannot be written to ${outDir}`,
  detail: `${link} is a symbolic link in the app, so the slug would end up wherever the app's author wants.`,
  remedy: `Remove the link ${link}, or choose a folder outside the app with --out.`,
});

const notOurs = (outDir: string, what: string): Failure => ({
  code: 'slug::not-ours',
  blame: 'pipeline',
  title: `The output folder is not a slug of pyflow: ${outDir}`,
  detail: `${what} Writing the slug there would destroy it.`,
  remedy: 'Name another folder with --out, or give --force to have it replaced.',
});
const unsafeOut = (outDir: string): Failure => ({
  code: 'slug::unsafe-out',
  blame: 'pipeline',
  title: `The slug cannot be written to ${outDir}`,
  detail: 'It is the root, the home folder, the app under another name, or a folder that holds the app itself.',
  remedy: 'Name another folder with --out; the folder of the app itself builds in place.',
});
