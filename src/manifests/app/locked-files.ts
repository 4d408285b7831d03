// Addresses in the locks and settings of package managers: files with their digests, and indexes. One walk for all formats,
// because each writes them as a table with a URL and digests.

import { isFields } from './fields.js';

/** A file that a lock names by its address. */
export interface LockedAddress {
  readonly url: string;
  /** By algorithm, in lower-case hex. Empty if the lock has no digest of this one file. */
  readonly hashes: Readonly<Record<string, string>>;
}

const WEB = /^https?:\/\//i;
const DIGEST = /^([a-z0-9_]+):([0-9a-f]{32,128})$/;
const MOST_DEPTH = 12;
const MOST_FILES = 100_000;

/** Of uv.lock, pylock.toml, poetry.lock or Pipfile.lock, as parsed. In the order of the lock. */
export function lockedAddresses(lock: unknown): readonly LockedAddress[] {
  const found: LockedAddress[] = [];
  walk(lock, 0, (table) => {
    const address = [table['url'], table['file']].find((value) => typeof value === 'string' && WEB.test(value));
    if (typeof address !== 'string' || found.length >= MOST_FILES) return;
    // Repositories are no files, and sources of indexes have no digest.
    found.push({ url: address.replace(/#.*$/s, ''), hashes: hashesOf(table) });
  });
  return found;
}

function hashesOf(table: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  const { hash, hashes } = table;
  if (isFields(hashes)) {
    return Object.fromEntries(
      Object.entries(hashes).flatMap(([name, value]) =>
        typeof value === 'string' && /^[0-9a-f]{32,128}$/i.test(value) ? [[name, value.toLowerCase()] as const] : [],
      ),
    );
  }
  // A list may be for several files.
  const one =
    typeof hash === 'string' ? hash : Array.isArray(hashes) && hashes.length === 1 ? (hashes[0] as unknown) : undefined;
  const [, name, digest] = DIGEST.exec(typeof one === 'string' ? one : '') ?? [];
  return name === undefined || digest === undefined ? {} : { [name]: digest };
}

/** Addresses of indexes in the tables below `keys`, such as `index` and `source`: their `url`, and a lock's `registry`. */
export function indexAddresses(settings: unknown): readonly string[] {
  const found = new Set<string>();
  walk(settings, 0, (table) => {
    for (const [name, value] of Object.entries(table)) {
      if (name === 'registry' || name === 'index-url') add(found, value);
      if (name === 'extra-index-url') for (const one of Array.isArray(value) ? value : [value]) add(found, one);
      if (name === 'index' || name === 'source' || name === 'sources')
        for (const one of Array.isArray(value) ? value : [value]) if (isFields(one)) add(found, one['url']);
    }
  });
  return [...found];
}

function add(found: Set<string>, value: unknown): void {
  if (typeof value === 'string' && WEB.test(value)) found.add(value);
}

function walk(value: unknown, depth: number, visit: (table: Readonly<Record<string, unknown>>) => void): void {
  if (depth > MOST_DEPTH || typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value) && isFields(value)) visit(value);
  for (const item of Object.values(value)) walk(item, depth + 1, visit);
}
