// Looks at processes and signals them: by number, by group, or by the marker in their environment.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { MARKER_VARIABLE } from './guardian.js';

type Signal = NodeJS.Signals;

/** From TERM to KILL. */
export const GRACE_MS = 5000;
/** KILL can't be refused, but a process in uninterruptible sleep takes it late: we don't wait for it forever. */
const GIVE_UP_MS = 10_000;
const MAX_POLL_MS = 20;

/** Polls ever more slowly: the system does not tell us when a process ends that is not our child. */
export function waitUntilGone(isAlive: () => boolean, kill: () => void, graceMs: number, finish: () => void): void {
  const started = performance.now();
  const poll = (pauseMs: number): void => {
    const waitedMs = performance.now() - started;
    if (!isAlive() || waitedMs > graceMs + GIVE_UP_MS) return finish();
    if (waitedMs > graceMs) kill();
    setTimeout(poll, pauseMs, Math.min(pauseMs * 2, MAX_POLL_MS));
  };
  poll(1);
}

export function signalProcess(pid: number, name: Signal | 0): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}
export const signalGroup = (pid: number, name: Signal): boolean => signalProcess(-pid, name);

/** False also for a zombie, which only waits for its parent to collect its status. */
export function processRuns(pid: number): boolean {
  if (!signalProcess(pid, 0)) return false;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.charAt(stat.lastIndexOf(')') + 2) !== 'Z';
  } catch {
    return !existsSync('/proc/self/stat');
  }
}

export function groupExists(group: number): boolean {
  if (!signalProcess(-group, 0)) return false;
  // Only zombies may be left; in a container without an init they stay forever.
  const stats = processStats();
  return stats === undefined || stats.some(({ processGroup, state }) => processGroup === group && state !== 'Z');
}

function processStats(): { readonly processGroup: number; readonly state: string }[] | undefined {
  const stats: { processGroup: number; state: string }[] = [];
  const pids = processIds();
  if (pids.length === 0) return undefined;
  for (const pid of pids) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
      const [state = '', , processGroup = ''] = stat.slice(stat.lastIndexOf(')') + 2).split(' ', 3);
      stats.push({ processGroup: Number(processGroup), state });
    } catch {
      // It ended meanwhile.
    }
  }
  return stats;
}

function processIds(): readonly number[] {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
}

/** Processes with our marker in their environment, in whatever group or session. Empty on systems without /proc. */
export function markedProcesses(marker: string): readonly number[] {
  const entry = Buffer.from(`${MARKER_VARIABLE}=${marker}\0`, 'latin1');
  return processIds().filter((pid) => {
    try {
      // A zombie's environment is empty, so it does not count.
      return readFileSync(`/proc/${pid}/environ`).includes(entry);
    } catch {
      return false;
    }
  });
}

export function signalMarked(marker: string, name: Signal): void {
  for (const pid of markedProcesses(marker)) signalProcess(pid, name);
}
