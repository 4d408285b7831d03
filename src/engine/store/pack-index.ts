// Where the records of packs are: an in-memory table by hash.

import { ENTRY } from './pack-file.js';

const DEAD = 0xffffffff;

/** Open-addressing table over flat entries: hash (32 bytes), offset (f64), size (u32), pack (u32). */
export class PackIndex {
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

  /** A live entry with this hash, or -1. */
  find(hash: Buffer): number {
    for (const entry of this.findAll(hash)) return entry;
    return -1;
  }

  /** Finds all, because several packs can have a record of the same hash, and one pack can have several. */
  *findAll(hash: Buffer): Generator<number> {
    if (this.count === 0) return;
    const mask = this.slots.length - 1;
    for (let slot = hash.readUInt32LE(0) & mask; ; slot = (slot + 1) & mask) {
      const entry = this.slots[slot] as number;
      if (entry === -1) return;
      const at = entry * ENTRY;
      if (hash.compare(this.entries, at, at + 32) === 0 && this.packOf(entry) !== DEAD) yield entry;
    }
  }

  offsetOf = (entry: number): number => this.entries.readDoubleLE(entry * ENTRY + 32);
  sizeOf = (entry: number): number => this.entries.readUInt32LE(entry * ENTRY + 40);
  packOf = (entry: number): number => this.entries.readUInt32LE(entry * ENTRY + 44);

  kill(entry: number): void {
    this.entries.writeUInt32LE(DEAD, entry * ENTRY + 44);
  }

  /** The entries of one pack, in the format of its index file. */
  entriesOf(pack: number): Buffer {
    const parts: Buffer[] = [];
    for (let entry = 0; entry < this.count; entry++) {
      if (this.packOf(entry) === pack) parts.push(this.entries.subarray(entry * ENTRY, (entry + 1) * ENTRY));
    }
    return Buffer.concat(parts);
  }
}
