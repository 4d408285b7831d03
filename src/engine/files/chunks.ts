// Buffers for reading files piece by piece, used again and again: a fresh one for each file is memory that the system
// gets back late, and a run that stores thousands of files would show it. Unaware of what the files are.

import { closeSync, openSync, readSync } from 'node:fs';

export const CHUNK_BYTES = 1024 * 1024;
const KEPT = 8;

const idle: Buffer[] = [];

/** With bytes of others in it. */
export const takeChunk = (): Buffer => idle.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES);

/** Only what nobody reads into any more: after a failure a buffer is better forgotten. */
export function giveChunk(buffer: Buffer): void {
  if (idle.length < KEPT) idle.push(buffer);
}

/** Gives `use` a buffer for as long as it runs; nothing of it may be kept. */
export function withChunk<T>(use: (chunk: Buffer) => T): T {
  const chunk = takeChunk();
  try {
    return use(chunk);
  } finally {
    giveChunk(chunk);
  }
}

/** The part of `chunk` that now holds the file; undefined when it does not hold all of it. Throws the system's error. */
export function readWhole(path: string, chunk: Buffer): Buffer | undefined {
  const fd = openSync(path, 'r');
  try {
    for (let length = 0; length < chunk.length;) {
      const count = readSync(fd, chunk, length, chunk.length - length, null);
      if (count === 0) return chunk.subarray(0, length);
      length += count;
    }
    return undefined;
  } finally {
    closeSync(fd);
  }
}
