// Modes of pyflow's own files: private to the user, unless the operator made the cache one that users share.

import { mkdirSync, statSync } from 'node:fs';

/** What other users may do with an existing cache. */
type CacheSharing =
  /** Nothing, or the cache doesn't exist yet. */
  | 'private'
  /** Users share it: others may write to it, or the operator set its setgid bit. */
  | 'shared'
  /** Others can read it, and nothing shows that this is intended. */
  | 'open';

const SETGID = 0o2000;
const OTHERS_WRITE = 0o022;
const OTHERS = 0o077;

const sharedRoots = new Set<string>();

/** Called before anything is written below it. After that, the modes of files in a shared cache follow the umask. */
export function noteCacheRoot(cacheDir: string): CacheSharing {
  const mode = modeOf(cacheDir);
  if (mode === undefined || (mode & OTHERS) === 0) {
    sharedRoots.delete(cacheDir);
    return 'private';
  }
  if ((mode & SETGID) === 0 && (mode & OTHERS_WRITE) === 0) return 'open';
  sharedRoots.add(cacheDir);
  return (mode & SETGID) === 0 ? 'open' : 'shared';
}

function modeOf(folder: string): number | undefined {
  try {
    return statSync(folder).mode & 0o7777;
  } catch {
    return undefined;
  }
}

function isShared(path: string): boolean {
  for (const root of sharedRoots) if (path.startsWith(`${root}/`)) return true;
  return false;
}

export const privateFileMode = (path: string): number => (isShared(path) ? 0o666 : 0o600);

/** Makes it with its parents; returns the first folder that was made. */
export const makePrivateFolder = (path: string): string | undefined =>
  mkdirSync(path, { recursive: true, mode: isShared(path) ? 0o777 : 0o700 });
