// A small process that outlives this one and ends what our commands left running, also when we are killed: a signal 9
// leaves nobody else to do it. Unaware of sandboxes and of what the commands are.

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import type { Writable } from 'node:stream';

/** In the environment of our commands: finds those that left their group, and those whose pyflow is gone. */
export const MARKER_VARIABLE = 'PYFLOW_RUN_NODE';

/*
 * The end of its input is our end: nothing else holds the other side. It looks again after it killed, since what it
 * killed may have started more; and after a while, since a process that was just forked shows our environment until it
 * becomes its command. Not for ever, since a process may be another user's. Bubblewrap needs it too: a child that it
 * made just before it was killed waits for it for ever.
 */
const SCRIPT = `
read -r _
for pause in 0.2 1 0; do
  round=0
  while [ "$round" -lt 50 ]; do
    found=$(grep -lsF "$1" /proc/[0-9]*/environ)
    [ -n "$found" ] || break
    for file in $found; do
      pid=\${file#/proc/}
      kill -9 "\${pid%/environ}"
    done
    round=$((round + 1))
  done
  sleep "$pause"
done
`;

let tag: string | undefined;
let commands = 0;

/** For one command, unlike that of any other on this machine; from the first on there is a guardian. */
export function nextMarker(): string {
  if (tag === undefined) {
    // Process ids come again.
    tag = `${process.pid}-${randomBytes(6).toString('hex')}`;
    startGuardian(`${MARKER_VARIABLE}=${tag}-`);
  }
  commands += 1;
  return `${tag}-${commands}`;
}

function startGuardian(text: string): void {
  // Without /proc there is no telling whose a process is.
  if (!existsSync('/proc/self/environ')) return;
  const guardian = spawn('/bin/sh', ['-c', SCRIPT, 'pyflow-guardian', text], {
    cwd: '/',
    env: { PATH: '/usr/bin:/bin' },
    stdio: ['pipe', 'ignore', 'ignore'],
    // A Ctrl-C in the terminal is not meant for it.
    detached: true,
  });
  // Where it cannot be started, runs that end in order still leave nothing.
  guardian.on('error', () => {});
  guardian.unref();
  // Without free descriptors there are no streams, whatever the types say.
  const stdin = guardian.stdin as unknown as (Writable & { unref(): void }) | undefined;
  stdin?.on('error', () => {});
  stdin?.unref();
}
