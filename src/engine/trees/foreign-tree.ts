// Checks a layer that another machine made, before anything uses it: its tree must be what pyflow itself could have captured.

import { digestOf, EMPTY_DIGEST, hexOf, sizeOf, type Digest } from '../files/digest.js';
import { MOST_DEPTH, MOST_PATH_BYTES } from '../files/safe-paths.js';
import type { BlobStore } from './blob-store.js';
import { directoriesOf, EMPTY_DIRECTORY } from './directories.js';
import { isPath, layerText } from './layers.js';
import { decodeDirectory, decodeTree, encodeDirectory, encodeTree } from './reapi.js';
import { MOST_FILE_BYTES, type Directory, type FileEntry, type Layer } from './tree.js';

/** Bytes of an encoded tree. One with 200,000 files has 20 MB. */
export const MOST_TREE_BYTES = 32 * 1024 ** 2;
const MOST_NAME_BYTES = 255;
const MOST_TARGET_BYTES = 4_095;
/** Files, links and folders, as they would be on disk. Equal folders are one message, so a small tree can unfold to a huge one. */
const MOST_ENTRIES = 1_000_000;
const MOST_DELETED = 1_000_000;

/** What is below a folder when it is written to disk. */
interface Extent {
  readonly files: number;
  readonly entries: number;
  readonly bytes: number;
  /** Bytes of the longest path. */
  readonly path: number;
  /** Levels of folders. */
  readonly depth: number;
}
const NOTHING: Extent = { files: 0, entries: 0, bytes: 0, path: 0, depth: 0 };

/** What is wrong, as part of a sentence. */
class Wrong extends Error {}

/** The files of the layer, or what is wrong with it as a part of a sentence. */
export async function checkForeignLayer(
  store: Pick<BlobStore, 'read'>,
  layer: Layer,
): Promise<{ readonly files: readonly Digest[] } | { readonly problem: string }> {
  try {
    checkDeleted(layer.deleted);
    if (digestOf(layerText(layer)) !== layer.digest) throw new Wrong('its layer has another digest');
    const directories = await readTree(store, layer);
    const { files, bytes } = new Survey(directories).extentOf(layer.root, 0);
    if (files !== layer.files || bytes !== layer.bytes)
      throw new Wrong('its layer states another number of files or bytes than its tree has');
    // The digest of a layer doesn't cover the order of the folders in its tree, so there must be only one.
    const [top, ...others] = directoriesOf(new Map(directories), layer.root).values();
    if (digestOf(encodeTree(top as Directory, others)) !== layer.tree) throw new Wrong('its tree is in another order');
    return { files: [...directories.values()].flatMap((directory) => directory.files.map(({ digest }) => digest)) };
  } catch (error) {
    if (error instanceof Wrong) return { problem: error.message };
    throw error;
  }
}

function checkDeleted(deleted: readonly string[]): void {
  if (deleted.length > MOST_DELETED) throw new Wrong('its layer deletes too many paths');
  for (const [index, path] of deleted.entries()) {
    const isAfter = index === 0 || (deleted[index - 1] as string) < path;
    if (!isAfter || !isPath(path) || path.includes('\0') || Buffer.byteLength(path) > MOST_PATH_BYTES)
      throw new Wrong('its layer deletes an invalid path');
  }
}

async function readTree(
  store: Pick<BlobStore, 'read'>,
  { tree, root }: Layer,
): Promise<ReadonlyMap<Digest, Directory>> {
  if (sizeOf(tree) > MOST_TREE_BYTES) throw new Wrong('its tree is too large');
  const bytes = await store.read(tree);
  if (bytes === undefined) throw new Wrong('its tree is missing');
  const message = decodeTree(bytes);
  if (message === undefined) throw new Wrong('its tree is not a valid message');
  const directories = new Map<Digest, Directory>();
  for (const encoded of [message.root, ...message.children]) {
    const digest = digestOf(encoded);
    if (directories.has(digest)) throw new Wrong('its tree lists a folder twice');
    directories.set(digest, checkedDirectory(encoded));
  }
  if (directories.keys().next().value !== root) throw new Wrong('its tree has another root');
  return directories;
}

function checkedDirectory(encoded: Buffer): Directory {
  const directory = decodeDirectory(encoded);
  if (directory === undefined) throw new Wrong('its tree has an invalid folder');
  // Any other encoding of the same folder would have another digest in every tree that pyflow makes from it.
  if (!encodeDirectory(directory).equals(encoded)) throw new Wrong('its tree has a folder in another encoding');
  const { files, directories, symlinks } = directory;
  const names = [files, directories, symlinks].flatMap((list) => list.map(({ name }) => name));
  if (new Set(names).size !== names.length) throw new Wrong('its tree has a name twice in a folder');
  if (names.some((name) => Buffer.byteLength(name) > MOST_NAME_BYTES))
    throw new Wrong('its tree has a name that is too long');
  files.forEach(checkFile);
  for (const { target } of symlinks) {
    if (target === '' || target.includes('\0') || Buffer.byteLength(target) > MOST_TARGET_BYTES)
      throw new Wrong('its tree has an invalid link');
  }
  return directory;
}

function checkFile({ digest }: FileEntry): void {
  if (sizeOf(digest) > MOST_FILE_BYTES) throw new Wrong('its tree has a file that is too large');
  const isEmpty = sizeOf(digest) === 0;
  if (isEmpty !== (hexOf(digest) === hexOf(EMPTY_DIGEST))) throw new Wrong('its tree has a file with the wrong size');
}

/** Each folder is counted once, however often the tree uses it. A digest can't contain itself, so there are no cycles. */
class Survey {
  readonly #known = new Map<Digest, Extent>([[EMPTY_DIRECTORY, NOTHING]]);

  constructor(private readonly directories: ReadonlyMap<Digest, Directory>) {}

  extentOf(digest: Digest, depth: number): Extent {
    const known = this.#known.get(digest);
    if (known !== undefined) return known;
    // Also bounds this recursion.
    if (depth > MOST_DEPTH) throw new Wrong('its tree has too many nested folders');
    const directory = this.directories.get(digest);
    if (directory === undefined) throw new Wrong('its tree is incomplete');
    const extent = this.#sum(directory, depth);
    if (extent.entries > MOST_ENTRIES) throw new Wrong('its tree has too many files and folders');
    if (!Number.isSafeInteger(extent.bytes)) throw new Wrong('its tree is too large');
    if (extent.path > MOST_PATH_BYTES) throw new Wrong('its tree has a path that is too long');
    if (extent.depth > MOST_DEPTH) throw new Wrong('its tree has too many nested folders');
    this.#known.set(digest, extent);
    return extent;
  }

  #sum({ files, directories, symlinks }: Directory, depth: number): Extent {
    const sum = {
      files: files.length + symlinks.length,
      entries: files.length + symlinks.length + directories.length,
      bytes: files.reduce((bytes, { digest }) => bytes + sizeOf(digest), 0),
      path: Math.max(longestName(files), longestName(symlinks)),
      depth: 0,
    };
    for (const { name, digest } of directories) {
      const below = this.extentOf(digest, depth + 1);
      sum.files += below.files;
      sum.entries += below.entries;
      sum.bytes += below.bytes;
      sum.path = Math.max(sum.path, Buffer.byteLength(name) + (below.path === 0 ? 0 : 1 + below.path));
      sum.depth = Math.max(sum.depth, 1 + below.depth);
    }
    return sum;
  }
}

const longestName = (entries: readonly { readonly name: string }[]): number =>
  entries.reduce((longest, { name }) => Math.max(longest, Buffer.byteLength(name)), 0);
