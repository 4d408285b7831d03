// How two layers of a node differ, and for each file a likely cause.

import { gunzipSync } from 'node:zlib';
import { isUtf8 } from 'node:buffer';
import { cleanText } from '../files/clean-text.js';
import type { Digest } from '../files/digest.js';
import { walk, type TreeEntry } from '../trees/directories.js';
import type { DirectoryTable } from '../trees/tree.js';

/**
 * Why a file differs. `line-order`: the same lines in another order. `build-path`, `time` and `random`: equal except for paths of
 * temporary folders, times, or long random numbers. `gzip-time`: the same content, compressed at another time. `archive`: the same
 * entries of a zip, in another order or with other times. `bytecode`: the same code with another header. `compiled`: a program or
 * library. `record`: a list of digests of other files. `unknown`: none of these.
 */
export type Cause =
  | 'line-order'
  | 'build-path'
  | 'time'
  | 'random'
  | 'gzip-time'
  | 'archive'
  | 'bytecode'
  | 'compiled'
  | 'record'
  | 'too-large'
  | 'unknown';

export type Difference =
  | { readonly type: 'added' | 'removed' | 'kind' | 'mode' | 'link'; readonly path: string }
  | {
      readonly type: 'content';
      readonly path: string;
      readonly cause: Cause;
      /** Of the first byte that differs. */
      readonly offset: number;
      /** A few characters around it, safe to show. */
      readonly before: string;
      readonly after: string;
    };

/** A tree in a table, with a way to read its files. */
export interface Side {
  readonly table: DirectoryTable;
  readonly root: Digest;
  read(digest: Digest): Promise<Buffer | undefined>;
}

/** Larger files are compared by digest only. */
const MOST_BYTES = 64 * 1024 * 1024;

/** `mask` hides secrets in what is shown. */
export async function* differencesOf(
  before: Side,
  after: Side,
  mask: (text: string) => string,
): AsyncGenerator<Difference> {
  const old = new Map(walk(before.table, before.root));
  const now = new Map(walk(after.table, after.root));
  for (const path of [...new Set([...old.keys(), ...now.keys()])].sort()) {
    const difference = await differenceOf(path, old.get(path), now.get(path), { before, after, mask });
    if (difference !== undefined) yield difference;
  }
}

async function differenceOf(
  path: string,
  old: TreeEntry | undefined,
  now: TreeEntry | undefined,
  { before, after, mask }: { readonly before: Side; readonly after: Side; readonly mask: (text: string) => string },
): Promise<Difference | undefined> {
  if (old === undefined) return { type: 'added', path };
  if (now === undefined) return { type: 'removed', path };
  if (old.type !== now.type) return { type: 'kind', path };
  if (old.type === 'symlink' && now.type === 'symlink')
    return old.target === now.target ? undefined : { type: 'link', path };
  if (old.type !== 'file' || now.type !== 'file') return undefined;
  if (old.digest === now.digest)
    return JSON.stringify(old) === JSON.stringify(now) ? undefined : { type: 'mode', path };
  const sizes = [old.digest, now.digest].map((digest) => Number(digest.split('/')[1] ?? 0));
  const isLarge = sizes.some((size) => size > MOST_BYTES);
  const [one, other] = isLarge ? [] : await Promise.all([before.read(old.digest), after.read(now.digest)]);
  if (one === undefined || other === undefined)
    return { type: 'content', path, cause: 'too-large', offset: 0, before: '', after: '' };
  const offset = firstDifference(one, other);
  const shown = (bytes: Buffer): string => excerptOf(bytes, offset, mask);
  return { type: 'content', path, cause: causeOf(path, one, other), offset, before: shown(one), after: shown(other) };
}

/** The cause by which two different files of one path would be equal. */
export function causeOf(path: string, one: Buffer, other: Buffer): Cause {
  if (path.endsWith('.pyc') && one.subarray(16).equals(other.subarray(16))) return 'bytecode';
  if (startsWith(one, other, '\x7fELF')) return 'compiled';
  if (startsWith(one, other, '\x1f\x8b')) return isSameGzip(one, other) ? 'gzip-time' : 'unknown';
  if (startsWith(one, other, 'PK\x03\x04')) return isSameZip(one, other) ? 'archive' : 'unknown';
  if (!isUtf8(one) || !isUtf8(other)) return 'unknown';
  if (path.endsWith('.dist-info/RECORD')) return 'record';
  const [text, changed] = [one.toString(), other.toString()];
  if (sortedLines(text) === sortedLines(changed)) return 'line-order';
  let [masked, maskedOther] = [text, changed];
  for (const [cause, pattern] of MASKS) {
    [masked, maskedOther] = [masked.replace(pattern, '#'), maskedOther.replace(pattern, '#')];
    if (masked === maskedOther) return cause;
  }
  return 'unknown';
}

/** Applied one after the other, so a file with a path and a time counts as one with a time. */
const MASKS: readonly (readonly [Cause, RegExp])[] = [
  ['build-path', /\/(?:tmp|var\/tmp|dev\/shm|build)\/[\w.+@/-]+/g],
  [
    'time',
    /\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)?(?:Z|[+-]\d\d:?\d\d)?|\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\w*,? [\w :,+-]{5,40}|\b\d{2}:\d{2}:\d{2}\b|\b1\d{9}(?:\.\d{1,9})?\b|\b1\d{12}\b|\b1\d{18}\b/g,
  ],
  ['random', /\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b|\b[0-9a-fA-F]{16,}\b/g],
];

const sortedLines = (text: string): string => text.split('\n').sort().join('\n');

const startsWith = (one: Buffer, other: Buffer, magic: string): boolean =>
  one.toString('latin1', 0, magic.length) === magic && other.toString('latin1', 0, magic.length) === magic;

function isSameGzip(one: Buffer, other: Buffer): boolean {
  try {
    const [a, b] = [one, other].map((bytes) => gunzipSync(bytes, { maxOutputLength: 4 * MOST_BYTES }));
    return a !== undefined && b !== undefined && a.equals(b);
  } catch {
    return false;
  }
}

/** Compares names, sizes and checksums in the central directories. */
function isSameZip(one: Buffer, other: Buffer): boolean {
  const [a, b] = [entriesOf(one), entriesOf(other)];
  return a.length > 0 && a.sort().join('\n') === b.sort().join('\n');
}

function entriesOf(zip: Buffer): string[] {
  const entries: string[] = [];
  for (
    let at = zip.indexOf('PK\x01\x02');
    at !== -1 && at + 46 <= zip.length;
    at = zip.indexOf('PK\x01\x02', at + 46)
  ) {
    const name = zip.toString('latin1', at + 46, at + 46 + zip.readUInt16LE(at + 28));
    entries.push(`${JSON.stringify(name)} ${zip.readUInt32LE(at + 16)} ${zip.readUInt32LE(at + 24)}`);
  }
  return entries;
}

function firstDifference(one: Buffer, other: Buffer): number {
  const shorter = Math.min(one.length, other.length);
  let at = 0;
  for (let step = 65_536; at < shorter; at += step) {
    const end = Math.min(at + step, shorter);
    if (one.compare(other, at, end, at, end) === 0) continue;
    while (one[at] === other[at]) at += 1;
    return at;
  }
  return shorter;
}

const EXCERPT = 24;
const NEAR = 4096;

/** Empty if there is a secret near: a part of it could be in the excerpt. */
function excerptOf(bytes: Buffer, offset: number, mask: (text: string) => string): string {
  const near = bytes.toString('utf8', Math.max(0, offset - NEAR), offset + NEAR);
  if (mask(near) !== near) return '';
  const part = bytes.subarray(Math.max(0, offset - 8), offset + EXCERPT);
  const text = part.toString('latin1');
  return /^[\x20-\x7e\t\n]*$/.test(text) ? cleanText(text.replaceAll('\n', '\\n')) : part.toString('hex');
}
