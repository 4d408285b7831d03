// Reads ELF files that are mostly debug sections without reading those. Unaware of what is done with the bytes.

import type { OpenFile } from '../../../engine/sdk.js';
import { debugSections, isElf } from './elf.js';

const START_BYTES = 64;

interface ElfBytes {
  readonly bytes: Buffer;
  /** False when zeros stand in place of debug sections: then only what `withoutDebug` makes of it is of use. */
  readonly isWhole: boolean;
}

/**
 * A file as `withoutDebug` wants it. Memory that is never written to is never taken, so a library of 30 MB with 24 of
 * debug sections takes 6.
 */
export async function readForStrip(file: OpenFile): Promise<ElfBytes> {
  const { size } = file;
  const bytes = Buffer.alloc(size);
  file.read(bytes, 0, Math.min(START_BYTES, size), 0);
  const gaps = isElf(bytes) ? await findGaps(file, bytes) : [];
  let at = 0;
  for (const { offset, end } of gaps) {
    file.read(bytes, at, offset, at);
    at = end;
  }
  file.read(bytes, at, size, at);
  return { bytes, isWhole: gaps.length === 0 };
}

interface Gap {
  readonly offset: number;
  readonly end: number;
}

/** Sorted, apart from each other; none when the file is not understood. */
async function findGaps(file: OpenFile, bytes: Buffer): Promise<readonly Gap[]> {
  const read = async (offset: number, length: number): Promise<void> =>
    void file.read(bytes, offset, Math.min(offset + length, bytes.length), offset);
  const found = await debugSections(bytes, read);
  const gaps: Gap[] = [];
  let last = 0;
  for (const { offset, size } of [...found].sort((a, b) => a.offset - b.offset)) {
    const end = offset + size;
    if (size === 0) continue;
    // Sections that overlap are not what a linker makes.
    if (offset < last || end > bytes.length) return [];
    gaps.push({ offset, end });
    last = end;
  }
  return gaps;
}
