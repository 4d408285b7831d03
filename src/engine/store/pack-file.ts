// The files of a pack: their format, how to read one from the start, and the index next to it.

import { closeSync, fstatSync, readSync, renameSync, writeFileSync } from 'node:fs';
import { sha256Hex } from '../files/digest.js';
import { currentProcess, livenessOf, type ProcessId } from '../files/host-id.js';
import { removeFile, removeTree } from '../files/remove-tree.js';
import { privateFileMode } from '../files/private-files.js';
import { openCacheFile, readCacheFile } from '../files/cache-file.js';

/*
 * A pack is a header, which names the process that writes it, then records: tag, size (u32), hash (32 bytes), bytes.
 * Reading from the start finds every whole record, so a killed run loses nothing that it wrote. An index file holds a
 * checksum and the entries of `PackIndex`; if it exists, nothing is appended any more. Readers must check the bytes
 * against their hash: neither the records nor the index guarantee them.
 */
const PACK_MAGIC = 'pyfpack2';
const INDEX_MAGIC = 'pyfindx2';
const TAG = 0x31424650;
export const PACK_HEADER = 128;
export const RECORD_HEADER = 40;
export const ENTRY = 48;

/** If pyflow can't find out whether a writer is alive, the writer counts as dead after this time without a record. */
const SILENCE_MS = 24 * 3600 * 1000;

export function packHeader(): Buffer {
  const header = Buffer.alloc(PACK_HEADER, ' ');
  header.write(PACK_MAGIC);
  // An owner that does not fit is cut off, and then counts as unknown.
  header.write(JSON.stringify(currentProcess()), PACK_MAGIC.length);
  return header;
}

/** Whether a pack without an index can still grow. */
export function mayGrow(fd: number): boolean {
  const header = Buffer.alloc(PACK_HEADER);
  readSync(fd, header, 0, PACK_HEADER, 0);
  const owner = parseOwner(header.toString('utf8', PACK_MAGIC.length));
  const liveness = owner === undefined ? 'unknown' : livenessOf(owner);
  return liveness === 'unknown' ? Date.now() - fstatSync(fd).mtimeMs <= SILENCE_MS : liveness === 'alive';
}

function parseOwner(text: string): ProcessId | undefined {
  try {
    const value = JSON.parse(text) as Partial<ProcessId> | undefined;
    return typeof value?.pid === 'number' && typeof value.realm === 'string' ? (value as ProcessId) : undefined;
  } catch {
    return undefined;
  }
}

export function writeRecordHeader(target: Buffer, at: number, hash: string, size: number): void {
  target.writeUInt32LE(TAG, at);
  target.writeUInt32LE(size, at + 4);
  target.write(hash, at + 8, 'hex');
}

const WINDOW = 256 * 1024;

/** Records from an offset, up to the first incomplete one. `hash` is valid only until the next step. */
export function* records(
  fd: number,
  from: number,
  end: number,
): Generator<{ readonly hash: Buffer; readonly offset: number; readonly size: number }> {
  const window = Buffer.allocUnsafe(Math.max(RECORD_HEADER, Math.min(WINDOW, end - from)));
  let start = from;
  let filled = 0;
  for (let at = from; at + RECORD_HEADER <= end;) {
    if (at < start || at + RECORD_HEADER > start + filled) {
      start = at;
      filled = readSync(fd, window, 0, window.length, at);
      if (filled < RECORD_HEADER) return;
    }
    const local = at - start;
    const size = window.readUInt32LE(local + 4);
    const offset = at + RECORD_HEADER;
    if (window.readUInt32LE(local) !== TAG || offset + size > end) return;
    yield { hash: window.subarray(local + 8, local + RECORD_HEADER), offset, size };
    at = offset + size;
  }
}

export interface PackRecord {
  readonly hash: string;
  readonly bytes: Buffer;
}

/** Every record of a pack with its unchecked bytes. None if the pack is missing or unreadable. */
export function* readPack(path: string): Generator<PackRecord> {
  let fd: number;
  try {
    fd = openCacheFile(path);
  } catch {
    return;
  }
  try {
    for (const { hash, offset, size } of records(fd, PACK_HEADER, fstatSync(fd).size)) {
      const name = hash.toString('hex');
      const bytes = Buffer.allocUnsafe(size);
      yield { hash: name, bytes: bytes.subarray(0, readSync(fd, bytes, 0, size, offset)) };
    }
  } catch {
    // A folder instead of a pack, or a disk error: the rest counts as missing.
  } finally {
    closeSync(fd);
  }
}

/**
 * The entries of a pack. Undefined if the index is missing or damaged; then the pack itself has the same information.
 */
export function readIndex(folder: string, name: string): Buffer | undefined {
  const bytes = readCacheFile(`${folder}/${name}.idx`);
  if (bytes === undefined) return undefined;
  const body = bytes.subarray(40);
  if (bytes.toString('latin1', 0, 8) !== INDEX_MAGIC || body.length % ENTRY !== 0) return undefined;
  return sha256Hex(body) === bytes.toString('hex', 8, 40) ? body : undefined;
}

export function writeIndex(folder: string, name: string, entries: Buffer): void {
  const partial = `${folder}/${name}.idx.tmp`;
  try {
    const check = Buffer.from(sha256Hex(entries), 'hex');
    writeFileSync(partial, Buffer.concat([Buffer.from(INDEX_MAGIC), check, entries]), {
      mode: privateFileMode(partial),
    });
    renameSync(partial, `${folder}/${name}.idx`);
  } catch {
    // A pack is readable without an index.
    removeFile(partial);
  }
}

export function removePack(folder: string, name: string): void {
  removeTree(`${folder}/${name}.idx`);
  removeTree(`${folder}/${name}.pack`);
}
