// Files that say "a process holds this": made in one step, kept alive by a heartbeat, given up when the process is gone.
// Unaware of what is held.

import { closeSync, openSync, lstatSync, unlinkSync, utimesSync, writeSync } from 'node:fs';
import { currentProcess, livenessOf, type ProcessId } from './host-id.js';
import { privateFileMode } from './private-files.js';
import { removeTree } from './remove-tree.js';
import { readCacheFile } from './cache-file.js';

/** A holder that cannot be checked is taken for dead after this long without a heartbeat. */
const SILENCE_MS = 30_000;
const LARGEST_CLAIM = 4096;
const HEARTBEAT_MS = 5_000;
/** A claim is created before its holder is written into it. */
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
      // Taken away, for example by `cache clear`: nothing to keep alive.
      beating.delete(path);
    }
  }
}

let identity: string | undefined;

/** Throws the system's error; EEXIST when it is held. */
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
  removeQuietly(path);
  if (beating.size > 0 || heartbeat === undefined) return;
  clearInterval(heartbeat);
  heartbeat = undefined;
}

/** Whether the holder is gone. False also when there is no claim any more. */
export function isAbandoned(path: string): boolean {
  let text: string;
  let ageMs: number;
  try {
    const bytes = readCacheFile(path, LARGEST_CLAIM);
    const stats = lstatSync(path);
    ageMs = Date.now() - stats.mtimeMs;
    // What is no file of ours holds nothing; the next claim in its place fails for itself.
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

/** Also what is no claim at all, but lies in the place of one. */
export function removeQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (['EISDIR', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) removeTree(path);
  }
}
