// JSON files of the cache that must not be trusted if a single bit is wrong: a checksum precedes the text. Imports nothing
// heavy, because an up-to-date run reads one.

import { renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { sha256Hex } from './digest.js';
import { removeTree } from './remove-tree.js';
import { makePrivateFolder, privateFileMode } from './private-files.js';
import { readCacheFile } from './cache-file.js';

const CHECKSUM = 64;

/** Identifies a file. The checksum covers it, so a swapped file or one of an older format counts as missing. */
export interface Seal {
  readonly kind: string;
  readonly version: number;
  /** Distinguishes it from others of its kind, independent of the cache's path: the app, the name of a plan. */
  readonly of: string;
}

const checksum = ({ kind, version, of }: Seal, body: Buffer): string =>
  sha256Hex(Buffer.concat([Buffer.from(`${JSON.stringify([kind, version, of])}\n`), body]));

/** Undefined if the file is missing, cut off, not a regular file, or not what was written there. */
export function readSealed<T extends object>(path: string, seal: Seal): T | undefined {
  try {
    const bytes = readCacheFile(path);
    if (bytes === undefined) return undefined;
    const body = bytes.subarray(CHECKSUM + 1);
    return checksum(seal, body) === bytes.toString('latin1', 0, CHECKSUM)
      ? (JSON.parse(body.toString('utf8')) as T)
      : undefined;
  } catch {
    // A record may be lost; then the run works without it.
    return undefined;
  }
}

export function writeSealed(path: string, seal: Seal, value: object): boolean {
  const body = Buffer.from(JSON.stringify(value));
  return publishFile(path, Buffer.concat([Buffer.from(`${checksum(seal, body)}\n`), body]));
}

/** Publishes the file whole or not at all. A cache that is not writable loses the file but does not fail the run. */
export function publishFile(path: string, content: string | Buffer): boolean {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    makePrivateFolder(dirname(path));
    writeFileSync(temporary, content, { mode: privateFileMode(temporary) });
    replaceFile(temporary, path);
    return true;
  } catch {
    removeTree(temporary);
    return false;
  }
}

/** A rename that also replaces a folder, which in a cache is damage. Throws the system's error. */
export function replaceFile(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EISDIR') throw error;
    removeTree(to);
    renameSync(from, to);
  }
}
