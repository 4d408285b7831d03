// Looks for any of some byte strings in files of any size. Unaware of what the strings mean.

import { createReadStream } from 'node:fs';
import { lstat, readFile, readlink } from 'node:fs/promises';
import { eachLimited } from './file-walk.js';

/** Files up to this size are read at once. */
const SMALL_BYTES = 1024 * 1024;

export interface Found {
  readonly path: string;
  readonly text: string;
}

/** The first of `texts` in each file below `root`, for the files that hold one; sorted by path. */
export async function searchFiles(
  root: string,
  paths: readonly string[],
  texts: readonly string[],
): Promise<readonly Found[]> {
  if (texts.length === 0) return [];
  const found: Found[] = [];
  await eachLimited(paths, 8, async (path) => {
    const text = await firstIn(`${root}/${path}`, texts);
    if (text !== undefined) found.push({ path, text });
  });
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function firstIn(file: string, texts: readonly string[]): Promise<string | undefined> {
  const stat = await lstat(file);
  if (stat.isSymbolicLink()) {
    const target = await readlink(file);
    return texts.find((text) => target.includes(text));
  }
  if (stat.size <= SMALL_BYTES) {
    const bytes = await readFile(file);
    return texts.find((text) => bytes.includes(text));
  }
  const overlap = Math.max(...texts.map((text) => Buffer.byteLength(text))) - 1;
  let carried: Buffer = Buffer.alloc(0);
  for await (const chunk of createReadStream(file, { highWaterMark: SMALL_BYTES })) {
    const window = Buffer.concat([carried, chunk as Buffer]);
    const text = texts.find((candidate) => window.includes(candidate));
    if (text !== undefined) return text;
    carried = window.subarray(Math.max(0, window.length - overlap));
  }
  return undefined;
}
