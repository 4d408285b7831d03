// Wheels that pip and uv built in an earlier install and kept. They say nothing when they install such a wheel again.

import { FailureError, type Folder } from '../../../engine/sdk.js';
import { normalizeName } from '../../../manifests/app/requirements.js';

/** Where pip and uv keep the wheels that they build, in the node's cache folder. */
const PIP = 'pip/wheels';
const UV = 'uv';
const UV_BUILDS = /^sdists-v\d+$/;
/** The unpacked source of a package. */
const SOURCE = 'src';

/**
 * Whether one of the installed packages may be a wheel that was built here, in this install or an earlier one. True if a build
 * damaged the cache, because then nobody knows.
 */
export async function holdsLocalBuild(cache: Folder, packages: Readonly<Record<string, string>>): Promise<boolean> {
  try {
    const uv = cache.names(UV).filter((name) => UV_BUILDS.test(name));
    for (const folder of [PIP, ...uv.map((name) => `${UV}/${name}`)]) {
      if (await hasOneOf(packages, cache, folder)) return true;
    }
    return false;
  } catch (error) {
    if (error instanceof FailureError) return true;
    throw error;
  }
}

async function hasOneOf(packages: Readonly<Record<string, string>>, cache: Folder, folder: string): Promise<boolean> {
  let isFound = false;
  await cache.visit(folder, (entry) => {
    // pip makes no links, but follows those that a build made.
    isFound ||= isWheelOf(packages, entry.name) || (folder === PIP && entry.isSymbolicLink());
    return !isFound && (folder === PIP || entry.name !== SOURCE);
  });
  return isFound;
}

/** Also a folder or link with the content of a wheel, which has its name without the ending. */
function isWheelOf(packages: Readonly<Record<string, string>>, entry: string): boolean {
  const [name = '', , ...tags] = entry.split('-');
  // Of any version: pip doesn't look at that of a wheel in its cache, but a build may have put it there.
  return tags.length >= 3 && packages[normalizeName(name)] !== undefined;
}
