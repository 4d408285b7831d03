// Finds out what changed in a folder, by stat before and after.

import { posix } from 'node:path';
import type { Folder } from '../../../engine/sdk.js';

/** Path of each file below the folder -> the fields of its stat that a write changes. */
export type Snapshot = ReadonlyMap<string, string>;

/** Of all files below `path`. Empty if that is not a folder, which the engine reports. */
export async function takeSnapshot(folder: Folder, path: string, signal: AbortSignal): Promise<Snapshot> {
  const files = new Map<string, string>();
  await folder.visit(path, (entry, below, handle) => {
    if (entry.isDirectory()) return !signal.aborted;
    const stat = handle.stat(entry.name);
    if (stat) files.set(below, `${stat.size} ${stat.mtimeMs} ${stat.ctimeMs} ${stat.ino}`);
    return false;
  });
  return files;
}

/** New and changed files, sorted. */
export function changedFiles(before: Snapshot, after: Snapshot): string[] {
  const changed: string[] = [];
  for (const [path, stat] of after) if (before.get(path) !== stat) changed.push(path);
  return changed.sort();
}

/**
 * Deletes the bytecode of source files that the script changed. Installers compile bytecode that Python doesn't check against
 * its source, so without this the changes would have no effect.
 */
export function dropStaleBytecode(folder: Folder, below: string, before: Snapshot, after: Snapshot): readonly string[] {
  const stale = new Set(
    changedFiles(before, after)
      .filter((path) => path.startsWith(`${below}/`) && path.endsWith('.py'))
      .map((path) => posix.join(posix.dirname(path), '__pycache__', posix.basename(path, '.py'))),
  );
  if (stale.size === 0) return [];
  const dropped: string[] = [];
  for (const path of after.keys()) {
    // `name.cpython-313.opt-1.pyc`. Dots that belong to the name come before the tag.
    const source = path.replace(/\.[a-z]+-\d+(\.opt-\w+)?\.pyc$/, '');
    if (source === path || !stale.has(source) || before.get(path) !== after.get(path)) continue;
    if (isUnchecked(folder, path)) {
      folder.remove(path);
      dropped.push(path);
    }
  }
  return dropped.sort();
}

/** The second word of a .pyc: bit 0 = has a hash, bit 1 = Python checks the hash against the source (PEP 552). */
function isUnchecked(folder: Folder, path: string): boolean {
  const header = folder.isFile(path) ? folder.readStart(path, 8) : undefined;
  return header?.length === 8 && header.readUInt32LE(4) === 1;
}
