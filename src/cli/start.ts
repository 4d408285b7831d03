// What cli.ts loads for anything but `--version`, as one chunk.

export { main } from './main.js';
export { leave, processWorld } from './process-world.js';
