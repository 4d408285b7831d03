// Tells when what a foreign program made is right only in the private folder it was made in, so that the result must not
// be stored. In a sandbox programs see the app at /app and there is nothing to find.

import { shownPath, type Folder, type RunContext } from '../../../engine/sdk.js';
import { PUBLIC_APP_DIR } from '../python/home.js';
import { searchFiles } from './search-bytes.js';

const SMALL_BYTES = 64 * 1024;

/** Why a value must not be stored, or undefined. */
export function mentionsPrivatePath(context: RunContext, text: string): string | undefined {
  if (context.paths.app === PUBLIC_APP_DIR || !text.includes(context.paths.app)) return undefined;
  return reasonFor('the output of the program');
}

/** The same for app-relative files, and for all files in folders. What does not exist is passed over. */
export async function filesMentionPrivatePath(
  context: RunContext,
  app: Folder,
  paths: Iterable<string>,
): Promise<string | undefined> {
  if (context.paths.app === PUBLIC_APP_DIR) return undefined;
  const files: string[] = [];
  for (const path of paths) {
    const kind = path === '' ? 'directory' : app.kindOf(path);
    // At once, as generated pipelines have thousands of nodes that write one small file each.
    if (kind === 'file' && (app.stat(path)?.size ?? 0) <= SMALL_BYTES) {
      if (app.read(path)?.includes(context.paths.app) === true) return reasonFor(shownPath(path));
    } else if (kind === 'file' || kind === 'symlink') files.push(path);
    else if (kind === 'directory') {
      for (const file of await app.walk(path)) files.push(path === '' ? file.path : `${path}/${file.path}`);
    }
  }
  // A name that is no UTF-8 cannot be opened by what it was read as; the engine refuses it with a better word.
  const present = files.filter((path) => !path.includes('\uFFFD') || app.kindOf(path) !== undefined);
  const [first] = await searchFiles(app, '', present, [context.paths.app]);
  return first && reasonFor(shownPath(first.path));
}

const reasonFor = (what: string): string =>
  `${what} contains the path of the private build folder, so it would be wrong anywhere else`;

/** The folder below which a pattern matches: `out/*.txt` -> `out`; the whole pattern when nothing in it is special. */
export function fixedPart(pattern: string): string {
  const special = pattern.search(/[*?{[]/);
  if (special === -1) return pattern;
  const slash = pattern.lastIndexOf('/', special);
  return slash === -1 ? '' : pattern.slice(0, slash);
}
