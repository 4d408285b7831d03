// The store on disk, as one run sees it: blobs, results, and what to do when the disk fails.

import { randomBytes } from 'node:crypto';
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { canonicalJSON } from '../../manifests/json-schema.js';
import { digestOf, hexOf, makeDigest, type ActionKey, type Digest } from '../files/digest.js';
import { fail, FailureError, succeed, type Failure, type Result } from '../failure.js';
import { currentBootId } from '../files/host-id.js';
import { tombstonesOf, type KeyTimes } from './key-times.js';
import { loadLayer } from '../trees/layers.js';
import { tagCache } from '../files/own-folders.js';
import { createPrivateFolder, removePrivateFolder } from '../files/private-folders.js';
import type { Watch } from '../secrets/output-scanner.js';
import type { MountTable } from '../files/shared-mount.js';
import type { BlobReceiver } from './blob-receiver.js';
import { BlobFolder } from './blobs.js';
import { refusedPlace } from './cache-place.js';
import { PlaceError } from './place-error.js';
import { cacheUnusable, noRoomForBlobs } from '../files/file-failures.js';
import { blobsOf, ResultFolder, type StoredResult } from './results.js';
import {
  isFor,
  type ActionCache,
  type ActionResult,
  type Asker,
  type KeyRecord,
  type PublishOptions,
} from './store.js';
import type { BlobStore } from '../trees/blob-store.js';
import type { FileForm } from '../files/new-files.js';
import type { DirectoryTable } from '../trees/tree.js';
import { makePrivateFolder, noteCacheRoot } from '../files/private-files.js';

export interface LocalStoreOptions {
  readonly readOnly?: boolean;
  /** Something is wrong with the cache, but the run goes on. Called once for each code and place. */
  readonly onWarning?: (code: string, text: string) => void;
  readonly clock?: { now(): number };
  readonly bootId?: string;
  /** Name of this host, for results that only one host can use. */
  readonly hostId?: string;
  readonly runId?: string;
  readonly mounts?: MountTable;
  /** Gets blobs that the store lacks from elsewhere. Absent if there is no such place. */
  readonly supplier?: BlobSupplier;
}

/** Where a store gets blobs that it lacks. */
export interface BlobSupplier {
  /** Whether the place is thought to have the blob. */
  mayHave(digest: Digest): boolean;
  /** Writes what the store lacks of them to the store, as far as they can be had. */
  supply(digests: readonly Digest[]): Promise<void>;
}

export interface LocalStore extends BlobStore, ActionCache {
  readonly cacheDir: string;
  readonly runId: string;
  readonly hostId: string;
  readonly readOnly: boolean;
  /** Bytes that this run wrote. They decide whether to check the quota. */
  readonly bytesWritten: number;
  /** After this, other processes find all blobs written so far. `publish` flushes too. */
  flush(): void;
  close(): Promise<void>;
  /** The stored form of the newest result that `isWanted` accepts, whichever host or boot it comes from. */
  inspect(key: ActionKey | string, isWanted?: (stored: StoredResult) => boolean): StoredResult | undefined;
  /** All undamaged results of the key, in no particular order. Newer ones may supersede some of them. */
  resultsOf(key: ActionKey | string): readonly StoredResult[];
  prefetch(digests: readonly Digest[]): Promise<void>;
  /** Those that are not in the store, each once. Doesn't ask the supplier. */
  missingOf(digests: Iterable<Digest>): readonly Digest[];
  /** Whether the blob is present and undamaged. Hashes it unless it is known to be. */
  check(digest: Digest): Promise<boolean>;
  /** Whether all blobs of a result are present and undamaged. Hashes those that are not known to be. */
  isComplete(stored: StoredResult): Promise<boolean>;
  /** See `BlobFolder.chunks`. */
  chunks(digest: Digest): AsyncIterable<Buffer>;
  /** Starts to store a blob that arrives in pieces. Throws `PlaceError` if the store can't be written. */
  receive(digest: Digest): BlobReceiver;
  /**
   * Stores a blob from a source of its bytes, which is opened again if the cache can't be written. False if the bytes don't match
   * the digest. Throws what the source throws.
   */
  receiveFrom(digest: Digest, open: () => AsyncIterable<Buffer>): Promise<boolean>;
  /** For a clean-up: the ledger of trusted blobs, without those that it removes. */
  trustRecords(isKept: (hash: string) => boolean): Buffer;
}

export function openLocalStore(cacheDir: string, options: LocalStoreOptions = {}): Result<LocalStore, Failure> {
  const onWarning = options.onWarning ?? (() => undefined);
  let readOnly = options.readOnly ?? false;
  // Reading alone needs no agreement between machines.
  const refused = readOnly ? undefined : refusedPlace(cacheDir, options.mounts);
  if (refused !== undefined) return fail(refused);
  try {
    if (!readOnly) {
      makePrivateFolder(cacheDir);
      tagCache(cacheDir);
    } else if (existsSync(cacheDir) && !statSync(cacheDir).isDirectory()) throw new Error('It is not a directory.');
    if (!readOnly) accessSync(cacheDir, constants.W_OK);
  } catch (error) {
    if (!UNWRITABLE.has((error as NodeJS.ErrnoException).code ?? '')) return fail(cacheUnusable(cacheDir, error));
    readOnly = true;
    onWarning(
      'cache::read-only',
      `The cache ${cacheDir} is not writable. pyflow does not keep the results of this run.`,
    );
  }
  noteCacheRoot(cacheDir);
  return succeed(new DiskStore(cacheDir, { ...options, onWarning, readOnly }));
}

const UNWRITABLE = new Set(['EROFS', 'EACCES', 'EPERM', 'ENOSPC', 'EDQUOT', 'ENOENT']);

const asNoRoom = (error: unknown): unknown =>
  error instanceof PlaceError ? new FailureError(noRoomForBlobs(error)) : error;

class DiskStore implements LocalStore {
  readonly runId: string;
  readonly hostId: string;
  readonly readOnly: boolean;
  private readonly bootId: string;
  private readonly shared: BlobFolder;
  private readonly results: ResultFolder;
  private readonly tombstones: KeyTimes;
  /** Holds this run's blobs if the cache can't. Removed at the end of the run. */
  private private: { readonly folder: BlobFolder; readonly root: string } | undefined;
  private readonly warned = new Set<string>();
  /** Blobs that were found undamaged since this store was opened. */
  private readonly complete = new Set<Digest>();

  constructor(
    readonly cacheDir: string,
    private readonly options: LocalStoreOptions & { readonly readOnly: boolean },
  ) {
    this.readOnly = options.readOnly;
    this.runId = options.runId ?? `${Date.now().toString(36)}-${process.pid}-${randomBytes(4).toString('hex')}`;
    this.hostId = options.hostId ?? hostname();
    this.bootId = options.bootId ?? currentBootId();
    this.shared = new BlobFolder(cacheDir, {
      run: this.runId,
      bootId: this.bootId,
      readOnly: this.readOnly,
      onDamage: (digest) => this.warnDamaged(`blob ${digest}`),
    });
    this.results = new ResultFolder(cacheDir, this.runId, this.readOnly);
    this.tombstones = tombstonesOf(cacheDir);
  }

  get bytesWritten(): number {
    return this.shared.bytesWritten + this.results.bytesWritten;
  }

  private warn(code: string, text: string): void {
    if (this.warned.has(text)) return;
    this.warned.add(text);
    this.options.onWarning?.(code, text);
  }

  private warnDamaged(what: string): void {
    this.warn('cache::damaged', `The cache held a damaged ${what}. pyflow dropped it and treats it as missing.`);
  }

  has(digest: Digest): boolean {
    return this.private?.folder.has(digest) === true || this.shared.has(digest);
  }

  missingOf(digests: Iterable<Digest>): readonly Digest[] {
    const missing = this.shared.missingOf(digests);
    return this.private?.folder.missingOf(missing) ?? missing;
  }

  async read(digest: Digest): Promise<Buffer | undefined> {
    return (await this.readOwn(digest)) ?? ((await this.isSupplied(digest)) ? this.readOwn(digest) : undefined);
  }

  private async readOwn(digest: Digest): Promise<Buffer | undefined> {
    return (await this.private?.folder.read(digest)) ?? (await this.shared.read(digest));
  }

  async prefetch(digests: readonly Digest[]): Promise<void> {
    const { supplier } = this.options;
    const known = supplier === undefined ? [] : digests.filter((digest) => supplier.mayHave(digest));
    if (known.length > 0) await supplier?.supply(known);
  }

  /** Whether the supplier was asked for the blob, so that looking again can help. */
  private async isSupplied(digest: Digest): Promise<boolean> {
    if (this.options.supplier?.mayHave(digest) !== true) return false;
    await this.options.supplier.supply([digest]);
    return true;
  }

  write(digest: Digest, bytes: Uint8Array): void {
    if (!this.readOnly && this.private === undefined) {
      try {
        this.shared.write(digest, bytes);
        return;
      } catch (error) {
        this.giveUpSharing(error);
      }
    }
    this.privately(({ folder }) => folder.write(digest, bytes));
  }

  async writeFile(path: string, watch?: Watch): Promise<Digest> {
    if (!this.readOnly && this.private === undefined) {
      try {
        return await this.shared.writeFile(path, watch);
      } catch (error) {
        if (!(error instanceof PlaceError)) throw error;
        this.giveUpSharing(error);
      }
    }
    return this.privately(({ folder }) => folder.writeFile(path, watch)).catch((error: unknown) => {
      throw asNoRoom(error);
    });
  }

  private privately<T>(work: (place: { readonly folder: BlobFolder }) => T): T {
    if (this.private === undefined) this.openPrivate();
    try {
      return work(this.private as { readonly folder: BlobFolder });
    } catch (error) {
      throw asNoRoom(error);
    }
  }

  private openPrivate(): void {
    let root: string;
    try {
      root = createPrivateFolder(`blobs-${this.runId}`);
    } catch (error) {
      throw new FailureError(noRoomForBlobs(error));
    }
    const options = { run: this.runId, bootId: this.bootId, readOnly: false, onDamage: () => undefined };
    this.private = { folder: new BlobFolder(root, options), root };
  }

  /** From here on, nothing of this run is shared. Blobs that are not on disk yet move to the private folder. */
  private giveUpSharing(error: unknown): void {
    if (this.private !== undefined) return;
    this.warn(
      'cache::not-stored',
      `pyflow can't write to the cache ${this.cacheDir} (${(error as Error).message}). It does not keep the results of this run.`,
    );
    for (const { hash, bytes } of this.shared.packs.takePending()) {
      this.privately(({ folder }) => folder.write(makeDigest(hash, bytes.length), bytes));
    }
    if (this.private === undefined) this.openPrivate();
  }

  async materialize(digest: Digest, path: string, form: FileForm): Promise<boolean> {
    if (await this.materializeOwn(digest, path, form)) return true;
    return (await this.isSupplied(digest)) && this.materializeOwn(digest, path, form);
  }

  private async materializeOwn(digest: Digest, path: string, form: FileForm): Promise<boolean> {
    if (this.private?.folder.has(digest) && (await this.private.folder.materialize(digest, path, form))) return true;
    return this.shared.materialize(digest, path, form);
  }

  async lookUp(key: ActionKey, asker: Asker = {}): Promise<ActionResult | undefined> {
    const hash = hexOf(key);
    const stored = this.readResult(hash, ({ result }) => isFor(result, asker));
    if (stored === undefined) return undefined;
    const { degraded } = stored.result;
    const now = this.now();
    if (degraded && (degraded.host !== this.hostId || degraded.expiresAt <= now)) return undefined;
    // That of all apps may be whole if that of one app is not.
    if (stored.boot !== this.bootId && !stored.sealed && !(await this.seal(hash, stored)))
      return this.lookUp(key, asker);
    this.results.markUsed(stored, now);
    return stored.result;
  }

  private now(): number {
    return this.options.clock?.now() ?? Date.now();
  }

  private readResult(hash: string, isWanted?: (stored: StoredResult) => boolean): StoredResult | undefined {
    const found = this.results.read(hash, isWanted);
    if (found.type === 'found') return found.stored;
    if (found.type === 'damaged') this.warnDamaged(`result ${hash}`);
    return undefined;
  }

  /** A result written in an earlier boot counts only if all its blobs are intact, since a crash may have lost some. */
  private async seal(hash: string, stored: StoredResult): Promise<boolean> {
    if (!(await this.isComplete(stored))) {
      this.results.forget(stored);
      this.warnDamaged(`result ${hash}`);
      return false;
    }
    if (!this.readOnly) {
      try {
        this.results.write(hash, { ...stored, sealed: true });
      } catch {
        // Not sealed, so the next run hashes it again.
      }
    }
    return true;
  }

  async check(digest: Digest): Promise<boolean> {
    return this.private?.folder.has(digest) === true || this.shared.check(digest);
  }

  async isComplete(stored: StoredResult): Promise<boolean> {
    const check = async (digest: Digest): Promise<boolean> => {
      if (this.complete.has(digest)) return true;
      const isRight = await this.shared.check(digest);
      if (isRight) this.complete.add(digest);
      return isRight;
    };
    for (const digest of blobsOf(stored)) if (!(await check(digest))) return false;
    for (const layer of [stored.result.layer, stored.result.tool]) {
      if (layer === undefined) continue;
      const table: DirectoryTable = new Map();
      if (!(await loadLayer(this.shared, layer, table))) return false;
      for (const directory of table.values()) {
        for (const file of directory.files) if (!(await check(file.digest))) return false;
      }
    }
    return true;
  }

  async publish(
    key: ActionKey,
    result: ActionResult,
    record: KeyRecord,
    { usesVariables }: PublishOptions = {},
  ): Promise<void> {
    const text = Buffer.from(canonicalJSON(record));
    const recordDigest = digestOf(text);
    this.write(recordDigest, text);
    if (this.readOnly || this.private !== undefined) return;
    const hash = hexOf(key);
    const writtenAt = this.now();
    try {
      this.shared.flush();
      const about = { boot: this.bootId, sealed: false, run: this.runId, writtenAt };
      const local = usesVariables === true ? { usesVariables } : {};
      this.results.write(hash, { key, result, record: recordDigest, ...about, ...local });
    } catch (error) {
      this.giveUpSharing(error);
    }
  }

  async record(key: ActionKey): Promise<KeyRecord | undefined> {
    const stored = this.readResult(hexOf(key));
    const bytes = stored && (await this.read(stored.record));
    return bytes && (JSON.parse(bytes.toString('utf8')) as KeyRecord);
  }

  inspect(key: ActionKey | string, isWanted?: (stored: StoredResult) => boolean): StoredResult | undefined {
    return this.readResult(key.slice(0, 64), isWanted);
  }

  resultsOf(key: ActionKey | string): readonly StoredResult[] {
    return this.results.readAll(key.slice(0, 64)).found;
  }

  chunks(digest: Digest): AsyncIterable<Buffer> {
    return (this.private?.folder.has(digest) === true ? this.private.folder : this.shared).chunks(digest);
  }

  receive(digest: Digest): BlobReceiver {
    if (this.readOnly && this.private === undefined) this.openPrivate();
    return (this.private?.folder ?? this.shared).receive(digest);
  }

  async receiveFrom(digest: Digest, open: () => AsyncIterable<Buffer>): Promise<boolean> {
    if (!this.readOnly && this.private === undefined) {
      try {
        return await this.shared.receiveFrom(digest, open());
      } catch (error) {
        if (!(error instanceof PlaceError)) throw error;
        this.giveUpSharing(error);
      }
    }
    return this.privately(({ folder }) => folder.receiveFrom(digest, open())).catch((error: unknown) => {
      throw asNoRoom(error);
    });
  }

  trustRecords(isKept: (hash: string) => boolean): Buffer {
    return this.shared.trust.compacted(isKept);
  }

  evictedAt(key: ActionKey): number | undefined {
    return this.tombstones.timeOf(hexOf(key));
  }

  flush(): void {
    if (this.readOnly || this.private !== undefined) return;
    try {
      this.shared.flush();
    } catch (error) {
      this.giveUpSharing(error);
    }
  }

  async close(): Promise<void> {
    this.flush();
    try {
      this.shared.close();
      this.results.close(this.now());
    } catch (error) {
      this.warn(
        'cache::not-stored',
        `pyflow can't finish writing to the cache ${this.cacheDir}: ${(error as Error).message}`,
      );
    }
    const own = this.private;
    if (own === undefined) return;
    this.private = undefined;
    own.folder.close();
    removePrivateFolder(own.root);
  }
}
