// How much memory V8 takes before it collects garbage. Unaware of what fills it.

import { versions } from 'node:process';
import { setFlagsFromString } from 'node:v8';

/** The newest V8 that was seen to have both flags; one that lacks a flag prints a complaint. */
const NEWEST_KNOWN = 13;

let isSlow = false;

/**
 * For runs that hold the records of large trees. V8 doubles the space for new objects whenever much of it survives, up
 * to 32 MB, and lets old objects grow to a multiple of what is alive; from here on the first keeps its size and the
 * second grows by a third between two collections. Both flags are V8's own business: in a V8 that is not known memory
 * grows as ever.
 */
export function growHeapSlowly(): void {
  if (isSlow || Number.parseInt(versions.v8, 10) > NEWEST_KNOWN) return;
  isSlow = true;
  setFlagsFromString('--semi-space-growth-factor=1');
  setFlagsFromString('--heap-growing-percent=33');
}
