// Looks for any of some byte strings in files of any size. Unaware of what the strings mean.

import type { Folder, OpenFile } from '../../../engine/sdk.js';

/**
 * One for all files: a fresh buffer a file would let tens of megabytes pile up between two collections of garbage,
 * since buffers do not count as heap.
 */
let window: Buffer | undefined;
const WINDOW_BYTES = 1024 * 1024;
const LARGEST_BYTES = 4 * 1024 ** 3;
/** Other work gets its turn after so much. */
const BREATHER_BYTES = 16 * 1024 * 1024;

interface Found {
  readonly path: string;
  readonly text: string;
}

/** The first of `texts` in each file below `root` of the folder, for the files that hold one; sorted by path. */
export async function searchFiles(
  folder: Folder,
  root: string,
  paths: readonly string[],
  texts: readonly string[],
): Promise<readonly Found[]> {
  const found: Found[] = [];
  if (texts.length === 0) return found;
  let sinceBreather = 0;
  for (const path of paths) {
    const file = root === '' ? path : `${root}/${path}`;
    const stat = folder.stat(file);
    // The engine refuses such a file with a better word, and one full of holes would be read for hours.
    if ((stat?.size ?? 0) > LARGEST_BYTES) continue;
    const target = stat?.isSymbolicLink() === true ? folder.readLink(file) : undefined;
    const text =
      target === undefined
        ? folder.withFile(file, (open) => firstIn(open, texts))
        : texts.find((candidate) => target.includes(candidate));
    if (text !== undefined) found.push({ path, text });
    sinceBreather += stat?.size ?? 0;
    if (sinceBreather < BREATHER_BYTES) continue;
    sinceBreather = 0;
    await new Promise((resolve) => void setImmediate(resolve));
  }
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

function firstIn(file: OpenFile, texts: readonly string[]): string | undefined {
  const overlap = Math.max(...texts.map((text) => Buffer.byteLength(text))) - 1;
  window ??= Buffer.allocUnsafe(WINDOW_BYTES);
  let position = 0;
  let carried = 0;
  for (;;) {
    const read = file.read(window, carried, window.length, position);
    if (read === 0) return undefined;
    position += read;
    const end = carried + read;
    const bytes = window.subarray(0, end);
    const text = texts.find((candidate) => bytes.includes(candidate));
    if (text !== undefined) return text;
    // A text may lie across the end of the window.
    carried = Math.min(overlap, end);
    window.copyWithin(0, end - carried, end);
  }
}
