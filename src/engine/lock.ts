// One execution per key among the processes of a host. Locks only save work: publishing is atomic without them. Unaware
// of stores and nodes.

import { closeSync, mkdirSync, openSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClaim, isAbandoned, releaseClaim, removeQuietly } from './claim.js';
import { hexOf, type ActionKey, type Digest } from './digest.js';

export { createRunDir, sweepDeadRuns, type RunDir } from './run-dir.js';

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

/**
 * Waits while another live process (or another node of this one) holds the key. Rejects with the signal's reason when
 * aborted. Where no lock can be made, for example on a read-only disk, everybody gets one.
 */
export async function acquireKeyLock(
  cacheDir: string,
  key: ActionKey,
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<KeyLock> {
  const folder = `${cacheDir}/locks`;
  const path = `${folder}/${hexOf(key as string as Digest)}`;
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
    if (isAbandoned(path) && takeOver(path)) continue;
    await sleep(pauseMs, undefined, signal && { signal }).catch(() => signal?.throwIfAborted());
  }
}

function tryCreate(folder: string, path: string): 'created' | 'held' | 'impossible' {
  if (!preparedFolders.has(folder)) {
    try {
      mkdirSync(folder, { recursive: true });
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

/** Removes a dead holder's lock. Several may see it dead; only the one that makes the takeover file may remove it. */
function takeOver(path: string): boolean {
  const takeover = `${path}.takeover`;
  try {
    closeSync(openSync(takeover, 'wx', 0o644));
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
