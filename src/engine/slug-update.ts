// Makes a folder that holds a slug hold another one, touching only what differs. Unaware of sources and layers.

import { isUtf8 } from 'node:buffer';
import { chmodSync, lstatSync, mkdirSync, readdirSync, readlinkSync, rmdirSync, symlinkSync } from 'node:fs';
import type { Digest } from './digest.js';
import type { TreeEntry } from './directories.js';
import { FailureError, type Failure } from './failure.js';
import { shownPath } from './files/shown-path.js';
import { isPath } from './layers.js';
import { spell, writeMarker, type Marker } from './slug-marker.js';
import { SLUG_MARKER, SLUG_MARKERS, UNFINISHED_MARKER } from './source-names.js';
import { Breather, FIXED_MTIME_S } from './store-files.js';
import type { BlobStore } from './store.js';
import { removeEntry } from './remove-tree.js';

const WRITERS = 8;

export interface UpdateOptions {
  readonly blobs: BlobStore;
  /** Why a blob is not to be had. */
  readonly missing: (digest: Digest) => Failure;
  /** What earlier runs put there, one that was cut off among them. */
  readonly earlier: Marker['paths'];
  /** What stands for the marker meanwhile. */
  readonly unfinished: Marker;
  readonly inPlace: boolean;
  /** What the app itself has at a path: in place that needs no writing. */
  readonly sourceSpelling: ReadonlyMap<string, string>;
  readonly signal: AbortSignal;
}

/** Makes the folder hold `content`; false when it did already. The marker is away while anything is touched. */
export async function updateSlug(
  outDir: string,
  content: ReadonlyMap<string, TreeEntry>,
  before: Marker | undefined,
  options: UpdateOptions,
): Promise<boolean> {
  const { blobs, missing, earlier, unfinished, inPlace, sourceSpelling, signal } = options;
  let started = false;
  const start = (): void => {
    if (started) return;
    started = true;
    writeMarker(outDir, UNFINISHED_MARKER, unfinished);
    clearAway(`${outDir}/${SLUG_MARKER}`);
  };
  // The marker came last, so whatever is younger was touched by somebody else, also when its time was put back.
  const finishedAt = before === undefined ? 0 : lstatSync(`${outDir}/${SLUG_MARKER}`).ctimeMs;
  for (const path of inPlace ? vanished(content, earlier, outDir) : strangers(outDir, content)) {
    start();
    if (typeof path === 'string' && path.endsWith('/')) removeIfEmpty(`${outDir}/${path}`);
    else clearAway(typeof path === 'string' ? `${outDir}/${path}` : path);
  }
  const stale: [string, TreeEntry & { type: 'file' }][] = [];
  for (const [path, entry] of content) {
    if (inPlace && sourceSpelling.get(path) === spell(entry)) continue;
    const target = `${outDir}/${path}`;
    const stat = lstatSync(target, { throwIfNoEntry: false });
    if (entry.type === 'directory') {
      if (stat?.isDirectory() === true && (stat.mode & 0o777) === 0o755) continue;
      start();
      if (stat?.isDirectory() !== true) {
        clearAway(target);
        mkdirSync(target);
      }
      chmodSync(target, 0o755);
    } else if (entry.type === 'symlink') {
      if (stat?.isSymbolicLink() === true && readlinkSync(target) === entry.target) continue;
      start();
      clearAway(target);
      symlinkSync(entry.target, target);
    } else {
      const isSame =
        stat?.isFile() === true &&
        before?.paths[path] === spell(entry) &&
        stat.mtimeMs === FIXED_MTIME_S * 1000 &&
        stat.ctimeMs <= finishedAt &&
        (stat.mode & 0o777) === (entry.executable ? 0o755 : 0o644) &&
        stat.size === Number(entry.digest.slice(65));
      if (!isSame) stale.push([path, entry]);
    }
  }
  if (stale.length > 0) start();
  const queue = stale.values();
  const breather = new Breather();
  const work = async (): Promise<void> => {
    for (const [path, { digest, executable }] of queue) {
      if (signal.aborted) return;
      const target = `${outDir}/${path}`;
      clearAway(target);
      if (!(await blobs.materialize(digest, target, executable))) throw new FailureError(missing(digest));
      await breather.pause();
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, work));
  if (signal.aborted) throw new FailureError(interrupted);
  return started || before === undefined;
}

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
function strangers(outDir: string, content: ReadonlyMap<string, TreeEntry>): (string | Buffer)[] {
  const found: (string | Buffer)[] = [];
  const visit = (prefix: string): void => {
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
