// Cleans the cache folders of package managers, in which builds of the app work too.

import { FailureError, type Folder } from '../../engine/sdk.js';

/**
 * Runs `clean` on a folder below the node's cache. A build may have put anything there: a folder that was replaced, or holds
 * anything but regular files and folders in the way of `clean`, is discarded whole, since nobody knows what else is in it.
 */
export function cleanCache(cache: Folder, folder: string, clean: () => void): void {
  try {
    if (isFolderOrMissing(cache, folder)) return clean();
  } catch (error) {
    if (!(error instanceof FailureError)) throw error;
  }
  cache.remove(folder);
}

/** As `cleanCache`, for a walk that takes its turns. */
export async function cleanCacheSlowly(cache: Folder, folder: string, clean: () => Promise<void>): Promise<void> {
  try {
    if (isFolderOrMissing(cache, folder)) return await clean();
  } catch (error) {
    if (!(error instanceof FailureError)) throw error;
  }
  cache.remove(folder);
}

const isFolderOrMissing = (cache: Folder, folder: string): boolean => {
  const kind = cache.kindOf(folder);
  return kind === undefined || kind === 'directory';
};
