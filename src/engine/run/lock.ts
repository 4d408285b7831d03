// One execution per key among the processes of a host. Locks only save work: publishing is atomic without them. Unaware
// of stores and nodes.

import { closeSync, existsSync, lstatSync, mkdirSync, openSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClaim, isAbandoned, releaseClaim, removeQuietly } from '../files/claim.js';
import { hexOf, sha256Hex, type Digest } from '../files/digest.js';
import { makePrivateFolder, privateFileMode } from '../files/private-files.js';

export interface KeyLock {
  /** Somebody else held it meanwhile: the result may be in the store by now, so look it up again. */
  readonly waited: boolean;
  release(): void;
}

/** Longer than anybody needs to remove one file. */
const TAKEOVER_MS = 5_000;

/** Locks of this process. Its own waiters need not poll: the release wakes them. */
const held = new Map<string, Promise<void>>();
const preparedFolders = new Set<string>();

interface LockPlace {
  readonly folder: string;
  readonly prefix: string;
}
const places = new Map<string, LockPlace>();

/**
 * Locks concern one host and end with its boot, so memory is the place for them: creating and removing a file there
 * costs a tenth. A cache that other users may write keeps them beside it, where those users find them.
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
 * Waits while another live process (or another node of this one) holds the key. Rejects with the signal's reason when
 * aborted. Where no lock can be made, for example on a read-only disk, everybody gets one.
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
      // It cannot be removed, so it can keep nobody away.
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
    // The folder was cleared away meanwhile.
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
 * Removes the locks of dead holders, those on other caches of this user among them: memory must not fill up. The cache
 * must be there: without it nobody can tell whether its locks lie in memory.
 */
export function sweepDeadLocks(cacheDir: string): void {
  const { folder } = lockPlaceOf(cacheDir);
  try {
    for (const name of readdirSync(folder)) {
      const path = `${folder}/${name}`;
      if (!name.endsWith('.takeover') && isAbandoned(path)) takeOver(path);
    }
  } catch {
    // No folder, no locks.
  }
}

/** Removes a dead holder's lock. Several may see it dead; only the one that makes the takeover file may remove it. */
function takeOver(path: string): boolean {
  const takeover = `${path}.takeover`;
  try {
    closeSync(openSync(takeover, 'wx', privateFileMode(takeover)));
  } catch {
    // Somebody else is at it, or died at it.
    const stats = statSync(takeover, { throwIfNoEntry: false });
    if (stats && Date.now() - stats.mtimeMs > TAKEOVER_MS) removeQuietly(takeover);
    return false;
  }
  // Looked at again: by now the lock may have a new, living holder.
  if (isAbandoned(path)) removeQuietly(path);
  removeQuietly(takeover);
  return true;
}
