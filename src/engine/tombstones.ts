// Which results were evicted, and when, so that `why` can say so. Bounded; unaware of why they were evicted.

import { readFileSync, renameSync, writeFileSync } from 'node:fs';

/** Hash (32 bytes) and time (f64, milliseconds). */
const RECORD = 40;
const MOST = 20_000;

export class Tombstones {
  private times: Map<string, number> | undefined;

  constructor(private readonly file: string) {}

  private load(): Map<string, number> {
    if (this.times) return this.times;
    this.times = new Map();
    try {
      const bytes = readFileSync(this.file);
      for (let at = 0; at + RECORD <= bytes.length; at += RECORD) {
        this.times.set(bytes.toString('hex', at, at + 32), bytes.readDoubleLE(at + 32));
      }
    } catch {
      // Nothing was evicted yet.
    }
    return this.times;
  }

  timeOf(hash: string): number | undefined {
    return this.load().get(hash);
  }

  /** The oldest go when there are too many. Throws nothing: a tombstone is a courtesy. */
  add(hashes: readonly string[], at: number): void {
    if (hashes.length === 0) return;
    const times = this.load();
    for (const hash of hashes) {
      times.delete(hash);
      times.set(hash, at);
    }
    const kept = [...times].slice(-MOST);
    const bytes = Buffer.alloc(kept.length * RECORD);
    for (const [i, [hash, time]] of kept.entries()) {
      bytes.write(hash, i * RECORD, 'hex');
      bytes.writeDoubleLE(time, i * RECORD + 32);
    }
    const partial = `${this.file}.${process.pid}.tmp`;
    try {
      writeFileSync(partial, bytes);
      renameSync(partial, this.file);
    } catch {
      // `why` will know less.
    }
  }
}
