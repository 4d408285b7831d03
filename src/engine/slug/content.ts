// The content of the finished app: the source, then each layer once in plan order, without what `.slugignore` names.

import { existsSync, readFileSync } from 'node:fs';
import type { Digest } from '../files/digest.js';
import {
  buildTree,
  EMPTY_DIRECTORY,
  findEntry,
  mergeDirectories,
  walk,
  type NewEntry,
  type TreeEntry,
} from '../trees/directories.js';
import { succeed, type Failure, type Result } from '../failure.js';
import { applyLayers } from '../trees/layers.js';
import { spell } from '../app/slug-marker.js';
import {
  ignoreFolders,
  isAppliedBeforeBuild,
  parseIgnoreLists,
  shieldedFolders,
  SLUGIGNORE,
  withoutIgnored,
  type IgnoreList,
  type Ignores,
} from '../app/slug-ignore.js';
import type { Layer } from '../trees/tree.js';
import type { FinishedApp } from './finished-app.js';

export interface SlugContent {
  /** Digest of the root Directory message. */
  readonly root: Digest;
  readonly entries: ReadonlyMap<string, TreeEntry>;
  /** What the source has at a path, as slug markers spell it. */
  readonly sourceSpelling: ReadonlyMap<string, string>;
  /** Digest -> path in the app. The store does not hold these bytes. */
  readonly sources: ReadonlyMap<Digest, string>;
  /** If the slug is written to the app's own folder: paths of the app that nodes removed, but that stay there. */
  readonly kept: readonly string[];
}

const MANY_LAYERS = 16;

/** `keepsSource`: the slug is written to a developer's folder, where pyflow must not delete files of the app. */
export async function contentOfSlug(app: FinishedApp, keepsSource: boolean): Promise<Result<SlugContent, Failure>> {
  const source = sourceEntries(app);
  if (!source.ok) return source;
  const { entries, sources } = source.value;
  const { table, layers } = app;
  const built = rootOf(app, entries, layers);
  const found = await ignoresOf(app, built, sources);
  if (!found.ok) return found;
  const ignores = found.value;
  const filtered = ignores === undefined ? built : withoutIgnored(table, built, ignores, shieldedFolders(app.params));
  const root = keepsSource ? withSource(app, filtered, entries) : filtered;
  return succeed({
    root,
    entries: new Map(walk(table, root)),
    sourceSpelling: new Map(entries.map(([path, entry]) => [path, spell(entry)])),
    sources,
    kept: keepsSource ? removedPaths(app, built, entries) : [],
  });
}

function countPaths(paths: Iterable<unknown>): number {
  let count = 0;
  for (const _path of paths) count++;
  return count;
}

/** Paths of the source that are missing from the tree. For a missing folder, only the folder. */
function removedPaths(app: FinishedApp, root: Digest, source: readonly (readonly [string, NewEntry])[]): string[] {
  const removed = new Set<string>();
  for (const [path] of source) {
    if (removed.has(path.slice(0, Math.max(0, path.lastIndexOf('/'))))) removed.add(path);
    else if (findEntry(app.table, root, path) === undefined) removed.add(path);
  }
  return [...removed].filter((path) => !removed.has(path.slice(0, Math.max(0, path.lastIndexOf('/')))));
}

function withSource(app: FinishedApp, root: Digest, source: readonly (readonly [string, NewEntry])[]): Digest {
  const missing = source.filter(([path]) => findEntry(app.table, root, path) === undefined);
  return missing.length === 0 ? root : mergeDirectories(app.table, buildTree(missing, app.table).root, root);
}

/** `.slugignore` as the build left it; undefined if it names nothing, or if it is applied at another time. */
async function ignoresOf(
  app: FinishedApp,
  root: Digest,
  sources: ReadonlyMap<Digest, string>,
): Promise<Result<Ignores | undefined, Failure>> {
  const { params, source } = app;
  if (isAppliedBeforeBuild(params)) return succeed(undefined);
  // Later buildpacks may need these files. The platform applies the list after the last buildpack.
  if (app.isOneTime && existsSync(`${source.directory}/.buildpacks`)) return succeed(undefined);
  const lists: IgnoreList[] = [];
  for (const folder of ignoreFolders(params)) {
    const entry = findEntry(app.table, root, folder === '' ? SLUGIGNORE : `${folder}/${SLUGIGNORE}`);
    if (entry?.type !== 'file') continue;
    const path = sources.get(entry.digest);
    const bytes =
      path === undefined ? await app.store.read(entry.digest) : readFileSync(`${app.source.directory}/${path}`);
    if (bytes !== undefined) lists.push({ folder, text: bytes.toString('utf8') });
  }
  return parseIgnoreLists(lists, lists.length === 0 ? 0 : countPaths(walk(app.table, root)));
}

/**
 * A few large layers are merged by whole folders. Many small ones would copy the same folder again and again, so their
 * paths are collected first.
 */
function rootOf(app: FinishedApp, source: readonly (readonly [string, NewEntry])[], layers: readonly Layer[]): Digest {
  const base = (): Digest => (source.length === 0 ? EMPTY_DIRECTORY : buildTree(source, app.table).root);
  const isMany = layers.length > MANY_LAYERS && layers.every(({ deleted }) => deleted.length === 0);
  if (!isMany) return applyLayers(app.table, base(), layers);
  const paths = new Map<string, NewEntry>(source);
  for (const { root } of layers) {
    for (const [path, entry] of walk(app.table, root)) {
      const below = paths.get(path);
      // A folder that replaces a file, or a file that replaces a folder, affects several paths, so leave it to the
      // merge.
      if (below !== undefined && (entry.type === 'directory') !== 'directory' in below) {
        return applyLayers(app.table, base(), layers);
      }
      paths.set(path, entry.type === 'directory' ? folderOver(below, entry.mode) : entry);
    }
  }
  return buildTree(paths, app.table).root;
}

function folderOver(below: NewEntry | undefined, mode: number | undefined): NewEntry {
  const kept = mode ?? (below !== undefined && 'directory' in below ? below.mode : undefined);
  return kept === undefined ? { directory: true } : { directory: true, mode: kept };
}

function sourceEntries(app: FinishedApp) {
  const entries: [string, NewEntry][] = [];
  const sources = new Map<Digest, string>();
  for (const [path, entry] of app.source.entries) {
    const mode = 'mode' in entry && entry.mode !== undefined ? { mode: entry.mode } : {};
    if (entry.type === 'directory') entries.push([path, { directory: true, ...mode }]);
    else if (entry.type === 'symlink') entries.push([path, { target: entry.target }]);
    else {
      const digest = app.sourceDigests.of(path);
      if (!digest.ok) return digest;
      sources.set(digest.value, path);
      entries.push([path, { digest: digest.value, executable: entry.executable, ...mode }]);
    }
  }
  return succeed({ entries, sources });
}
