// Files as the store and trees make them: new, of one of two modes, with one fixed time. Unaware of digests and caches.

import { chmodSync, closeSync, fchmodSync, futimesSync, openSync, utimesSync, writeSync } from 'node:fs';
import { removeFile } from './remove-tree.js';

/** 1980-01-01 in seconds: the earliest time a zip archive can hold; bytecode of a tree never goes stale by it. */
export const FIXED_MTIME_S = 315_532_800;

export const modeOf = (executable: boolean): number => (executable ? 0o755 : 0o644);

let umask: number | undefined;
/** Whether the umask takes bits away that a file or directory of ours must have. */
export function isModeCut(): boolean {
  umask ??= process.umask();
  return (umask & 0o755) !== 0;
}

/** Puts bytes into a file that must not exist yet. Leaves nothing behind when it throws. */
export function writeNewFile(path: string, bytes: Uint8Array, executable: boolean): void {
  const fd = openSync(path, 'wx', modeOf(executable));
  try {
    writeAll(fd, bytes);
    if (isModeCut()) fchmodSync(fd, modeOf(executable));
    futimesSync(fd, FIXED_MTIME_S, FIXED_MTIME_S);
  } catch (error) {
    closeSync(fd);
    removeFile(path);
    throw error;
  }
  closeSync(fd);
}

/** Gives a copied file the mode and time that `writeNewFile` gives. */
export function finishCopy(path: string, executable: boolean): void {
  chmodSync(path, modeOf(executable));
  utimesSync(path, FIXED_MTIME_S, FIXED_MTIME_S);
}

/** write(2) may take less than it was given, for example just before the disk is full. */
export function writeAll(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done);
}

/** Lets timers, signals and other nodes have their turn during long synchronous work. */
export class Breather {
  private since = performance.now();

  /** Undefined most of the time, so that waiting costs nothing. */
  pause(): Promise<void> | undefined {
    if (performance.now() - this.since < 10) return undefined;
    return new Promise((resolve) => {
      setImmediate(() => {
        this.since = performance.now();
        resolve();
      });
    });
  }
}

/** Runs `work` on each item, a few at a time, in order of start. The first rejection wins, after the others ended. */
export async function forEachBounded<T>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  let stopped = false;
  const worker = async (): Promise<void> => {
    while (next < items.length && !stopped) {
      try {
        await work(items[next++] as T);
      } catch (error) {
        stopped = true;
        throw error;
      }
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: Math.min(limit, items.length) }, worker));
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed) throw failed.reason;
}
