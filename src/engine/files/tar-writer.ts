// Writes a tar archive whose bytes depend only on names, sizes and content: every entry is a plain file with the same mode, owner
// and time. `TarReader` reads it, and so does any tar.

import { writeAll } from './new-files.js';

const BLOCK = 512;
const MOST_NAME_BYTES = 100;
const MOST_SIZE = 8 * 1024 ** 3 - 1;
const BUFFER_BYTES = 256 * 1024;
const ZEROS = Buffer.alloc(2 * BLOCK);

/** Collects small entries, because a system call for each part would take longer than the writing. Throws the system's error. */
export class TarWriter {
  readonly #buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  #used = 0;
  #left = 0;
  #padding = 0;

  constructor(private readonly fd: number) {}

  /** Exactly `size` bytes of content must follow. The name must be ASCII. */
  entry(name: string, size: number): void {
    if (this.#left !== 0) throw new Error(`an entry before ${name} lacks ${this.#left} bytes`);
    this.#put(header(name, size));
    this.#left = size;
    this.#padding = (BLOCK - (size % BLOCK)) % BLOCK;
  }

  content(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#left -= chunk.length;
    if (this.#left < 0) throw new Error('an entry got more content than its size');
    this.#put(chunk);
    if (this.#left === 0) this.#put(ZEROS.subarray(0, this.#padding));
  }

  end(): void {
    this.#put(ZEROS);
    this.#flush();
  }

  #put(bytes: Uint8Array): void {
    if (this.#used + bytes.length > BUFFER_BYTES) this.#flush();
    if (bytes.length > BUFFER_BYTES) return writeAll(this.fd, bytes);
    this.#buffer.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  #flush(): void {
    writeAll(this.fd, this.#buffer.subarray(0, this.#used));
    this.#used = 0;
  }
}

/** Offsets of the fields of a header. The bytes between them are zero. */
const [MODE, OWNER, GROUP, SIZE, TIME, SUM, TYPE, MAGIC, VERSION] = [100, 108, 116, 124, 136, 148, 156, 257, 263];

function header(name: string, size: number): Buffer {
  if (name.length > MOST_NAME_BYTES || size > MOST_SIZE) throw new Error(`no header can hold ${name}, ${size} bytes`);
  const block = Buffer.alloc(BLOCK);
  block.write(name, 0, 'latin1');
  for (const [at, text] of [
    [0, name],
    [MODE, '0000644'],
    [OWNER, '0000000'],
    [GROUP, '0000000'],
    [SIZE, size.toString(8).padStart(11, '0')],
    [TIME, '00000000000'],
    // The sum counts its own field as spaces.
    [SUM, '        '],
    [TYPE, '0'],
    [MAGIC, 'ustar'],
    [VERSION, '00'],
  ] as const)
    block.write(text, at, 'latin1');
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, SUM, 'latin1');
  return block;
}
