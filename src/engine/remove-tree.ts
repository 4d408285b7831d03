// Removes a folder with all in it, with one system call an entry: the library function asks about every entry first, and
// the asynchronous one wakes a thread for each, which for a thousand small views cost as much as running their nodes.

import { readdirSync, rmdirSync, rmSync, unlinkSync } from 'node:fs';

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
