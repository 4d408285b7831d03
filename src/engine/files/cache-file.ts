// Files that pyflow reads back from its cache: regular ones of a bounded size. A link is not followed, and a pipe or a
// device cannot hold up whoever opens it.

import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { removeTree } from './remove-tree.js';

const MEBIBYTE = 1024 * 1024;
/** Larger than any that pyflow writes: a record of a run of 20,000 nodes has 40 MB. */
const LARGEST_RECORD = 256 * MEBIBYTE;

const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Throws the system's error, or ENXIO for what is no regular file. The caller closes it. */
export function openCacheFile(path: string): number {
  const fd = openSync(path, FLAGS);
  try {
    if (fstatSync(fd).isFile()) return fd;
    throw Object.assign(new Error(`ENXIO: not a regular file, open '${path}'`), { code: 'ENXIO', path });
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Undefined for what is absent, unreadable, too large or no regular file: in a cache that is as good as absent. */
export function readCacheFile(path: string, largest: number = LARGEST_RECORD): Buffer | undefined {
  let fd: number | undefined;
  try {
    fd = openCacheFile(path);
    const { size } = fstatSync(fd);
    if (size > largest) return undefined;
    const bytes = Buffer.allocUnsafe(size);
    let done = 0;
    while (done < size) {
      const count = readSync(fd, bytes, done, size - done, done);
      if (count === 0) break;
      done += count;
    }
    return bytes.subarray(0, done);
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

const APPEND =
  constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Opens a file to write at its end; what lies there and is no file gives way. Throws the system's error. */
export function openToAppend(path: string, mode: number): number {
  try {
    const fd = openSync(path, APPEND, mode);
    if (fstatSync(fd).isFile()) return fd;
    closeSync(fd);
  } catch (error) {
    if (!['ELOOP', 'ENXIO', 'EISDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
  removeTree(path);
  return openSync(path, APPEND | constants.O_EXCL, mode);
}
