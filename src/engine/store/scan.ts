// Lists the files of a cache directory, and the blobs that a result needs.

import { closeSync, readdirSync, statSync } from 'node:fs';
import { hexOf, sizeOf, type Digest } from '../files/digest.js';
import { loadLayer } from '../trees/layers.js';
import type { PackSet } from './pack.js';
import { mayGrow, PACK_HEADER, readPack, RECORD_HEADER, removePack } from './pack-file.js';
import { blobsOf, decodeResult, newestOf, slotOf, useIdOf, usesOf, type StoredResult } from './results.js';
import type { BlobStore } from '../trees/blob-store.js';
import type { DirectoryTable } from '../trees/tree.js';
import { openCacheFile } from '../files/cache-file.js';

export interface StoredFile {
  readonly path: string;
  /** The hash of a blob, or the name of a pack. */
  readonly name: string;
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly changedAt: number;
}

export interface PackFile extends StoredFile {
  /** It has an index, so it is complete and ends with its last record. */
  readonly isClosed: boolean;
  /** The run that wrote it is over, so nothing will be appended. */
  readonly isSettled: boolean;
}

export interface CacheListing {
  readonly largeBlobs: readonly StoredFile[];
  /** Packs of small blobs. */
  readonly packs: readonly PackFile[];
  readonly resultPacks: readonly PackFile[];
  /** Files that are being written, or were left behind if they are old. */
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

/** Leaves out files that are removed meanwhile. */
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
  const largeBlobs = fannedOut(`${cacheDir}/cas`);
  collect(`${cacheDir}/cas`, () => false);
  for (const folder of ['ac', 'packs']) collect(`${cacheDir}/${folder}`, () => false);
  return { largeBlobs, ...listPacks(cacheDir), partials };
}

export function listPacks(cacheDir: string): Pick<CacheListing, 'packs' | 'resultPacks'> {
  return { packs: packsOf(`${cacheDir}/packs`), resultPacks: packsOf(`${cacheDir}/ac`) };
}

function packsOf(folder: string): PackFile[] {
  const names = listFolder(folder);
  const closed = new Set(names.filter((name) => name.endsWith('.idx')).map((name) => name.slice(0, -4)));
  return names.flatMap((file) => {
    const name = file.slice(0, -5);
    const found = file.endsWith('.pack') ? describe(`${folder}/${file}`, name) : undefined;
    if (found === undefined) return [];
    const isClosed = closed.has(name);
    return [{ ...found, isClosed, isSettled: isClosed || isOver(found.path) }];
  });
}

function isOver(path: string): boolean {
  try {
    const fd = openCacheFile(path);
    try {
      return !mayGrow(fd);
    } finally {
      closeSync(fd);
    }
  } catch {
    return false;
  }
}

export interface ListedResult {
  /** Of the key. */
  readonly hash: string;
  readonly slot: string;
  readonly stored: StoredResult;
  /** Bytes of its record. */
  readonly size: number;
  /** Milliseconds since the epoch, accurate to a day. */
  readonly usedAt: number;
  /** A run that is still going on published it: it can't be removed from that run's pack, and is in use anyway. */
  readonly isHeld: boolean;
}

export interface ResultListing {
  /** The newest result of each slot; see `slotOf`. */
  readonly results: readonly ListedResult[];
  /** Hashes of damaged records, and packs with trailing bytes that are no record. */
  readonly damaged: readonly string[];
}

/** Reads all results of the cache. */
export function listResults(cacheDir: string, { resultPacks }: CacheListing, now: number): ResultListing {
  const found = new Map<string, ListedResult>();
  const damaged: string[] = [];
  const uses = usesOf(cacheDir);
  for (const pack of resultPacks) {
    let end = PACK_HEADER;
    for (const { hash, bytes } of readPack(pack.path)) {
      end += RECORD_HEADER + bytes.length;
      const stored = decodeResult(hash, bytes);
      if (stored === undefined) {
        damaged.push(hash);
        continue;
      }
      const slot = slotOf(stored);
      const known = found.get(slot);
      const isHeld = !pack.isSettled || known?.isHeld === true;
      const isNewer = known === undefined || newestOf([known.stored, stored]) === stored;
      const newest = isNewer ? { stored, size: bytes.length } : known;
      found.set(slot, { hash, slot, stored: newest.stored, size: newest.size, usedAt: 0, isHeld });
    }
    if (pack.isClosed && end !== pack.size) damaged.push(`trailing bytes of pack ${pack.name}`);
  }
  const results = [...found.values()].map((result) => {
    const used = uses.timeOf(useIdOf(result.stored)) ?? 0;
    // A time in the future is ignored, or the result would never be evicted.
    return { ...result, usedAt: Math.max(result.stored.writtenAt, used <= now ? used : 0) };
  });
  return { results, damaged };
}

/**
 * Adds hash and size of all blobs of a result to `found`. False if a blob that names others is missing. Skips layers
 * whose tree is in `trees`.
 */
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
    if (!(await loadLayer(store, layer, table))) return false;
    trees.add(layer.tree);
    for (const directory of table.values()) for (const file of directory.files) add(file.digest);
  }
  for (const digest of blobsOf(stored)) add(digest);
  return true;
}

/**
 * Copies the records to keep from some packs into a new one, publishes it, and only then removes the old packs, so that
 * other processes always find each record. Throws the system's error; then nothing is removed.
 */
export function rewritePacks(
  folder: string,
  names: readonly string[],
  into: PackSet<unknown>,
  /** Returns all records to keep under the hash; none to drop this one. Not called again once a hash has records. */
  keep: (hash: string, bytes: Buffer) => readonly Uint8Array[],
): void {
  const done = new Set<string>();
  for (const name of names) {
    for (const { hash, bytes } of readPack(`${folder}/${name}.pack`)) {
      const kept = done.has(hash) ? [] : keep(hash, bytes);
      for (const record of kept) into.append(hash, record);
      if (kept.length > 0) done.add(hash);
    }
  }
  into.close();
  for (const name of names) removePack(folder, name);
}
