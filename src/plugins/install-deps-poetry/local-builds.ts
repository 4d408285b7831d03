// Wheels that Poetry built here: it keeps them beside the archives that they were built from. Unaware of the lock.

import { rm } from 'node:fs/promises';
import { posix } from 'node:path';
import { walkFiles } from '../shared/file-walk.js';

const ARCHIVE = /\.(tar\.gz|tgz|tar\.bz2|tar\.xz|bz2|zip)$/;
/** Marks the folder of a checkout, which holds no archive. */
const CHECKOUT_MARK = '.created_from_git_dependency';

/** `folder`: Poetry's archives. Paths relative to it. */
export async function wheelsBuiltHere(folder: string): Promise<readonly string[]> {
  const paths = (await walkFiles(folder)).map(({ path }) => path);
  const sources = new Set(
    paths.filter((path) => ARCHIVE.test(path) || path.endsWith(`/${CHECKOUT_MARK}`)).map((path) => posix.dirname(path)),
  );
  return paths.filter((path) => path.endsWith('.whl') && sources.has(posix.dirname(path)));
}

export async function forgetWheelsBuiltHere(folder: string): Promise<void> {
  for (const path of await wheelsBuiltHere(folder)) await rm(`${folder}/${path}`, { force: true });
}
