// Digests of files: streamed, and cached by stat tuple between runs.

import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync, renameSync, writeFileSync, type BigIntStats } from 'node:fs';
import { lstat, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CHUNK_BYTES, giveChunk, readWhole, takeChunk, withChunk } from './chunks.js';
import { digestOf, hexOf, makeDigest, sha256Hex, sizeOf, type Digest } from './digest.js';
import { fail, succeed, type Failure, type Result } from '../failure.js';
import type { OpenFile } from './open-file.js';
import { unreadableFile } from './file-failures.js';
import { makePrivateFolder, privateFileMode } from './private-files.js';
import { readCacheFile } from './cache-file.js';

/** Files up to this size are read whole. */
const SMALL = 256 * 1024;

/** Knows the digests of unchanged files without reading them. It may forget, but never answers for a changed file. */
export interface StatCache {
  lookUp(path: string, stats: BigIntStats): Digest | undefined;
  record(path: string, stats: BigIntStats, digest: Digest): void;
  /** Writes new entries; a cache that can't be written only costs time. */
  save(): void;
}

export async function digestFile(path: string, cache?: StatCache): Promise<Result<Digest, Failure>> {
  try {
    const stats = await lstat(path, { bigint: true });
    const known = cache?.lookUp(path, stats);
    if (known) return succeed(known);
    const digest = stats.size <= SMALL ? digestSmallSync(path) : await digestStream(path);
    cache?.record(path, stats, digest);
    return succeed(digest);
  } catch (error) {
    return fail(unreadableFile(path, error));
  }
}

/** For a file that is open. Throws the system's error. */
export const digestOpenFile = async ({ path, size }: OpenFile): Promise<Digest> =>
  size <= SMALL ? digestSmallSync(path) : digestStream(path);

async function digestStream(path: string): Promise<Digest> {
  const file = await open(path, 'r');
  try {
    const hash = createHash('sha256');
    let size = 0;
    // With two buffers, one is filled while the other is hashed.
    let [filling, spare] = [takeChunk(), takeChunk()];
    let pending = file.read(filling, 0, CHUNK_BYTES, null);
    for (;;) {
      const { bytesRead } = await pending;
      if (bytesRead === 0) {
        giveChunk(filling);
        giveChunk(spare);
        return makeDigest(hash.digest('hex'), size);
      }
      const full = filling;
      [filling, spare] = [spare, filling];
      pending = file.read(filling, 0, CHUNK_BYTES, null);
      hash.update(full.subarray(0, bytesRead));
      size += bytesRead;
    }
  } finally {
    await file.close();
  }
}

/** For the many small files of a source tree. Throws the system's error. */
export function digestFileSync(path: string, stats: BigIntStats, cache?: StatCache): Digest {
  const known = cache?.lookUp(path, stats);
  if (known) return known;
  const digest = stats.size <= SMALL ? digestSmallSync(path) : digestLargeSync(path);
  cache?.record(path, stats, digest);
  return digest;
}

/** The file may have grown since it was measured. */
function digestSmallSync(path: string): Digest {
  const digest = withChunk((chunk) => {
    const bytes = readWhole(path, chunk);
    return bytes && digestOf(bytes);
  });
  return digest ?? digestLargeSync(path);
}

function digestLargeSync(path: string): Digest {
  const fd = openSync(path, 'r');
  try {
    const hash = createHash('sha256');
    const buffer = takeChunk();
    let size = 0;
    for (;;) {
      const count = readSync(fd, buffer, 0, CHUNK_BYTES, null);
      if (count === 0) {
        giveChunk(buffer);
        return makeDigest(hash.digest('hex'), size);
      }
      hash.update(buffer.subarray(0, count));
      size += count;
    }
  } finally {
    closeSync(fd);
  }
}

/** A file may change again within the resolution of its times, so recently changed files are not recorded. */
const SETTLED_MS = 2000;

const MAGIC = 'pyfstat1';
const HEADER = MAGIC.length + 32;
/** Hash, size, mtime, ctime, inode, device. */
const ENTRY = 32 + 5 * 8;

/** Entries are 72 bytes and their path; the SHA-256 of the body precedes it. */
export function openStatCache(
  file: string,
  { now = Date.now, maxEntries = 50_000 }: { readonly now?: () => number; readonly maxEntries?: number } = {},
): StatCache {
  let entries: Map<string, Buffer> | undefined;
  const used = new Set<string>();
  let isChanged = false;

  const loaded = (): Map<string, Buffer> => (entries ??= readEntries(file));
  return {
    lookUp(path, stats) {
      const entry = loaded().get(path);
      if (entry === undefined) return undefined;
      const isSame =
        entry.readBigUInt64LE(32) === stats.size &&
        entry.readBigInt64LE(40) === stats.mtimeNs &&
        entry.readBigInt64LE(48) === stats.ctimeNs &&
        entry.readBigUInt64LE(56) === stats.ino &&
        entry.readBigUInt64LE(64) === stats.dev;
      if (!isSame) return undefined;
      used.add(path);
      return makeDigest(entry.toString('hex', 0, 32), Number(stats.size));
    },
    record(path, stats, digest) {
      // The bytes may be newer than the tuple; usually the sizes show that.
      if (BigInt(sizeOf(digest)) !== stats.size) return;
      const newest = stats.mtimeNs > stats.ctimeNs ? stats.mtimeNs : stats.ctimeNs;
      if (now() - Number(newest / 1_000_000n) < SETTLED_MS) return;
      const entry = Buffer.allocUnsafe(ENTRY);
      entry.write(hexOf(digest), 0, 'hex');
      entry.writeBigUInt64LE(stats.size, 32);
      entry.writeBigInt64LE(stats.mtimeNs, 40);
      entry.writeBigInt64LE(stats.ctimeNs, 48);
      entry.writeBigUInt64LE(stats.ino, 56);
      entry.writeBigUInt64LE(stats.dev, 64);
      loaded().set(path, entry);
      used.add(path);
      isChanged = true;
    },
    save() {
      if (!isChanged) return;
      isChanged = false;
      writeEntries(file, loaded(), used, maxEntries);
    },
  };
}

function readEntries(file: string): Map<string, Buffer> {
  const entries = new Map<string, Buffer>();
  const bytes = readCacheFile(file);
  // Missing or unreadable: an empty cache.
  if (bytes === undefined) return entries;
  const body = bytes.subarray(HEADER);
  if (bytes.length < HEADER || bytes.toString('latin1', 0, MAGIC.length) !== MAGIC) return entries;
  if (sha256Hex(body) !== bytes.toString('hex', MAGIC.length, HEADER)) return entries;
  for (let at = 0; at < body.length;) {
    const length = body.readUInt32LE(at + ENTRY);
    const start = at + ENTRY + 4;
    entries.set(body.toString('utf8', start, start + length), body.subarray(at, at + ENTRY));
    at = start + length;
  }
  return entries;
}

function writeEntries(file: string, entries: Map<string, Buffer>, used: ReadonlySet<string>, limit: number): void {
  // If there are too many, drop first those that this run did not use.
  const idle = [...entries.keys()].filter((path) => !used.has(path));
  const paths = [...used, ...idle].slice(0, limit);
  const parts: Buffer[] = [];
  for (const path of paths) {
    const name = Buffer.from(path);
    const length = Buffer.allocUnsafe(4);
    length.writeUInt32LE(name.length);
    parts.push(entries.get(path) as Buffer, length, name);
  }
  const body = Buffer.concat(parts);
  const partial = `${file}.${process.pid}.tmp`;
  try {
    makePrivateFolder(dirname(file));
    writeFileSync(partial, Buffer.concat([Buffer.from(MAGIC), Buffer.from(sha256Hex(body), 'hex'), body]), {
      mode: privateFileMode(partial),
    });
    renameSync(partial, file);
  } catch {
    // The disk is read-only or full: the next run digests again.
  }
}
