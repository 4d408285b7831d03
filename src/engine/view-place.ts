// Where the view of a node is laid out: in memory where there is plenty, since a view is made of thousands of files that are
// removed again when the node is done; else on the cache's disk. Unaware of what nodes do.

import { statfsSync } from 'node:fs';
import { freemem } from 'node:os';

export interface ViewPlaces {
  readonly smallDir: () => string;
  readonly largeDir: () => string;
}

const MB = 1024 * 1024;
/** So little is taken wherever there is a folder in memory at all. */
const SMALL_VIEW_BYTES = 16 * MB;
/** What a step writes is not known before, and builds may write gigabytes: only a machine with so much to spare. */
const LEAST_TO_SPARE_BYTES = 8192 * MB;
/** A view may take this part of what is free. */
const SHARE = 16;
const NEARLY_FULL_BYTES = 64 * MB;

/** `bytes`: of the view and the tools, as they are laid out. `setting`: `disk` keeps large views off memory. */
export function isForMemory(bytes: number, setting: string | undefined, places: ViewPlaces): boolean {
  if (bytes < SMALL_VIEW_BYTES) return true;
  if (setting === 'disk') return false;
  const spare = Math.min(freeMemory(), freeIn(places.smallDir()));
  return spare >= LEAST_TO_SPARE_BYTES && bytes * SHARE <= spare;
}

/** A step that failed there may go well on a disk. */
export const isNearlyFull = (folder: string): boolean => freeIn(folder) < NEARLY_FULL_BYTES;

/** With regard to the limit of a container, where Node knows it. */
function freeMemory(): number {
  const { availableMemory } = process as { availableMemory?: () => number };
  return availableMemory?.() ?? freemem();
}

function freeIn(folder: string): number {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch {
    return 0;
  }
}
