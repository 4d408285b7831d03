// Turns a folder that holds one slug into another one, and changes only what differs.

import { isUtf8 } from 'node:buffer';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  rmdirSync,
  symlinkSync,
  type Stats,
} from 'node:fs';
import type { Digest } from '../files/digest.js';
import type { TreeEntry } from '../trees/directories.js';
import { FailureError, type ActedOnCode, type Failure } from '../failure.js';
import { shownPath } from '../files/shown-path.js';
import { isPath } from '../trees/layers.js';
import { spell, timeOf, writeMarker, type Marker } from '../app/slug-marker.js';
import { changedDuringRun } from '../app/source-digests.js';
import { SLUG_MARKER, SLUG_MARKERS, UNFINISHED_MARKER } from '../app/source-names.js';
import { Breather } from '../files/new-files.js';
import { FOLDER_MODE, modeOfFile } from '../files/modes.js';
import type { BlobStore } from '../trees/blob-store.js';
import { MissingBlob } from '../trees/output-tree.js';
import { removeEntry } from '../files/remove-tree.js';

const WRITERS = 8;
/** Mode bits that the owner of a folder needs to list and change it. */
const OWNER = 0o700;
const ENTERED = 0o500;

export interface UpdateOptions {
  readonly blobs: BlobStore;
  /** Digest -> path in the app. The store does not hold these bytes. */
  readonly sources: ReadonlyMap<Digest, string>;
  /** What earlier runs wrote there, including an interrupted one. For a one-time build also what the source has. */
  readonly earlier: Marker['paths'];
  /** The marker to leave there while the folder is incomplete. */
  readonly unfinished: Marker;
  readonly inPlace: boolean;
  /** What the source has at a path. If the slug is written in place, pyflow need not write that. */
  readonly sourceSpelling: ReadonlyMap<string, string>;
  /** Mtime for the files that are written, in seconds since the epoch. */
  readonly mtimeS: number;
  readonly signal: AbortSignal;
}

export interface Updated {
  /** False if the folder already held everything. */
  readonly changed: boolean;
  /** Paths of the files that were written. */
  readonly written: readonly string[];
}

/** Makes the folder hold `content`. Removes the marker before the first change. */
export async function updateSlug(
  outDir: string,
  content: ReadonlyMap<string, TreeEntry>,
  before: Marker | undefined,
  options: UpdateOptions,
): Promise<Updated> {
  const { unfinished, signal } = options;
  // The marker was written last, so anything with a later ctime was changed by something else, even if its mtime was
  // reset.
  const compared = before && { marker: before, finishedAt: lstatSync(`${outDir}/${SLUG_MARKER}`).ctimeMs };
  let started = false;
  const start = (): void => {
    if (started) return;
    started = true;
    writeMarker(outDir, UNFINISHED_MARKER, unfinished);
    clearAway(`${outDir}/${SLUG_MARKER}`);
  };
  const folders = new Folders(outDir, start);
  try {
    removeStrangers(outDir, content, options, folders);
    const stale = findStale(outDir, content, compared, options, folders);
    await options.blobs.prefetch?.(stale.map(([, { digest }]) => digest));
    if (signal.aborted) throw new FailureError(interrupted);
    await writeFiles(outDir, stale, options, folders);
    if (signal.aborted) throw new FailureError(interrupted);
    return { changed: started || before === undefined, written: stale.map(([path]) => path) };
  } finally {
    folders.close();
  }
}

/** Opens folders while something in them is written or removed, and sets their modes afterwards. */
class Folders {
  /** Path in the slug -> the mode to set at the end. */
  readonly #modes = new Map<string, number>();

  constructor(
    private readonly outDir: string,
    /** Called before the first change. */
    readonly start: () => void,
  ) {}

  /** Lets the owner list and change the folder. Does nothing if that is already possible, or if it is no folder. */
  open(path: string): void {
    if (path === '' || this.#modes.has(path)) return;
    const target = `${this.outDir}/${path}`;
    const stat = lstatSync(target, { throwIfNoEntry: false });
    if (stat?.isDirectory() !== true || (stat.mode & OWNER) === OWNER) return;
    this.start();
    this.#modes.set(path, stat.mode & 0o777);
    chmodSync(target, OWNER);
  }

  /** The mode that the folder had at first, even while it is open. */
  modeOf(path: string, stat: Stats): number {
    return this.#modes.get(path) ?? stat.mode & 0o777;
  }

  /** Call it before an entry of the folder is written or removed. */
  openParentOf(path: string): void {
    this.open(parentOf(path));
  }

  /** Makes the folder or changes its mode. A mode narrower than the default is set at the end. */
  give(path: string, mode: number, isThere: boolean): void {
    const target = `${this.outDir}/${path}`;
    this.openParentOf(path);
    if (!isThere) {
      clearAway(target);
      mkdirSync(target, OWNER);
    }
    chmodSync(target, mode === FOLDER_MODE ? mode : OWNER);
    this.#modes.set(path, mode);
  }

  close(): void {
    // Children first: they were opened after their parents, and a closed parent would hide them.
    for (const [path, mode] of [...this.#modes].toReversed()) {
      const target = `${this.outDir}/${path}`;
      if (lstatSync(target, { throwIfNoEntry: false })?.isDirectory() === true) chmodSync(target, mode);
    }
  }
}

function removeStrangers(
  outDir: string,
  content: ReadonlyMap<string, TreeEntry>,
  { inPlace, earlier }: UpdateOptions,
  folders: Folders,
): void {
  for (const path of inPlace ? vanished(content, earlier, outDir) : strangers(outDir, content, folders)) {
    folders.start();
    if (typeof path !== 'string') {
      clearAway(path);
      continue;
    }
    folders.openParentOf(path.replace(/\/$/, ''));
    if (path.endsWith('/')) removeIfEmpty(`${outDir}/${path}`);
    else clearAway(`${outDir}/${path}`);
  }
}

interface Compared {
  readonly marker: Marker;
  /** Milliseconds since the epoch. */
  readonly finishedAt: number;
}
type FileOfSlug = TreeEntry & { readonly type: 'file' };

/** Corrects folders and links, and returns the files that have to be written. */
function findStale(
  outDir: string,
  content: ReadonlyMap<string, TreeEntry>,
  compared: Compared | undefined,
  { inPlace, sourceSpelling }: UpdateOptions,
  folders: Folders,
): readonly (readonly [string, FileOfSlug])[] {
  const stale: (readonly [string, FileOfSlug])[] = [];
  for (const [path, entry] of content) {
    if (inPlace && sourceSpelling.get(path) === spell(entry)) continue;
    const target = `${outDir}/${path}`;
    const stat = lstatOf(target);
    if (entry.type === 'directory') {
      const mode = entry.mode ?? FOLDER_MODE;
      const isThere = stat?.isDirectory() === true;
      if (isThere && folders.modeOf(path, stat) === mode) {
        // A folder that its owner can't enter can't be compared.
        if ((mode & ENTERED) !== ENTERED) folders.open(path);
        continue;
      }
      folders.start();
      folders.give(path, mode, isThere);
    } else if (entry.type === 'symlink') {
      if (stat?.isSymbolicLink() === true && readlinkSync(target) === entry.target) continue;
      folders.start();
      folders.openParentOf(path);
      clearAway(target);
      symlinkSync(entry.target, target);
    } else if (stat === undefined || !isSame(path, entry, stat, compared)) stale.push([path, entry]);
  }
  return stale;
}

const isSame = (path: string, entry: FileOfSlug, stat: Stats, compared: Compared | undefined): boolean =>
  compared !== undefined &&
  stat.isFile() &&
  compared.marker.paths[path] === spell(entry) &&
  stat.mtimeMs === timeOf(compared.marker, path) * 1000 &&
  stat.ctimeMs <= compared.finishedAt &&
  (stat.mode & 0o777) === modeOfFile(entry) &&
  stat.size === Number(entry.digest.slice(65));

async function writeFiles(
  outDir: string,
  files: readonly (readonly [string, FileOfSlug])[],
  { blobs, sources, mtimeS, signal }: UpdateOptions,
  folders: Folders,
): Promise<void> {
  if (files.length > 0) folders.start();
  const queue = files.values();
  const breather = new Breather();
  const work = async (): Promise<void> => {
    for (const [path, entry] of queue) {
      if (signal.aborted) return;
      const target = `${outDir}/${path}`;
      folders.openParentOf(path);
      clearAway(target);
      const form = { mode: modeOfFile(entry), mtimeS };
      if (!(await blobs.materialize(entry.digest, target, form))) throw missing(entry.digest, sources);
      await breather.pause();
    }
  };
  // Wait for all writers even if one fails, because another may still write to a folder that is about to be closed.
  const ends = await Promise.allSettled(Array.from({ length: WRITERS }, work));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}

const missing = (digest: Digest, sources: ReadonlyMap<Digest, string>): Error => {
  const path = sources.get(digest);
  return path === undefined ? new MissingBlob(digest) : new FailureError(changedDuringRun(path));
};

const lstatOf = (path: string): Stats | undefined => lstatSync(path, { throwIfNoEntry: false });

/** Removes an entry. Throws if it can't, because the entry would become part of the slug. */
export function clearAway(path: string | Buffer): void {
  const left = removeEntry(path);
  if (left === undefined) return;
  throw new FailureError({
    code: 'slug::cannot-clear',
    blame: 'environment',
    title: `pyflow can't clear the output folder: ${shownPath(left.path)}`,
    detail: `Removing it failed (${left.code}), and it is not part of the slug.`,
    remedy: '1. Remove it as a user who has permission, and run pyflow again.\n2. Or name another folder with --out.',
  });
}

/**
 * In place: paths that an earlier run wrote and this one does not. Folders end with a slash, and come after their
 * content. The app can contain a forged marker, so this returns no path outside the folder or behind a link.
 */
function vanished(content: ReadonlyMap<string, TreeEntry>, earlier: Marker['paths'], outDir: string): string[] {
  const known = new Map<string, boolean>();
  const isFolder = (path: string): boolean => {
    let found = known.get(path);
    if (found === undefined) {
      found =
        path === '' ||
        (isFolder(parentOf(path)) && lstatSync(`${outDir}/${path}`, { throwIfNoEntry: false })?.isDirectory() === true);
      known.set(path, found);
    }
    return found;
  };
  return Object.keys(earlier)
    .filter((key) => {
      const path = key.replace(/\/$/, '');
      return !content.has(path) && isPath(path) && isFolder(parentOf(path)) && (path === key || isFolder(path));
    })
    .sort()
    .toReversed();
}
function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // The app has files in it.
  }
}
const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));

/**
 * In a separate folder: everything that is not part of this slug. A name that is not UTF-8 is returned as an absolute
 * path in bytes.
 */
function strangers(outDir: string, content: ReadonlyMap<string, TreeEntry>, folders: Folders): (string | Buffer)[] {
  const found: (string | Buffer)[] = [];
  const visit = (prefix: string): void => {
    if (prefix !== '' && ((lstatOf(`${outDir}/${prefix}`)?.mode ?? 0) & ENTERED) !== ENTERED)
      folders.open(prefix.slice(0, -1));
    const entries = readdirSync(`${outDir}/${prefix}`, { withFileTypes: true });
    if (entries.some(({ name }) => name.includes('\uFFFD'))) {
      for (const name of readdirSync(`${outDir}/${prefix}`, { encoding: 'buffer' })) {
        if (!isUtf8(name)) found.push(Buffer.concat([Buffer.from(`${outDir}/${prefix}`), name]));
      }
    }
    for (const entry of entries) {
      const path = prefix + entry.name;
      if (SLUG_MARKERS.has(path)) continue;
      const wanted = content.get(path);
      if (wanted === undefined || (wanted.type === 'directory') !== entry.isDirectory()) found.push(path);
      else if (entry.isDirectory()) visit(`${path}/`);
    }
  };
  visit('');
  return found;
}

export const interrupted: Failure = {
  code: 'run::aborted' satisfies ActedOnCode,
  blame: 'environment',
  title: 'The run was interrupted while it wrote the slug',
  detail: 'pyflow has marked the slug as unfinished.',
  remedy: 'Run pyflow again to complete the slug.',
};
