// `pyflow cache export`: writes results and all their blobs to one file for another machine.

import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, renameSync } from 'node:fs';
import { fail, succeed, type Failure, type Result } from '../failure.js';
import { EMPTY_DIGEST, hexOf, makeDigest, type ActionKey, type Digest } from '../files/digest.js';
import { Breather } from '../files/new-files.js';
import { privateFileMode } from '../files/private-files.js';
import { removeFile } from '../files/remove-tree.js';
import { TarWriter } from '../files/tar-writer.js';
import { blobName, resultIdOf, resultName, versionEntry } from './archive-format.js';
import { cannotExport, lostWhileExporting, transferAborted } from './archive-failures.js';
import { BlobLost } from './blobs.js';
import { encodeForTravel, ForeignResults } from './foreign-result.js';
import { openLocalStore, type LocalStore } from './local-store.js';
import { readPack } from './pack-file.js';
import { newestOf, type StoredResult } from './results.js';
import { addReferences, listPacks } from './scan.js';
import { newestShareable, type Bond } from './shareable.js';

export interface ExportRequest {
  /** An absolute path. */
  readonly file: string;
  /** The results to export. Absent: all. */
  readonly keys?: readonly ActionKey[];
  readonly keyFormat: number;
  readonly signal: AbortSignal;
}

/** Why a result is not in the file. `missing`: not in the cache, or damaged. `unusable`: another version of pyflow made it. */
export type LeftOut = Bond | 'missing' | 'unusable';

export interface ExportReport {
  readonly results: number;
  readonly blobs: number;
  /** Of the blobs. */
  readonly bytes: number;
  /** Results by the reason why they are not in the file. */
  readonly leftOut: Readonly<Partial<Record<LeftOut, number>>>;
}

export async function exportResults(cacheDir: string, request: ExportRequest): Promise<Result<ExportReport, Failure>> {
  const opened = openLocalStore(cacheDir, { readOnly: true });
  if (!opened.ok) return opened;
  const store = opened.value;
  try {
    const selection = await new Selection(store, request).run();
    if (request.signal.aborted) return fail(transferAborted('export', request.file));
    const failure = await writeArchive(store, selection, request);
    if (failure !== undefined) return fail(failure);
    const { results, blobs, leftOut } = selection;
    const bytes = [...blobs.values()].reduce((sum, size) => sum + size, 0);
    return succeed({ results: results.size, blobs: blobs.size, bytes, leftOut });
  } finally {
    await store.close();
  }
}

/** Chooses the results, and finds the blobs that they need. */
class Selection {
  /** By id, sorted, in the form in which they travel: other runs may replace them in the cache meanwhile. */
  readonly results = new Map<string, Buffer>();
  /** Size in bytes by hash. */
  readonly blobs = new Map<string, number>();
  readonly leftOut: Partial<Record<LeftOut, number>> = {};
  readonly #trees = new Set<Digest>();
  readonly #foreign: ForeignResults;

  constructor(
    private readonly store: LocalStore,
    private readonly request: ExportRequest,
  ) {
    this.#foreign = new ForeignResults(store, request.keyFormat);
  }

  async run(): Promise<this> {
    const { keys, signal } = this.request;
    const hashes = new Set(keys === undefined ? storedHashes(this.store.cacheDir) : keys.map(hexOf));
    const breather = new Breather();
    for (const hash of [...hashes].sort()) {
      await breather.pause();
      if (signal.aborted) break;
      const stored = this.store.resultsOf(hash);
      const found = newestShareable(stored).toSorted((a, b) => (resultIdOf(a) < resultIdOf(b) ? -1 : 1));
      if (found.length === 0) this.#leaveOut(whyNone(stored));
      for (const one of found) await this.#add(one);
    }
    this.blobs.delete(hexOf(EMPTY_DIGEST));
    return this;
  }

  async #add(stored: StoredResult): Promise<void> {
    const bytes = encodeForTravel(stored);
    // What an importer would refuse need not be carried there.
    const checked = await this.#foreign.check(hexOf(stored.key), bytes);
    if (!checked.ok)
      return this.#leaveOut(checked.failure.bond ?? ((await this.store.isComplete(stored)) ? 'unusable' : 'missing'));
    await addReferences(this.store, stored, this.blobs, this.#trees);
    this.results.set(resultIdOf(stored), bytes);
  }

  #leaveOut(why: LeftOut): void {
    this.leftOut[why] = (this.leftOut[why] ?? 0) + 1;
  }
}

function whyNone(stored: readonly StoredResult[]): LeftOut {
  const bound = newestOf(stored)?.result;
  if (bound === undefined) return 'missing';
  if (bound.appId !== undefined || bound.taint === 'secrets') return 'app';
  if (bound.degraded !== undefined) return 'degraded';
  if (bound.taint === 'packed') return 'packed';
  return bound.taint === 'variables' ? 'variables' : 'derived';
}

function storedHashes(cacheDir: string): Set<string> {
  const hashes = new Set<string>();
  for (const { path } of listPacks(cacheDir).resultPacks) for (const { hash } of readPack(path)) hashes.add(hash);
  return hashes;
}

/** Writes beside the target and renames, so that no reader ever finds half a file. */
async function writeArchive(
  store: LocalStore,
  selection: Selection,
  { file, keyFormat, signal }: ExportRequest,
): Promise<Failure | undefined> {
  const temporary = `${file}.${randomBytes(6).toString('hex')}.tmp`;
  let fd: number | undefined;
  try {
    fd = openSync(temporary, 'wx', privateFileMode(temporary));
    const tar = new TarWriter(fd);
    const [name, version] = versionEntry(keyFormat);
    tar.entry(name, version.length);
    tar.content(version);
    await writeBlobs(store, selection.blobs, tar, signal);
    await writeResults(selection.results, tar, signal);
    tar.end();
    fsyncSync(fd);
    signal.throwIfAborted();
    renameSync(temporary, file);
    return undefined;
  } catch (error) {
    if (fd !== undefined) removeFile(temporary);
    if (signal.aborted) return transferAborted('export', file);
    return error instanceof BlobLost ? lostWhileExporting(store.cacheDir, error) : cannotExport(file, error);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

async function writeBlobs(
  store: LocalStore,
  blobs: ReadonlyMap<string, number>,
  tar: TarWriter,
  signal: AbortSignal,
): Promise<void> {
  const breather = new Breather();
  for (const hash of [...blobs.keys()].sort()) {
    const digest = makeDigest(hash, blobs.get(hash) as number);
    tar.entry(blobName(digest), blobs.get(hash) as number);
    for await (const chunk of store.chunks(digest)) {
      signal.throwIfAborted();
      tar.content(chunk);
    }
    await breather.pause();
  }
}

async function writeResults(results: ReadonlyMap<string, Buffer>, tar: TarWriter, signal: AbortSignal): Promise<void> {
  const breather = new Breather();
  for (const [id, bytes] of results) {
    signal.throwIfAborted();
    tar.entry(resultName(id), bytes.length);
    tar.content(bytes);
    await breather.pause();
  }
}
