// What `--json` prints.

import type { World } from './world.js';

export const printJSON = (value: unknown, world: World): void =>
  world.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);
