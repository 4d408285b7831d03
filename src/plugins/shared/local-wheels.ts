// Wheels that pip built by itself, in its cache folder. Unaware of who called pip.

import { rm } from 'node:fs/promises';
import type { RunContext } from '../../engine/sdk.js';
import { PUBLIC_APP_DIR } from './python-home.js';

/**
 * A wheel that was built in a private folder may name it, and the next run has another. In a sandbox every run builds at
 * the same place, so there they are kept. `cache`: pip's cache folder, below the node's.
 */
export async function forgetLocalWheels(context: RunContext, cache: string): Promise<void> {
  if (context.paths.app === PUBLIC_APP_DIR) return;
  await rm(`${context.cacheDir}/${cache}/wheels`, { recursive: true, force: true });
}
