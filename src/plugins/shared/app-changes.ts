// What changed in a folder, found by stat before and after. Unaware of why anyone asks.

import { lstatSync } from 'node:fs';
import { open, readdir, rm } from 'node:fs/promises';
import { posix } from 'node:path';

/** Path of each file below the folder -> what a write to it would move. */
export type Snapshot = ReadonlyMap<string, string>;

export async function takeSnapshot(root: string, signal: AbortSignal): Promise<Snapshot> {
  const files = new Map<string, string>();
  const folders = [''];
  for (let folder = folders.pop(); folder !== undefined && !signal.aborted; folder = folders.pop()) {
    // A script may have deleted even the root; what is missing is for the engine to say.
    const entries = await readdir(`${root}/${folder}`, { withFileTypes: true }).catch(emptyIfGone);
    for (const entry of entries) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) {
        folders.push(path);
        continue;
      }
      // The synchronous call is several times cheaper, and one folder at a time keeps the pauses short.
      const stat = lstatSync(`${root}/${path}`, { throwIfNoEntry: false });
      if (stat) files.set(path, `${stat.size} ${stat.mtimeMs} ${stat.ctimeMs} ${stat.ino}`);
    }
  }
  return files;
}

function emptyIfGone(error: NodeJS.ErrnoException): readonly [] {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [];
  throw error;
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
export async function dropStaleBytecode(
  root: string,
  below: string,
  before: Snapshot,
  after: Snapshot,
): Promise<readonly string[]> {
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
    if (await isUnchecked(`${root}/${path}`)) {
      await rm(`${root}/${path}`, { force: true });
      dropped.push(path);
    }
  }
  return dropped.sort();
}

/** The second word of a .pyc: bit 0 = made by hash, bit 1 = compare it with the source (PEP 552). */
async function isUnchecked(file: string): Promise<boolean> {
  const handle = await open(file).catch(() => undefined);
  if (handle === undefined) return false;
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(8), 0, 8, 0);
    return bytesRead === 8 && buffer.readUInt32LE(4) === 1;
  } finally {
    await handle.close();
  }
}
