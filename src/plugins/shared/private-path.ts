// Tells when what a foreign program made is right only in the private folder it was made in, so that the result must not
// be stored. In a sandbox programs see the app at /app and there is nothing to find.

import { existsSync, lstatSync, readFileSync, type Stats } from 'node:fs';
import type { RunContext } from '../../engine/sdk.js';
import { walkFiles } from './file-walk.js';
import { PUBLIC_APP_DIR } from './python-home.js';
import { searchFiles } from './search-bytes.js';

const SMALL_BYTES = 64 * 1024;

/** Why a value must not be stored, or undefined. */
export function mentionsPrivatePath(context: RunContext, text: string): string | undefined {
  if (context.paths.app === PUBLIC_APP_DIR || !text.includes(context.paths.app)) return undefined;
  return reasonFor('what the program printed');
}

/** The same for app-relative files, and for all files in folders. What does not exist is passed over. */
export async function filesMentionPrivatePath(
  context: RunContext,
  paths: Iterable<string>,
): Promise<string | undefined> {
  if (context.paths.app === PUBLIC_APP_DIR) return undefined;
  const files: string[] = [];
  for (const path of paths) {
    const real = `${context.appDir}/${path}`;
    // Synchronous, as generated pipelines have thousands of nodes that write one small file each.
    const stat = statOf(real);
    if (stat?.isFile() && stat.size <= SMALL_BYTES) {
      if (readFileSync(real).includes(context.paths.app)) return reasonFor(path);
    } else if (stat?.isFile() || stat?.isSymbolicLink()) files.push(path);
    else if (stat?.isDirectory()) {
      for (const file of await walkFiles(real)) files.push(path === '' ? file.path : `${path}/${file.path}`);
    }
  }
  // A name that is no UTF-8 cannot be opened by what it was read as; the engine refuses it with a better word.
  const present = files.filter((path) => !path.includes('\uFFFD') || existsSync(`${context.appDir}/${path}`));
  const [first] = await searchFiles(context.appDir, present, [context.paths.app]);
  return first && reasonFor(first.path);
}

/** Undefined also when a part of the path is no folder. */
function statOf(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

const reasonFor = (what: string): string =>
  `${what} names the private folder it was made in, so it would be wrong anywhere else`;

/** The folder below which a pattern matches: `out/*.txt` -> `out`; the whole pattern when nothing in it is special. */
export function fixedPart(pattern: string): string {
  const special = pattern.search(/[*?{[]/);
  if (special === -1) return pattern;
  const slash = pattern.lastIndexOf('/', special);
  return slash === -1 ? '' : pattern.slice(0, slash);
}
