// Removes trees while the process goes on, and remembers what could not be removed.

import { spawn } from 'node:child_process';
import { mountsBelow, Removal, removeTree, type Leftover } from './remove-tree.js';
import { shownPath } from './shown-path.js';
import { Breather } from './new-files.js';

/** From here on a process of its own costs less than the time of this thread. */
const MANY_FILES = 500;
const RM = '/bin/rm';

/** As `removeTree`, with turns for everything else that this process does. Never rejects. */
export async function removeTreeGently(path: string | Buffer): Promise<Leftover | undefined> {
  const removal = new Removal(path);
  const breather = new Breather();
  for (const _ of removal.steps()) await breather.pause();
  return removal.leftover;
}

const removals = new Set<Promise<void>>();
let leftovers: Leftover[] = [];

/** As `removeTree`, but a tree of many files is removed while this process goes on; see `removalsEnded`. */
export function removeTreeSoon(folder: string, files: number): void {
  const keep = (left: Leftover | undefined): void => void (left && leftovers.push(left));
  if (files < MANY_FILES) return keep(removeTree(folder));
  const removal = removedByProgram(folder)
    // What it left, if anything: it changes no modes. All of it where there is no such program.
    .then(() => removeTreeGently(folder))
    .then(keep)
    .finally(() => removals.delete(removal));
  removals.add(removal);
}

function removedByProgram(folder: string): Promise<void> {
  return new Promise((resolve) => {
    if (mountsBelow(folder).size > 0) return resolve();
    try {
      const rm = spawn(RM, ['-rf', '--', folder], { stdio: 'ignore', env: {} });
      rm.once('error', () => resolve());
      rm.once('close', () => resolve());
    } catch {
      resolve();
    }
  });
}

/** Never rejects. Gives what could not be removed since it was last asked. */
export async function removalsEnded(): Promise<readonly Leftover[]> {
  await Promise.all(removals);
  const found = leftovers;
  leftovers = [];
  return found;
}

export const leftoverText = ({ path, code }: Leftover): string =>
  `${shownPath(path)} cannot be removed (${code}); the next run tries again.`;
