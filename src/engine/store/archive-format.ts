// The layout of a file that moves results between machines. It follows REAPI and OCI layouts: blobs by their SHA-256, and results
// by the hash of their key. It is a tar without compression, so that a CI cache finds the parts that did not change.

import { hexOf, makeDigest, sha256Hex, type Digest } from '../files/digest.js';
import { MOST_FILE_BYTES } from '../trees/tree.js';
import { MOST_RESULT_BYTES } from './foreign-result.js';
import type { StoredResult } from './results.js';

/*
 * The version entry is first, then come the blobs, then the results, both sorted by name. So a reader has all blobs of a result
 * when the result arrives, and each name can appear only once. Every entry is a plain file with the same mode, owner and time:
 * the same results make the same bytes. A later version that adds entries, such as signatures, raises ARCHIVE_FORMAT.
 */
const VERSION_NAME = 'pyflow-cache.json';
const ARCHIVE_FORMAT = 1;
const BLOB = /^blobs\/sha256\/([0-9a-f]{64})$/;
/**
 * A result that only one builder can use names the builder too, because several can have one for the same key: by the
 * beginning of its SHA-256, since a header has 100 bytes for the name.
 */
const RESULT = /^results\/sha256\/(([0-9a-f]{64})(?:\.[0-9a-f]{16})?)$/;
const MOST_VERSION_BYTES = 4096;

export const versionEntry = (keyFormat: number): readonly [name: string, bytes: Buffer] => [
  VERSION_NAME,
  Buffer.from(`${JSON.stringify({ format: ARCHIVE_FORMAT, keyFormat })}\n`),
];
export const blobName = (digest: Digest): string => `blobs/sha256/${hexOf(digest)}`;
export const resultName = (id: string): string => `results/sha256/${id}`;

/** What distinguishes a result in an archive from all others. */
export const resultIdOf = ({ key, result: { builder } }: Pick<StoredResult, 'key' | 'result'>): string =>
  builder === undefined ? hexOf(key) : `${hexOf(key)}.${sha256Hex(builder).slice(0, 16)}`;

export type ArchiveEntry =
  | { readonly type: 'version' }
  | { readonly type: 'blob'; readonly digest: Digest }
  /** `hash` is that of the key. */
  | { readonly type: 'result'; readonly id: string; readonly hash: string };

/** Undefined if the name or the size is none that this format has. */
export function readEntryName(name: string, size: number): ArchiveEntry | undefined {
  if (name === VERSION_NAME) return size <= MOST_VERSION_BYTES ? { type: 'version' } : undefined;
  const [, blob] = BLOB.exec(name) ?? [];
  // The empty blob is never stored.
  if (blob !== undefined)
    return size > 0 && size <= MOST_FILE_BYTES ? { type: 'blob', digest: makeDigest(blob, size) } : undefined;
  const [, id, hash] = RESULT.exec(name) ?? [];
  if (id === undefined || hash === undefined || size > MOST_RESULT_BYTES) return undefined;
  return { type: 'result', id, hash };
}

const RANKS = { version: 0, blob: 1, result: 2 } as const;
/** Whether one entry may follow another. */
export function isInOrder(before: ArchiveEntry, after: ArchiveEntry): boolean {
  const rank = RANKS[before.type] - RANKS[after.type];
  return rank === 0 ? idOf(before) < idOf(after) : rank < 0;
}

const idOf = (entry: ArchiveEntry): string =>
  entry.type === 'blob' ? hexOf(entry.digest) : entry.type === 'result' ? entry.id : '';

/** `other`: made by a version of pyflow with other formats. Undefined if the bytes are no version entry. */
export function readVersion(bytes: Buffer, keyFormat: number): 'same' | 'other' | undefined {
  let version: { readonly format?: unknown; readonly keyFormat?: unknown } | null;
  try {
    version = JSON.parse(bytes.toString('utf8')) as typeof version;
  } catch {
    return undefined;
  }
  if (!Number.isSafeInteger(version?.format) || !Number.isSafeInteger(version?.keyFormat)) return undefined;
  return version?.format === ARCHIVE_FORMAT && version.keyFormat === keyFormat ? 'same' : 'other';
}
