// What changed in a folder, found by stat before and after. Unaware of why anyone asks.

import { posix } from 'node:path';
import type { Folder } from '../../../engine/sdk.js';

/** Path of each file below the folder -> what a write to it would move. */
export type Snapshot = ReadonlyMap<string, string>;

/** Of what lies below `path`; empty when there is no such folder, which is for the engine to say. */
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

/** Files that are new or differ, sorted. */
export function changedFiles(before: Snapshot, after: Snapshot): string[] {
  const changed: string[] = [];
  for (const [path, stat] of after) if (before.get(path) !== stat) changed.push(path);
  return changed.sort();
}

/**
 * Deletes bytecode that Python would prefer over a source file the script changed: the installers' bytecode carries a
 * hash that nobody checks, so without this the change would have no effect.
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
    // `name.cpython-313.opt-1.pyc`; a name may have dots of its own only in front of the tag.
    const source = path.replace(/\.[a-z]+-\d+(\.opt-\w+)?\.pyc$/, '');
    if (source === path || !stale.has(source) || before.get(path) !== after.get(path)) continue;
    if (isUnchecked(folder, path)) {
      folder.remove(path);
      dropped.push(path);
    }
  }
  return dropped.sort();
}

/** The second word of a .pyc: bit 0 = made by hash, bit 1 = compare it with the source (PEP 552). */
function isUnchecked(folder: Folder, path: string): boolean {
  const header = folder.isFile(path) ? folder.readStart(path, 8) : undefined;
  return header?.length === 8 && header.readUInt32LE(4) === 1;
}
