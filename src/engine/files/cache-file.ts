// Opens files of the cache: only regular files of a bounded size. Links are not followed, and pipes and devices don't block.

import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { removeTree } from './remove-tree.js';

const MEBIBYTE = 1024 * 1024;
/** Larger than any that pyflow writes: the record of a run of 20,000 nodes has 40 MB. */
const LARGEST_RECORD = 256 * MEBIBYTE;

const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Throws the system's error, or ENXIO if it is not a regular file. The caller closes it. */
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

/** Undefined if the file is missing, unreadable, too large or not a regular file: for a cache these are the same. */
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

/** Not verified: the caller checks the shape. Undefined if the file is missing, cut off or not JSON. */
export function readJSON<T>(path: string): T | undefined {
  try {
    const bytes = readCacheFile(path);
    return bytes && (JSON.parse(bytes.toString('utf8')) as T);
  } catch {
    return undefined;
  }
}

const APPEND =
  constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Opens a file to append; anything at the path that is not a regular file is removed. Throws the system's error. */
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
