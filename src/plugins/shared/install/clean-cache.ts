// Cleans the cache folders of package managers, in which builds of the app work too.

import { FailureError, type Folder } from '../../../engine/sdk.js';

/** Names that managers give to folders in their caches: a file in such a place would stop them in every later build. */
const FOLDER_NAME = /-v\d+$|^(?:artifacts|cache|http|selfcheck|wheels)$/;

/**
 * Runs `clean` on a folder below the node's cache. A build may have put anything there: a folder that was replaced, or holds
 * anything but regular files and folders where managers or `clean` look, is discarded whole with the rest of the manager's cache, since
 * nobody knows what else is in it.
 */
export function cleanCache(cache: Folder, folder: string, clean: () => void): void {
  try {
    if (isSound(cache, folder)) return clean();
  } catch (error) {
    if (!(error instanceof FailureError)) throw error;
  }
  discard(cache, folder);
}

/** As `cleanCache`, for a walk that takes its turns. False from `clean`: it found what should not be there. */
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

/** From the first folder on: whatever is in the way lies above or in it. */
const discard = (cache: Folder, folder: string): void => cache.remove(folder.split('/')[0] ?? folder);
