// Removes trees in the background, and remembers what could not be removed.

import { spawn } from 'node:child_process';
import { mountsBelow, Removal, removeTree, type Leftover } from './remove-tree.js';
import { shownPath } from './shown-path.js';
import { Breather } from './new-files.js';

/** From this number on, a separate process costs less than the time of this thread. */
const MANY_FILES = 500;
const RM = '/bin/rm';

/** Like `removeTree`, but lets other work of this process run in between. Never rejects. */
export async function removeTreeGently(path: string | Buffer): Promise<Leftover | undefined> {
  const removal = new Removal(path);
  const breather = new Breather();
  for (const _ of removal.steps()) await breather.pause();
  return removal.leftover;
}

const removals = new Set<Promise<void>>();
let leftovers: Leftover[] = [];

/** Like `removeTree`, but removes a tree of many files in the background; see `removalsEnded`. */
export function removeTreeSoon(folder: string, files: number): void {
  const keep = (left: Leftover | undefined): void => void (left && leftovers.push(left));
  if (files < MANY_FILES) return keep(removeTree(folder));
  const removal = removedByProgram(folder)
    // The program changes no modes and may leave files; without the program, all of the tree is left.
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

/** Waits for the background. Returns what could not be removed since the last call. Never rejects. */
export async function removalsEnded(): Promise<readonly Leftover[]> {
  await Promise.all(removals);
  const found = leftovers;
  leftovers = [];
  return found;
}

export const leftoverText = ({ path, code }: Leftover): string =>
  `pyflow can't remove ${shownPath(path)} (${code}). The next run tries again.`;
