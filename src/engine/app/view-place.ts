// Decides where the view of a node is laid out: in memory if much of it is free, because a view consists of thousands of files
// that are removed after the node; otherwise on the cache's disk.

import { freemem } from 'node:os';
import { freeBytesIn } from '../files/free-space.js';

interface ViewPlaces {
  readonly smallDir: () => string;
  readonly largeDir: () => string;
}

const MB = 1024 * 1024;
/** A smaller view goes into memory if there is any folder in memory. */
const SMALL_VIEW_BYTES = 16 * MB;
/** It is unknown how much a step will write, and builds may write gigabytes; so this much memory must be free. */
const LEAST_TO_SPARE_BYTES = 8192 * MB;
/** For a step that can't be tried again on the disk. */
const LEAST_FOR_ONE_TRY_BYTES = 2 * LEAST_TO_SPARE_BYTES;
/** A view may use this fraction of the free memory. */
const SHARE = 16;
const NEARLY_FULL_BYTES = 64 * MB;

interface ViewNeeds {
  /** Of the view and the tools, as they are laid out. */
  readonly bytes: number;
  /** The step can't be tried again if it does not fit. */
  readonly isOnce: boolean;
}

/** `setting`: `disk` keeps large views off memory. */
export function isForMemory(needs: ViewNeeds, setting: string | undefined, places: ViewPlaces): boolean {
  if (needs.bytes < SMALL_VIEW_BYTES) return true;
  if (setting === 'disk') return false;
  return isSpare(needs, Math.min(freeMemory(), freeBytesIn(places.smallDir())));
}

/** `spare`: free bytes. */
export function isSpare({ bytes, isOnce }: ViewNeeds, spare: number): boolean {
  return spare >= (isOnce ? LEAST_FOR_ONE_TRY_BYTES : LEAST_TO_SPARE_BYTES) && bytes * SHARE <= spare;
}

/** Then a step that failed there may work on a disk. */
export const isNearlyFull = (folder: string): boolean => freeBytesIn(folder) < NEARLY_FULL_BYTES;

/** Respects the limit of a container if Node knows it. */
function freeMemory(): number {
  const { availableMemory } = process as { availableMemory?: () => number };
  return availableMemory?.() ?? freemem();
}
