// Creates files for the store and trees, with a given mode and time.

import { chmodSync, closeSync, fchmodSync, futimesSync, openSync, utimesSync, writeSync } from 'node:fs';
import { removeFile } from './remove-tree.js';
import { FOLDER_MODE } from './modes.js';

/**
 * 1980-01-02 in seconds: the time of files whose real time must not matter. Zip archives start a day earlier, but that is still
 * 1979 west of Greenwich.
 */
export const FIXED_MTIME_S = 315_619_200;

/** Of a new file, besides its bytes. */
export interface FileForm {
  /** All nine permission bits. */
  readonly mode: number;
  /** Seconds since the epoch. */
  readonly mtimeS: number;
}

let umask: number | undefined;
/** Whether the umask removes bits that our files or folders need. */
export function isModeCut(mode = FOLDER_MODE): boolean {
  umask ??= process.umask();
  return (umask & mode) !== 0;
}

/** Writes bytes to a file that must not exist yet. Leaves nothing behind if it throws. */
export function writeNewFile(path: string, bytes: Uint8Array, { mode, mtimeS }: FileForm): void {
  const fd = openSync(path, 'wx', mode);
  try {
    writeAll(fd, bytes);
    if (isModeCut(mode)) fchmodSync(fd, mode);
    futimesSync(fd, mtimeS, mtimeS);
  } catch (error) {
    closeSync(fd);
    removeFile(path);
    throw error;
  }
  closeSync(fd);
}

/** Gives a copied file its mode and time, as `writeNewFile` does. */
export function finishCopy(path: string, { mode, mtimeS }: FileForm): void {
  chmodSync(path, mode);
  utimesSync(path, mtimeS, mtimeS);
}

/** write(2) may write less than it was given, for example just before the disk is full. */
export function writeAll(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done);
}

/** Lets timers, signals and other nodes run during long synchronous work. */
export class Breather {
  private since = performance.now();

  /** Usually undefined, so that awaiting it costs nothing. */
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

/** Runs `work` on each item in order, at most `limit` at a time. Rejects with the first error, after running work has ended. */
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
