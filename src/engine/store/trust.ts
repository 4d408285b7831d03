// Remembers, by stat tuple, which large blobs were found intact, so that a restore need not hash them again.

import { closeSync, writeSync, type BigIntStats } from 'node:fs';
import { sha256Hex } from '../files/digest.js';
import { privateFileMode } from '../files/private-files.js';
import { openToAppend, readCacheFile } from '../files/cache-file.js';

/*
 * One file of 96-byte records, each appended with one write: tag, check, hash, boot, device, inode, size, mtime, ctime.
 * Every change of a blob through the file system changes its ctime, so a matching tuple means that the bytes are still
 * those that were hashed. Only a crash of the machine can lose bytes and keep the tuple. Therefore a record counts only
 * in the boot in which it was made, or in all boots if the bytes were hashed in a later boot than the one that wrote
 * them.
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

  /** Call it right after hashing or writing the bytes, with the final stat of the file. */
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
      // Not remembered, so the blob is hashed again next time.
    }
  }

  forget(hash: string): void {
    this.load().delete(hash);
  }

  private load(): Map<string, Buffer> {
    if (this.records) return this.records;
    this.records = new Map();
    const bytes = readCacheFile(this.file);
    // No ledger yet, or unreadable: every blob is hashed.
    if (bytes === undefined) return this.records;
    for (let at = 0; at + RECORD <= bytes.length;) {
      // After a truncated record, the next one can start anywhere.
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

  /** The records whose blobs are kept: the content of the file after a clean-up. */
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
