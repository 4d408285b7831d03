// What lies in a cache directory, file by file, and what a result needs of it. Unaware of quotas and of who asks.

import { closeSync, fstatSync, openSync, readdirSync, readSync, rmSync, statSync } from 'node:fs';
import { hexOf, sha256Hex, sizeOf, type Digest } from './digest.js';
import { loadTree } from './layers.js';
import { PackSet, records } from './pack.js';
import { blobsOf, type StoredResult } from './store-results.js';
import type { BlobStore } from './store.js';
import type { DirectoryTable } from './tree.js';

export interface StoredFile {
  readonly path: string;
  /** Hash or, with packs, the name. */
  readonly name: string;
  readonly size: number;
  /** Milliseconds since the epoch. Of a result: when it was used last, to within a day. */
  readonly changedAt: number;
}

export interface CacheListing {
  readonly results: readonly StoredFile[];
  readonly largeBlobs: readonly StoredFile[];
  readonly packs: readonly (StoredFile & { readonly isClosed: boolean })[];
  /** Files that were being written; leftovers once they are old. */
  readonly partials: readonly StoredFile[];
}

const HASH = /^[0-9a-f]{64}$/;

function listFolder(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function describe(path: string, name: string): StoredFile | undefined {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats?.isFile() ? { path, name, size: stats.size, changedAt: stats.mtimeMs } : undefined;
}

/** Files that vanish meanwhile are left out. */
export function listCache(cacheDir: string): CacheListing {
  const partials: StoredFile[] = [];
  const collect = (folder: string, isWanted: (name: string) => boolean): StoredFile[] =>
    listFolder(folder).flatMap((name) => {
      const isPartial = name.endsWith('.tmp');
      const file = isPartial || isWanted(name) ? describe(`${folder}/${name}`, name) : undefined;
      if (file && isPartial) partials.push(file);
      return file && !isPartial ? [file] : [];
    });
  const fannedOut = (folder: string): StoredFile[] =>
    listFolder(folder)
      .filter((name) => name.length === 2)
      .flatMap((name) => collect(`${folder}/${name}`, (file) => HASH.test(file)));
  const results = fannedOut(`${cacheDir}/ac`);
  const largeBlobs = fannedOut(`${cacheDir}/cas`);
  collect(`${cacheDir}/cas`, () => false);
  const inPacks = collect(`${cacheDir}/packs`, () => true);
  const closed = new Set(inPacks.filter(({ name }) => name.endsWith('.idx')).map(({ name }) => name.slice(0, -4)));
  const packs = inPacks
    .filter(({ name }) => name.endsWith('.pack'))
    .map((file) => ({ ...file, name: file.name.slice(0, -5) }))
    .map((file) => ({ ...file, isClosed: closed.has(file.name) }));
  return { results, largeBlobs, packs, partials };
}

/** Adds all blobs of a result to `found`. False when a blob that names others is missing. `trees` are skipped. */
export async function addReferences(
  store: BlobStore,
  stored: StoredResult,
  found: Map<string, number>,
  trees: Set<Digest>,
): Promise<boolean> {
  const add = (digest: Digest): unknown => found.set(hexOf(digest), sizeOf(digest));
  for (const layer of [stored.result.layer, stored.result.tool]) {
    if (layer === undefined || trees.has(layer.tree)) continue;
    const table: DirectoryTable = new Map();
    if ((await loadTree(store, layer.tree, table)) !== layer.root) return false;
    trees.add(layer.tree);
    for (const directory of table.values()) for (const file of directory.files) add(file.digest);
  }
  for (const digest of blobsOf(stored)) add(digest);
  return true;
}

export interface PackedBlob {
  readonly hash: string;
  readonly bytes: Buffer;
  readonly isRight: boolean;
}

/** Every record of a pack, read and hashed. Nothing when the pack is gone. */
export function* readPack(path: string): Generator<PackedBlob> {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return;
  }
  try {
    for (const { hash, offset, size } of records(fd, 8, fstatSync(fd).size)) {
      const name = hash.toString('hex');
      const bytes = Buffer.allocUnsafe(size);
      readSync(fd, bytes, 0, size, offset);
      yield { hash: name, bytes, isRight: sha256Hex(bytes) === name };
    }
  } finally {
    closeSync(fd);
  }
}

/**
 * Copies the blobs worth keeping into a new pack, publishes that, and only then removes the old ones: other processes
 * find each blob at any time. Throws the system's error, and then nothing is removed.
 */
export function rewritePacks(
  cacheDir: string,
  names: readonly string[],
  into: string,
  isKept: (hash: string) => boolean,
): void {
  const packs = new PackSet(`${cacheDir}/packs`, into);
  const done = new Set<string>();
  for (const name of names) {
    for (const { hash, bytes, isRight } of readPack(`${cacheDir}/packs/${name}.pack`)) {
      if (!isRight || done.has(hash) || !isKept(hash)) continue;
      packs.append(hash, bytes);
      done.add(hash);
    }
  }
  packs.close();
  for (const name of names) removePack(cacheDir, name);
}

export function removePack(cacheDir: string, name: string): void {
  rmSync(`${cacheDir}/packs/${name}.idx`, { force: true });
  rmSync(`${cacheDir}/packs/${name}.pack`, { force: true });
}
