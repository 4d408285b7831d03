// What the `cache` commands do: list, show, verify, clear.

import { lstatSync, readdirSync, statSync } from 'node:fs';
import { makeDigest, sha256Hex, type ActionKey, type Digest } from '../files/digest.js';
import { openLocalStore, type LocalStore } from './local-store.js';
import { type Failure, type Result, succeed } from '../failure.js';
import { PACK_HEADER, readPack, RECORD_HEADER } from './pack-file.js';
import { rewriteBlobPacks, rewriteResultPacks } from './quota.js';
import { BlobFolder } from './blobs.js';
import { newestOf, slotOf, type StoredResult } from './results.js';
import { listCache, listResults as listStored } from './scan.js';
import type { KeyRecord } from './store.js';
import { currentBootId } from '../files/host-id.js';
import { removeTreeGently } from '../files/removals.js';
import type { Leftover } from '../files/remove-tree.js';

export interface ResultSummary {
  readonly key: ActionKey;
  /** Absent if the record of the key is missing. */
  readonly kind?: string;
  /** Format of the key. Results of other formats than this version's are never used. */
  readonly format?: number;
  readonly storedAt: number;
  /** Milliseconds since the epoch, accurate to a day. */
  readonly usedAt: number;
  readonly durationMs: number;
  readonly files: number;
  readonly bytes: number;
  readonly degraded?: string;
}

export interface CacheSummary {
  readonly results: readonly ResultSummary[];
  readonly bytes: number;
}

/** The most recently used first. */
export async function listResults(cacheDir: string): Promise<Result<CacheSummary, Failure>> {
  return withStore(cacheDir, async (store) => {
    const listing = listCache(cacheDir);
    const summaries: ResultSummary[] = [];
    for (const { stored, usedAt } of listStored(cacheDir, listing, Date.now()).results) {
      summaries.push({ ...(await summarize(store, stored)), usedAt });
    }
    summaries.sort((a, b) => b.usedAt - a.usedAt);
    const files = [...listing.resultPacks, ...listing.largeBlobs, ...listing.packs];
    const bytes = files.reduce((total, { size }) => total + size, 0);
    return { results: summaries, bytes };
  });
}

async function summarize(store: LocalStore, stored: StoredResult): Promise<Omit<ResultSummary, 'usedAt'>> {
  const { layer, tool, durationMs, storedAt, degraded } = stored.result;
  const record = await recordOf(store, stored);
  return {
    key: stored.key,
    ...(record !== undefined && { kind: record.kind, format: record.format }),
    storedAt,
    durationMs,
    files: (layer?.files ?? 0) + (tool?.files ?? 0),
    bytes: (layer?.bytes ?? 0) + (tool?.bytes ?? 0),
    ...(degraded && { degraded: degraded.reason }),
  };
}

async function recordOf(store: LocalStore, { record }: StoredResult): Promise<KeyRecord | undefined> {
  const bytes = await store.read(record);
  return bytes && (JSON.parse(bytes.toString('utf8')) as KeyRecord);
}

export interface ShownResult {
  readonly stored: StoredResult;
  readonly record?: KeyRecord;
}

/** The newest results of all keys that start with the prefix, because people rarely type 64 digits. */
export async function showResults(cacheDir: string, prefix: string): Promise<Result<readonly ShownResult[], Failure>> {
  return withStore(cacheDir, async (store) => {
    const newest = new Map<string, StoredResult>();
    for (const { hash, stored } of listStored(cacheDir, listCache(cacheDir), Date.now()).results) {
      if (!hash.startsWith(prefix.slice(0, 64).toLowerCase())) continue;
      newest.set(hash, newestOf([newest.get(hash) ?? stored, stored])!);
    }
    const shown: ShownResult[] = [];
    for (const stored of newest.values()) {
      const record = await recordOf(store, stored);
      shown.push({ stored, ...(record && { record }) });
    }
    return shown;
  });
}

async function withStore<T>(cacheDir: string, work: (store: LocalStore) => Promise<T>): Promise<Result<T, Failure>> {
  const opened = openLocalStore(cacheDir, { readOnly: true });
  if (!opened.ok) return opened;
  try {
    return succeed(await work(opened.value));
  } finally {
    await opened.value.close();
  }
}

export interface VerifyReport {
  readonly results: number;
  readonly blobs: number;
  readonly bytes: number;
  /** What was damaged, and has been removed. */
  readonly problems: readonly { readonly what: 'result' | 'blob' | 'incomplete-result'; readonly name: string }[];
}

/** Hashes all content. Removes what is damaged, and the results that need it. */
export async function verifyCache(cacheDir: string): Promise<Result<VerifyReport, Failure>> {
  const opened = openLocalStore(cacheDir);
  if (!opened.ok) return opened;
  let store = opened.value;
  const problems: VerifyReport['problems'][number][] = [];
  const listing = listCache(cacheDir);
  let blobs = 0;
  let bytes = 0;

  const folder = new BlobFolder(cacheDir, {
    run: `${store.runId}-verify`,
    bootId: currentBootId(),
    readOnly: store.readOnly,
    onDamage: (digest: Digest) => problems.push({ what: 'blob', name: digest.slice(0, 64) }),
  });
  for (const { path, name, size } of listing.largeBlobs) {
    blobs++;
    bytes += size;
    const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
    if (stats) await folder.hashLarge(makeDigest(name, size), stats);
  }
  folder.close();

  const harmed: string[] = [];
  for (const pack of listing.packs) {
    const before = problems.length;
    let end = PACK_HEADER;
    for (const { hash, bytes: content } of readPack(pack.path)) {
      blobs++;
      bytes += content.length;
      end += RECORD_HEADER + content.length;
      if (sha256Hex(content) !== hash) problems.push({ what: 'blob', name: hash });
    }
    // A closed pack ends with its last record.
    if (pack.isClosed && end !== pack.size)
      problems.push({ what: 'blob', name: `trailing bytes of pack ${pack.name}` });
    // A run still appends to a pack that is not settled. Damaged records there are never served, so they can stay.
    if (problems.length > before && pack.isSettled) harmed.push(pack.name);
  }
  if (!store.readOnly) rewriteBlobPacks(cacheDir, harmed, () => true);

  // Opened again, because the packs that the old one knew may be gone.
  const { readOnly } = store;
  await store.close();
  const reopened = openLocalStore(cacheDir, { readOnly });
  if (!reopened.ok) return reopened;
  store = reopened.value;
  const { results, damaged } = listStored(cacheDir, listing, Date.now());
  for (const name of damaged) problems.push({ what: 'result', name });
  const whole = new Set<string>();
  for (const { hash, slot, stored } of results) {
    if (await store.isComplete(stored)) whole.add(slot);
    else problems.push({ what: 'incomplete-result', name: hash });
  }
  await store.close();
  if (!readOnly && (damaged.length > 0 || whole.size < results.length)) {
    rewriteResultPacks(cacheDir, listing, (stored) => whole.has(slotOf(stored)));
  }
  return succeed({ results: results.length, blobs, bytes, problems });
}

/** What the store owns. Everything else in the cache directory has another owner. */
const OWN = ['ac', 'cas', 'packs', 'locks', 'tombstones', 'gc-stamp'];

export interface ClearReport {
  /** Bytes that were freed. */
  readonly bytes: number;
  /** What pyflow could not remove. */
  readonly left: readonly Leftover[];
}

/** Removes results and blobs, and the folders and files named in `also`. Never rejects. */
export async function clearCache(
  cacheDir: string,
  { also = [] }: { readonly also?: readonly string[] } = {},
): Promise<ClearReport> {
  let bytes = 0;
  const left: Leftover[] = [];
  // Results first: a result without its blobs is only a miss, but each one warns.
  for (const name of [...OWN, ...also]) {
    const path = `${cacheDir}/${name}`;
    const before = sizeBelow(path);
    const leftover = await removeTreeGently(path);
    if (leftover !== undefined) left.push(leftover);
    bytes += before - (leftover === undefined ? 0 : sizeBelow(path));
  }
  return { bytes, left };
}

/** Size in bytes of what can be read. Links count as nothing. */
function sizeBelow(path: string): number {
  let bytes = 0;
  const pending = [path];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    try {
      const stats = lstatSync(next);
      if (stats.isFile()) bytes += stats.size;
      else if (stats.isDirectory()) for (const name of readdirSync(next)) pending.push(`${next}/${name}`);
    } catch {
      // Not readable, too deep for a path, or removed meanwhile.
    }
  }
  return bytes;
}
