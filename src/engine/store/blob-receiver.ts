// A blob that arrives in pieces, from an archive or a server. It is part of the store only once all its bytes match its digest.

import { createHash } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { hexOf, sizeOf, type Digest } from '../files/digest.js';
import { writeAll } from '../files/new-files.js';
import { privateFileMode } from '../files/private-files.js';
import { removeFile } from '../files/remove-tree.js';
import { inPlace } from './place-error.js';

/** Where the bytes of a blob that the store lacks are kept, and what puts the whole blob into the store. */
export type Arrival =
  | { readonly type: 'in-memory'; readonly store: (bytes: Buffer) => void }
  /** At a path that doesn't exist yet. */
  | { readonly type: 'in-file'; readonly path: string; readonly publish: () => void };

/** `write` and `finish` throw `PlaceError` if the store can't be written. Then, as whenever `finish` is not called, call `discard`. */
export class BlobReceiver {
  readonly #hash = createHash('sha256');
  readonly #pieces: Buffer[] = [];
  #size = 0;
  #fd: number | undefined;

  constructor(
    readonly digest: Digest,
    /** Undefined if the store has the blob: then the bytes are only checked. */
    private readonly arrival: Arrival | undefined,
  ) {}

  get isNew(): boolean {
    return this.arrival !== undefined;
  }

  /** The chunk can be reused afterwards. */
  write(chunk: Buffer): void {
    this.#size += chunk.length;
    // More bytes than promised are not kept; `finish` refuses them.
    if (this.#size > sizeOf(this.digest)) return;
    this.#hash.update(chunk);
    if (this.arrival?.type === 'in-memory') this.#pieces.push(Buffer.from(chunk));
    if (this.arrival?.type !== 'in-file') return;
    const { path } = this.arrival;
    this.#fd ??= inPlace(() => openSync(path, 'wx', privateFileMode(path) & 0o444));
    const fd = this.#fd;
    inPlace(() => writeAll(fd, chunk));
  }

  /** Whether the bytes matched the digest. If not, nothing is stored. */
  finish(): boolean {
    if (this.#size !== sizeOf(this.digest) || this.#hash.digest('hex') !== hexOf(this.digest)) {
      this.discard();
      return false;
    }
    if (this.arrival?.type === 'in-memory') this.arrival.store(Buffer.concat(this.#pieces));
    if (this.arrival?.type === 'in-file') {
      this.#close();
      this.arrival.publish();
    }
    return true;
  }

  discard(): void {
    const isWriting = this.#fd !== undefined;
    this.#close();
    this.#pieces.length = 0;
    if (isWriting && this.arrival?.type === 'in-file') removeFile(this.arrival.path);
  }

  #close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}
