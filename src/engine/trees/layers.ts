// Layers and trees as blobs: writing them, reading them back, and applying layers to a tree.

import { canonicalJSON } from '../../manifests/json-schema.js';
import { digestOf, sizeOf, type Digest } from '../files/digest.js';
import { isCount, isTable } from '../files/untrusted-json.js';
import { directoriesOf, EMPTY_DIRECTORY, mergeDirectories, removePaths } from './directories.js';
import { decodeDirectory, decodeTree, encodeTree } from './reapi.js';
import type { BlobStore } from './blob-store.js';
import type { Directory, DirectoryTable, Layer } from './tree.js';

/** Writes the Tree message of a root and returns its digest. */
export function storeTree(store: Pick<BlobStore, 'write'>, table: DirectoryTable, root: Digest): Digest {
  const [first, ...others] = directoriesOf(table, root).values();
  const bytes = encodeTree(first as Directory, others);
  const digest = digestOf(bytes);
  store.write(digest, bytes);
  return digest;
}

/** Reads a stored Tree message into the table and returns its root. Undefined if it is missing, damaged or incomplete. */
export async function loadTree(store: BlobStore, tree: Digest, table: DirectoryTable): Promise<Digest | undefined> {
  const bytes = await store.read(tree);
  return bytes && readTree(bytes, table);
}

/**
 * Reads a Tree message, whatever the order of its directories, into the table and returns its root. Undefined if it is
 * damaged or incomplete.
 */
export function readTree(bytes: Uint8Array, table: DirectoryTable): Digest | undefined {
  const message = decodeTree(bytes);
  if (message === undefined) return undefined;
  const loaded: [Digest, Directory][] = [];
  for (const encoded of [message.root, ...message.children]) {
    const directory = decodeDirectory(encoded);
    if (directory === undefined) return undefined;
    loaded.push([digestOf(encoded), directory]);
  }
  const own = new Map(loaded);
  const isComplete = loaded.every(([, { directories }]) =>
    directories.every(({ digest }) => own.has(digest) || digest === EMPTY_DIRECTORY),
  );
  if (!isComplete) return undefined;
  for (const [digest, directory] of loaded) table.set(digest, directory);
  return (loaded[0] as [Digest, Directory])[0];
}

/** What a tree holds, with a file that is there twice counted twice. */
function measureTree(table: DirectoryTable, root: Digest): Pick<Layer, 'files' | 'bytes'> {
  // Each directory is measured once, because a few of them can stand for billions of files.
  const known = new Map<Digest, Pick<Layer, 'files' | 'bytes'>>();
  const measure = (digest: Digest): Pick<Layer, 'files' | 'bytes'> => {
    const before = known.get(digest);
    if (before !== undefined) return before;
    const directory = table.get(digest);
    let files = (directory?.files.length ?? 0) + (directory?.symlinks.length ?? 0);
    let bytes = 0;
    for (const file of directory?.files ?? []) bytes += sizeOf(file.digest);
    for (const child of directory?.directories ?? []) {
      const below = measure(child.digest);
      files += below.files;
      bytes += below.bytes;
    }
    known.set(digest, { files, bytes });
    return { files, bytes };
  };
  return measure(root);
}

/**
 * The blob whose digest is the layer's. It names no Tree message, because that depends on the order of directories, and
 * workers order them differently. Only servers hold it: a stored result has the layer's fields itself.
 */
export const layerText = ({ deleted, root, files, bytes }: Omit<Layer, 'digest' | 'tree'>): Buffer =>
  Buffer.from(canonicalJSON({ deleted, root, files, bytes }));

/** Makes the layer of a changeset, and stores its tree. */
export function writeLayer(store: BlobStore, table: DirectoryTable, root: Digest, deleted: readonly string[]): Layer {
  const content = { deleted: [...deleted].sort(), root, ...measureTree(table, root) };
  return { digest: digestOf(layerText(content)), tree: storeTree(store, table, root), ...content };
}

const DIGEST = /^[0-9a-f]{64}\/(0|[1-9]\d{0,15})$/;
export const isDigest = (value: unknown): value is Digest => typeof value === 'string' && DIGEST.test(value);
/** Whether this is a path that stays inside the app. */
export const isPath = (value: unknown): value is string =>
  typeof value === 'string' && value.split('/').every((part) => part !== '' && part !== '.' && part !== '..');

/** Undefined if the value is not a layer as results hold it. */
export function parseLayer(value: unknown): Layer | undefined {
  if (!isTable(value)) return undefined;
  const { digest, tree, deleted, root, files, bytes } = value;
  if (!Array.isArray(deleted) || !deleted.every(isPath)) return undefined;
  if (!isDigest(digest) || !isDigest(tree) || !isDigest(root) || !isCount(files) || !isCount(bytes)) return undefined;
  return { digest, tree, deleted, root, files, bytes };
}

/** Loads the directories of the layer's tree into the table. False if any part is missing or damaged. */
export const loadLayer = async (store: BlobStore, layer: Layer, table: DirectoryTable): Promise<boolean> =>
  (await loadTree(store, layer.tree, table)) === layer.root;

/** Applies layers to a tree, base first: removes what a layer deleted, then merges in its tree. */
export function applyLayers(table: DirectoryTable, base: Digest, layers: readonly Layer[]): Digest {
  let root = base;
  for (const layer of layers) {
    root = mergeDirectories(table, removePaths(table, root, layer.deleted), layer.root);
  }
  return root;
}
