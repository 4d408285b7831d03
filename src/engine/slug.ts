// Writes the finished app: the source, then each layer once, in plan order; by difference where a slug lies already.
// Unaware of nodes and keys.

import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { dirname, parse, relative } from 'node:path';
import type { Digest } from './digest.js';
import { buildTree, walk, type NewEntry, type TreeEntry } from './directories.js';
import { fail, FailureError, succeed, type Failure, type Result } from './failure.js';
import { applyLayers } from './layers.js';
import { materializeTree } from './output-tree.js';
import { BLOB_LOST, FIXED_MTIME_S } from './run-action.js';
import { readJSON } from './run-record.js';
import type { RunState } from './run-state.js';
import { SLUG_MARKER, type SourceEntry } from './source.js';
import type { BlobStore } from './store.js';
import type { Layer } from './tree.js';

export interface Slug {
  readonly path: string;
  /** Of the root Directory message of all files. */
  readonly digest: Digest;
  readonly files: number;
  readonly bytes: number;
  /** Absolute paths of every folder, for the fast record; empty when the slug lies in the app. */
  readonly folders: readonly string[];
  /** False when everything lay there already. */
  readonly changed: boolean;
}

/** What lies at the root of every slug, so that only a slug is ever overwritten. */
interface Marker {
  readonly format: number;
  readonly digest: Digest;
  /** Path -> what lies there; folders of ours end with a slash. In place only what the app did not have itself. */
  readonly paths: Readonly<Record<string, string>>;
}

const MARKER_FORMAT = 1;
/** A slug that is being written, or whose writing was cut off. */
const UNFINISHED_MARKER = '.pyflow-slug.unfinished';
const WRITERS = 8;
const MANY_LAYERS = 16;

/** The predicate by which an app that is built in place tells its own files from an earlier run's. */
export function oursInPlace(directory: string): (path: string, entry: SourceEntry) => boolean {
  const marker =
    readJSON<Marker>(`${directory}/${SLUG_MARKER}`) ?? readJSON<Marker>(`${directory}/${UNFINISHED_MARKER}`);
  const paths = marker?.format === MARKER_FORMAT ? marker.paths : {};
  return (path, entry) => {
    if (path === UNFINISHED_MARKER) return true;
    if (entry.type === 'directory') return paths[`${path}/`] !== undefined;
    if (paths[path] === undefined) return false;
    return entry.type === 'symlink' || entry.stat.mtimeMs === FIXED_MTIME_S * 1000;
  };
}

/** Fails before anything is run when the output folder is not pyflow's to write. */
export function checkOutDir(outDir: string, appDir: string, force: boolean): Failure | undefined {
  if (outDir === appDir) return undefined;
  if (outDir === parse(outDir).root || outDir === homedir() || !relative(outDir, appDir).startsWith('..')) {
    return unsafeOut(outDir);
  }
  if (force || !existsSync(outDir)) return undefined;
  if (!lstatSync(outDir).isDirectory()) return notOurs(outDir, 'It is not a folder.');
  const names = readdirSync(outDir);
  if (names.length === 0 || names.includes(SLUG_MARKER) || names.includes(UNFINISHED_MARKER)) return undefined;
  return notOurs(outDir, `It holds ${names.slice(0, 3).join(', ')}${names.length > 3 ? ', ...' : ''} and no slug marker.`);
}

export async function writeSlug(
  run: RunState,
  layers: readonly Layer[],
  signal: AbortSignal,
): Promise<Result<Slug, Failure>> {
  const source = await sourceEntries(run);
  if (!source.ok) return source;
  const digest = rootOf(run, source.value.entries, layers);
  const content = new Map<string, TreeEntry>(walk(run.table, digest));
  const blobs = withSources(run, source.value.paths);
  const sourceSpelling = new Map(source.value.entries.map(([path, entry]) => [path, spell(entry)]));
  const { outDir, appDir } = run.request;
  const inPlace = outDir === appDir;
  const marker = readJSON<Marker>(`${outDir}/${SLUG_MARKER}`);
  const before = marker?.format === MARKER_FORMAT ? marker : undefined;
  const isOwn = inPlace ? (path: string) => !run.files.source.entries.has(path) : () => true;
  try {
    let changed = true;
    if (before === undefined && !inPlace) {
      rmSync(outDir, { recursive: true, force: true });
      mkdirSync(dirname(outDir), { recursive: true });
      const written = await materializeTree(run.store, run.table, digest, outDir, {
        signal,
        sources: new Map([...source.value.paths].map(([blob, path]) => [blob, `${appDir}/${path}`])),
      });
      if (!written.ok) return fail('missing' in written.failure ? lost(written.failure.missing) : written.failure.failure);
    } else {
      changed = await update(outDir, content, before, { blobs, inPlace, sourceSpelling, signal });
    }
    const folders = inPlace ? [] : [outDir, ...foldersOf(outDir, content)];
    if (changed) {
      writeMarker(outDir, { format: MARKER_FORMAT, digest, paths: markerPaths(content, isOwn) });
      // With a fixed time on every folder, any later change in one shows by its time.
      for (const folder of folders) utimesSync(folder, FIXED_MTIME_S, FIXED_MTIME_S);
    }
    return succeed({ path: outDir, digest, ...sizeOfContent(content), folders, changed });
  } catch (error) {
    if (error instanceof FailureError) return fail(error.failure);
    throw error;
  }
}

/**
 * A few large layers are merged by whole folders; many small ones would copy the same folder again and again, so their
 * paths are collected first.
 */
function rootOf(run: RunState, source: readonly (readonly [string, NewEntry])[], layers: readonly Layer[]): Digest {
  const isMany = layers.length > MANY_LAYERS && layers.every(({ deleted }) => deleted.length === 0);
  if (!isMany) return applyLayers(run.table, buildTree(source, run.table).root, layers);
  const paths = new Map<string, NewEntry>(source);
  for (const { root } of layers) {
    for (const [path, entry] of walk(run.table, root)) {
      const below = paths.get(path);
      const isFolder = entry.type === 'directory';
      // A folder that replaces a file, or the other way round, takes more than one path: leave it to the merge.
      if (below !== undefined && isFolder !== ('directory' in below)) {
        return applyLayers(run.table, buildTree(source, run.table).root, layers);
      }
      paths.set(path, isFolder ? { directory: true } : entry);
    }
  }
  return buildTree(paths, run.table).root;
}

async function sourceEntries(run: RunState) {
  const entries: [string, NewEntry][] = [];
  const paths = new Map<Digest, string>();
  for (const [path, entry] of run.files.source.entries) {
    if (entry.type === 'directory') entries.push([path, { directory: true }]);
    else if (entry.type === 'symlink') entries.push([path, { target: entry.target }]);
    else {
      const digest = await run.digestSource(path);
      if (!digest.ok) return digest;
      paths.set(digest.value, path);
      entries.push([path, { digest: digest.value, executable: entry.executable }]);
    }
  }
  return succeed({ entries, paths });
}

function withSources(run: RunState, paths: ReadonlyMap<Digest, string>): BlobStore {
  const { store } = run;
  return {
    has: (digest) => paths.has(digest) || store.has(digest),
    read: (digest) => store.read(digest),
    write: (digest, bytes) => store.write(digest, bytes),
    writeFile: (path) => store.writeFile(path),
    async materialize(digest, path, executable) {
      const source = paths.get(digest);
      // In place the source may be what is being replaced; the store's copy stays.
      if (source === undefined || store.has(digest)) return store.materialize(digest, path, executable);
      copyFileSync(`${run.request.appDir}/${source}`, path);
      chmodSync(path, executable ? 0o755 : 0o644);
      utimesSync(path, FIXED_MTIME_S, FIXED_MTIME_S);
      return true;
    },
  };
}

interface UpdateOptions {
  readonly blobs: BlobStore;
  readonly inPlace: boolean;
  /** What the app itself has at a path: in place that needs no writing. */
  readonly sourceSpelling: ReadonlyMap<string, string>;
  readonly signal: AbortSignal;
}

/** Makes the folder hold `content`; false when it did already. The marker is away while anything is touched. */
async function update(
  outDir: string,
  content: ReadonlyMap<string, TreeEntry>,
  before: Marker | undefined,
  options: UpdateOptions,
): Promise<boolean> {
  const { blobs, inPlace, sourceSpelling, signal } = options;
  let started = false;
  const start = (): void => {
    if (started) return;
    started = true;
    if (before !== undefined) renameSync(`${outDir}/${SLUG_MARKER}`, `${outDir}/${UNFINISHED_MARKER}`);
  };
  for (const path of inPlace ? vanished(content, before, outDir) : strangers(outDir, content)) {
    start();
    rmSync(`${outDir}/${path}`, { recursive: true, force: true });
  }
  const stale: [string, TreeEntry & { type: 'file' }][] = [];
  for (const [path, entry] of content) {
    if (inPlace && sourceSpelling.get(path) === spell(entry)) continue;
    const target = `${outDir}/${path}`;
    const stat = lstatSync(target, { throwIfNoEntry: false });
    if (entry.type === 'directory') {
      if (stat?.isDirectory() === true) continue;
      start();
      rmSync(target, { force: true });
      mkdirSync(target);
    } else if (entry.type === 'symlink') {
      if (stat?.isSymbolicLink() === true && readlinkSync(target) === entry.target) continue;
      start();
      rmSync(target, { recursive: true, force: true });
      symlinkSync(entry.target, target);
    } else {
      const isSame =
        stat?.isFile() === true &&
        before?.paths[path] === spell(entry) &&
        stat.mtimeMs === FIXED_MTIME_S * 1000 &&
        stat.size === Number(entry.digest.slice(65));
      if (!isSame) stale.push([path, entry]);
    }
  }
  if (stale.length > 0) start();
  const queue = stale.values();
  const work = async (): Promise<void> => {
    for (const [path, { digest, executable }] of queue) {
      if (signal.aborted) return;
      const target = `${outDir}/${path}`;
      rmSync(target, { recursive: true, force: true });
      if (!(await blobs.materialize(digest, target, executable))) throw new FailureError(lost(digest));
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, work));
  if (signal.aborted) throw new FailureError(interrupted);
  return started || before === undefined;
}

/** In place: what an earlier run put there and this one does not. */
const vanished = (content: ReadonlyMap<string, TreeEntry>, before: Marker | undefined, outDir: string): string[] =>
  Object.keys(before?.paths ?? {})
    .filter((path) => !content.has(path.replace(/\/$/, '')))
    .filter((path) => !path.endsWith('/') || (existsSync(`${outDir}/${path}`) && readdirSync(`${outDir}/${path}`).length === 0))
    .sort()
    .toReversed();

/** Apart: whatever lies in the folder and is not of this slug. */
function strangers(outDir: string, content: ReadonlyMap<string, TreeEntry>): string[] {
  const found: string[] = [];
  const visit = (folder: string): void => {
    for (const entry of readdirSync(`${outDir}/${folder}`, { withFileTypes: true })) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (folder === '' && (entry.name === SLUG_MARKER || entry.name === UNFINISHED_MARKER)) continue;
      const wanted = content.get(path);
      if (wanted === undefined || (wanted.type === 'directory') !== entry.isDirectory()) found.push(path);
      else if (entry.isDirectory()) visit(path);
    }
  };
  visit('');
  return found;
}

function spell(entry: TreeEntry | NewEntry): string {
  if ('target' in entry) return `-> ${entry.target}`;
  if ('executable' in entry) return `${entry.digest}${entry.executable ? ' x' : ''}`;
  return 'folder';
}

function markerPaths(content: ReadonlyMap<string, TreeEntry>, isOwn: (path: string) => boolean): Record<string, string> {
  const paths: Record<string, string> = {};
  for (const [path, entry] of content) {
    if (isOwn(path)) paths[entry.type === 'directory' ? `${path}/` : path] = spell(entry);
  }
  return paths;
}

function writeMarker(outDir: string, marker: Marker): void {
  writeFileSync(`${outDir}/${UNFINISHED_MARKER}`, JSON.stringify(marker));
  renameSync(`${outDir}/${UNFINISHED_MARKER}`, `${outDir}/${SLUG_MARKER}`);
}

const foldersOf = (outDir: string, content: ReadonlyMap<string, TreeEntry>): string[] =>
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

const interrupted: Failure = {
  code: 'run::aborted',
  blame: 'environment',
  title: 'The run was interrupted while the slug was written',
  detail: 'What lies there is marked as unfinished.',
  remedy: 'Run again; the slug is completed.',
};
const lost = (digest: Digest): Failure => ({
  code: BLOB_LOST,
  blame: 'internal',
  title: 'A file of the slug is missing from the cache',
  detail: digest,
  remedy: 'Run again; the node that made it is executed anew.',
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
  detail: 'It is the root, the home folder, or a folder that holds the app itself.',
  remedy: 'Name another folder with --out; the folder of the app itself builds in place.',
});
