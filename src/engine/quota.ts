// Keeps a cache within its size: evicts results by last use, then drops blobs that no result needs. Safe while other
// processes use the cache; at worst they miss. Unaware of nodes.

import { mkdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { createClaim, isAbandoned, releaseClaim, removeQuietly } from './claim.js';
import type { Digest } from './digest.js';
import { openLocalStore, type LocalStore } from './local-store.js';
import {
  addReferences,
  listCache,
  readPack,
  removePack,
  rewritePacks,
  type CacheListing,
  type StoredFile,
} from './store-scan.js';
import { Tombstones } from './tombstones.js';

export const DEFAULT_MAX_BYTES = 10 * 1024 ** 3;
const HOUR_MS = 3600 * 1000;

export interface GarbageOptions {
  readonly maxBytes?: number;
  /** Results not used for so long go as well. */
  readonly maxAgeMs?: number;
  /** Younger files stay, because a run may be about to publish a result that needs them. */
  readonly graceMs?: number;
  readonly now?: () => number;
}

export interface GarbageReport {
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  readonly evictedResults: number;
  readonly removedBlobs: number;
}

/** Down to here, so that the next run need not evict again. */
const TARGET = 0.8;
const SMALL_PACK = 8 * 1024 * 1024;
const MANY_PACKS = 64;
/** A run that is still going adds to its pack; one that was killed never will. */
const OPEN_PACK_GRACE_MS = 24 * HOUR_MS;

/** Undefined when another process is at it or the cache cannot be written. */
export async function collectGarbage(
  cacheDir: string,
  options: GarbageOptions = {},
): Promise<GarbageReport | undefined> {
  const opened = openLocalStore(cacheDir, {});
  if (!opened.ok) return undefined;
  const store = opened.value;
  const claim = `${cacheDir}/gc.lock`;
  if (store.readOnly || !claimOnce(claim)) return undefined;
  try {
    return await new Collection(cacheDir, store, options).run();
  } finally {
    releaseClaim(claim);
    await store.close();
  }
}

function claimOnce(path: string): boolean {
  if (isAbandoned(path)) removeQuietly(path);
  try {
    createClaim(path);
    return true;
  } catch {
    return false;
  }
}

/** After a run: looks only when the run wrote much or nobody looked for an hour. */
export async function collectGarbageIfDue(
  cacheDir: string,
  bytesWritten: number,
  options: GarbageOptions = {},
): Promise<GarbageReport | undefined> {
  if (bytesWritten === 0) return undefined;
  const stamp = `${cacheDir}/gc-stamp`;
  const now = (options.now ?? Date.now)();
  const last = statSync(stamp, { throwIfNoEntry: false })?.mtimeMs;
  const isDue = last === undefined ? bytesWritten >= MUCH : bytesWritten >= MUCH || now - last >= HOUR_MS;
  if (isDue || last === undefined) touch(stamp, now);
  return isDue ? collectGarbage(cacheDir, options) : undefined;
}
const MUCH = 64 * 1024 * 1024;

function touch(file: string, now: number): void {
  try {
    writeFileSync(file, '');
    utimesSync(file, now / 1000, now / 1000);
  } catch {
    // Read-only: there is nothing to collect either.
  }
}

const sum = (files: readonly StoredFile[]): number => files.reduce((total, { size }) => total + size, 0);
const totalOf = ({ results, largeBlobs, packs, partials }: CacheListing): number =>
  sum(results) + sum(largeBlobs) + sum(packs) + sum(partials);

class Collection {
  private readonly maxBytes: number;
  private readonly graceMs: number;
  private readonly now: number;
  private readonly listing: CacheListing;
  /** Sizes of the blobs that kept results need, by hash. */
  private readonly kept = new Map<string, number>();
  private removedBlobs = 0;

  constructor(
    private readonly cacheDir: string,
    private readonly store: LocalStore,
    private readonly options: GarbageOptions,
  ) {
    this.maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
    this.graceMs = options.graceMs ?? HOUR_MS;
    this.now = (options.now ?? Date.now)();
    this.listing = listCache(cacheDir);
  }

  private isOld = (file: StoredFile, graceMs = this.graceMs): boolean => this.now - file.changedAt > graceMs;

  async run(): Promise<GarbageReport> {
    const bytesBefore = totalOf(this.listing);
    const { maxAgeMs } = this.options;
    const isExpired = (file: StoredFile): boolean => maxAgeMs !== undefined && this.now - file.changedAt > maxAgeMs;
    const isTooLarge = bytesBefore > this.maxBytes;
    for (const partial of this.listing.partials) if (this.isOld(partial)) rmSync(partial.path, { force: true });
    let evicted: readonly StoredFile[] = [];
    if (isTooLarge || this.listing.results.some(isExpired)) {
      evicted = await this.choose(isTooLarge ? this.maxBytes * TARGET : Infinity, isExpired);
      new Tombstones(`${this.cacheDir}/tombstones`).add(
        evicted.map(({ name }) => name),
        this.now,
      );
      for (const { path } of evicted) rmSync(path, { force: true });
      this.sweepLarge();
      this.sweepPacks();
      this.compactTrust();
    } else if (this.listing.packs.length > MANY_PACKS) this.mergePacks();
    const bytesAfter = totalOf(listCache(this.cacheDir));
    return { bytesBefore, bytesAfter, evictedResults: evicted.length, removedBlobs: this.removedBlobs };
  }

  /** Keeps results from the most recently used on until their blobs fill the budget; gives the others. */
  private async choose(budget: number, isExpired: (file: StoredFile) => boolean): Promise<StoredFile[]> {
    const evicted: StoredFile[] = [];
    const trees = new Set<Digest>();
    let used = 0;
    let isFull = false;
    const byUse = [...this.listing.results].sort((a, b) => b.changedAt - a.changedAt);
    for (const file of byUse) {
      const stored = isFull || isExpired(file) ? undefined : this.store.inspect(file.name);
      const needed = new Map<string, number>();
      if (stored === undefined || !(await addReferences(this.store, stored, needed, trees))) {
        evicted.push(file);
        continue;
      }
      let more = file.size;
      for (const [hash, size] of needed) if (!this.kept.has(hash)) more += size;
      if (used + more > budget) {
        // One that could never fit must not take all the older ones with it.
        isFull = more <= budget;
        trees.clear();
        evicted.push(file);
        continue;
      }
      used += more;
      for (const [hash, size] of needed) this.kept.set(hash, size);
    }
    return evicted;
  }

  private sweepLarge(): void {
    for (const file of this.listing.largeBlobs) {
      if (this.kept.has(file.name) || !this.isOld(file)) continue;
      rmSync(file.path, { force: true });
      this.removedBlobs++;
    }
  }

  private *settledPacks(): Generator<StoredFile> {
    for (const pack of this.listing.packs) {
      if (this.isOld(pack, pack.isClosed ? this.graceMs : Math.max(this.graceMs, OPEN_PACK_GRACE_MS))) yield pack;
    }
  }

  private sweepPacks(): void {
    const rewritten: string[] = [];
    const elsewhere = new Set<string>();
    for (const pack of this.settledPacks()) {
      let live = 0;
      let dead = 0;
      for (const { hash, isRight } of readPack(pack.path)) {
        if (!isRight || !this.kept.has(hash) || elsewhere.has(hash)) dead++;
        else {
          live += this.kept.get(hash) as number;
          elsewhere.add(hash);
        }
      }
      if (dead === 0) continue;
      this.removedBlobs += dead;
      if (live === 0) removePack(this.cacheDir, pack.name);
      else if (live * 2 < pack.size) rewritten.push(pack.name);
      else this.removedBlobs -= dead;
    }
    this.rewrite(rewritten, (hash) => this.kept.has(hash));
  }

  /** Each run leaves a pack; opening thousands would make every look-up slow. */
  private mergePacks(): void {
    const small = [...this.settledPacks()].filter(({ size }) => size < SMALL_PACK).map(({ name }) => name);
    if (small.length > MANY_PACKS / 2) this.rewrite(small, () => true);
  }

  private rewrite(names: readonly string[], isKept: (hash: string) => boolean): void {
    if (names.length === 0) return;
    try {
      rewritePacks(this.cacheDir, names, `gc-${randomBytes(6).toString('hex')}`, isKept);
    } catch {
      // No room for the copy: the packs stay as they are.
    }
  }

  private compactTrust(): void {
    const file = `${this.cacheDir}/cas/trust`;
    try {
      const before = readFileSync(file).length;
      const after = this.store.trustRecords((hash) => this.kept.has(hash));
      if (after.length * 2 > before) return;
      mkdirSync(`${this.cacheDir}/cas`, { recursive: true });
      writeFileSync(`${file}.tmp`, after);
      renameSync(`${file}.tmp`, file);
    } catch {
      // None yet, or it stays as long as it is.
    }
  }
}
