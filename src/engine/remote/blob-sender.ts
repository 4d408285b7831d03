// Brings blobs to the server that it lacks. Remembers for the run what is there.

import { sizeOf, type Digest } from '../files/digest.js';
import { BlobWriter, type BlobSource } from './blob-writer.js';
import type { Connection } from './connection.js';
import { SMALL_CALL_MS } from './patience.js';
import type { RemoteError } from './transport.js';

export class BlobSender {
  readonly #present = new Set<Digest>();
  readonly #sending = new Map<Digest, Promise<RemoteError | undefined>>();
  readonly #writer: BlobWriter;

  constructor(private readonly connection: Connection) {
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
    const asked = await this.connection.call('read', SMALL_CALL_MS, ({ transport, ...limits }) =>
      transport.forInstance(instance).findMissing(digests, limits),
    );
    if (!asked.ok) return asked.failure;
    const last = digests.at(-1)!;
    const inputs = [...asked.value].filter((digest) => digest !== last);
    let refused = await this.#writer.write(inputs, source, instance);
    if (refused.size === 0 && asked.value.has(last)) refused = await this.#writer.write([last], source, instance);
    if (refused.size === 0) for (const digest of digests) this.#present.add(digest);
    return refused.values().next().value;
  }
}
