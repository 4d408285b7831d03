// Resolves paths from files below a folder.

import { posix } from 'node:path';

/**
 * Resolves `path` relative to `folder` (both with slashes; the empty one is the root). Undefined if it is absolute, points
 * outside, or is not a path. Ignores links: `Folder` checks those when the path is used.
 */
export function pathBeneath(folder: string, path: string): string | undefined {
  if (path === '' || path.includes('\0') || posix.isAbsolute(path)) return undefined;
  const joined = posix.join(folder === '' ? '.' : folder, path);
  if (joined === '..' || joined.startsWith('../')) return undefined;
  return joined === '.' ? '' : joined.replace(/\/$/, '');
}
