// Each file of a small cache, one place at a time: a bit flipped, and cut off there.

import { truncateSync } from 'node:fs';
import { SmallCache } from '../support/small-cache.js';

/** Of a larger file so many places, evenly spread. */
const MOST = 200;

describe('a cache damaged all over', () => {
  let cache: SmallCache;
  before(async () => {
    cache = await new SmallCache().fill();
  });
  after(() => cache.work.cleanUp());

  for (const [what, damage] of [
    ['flipped', (file: string, at: number) => cache.flip(file, at, at % 8)],
    ['cut off', (file: string, at: number) => cache.damage(file, (path) => truncateSync(path, at))],
  ] as const) {
    it(`gives the right slug: ${what}`, async () => {
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
