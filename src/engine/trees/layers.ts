// Layers and trees as blobs: writing them, reading them back, and applying layers to a tree.

import { canonicalJSON } from '../../manifests/json-schema.js';
import { digestOf, type Digest } from '../files/digest.js';
import { directoriesOf, EMPTY_DIRECTORY, mergeDirectories, removePaths } from './directories.js';
import { decodeDirectory, decodeTree, encodeTree } from './reapi.js';
import type { BlobStore } from './blob-store.js';
import type { Directory, DirectoryTable, Layer } from './tree.js';

/** Writes the Tree message of a root and returns its digest. */
export function storeTree(store: BlobStore, table: DirectoryTable, root: Digest): Digest {
  const [first, ...others] = directoriesOf(table, root).values();
  const bytes = encodeTree(first as Directory, others);
  const digest = digestOf(bytes);
  store.write(digest, bytes);
  return digest;
}

/** Reads a Tree message into the table and returns its root. Undefined if it is missing, damaged or incomplete. */
export async function loadTree(store: BlobStore, tree: Digest, table: DirectoryTable): Promise<Digest | undefined> {
  const bytes = await store.read(tree);
  const message = bytes && decodeTree(bytes);
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

/** Stores a changeset: its tree, then the blob that describes the layer. */
export function writeLayer(store: BlobStore, table: DirectoryTable, root: Digest, deleted: readonly string[]): Layer {
  let files = 0;
  let bytes = 0;
  const count = (digest: Digest): void => {
    const directory = table.get(digest);
    for (const file of directory?.files ?? []) {
      files++;
      bytes += Number(file.digest.slice(65));
    }
    files += directory?.symlinks.length ?? 0;
    for (const child of directory?.directories ?? []) count(child.digest);
  };
  count(root);
  const content = { deleted: [...deleted].sort(), root, tree: storeTree(store, table, root), files, bytes };
  const text = layerText(content);
  const digest = digestOf(text);
  store.write(digest, text);
  return { digest, ...content };
}

/** The blob that describes a layer. Its digest is that of the layer. */
export const layerText = ({ deleted, root, tree, files, bytes }: Omit<Layer, 'digest'>): Buffer =>
  Buffer.from(canonicalJSON({ deleted, root, tree, files, bytes }));

const DIGEST = /^[0-9a-f]{64}\/(0|[1-9]\d{0,15})$/;
export const isDigest = (value: unknown): value is Digest => typeof value === 'string' && DIGEST.test(value);
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
/** Whether this is a path that stays inside the app. */
export const isPath = (value: unknown): value is string =>
  typeof value === 'string' && value.split('/').every((part) => part !== '' && part !== '.' && part !== '..');

export function parseLayer(digest: Digest, content: unknown): Layer | undefined {
  if (typeof content !== 'object' || content === null) return undefined;
  const { deleted, root, tree, files, bytes } = content as Readonly<Record<string, unknown>>;
  if (!Array.isArray(deleted) || !deleted.every(isPath)) return undefined;
  if (!isDigest(root) || !isDigest(tree) || !isCount(files) || !isCount(bytes)) return undefined;
  return { digest, deleted, root, tree, files, bytes };
}

/** Also loads the directories of the layer's tree into the table. Undefined if any part is missing or damaged. */
export async function loadLayer(store: BlobStore, digest: Digest, table: DirectoryTable): Promise<Layer | undefined> {
  // Outputs name layers, and a result can come from another machine. Digests become paths in the store.
  const bytes = isDigest(digest) ? await store.read(digest) : undefined;
  if (bytes === undefined) return undefined;
  let content: unknown;
  try {
    content = JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
  const layer = parseLayer(digest, content);
  if (layer === undefined) return undefined;
  return (await loadTree(store, layer.tree, table)) === layer.root ? layer : undefined;
}

/** Applies layers to a tree, base first: removes what a layer deleted, then merges in its tree. */
export function applyLayers(table: DirectoryTable, base: Digest, layers: readonly Layer[]): Digest {
  let root = base;
  for (const layer of layers) {
    root = mergeDirectories(table, removePaths(table, root, layer.deleted), layer.root);
  }
  return root;
}
