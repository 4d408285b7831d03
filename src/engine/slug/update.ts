// Makes a folder that holds a slug hold another one, touching only what differs. Unaware of sources and layers.

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
import { FailureError, type Failure } from '../failure.js';
import { shownPath } from '../files/shown-path.js';
import { isPath } from '../trees/layers.js';
import { spell, timeOf, writeMarker, type Marker } from '../app/slug-marker.js';
import { changedDuringRun } from '../app/source-digests.js';
import { SLUG_MARKER, SLUG_MARKERS, UNFINISHED_MARKER } from '../app/source-names.js';
import { Breather } from '../files/new-files.js';
import { FOLDER_MODE, modeOfFile } from '../files/modes.js';
import type { BlobStore } from '../trees/blob-store.js';
import { removeEntry } from '../files/remove-tree.js';

const WRITERS = 8;
/** What a folder's owner needs to change it, and to look at what is in it. */
const OWNER = 0o700;
const ENTERED = 0o500;

/** The store has lost a blob of the slug. */
export class MissingBlob extends Error {
  constructor(readonly digest: Digest) {
    super(digest);
  }
}

export interface UpdateOptions {
  readonly blobs: BlobStore;
  /** Digest -> path in the app: these bytes are in no store. */
  readonly sources: ReadonlyMap<Digest, string>;
  /** What earlier runs put there, one that was cut off among them; built once: what the app itself has, too. */
  readonly earlier: Marker['paths'];
  /** What stands for the marker meanwhile. */
  readonly unfinished: Marker;
  readonly inPlace: boolean;
  /** What the app itself has at a path: in place that needs no writing. */
  readonly sourceSpelling: ReadonlyMap<string, string>;
  /** Seconds since the epoch, for the files that are written. */
  readonly mtimeS: number;
  readonly signal: AbortSignal;
}

export interface Updated {
  /** False when the folder held everything already. */
  readonly changed: boolean;
  /** Files that were written. */
  readonly written: readonly string[];
}

/** Makes the folder hold `content`. The marker is away while anything is touched. */
export async function updateSlug(
  outDir: string,
  content: ReadonlyMap<string, TreeEntry>,
  before: Marker | undefined,
  options: UpdateOptions,
): Promise<Updated> {
  const { unfinished, signal } = options;
  // The marker came last, so whatever is younger was touched by somebody else, also when its time was put back.
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
    await writeFiles(outDir, stale, options, folders);
    if (signal.aborted) throw new FailureError(interrupted);
    return { changed: started || before === undefined, written: stale.map(([path]) => path) };
  } finally {
    folders.close();
  }
}

/** Folders that must be open while something in them is written or removed, and get their modes afterwards. */
class Folders {
  /** Path in the slug -> the mode that it is to have in the end. */
  readonly #modes = new Map<string, number>();

  constructor(
    private readonly outDir: string,
    /** To be called before anything is touched. */
    readonly start: () => void,
  ) {}

  /** Lets its owner list and change the folder. Nothing for one that is open already, or that is none. */
  open(path: string): void {
    if (path === '' || this.#modes.has(path)) return;
    const target = `${this.outDir}/${path}`;
    const stat = lstatSync(target, { throwIfNoEntry: false });
    if (stat?.isDirectory() !== true || (stat.mode & OWNER) === OWNER) return;
    this.start();
    this.#modes.set(path, stat.mode & 0o777);
    chmodSync(target, OWNER);
  }

  /** As it was found, also while it is open. */
  modeOf(path: string, stat: Stats): number {
    return this.#modes.get(path) ?? stat.mode & 0o777;
  }

  /** Before an entry of it is written or removed. */
  openParentOf(path: string): void {
    this.open(parentOf(path));
  }

  /** Makes the folder, or changes its mode, in the end where that is narrower than the default. */
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
    // Children were opened after their parents, and a closed parent would hide them.
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

/** Puts folders and links in order, and gives the files that are not as they should be. */
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
        // What its owner cannot enter cannot be compared either.
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
  // One that fails must not end this while another still writes below a folder that is about to be closed.
  const ends = await Promise.allSettled(Array.from({ length: WRITERS }, work));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}

const missing = (digest: Digest, sources: ReadonlyMap<Digest, string>): Error => {
  const path = sources.get(digest);
  return path === undefined ? new MissingBlob(digest) : new FailureError(changedDuringRun(path));
};

const lstatOf = (path: string): Stats | undefined => lstatSync(path, { throwIfNoEntry: false });

/** What stays would be part of the slug, so here a removal that fails is a failure. */
export function clearAway(path: string | Buffer): void {
  const left = removeEntry(path);
  if (left === undefined) return;
  throw new FailureError({
    code: 'slug::cannot-clear',
    blame: 'environment',
    title: `The output folder cannot be cleared: ${shownPath(left.path)}`,
    detail: `Something in it cannot be removed (${left.code}), and it is not part of the slug.`,
    remedy: 'Remove it as a user who may, or name another folder with --out; then run again.',
  });
}

/**
 * In place: what an earlier run put there and this one does not; folders end with a slash, their content comes first.
 * The marker lies in the app, so anybody may have written it: nothing outside is named, also not through links.
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
    // The app has something in it.
  }
}
const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));

/** Apart: whatever lies in the folder and is not of this slug. Absolute, in bytes, where the name is no UTF-8. */
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
  code: 'run::aborted',
  blame: 'environment',
  title: 'The run was interrupted while the slug was written',
  detail: 'What lies there is marked as unfinished.',
  remedy: 'Run again; the slug is completed.',
};
