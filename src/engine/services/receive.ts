// Writes the bytes of a body to a file while it hashes and counts them.

import { createHash, type Hash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { FailureError } from '../failure.js';
import { privateFileMode } from '../files/private-files.js';
import { downloadTooLarge, wrongDigest } from './failures.js';

export interface ReceiveOptions {
  readonly path: string;
  /** For messages. */
  readonly url: string;
  /** Bytes of the whole body, if known. */
  readonly expected: number | undefined;
  /** More bytes are a failure. */
  readonly limit: number;
  /** Absent if any bytes are right. */
  readonly sha256?: string | undefined;
  readonly signal: AbortSignal;
  readonly onProgress?: ((done: number, total: number | undefined) => void) | undefined;
}

/** Undefined if the file is complete and right; else how many bytes came before the connection ended. */
export async function receive(
  body: AsyncIterable<Buffer>,
  { path, url, expected, limit, sha256, signal, onProgress }: ReceiveOptions,
): Promise<number | undefined> {
  const hash = createHash('sha256');
  const file = await open(path, 'w', privateFileMode(path));
  let received = 0;
  try {
    received = await writeAll(file, hash, withBodyErrors(body), (total) => {
      signal.throwIfAborted();
      if (total > limit) throw new FailureError(downloadTooLarge(url, limit));
      onProgress?.(total, expected);
    });
  } catch (error) {
    if (!(error instanceof BodyError)) throw error;
    return error.received;
  } finally {
    await file.close();
  }
  if (expected !== undefined && received < expected) return received;
  const actual = hash.digest('hex');
  if (sha256 !== undefined && actual !== sha256) throw new FailureError(wrongDigest(url, sha256, actual));
  return undefined;
}

/** The connection ended before the body was complete. Errors of the disk are thrown as they are. */
class BodyError extends Error {
  constructor(readonly received: number) {
    super();
  }
}

async function* withBodyErrors(body: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  let received = 0;
  const chunks = body[Symbol.asyncIterator]();
  try {
    for (;;) {
      let next: IteratorResult<Buffer>;
      try {
        next = await chunks.next();
      } catch {
        throw new BodyError(received);
      }
      if (next.done === true) return;
      received += next.value.length;
      yield next.value;
    }
  } finally {
    await chunks.return?.();
  }
}

async function writeAll(
  file: FileHandle,
  hash: Hash,
  chunks: AsyncIterable<Buffer>,
  onTotal: (total: number) => void,
): Promise<number> {
  let total = 0;
  for await (const chunk of chunks) {
    total += chunk.length;
    onTotal(total);
    hash.update(chunk);
    for (let written = 0; written < chunk.length;)
      written += (await file.write(chunk, written, chunk.length - written)).bytesWritten;
  }
  return total;
}
