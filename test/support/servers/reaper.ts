// Ends servers and removes their folders when the test process ends, however it ends. A process that is killed can't clean up, so
// another one does, which notices the end because its standard input closes.

import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** A process group to kill, or a folder to remove. */
export type Remains = { readonly group: number } | { readonly folder: string };

let reaper: ChildProcess | undefined;

/** What is told last ends first. The function that it returns says that it is gone already. */
export function outlive(remains: Remains): () => void {
  if (reaper === undefined) {
    const script = fileURLToPath(new URL('reaper.sh', import.meta.url));
    // A group of its own, so that what kills the group of the tests leaves it alone.
    reaper = spawn('/bin/sh', [script], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
    reaper.unref();
    (reaper.stdin as unknown as { unref(): void }).unref();
  }
  const { stdin } = reaper;
  const named = 'group' in remains ? `group ${remains.group}` : `folder ${remains.folder}`;
  stdin!.write(`${named}\n`);
  // The system gives the number of a group that has ended to another one.
  return () => void stdin!.write(`gone ${named}\n`);
}
