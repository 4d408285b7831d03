// Where the view of a node is laid out: in memory where there is plenty, since a view is made of thousands of files that are
// removed again when the node is done; else on the cache's disk. Unaware of what nodes do.

import { freemem } from 'node:os';
import { freeBytesIn } from '../files/free-space.js';

interface ViewPlaces {
  readonly smallDir: () => string;
  readonly largeDir: () => string;
}

const MB = 1024 * 1024;
/** So little is taken wherever there is a folder in memory at all. */
const SMALL_VIEW_BYTES = 16 * MB;
/** What a step writes is not known before, and builds may write gigabytes: only a machine with so much to spare. */
const LEAST_TO_SPARE_BYTES = 8192 * MB;
/** For a step that cannot be tried again on the disk. */
const LEAST_FOR_ONE_TRY_BYTES = 2 * LEAST_TO_SPARE_BYTES;
/** A view may take this part of what is free. */
const SHARE = 16;
const NEARLY_FULL_BYTES = 64 * MB;

interface ViewNeeds {
  /** Of the view and the tools, as they are laid out. */
  readonly bytes: number;
  /** There is no second try when it does not fit. */
  readonly isOnce: boolean;
}

/** `setting`: `disk` keeps large views off memory. */
export function isForMemory(needs: ViewNeeds, setting: string | undefined, places: ViewPlaces): boolean {
  if (needs.bytes < SMALL_VIEW_BYTES) return true;
  if (setting === 'disk') return false;
  return isSpare(needs, Math.min(freeMemory(), freeBytesIn(places.smallDir())));
}

/** `spare`: bytes that nobody uses. */
export function isSpare({ bytes, isOnce }: ViewNeeds, spare: number): boolean {
  return spare >= (isOnce ? LEAST_FOR_ONE_TRY_BYTES : LEAST_TO_SPARE_BYTES) && bytes * SHARE <= spare;
}

/** A step that failed there may go well on a disk. */
export const isNearlyFull = (folder: string): boolean => freeBytesIn(folder) < NEARLY_FULL_BYTES;

/** With regard to the limit of a container, where Node knows it. */
function freeMemory(): number {
  const { availableMemory } = process as { availableMemory?: () => number };
  return availableMemory?.() ?? freemem();
}
