// Paths that come out of files, resolved below a folder.

import { posix } from 'node:path';

/**
 * Where `path` leads below `folder` (both with slashes; the empty one is the root); undefined when it is absolute, leads out, or is
 * no path. Links are not looked at: `Folder` does that when the path is used.
 */
export function pathBeneath(folder: string, path: string): string | undefined {
  if (path === '' || path.includes('\0') || posix.isAbsolute(path)) return undefined;
  const joined = posix.join(folder === '' ? '.' : folder, path);
  if (joined === '..' || joined.startsWith('../')) return undefined;
  return joined === '.' ? '' : joined.replace(/\/$/, '');
}
