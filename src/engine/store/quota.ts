// Keeps a cache within its size: evicts the least recently used results, then drops blobs that no result needs. Safe
// while other processes use the cache: at worst they get a miss.

import { closeSync, readdirSync, renameSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { createClaim, isAbandoned, releaseClaim, removeClaim } from '../files/claim.js';
import { sha256Hex, type Digest } from '../files/digest.js';
import { refusedPlace } from './cache-place.js';
import { tombstonesOf } from './key-times.js';
import { openLocalStore, type LocalStore } from './local-store.js';
import type { PackSet } from './pack.js';
import { readPack, removePack } from './pack-file.js';
import { blobPacks } from './blobs.js';
import {
  encodeResult,
  isIntact,
  newestOfEach,
  resultPacks,
  slotOf,
  useIdOf,
  usesOf,
  type StoredResult,
} from './results.js';
import {
  addReferences,
  listCache,
  listPacks,
  listResults,
  rewritePacks,
  type CacheListing,
  type ListedResult,
  type PackFile,
  type StoredFile,
} from './scan.js';
import { removeFile } from '../files/remove-tree.js';
import { makePrivateFolder, privateFileMode } from '../files/private-files.js';
import { openToAppend, readCacheFile } from '../files/cache-file.js';

export const DEFAULT_MAX_BYTES = 10 * 1024 ** 3;
const HOUR_MS = 3600 * 1000;

export interface GarbageOptions {
  readonly maxBytes?: number;
  /** Results that were not used for longer than this are evicted too. */
  readonly maxAgeMs?: number;
  /** Younger files stay, because a run may be about to publish a result that needs them. Default: one hour. */
  readonly graceMs?: number;
  readonly now?: () => number;
  /** Report what stays although no result needs it. This takes longer, because it also reads the young packs. */
  readonly explain?: true;
}

export interface GarbageReport {
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  readonly evictedResults: number;
  readonly removedBlobs: number;
  /** With `explain`: what stays although no stored result needs it. */
  readonly kept?: {
    /** Younger than `graceMs`. */
    readonly young: Kept;
    /** Written by runs that are still going on. */
    readonly running: Kept;
  };
}
export interface Kept {
  readonly blobs: number;
  readonly bytes: number;
}

/** Share of the maximum to shrink to, so that the next run need not evict again. */
const TARGET = 0.8;
/** Number of packs that are left unmerged. Each run adds one or two, and a lookup opens them all. */
const MANY_PACKS = 64;
const SMALL_PACK = 8 * 1024 * 1024;

/** Undefined if another process is collecting, or if the cache is not writable or on a network file system. */
export async function collectGarbage(
  cacheDir: string,
  options: GarbageOptions = {},
): Promise<GarbageReport | undefined> {
  return withClaim(cacheDir, async () => {
    const opened = openLocalStore(cacheDir, {});
    if (!opened.ok || opened.value.readOnly) return undefined;
    try {
      return await new Collection(cacheDir, opened.value, options).run();
    } finally {
      await opened.value.close();
    }
  });
}

async function withClaim<T>(cacheDir: string, work: () => Promise<T>): Promise<T | undefined> {
  const claim = `${cacheDir}/gc.lock`;
  if (refusedPlace(cacheDir) !== undefined || !claimOnce(claim)) return undefined;
  try {
    return await work();
  } finally {
    releaseClaim(claim);
  }
}

function claimOnce(path: string): boolean {
  if (isAbandoned(path)) removeClaim(path);
  try {
    createClaim(path);
    return true;
  } catch {
    return false;
  }
}

/** For the end of a run: collects only if the run wrote much, or if the last collection was more than an hour ago. */
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
  if (isDue) return collectGarbage(cacheDir, options);
  if (isCrowded(cacheDir)) await withClaim(cacheDir, async () => mergePacks(cacheDir, listPacks(cacheDir)));
  return undefined;
}
const MUCH = 64 * 1024 * 1024;

function touch(file: string, now: number): void {
  try {
    closeSync(openToAppend(file, privateFileMode(file)));
    utimesSync(file, now / 1000, now / 1000);
  } catch {
    // Read-only, so nothing can be collected either.
  }
}

const sum = (files: readonly StoredFile[]): number => files.reduce((total, { size }) => total + size, 0);
const totalOf = ({ resultPacks, largeBlobs, packs, partials }: CacheListing): number =>
  sum(resultPacks) + sum(largeBlobs) + sum(packs) + sum(partials);

class Collection {
  private readonly maxBytes: number;
  private readonly graceMs: number;
  private readonly now: number;
  private readonly listing: CacheListing;
  /** Sizes in bytes of the blobs that kept results need, by hash. */
  private readonly kept = new Map<string, number>();
  private removedBlobs = 0;
  private readonly unneeded = { young: { blobs: 0, bytes: 0 }, running: { blobs: 0, bytes: 0 } };

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

  private isOld = (file: StoredFile): boolean => this.now - file.changedAt > this.graceMs;

  async run(): Promise<GarbageReport> {
    const bytesBefore = totalOf(this.listing);
    const { maxAgeMs } = this.options;
    const isExpired = ({ usedAt }: ListedResult): boolean => maxAgeMs !== undefined && this.now - usedAt > maxAgeMs;
    const isTooLarge = bytesBefore > this.maxBytes;
    for (const partial of this.listing.partials) if (this.isOld(partial)) removeFile(partial.path);
    let evicted: readonly ListedResult[] = [];
    const { results } = isTooLarge || maxAgeMs !== undefined ? this.listResults() : { results: [] };
    if (isTooLarge || results.some(isExpired)) {
      evicted = await this.choose(results, isTooLarge ? this.maxBytes * TARGET : Infinity, isExpired);
      const isGone = new Set(evicted.map(({ slot }) => slot));
      rewriteResultPacks(this.cacheDir, this.listing, (stored) => !isGone.has(slotOf(stored)));
      const gone = new Set(evicted.map(({ hash }) => hash));
      for (const { hash, slot } of results) if (!isGone.has(slot)) gone.delete(hash);
      tombstonesOf(this.cacheDir).appendBounded([...gone], this.now);
      const goneUses = new Set(evicted.map(({ stored }) => useIdOf(stored)));
      usesOf(this.cacheDir).keep((id) => !goneUses.has(id));
      this.sweepLarge();
      this.sweepPacks();
      this.compactTrust();
    } else if (isCrowded(this.cacheDir)) mergePacks(this.cacheDir, this.listing);
    const bytesAfter = totalOf(listCache(this.cacheDir));
    return {
      bytesBefore,
      bytesAfter,
      evictedResults: evicted.length,
      removedBlobs: this.removedBlobs,
      ...(this.options.explain && { kept: this.unneeded }),
    };
  }

  private listResults = (): { readonly results: readonly ListedResult[] } =>
    listResults(this.cacheDir, this.listing, this.now);

  /**
   * Keeps the most recently used results until their blobs fill the budget, and returns the others. Always keeps
   * results of runs that are still going on.
   */
  private async choose(
    results: readonly ListedResult[],
    budget: number,
    isExpired: (result: ListedResult) => boolean,
  ): Promise<ListedResult[]> {
    const evicted: ListedResult[] = [];
    const trees = new Set<Digest>();
    let used = 0;
    let isFull = false;
    const byUse = [...results].sort((a, b) => Number(b.isHeld) - Number(a.isHeld) || b.usedAt - a.usedAt);
    for (const result of byUse) {
      const { stored, isHeld } = result;
      const needed = new Map<string, number>();
      const isOut = !isHeld && (isFull || isExpired(result));
      const isWhole = !isOut && (await addReferences(this.store, stored, needed, trees));
      if (!isWhole && !isHeld) {
        evicted.push(result);
        continue;
      }
      let more = result.size;
      for (const [blob, size] of needed) if (!this.kept.has(blob)) more += size;
      if (used + more > budget && !isHeld) {
        // A result that could never fit must not evict all older ones.
        isFull = more <= budget;
        trees.clear();
        evicted.push(result);
        continue;
      }
      used += more;
      for (const [blob, size] of needed) this.kept.set(blob, size);
    }
    return evicted;
  }

  private sweepLarge(): void {
    for (const file of this.listing.largeBlobs) {
      if (this.kept.has(file.name)) continue;
      if (!this.isOld(file)) {
        this.count('young', file.size);
        continue;
      }
      removeFile(file.path);
      this.removedBlobs++;
    }
  }

  private sweepPacks(): void {
    const rewritten: string[] = [];
    const elsewhere = new Set<string>();
    for (const pack of this.listing.packs) {
      if (!pack.isSettled || !this.isOld(pack)) {
        this.countIn(pack);
        continue;
      }
      let live = 0;
      let dead = 0;
      for (const { hash, bytes } of readPack(pack.path)) {
        if (!this.kept.has(hash) || elsewhere.has(hash) || sha256Hex(bytes) !== hash) dead++;
        else {
          live += bytes.length;
          elsewhere.add(hash);
        }
      }
      if (dead === 0) continue;
      this.removedBlobs += dead;
      if (live === 0) removePack(`${this.cacheDir}/packs`, pack.name);
      else if (live * 2 < pack.size) rewritten.push(pack.name);
      else this.removedBlobs -= dead;
    }
    rewriteBlobPacks(this.cacheDir, rewritten, (hash) => this.kept.has(hash));
  }

  private count(why: 'young' | 'running', bytes: number): void {
    this.unneeded[why].blobs++;
    this.unneeded[why].bytes += bytes;
  }

  private countIn(pack: PackFile): void {
    if (this.options.explain === undefined) return;
    for (const { hash, bytes } of readPack(pack.path)) {
      if (!this.kept.has(hash)) this.count(pack.isSettled ? 'young' : 'running', bytes.length);
    }
  }

  private compactTrust(): void {
    const file = `${this.cacheDir}/cas/trust`;
    try {
      const before = readCacheFile(file)?.length ?? 0;
      const after = this.store.trustRecords((hash) => this.kept.has(hash));
      if (after.length * 2 > before) return;
      makePrivateFolder(`${this.cacheDir}/cas`);
      writeFileSync(`${file}.tmp`, after, { mode: privateFileMode(file) });
      renameSync(`${file}.tmp`, file);
    } catch {
      // No ledger yet, or not writable: then it keeps its length.
    }
  }
}

function isCrowded(cacheDir: string): boolean {
  return ['ac', 'packs'].some((folder) => packNames(`${cacheDir}/${folder}`).length > MANY_PACKS);
}

function packNames(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => name.endsWith('.pack'));
  } catch {
    return [];
  }
}

/** Needs no grace period: everything that a reader can look for is in the new pack before the old ones are removed. */
function mergePacks(
  cacheDir: string,
  { packs, resultPacks: ofResults }: Pick<CacheListing, 'packs' | 'resultPacks'>,
): void {
  const mergeable = (files: readonly PackFile[]): PackFile[] =>
    files.filter(({ isSettled, size }) => isSettled && size < SMALL_PACK);
  const small = mergeable(packs);
  if (small.length > MANY_PACKS / 2) {
    rewriteBlobPacks(
      cacheDir,
      small.map(({ name }) => name),
      () => true,
    );
  }
  const smallOfResults = mergeable(ofResults);
  if (smallOfResults.length > MANY_PACKS / 2) {
    rewriteResultPacks(cacheDir, { resultPacks: smallOfResults });
  }
}

const newPackName = (): string => `gc-${randomBytes(6).toString('hex')}`;

export function rewriteBlobPacks(cacheDir: string, names: readonly string[], isKept: (hash: string) => boolean): void {
  const keep = (hash: string, bytes: Buffer): readonly Buffer[] =>
    isKept(hash) && sha256Hex(bytes) === hash ? [bytes] : [];
  rewrite(`${cacheDir}/packs`, names, blobPacks(cacheDir, newPackName()), keep);
}

/** Merges the packs that no process appends to. Leaves out superseded and damaged records, and by default nothing else. */
export function rewriteResultPacks(
  cacheDir: string,
  { resultPacks: packs }: Pick<CacheListing, 'resultPacks'>,
  isKept?: (stored: StoredResult) => boolean,
): void {
  const names = packs.filter(({ isSettled }) => isSettled).map(({ name }) => name);
  const into = resultPacks(cacheDir, newPackName());
  rewrite(`${cacheDir}/ac`, names, into, (hash, bytes) => {
    if (isKept === undefined && into.count(hash) === 1) return isIntact(bytes) ? [bytes] : [];
    return newestOfEach(into.readAll(hash).found)
      .filter((stored) => isKept?.(stored) ?? true)
      .map(encodeResult);
  });
}

function rewrite(
  folder: string,
  names: readonly string[],
  into: PackSet<unknown>,
  keep: (hash: string, bytes: Buffer) => readonly Uint8Array[],
): void {
  if (names.length === 0) return;
  try {
    rewritePacks(folder, names, into, keep);
  } catch {
    // No space for the copy: the packs stay unchanged.
  }
}
