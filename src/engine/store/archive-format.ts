// The layout of a file that moves results between machines. It follows REAPI and OCI layouts: blobs by their SHA-256, and results
// by the hash of their key. It is a tar without compression, so that a CI cache finds the parts that did not change.

import { hexOf, makeDigest, type Digest } from '../files/digest.js';
import { MOST_FILE_BYTES } from '../trees/foreign-tree.js';
import { MOST_RESULT_BYTES } from './foreign-result.js';

/*
 * The version entry is first, then come the blobs, then the results, both sorted by name. So a reader has all blobs of a result
 * when the result arrives, and each name can appear only once. Every entry is a plain file with the same mode, owner and time:
 * the same results make the same bytes. A later version that adds entries, such as signatures, raises ARCHIVE_FORMAT.
 */
const VERSION_NAME = 'pyflow-cache.json';
const ARCHIVE_FORMAT = 1;
const BLOB = /^blobs\/sha256\/([0-9a-f]{64})$/;
const RESULT = /^results\/sha256\/([0-9a-f]{64})$/;
const MOST_VERSION_BYTES = 4096;

export const versionEntry = (keyFormat: number): readonly [name: string, bytes: Buffer] => [
  VERSION_NAME,
  Buffer.from(`${JSON.stringify({ format: ARCHIVE_FORMAT, keyFormat })}\n`),
];
export const blobName = (digest: Digest): string => `blobs/sha256/${hexOf(digest)}`;
export const resultName = (hash: string): string => `results/sha256/${hash}`;

export type ArchiveEntry =
  | { readonly type: 'version' }
  | { readonly type: 'blob'; readonly digest: Digest }
  | { readonly type: 'result'; readonly hash: string };

/** Undefined if the name or the size is none that this format has. */
export function readEntryName(name: string, size: number): ArchiveEntry | undefined {
  if (name === VERSION_NAME) return size <= MOST_VERSION_BYTES ? { type: 'version' } : undefined;
  const [, blob] = BLOB.exec(name) ?? [];
  // The empty blob is never stored.
  if (blob !== undefined)
    return size > 0 && size <= MOST_FILE_BYTES ? { type: 'blob', digest: makeDigest(blob, size) } : undefined;
  const [, hash] = RESULT.exec(name) ?? [];
  return hash !== undefined && size <= MOST_RESULT_BYTES ? { type: 'result', hash } : undefined;
}

const RANKS = { version: 0, blob: 1, result: 2 } as const;
/** Whether one entry may follow another. */
export function isInOrder(before: ArchiveEntry, after: ArchiveEntry): boolean {
  const rank = RANKS[before.type] - RANKS[after.type];
  return rank === 0 ? hashOf(before) < hashOf(after) : rank < 0;
}

const hashOf = (entry: ArchiveEntry): string =>
  entry.type === 'blob' ? hexOf(entry.digest) : entry.type === 'result' ? entry.hash : '';

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
