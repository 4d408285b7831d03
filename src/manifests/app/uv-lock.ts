// Reads a `uv.lock`: its packages, where each comes from, and its files.

import { fieldsOf, type Fields } from './fields.js';
import { parsed, wrong, type Parsed } from './parsed.js';
import { normalizeName } from './requirements.js';
import { readToml } from './toml-file.js';

export type UvSource =
  /** `at`: URL of an index, or path of a folder that serves as one. */
  | { readonly type: 'registry'; readonly at: string }
  | { readonly type: 'git' | 'url'; readonly at: string }
  /** `at`: relative to the lockfile. A virtual package is never installed itself. */
  | { readonly type: 'path' | 'directory' | 'editable' | 'virtual'; readonly at: string };

export interface UvLockedPackage {
  /** Normalized according to PEP 503. */
  readonly name: string;
  /** Absent when the build computes it. */
  readonly version?: string;
  readonly source: UvSource;
  /** File names. */
  readonly wheels: readonly string[];
  readonly hasSdist: boolean;
  /** Normalized names of possible dependencies, including those of extras and groups. */
  readonly needs: readonly string[];
  /** Every file has a digest. */
  readonly hashed: boolean;
}

export interface UvLock {
  readonly packages: readonly UvLockedPackage[];
}

interface UvLockProblem {
  readonly type: 'invalid-toml' | 'invalid-lock';
  readonly message: string;
}

const SOURCES = ['registry', 'git', 'url', 'path', 'directory', 'editable', 'virtual'] as const;

export function parseUvLock(bytes: Uint8Array): Parsed<UvLock, UvLockProblem> {
  const lock = readToml(bytes);
  if (!lock.ok) return wrong({ type: 'invalid-toml', message: lock.failure });
  const list = lock.value['package'] ?? [];
  if (!Array.isArray(list)) return wrong({ type: 'invalid-lock', message: '`package` is not a list' });
  const packages: UvLockedPackage[] = [];
  for (const [index, entry] of list.entries()) {
    const found = readPackage(fieldsOf(entry));
    if (found === undefined) {
      const message = `package ${index + 1} has no name or an unknown source`;
      return wrong({ type: 'invalid-lock', message });
    }
    packages.push(found);
  }
  return parsed({ packages });
}

function readPackage(entry: Fields): UvLockedPackage | undefined {
  const { name, version } = entry;
  const source = readSource(fieldsOf(entry['source']));
  if (typeof name !== 'string' || source === undefined) return undefined;
  const wheels = Array.isArray(entry['wheels']) ? entry['wheels'].map(fieldsOf) : [];
  const sdist = entry['sdist'] === undefined ? [] : [fieldsOf(entry['sdist'])];
  return {
    name: normalizeName(name),
    ...(typeof version === 'string' && { version }),
    source,
    wheels: wheels.map(fileName).filter((file) => file !== undefined),
    hasSdist: sdist.length > 0,
    needs: needsOf(entry),
    hashed: [...wheels, ...sdist].every(({ hash }) => typeof hash === 'string'),
  };
}

function needsOf(entry: Fields): readonly string[] {
  const lists = [
    entry['dependencies'],
    ...Object.values(fieldsOf(entry['optional-dependencies'])),
    ...Object.values(fieldsOf(entry['dev-dependencies'])),
  ];
  const names = lists.flatMap((list) => (Array.isArray(list) ? list.map((item) => fieldsOf(item)['name']) : []));
  return [...new Set(names.filter((name) => typeof name === 'string').map(normalizeName))];
}

/** All packages that an install of one package may need, including itself. A package may be locked more than once. */
export function neededBy(lock: UvLock, start: UvLockedPackage): UvLock {
  const byName = new Map<string, UvLockedPackage[]>();
  for (const one of lock.packages) byName.set(one.name, [...(byName.get(one.name) ?? []), one]);
  const found = new Set<UvLockedPackage>([start]);
  for (const { needs } of found) for (const name of needs) for (const one of byName.get(name) ?? []) found.add(one);
  return { packages: lock.packages.filter((one) => found.has(one)) };
}

function readSource(source: Fields): UvSource | undefined {
  for (const type of SOURCES) {
    const at = source[type];
    if (typeof at === 'string') return { type, at };
  }
  return undefined;
}

export function fileName({ url, path, filename }: Fields): string | undefined {
  if (typeof filename === 'string') return filename;
  const place = [url, path].find((value) => typeof value === 'string');
  if (typeof place !== 'string') return undefined;
  const last = (place.split(/[?#]/, 1)[0] ?? '').replace(/^.*\//s, '');
  try {
    return decodeURIComponent(last);
  } catch {
    return last;
  }
}

/** Name -> version, to compare two states of a lockfile. A package may be locked in several versions. */
export function versionsOf(lock: UvLock): Readonly<Record<string, string>> {
  const versions = new Map<string, string[]>();
  for (const { name, version, source } of lock.packages) {
    if (source.type === 'virtual') continue;
    versions.set(name, [...(versions.get(name) ?? []), version ?? source.at]);
  }
  const entries = [...versions].sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([name, found]) => [name, found.sort().join(', ')]));
}
