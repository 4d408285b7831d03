// Lists what lies below a folder, quickly and in a fixed order. Unaware of what the files are.

import { readdir } from 'node:fs/promises';

export interface WalkedFile {
  /** Relative to the start, with slashes. */
  readonly path: string;
  readonly kind: 'file' | 'symlink';
}

/**
 * Files and symlinks below `root`, sorted by code unit of the path; empty when there is no such folder. A folder that
 * `enter` refuses is not read.
 */
export async function walkFiles(
  root: string,
  enter: (path: string) => boolean = () => true,
): Promise<readonly WalkedFile[]> {
  const found: WalkedFile[] = [];
  let level: string[] = [''];
  while (level.length > 0) {
    const next: string[] = [];
    await eachLimited(level, 16, async (directory) => {
      const entries = await readdir(`${root}/${directory}`, { withFileTypes: true }).catch(missingAsEmpty);
      for (const entry of entries) {
        const path = directory === '' ? entry.name : `${directory}/${entry.name}`;
        if (entry.isDirectory()) {
          if (enter(path)) next.push(path);
        } else if (entry.isSymbolicLink()) found.push({ path, kind: 'symlink' });
        else if (entry.isFile()) found.push({ path, kind: 'file' });
      }
    });
    level = next;
  }
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Works on all items, at most `limit` at a time; the first exception wins after those in flight have ended. */
export async function eachLimited<T>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const item = items[next] as T;
      next += 1;
      await work(item);
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: Math.min(limit, items.length) }, worker));
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

function missingAsEmpty(error: NodeJS.ErrnoException): never[] {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [];
  throw error;
}
