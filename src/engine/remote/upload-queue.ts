// Uploads results behind the back of a run: what is queued goes up together, blobs first, each result after its blobs.

import { sizeOf, type ActionKey, type Digest } from '../files/digest.js';
import type { LocalStore } from '../store/local-store.js';
import { BlobWriter, type BlobSource } from './blob-writer.js';
import type { Connection } from './connection.js';
import { SMALL_CALL_MS } from './patience.js';
import { Slots } from './slots.js';
import { STATUS, type RemoteError } from './transport.js';

/** A result on its way. Preparing it takes time, so the queue does that. Undefined if the store has lost a part of it. */
export type Upload = () => Promise<PreparedUpload | undefined>;

export interface PreparedUpload {
  /** Key of the action on the server. */
  readonly key: ActionKey;
  /** Encoded ActionResult. */
  readonly result: Uint8Array;
  /** Blobs that the store may lack. */
  readonly blobs: ReadonlyMap<Digest, Uint8Array>;
  /** Blobs that are in the store. */
  readonly stored: readonly Digest[];
}

const RESULTS_AT_ONCE = 32;
/** Of uploads that are handled together, so that the first results arrive before the last blobs. */
const MOST_TOGETHER = 200;

/** Uploads that are handled together, and where their blobs are. */
interface Round {
  readonly inMemory: ReadonlyMap<Digest, Uint8Array>;
  readonly needs: ReadonlyMap<PreparedUpload, readonly Digest[]>;
}

export class UploadQueue {
  #offered = 0;
  #uploaded = 0;
  readonly #waiting: Upload[] = [];
  /** On the server, as far as this run knows. */
  readonly #present = new Set<Digest>();
  readonly #writer: BlobWriter;
  readonly #resultSlots = new Slots(RESULTS_AT_ONCE);
  #worker: Promise<void> | undefined;
  /** The time for uploads is over. */
  #isOver = false;

  constructor(
    private readonly connection: Connection,
    private readonly instance: string,
    private readonly store: () => LocalStore,
  ) {
    this.#writer = new BlobWriter(connection, 'write');
  }

  get uploaded(): number {
    return this.#uploaded;
  }

  get notUploaded(): number {
    return this.#offered - this.#uploaded;
  }

  /** Returns at once. */
  offer(upload: Upload): void {
    this.#offered++;
    if (this.#isStopped) return;
    this.#waiting.push(upload);
    this.#worker ??= this.#work().finally(() => (this.#worker = undefined));
    // `drain` reports what goes wrong in it.
    this.#worker.catch(() => undefined);
  }

  get #isStopped(): boolean {
    return this.#isOver || this.connection.isOff('write');
  }

  /** Waits until all is uploaded, or for this long. Nothing new begins then, and what is in flight ends with the connection. */
  async drain(limitMs: number): Promise<void> {
    if (this.#worker === undefined) return;
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<void>((resolve) => {
      timer = setTimeout(() => {
        this.#isOver = true;
        resolve();
      }, limitMs);
    });
    await Promise.race([this.#worker, limit]);
    clearTimeout(timer);
  }

  async #work(): Promise<void> {
    // The first node of a group shouldn't go alone: others are published in the same turn of the event loop.
    await new Promise((resume) => setImmediate(resume));
    while (this.#waiting.length > 0 && !this.#isStopped)
      await this.#uploadTogether(this.#waiting.splice(0, MOST_TOGETHER));
  }

  async #uploadTogether(offered: readonly Upload[]): Promise<void> {
    const uploads: PreparedUpload[] = [];
    for (const prepare of offered) {
      const prepared = this.#isStopped ? undefined : await prepare();
      if (prepared !== undefined) uploads.push(prepared);
    }
    const round = roundOf(uploads);
    const failed = new Set<Digest>();
    await this.connection.whenReady();
    const missing = await this.#missingOf(new Set([...round.needs.values()].flat()));
    if (missing === undefined) return;
    await this.#sendBlobs(round, missing, failed);
    await Promise.all(uploads.map((upload) => this.#resultSlots.use(() => this.#sendResult(round, upload, failed))));
  }

  /** Undefined if the server can't be asked. */
  async #missingOf(digests: ReadonlySet<Digest>): Promise<readonly Digest[] | undefined> {
    const unknown = [...digests].filter((digest) => !this.#present.has(digest));
    if (unknown.length === 0) return [];
    const asked = await this.connection.call('write', SMALL_CALL_MS, ({ transport, ...limits }) =>
      transport.findMissing(unknown, limits),
    );
    if (!asked.ok) return undefined;
    for (const digest of unknown) if (!asked.value.has(digest)) this.#present.add(digest);
    return [...asked.value];
  }

  async #sendBlobs(round: Round, digests: readonly Digest[], failed: Set<Digest>): Promise<void> {
    const refused = await this.#writer.write(digests, this.#sourceOf(round), this.instance);
    for (const digest of digests) (refused.has(digest) ? failed : this.#present).add(digest);
  }

  #sourceOf({ inMemory }: Round): BlobSource {
    return {
      isStopped: () => this.#isStopped,
      read: async (digest) => inMemory.get(digest) ?? (await this.store().read(digest)),
      chunks: (digest) => {
        const bytes = inMemory.get(digest);
        return bytes === undefined ? this.store().chunks(digest) : once(bytes);
      },
    };
  }

  async #sendResult(round: Round, upload: PreparedUpload, failed: ReadonlySet<Digest>): Promise<void> {
    const needs = round.needs.get(upload) ?? [];
    if (this.#isStopped || needs.some((digest) => failed.has(digest))) return;
    let error = await this.#put(upload);
    if (error?.status === STATUS.FAILED_PRECONDITION) {
      // The server has lost a blob since it was asked.
      const again = new Set<Digest>();
      await this.#sendBlobs(round, needs, again);
      if (again.size === 0) error = await this.#put(upload);
    }
    if (error === undefined) this.#uploaded++;
  }

  async #put({ key, result }: PreparedUpload): Promise<RemoteError | undefined> {
    const put = await this.connection.call('write', SMALL_CALL_MS, ({ transport, ...limits }) =>
      transport.putResult(key, result, limits),
    );
    return put.ok ? undefined : put.failure;
  }
}

function roundOf(uploads: readonly PreparedUpload[]): Round {
  const inMemory = new Map<Digest, Uint8Array>();
  const needs = new Map<PreparedUpload, readonly Digest[]>();
  for (const upload of uploads) {
    const { blobs, stored } = upload;
    for (const [digest, bytes] of blobs) inMemory.set(digest, bytes);
    // Servers have the empty blob.
    needs.set(
      upload,
      [...new Set([...blobs.keys(), ...stored])].filter((digest) => sizeOf(digest) > 0),
    );
  }
  return { inMemory, needs };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
