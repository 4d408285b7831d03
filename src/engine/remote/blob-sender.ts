// Brings blobs to the server that it lacks. Remembers for the run what is there.

import { sizeOf, type Digest } from '../files/digest.js';
import { BlobLost } from '../store/blobs.js';
import { batchDeadline } from './blob-fetcher.js';
import { watched, type Connection } from './connection.js';
import { Slots } from './slots.js';
import { RemoteError, splitBatches, STATUS, type RemoteBlob } from './transport.js';

/** Where the bytes of blobs come from. */
export interface BlobSource {
  /** Undefined if the bytes are gone. */
  read(digest: Digest): Promise<Uint8Array | undefined>;
  /** For blobs that don't fit a batch. */
  chunks(digest: Digest): AsyncIterable<Uint8Array>;
}

const BATCHES_AT_ONCE = 4;
const FIND_MS = 10_000;
const IDLE_STREAM_MS = 30_000;

export class BlobSender {
  readonly #present = new Set<Digest>();
  readonly #sending = new Map<Digest, Promise<RemoteError | undefined>>();
  readonly #slots = new Slots(BATCHES_AT_ONCE);

  constructor(private readonly connection: Connection) {}

  /** The server has lost them after all. */
  forget(digests: Iterable<Digest>): void {
    for (const digest of digests) this.#present.delete(digest);
  }

  /**
   * Resolves when the server has all of them, or with the reason why not. The last one is sent after all others, because a server
   * may refuse an Action whose inputs it lacks.
   */
  async send(digests: readonly Digest[], source: BlobSource, instance: string): Promise<RemoteError | undefined> {
    const unknown = [...new Set(digests)].filter((digest) => sizeOf(digest) > 0 && !this.#present.has(digest));
    // What another node sends already needs no second time.
    const waiting = unknown.flatMap((digest) => this.#sending.get(digest) ?? []);
    const own = unknown.filter((digest) => !this.#sending.has(digest));
    if (own.length > 0) {
      const work = this.#sendAll(own, source, instance).finally(() => {
        for (const digest of own) this.#sending.delete(digest);
      });
      for (const digest of own) this.#sending.set(digest, work);
      waiting.push(work);
    }
    return (await Promise.all(new Set(waiting))).find((error) => error !== undefined);
  }

  async #sendAll(digests: readonly Digest[], source: BlobSource, instance: string): Promise<RemoteError | undefined> {
    await this.connection.whenReady();
    const asked = await this.connection.call('read', FIND_MS, ({ transport, ...limits }) =>
      transport.forInstance(instance).findMissing(digests, limits),
    );
    if (!asked.ok) return asked.failure;
    const last = digests.at(-1)!;
    const error =
      (await this.#sendMissing(
        [...asked.value].filter((digest) => digest !== last),
        source,
        instance,
      )) ?? (asked.value.has(last) ? await this.#sendMissing([last], source, instance) : undefined);
    if (error === undefined) for (const digest of digests) this.#present.add(digest);
    return error;
  }

  async #sendMissing(
    digests: readonly Digest[],
    source: BlobSource,
    instance: string,
  ): Promise<RemoteError | undefined> {
    const { batches, streams } = splitBatches(digests, this.connection.batchBytes);
    const errors = await Promise.all([
      ...batches.map((batch) => this.#slots.use(() => this.#sendBatch(batch, source, instance))),
      ...streams.map((digest) => this.#slots.use(() => this.#sendStream(digest, source, instance))),
    ]);
    return errors.find((one) => one !== undefined);
  }

  async #sendBatch(digests: readonly Digest[], source: BlobSource, instance: string): Promise<RemoteError | undefined> {
    const blobs: RemoteBlob[] = [];
    for (const digest of digests) {
      const bytes = await source.read(digest);
      if (bytes === undefined) return gone(digest);
      blobs.push({ digest, bytes });
    }
    const sent = await this.connection.call('read', batchDeadline(digests), ({ transport, ...limits }) =>
      transport.forInstance(instance).writeBatch(blobs, limits),
    );
    return sent.ok ? sent.value.values().next().value : sent.failure;
  }

  async #sendStream(digest: Digest, source: BlobSource, instance: string): Promise<RemoteError | undefined> {
    const sent = await this.connection.stream('read', IDLE_STREAM_MS, ({ transport, progress, ...limits }) =>
      transport
        .forInstance(instance)
        .writeStream(digest, watched(untilLost(digest, source.chunks(digest)), progress), limits),
    );
    return sent.ok ? undefined : sent.failure;
  }
}

const gone = (digest: Digest): RemoteError =>
  new RemoteError(STATUS.DATA_LOSS, 'BatchUpdateBlobs', `this machine no longer has the input ${digest}`);

/** A source that was removed since it was listed, or a blob that the cache has lost: the action runs here and says so. */
const isLoss = (error: unknown): boolean =>
  error instanceof BlobLost || (error as NodeJS.ErrnoException).syscall !== undefined;

async function* untilLost(digest: Digest, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* chunks;
  } catch (error) {
    throw isLoss(error) ? gone(digest) : error;
  }
}
