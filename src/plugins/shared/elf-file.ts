// Reads ELF files that are mostly debug sections without reading those. Unaware of what is done with the bytes.

import { open, type FileHandle } from 'node:fs/promises';
import { debugSections, isElf } from './elf.js';

const START_BYTES = 64;

export interface ElfBytes {
  readonly bytes: Buffer;
  /** False when zeros stand in place of debug sections: then only what `withoutDebug` makes of it is of use. */
  readonly isWhole: boolean;
}

/**
 * A file as `withoutDebug` wants it. Memory that is never written to is never taken, so a library of 30 MB with 24 of
 * debug sections takes 6.
 */
export async function readForStrip(path: string): Promise<ElfBytes> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const bytes = Buffer.alloc(size);
    await fill(file, bytes, 0, Math.min(START_BYTES, size));
    const gaps = isElf(bytes) ? await findGaps(file, bytes) : [];
    let at = 0;
    for (const { offset, end } of gaps) {
      await fill(file, bytes, at, offset);
      at = end;
    }
    await fill(file, bytes, at, size);
    return { bytes, isWhole: gaps.length === 0 };
  } finally {
    await file.close();
  }
}

interface Gap {
  readonly offset: number;
  readonly end: number;
}

/** Sorted, apart from each other; none when the file is not understood. */
async function findGaps(file: FileHandle, bytes: Buffer): Promise<readonly Gap[]> {
  const read = (offset: number, length: number): Promise<void> => fill(file, bytes, offset, offset + length);
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

async function fill(file: FileHandle, bytes: Buffer, from: number, to: number): Promise<void> {
  for (let at = from; at < to;) {
    const { bytesRead } = await file.read(bytes, at, to - at, at);
    if (bytesRead === 0) return;
    at += bytesRead;
  }
}
