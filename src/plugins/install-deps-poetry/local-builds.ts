// Wheels that Poetry built here: it keeps them beside the archives that they were built from. Unaware of the lock.

import { posix } from 'node:path';
import type { Folder } from '../../engine/sdk.js';
import { cleanCache, cleanCacheSlowly } from '../shared/clean-cache.js';
import { ARTIFACTS } from '../shared/poetry-command.js';

const ARCHIVE = /\.(tar\.gz|tgz|tar\.bz2|tar\.xz|bz2|zip)$/;
/** Marks the folder of a checkout, which holds no archive. */
const CHECKOUT_MARK = '.created_from_git_dependency';

/** Paths in the folder of Poetry's archives. */
export async function wheelsBuiltHere(cache: Folder): Promise<readonly string[]> {
  let paths: readonly string[] = [];
  await cleanCacheSlowly(cache, ARTIFACTS, async () => {
    paths = (await cache.walk(ARTIFACTS)).map(({ path }) => path);
  });
  const sources = new Set(
    paths.filter((path) => ARCHIVE.test(path) || path.endsWith(`/${CHECKOUT_MARK}`)).map((path) => posix.dirname(path)),
  );
  return paths.filter((path) => path.endsWith('.whl') && sources.has(posix.dirname(path)));
}

export const forgetWheels = (cache: Folder, wheels: readonly string[]): void =>
  cleanCache(cache, ARTIFACTS, () => {
    for (const path of wheels) cache.remove(`${ARTIFACTS}/${path}`);
  });
