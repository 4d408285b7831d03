// Files that mean "a process holds this": created atomically, kept alive by a heartbeat, abandoned when the process ends.

import { closeSync, openSync, lstatSync, unlinkSync, utimesSync, writeSync } from 'node:fs';
import { currentProcess, livenessOf, type ProcessId } from './host-id.js';
import { privateFileMode } from './private-files.js';
import { removeTree } from './remove-tree.js';
import { readCacheFile } from './cache-file.js';

/** A holder that can't be checked counts as dead after this long without a heartbeat. */
const SILENCE_MS = 30_000;
const LARGEST_CLAIM = 4096;
const HEARTBEAT_MS = 5_000;
/** A claim is created empty; its holder is written right after that. */
const UNWRITTEN_MS = 2_000;

/** One timer for all claims of the process. */
const beating = new Set<string>();
let heartbeat: NodeJS.Timeout | undefined;

function beat(): void {
  const now = Date.now() / 1000;
  for (const path of beating) {
    try {
      utimesSync(path, now, now);
    } catch {
      // Removed, for example by `cache clear`.
      beating.delete(path);
    }
  }
}

let identity: string | undefined;

/** Throws the system's error; EEXIST if another process holds it. */
export function createClaim(path: string): void {
  const fd = openSync(path, 'wx', privateFileMode(path));
  try {
    identity ??= JSON.stringify(currentProcess());
    writeSync(fd, identity);
  } finally {
    closeSync(fd);
  }
  beating.add(path);
  heartbeat ??= setInterval(beat, HEARTBEAT_MS).unref();
}

export function releaseClaim(path: string): void {
  beating.delete(path);
  removeClaim(path);
  if (beating.size > 0 || heartbeat === undefined) return;
  clearInterval(heartbeat);
  heartbeat = undefined;
}

/** Whether the holder is gone. False also if the claim no longer exists. */
export function isAbandoned(path: string): boolean {
  let text: string;
  let ageMs: number;
  try {
    const bytes = readCacheFile(path, LARGEST_CLAIM);
    const stats = lstatSync(path);
    ageMs = Date.now() - stats.mtimeMs;
    // Something else at the path holds nothing; creating the next claim there fails with its own error.
    text = bytes?.toString('utf8') ?? '';
  } catch {
    return false;
  }
  const holder = parseHolder(text);
  if (holder === undefined) return ageMs > UNWRITTEN_MS;
  const liveness = livenessOf(holder);
  return liveness === 'dead' || (liveness === 'unknown' && ageMs > SILENCE_MS);
}

function parseHolder(text: string): ProcessId | undefined {
  try {
    const value = JSON.parse(text) as ProcessId | undefined;
    return typeof value?.pid === 'number' && typeof value.realm === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Leaves what can't be removed. Also removes a folder that is at the path of a claim. */
export function removeClaim(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (['EISDIR', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) removeTree(path);
  }
}
