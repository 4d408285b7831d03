// Removes the wheels that pip built from its cache folder.

import type { Folder, RunContext } from '../../../engine/sdk.js';
import { cleanCache } from '../install/clean-cache.js';
import { PUBLIC_APP_DIR } from '../python/home.js';

/**
 * A wheel that was built in a private folder may contain its path, and the next run has another folder. In a sandbox all runs
 * build in the same folder, so the wheels stay. `folder`: pip's cache, below the node's.
 */
export function forgetLocalWheels(context: RunContext, cache: Folder, folder: string): void {
  if (context.paths.app !== PUBLIC_APP_DIR) cleanCache(cache, folder, () => cache.remove(`${folder}/wheels`));
}
