// Reads ELF files without their debug sections, which can be most of the file.

import type { OpenFile } from '../../../engine/sdk.js';
import { debugSections, isElf } from './elf.js';

const START_BYTES = 64;

interface ElfBytes {
  readonly bytes: Buffer;
  /** False if the debug sections are filled with zeros. Then only the result of `withoutDebug` is valid. */
  readonly isWhole: boolean;
}

/**
 * Reads a file for `withoutDebug`. The system does not allocate memory that is never written, so a library of 30 MB with 24 MB
 * of debug sections uses 6 MB.
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

/** Sorted, without overlap. Empty if the file has an unexpected form. */
async function findGaps(file: OpenFile, bytes: Buffer): Promise<readonly Gap[]> {
  const read = async (offset: number, length: number): Promise<void> =>
    void file.read(bytes, offset, Math.min(offset + length, bytes.length), offset);
  const found = await debugSections(bytes, read);
  const gaps: Gap[] = [];
  let last = 0;
  for (const { offset, size } of [...found].sort((a, b) => a.offset - b.offset)) {
    const end = offset + size;
    if (size === 0) continue;
    // Linkers don't write overlapping sections.
    if (offset < last || end > bytes.length) return [];
    gaps.push({ offset, end });
    last = end;
  }
  return gaps;
}
