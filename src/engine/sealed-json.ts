// JSON files of the cache that must not be believed when a bit of them is wrong: a checksum stands before the text.
// Unaware of what they hold. Imports nothing heavy: an up-to-date run reads one.

import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { sha256Hex } from './digest.js';
import { removeTree } from './remove-tree.js';
import { makePrivateFolder, privateFileMode } from './private-files.js';

const CHECKSUM = 64;

/** Undefined when it is absent, cut off, or not what was written. */
export function readSealed<T>(path: string): T | undefined {
  try {
    const bytes = readFileSync(path);
    const body = bytes.subarray(CHECKSUM + 1);
    return sha256Hex(body) === bytes.toString('latin1', 0, CHECKSUM)
      ? (JSON.parse(body.toString('utf8')) as T)
      : undefined;
  } catch {
    // A record may be lost, and then the run finds out by itself.
    return undefined;
  }
}

export function writeSealed(path: string, value: unknown): boolean {
  const body = Buffer.from(JSON.stringify(value));
  return publishFile(path, Buffer.concat([Buffer.from(`${sha256Hex(body)}\n`), body]));
}

/** Published whole or not at all; a cache that cannot be written costs the file, never the run. */
export function publishFile(path: string, content: string | Buffer): boolean {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    makePrivateFolder(dirname(path));
    writeFileSync(temporary, content, { mode: privateFileMode(temporary) });
    replaceFile(temporary, path);
    return true;
  } catch {
    removeQuietly(temporary);
    return false;
  }
}

/** A rename that also takes the place of a folder, which in a cache is damage. Throws the system's error. */
export function replaceFile(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EISDIR') throw error;
    removeTree(to);
    renameSync(from, to);
  }
}

/** What cannot be removed stays. */
export function removeQuietly(path: string): void {
  try {
    removeTree(path);
  } catch {
    // Read-only, or not a place for files at all.
  }
}
