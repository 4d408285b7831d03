// The marker at the root of a slug: by it a slug is told from other folders, and in place what pyflow put into an app from
// what was the app's own. Unaware of how slugs are written.

import { renameSync, writeFileSync } from 'node:fs';
import type { Digest } from './digest.js';
import type { NewEntry, TreeEntry } from './directories.js';
import { readJSON } from './run-record.js';
import { NEW_MARKER, SLUG_MARKER, UNFINISHED_MARKER } from './source-names.js';
import type { SourceEntry } from './source.js';
import { FIXED_MTIME_S } from './store-files.js';

/** What lies at the root of every slug, so that only a slug is ever overwritten. */
export interface Marker {
  readonly format: number;
  readonly digest: Digest;
  /** Path -> what lies there; folders of ours end with a slash. In place only what the app did not have itself. */
  readonly paths: Readonly<Record<string, string>>;
}

export const MARKER_FORMAT = 1;
/** The predicate by which an app that is built in place tells its own files from an earlier run's. */
export function oursInPlace(directory: string): (path: string, entry: SourceEntry) => boolean {
  const marker = readMarker(directory, SLUG_MARKER) ?? readMarker(directory, UNFINISHED_MARKER);
  const paths = marker?.paths ?? {};
  return (path, entry) => {
    if (entry.type === 'directory') return paths[`${path}/`] !== undefined;
    if (paths[path] === undefined) return false;
    return entry.type === 'symlink' || entry.stat.mtimeMs === FIXED_MTIME_S * 1000;
  };
}

/** Undefined when it is not there, or not as pyflow writes it. */
export function readMarker(directory: string, name: string): Marker | undefined {
  const marker = readJSON<Marker>(`${directory}/${name}`);
  if (marker?.format !== MARKER_FORMAT || typeof marker.paths !== 'object' || marker.paths === null) return undefined;
  return Object.values(marker.paths).every((value) => typeof value === 'string') ? marker : undefined;
}

export function spell(entry: TreeEntry | NewEntry): string {
  if ('target' in entry) return `-> ${entry.target}`;
  if ('executable' in entry) return `${entry.digest}${entry.executable ? ' x' : ''}`;
  return 'folder';
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

/** Whole or not at all. */
export function writeMarker(outDir: string, name: string, marker: Marker): void {
  writeFileSync(`${outDir}/${NEW_MARKER}`, JSON.stringify(marker));
  renameSync(`${outDir}/${NEW_MARKER}`, `${outDir}/${name}`);
}
