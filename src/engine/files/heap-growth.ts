// How much memory V8 uses before it collects garbage.

import { versions } from 'node:process';
import { setFlagsFromString } from 'node:v8';

/** The newest V8 known to have both flags; one without a flag prints a warning. */
const NEWEST_KNOWN = 13;

let isSlow = false;

/**
 * For runs that hold the records of large trees. By default V8 doubles the space for new objects, up to 32 MB, whenever many
 * of them survive, and lets old objects grow to a multiple of the live ones. After this call the first space keeps its size
 * and the second grows by a third between two collections. The flags are internal to V8, so an unknown V8 keeps its defaults.
 */
export function growHeapSlowly(): void {
  if (isSlow || Number.parseInt(versions.v8, 10) > NEWEST_KNOWN) return;
  isSlow = true;
  setFlagsFromString('--semi-space-growth-factor=1');
  setFlagsFromString('--heap-growing-percent=33');
}
