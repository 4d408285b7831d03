// A regular file that is open for reading, even if its path has changed since.

import { closeSync, readSync } from 'node:fs';

export class OpenFile {
  constructor(
    private readonly fd: number,
    /** A path that opens the same file again; works only in this process and while the file is open. */
    readonly path: string,
    readonly size: number,
    /** Permission bits. */
    readonly mode: number,
  ) {}

  /** Reads at `position` into `buffer` from `offset` to `end`. Returns the number of bytes, less only at the end of the file. */
  read(buffer: Buffer, offset: number, end: number, position: number): number {
    let done = 0;
    while (offset + done < end) {
      const count = readSync(this.fd, buffer, offset + done, end - offset - done, position + done);
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  /** The first bytes, at most this many. */
  start(bytes: number): Buffer {
    const buffer = Buffer.allocUnsafe(Math.min(bytes, this.size));
    return buffer.subarray(0, this.read(buffer, 0, buffer.length, 0));
  }

  close(): void {
    closeSync(this.fd);
  }
}
