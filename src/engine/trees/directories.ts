// Pure operations on trees in a DirectoryTable: merge, remove, place, find, walk.

import { digestOf, EMPTY_DIGEST, type Digest } from '../files/digest.js';
import { compareNames } from './reapi-parts.js';
import { encodeDirectory } from './reapi.js';
import type { Directory, DirectoryEntry, DirectoryTable, FileEntry, SymlinkEntry, Tree } from './tree.js';
import type { Permissions } from '../files/modes.js';

export type TreeEntry =
  | ({ readonly type: 'file'; readonly digest: Digest } & Permissions)
  | { readonly type: 'symlink'; readonly target: string }
  | { readonly type: 'directory'; readonly digest: Digest; readonly mode?: number };

/** An empty Directory message encodes to no bytes. */
export const EMPTY_DIRECTORY: Digest = EMPTY_DIGEST;
const EMPTY: Directory = { files: [], directories: [], symlinks: [] };

export function addDirectory(table: DirectoryTable, directory: Directory): Digest {
  const digest = digestOf(encodeDirectory(directory));
  if (!table.has(digest)) table.set(digest, directory);
  return digest;
}

/** Throws if the table lacks the directory. */
export function directoryOf(table: DirectoryTable, digest: Digest): Directory {
  const directory = digest === EMPTY_DIRECTORY ? EMPTY : table.get(digest);
  if (directory === undefined) throw new Error(`no directory ${digest} in the table`);
  return directory;
}

type Named = { readonly name: string };

/** Index of the name in a sorted list; if it is missing, `-1 - index` of the place to insert it. */
function indexOfName(items: readonly Named[], name: string): number {
  let low = 0;
  let high = items.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const order = compareNames((items[middle] as Named).name, name);
    if (order === 0) return middle;
    if (order < 0) low = middle + 1;
    else high = middle - 1;
  }
  return -1 - low;
}

/** The entry of this name in a sorted list of a directory. */
export const findByName = <T extends Named>(items: readonly T[], name: string): T | undefined =>
  items[indexOfName(items, name)];

const asFile = ({ digest, executable, mode }: FileEntry): TreeEntry =>
  mode === undefined ? { type: 'file', digest, executable } : { type: 'file', digest, executable, mode };

/** A folder that is missing from the table is no error here: `directoryOf` reports it when the folder is read. */
function asFolder(table: DirectoryTable, { digest }: DirectoryEntry): TreeEntry {
  const mode = table.get(digest)?.mode;
  return mode === undefined ? { type: 'directory', digest } : { type: 'directory', digest, mode };
}

function entryOf(table: DirectoryTable, directory: Directory, name: string): TreeEntry | undefined {
  const file = findByName(directory.files, name);
  if (file) return asFile(file);
  const child = findByName(directory.directories, name);
  if (child) return asFolder(table, child);
  const link = findByName(directory.symlinks, name);
  return link && { type: 'symlink', target: link.target };
}

function without<T extends Named>(items: readonly T[], name: string): readonly T[] {
  const index = indexOfName(items, name);
  return index < 0 ? items : items.toSpliced(index, 1);
}

function withItem<T extends Named>(items: readonly T[], item: T): readonly T[] {
  const index = indexOfName(items, item.name);
  return index < 0 ? items.toSpliced(-1 - index, 0, item) : items.with(index, item);
}

/**
 * Merges two sorted lists. `both` merges entries that have the same name; `hidden` names entries of the base to drop.
 */
function mergeLists<T extends Named>(
  base: readonly T[],
  overlay: readonly T[],
  hidden: (name: string) => boolean,
  both: (base: T, overlay: T) => T,
): readonly T[] {
  const merged: T[] = [];
  let i = 0;
  let j = 0;
  while (i < base.length || j < overlay.length) {
    const left = base[i];
    const right = overlay[j];
    const order = left === undefined ? 1 : right === undefined ? -1 : compareNames(left.name, right.name);
    if (order === 0) {
      merged.push(both(left as T, right as T));
      i++;
      j++;
    } else if (order < 0) {
      if (!hidden((left as T).name)) merged.push(left as T);
      i++;
    } else {
      merged.push(right as T);
      j++;
    }
  }
  return merged;
}

const modeField = (mode: number | undefined): { readonly mode?: number } => (mode === undefined ? {} : { mode });

const overlayWins = <T>(_base: T, overlay: T): T => overlay;

/**
 * Entries of the overlay win, whatever their type. Directories in both are merged; one without a mode keeps the base's
 * mode.
 */
export function mergeDirectories(table: DirectoryTable, base: Digest, overlay: Digest): Digest {
  if (base === overlay || overlay === EMPTY_DIRECTORY) return base;
  if (base === EMPTY_DIRECTORY) return overlay;
  const below = directoryOf(table, base);
  const above = directoryOf(table, overlay);
  const isIn = (items: readonly Named[]) => (name: string) => indexOfName(items, name) >= 0;
  const [inFiles, inDirectories, inSymlinks] = [isIn(above.files), isIn(above.directories), isIn(above.symlinks)];
  return addDirectory(table, {
    files: mergeLists(below.files, above.files, (name) => inDirectories(name) || inSymlinks(name), overlayWins),
    directories: mergeLists(
      below.directories,
      above.directories,
      (name) => inFiles(name) || inSymlinks(name),
      (left, right) => ({ name: left.name, digest: mergeDirectories(table, left.digest, right.digest) }),
    ),
    symlinks: mergeLists(below.symlinks, above.symlinks, (name) => inFiles(name) || inDirectories(name), overlayWins),
    ...modeField(above.mode ?? below.mode),
  });
}

/** Paths as a tree. Undefined marks the end of a path. */
type PathTree = Map<string, PathTree | undefined>;

function pathTree(paths: Iterable<string>): PathTree {
  const tree: PathTree = new Map();
  for (const path of paths) {
    const parts = path.split('/');
    const last = parts.pop() as string;
    let at: PathTree | undefined = tree;
    for (const part of parts) {
      let next: PathTree | undefined = at.get(part);
      // A parent of this path is removed anyway, and the path with it.
      if (next === undefined && at.has(part)) {
        at = undefined;
        break;
      }
      if (next === undefined) at.set(part, (next = new Map()));
      at = next;
    }
    at?.set(last, undefined);
  }
  return tree;
}

function removeAll(table: DirectoryTable, root: Digest, removed: PathTree): Digest {
  const { files, directories, symlinks, mode } = directoryOf(table, root);
  const stays = ({ name }: Named): boolean => !removed.has(name) || removed.get(name) !== undefined;
  return addDirectory(table, {
    files: files.filter(stays),
    directories: directories.filter(stays).map((child) => {
      const below = removed.get(child.name);
      return below ? { name: child.name, digest: removeAll(table, child.digest, below) } : child;
    }),
    symlinks: symlinks.filter(stays),
    ...modeField(mode),
  });
}

/** Keeps the parents, even if they are now empty. Ignores paths that don't exist. */
export const removePaths = (table: DirectoryTable, root: Digest, paths: readonly string[]): Digest =>
  paths.length === 0 ? root : removeAll(table, root, pathTree(paths));

export const removePath = (table: DirectoryTable, root: Digest, path: string): Digest =>
  removePaths(table, root, [path]);

/** Puts a tree at a path and replaces what is there. Makes missing parents. */
export function placeTree(table: DirectoryTable, root: Digest, path: string, subtree: Digest): Digest {
  const directory = directoryOf(table, root);
  const slash = path.indexOf('/');
  const name = slash < 0 ? path : path.slice(0, slash);
  const digest =
    slash < 0
      ? subtree
      : placeTree(
          table,
          findByName(directory.directories, name)?.digest ?? EMPTY_DIRECTORY,
          path.slice(slash + 1),
          subtree,
        );
  return addDirectory(table, {
    files: without(directory.files, name),
    directories: withItem(directory.directories, { name, digest }),
    symlinks: without(directory.symlinks, name),
    ...modeField(directory.mode),
  });
}

/** The entry at a path, without following symlinks. The empty path is the root. */
export function findEntry(table: DirectoryTable, root: Digest, path: string): TreeEntry | undefined {
  let found: TreeEntry | undefined = { type: 'directory', digest: root };
  if (path === '') return found;
  for (const name of path.split('/')) {
    if (found?.type !== 'directory') return undefined;
    found = entryOf(table, directoryOf(table, found.digest), name);
  }
  return found;
}

/** Everything below the root. A directory comes before its content, and its entries are in UTF-8 order. */
export function* walk(table: DirectoryTable, root: Digest, prefix = ''): Generator<readonly [string, TreeEntry]> {
  const { files, directories, symlinks } = directoryOf(table, root);
  let [f, d, s] = [0, 0, 0];
  for (;;) {
    const file = files[f];
    const child = directories[d];
    const link = symlinks[s];
    let least: FileEntry | DirectoryEntry | SymlinkEntry | undefined = file;
    if (child && (!least || compareNames(child.name, least.name) < 0)) least = child;
    if (link && (!least || compareNames(link.name, least.name) < 0)) least = link;
    if (least === undefined) return;
    const path = prefix + least.name;
    if (least === file) {
      f++;
      yield [path, asFile(file)];
    } else if (least === child) {
      d++;
      yield [path, asFolder(table, child)];
      yield* walk(table, child.digest, `${path}/`);
    } else {
      s++;
      yield [path, { type: 'symlink', target: (least as SymlinkEntry).target }];
    }
  }
}

/** The directories of a tree, each once, parents before children: the root is the first. */
export function directoriesOf(table: DirectoryTable, root: Digest): ReadonlyMap<Digest, Directory> {
  const found = new Map<Digest, Directory>();
  // Not recursive, because the tree of a worker can be deeper than the stack before its depth is checked.
  const pending = [root];
  for (let digest = pending.pop(); digest !== undefined; digest = pending.pop()) {
    if (found.has(digest)) continue;
    const directory = directoryOf(table, digest);
    found.set(digest, directory);
    for (let at = directory.directories.length - 1; at >= 0; at--) pending.push(directory.directories[at]!.digest);
  }
  return found;
}

/** `directory: true` makes an empty directory; parents need no entry. */
export type NewEntry =
  | ({ readonly digest: Digest } & Permissions)
  | { readonly target: string }
  | { readonly directory: true; readonly mode?: number };

interface Draft {
  readonly files: Map<string, FileEntry>;
  readonly directories: Map<string, Draft>;
  readonly symlinks: Map<string, SymlinkEntry>;
  mode: number | undefined;
}

/**
 * Builds a tree from paths in any order. If a path appears twice, the later entry wins. Entries below a file are a bug
 * of the caller.
 */
export function buildTree(
  entries: Iterable<readonly [path: string, entry: NewEntry]>,
  table: DirectoryTable = new Map(),
): Tree {
  const draft = (): Draft => ({ files: new Map(), directories: new Map(), symlinks: new Map(), mode: undefined });
  const root = draft();
  const drafts = new Map<string, Draft>([['', root]]);
  const draftAt = (path: string): Draft => {
    const known = drafts.get(path);
    if (known) return known;
    const slash = path.lastIndexOf('/');
    const made = draft();
    draftAt(slash < 0 ? '' : path.slice(0, slash)).directories.set(path.slice(slash + 1), made);
    drafts.set(path, made);
    return made;
  };
  for (const [path, entry] of entries) {
    if ('directory' in entry) {
      draftAt(path).mode = entry.mode;
      continue;
    }
    const slash = path.lastIndexOf('/');
    const name = path.slice(slash + 1);
    const parent = draftAt(slash < 0 ? '' : path.slice(0, slash));
    if ('target' in entry) parent.symlinks.set(name, { name, target: entry.target });
    else {
      const { digest, executable, mode } = entry;
      parent.files.set(name, { name, digest, executable, ...modeField(mode) });
    }
  }
  const byName = (a: Named, b: Named): number => compareNames(a.name, b.name);
  const finish = (from: Draft): Digest =>
    addDirectory(table, {
      files: [...from.files.values()].sort(byName),
      directories: [...from.directories].map(([name, child]) => ({ name, digest: finish(child) })).sort(byName),
      symlinks: [...from.symlinks.values()].sort(byName),
      ...modeField(from.mode),
    });
  return { root: finish(root), directories: table };
}
