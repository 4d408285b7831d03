// How much room a file system has.

import { statfsSync } from 'node:fs';

/** Bytes that this user may still write on the file system of the folder; 0 if that can't be told. */
export function freeBytesIn(folder: string): number {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch {
    return 0;
  }
}
