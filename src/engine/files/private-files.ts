// Modes of what pyflow keeps for itself: for its user alone, unless an operator made the cache one that users share.

import { mkdirSync, statSync } from 'node:fs';

/** What others may do with a cache that is there already. */
type CacheSharing =
  /** Nothing, or it is not there yet. */
  | 'private'
  /** Users share it: others may write in it, or it has the setgid bit, by which operators say that they mean it. */
  | 'shared'
  /** Others can read it, and nothing says that they should. */
  | 'open';

const SETGID = 0o2000;
const OTHERS_WRITE = 0o022;
const OTHERS = 0o077;

const sharedRoots = new Set<string>();

/** Called before anything is written below it; from then on files in a shared cache are made as the umask has it. */
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

/** With its parents; gives the first that was made. */
export const makePrivateFolder = (path: string): string | undefined =>
  mkdirSync(path, { recursive: true, mode: isShared(path) ? 0o777 : 0o700 });
