// `pyflow cache import`: reads a file of results from another machine. The file is untrusted: each blob must match its digest, and
// each result must be what this version would have stored, before the next one is read.

import { createReadStream } from 'node:fs';
import { fail, FailureError, succeed, type Failure, type Result } from '../failure.js';
import { sizeOf } from '../files/digest.js';
import { Breather } from '../files/new-files.js';
import { TarError, TarReader, type TarEntry } from '../files/tar-reader.js';
import { isInOrder, readEntryName, readVersion, resultIdOf, resultName, type ArchiveEntry } from './archive-format.js';
import {
  cannotRead,
  cannotStoreImport,
  notAnExport,
  otherVersion,
  refusedImport,
  transferAborted,
} from './archive-failures.js';
import type { BlobReceiver } from './blob-receiver.js';
import { ForeignResults } from './foreign-result.js';
import { openLocalStore, type LocalStore } from './local-store.js';
import { PlaceError } from './place-error.js';
import type { StoredResult } from './results.js';
import { newestShareable } from './shareable.js';

export interface ImportRequest {
  /** An absolute path. */
  readonly file: string;
  readonly keyFormat: number;
  readonly now: number;
  readonly signal: AbortSignal;
  /** Called at the end, after a failure too, because what came before it stays in the cache. */
  readonly keepQuota?: (bytesWritten: number) => Promise<void>;
}

/** What was new. What the cache had already is counted by `known`. */
export interface ImportReport {
  readonly results: number;
  readonly blobs: number;
  /** Of the blobs. */
  readonly bytes: number;
  readonly known: { readonly results: number; readonly blobs: number };
}

const READ_BYTES = 1024 * 1024;

export async function importResults(cacheDir: string, request: ImportRequest): Promise<Result<ImportReport, Failure>> {
  const problems: string[] = [];
  const opened = openLocalStore(cacheDir, {
    onWarning: (code, text) => void (UNSTORABLE.has(code) && problems.push(text)),
  });
  if (!opened.ok) return opened;
  const store = opened.value;
  const archive = new Import(store, request, problems);
  const failed = await archive.run();
  const notStored = await closeStore(store);
  await request.keepQuota?.(store.bytesWritten);
  const failure = failed ?? notStored;
  return failure === undefined ? succeed(archive.report) : fail(failure);
}

/** Fails if the last blobs had nowhere to go. */
async function closeStore(store: LocalStore): Promise<Failure | undefined> {
  try {
    await store.close();
    return undefined;
  } catch (error) {
    if (!(error instanceof FailureError)) throw error;
    return cannotStoreImport(store.cacheDir, error.failure.detail);
  }
}

/** Notices that mean that the cache keeps nothing of what is written to it. */
const UNSTORABLE: ReadonlySet<string> = new Set(['cache::read-only', 'cache::not-stored']);

/** Stops the import with a failure. */
class Stop extends Error {
  constructor(readonly failure: Failure) {
    super(failure.title);
  }
}

class Import {
  readonly report = { results: 0, blobs: 0, bytes: 0, known: { results: 0, blobs: 0 } };
  readonly #foreign: ForeignResults;
  /** Complete entries, which have to be checked before more is read. */
  readonly #arrived: { readonly id: string; readonly hash: string; readonly bytes: Buffer }[] = [];
  #last: ArchiveEntry | undefined;
  #name = '';
  #receiver: BlobReceiver | undefined;
  #pieces: Buffer[] = [];

  constructor(
    private readonly store: LocalStore,
    private readonly request: ImportRequest,
    private readonly problems: readonly string[],
  ) {
    this.#foreign = new ForeignResults(store, request.keyFormat);
  }

  async run(): Promise<Failure | undefined> {
    const { file, signal } = this.request;
    const tar = new TarReader({ onEntry: (entry) => this.#begin(entry), onEnd: () => this.#end() });
    try {
      this.#checkStore();
      for await (const chunk of createReadStream(file, { highWaterMark: READ_BYTES, signal })) {
        tar.write(chunk as Buffer);
        await this.#storeArrived();
      }
      tar.end();
      if (this.#last === undefined) throw new TarError('it has no entries');
      return undefined;
    } catch (error) {
      return this.#failureOf(error);
    } finally {
      this.#receiver?.discard();
    }
  }

  #failureOf(error: unknown): Failure {
    const { file, signal } = this.request;
    if (signal.aborted) return transferAborted('import', file);
    if (error instanceof Stop) return error.failure;
    const { cacheDir } = this.store;
    if (error instanceof PlaceError) return cannotStoreImport(cacheDir, error.message);
    if (error instanceof FailureError) return cannotStoreImport(cacheDir, error.failure.detail);
    if ((error as NodeJS.ErrnoException).syscall !== undefined) return cannotRead(file, error);
    if (!(error instanceof TarError)) throw error;
    const { message } = error;
    return this.#last === undefined
      ? notAnExport(file, `It can't be read as tar: ${message}.`)
      : this.#refusal(message);
  }

  #refusal(problem: string): Failure {
    return refusedImport(this.request.file, this.#name, problem);
  }

  #refuse(problem: string): Stop {
    return new Stop(this.#refusal(problem));
  }

  #begin({ name, type, typeName, size }: TarEntry): (chunk: Buffer) => void {
    const entry = type === 'file' ? readEntryName(name, size) : undefined;
    if (this.#last === undefined && entry?.type !== 'version')
      throw new Stop(notAnExport(this.request.file, 'It does not start with the entry that such a file starts with.'));
    // A name from the file is shown only if this version could have written it.
    if (entry === undefined) {
      this.#name = 'An entry';
      throw this.#refuse(type === 'file' ? 'it has a name or a size that no such file has' : `it is ${typeName}`);
    }
    this.#name = name;
    if (this.#last !== undefined && !isInOrder(this.#last, entry))
      throw this.#refuse('it appears twice or out of order');
    this.#last = entry;
    this.#pieces = [];
    if (entry.type !== 'blob') return (chunk) => void this.#pieces.push(Buffer.from(chunk));
    const receiver = this.store.receive(entry.digest);
    this.#receiver = receiver;
    return (chunk) => receiver.write(chunk);
  }

  #end(): void {
    const entry = this.#last as ArchiveEntry;
    if (entry.type === 'blob') return this.#endBlob();
    const bytes = Buffer.concat(this.#pieces);
    this.#pieces = [];
    if (entry.type === 'result') return void this.#arrived.push({ ...entry, bytes });
    const { file, keyFormat } = this.request;
    const version = readVersion(bytes, keyFormat);
    if (version === undefined) throw new Stop(notAnExport(file, 'Its first entry does not state a version.'));
    if (version === 'other') throw new Stop(otherVersion(file));
  }

  #endBlob(): void {
    const receiver = this.#receiver as BlobReceiver;
    if (!receiver.finish()) throw this.#refuse('its content does not match its name');
    this.#receiver = undefined;
    this.#checkStore();
    if (!receiver.isNew) this.report.known.blobs++;
    else {
      this.report.blobs++;
      this.report.bytes += sizeOf(receiver.digest);
    }
  }

  async #storeArrived(): Promise<void> {
    const breather = new Breather();
    for (const { id, hash, bytes } of this.#arrived.splice(0)) {
      await breather.pause();
      this.request.signal.throwIfAborted();
      this.#name = resultName(id);
      const checked = await this.#foreign.check(hash, bytes);
      if (!checked.ok) throw this.#refuse(checked.failure.problem);
      const { stored, record } = checked.value;
      if (resultIdOf(stored) !== id) throw this.#refuse('it is bound to another builder than its name');
      const { key, result } = stored;
      if (await this.#isKnown(stored)) {
        this.report.known.results++;
        continue;
      }
      // A time in the future would defeat `maxAge`.
      await this.store.publish(key, { ...result, storedAt: Math.min(result.storedAt, this.request.now) }, record);
      this.#checkStore();
      this.report.results++;
    }
  }

  async #isKnown({ key, result }: StoredResult): Promise<boolean> {
    const known = newestShareable(this.store.resultsOf(key)).find((one) => one.result.builder === result.builder);
    return known !== undefined && (await this.store.isComplete(known));
  }

  #checkStore(): void {
    const [problem] = this.problems;
    if (problem !== undefined) throw new Stop(cannotStoreImport(this.store.cacheDir, problem));
  }
}
