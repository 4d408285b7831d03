// Damages each file of a small cache, one offset at a time: flips a bit there, or truncates the file.

import { truncateSync } from 'node:fs';
import { SmallCache } from '../support/small-cache.js';

/** Number of offsets in a larger file, evenly spread. */
const MOST = 200;

describe('a cache with damage anywhere', () => {
  let cache: SmallCache;
  before(async () => {
    cache = await new SmallCache().fill();
  });
  after(() => cache.work.cleanUp());

  for (const [what, damage] of [
    ['flipped', (file: string, at: number) => cache.flip(file, at, at % 8)],
    ['cut off', (file: string, at: number) => cache.damage(file, (path) => truncateSync(path, at))],
  ] as const) {
    it(`gives the correct slug: ${what}`, async () => {
      for (const file of cache.files) {
        const size = cache.sizeOf(file);
        const step = Math.max(1, Math.ceil(size / MOST));
        for (let at = 0; at < size; at += step) {
          await damage(file, at);
          await cache.expectServed(`${file}, byte ${at} ${what}`);
        }
      }
    });
  }
});
