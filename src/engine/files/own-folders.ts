// Marks folders that pyflow makes for other programs: the cache as a cache (CACHEDIR.TAG, https://bford.info/cachedir), and
// `.pyflow` in an app as ignored by git.

import { closeSync, constants, openSync, readSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { privateFileMode } from './private-files.js';

export const CACHE_TAG = 'CACHEDIR.TAG';
const SIGNATURE = 'Signature: 8a477f597d28d172789f06886806bc55';
const TAG_TEXT = `${SIGNATURE}\n# This folder is a cache of pyflow. See https://bford.info/cachedir for the meaning of this file.\n`;

/** Never fails: a cache without a tag is still a cache. */
export function tagCache(cacheDir: string): void {
  const path = `${cacheDir}/${CACHE_TAG}`;
  writeOnce(path, TAG_TEXT, privateFileMode(path));
}

/** Whether a folder is marked as a cache. */
export function isTaggedCache(folder: string): boolean {
  let fd: number;
  try {
    fd = openSync(`${folder}/${CACHE_TAG}`, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return false;
  }
  try {
    const start = Buffer.alloc(SIGNATURE.length);
    return readSync(fd, start, 0, start.length, 0) === start.length && start.toString('latin1') === SIGNATURE;
  } catch {
    return false;
  } finally {
    closeSync(fd);
  }
}

/** For a slug at its default path: makes git ignore the folder. */
export function ignoreInGit(appDir: string, outDir: string): void {
  const folder = `${appDir}/.pyflow`;
  if (dirname(outDir) === folder) writeOnce(`${folder}/.gitignore`, '*\n', 0o644);
}

function writeOnce(path: string, text: string, mode: number): void {
  try {
    writeFileSync(path, text, { flag: 'wx', mode });
  } catch {
    // It exists already, or the folder is not writable.
  }
}
