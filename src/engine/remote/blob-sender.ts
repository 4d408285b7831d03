// Brings blobs to the server that it lacks. Remembers for the run what is there.

import type { Result } from '../failure.js';
import { sizeOf, type Digest } from '../files/digest.js';
import { BlobWriter, type BlobSource } from './blob-writer.js';
import type { Connection } from './connection.js';
import { Gatherer } from './gatherer.js';
import { SMALL_CALL_MS } from './patience.js';
import { splitBatches, type RemoteError } from './transport.js';

/** Others that ask meanwhile are answered together by the next. */
const ROUNDS_AT_ONCE = 2;

interface BlobToSend {
  readonly digest: Digest;
  readonly source: BlobSource;
}

type Refused = ReadonlyMap<Digest, RemoteError>;

/** Nodes that start together share the calls. */
export class BlobSender {
  readonly #present = new Set<Digest>();
  readonly #sending = new Map<Digest, Promise<RemoteError | undefined>>();
  readonly #writer: BlobWriter;
  readonly #finding = new Gatherer(ROUNDS_AT_ONCE, (digests: readonly Digest[]) => this.#findMissing(digests));
  readonly #writing = new Gatherer(ROUNDS_AT_ONCE, (blobs: readonly BlobToSend[]) => this.#writeSmall(blobs));

  constructor(
    private readonly connection: Connection,
    private readonly instance: string,
  ) {
    // What stops it stops the executor, and no uploads of the cache.
    this.#writer = new BlobWriter(connection, 'read');
  }

  /** The server has lost them after all. */
  forget(digests: Iterable<Digest>): void {
    for (const digest of digests) this.#present.delete(digest);
  }

  /**
   * Resolves when the server has all of them, or with the reason why not. The last one is sent after all others, because a server
   * may refuse an Action whose inputs it lacks.
   */
  async send(digests: readonly Digest[], source: BlobSource): Promise<RemoteError | undefined> {
    const unknown = [...new Set(digests)].filter((digest) => sizeOf(digest) > 0 && !this.#present.has(digest));
    // What another node sends already needs no second time.
    const waiting = unknown.flatMap((digest) => this.#sending.get(digest) ?? []);
    const own = unknown.filter((digest) => !this.#sending.has(digest));
    if (own.length > 0) {
      const work = this.#sendAll(own, source).finally(() => {
        for (const digest of own) this.#sending.delete(digest);
      });
      for (const digest of own) this.#sending.set(digest, work);
      waiting.push(work);
    }
    return (await Promise.all(new Set(waiting))).find((error) => error !== undefined);
  }

  async #sendAll(digests: readonly Digest[], source: BlobSource): Promise<RemoteError | undefined> {
    await this.connection.whenReady();
    const asked = await this.#finding.ask(digests);
    if (!asked.ok) return asked.failure;
    const missing = digests.filter((digest) => asked.value.has(digest));
    const last = digests.at(-1)!;
    const inputs = missing.filter((digest) => digest !== last);
    let error = await this.#write(inputs, source);
    if (error === undefined && asked.value.has(last)) error = await this.#write([last], source);
    if (error === undefined) for (const digest of digests) this.#present.add(digest);
    return error;
  }

  #findMissing(digests: readonly Digest[]): Promise<Result<ReadonlySet<Digest>, RemoteError>> {
    return this.connection.call('read', SMALL_CALL_MS, ({ transport, ...limits }) =>
      transport.forInstance(this.instance).findMissing(digests, limits),
    );
  }

  /** Large blobs go in calls of their own, so that small ones of other nodes don't wait for them. */
  async #write(digests: readonly Digest[], source: BlobSource): Promise<RemoteError | undefined> {
    if (digests.length === 0) return undefined;
    const { batches, streams } = splitBatches(digests, this.connection.batchBytes);
    const small = batches.flat().map((digest) => ({ digest, source }));
    const refusals = await Promise.all([
      small.length === 0 ? nothing : this.#writing.ask(small),
      streams.length === 0 ? nothing : this.#writer.write(streams, source, this.instance),
    ]);
    // Others have asked for some of what was refused.
    return digests.flatMap((digest) => refusals.map((refused) => refused.get(digest))).find((one) => one !== undefined);
  }

  #writeSmall(blobs: readonly BlobToSend[]): Promise<Refused> {
    const sources = new Map(blobs.map(({ digest, source }) => [digest, source]));
    const source: BlobSource = {
      read: (digest) => sources.get(digest)!.read(digest),
      chunks: (digest) => sources.get(digest)!.chunks(digest),
    };
    return this.#writer.write([...sources.keys()], source, this.instance);
  }
}

const nothing: Refused = new Map();
