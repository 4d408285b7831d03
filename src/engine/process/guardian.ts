// A small process that outlives this one and kills what our commands left running, even if we are killed with signal 9.

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import type { Writable } from 'node:stream';

/** In the environment of our commands, to find those that left their group and those whose pyflow is gone. */
export const MARKER_VARIABLE = 'PYFLOW_RUN_NODE';

/*
 * Its input ends when we end, since nothing else holds the other side. After killing it looks again, because a process may
 * have started another one just before; and once more after a pause, because a process that was just forked shows our
 * environment until it becomes its command. It gives up in the end, because a process may belong to another user.
 * Bubblewrap needs this too: if it is killed, a child that it made just before waits for it forever.
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

/** A marker for one command, unique on this machine. The first call starts the guardian. */
export function nextMarker(): string {
  if (tag === undefined) {
    // Process ids are reused.
    tag = `${process.pid}-${randomBytes(6).toString('hex')}`;
    startGuardian(`${MARKER_VARIABLE}=${tag}-`);
  }
  commands += 1;
  return `${tag}-${commands}`;
}

function startGuardian(text: string): void {
  // Without /proc nothing shows which processes are ours.
  if (!existsSync('/proc/self/environ')) return;
  const guardian = spawn('/bin/sh', ['-c', SCRIPT, 'pyflow-guardian', text], {
    cwd: '/',
    env: { PATH: '/usr/bin:/bin' },
    stdio: ['pipe', 'ignore', 'ignore'],
    // A Ctrl-C in the terminal must not reach it.
    detached: true,
  });
  // If it can't be started, runs that end normally still leave nothing.
  guardian.on('error', () => {});
  guardian.unref();
  // Without free descriptors the streams are missing, although the types say otherwise.
  const stdin = guardian.stdin as unknown as (Writable & { unref(): void }) | undefined;
  stdin?.on('error', () => {});
  stdin?.unref();
}
