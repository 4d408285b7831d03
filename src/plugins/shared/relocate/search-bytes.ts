// Searches files of any size for byte strings.

import type { Folder, OpenFile } from '../../../engine/sdk.js';

/**
 * Shared by all files. With a new buffer for each file, tens of megabytes would pile up before the next garbage collection,
 * because buffers don't count as heap.
 */
let window: Buffer | undefined;
const WINDOW_BYTES = 1024 * 1024;
const LARGEST_BYTES = 4 * 1024 ** 3;
/** The search yields to other work after this many bytes. */
const BREATHER_BYTES = 16 * 1024 * 1024;

interface Found {
  readonly path: string;
  readonly text: string;
}

/** The files below `root` that contain one of `texts`, with the first one found, sorted by path. */
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
    // The engine rejects such files with a better message, and reading a sparse one would take hours.
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
    // A text may cross the end of the window.
    carried = Math.min(overlap, end);
    window.copyWithin(0, end - carried, end);
  }
}
