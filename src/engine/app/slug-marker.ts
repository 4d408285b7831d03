// The marker at the root of a slug: it distinguishes a slug from other folders, and for a build in place, pyflow's files from
// the app's own.

import { renameSync, writeFileSync } from 'node:fs';
import type { Digest } from '../files/digest.js';
import type { NewEntry, TreeEntry } from '../trees/directories.js';
import { readJSON } from '../files/cache-file.js';
import { NEW_MARKER, SLUG_MARKER, UNFINISHED_MARKER } from './source-names.js';
import type { SourceEntry } from './source.js';
import { FOLDER_MODE, spellMode, spellPermissions } from '../files/modes.js';

/** Content of the marker; its file is in every slug, so that pyflow only overwrites slugs. */
export interface Marker {
  readonly format: number;
  readonly digest: Digest;
  /** Path -> entry; our folders end with a slash. For a build in place, only what the app did not contain itself. */
  readonly paths: Readonly<Record<string, string>>;
  /** Seconds since the epoch: time of the files that are not in `times`. Absent in markers of older versions. */
  readonly time?: number;
  readonly times?: Readonly<Record<string, number>>;
  /** For an unfinished slug: the time that the interrupted run gives to files. */
  readonly next?: number;
}

/** Time of all files of slugs from versions without times. */
const OLD_TIME_S = 315_532_800;

/** Seconds since the epoch. */
export const timeOf = (marker: Marker, path: string): number => marker.times?.[path] ?? marker.time ?? OLD_TIME_S;

export const newestTime = ({ time = OLD_TIME_S, times = {}, next = 0 }: Marker): number =>
  Object.values(times).reduce((newest, each) => Math.max(newest, each), Math.max(time, next));

/** The times for the marker after an update that wrote some of the files at `now`. */
export function timesAfter(
  before: Marker | undefined,
  paths: Marker['paths'],
  written: readonly string[],
  now: number,
): { readonly time: number; readonly times?: Readonly<Record<string, number>> } {
  if (before === undefined) return { time: now };
  const kept = Object.entries(before.times ?? {}).filter(([path]) => paths[path] !== undefined);
  const times = Object.fromEntries([...kept, ...written.map((path): [string, number] => [path, now])]);
  const time = before.time ?? OLD_TIME_S;
  return Object.keys(times).length === 0 ? { time } : { time, times };
}

/**
 * Path of a file or folder in the slug, its mtime and ctime (ms) and its inode. The mtime shows every write, since our times are
 * whole seconds; the ctime also shows a change of mode, or a write after which the mtime was restored.
 */
export type SlugTrace = readonly [string, number, number, number];

export const MARKER_FORMAT = 1;
/** For an app that is built in place: a predicate for files that an earlier run wrote. */
export function oursInPlace(directory: string): (path: string, entry: SourceEntry) => boolean {
  const marker = readMarker(directory, SLUG_MARKER) ?? readMarker(directory, UNFINISHED_MARKER);
  const paths = marker?.paths ?? {};
  return (path, entry) => {
    if (entry.type === 'directory') return paths[`${path}/`] !== undefined;
    if (paths[path] === undefined) return false;
    if (entry.type === 'symlink' || marker === undefined) return true;
    const { mtimeMs } = entry.stat;
    return mtimeMs === timeOf(marker, path) * 1000 || mtimeMs === (marker.next ?? 0) * 1000;
  };
}

/** Undefined if it is missing, or not in the form that pyflow writes. */
export function readMarker(directory: string, name: string): Marker | undefined {
  const marker = readJSON<Marker>(`${directory}/${name}`);
  if (marker?.format !== MARKER_FORMAT || typeof marker.paths !== 'object' || marker.paths === null) return undefined;
  if (!Object.values(marker.paths).every((value) => typeof value === 'string')) return undefined;
  const { time = 0, times = {}, next = 0 } = marker as { time?: unknown; times?: unknown; next?: unknown };
  if (typeof times !== 'object' || times === null) return undefined;
  return [time, next, ...Object.values(times)].every(Number.isSafeInteger) ? marker : undefined;
}

export function spell(entry: TreeEntry | NewEntry): string {
  if ('target' in entry) return `-> ${entry.target}`;
  if ('executable' in entry) {
    if (entry.mode !== undefined) return `${entry.digest}${spellPermissions(entry)}`;
    return `${entry.digest}${entry.executable ? ' x' : ''}`;
  }
  return entry.mode === undefined || entry.mode === FOLDER_MODE ? 'folder' : `folder mode ${spellMode(entry.mode)}`;
}

export function markerPaths(
  content: ReadonlyMap<string, TreeEntry>,
  isOwn: (path: string) => boolean,
): Record<string, string> {
  const paths: Record<string, string> = {};
  for (const [path, entry] of content) {
    if (isOwn(path)) paths[entry.type === 'directory' ? `${path}/` : path] = spell(entry);
  }
  return paths;
}

/** Writes it atomically. */
export function writeMarker(outDir: string, name: string, marker: Marker): void {
  writeFileSync(`${outDir}/${NEW_MARKER}`, JSON.stringify(marker));
  renameSync(`${outDir}/${NEW_MARKER}`, `${outDir}/${name}`);
}
