// Reusable buffers for reading files in pieces. A new buffer for each file would be freed late, and memory would grow in a
// run that stores thousands of files.

import { closeSync, openSync, readSync } from 'node:fs';

export const CHUNK_BYTES = 1024 * 1024;
const KEPT = 8;

const idle: Buffer[] = [];

/** It contains old bytes. */
export const takeChunk = (): Buffer => idle.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES);

/** Only for a buffer that nothing reads into any more; after a failure, drop it instead. */
export function giveChunk(buffer: Buffer): void {
  if (idle.length < KEPT) idle.push(buffer);
}

/** Lends `use` a buffer while it runs. */
export function withChunk<T>(use: (chunk: Buffer) => T): T {
  const chunk = takeChunk();
  try {
    return use(chunk);
  } finally {
    giveChunk(chunk);
  }
}

/** The part of `chunk` that holds the file; undefined if the file is larger. Throws the system's error. */
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
