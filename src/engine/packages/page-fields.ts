// The model of an index page, and the checks of each field that an index supplies. Nothing here trusts a type, a length, a
// scheme or a name.

import { cleanText } from '../files/clean-text.js';
import { isCount, isTable, isText } from '../files/untrusted-json.js';

/** A file that a page of an index lists. */
export interface PageFile {
  readonly filename: string;
  /** Absolute, `http:` or `https:`, without its fragment. */
  readonly url: string;
  /** Lower case, as in `hashes`. */
  readonly sha256?: string;
  /** Lower-case hexadecimal digests by the name of the algorithm. */
  readonly hashes: Readonly<Record<string, string>>;
  readonly requiresPython?: string;
  /** The reason, possibly empty, if its owner withdrew the file. */
  readonly yanked: false | string;
  /** Milliseconds since 1970, in UTC. */
  readonly uploadTime?: number;
  /** Bytes. */
  readonly size?: number;
  /** Whether `URL.metadata` exists, and its digest. */
  readonly metadata: false | true | { readonly sha256: string };
  /** Absolute URL of the file's attestations. */
  readonly provenance?: string;
}

/** The page of one project, as an index serves it. */
export interface ProjectPage {
  /** Normalized according to PEP 503. */
  readonly project: string;
  /** In the order of the page. */
  readonly files: readonly PageFile[];
  /** All versions, also those without files. Only JSON pages have it. */
  readonly versions?: readonly string[];
  /** `1.0`, `1.1`, ... */
  readonly apiVersion: string;
  /** What the index says of the project, such as `quarantined` (PEP 792). Absent when it is active. */
  readonly status?: { readonly status: string; readonly reason?: string };
}

/** Why a page can't be used. */
export interface PageProblem {
  readonly kind: 'too-large' | 'too-many-files' | 'content-type' | 'not-readable' | 'api-version';
  /** One sentence, safe to show. */
  readonly detail: string;
}

export const MOST_PAGE_BYTES = 64 * 1024 * 1024;
export const MOST_FILES = 250_000;
const LONGEST_URL = 8192;
const LONGEST_NAME = 255;
const LONGEST_SPECIFIER = 500;
const LONGEST_REASON = 2000;
const LONGEST_VERSION = 200;

/** Fields as either form of a page has them. */
export interface RawFile {
  readonly filename: unknown;
  readonly url: URL | undefined;
  readonly hashes: Readonly<Record<string, string>> | undefined;
  readonly requiresPython: unknown;
  readonly yanked: false | string;
  readonly metadata: PageFile['metadata'];
  readonly uploadTime?: unknown;
  readonly size?: unknown;
  readonly provenance?: URL | undefined;
}

/** Undefined if installers couldn't use the file: it has no safe name, no address, or a digest that can't be one. */
export function checkedFile(raw: RawFile): PageFile | undefined {
  const { url, hashes } = raw;
  if (!isSafeFilename(raw.filename) || url === undefined || hashes === undefined) return undefined;
  const requiresPython = checkedText(raw.requiresPython, LONGEST_SPECIFIER);
  const uploadTime = readTime(raw.uploadTime);
  return {
    filename: raw.filename,
    url: withoutFragment(url),
    ...(hashes['sha256'] !== undefined && { sha256: hashes['sha256'] }),
    hashes,
    ...(requiresPython !== undefined && requiresPython !== '' && { requiresPython }),
    yanked: raw.yanked === false ? false : (checkedText(raw.yanked, LONGEST_REASON) ?? ''),
    ...(uploadTime !== undefined && { uploadTime }),
    ...(isCount(raw.size) && { size: raw.size }),
    metadata: raw.metadata,
    ...(raw.provenance !== undefined && { provenance: withoutFragment(raw.provenance) }),
  };
}

/** Half a surrogate pair can't be written as UTF-8. */
const LONE = /\p{Surrogate}/gu;
const LONE_OR_TAB = /[\p{Surrogate}\t]/u;

/** A single name in a folder, of printable characters. */
export function isSafeFilename(value: unknown): value is string {
  if (!isText(value) || value === '' || value.length > LONGEST_NAME || value === '.' || value === '..') return false;
  return !/[/\\]/.test(value) && cleanText(value) === value && !LONE_OR_TAB.test(value);
}

/** Undefined if it is no address of the web. `base` is itself such an address. */
export function webAddress(written: unknown, base: string): URL | undefined {
  if (!isText(written) || written.length > LONGEST_URL) return undefined;
  let url: URL;
  try {
    url = new URL(written, base);
  } catch {
    return undefined;
  }
  return url.protocol === 'https:' || url.protocol === 'http:' ? url : undefined;
}

function withoutFragment(url: URL): string {
  if (url.hash === '' && !url.href.endsWith('#')) return url.href;
  const copy = new URL(url);
  copy.hash = '';
  return copy.href;
}

const ALGORITHM = /^[a-z][a-z0-9_]{0,31}$/;
const HEXADECIMAL = /^[0-9a-f]{8,256}$/;
const SHA256 = /^[0-9a-f]{64}$/;

/** Digests by algorithm. Undefined if one of them can't be a digest: the file could not be checked as its index wants. */
export function checkedHashes(pairs: readonly (readonly [string, unknown])[]): PageFile['hashes'] | undefined {
  const found: Record<string, string> = {};
  for (const [name, value] of pairs.slice(0, 32)) {
    const algorithm = name.toLowerCase();
    const digest = isText(value) ? value.toLowerCase() : '';
    if (!ALGORITHM.test(algorithm)) continue;
    if (!(algorithm === 'sha256' ? SHA256 : HEXADECIMAL).test(digest)) return undefined;
    found[algorithm] = digest;
  }
  return found;
}

/** What a page says of the metadata file: hashes, or only that it exists. */
export function checkedMetadata(exists: boolean, sha256: unknown): PageFile['metadata'] {
  const digest = isText(sha256) ? sha256.toLowerCase() : '';
  return exists && SHA256.test(digest) ? { sha256: digest } : exists;
}

/** One line; undefined if it is no text or too long. */
function checkedText(value: unknown, longest: number): string | undefined {
  if (!isText(value) || value.length > longest) return undefined;
  return cleanText(value.replaceAll(/[\t\r\n]+/g, ' ')).replaceAll(LONE, '\ufffd');
}

export function checkedVersions(value: unknown): readonly string[] | undefined {
  if (!Array.isArray(value) || value.length > MOST_FILES) return undefined;
  return value.filter((item: unknown) => isText(item) && item.length <= LONGEST_VERSION && cleanText(item) === item);
}

const STATUS = /^[a-z][a-z-]{0,30}$/;

export function checkedStatus(status: unknown, reason: unknown): Pick<ProjectPage, 'status'> {
  if (!isText(status) || !STATUS.test(status) || status === 'active') return {};
  const said = checkedText(reason, LONGEST_REASON);
  return { status: { status, ...(said !== undefined && said !== '' && { reason: said }) } };
}

const TIME = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?(?:Z|\+00:?00)?$/;

/** Indexes write times in UTC, with up to nine digits of a second. */
function readTime(value: unknown): number | undefined {
  if (!isText(value)) return undefined;
  const [, day, time, fraction = ''] = TIME.exec(value) ?? [];
  if (day === undefined) return undefined;
  const read = Date.parse(`${day}T${time}.${fraction.slice(0, 3).padEnd(3, '0')}Z`);
  return Number.isNaN(read) ? undefined : read;
}

/** Undefined if pyflow knows this version of the protocol, or none is given. */
export function versionProblem(version: unknown): PageProblem | undefined {
  if (version === undefined || (isText(version) && /^1\.\d{1,4}$/.test(version))) return undefined;
  const shown = isText(version) ? JSON.stringify(cleanText(version).slice(0, 40)) : `a ${typeof version}`;
  return { kind: 'api-version', detail: `The page says that its version of the protocol is ${shown}, not 1.x.` };
}

export const tooManyFiles = (): PageProblem => ({
  kind: 'too-many-files',
  detail: `The page lists more than ${MOST_FILES.toLocaleString('en')} files.`,
});

/** The entries of a table; none for anything else. */
export const entriesOf = (value: unknown): readonly (readonly [string, unknown])[] =>
  isTable(value) ? Object.entries(value) : [];
