// Locks that let only one process of a host execute a key at a time. They only save work: publishing is atomic without
// them.

import { closeSync, existsSync, lstatSync, mkdirSync, openSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClaim, isAbandoned, releaseClaim, removeClaim } from '../files/claim.js';
import { hexOf, sha256Hex, type Digest } from '../files/digest.js';
import { makePrivateFolder, privateFileMode } from '../files/private-files.js';

export interface KeyLock {
  /** Another holder had the lock meanwhile, so the result may now be in the store: look it up again. */
  readonly waited: boolean;
  release(): void;
}

/** Longer than any process needs to remove one file. */
const TAKEOVER_MS = 5_000;

/** Locks of this process. Other nodes of the process wait on the promise instead of polling. */
const held = new Map<string, Promise<void>>();
const preparedFolders = new Set<string>();

interface LockPlace {
  readonly folder: string;
  readonly prefix: string;
}
const places = new Map<string, LockPlace>();

/**
 * Locks concern one host and end with its boot, so they are kept in memory (tmpfs), where creating and removing a file
 * takes a tenth of the time. If other users can write to the cache, its locks are next to it, where those users find
 * them.
 */
export function lockPlaceOf(cacheDir: string): LockPlace {
  let place = places.get(cacheDir);
  if (place === undefined) {
    place = inMemory(cacheDir) ?? { folder: `${cacheDir}/locks`, prefix: '' };
    places.set(cacheDir, place);
  }
  return place;
}

function inMemory(cacheDir: string): LockPlace | undefined {
  const user = process.getuid?.();
  if (process.platform !== 'linux' || user === undefined) return undefined;
  const folder = `/dev/shm/pyflow-locks-${user}`;
  const isPrivate = (path: string): boolean => {
    const stats = lstatSync(path);
    return stats.isDirectory() && stats.uid === user && (stats.mode & 0o022) === 0;
  };
  try {
    const real = realpathSync(cacheDir);
    if (!isPrivate(real)) return undefined;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return isPrivate(folder) ? { folder, prefix: `${sha256Hex(real).slice(0, 16)}-` } : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Waits while another live process, or another node of this one, holds the key. Rejects with the signal's reason if
 * aborted. If no lock can be created, for example on a read-only disk, every caller gets one at once.
 */
export async function acquireKeyLock(
  cacheDir: string,
  key: Digest,
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<KeyLock> {
  const { folder, prefix } = lockPlaceOf(cacheDir);
  const path = `${folder}/${prefix}${hexOf(key)}`;
  let waited = false;
  for (let pauseMs = 2; ; pauseMs = Math.min(pauseMs * 1.5, 50)) {
    signal?.throwIfAborted();
    const mine = held.get(path);
    if (mine !== undefined) {
      waited = true;
      await untilReleased(mine, signal);
      continue;
    }
    const attempt = tryCreate(folder, path);
    if (attempt !== 'held') return { waited, release: attempt === 'created' ? hold(path) : () => undefined };
    waited = true;
    if (isAbandoned(path) && takeOver(path)) {
      if (!existsSync(path)) continue;
      // The lock of a dead holder can't be removed, so it is ignored.
      if (isAbandoned(path)) return { waited, release: () => undefined };
    }
    await sleep(pauseMs, undefined, signal && { signal }).catch(() => signal?.throwIfAborted());
  }
}

function tryCreate(folder: string, path: string): 'created' | 'held' | 'impossible' {
  if (!preparedFolders.has(folder)) {
    try {
      makePrivateFolder(folder);
    } catch {
      return 'impossible';
    }
    preparedFolders.add(folder);
  }
  try {
    createClaim(path);
    return 'created';
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return 'held';
    // The folder was removed meanwhile.
    if (code === 'ENOENT' && preparedFolders.delete(folder)) return tryCreate(folder, path);
    return 'impossible';
  }
}

function hold(path: string): () => void {
  let wake: (() => void) | undefined;
  const released = new Promise<void>((resolve) => {
    wake = resolve;
  });
  held.set(path, released);
  return () => {
    if (wake === undefined) return;
    held.delete(path);
    releaseClaim(path);
    wake();
    wake = undefined;
  };
}

async function untilReleased(released: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return released;
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    await Promise.race([released, aborted]);
  } finally {
    if (onAbort) signal.removeEventListener('abort', onAbort);
  }
}

/**
 * Removes the locks of dead holders, including those of this user's other caches, so that memory does not fill up. The
 * cache must exist, because its mode decides where its locks are.
 */
export function sweepDeadLocks(cacheDir: string): void {
  const { folder } = lockPlaceOf(cacheDir);
  try {
    for (const name of readdirSync(folder)) {
      const path = `${folder}/${name}`;
      if (!name.endsWith('.takeover') && isAbandoned(path)) takeOver(path);
    }
  } catch {
    // No folder means no locks.
  }
}

/**
 * Removes a dead holder's lock. Several processes can find it dead, but only the one that creates the takeover file may
 * remove it.
 */
function takeOver(path: string): boolean {
  const takeover = `${path}.takeover`;
  try {
    closeSync(openSync(takeover, 'wx', privateFileMode(takeover)));
  } catch {
    // Another process is taking over, or died while it did.
    const stats = statSync(takeover, { throwIfNoEntry: false });
    if (stats && Date.now() - stats.mtimeMs > TAKEOVER_MS) removeClaim(takeover);
    return false;
  }
  // Check again: the lock may have a new, live holder by now.
  if (isAbandoned(path)) removeClaim(path);
  removeClaim(takeover);
  return true;
}
