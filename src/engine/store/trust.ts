// Remembers which large blobs were seen whole, by stat tuple, so that a restore need not hash them. Unaware of blobs' use.

import { closeSync, writeSync, type BigIntStats } from 'node:fs';
import { sha256Hex } from '../files/digest.js';
import { privateFileMode } from '../files/private-files.js';
import { openToAppend, readCacheFile } from '../files/cache-file.js';

/*
 * One file of 96-byte records, appended with one write each: tag, check, hash, boot, device, inode, size, mtime, ctime.
 * Whatever changes a blob through the file system changes its ctime, so a tuple that still fits means the bytes that
 * were hashed. Only a crash of the machine can lose bytes and keep the tuple: therefore a record counts for the boot it
 * was made in, or for all when the bytes were hashed in a later boot than the one that wrote them.
 */
const RECORD = 96;
const TAG = 0x74667970;
const ANY_BOOT = 0n;

export class TrustLedger {
  private records: Map<string, Buffer> | undefined;
  private readonly boot: bigint;
  private fd: number | undefined;

  constructor(
    private readonly file: string,
    bootId: string,
    private readonly isReadOnly: boolean,
  ) {
    this.boot = Buffer.from(sha256Hex(bootId), 'hex').readBigUInt64LE(0) | 1n;
  }

  isTrusted(hash: string, stats: BigIntStats): boolean {
    const record = this.load().get(hash);
    if (record === undefined || !isIntact(record)) return false;
    const boot = record.readBigUInt64LE(48);
    return (boot === this.boot || boot === ANY_BOOT) && record.compare(tupleOf(stats), 0, 40, 56, 96) === 0;
  }

  /** Call it for bytes that were just hashed or written, with the tuple of the file as it stays. */
  trust(hash: string, stats: BigIntStats): void {
    const known = this.load().get(hash);
    const wasWrittenBefore = known !== undefined && isIntact(known) && known.readBigUInt64LE(48) !== this.boot;
    const record = Buffer.alloc(RECORD);
    record.writeUInt32LE(TAG, 0);
    record.write(hash, 16, 'hex');
    record.writeBigUInt64LE(wasWrittenBefore ? ANY_BOOT : this.boot, 48);
    tupleOf(stats).copy(record, 56);
    record.write(checkOf(record), 4, 'hex');
    this.load().set(hash, record);
    if (this.isReadOnly) return;
    try {
      this.fd ??= openToAppend(this.file, privateFileMode(this.file));
      writeSync(this.fd, record);
    } catch {
      // Not remembered: the blob is hashed once more.
    }
  }

  forget(hash: string): void {
    this.load().delete(hash);
  }

  private load(): Map<string, Buffer> {
    if (this.records) return this.records;
    this.records = new Map();
    const bytes = readCacheFile(this.file);
    // None yet, or unreadable: every blob is hashed.
    if (bytes === undefined) return this.records;
    for (let at = 0; at + RECORD <= bytes.length;) {
      // After a record that was cut off the next one starts anywhere.
      if (bytes.readUInt32LE(at) !== TAG) at++;
      else {
        const record = bytes.subarray(at, at + RECORD);
        this.records.set(record.toString('hex', 16, 48), record);
        at += RECORD;
      }
    }
    return this.records;
  }

  close(): void {
    if (this.fd !== undefined) closeSync(this.fd);
    this.fd = undefined;
  }

  /** Every record that still has its blob; what the file should hold after a clean-up. */
  compacted(isKept: (hash: string) => boolean): Buffer {
    return Buffer.concat([...this.load()].filter(([hash]) => isKept(hash)).map(([, record]) => record));
  }
}

const checkOf = (record: Buffer): string => sha256Hex(record.subarray(16)).slice(0, 24);
const isIntact = (record: Buffer): boolean => record.toString('hex', 4, 16) === checkOf(record);

function tupleOf(stats: BigIntStats): Buffer {
  const tuple = Buffer.allocUnsafe(40);
  tuple.writeBigUInt64LE(stats.dev, 0);
  tuple.writeBigUInt64LE(stats.ino, 8);
  tuple.writeBigUInt64LE(stats.size, 16);
  tuple.writeBigInt64LE(stats.mtimeNs, 24);
  tuple.writeBigInt64LE(stats.ctimeNs, 32);
  return tuple;
}
