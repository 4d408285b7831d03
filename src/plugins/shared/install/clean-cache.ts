// Cleans the cache folders of package managers, to which builds of the app can write.

import { FailureError, type Folder } from '../../../engine/sdk.js';

/** Names of folders in the caches of managers. A file with such a name would break every later build. */
const FOLDER_NAME = /-v\d+$|^(?:artifacts|cache|http|selfcheck|wheels)$/;

/**
 * Runs `clean` on a folder below the node's cache. A build may have written anything there. If it replaced the folder, or put
 * something other than regular files and folders where managers or `clean` look, the whole cache of the manager is discarded.
 */
export function cleanCache(cache: Folder, folder: string, clean: () => void): void {
  try {
    if (isSound(cache, folder)) return clean();
  } catch (error) {
    if (!(error instanceof FailureError)) throw error;
  }
  discard(cache, folder);
}

/** Like `cleanCache`, for an asynchronous walk. `clean` returns false if it found unexpected files. */
export async function cleanCacheSlowly(cache: Folder, folder: string, clean: () => Promise<boolean>): Promise<void> {
  try {
    if (isSound(cache, folder) && (await clean())) return;
  } catch (error) {
    if (!(error instanceof FailureError)) throw error;
  }
  discard(cache, folder);
}

function isSound(cache: Folder, folder: string): boolean {
  const parts = folder.split('/');
  for (let depth = 1; depth <= parts.length; depth++) {
    const path = parts.slice(0, depth).join('/');
    const kind = cache.kindOf(path);
    if (kind === undefined) return true;
    if (kind !== 'directory') return false;
  }
  return cache
    .list(folder)
    .every(({ name, kind }) => kind === 'directory' || (kind === 'file' && !FOLDER_NAME.test(name)));
}

/** Removes the first folder of the path, because any part of the path can be broken. */
const discard = (cache: Folder, folder: string): void => cache.remove(folder.split('/')[0] ?? folder);
