// Writes blobs to the server that it lacks, in batches and streams.

import type { Digest } from '../files/digest.js';
import { BlobLost } from '../store/blobs.js';
import type { CallKind } from './breaker.js';
import { watched, type Connection } from './connection.js';
import { batchDeadline, IDLE_STREAM_MS } from './patience.js';
import { BATCHES_AT_ONCE, Slots } from './slots.js';
import { RemoteError, splitBatches, STATUS, type RemoteBlob } from './transport.js';

/** Where the bytes of blobs come from. */
export interface BlobSource {
  /** Undefined if the bytes are gone. */
  read(digest: Digest): Promise<Uint8Array | undefined>;
  /** For blobs that don't fit a batch. */
  chunks(digest: Digest): AsyncIterable<Uint8Array>;
  /** Whether nothing more must begin. */
  isStopped?(): boolean;
}

interface Writing {
  readonly source: BlobSource;
  readonly instance: string;
  readonly refused: Map<Digest, RemoteError>;
}

export class BlobWriter {
  readonly #slots = new Slots(BATCHES_AT_ONCE);

  constructor(
    private readonly connection: Connection,
    /** What a failure turns off. */
    private readonly kind: CallKind,
  ) {}

  /** Returns those that the server did not get, and why. */
  async write(
    digests: readonly Digest[],
    source: BlobSource,
    instance: string,
  ): Promise<ReadonlyMap<Digest, RemoteError>> {
    const writing: Writing = { source, instance, refused: new Map() };
    const { batches, streams } = splitBatches(digests, this.connection.batchBytes);
    await Promise.all([
      ...batches.map((batch) => this.#inTurn(batch, writing, () => this.#writeBatch(batch, writing))),
      ...streams.map((digest) => this.#inTurn([digest], writing, () => this.#writeStream(digest, writing))),
    ]);
    return writing.refused;
  }

  #inTurn(digests: readonly Digest[], { source, refused }: Writing, work: () => Promise<void>): Promise<void> {
    return this.#slots.use(async () => {
      if (source.isStopped?.() !== true) return work();
      for (const digest of digests) refused.set(digest, stopped);
    });
  }

  async #writeBatch(digests: readonly Digest[], { source, instance, refused }: Writing): Promise<void> {
    const blobs: RemoteBlob[] = [];
    for (const digest of digests) {
      const bytes = await source.read(digest);
      if (bytes === undefined) refused.set(digest, gone(digest));
      else blobs.push({ digest, bytes });
    }
    if (blobs.length === 0) return;
    const sent = await this.connection.call(this.kind, batchDeadline(digests), ({ transport, ...limits }) =>
      transport.forInstance(instance).writeBatch(blobs, limits),
    );
    if (sent.ok) for (const [digest, error] of sent.value) refused.set(digest, error);
    else for (const { digest } of blobs) refused.set(digest, sent.failure);
  }

  async #writeStream(digest: Digest, { source, instance, refused }: Writing): Promise<void> {
    const sent = await this.connection.stream(this.kind, IDLE_STREAM_MS, ({ transport, progress, ...limits }) => {
      const chunks = watched(untilLost(digest, source.chunks(digest)), progress);
      return transport.forInstance(instance).writeStream(digest, chunks, limits);
    });
    if (!sent.ok) refused.set(digest, sent.failure);
  }
}

const stopped = new RemoteError(STATUS.CANCELLED, 'BatchUpdateBlobs', 'no more is sent');
const gone = (digest: Digest): RemoteError =>
  new RemoteError(STATUS.DATA_LOSS, 'BatchUpdateBlobs', `this machine no longer has the blob ${digest}`);

/** A source that was removed since it was listed, or a blob that the cache has lost. */
const isLoss = (error: unknown): boolean =>
  error instanceof BlobLost || (error as NodeJS.ErrnoException).syscall !== undefined;

async function* untilLost(digest: Digest, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* chunks;
  } catch (error) {
    throw isLoss(error) ? gone(digest) : error;
  }
}
