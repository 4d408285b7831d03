// Lists and digests the files of a slug, and compares them with what its marker says that pyflow wrote.

import { digestOpenFile } from '../files/file-digest.js';
import { hexOf, sizeOf, type Digest } from '../files/digest.js';
import type { Folder } from '../files/folder.js';
import { isTable } from '../files/untrusted-json.js';
import { buildTree, type NewEntry } from '../trees/directories.js';
import { isDigest, isPath } from '../trees/layers.js';
import { SLUG_MARKER, SLUG_MARKERS } from '../app/source-names.js';
import { PROJECT_FILES } from '../../manifests/app/project-markers.js';
import { quietly } from './distributions.js';

export interface SlugFile {
  readonly bytes: number;
  /** Lower-case hex. */
  readonly sha256: string;
}

export interface SlugFiles {
  /** The digest that the marker names. */
  readonly digest: Digest;
  /** Whether the slug is in the folder of the app, where the marker names only what pyflow added. */
  readonly isInPlace: boolean;
  /** Path -> file, sorted by path, without the marker. Links are not among them. */
  readonly files: ReadonlyMap<string, SlugFile>;
  /** Paths that differ from the marker: changed, added or removed since pyflow wrote the slug. Sorted. */
  readonly altered: readonly string[];
}

const MOST_MARKER = 512 * 1024 * 1024;

interface Marked {
  readonly digest: Digest;
  readonly paths: ReadonlyMap<string, string>;
}

/** Undefined if the folder is no finished slug. */
export async function readSlugFiles(slug: Folder, signal: AbortSignal): Promise<SlugFiles | undefined> {
  const marker = readMarked(slug);
  if (marker === undefined) return undefined;
  const files = new Map<string, SlugFile>();
  const altered = new Set<string>();
  const seen = new Set<string>();
  const isInPlace = !isWhole(marker);
  const isApart = (path: string): boolean => APART.has(path.slice(path.lastIndexOf('/') + 1));
  const entries = await slug.walk('', (path) => !isInPlace || !isApart(path));
  for (const { path, kind } of entries) {
    signal.throwIfAborted();
    if (SLUG_MARKERS.has(path)) continue;
    const marked = marker.paths.get(path);
    seen.add(path);
    if (kind === 'symlink') {
      const target = quietly(() => slug.readLink(path));
      if (marked === undefined ? !isInPlace : marked !== `-> ${target}`) altered.add(path);
      continue;
    }
    const digest = await slug.withFileOpen(path, (file) => digestOpenFile(file));
    if (digest === undefined) continue;
    files.set(path, { bytes: sizeOf(digest), sha256: hexOf(digest) });
    if (marked === undefined ? !isInPlace : marked.split(' ', 1)[0] !== digest) altered.add(path);
  }
  for (const path of marker.paths.keys()) if (!path.endsWith('/') && !seen.has(path)) altered.add(path);
  // A marker that was edited together with the files no longer has the digest of the tree that it lists.
  if (!isInPlace && treeDigest(marker.paths) !== marker.digest) altered.add(SLUG_MARKER);
  return { digest: marker.digest, isInPlace, files, altered: [...altered].sort() };
}

const LONGEST_PATH = 4096;

/** Undefined if the paths are not those of a tree. */
function treeDigest(paths: Marked['paths']): Digest | undefined {
  const entries: [string, NewEntry][] = [];
  for (const [path, spelled] of paths) {
    const entry = unspelled(spelled);
    if (entry === undefined || path.length > LONGEST_PATH || !isPath(path.replace(/\/$/, ''))) return undefined;
    entries.push([path.replace(/\/$/, ''), entry]);
  }
  return buildTree(entries).root;
}

/** The entry that a marker spells. */
function unspelled(text: string): NewEntry | undefined {
  if (text.startsWith('-> ')) return { target: text.slice(3) };
  const folder = /^folder(?: mode (0[0-7]{3}))?$/.exec(text);
  if (folder !== null)
    return { directory: true, ...(folder[1] !== undefined && { mode: Number.parseInt(folder[1], 8) }) };
  const [, digest, executable, mode] = /^(\S+?)(?:( x)| mode (0[0-7]{3}))?$/.exec(text) ?? [];
  if (!isDigest(digest)) return undefined;
  const bits = mode === undefined ? undefined : Number.parseInt(mode, 8);
  if (bits !== undefined) return { digest, executable: (bits & 0o100) !== 0, mode: bits };
  return { digest, executable: executable !== undefined };
}

/** Folders in the app that are no part of it, at any depth. */
const APART: ReadonlySet<string> = new Set(['.git', '.pyflow']);
const PROJECT = new Set(PROJECT_FILES);

/** The marker of a slug in a folder of its own names the files of the app too, and every Python app has a project file. */
const isWhole = ({ paths }: Marked): boolean =>
  [...paths.keys()].some(
    (path) => PROJECT.has(path.slice(path.lastIndexOf('/') + 1)) && !/(?:^|\/)lib\/python\d/.test(path),
  );

function readMarked(slug: Folder): Marked | undefined {
  const text = slug.kindOf(SLUG_MARKER) === 'file' ? slug.readText(SLUG_MARKER, MOST_MARKER) : undefined;
  let value: unknown;
  try {
    value = JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
  if (!isTable(value) || !isDigest(value['digest']) || !isTable(value['paths'])) return undefined;
  const paths = new Map<string, string>();
  for (const [path, spelled] of Object.entries(value['paths'])) {
    if (typeof spelled !== 'string') return undefined;
    paths.set(path, spelled);
  }
  return { digest: value['digest'], paths };
}
