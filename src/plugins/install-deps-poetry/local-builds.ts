// Wheels that Poetry built, which it keeps next to the archives that it built them from.

import { posix } from 'node:path';
import type { Folder } from '../../engine/sdk.js';
import { cleanCache, cleanCacheSlowly } from '../shared/install/clean-cache.js';
import { ARTIFACTS } from '../shared/poetry/command.js';

const ARCHIVE = /\.(tar\.gz|tgz|tar\.bz2|tar\.xz|bz2|zip)$/;
/** Marks the folder of a checkout, which contains no archive. */
const CHECKOUT_MARK = '.created_from_git_dependency';

/** Depth of the files of Poetry: four folders, named by a digest, and the file name. */
const DEPTH = 5;

/** Paths in the folder of Poetry's archives. Undefined if a build put something else there. */
export async function wheelsBuiltHere(cache: Folder): Promise<readonly string[] | undefined> {
  let paths: string[] | undefined;
  await cleanCacheSlowly(cache, ARTIFACTS, async () => {
    const found: string[] = [];
    let isSound = true;
    await cache.visit(ARTIFACTS, (entry, path) => {
      const isFolder = entry.isDirectory();
      const isFile = path.split('/').length === DEPTH;
      if (isFolder === isFile || !(isFolder || entry.isFile())) isSound = false;
      else if (isFile) found.push(path);
      return isFolder && !isFile;
    });
    if (isSound) paths = found.sort();
    return isSound;
  });
  if (paths === undefined) return undefined;
  const sources = new Set(
    paths.filter((path) => ARCHIVE.test(path) || path.endsWith(`/${CHECKOUT_MARK}`)).map((path) => posix.dirname(path)),
  );
  return paths.filter((path) => path.endsWith('.whl') && sources.has(posix.dirname(path)));
}

export const forgetWheels = (cache: Folder, wheels: readonly string[]): void =>
  cleanCache(cache, ARTIFACTS, () => {
    for (const path of wheels) cache.remove(`${ARTIFACTS}/${path}`);
  });
