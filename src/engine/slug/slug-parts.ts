// Divides the slug into parts, one for each layer of the build and one for the source. Together they are the slug: each file is in
// the part of whoever wrote it last, and what a later layer or `.slugignore` removed is in none.

import { addDirectory, directoryOf, EMPTY_DIRECTORY, findByName, mergeDirectories } from '../trees/directories.js';
import type { Digest } from '../files/digest.js';
import type { DirectoryEntry, DirectoryTable, FileEntry, Layer, SymlinkEntry } from '../trees/tree.js';

export interface SlugPart {
  /** The node that made the layer, or `source`. */
  readonly title: string;
  /** It has the files of the app that no node changed. */
  readonly isSource: boolean;
  /** Digest of the root Directory message. */
  readonly root: Digest;
  /** About how many it has. */
  readonly bytes: number;
}

/**
 * In the order in which an image stacks them: layers in plan order, then the source, because it changes most often. `root`: of the
 * slug.
 */
export function partsOfSlug(
  root: Digest,
  layers: readonly Layer[],
  table: DirectoryTable,
  titleOf: (layer: Layer) => string,
): readonly SlugPart[] {
  const division = new Division(table);
  const parts: SlugPart[] = [];
  for (const layer of layers.toReversed()) {
    const own = division.take(layer.root, root, '');
    if (own === undefined) continue;
    parts.push({ title: titleOf(layer), isSource: false, root: own, bytes: layer.bytes });
  }
  parts.reverse();
  const source = division.take(root, root, '');
  return source === undefined ? parts : [...parts, { title: 'source', isSource: true, root: source, bytes: 0 }];
}

/** Knows what parts have taken. Folders that only one part has are compared by their digest, not file by file. */
class Division {
  /** Files and links that a part has, and folders of which a part has everything. */
  readonly #taken = new Set<string>();
  /** Folders in which something is taken. */
  readonly #touched = new Set<string>();

  constructor(private readonly table: DirectoryTable) {}

  /**
   * Takes what the folder `own` of a layer has in common with the folder of the slug at `path`, as far as no other part has it. With
   * the modes of the slug. Undefined if that is nothing.
   */
  take(own: Digest, slug: Digest, path: string): Digest | undefined {
    if (this.#taken.has(path)) return undefined;
    if (own === slug && !this.#touched.has(path)) {
      this.#mark(path);
      return own;
    }
    const [ours, final] = [directoryOf(this.table, own), directoryOf(this.table, slug)];
    const below = path === '' ? '' : `${path}/`;
    const files = ours.files.filter((file) => this.#takes(below, file, findByName(final.files, file.name), isSameFile));
    const symlinks = ours.symlinks.filter((link) =>
      this.#takes(below, link, findByName(final.symlinks, link.name), isSameLink),
    );
    const directories: DirectoryEntry[] = [];
    for (const { name, digest } of ours.directories) {
      const other = findByName(final.directories, name);
      const part = other === undefined ? undefined : this.take(digest, other.digest, below + name);
      if (part !== undefined) directories.push({ name, digest: part });
    }
    if (files.length + symlinks.length + directories.length === 0 && this.#touched.has(path)) return undefined;
    // An empty folder counts as taken, so that one part has it.
    this.#touched.add(path);
    const { mode } = final;
    return addDirectory(this.table, { files, directories, symlinks, ...(mode === undefined ? {} : { mode }) });
  }

  #takes<T extends FileEntry | SymlinkEntry>(
    below: string,
    own: T,
    final: T | undefined,
    isSame: (a: T, b: T) => boolean,
  ): boolean {
    const path = below + own.name;
    if (final === undefined || !isSame(own, final) || this.#taken.has(path)) return false;
    this.#mark(path);
    return true;
  }

  #mark(path: string): void {
    this.#taken.add(path);
    for (let at = path; at !== '';) {
      at = at.slice(0, Math.max(0, at.lastIndexOf('/')));
      if (this.#touched.has(at)) return;
      this.#touched.add(at);
    }
  }
}

const isSameFile = (a: FileEntry, b: FileEntry): boolean =>
  a.digest === b.digest && a.executable === b.executable && a.mode === b.mode;
const isSameLink = (a: SymlinkEntry, b: SymlinkEntry): boolean => a.target === b.target;

/** Merges the smallest parts into one if there are more than `most`. The source stays by itself. */
export function fewParts(parts: readonly SlugPart[], most: number, table: DirectoryTable): readonly SlugPart[] {
  if (parts.length <= most) return parts;
  const bySize = parts.filter(({ isSource }) => !isSource).toSorted((a, b) => b.bytes - a.bytes);
  const small = new Set(bySize.slice(most - 2));
  const root = [...small].reduce((merged, part) => mergeDirectories(table, merged, part.root), EMPTY_DIRECTORY);
  const merged = { title: `${small.size} small layers`, isSource: false, root, bytes: 0 };
  return [merged, ...parts.filter((part) => !small.has(part))];
}
