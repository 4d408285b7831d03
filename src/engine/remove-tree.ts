// Removes a folder with all in it, with one system call an entry: the library function asks about every entry first, and
// the asynchronous one wakes a thread for each, which for a thousand small views cost as much as running their nodes.

import { spawn } from 'node:child_process';
import { readdirSync, rmdirSync, rmSync, unlinkSync } from 'node:fs';

/** From here on a process of its own costs less than the time of this thread. */
const MANY_FILES = 500;
const RM = '/bin/rm';

const removals = new Set<Promise<void>>();

/** Never throws; what cannot be removed stays. Links are removed, not followed. */
export function removeTree(folder: string): void {
  try {
    removeEntries(folder);
    rmdirSync(folder);
  } catch {
    // Folders without the right to write, a file where a folder was expected, somebody who still writes.
    try {
      rmSync(folder, { recursive: true, force: true, maxRetries: 2 });
    } catch {
      // Swept by a later run.
    }
  }
}

function removeEntries(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) {
      removeEntries(path);
      rmdirSync(path);
    } else unlinkSync(path);
  }
}

/** As `removeTree`, but a tree of many files is removed while this process goes on; see `removalsEnded`. */
export function removeTreeSoon(folder: string, files: number): void {
  if (files < MANY_FILES) return removeTree(folder);
  const rm = spawn(RM, ['-rf', '--', folder], { stdio: 'ignore', env: {} });
  const ended = new Promise<void>((resolve) => {
    rm.once('error', () => resolve());
    rm.once('close', () => resolve());
  });
  // What it left, if anything, or all of it where there is no such program.
  const removal = ended.then(() => removeTree(folder)).finally(() => removals.delete(removal));
  removals.add(removal);
}

/** Never rejects. */
export async function removalsEnded(): Promise<void> {
  await Promise.all(removals);
}
