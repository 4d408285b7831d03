// Records in append-only files, one file per run, and an index over the files of all runs.

import { closeSync, fstatSync, ftruncateSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import {
  mayGrow,
  PACK_HEADER,
  packHeader,
  readIndex,
  RECORD_HEADER,
  records,
  writeIndex,
  writeRecordHeader,
} from './pack-file.js';
import { PackIndex } from './pack-index.js';
import { writeAll } from '../files/new-files.js';
import { makePrivateFolder, privateFileMode } from '../files/private-files.js';
import { openCacheFile } from '../files/cache-file.js';

interface Pack {
  readonly name: string;
  /** Offset in bytes up to which its records are in the index. */
  known: number;
  fd?: number | undefined;
  reads: number;
  /** All its bytes, if it is small and read often. */
  content?: Buffer | undefined;
}

export interface Found<T> {
  readonly found: readonly T[];
  /** At least one record did not decode. */
  readonly isDamaged: boolean;
  /** A pack could not be read. Perhaps a clean-up has moved its records to another one. */
  readonly isGone: boolean;
}

const PENDING = 512 * 1024;
const OPEN_FILES = 64;
/**
 * A pack is kept in memory after `OFTEN` reads, if it has at most `WHOLE_PACK` bytes and all such packs at most
 * `WHOLE_PACKS`.
 */
const OFTEN = 16;
const WHOLE_PACK = 1024 * 1024;
const WHOLE_PACKS = 4 * 1024 * 1024;
/** Two files made within this time can leave their folder with the same mtime. */
const SAME_TIME_MS = 50;

/**
 * All packs of one folder, and the one that this run appends to. Only writing throws: the system's error. `decode`
 * checks bytes each time they are read; a record that it refuses counts as missing.
 */
export class PackSet<T> {
  private readonly index = new PackIndex();
  private readonly packs: Pack[] = [];
  private readonly byName = new Map<string, number>();
  /** Packs that other runs are still writing. */
  private readonly growing = new Set<number>();
  private readonly scratch = Buffer.alloc(32);
  private own: number | undefined;
  private pending: Buffer | undefined;
  private pendingLength = 0;
  private openFiles = 0;
  private inMemory = 0;
  private listedAt: number | undefined;
  private folderTime = 0;

  constructor(
    private readonly folder: string,
    private readonly run: string,
    private readonly decode: (hash: string, bytes: Buffer) => T | undefined,
  ) {}

  has(hash: string): boolean {
    this.load();
    this.scratch.write(hash, 'hex');
    return this.index.find(this.scratch) >= 0;
  }

  count(hash: string): number {
    this.load();
    this.scratch.write(hash, 'hex');
    return [...this.index.findAll(this.scratch)].length;
  }

  /**
   * Value of any undamaged record with this hash. Reads into `chunk` if it is given and large enough; then the value is
   * valid only until the chunk is used again.
   */
  read(hash: string, chunk?: Buffer): T | undefined {
    return this.readEach(hash, true, chunk).found[0];
  }

  /** Values of all undamaged records with this hash, in no particular order. */
  readAll(hash: string): Found<T> {
    return this.readEach(hash, false);
  }

  private readEach(hash: string, isOneEnough: boolean, chunk?: Buffer): Found<T> {
    this.load();
    this.scratch.write(hash, 'hex');
    const found: T[] = [];
    let isDamaged = false;
    let isGone = false;
    for (const entry of this.index.findAll(this.scratch)) {
      const bytes = this.readEntry(entry, chunk);
      const value = bytes && this.decode(hash, bytes);
      if (value === undefined) {
        if (bytes === undefined) isGone = true;
        else isDamaged = true;
        this.index.kill(entry);
      } else if (found.push(value) === 1 && isOneEnough) break;
    }
    return { found, isDamaged, isGone };
  }

  /** Undefined if the pack was removed or can't be read. The caller then tries another record. */
  private readEntry(entry: number, chunk?: Buffer): Buffer | undefined {
    const number = this.index.packOf(entry);
    const pack = this.packs[number] as Pack;
    const offset = this.index.offsetOf(entry);
    const size = this.index.sizeOf(entry);
    if (number === this.own && offset >= pack.known) {
      const start = offset - pack.known;
      const bytes = (this.pending as Buffer).subarray(start, start + size);
      return chunk === undefined ? Buffer.from(bytes) : bytes;
    }
    try {
      if (number !== this.own && pack.reads++ === OFTEN) this.bringToMemory(pack);
      if (pack.content !== undefined && offset + size <= pack.content.length)
        return pack.content.subarray(offset, offset + size);
      const into = chunk !== undefined && size <= chunk.length ? chunk.subarray(0, size) : Buffer.allocUnsafe(size);
      return readAt(this.fdOf(pack), offset, into);
    } catch {
      return undefined;
    }
  }

  private bringToMemory(pack: Pack): void {
    const { size } = fstatSync(this.fdOf(pack));
    if (size > WHOLE_PACK || this.inMemory + size > WHOLE_PACKS) return;
    pack.content = readAt(this.fdOf(pack), 0, Buffer.allocUnsafeSlow(size));
    this.inMemory += size;
  }

  /** This process treats the records with this hash as missing from now on; with `isForgotten`, only those whose value it accepts. */
  forget(hash: string, isForgotten?: (value: T) => boolean): void {
    this.scratch.write(hash, 'hex');
    for (const entry of this.index.findAll(this.scratch)) {
      const bytes = isForgotten && this.readEntry(entry);
      const value = bytes && this.decode(hash, bytes);
      if (value === undefined || isForgotten?.(value) === true) this.index.kill(entry);
    }
  }

  private fdOf(pack: Pack): number {
    if (pack.fd === undefined) {
      if (this.openFiles >= OPEN_FILES) this.closeFiles();
      pack.fd = openCacheFile(`${this.folder}/${pack.name}.pack`);
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
    if (this.listedAt === undefined) this.list();
  }

  /** Picks up what other processes wrote since the last look. Takes a few microseconds if they wrote nothing. */
  catchUp(): void {
    if (this.listedAt === undefined || this.listedAt - this.folderTime < SAME_TIME_MS) this.list();
    else if (this.timeOfFolder() !== this.folderTime) this.list();
    else for (const number of this.growing) this.scan(number);
  }

  private timeOfFolder(): number {
    try {
      return statSync(this.folder, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    } catch {
      return 0;
    }
  }

  private list(): void {
    // Read before the names, so that the next look notices a change between the two.
    this.listedAt = Date.now();
    this.folderTime = this.timeOfFolder();
    let names: string[];
    try {
      names = this.folderTime === 0 ? [] : readdirSync(this.folder);
    } catch {
      // Not a folder, or not readable: it counts as empty.
      return;
    }
    const closed = new Set(names.filter((name) => name.endsWith('.idx')).map((name) => name.slice(0, -4)));
    for (const file of names) {
      if (!file.endsWith('.pack')) continue;
      const name = file.slice(0, -5);
      const known = this.byName.get(name);
      if (known === undefined) this.takeIn(name, closed.has(name));
      else if (this.growing.has(known)) {
        this.scan(known);
        if (closed.has(name)) this.growing.delete(known);
      }
    }
  }

  private takeIn(name: string, isClosed: boolean): void {
    const number = this.addPack(name, PACK_HEADER);
    const entries = isClosed ? readIndex(this.folder, name) : undefined;
    if (entries !== undefined) return this.index.addAll(entries, number);
    // Checked before reading the records, so that they include everything that a finished writer wrote.
    if (!isClosed && this.isGrowing(this.packs[number] as Pack)) this.growing.add(number);
    this.scan(number);
  }

  private isGrowing(pack: Pack): boolean {
    try {
      return mayGrow(this.fdOf(pack));
    } catch {
      return false;
    }
  }

  private addPack(name: string, known: number): number {
    this.byName.set(name, this.packs.length);
    return this.packs.push({ name, known, reads: 0 }) - 1;
  }

  private scan(number: number): void {
    const pack = this.packs[number] as Pack;
    try {
      const fd = this.fdOf(pack);
      const end = fstatSync(fd).size;
      if (end <= pack.known) return;
      for (const { hash, offset, size } of records(fd, pack.known, end)) {
        this.index.add(hash, offset, size, number);
        pack.known = offset + size;
      }
    } catch {
      // Removed meanwhile, or unreadable: its records count as missing.
      this.growing.delete(number);
    }
  }

  /** Adds the record to this run's pack. `flush` writes it to the file. */
  append(hash: string, bytes: Uint8Array): void {
    const own = this.openOwn();
    const record = RECORD_HEADER + bytes.length;
    if (this.pendingLength + record > (this.pending?.length ?? 0)) {
      this.flush();
      if (this.pending === undefined || record > this.pending.length)
        this.pending = Buffer.allocUnsafeSlow(Math.max(PENDING, record));
    }
    const pending = this.pending as Buffer;
    const at = this.pendingLength;
    writeRecordHeader(pending, at, hash, bytes.length);
    pending.set(bytes, at + RECORD_HEADER);
    this.pendingLength += record;
    this.index.add(
      pending.subarray(at + 8, at + RECORD_HEADER),
      (this.packs[own] as Pack).known + at + RECORD_HEADER,
      bytes.length,
      own,
    );
  }

  private openOwn(): number {
    if (this.own !== undefined) return this.own;
    this.load();
    makePrivateFolder(this.folder);
    const fd = openSync(`${this.folder}/${this.run}.pack`, 'wx+', privateFileMode(`${this.folder}/${this.run}.pack`));
    try {
      writeAll(fd, packHeader());
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    this.own = this.addPack(this.run, PACK_HEADER);
    (this.packs[this.own] as Pack).fd = fd;
    return this.own;
  }

  /** After this, other processes find what was appended. No fsync is needed, because readers check each record. */
  flush(): void {
    if (this.own === undefined || this.pendingLength === 0) return;
    const pack = this.packs[this.own] as Pack;
    try {
      writeAll(pack.fd as number, (this.pending as Buffer).subarray(0, this.pendingLength));
    } catch (error) {
      // Half a record at the end hides nothing, but readers would not find records appended after it.
      ftruncateSync(pack.fd as number, pack.known);
      throw error;
    }
    pack.known += this.pendingLength;
    this.pendingLength = 0;
  }

  /** Removes and returns the records that could not be flushed, to store them elsewhere. */
  takePending(): { readonly hash: string; readonly bytes: Buffer }[] {
    const taken: { hash: string; bytes: Buffer }[] = [];
    for (let at = 0; at < this.pendingLength;) {
      const pending = this.pending as Buffer;
      const start = at + RECORD_HEADER;
      const end = start + pending.readUInt32LE(at + 4);
      const hash = pending.toString('hex', at + 8, start);
      taken.push({ hash, bytes: Buffer.from(pending.subarray(start, end)) });
      this.forget(hash);
      at = end;
    }
    this.pendingLength = 0;
    return taken;
  }

  /** Flushes and publishes the index of this run's pack. */
  close(): void {
    try {
      this.flush();
      if (this.own !== undefined) writeIndex(this.folder, this.run, this.index.entriesOf(this.own));
    } finally {
      if (this.own !== undefined) {
        closeSync((this.packs[this.own] as Pack).fd as number);
        (this.packs[this.own] as Pack).fd = undefined;
      }
      this.own = undefined;
      this.closeFiles();
      this.pending = undefined;
      this.pendingLength = 0;
    }
  }
}

const readAt = (fd: number, offset: number, into: Buffer): Buffer =>
  into.subarray(0, readSync(fd, into, 0, into.length, offset));
