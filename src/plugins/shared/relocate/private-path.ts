// Finds out whether the output of a program contains the path of the private build folder, because such a result must not be
// stored. In a sandbox programs see the app at /app, so there is nothing to find.

import { shownPath, type Folder, type RunContext } from '../../../engine/sdk.js';
import { PUBLIC_APP_DIR } from '../python/home.js';
import { searchFiles } from './search-bytes.js';

const SMALL_BYTES = 64 * 1024;

/** The reason why a value must not be stored, or undefined. */
export function mentionsPrivatePath(context: RunContext, text: string): string | undefined {
  if (context.paths.app === PUBLIC_APP_DIR || !text.includes(context.paths.app)) return undefined;
  return reasonFor('the output of the program');
}

/** The same for app-relative files, and for all files in folders. Skips missing paths. */
export async function filesMentionPrivatePath(
  context: RunContext,
  app: Folder,
  paths: Iterable<string>,
): Promise<string | undefined> {
  if (context.paths.app === PUBLIC_APP_DIR) return undefined;
  const files: string[] = [];
  for (const path of paths) {
    const kind = path === '' ? 'directory' : app.kindOf(path);
    // Checked immediately, because generated pipelines have thousands of nodes that write one small file each.
    if (kind === 'file' && (app.stat(path)?.size ?? 0) <= SMALL_BYTES) {
      if (app.read(path)?.includes(context.paths.app) === true) return reasonFor(shownPath(path));
    } else if (kind === 'file' || kind === 'symlink') files.push(path);
    else if (kind === 'directory') {
      for (const file of await app.walk(path)) files.push(path === '' ? file.path : `${path}/${file.path}`);
    }
  }
  // A name that is not UTF-8 can't be opened by its decoded form. The engine rejects it with a better message.
  const present = files.filter((path) => !path.includes('\uFFFD') || app.kindOf(path) !== undefined);
  const [first] = await searchFiles(app, '', present, [context.paths.app]);
  return first && reasonFor(shownPath(first.path));
}

const reasonFor = (what: string): string =>
  `${what} contains the path of the private build folder, so it would be wrong anywhere else`;

/** The folder below which a pattern matches: `out/*.txt` -> `out`. The whole pattern if it has no special characters. */
export function fixedPart(pattern: string): string {
  const special = pattern.search(/[*?{[]/);
  if (special === -1) return pattern;
  const slash = pattern.lastIndexOf('/', special);
  return slash === -1 ? '' : pattern.slice(0, slash);
}
