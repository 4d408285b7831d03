// Small blobs of one run in one append-only file, and an index over all such files. Unaware of results and trees.

import {
  closeSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { sha256Hex } from './digest.js';
import { writeAll } from './store-files.js';

/** Blobs from here on are files of their own. */
export const PACK_LIMIT = 64 * 1024;

/*
 * A pack is a header, then records: tag, size (u32), hash (32 bytes), bytes. Whoever reads it from the start finds every
 * record, so the index of a killed run can be made again. An index file holds the entries of `BlobIndex` behind a
 * checksum. Bytes are hashed whenever they are read: what a damaged pack or index points to is never served.
 */
const PACK_HEADER = 'pyfpack1';
const INDEX_HEADER = 'pyfindx1';
const TAG = 0x31424650;
const RECORD_HEADER = 40;
const ENTRY = 48;
const DEAD = 0xffffffff;

/** Open-addressing table over flat entries: hash (32), offset (f64), size (u32), pack (u32). */
class BlobIndex {
  entries = Buffer.alloc(0);
  count = 0;
  private slots = new Int32Array(0);

  private reserve(more: number): void {
    const needed = this.count + more;
    if (needed * ENTRY > this.entries.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(256, needed, this.count * 2) * ENTRY);
      this.entries.copy(grown, 0, 0, this.count * ENTRY);
      this.entries = grown;
    }
    if (needed * 2 <= this.slots.length) return;
    let size = 1024;
    while (size < needed * 3) size *= 2;
    this.slots = new Int32Array(size).fill(-1);
    for (let entry = 0; entry < this.count; entry++) this.place(entry);
  }

  private place(entry: number): void {
    const mask = this.slots.length - 1;
    let slot = this.entries.readUInt32LE(entry * ENTRY) & mask;
    while (this.slots[slot] !== -1) slot = (slot + 1) & mask;
    this.slots[slot] = entry;
  }

  add(hash: Buffer, offset: number, size: number, pack: number): void {
    this.reserve(1);
    const at = this.count * ENTRY;
    hash.copy(this.entries, at);
    this.entries.writeDoubleLE(offset, at + 32);
    this.entries.writeUInt32LE(size, at + 40);
    this.entries.writeUInt32LE(pack, at + 44);
    this.place(this.count++);
  }

  addAll(entries: Buffer, pack: number): void {
    const more = entries.length / ENTRY;
    this.reserve(more);
    entries.copy(this.entries, this.count * ENTRY);
    for (let i = 0; i < more; i++) {
      this.entries.writeUInt32LE(pack, this.count * ENTRY + 44);
      this.place(this.count++);
    }
  }

  /** A live entry with this hash, or -1. The same blob may be in several packs. */
  find(hash: Buffer): number {
    if (this.count === 0) return -1;
    const mask = this.slots.length - 1;
    for (let slot = hash.readUInt32LE(0) & mask; ; slot = (slot + 1) & mask) {
      const entry = this.slots[slot] as number;
      if (entry === -1) return -1;
      const at = entry * ENTRY;
      if (hash.compare(this.entries, at, at + 32) === 0 && this.packOf(entry) !== DEAD) return entry;
    }
  }

  offsetOf = (entry: number): number => this.entries.readDoubleLE(entry * ENTRY + 32);
  sizeOf = (entry: number): number => this.entries.readUInt32LE(entry * ENTRY + 40);
  packOf = (entry: number): number => this.entries.readUInt32LE(entry * ENTRY + 44);

  kill(entry: number): void {
    this.entries.writeUInt32LE(DEAD, entry * ENTRY + 44);
  }

  /** The entries of one pack, as they are put into its index file. */
  entriesOf(pack: number): Buffer {
    const parts: Buffer[] = [];
    for (let entry = 0; entry < this.count; entry++) {
      if (this.packOf(entry) === pack) parts.push(this.entries.subarray(entry * ENTRY, (entry + 1) * ENTRY));
    }
    return Buffer.concat(parts);
  }
}

interface Pack {
  readonly name: string;
  /** Up to where its records are in the index. */
  known: number;
  /** It has an index file, so nothing will be appended. */
  isClosed: boolean;
  fd?: number | undefined;
}

const PENDING = 512 * 1024;
const OPEN_FILES = 64;

/** All packs of one folder, and the one that this run appends to. Throws the system's error only when writing. */
export class PackSet {
  private readonly index = new BlobIndex();
  private readonly packs: Pack[] = [];
  private readonly byName = new Map<string, number>();
  private readonly scratch = Buffer.alloc(32);
  private own: number | undefined;
  private pending: Buffer | undefined;
  private pendingLength = 0;
  private isLoaded = false;
  private openFiles = 0;
  /** When the folder was last listed. */
  refreshedAt = 0;

  constructor(
    private readonly folder: string,
    private readonly run: string,
  ) {}

  has(hash: string): boolean {
    this.load();
    this.scratch.write(hash, 'hex');
    return this.index.find(this.scratch) >= 0;
  }

  /** The blob's bytes, checked; undefined when no pack has it whole. */
  read(hash: string): Buffer | undefined {
    this.load();
    for (;;) {
      this.scratch.write(hash, 'hex');
      const entry = this.index.find(this.scratch);
      if (entry < 0) return undefined;
      const bytes = this.readEntry(entry);
      if (bytes !== undefined && sha256Hex(bytes) === hash) return bytes;
      this.index.kill(entry);
    }
  }

  private readEntry(entry: number): Buffer | undefined {
    const number = this.index.packOf(entry);
    const pack = this.packs[number] as Pack;
    const offset = this.index.offsetOf(entry);
    const size = this.index.sizeOf(entry);
    if (size >= PACK_LIMIT) return undefined;
    if (number === this.own && offset >= pack.known) {
      const start = offset - pack.known;
      return Buffer.from((this.pending as Buffer).subarray(start, start + size));
    }
    const bytes = Buffer.allocUnsafe(size);
    try {
      return readSync(this.fdOf(pack), bytes, 0, size, offset) === size ? bytes : undefined;
    } catch {
      // The pack was dropped or cannot be read: the caller looks elsewhere.
      return undefined;
    }
  }

  private fdOf(pack: Pack): number {
    if (pack.fd === undefined) {
      if (this.openFiles >= OPEN_FILES) this.closeFiles();
      pack.fd = openSync(`${this.folder}/${pack.name}.pack`, 'r');
      this.openFiles++;
    }
    return pack.fd;
  }

  private closeFiles(): void {
    for (const [number, pack] of this.packs.entries()) {
      if (pack.fd === undefined || number === this.own) continue;
      closeSync(pack.fd);
      pack.fd = undefined;
    }
    this.openFiles = 0;
  }

  private load(): void {
    if (!this.isLoaded) this.refresh();
  }

  /** Takes in packs and records that other processes wrote since the last look. */
  refresh(): void {
    this.isLoaded = true;
    this.refreshedAt = Date.now();
    let names: string[];
    try {
      names = readdirSync(this.folder);
    } catch {
      // No folder yet: nothing was stored.
      return;
    }
    const closed = new Set(names.filter((name) => name.endsWith('.idx')).map((name) => name.slice(0, -4)));
    for (const file of names) {
      if (!file.endsWith('.pack')) continue;
      const name = file.slice(0, -5);
      const known = this.byName.get(name);
      if (known !== undefined && (known === this.own || this.packs[known]?.isClosed)) continue;
      const number = known ?? this.addPack(name, 0);
      const pack = this.packs[number] as Pack;
      pack.isClosed = closed.has(name);
      if (known === undefined && pack.isClosed && this.loadIndex(number)) continue;
      this.scan(number);
    }
  }

  private addPack(name: string, known: number): number {
    this.byName.set(name, this.packs.length);
    return this.packs.push({ name, known, isClosed: false }) - 1;
  }

  private loadIndex(number: number): boolean {
    const pack = this.packs[number] as Pack;
    try {
      const bytes = readFileSync(`${this.folder}/${pack.name}.idx`);
      const body = bytes.subarray(40);
      if (bytes.toString('latin1', 0, 8) !== INDEX_HEADER || body.length % ENTRY !== 0) return false;
      if (sha256Hex(body) !== bytes.toString('hex', 8, 40)) return false;
      this.index.addAll(body, number);
      return true;
    } catch {
      // Unreadable: the pack tells the same.
      return false;
    }
  }

  private scan(number: number): void {
    const pack = this.packs[number] as Pack;
    try {
      const fd = this.fdOf(pack);
      const end = fstatSync(fd).size;
      for (const { hash, offset, size } of records(fd, Math.max(pack.known, PACK_HEADER.length), end)) {
        this.index.add(hash, offset, size, number);
        pack.known = offset + size;
      }
    } catch {
      // Dropped meanwhile, or unreadable: its blobs count as missing.
    }
  }

  /** Takes the blob into this run's pack; it is in the file after `flush`. */
  append(hash: string, bytes: Uint8Array): void {
    const own = this.openOwn();
    const record = RECORD_HEADER + bytes.length;
    this.pending ??= Buffer.allocUnsafeSlow(PENDING);
    if (this.pendingLength + record > PENDING) this.flush();
    const at = this.pendingLength;
    this.pending.writeUInt32LE(TAG, at);
    this.pending.writeUInt32LE(bytes.length, at + 4);
    this.pending.write(hash, at + 8, 'hex');
    this.pending.set(bytes, at + RECORD_HEADER);
    this.pendingLength += record;
    this.index.add(
      this.pending.subarray(at + 8, at + RECORD_HEADER),
      (this.packs[own] as Pack).known + at + RECORD_HEADER,
      bytes.length,
      own,
    );
  }

  private openOwn(): number {
    if (this.own !== undefined) return this.own;
    this.load();
    mkdirSync(this.folder, { recursive: true });
    const fd = openSync(`${this.folder}/${this.run}.pack`, 'wx+', 0o644);
    writeAll(fd, Buffer.from(PACK_HEADER));
    this.own = this.addPack(this.run, PACK_HEADER.length);
    (this.packs[this.own] as Pack).fd = fd;
    return this.own;
  }

  /** After this, other processes find what was appended. No fsync: a blob is checked when it is read. */
  flush(): void {
    if (this.own === undefined || this.pendingLength === 0) return;
    const pack = this.packs[this.own] as Pack;
    try {
      writeAll(pack.fd as number, (this.pending as Buffer).subarray(0, this.pendingLength));
    } catch (error) {
      // Half a record at the end would hide nothing, but what is appended later must not stand behind it.
      ftruncateSync(pack.fd as number, pack.known);
      throw error;
    }
    pack.known += this.pendingLength;
    this.pendingLength = 0;
  }

  /** What could not be flushed, for another place; forgotten here. */
  takePending(): { readonly hash: string; readonly bytes: Buffer }[] {
    const taken: { hash: string; bytes: Buffer }[] = [];
    for (let at = 0; at < this.pendingLength;) {
      const size = (this.pending as Buffer).readUInt32LE(at + 4);
      const start = at + RECORD_HEADER;
      const hash = (this.pending as Buffer).toString('hex', at + 8, start);
      taken.push({ hash, bytes: Buffer.from((this.pending as Buffer).subarray(start, start + size)) });
      this.scratch.write(hash, 'hex');
      const entry = this.index.find(this.scratch);
      if (entry >= 0) this.index.kill(entry);
      at = start + size;
    }
    this.pendingLength = 0;
    return taken;
  }

  /** Flushes and publishes the index of this run's pack. */
  close(): void {
    try {
      this.flush();
      if (this.own !== undefined) {
        const pack = this.packs[this.own] as Pack;
        writeIndex(this.folder, pack.name, this.index.entriesOf(this.own));
      }
    } finally {
      if (this.own !== undefined) closeSync((this.packs[this.own] as Pack).fd as number);
      if (this.own !== undefined) (this.packs[this.own] as Pack).fd = undefined;
      this.own = undefined;
      this.closeFiles();
      this.pending = undefined;
    }
  }
}

function writeIndex(folder: string, name: string, entries: Buffer): void {
  const partial = `${folder}/${name}.idx.tmp`;
  const header = Buffer.concat([Buffer.from(INDEX_HEADER), Buffer.from(sha256Hex(entries), 'hex')]);
  try {
    writeFileSync(partial, Buffer.concat([header, entries]));
    renameSync(partial, `${folder}/${name}.idx`);
  } catch {
    // The pack can be read without an index.
    rmSync(partial, { force: true });
  }
}

const WINDOW = 256 * 1024;

/** Records from an offset on, up to the first that is not whole. `hash` is valid until the next step. */
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
    if (window.readUInt32LE(local) !== TAG || size >= PACK_LIMIT || offset + size > end) return;
    yield { hash: window.subarray(local + 8, local + RECORD_HEADER), offset, size };
    at = offset + size;
  }
}
