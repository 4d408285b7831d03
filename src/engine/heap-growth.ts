// How much memory V8 takes before it collects garbage. Unaware of what fills it.

import { setFlagsFromString } from 'node:v8';

let isSlow = false;

/**
 * For runs that hold the records of large trees. V8 doubles the space for new objects whenever much of it survives, up
 * to 32 MB, and lets old objects grow to a multiple of what is alive; from here on the first keeps its size and the
 * second grows by a third between two collections. Both flags are V8's own business: where one is unknown or does
 * nothing, memory grows as ever.
 */
export function growHeapSlowly(): void {
  if (isSlow) return;
  isSlow = true;
  setFlagsFromString('--semi-space-growth-factor=1');
  setFlagsFromString('--heap-growing-percent=33');
}
