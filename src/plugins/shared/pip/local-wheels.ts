// Wheels that pip built by itself, in its cache folder. Unaware of who called pip.

import type { Folder, RunContext } from '../../../engine/sdk.js';
import { cleanCache } from '../install/clean-cache.js';
import { PUBLIC_APP_DIR } from '../python/home.js';

/**
 * A wheel that was built in a private folder may name it, and the next run has another. In a sandbox every run builds at
 * the same place, so there they are kept. `folder`: pip's cache, below the node's.
 */
export function forgetLocalWheels(context: RunContext, cache: Folder, folder: string): void {
  if (context.paths.app !== PUBLIC_APP_DIR) cleanCache(cache, folder, () => cache.remove(`${folder}/wheels`));
}
