// Divides the slug into parts, one for each layer of the build and one for the source. Together they are the slug: each file is in
// the part of whoever wrote it last, and what a later layer or `.slugignore` removed is in none.

import {
  buildTree,
  EMPTY_DIRECTORY,
  mergeDirectories,
  walk,
  type NewEntry,
  type TreeEntry,
} from '../trees/directories.js';
import { sizeOf, type Digest } from '../files/digest.js';
import type { DirectoryTable, Layer } from '../trees/tree.js';
import type { SlugContent } from './content.js';

export interface SlugPart {
  /** The node that made the layer, or `source`. */
  readonly title: string;
  /** It has the files of the app that no node changed. */
  readonly isSource: boolean;
  /** Digest of the root Directory message. */
  readonly root: Digest;
}

/** Overlay file systems stack at most 127 layers, and a base image has some. */
const MOST_PARTS = 100;

interface Sized extends SlugPart {
  readonly bytes: number;
}

/** In the order in which an image stacks them: layers in plan order, then the source, because it changes most often. */
export function partsOfSlug(
  { entries }: Pick<SlugContent, 'entries'>,
  layers: readonly Layer[],
  table: DirectoryTable,
  titleOf: (layer: Layer) => string,
): readonly SlugPart[] {
  const seen = new Set<string>();
  const parts: Sized[] = [];
  for (const layer of layers.toReversed()) {
    const part = partOfLayer(layer, { entries, table, seen });
    if (part !== undefined) parts.push({ title: titleOf(layer), isSource: false, ...part });
  }
  parts.reverse();
  const rest = [...entries]
    .filter(([path]) => !seen.has(path))
    .map(([path, entry]) => [path, newEntry(entry)] as const);
  const few = fewParts(parts, table);
  return rest.length === 0 ? few : [...few, { title: 'source', isSource: true, root: buildTree(rest, table).root }];
}

interface Dividing {
  readonly entries: ReadonlyMap<string, TreeEntry>;
  readonly table: DirectoryTable;
  /** Paths of the slug that a part has. Folders can be in several. */
  readonly seen: Set<string>;
}

/** Undefined if nothing of the layer is left in the slug. */
function partOfLayer({ root }: Layer, { entries, table, seen }: Dividing): Pick<Sized, 'root' | 'bytes'> | undefined {
  const kept: (readonly [string, NewEntry])[] = [];
  let isWhole = true;
  let bytes = 0;
  for (const [path, entry] of walk(table, root)) {
    const final = entries.get(path);
    if (entry.type === 'directory' && final?.type === 'directory') {
      isWhole &&= entry.mode === final.mode;
      seen.add(path);
      kept.push([path, newEntry(final)]);
    } else if (final !== undefined && !seen.has(path) && isSame(entry, final)) {
      seen.add(path);
      kept.push([path, newEntry(final)]);
      if (final.type === 'file') bytes += sizeOf(final.digest);
    } else isWhole = false;
  }
  if (kept.length === 0) return undefined;
  return { root: isWhole ? root : buildTree(kept, table).root, bytes };
}

function isSame(entry: TreeEntry, final: TreeEntry): boolean {
  if (entry.type === 'file' && final.type === 'file')
    return entry.digest === final.digest && entry.executable === final.executable && entry.mode === final.mode;
  return entry.type === 'symlink' && final.type === 'symlink' && entry.target === final.target;
}

function newEntry(entry: TreeEntry): NewEntry {
  if (entry.type === 'symlink') return { target: entry.target };
  const mode = entry.mode === undefined ? {} : { mode: entry.mode };
  return entry.type === 'directory'
    ? { directory: true, ...mode }
    : { digest: entry.digest, executable: entry.executable, ...mode };
}

/** Merges the smallest parts into one if there are too many. */
function fewParts(parts: readonly Sized[], table: DirectoryTable): readonly SlugPart[] {
  if (parts.length < MOST_PARTS) return parts;
  const large = new Set(parts.toSorted((a, b) => b.bytes - a.bytes).slice(0, MOST_PARTS - 2));
  const small = parts.filter((part) => !large.has(part));
  const root = small.reduce((merged, part) => mergeDirectories(table, merged, part.root), EMPTY_DIRECTORY);
  return [{ title: `${small.length} small layers`, isSource: false, root }, ...parts.filter((part) => large.has(part))];
}
