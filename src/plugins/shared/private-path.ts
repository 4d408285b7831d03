// Finds the path of a private folder in files that a foreign program wrote: such a file is right only where it was
// made, so the result must not be stored. In a sandbox programs see the app at /app and there is nothing to find.

import { createReadStream } from 'node:fs';
import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import type { RunContext } from '../../engine/sdk.js';

/** Where the app lives at run time, and where programs in a sandbox see it. */
const PUBLIC_APP_DIR = '/app';
/** Files up to this size are read at once. */
const SMALL_BYTES = 1024 * 1024;

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
  for (const start of paths) {
    const found = await searchBelow(context, start);
    if (found !== undefined) return reasonFor(found);
  }
  return undefined;
}

const reasonFor = (file: string): string =>
  `${file} names the private folder it was made in, so it would be wrong anywhere else`;

/** The folder below which a pattern matches: `out/*.txt` -> `out`; the whole pattern when nothing in it is special. */
export function fixedPart(pattern: string): string {
  const special = pattern.search(/[*?{[]/);
  if (special === -1) return pattern;
  const slash = pattern.lastIndexOf('/', special);
  return slash === -1 ? '' : pattern.slice(0, slash);
}

async function searchBelow(context: RunContext, path: string): Promise<string | undefined> {
  if (context.signal.aborted) return undefined;
  const real = `${context.appDir}/${path}`;
  const stat = await lstat(real).catch(() => undefined);
  if (stat === undefined) return undefined;
  if (!stat.isDirectory()) return (await mentions(real, context.paths.app)) ? path : undefined;
  for (const name of (await readdir(real)).sort()) {
    const found = await searchBelow(context, path === '' ? name : `${path}/${name}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

async function mentions(file: string, privatePath: string): Promise<boolean> {
  const stat = await lstat(file).catch(() => undefined);
  if (stat === undefined) return false;
  if (stat.isSymbolicLink()) return (await readlink(file)).startsWith(privatePath);
  if (!stat.isFile()) return false;
  if (stat.size <= SMALL_BYTES) return (await readFile(file)).includes(privatePath);
  const overlap = Buffer.byteLength(privatePath) - 1;
  let carried: Buffer = Buffer.alloc(0);
  for await (const chunk of createReadStream(file, { highWaterMark: SMALL_BYTES })) {
    const window = Buffer.concat([carried, chunk as Buffer]);
    if (window.includes(privatePath)) return true;
    carried = window.subarray(Math.max(0, window.length - overlap));
  }
  return false;
}
