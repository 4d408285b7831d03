// Times by key in one small file: when results were last used, when they were evicted. Losing a time costs little, so
// nothing here throws.

import { closeSync, statSync, writeSync } from 'node:fs';
import { publishFile } from '../files/sealed-json.js';
import { privateFileMode } from '../files/private-files.js';
import { openToAppend, readCacheFile } from '../files/cache-file.js';

/** Hash (32 bytes) and time (f64, milliseconds). */
const RECORD = 40;
const MOST_TOMBSTONES = 20_000;

export class KeyTimes {
  private times: Map<string, number> | undefined;

  constructor(private readonly file: string) {}

  private load(): Map<string, number> {
    if (this.times) return this.times;
    this.times = new Map();
    const bytes = readCacheFile(this.file) ?? Buffer.alloc(0);
    for (let at = 0; at + RECORD <= bytes.length; at += RECORD) {
      this.times.set(bytes.toString('hex', at, at + 32), bytes.readDoubleLE(at + 32));
    }
    return this.times;
  }

  timeOf(hash: string): number | undefined {
    return this.load().get(hash);
  }

  append(hashes: readonly string[], at: number): void {
    if (hashes.length === 0) return;
    const times = this.load();
    for (const hash of hashes) times.set(hash, at);
    try {
      // A truncated record would shift all later ones.
      const size = statSync(this.file, { throwIfNoEntry: false })?.size ?? 0;
      if (size % RECORD !== 0) this.keep(() => true);
      else this.write(encode(hashes.map((hash) => [hash, at])));
    } catch {
      // The file is not writable.
    }
  }

  private write(records: Buffer): void {
    const fd = openToAppend(this.file, privateFileMode(this.file));
    try {
      writeSync(fd, records);
    } finally {
      closeSync(fd);
    }
  }

  /** Removes the others from the file. */
  keep(isKept: (hash: string) => boolean): void {
    const kept = [...this.load()].filter(([hash]) => isKept(hash));
    this.times = new Map(kept);
    publishFile(this.file, encode(kept));
  }

  /** Like `append`, but drops the oldest records if there are too many. */
  appendBounded(hashes: readonly string[], at: number): void {
    if (hashes.length === 0) return;
    const times = this.load();
    for (const hash of hashes) {
      times.delete(hash);
      times.set(hash, at);
    }
    this.times = new Map([...times].slice(-MOST_TOMBSTONES));
    this.keep(() => true);
  }
}

export const tombstonesOf = (cacheDir: string): KeyTimes => new KeyTimes(`${cacheDir}/tombstones`);

function encode(times: readonly (readonly [string, number])[]): Buffer {
  const bytes = Buffer.alloc(times.length * RECORD);
  for (const [i, [hash, time]] of times.entries()) {
    bytes.write(hash, i * RECORD, 'hex');
    bytes.writeDoubleLE(time, i * RECORD + 32);
  }
  return bytes;
}
