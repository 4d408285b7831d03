// Fetches blobs into the local store: each once, in large batches, with every byte checked.

import type { Digest } from '../files/digest.js';
import type { LocalStore } from '../store/local-store.js';
import { watched, type Calling, type Connection } from './connection.js';
import { batchDeadline, IDLE_STREAM_MS } from './patience.js';
import { BATCHES_AT_ONCE, Slots } from './slots.js';
import { RemoteError, splitBatches, STATUS } from './transport.js';

/** Statuses that say that the server doesn't have the blob. */
const GONE: ReadonlySet<number> = new Set([STATUS.NOT_FOUND, STATUS.DATA_LOSS, STATUS.OUT_OF_RANGE]);

/** Where blobs go, and the `instance_name` of the server where they are. */
interface Place {
  readonly store: LocalStore;
  readonly instance: string;
}

export class BlobFetcher {
  /** Blobs that the server did not give, although it had a result that names them. */
  readonly lost = new Set<Digest>();
  readonly #arriving = new Map<Digest, Promise<void>>();
  readonly #slots = new Slots(BATCHES_AT_ONCE);

  constructor(private readonly connection: Connection) {}

  /** Fetches those that the store lacks. Returns those that are not to be had. */
  async fetch(store: LocalStore, digests: Iterable<Digest>, instance: string): Promise<ReadonlySet<Digest>> {
    const wanted = store.missingOf(digests);
    const fresh = wanted.filter((digest) => !this.#arriving.has(digest) && !this.lost.has(digest));
    if (fresh.length > 0) this.#start({ store, instance }, fresh);
    await Promise.all(new Set(wanted.map((digest) => this.#arriving.get(digest))));
    return new Set(store.missingOf(wanted));
  }

  #start(place: Place, digests: readonly Digest[]): void {
    const work = this.#fetchAll(place, digests).finally(() => {
      for (const digest of digests) this.#arriving.delete(digest);
    });
    for (const digest of digests) this.#arriving.set(digest, work);
  }

  async #fetchAll(place: Place, digests: readonly Digest[]): Promise<void> {
    await this.connection.whenReady();
    const { batches, streams } = splitBatches(digests, this.connection.batchBytes);
    await Promise.all([
      ...batches.map((batch) => this.#slots.use(() => this.#fetchBatch(place, batch))),
      ...streams.map((digest) => this.#slots.use(() => this.#fetchStream(place, digest))),
    ]);
  }

  async #fetchBatch({ store, instance }: Place, digests: readonly Digest[]): Promise<void> {
    for (const [digest, bytes] of await this.readBatch(digests, instance)) store.write(digest, bytes);
  }

  /** The bytes of those that the server has, in memory. */
  async fetchBytes(digests: readonly Digest[], instance: string): Promise<ReadonlyMap<Digest, Buffer>> {
    const found = new Map<Digest, Buffer>();
    if (digests.length === 0) return found;
    await this.connection.whenReady();
    const { batches, streams } = splitBatches(digests, this.connection.batchBytes);
    for (const batch of batches)
      for (const [digest, bytes] of await this.readBatch(batch, instance)) found.set(digest, bytes);
    for (const digest of streams) {
      const read = await this.connection.stream('read', IDLE_STREAM_MS, ({ transport, ...calling }) =>
        bytesOf(digest, { ...calling, transport: transport.forInstance(instance) }),
      );
      if (read.ok) found.set(digest, read.value);
    }
    return found;
  }

  /** The bytes of those that the server has. They must fit a batch. */
  async readBatch(digests: readonly Digest[], instance: string): Promise<ReadonlyMap<Digest, Buffer>> {
    const read = await this.connection.call('read', batchDeadline(digests), ({ transport, ...limits }) =>
      transport.forInstance(instance).readBatch(digests, limits),
    );
    if (!read.ok) {
      // Some servers fail a whole batch for one missing blob. Whatever the reason, asking again would not end.
      if (read.failure.status !== STATUS.CANCELLED) for (const digest of digests) this.lost.add(digest);
      return new Map();
    }
    for (const [digest, { status }] of read.value.failed) if (GONE.has(status)) this.lost.add(digest);
    return read.value.blobs;
  }

  async #fetchStream({ store, instance }: Place, digest: Digest): Promise<void> {
    const received = await this.connection.stream('read', IDLE_STREAM_MS, ({ transport, ...calling }) =>
      receive(store, digest, { ...calling, transport: transport.forInstance(instance) }),
    );
    if (!received.ok && received.failure.status !== STATUS.CANCELLED) this.lost.add(digest);
  }
}

async function receive(store: LocalStore, digest: Digest, { transport, progress, ...limits }: Calling): Promise<void> {
  if (!(await store.receiveFrom(digest, () => watched(transport.readStream(digest, limits), progress))))
    throw new RemoteError(STATUS.DATA_LOSS, 'Read', `the server sent other bytes for ${digest}`);
}

async function bytesOf(digest: Digest, { transport, progress, ...limits }: Calling): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of watched(transport.readStream(digest, limits), progress)) chunks.push(chunk);
  return Buffer.concat(chunks);
}
