// A regular file, open for reading, whatever lies at its old path by now.

import { closeSync, readSync } from 'node:fs';

export class OpenFile {
  constructor(
    private readonly fd: number,
    /** Opens this very file again; only this process can use it, and only while the file is open. */
    readonly path: string,
    readonly size: number,
    /** Permission bits. */
    readonly mode: number,
  ) {}

  /** Reads at `position` into `buffer` from `offset` up to `end`; gives the number of bytes, fewer only at the end of the file. */
  read(buffer: Buffer, offset: number, end: number, position: number): number {
    let done = 0;
    while (offset + done < end) {
      const count = readSync(this.fd, buffer, offset + done, end - offset - done, position + done);
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  /** The first bytes, at most so many. */
  start(bytes: number): Buffer {
    const buffer = Buffer.allocUnsafe(Math.min(bytes, this.size));
    return buffer.subarray(0, this.read(buffer, 0, buffer.length, 0));
  }

  close(): void {
    closeSync(this.fd);
  }
}
