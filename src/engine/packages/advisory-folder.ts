// Reads a folder of OSV records once, and keeps what they say of PyPI in the cache until a name, size or time there changes.

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fail, succeed, type Result } from '../failure.js';
import { sha256Hex } from '../files/digest.js';
import { whyUnreadable } from '../files/operator-file.js';
import { readSealed, writeSealed, type Seal } from '../files/sealed-json.js';
import { Advisories, readRecord, type Advisory } from './advisories.js';

/** What a folder says, as the cache keeps it. */
interface FolderIndex {
  /** Over the names, sizes and times of the files. */
  readonly listing: string;
  /** Sorted by name. */
  readonly projects: readonly (readonly [project: string, advisories: readonly Advisory[]])[];
  /** Relative names of files that are no records. */
  readonly unreadable: readonly string[];
}

export interface AdvisoryFolder {
  readonly advisories: Advisories;
  /** Relative names of files that are no records, at most a few. */
  readonly unreadable: readonly string[];
}

const MOST_FILES = 500_000;
const MOST_DEPTH = 8;
const LARGEST_RECORD = 16 * 1024 * 1024;
const MOST_NAMED = 20;

const seal = (folder: string): Seal => ({ kind: 'advisories', version: 1, of: folder });

/** The failure is a sentence. Without `cacheDir`, nothing is kept. */
export function readAdvisoryFolder(folder: string, cacheDir: string | undefined): Result<AdvisoryFolder, string> {
  let files: readonly RecordFile[];
  try {
    files = recordsIn(folder);
  } catch (error) {
    return fail(error instanceof RangeError ? error.message : whyUnreadable(error));
  }
  const listing = sha256Hex(files.map(({ name, size, mtimeMs }) => `${name}\0${size}\0${mtimeMs}\n`).join(''));
  const path = cacheDir === undefined ? undefined : join(cacheDir, 'advisories', `${sha256Hex(folder)}.json`);
  const kept = path === undefined ? undefined : readSealed<FolderIndex>(path, seal(folder));
  if (kept?.listing === listing) return succeed(folderOf(kept));
  const index = { listing, ...indexOf(folder, files) };
  if (path !== undefined) writeSealed(path, seal(folder), index);
  return succeed(folderOf(index));
}

function folderOf({ projects, unreadable }: FolderIndex): AdvisoryFolder {
  return { advisories: new Advisories(new Map(projects), sha256Hex(JSON.stringify(projects))), unreadable };
}

interface RecordFile {
  /** Relative. */
  readonly name: string;
  readonly size: number;
  readonly mtimeMs: number;
}

/** Sorted by name. Throws the system's error, or a RangeError. */
function recordsIn(folder: string): readonly RecordFile[] {
  const found: RecordFile[] = [];
  const pending: (readonly [path: string, depth: number])[] = [[folder, 0]];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const [path, depth] = next;
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      const at = join(path, entry.name);
      if (entry.isDirectory() && depth < MOST_DEPTH && !entry.name.startsWith('.')) pending.push([at, depth + 1]);
      if (!entry.name.endsWith('.json') || entry.isDirectory()) continue;
      const stats = statSync(at, { throwIfNoEntry: false });
      if (stats?.isFile() !== true) continue;
      if (found.length >= MOST_FILES)
        throw new RangeError(`It has more than ${MOST_FILES.toLocaleString('en')} files.`);
      found.push({ name: relative(folder, at), size: stats.size, mtimeMs: stats.mtimeMs });
    }
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function indexOf(folder: string, files: readonly RecordFile[]): Omit<FolderIndex, 'listing'> {
  const projects = new Map<string, Advisory[]>();
  const unreadable: string[] = [];
  for (const { name, size } of files) {
    const record = size > LARGEST_RECORD ? undefined : readRecord(parsed(join(folder, name)));
    if (record === undefined && unreadable.length < MOST_NAMED) unreadable.push(name);
    for (const [project, advisories] of record ?? []) {
      const known = projects.get(project);
      if (known === undefined) projects.set(project, [...advisories]);
      else known.push(...advisories);
    }
  }
  return { projects: [...projects].sort(([a], [b]) => (a < b ? -1 : 1)), unreadable };
}

function parsed(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}
