// A hard limit on the number of processes, by a control group if the machine lets us make one: polling is too slow for a
// fork bomb on a busy machine. Not for memory, since a group's memory includes files in memory, such as views.

import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';

export interface ControlGroup {
  /** A process joins when its number is written here. */
  readonly procsFile: string;
  add(pid: number): void;
  /** Call it after the last process has ended. */
  remove(): void;
}

const ROOT = '/sys/fs/cgroup';
const NAME = /^pyflow-(\d+)-\d+$/;

let parent: string | undefined | 'unknown' = 'unknown';
let made = 0;

/**
 * Undefined if this process may not make groups. Polling ends a node at `processes`; the group allows twice as many, because it
 * also counts threads and the programs around a command.
 */
export function makeControlGroup(processes: number): ControlGroup | undefined {
  if (parent === 'unknown') parent = findParent();
  if (parent === undefined) return undefined;
  const folder = `${parent}/pyflow-${process.pid}-${made++}`;
  try {
    mkdirSync(folder);
    writeFileSync(`${folder}/pids.max`, String(2 * processes + 256));
  } catch {
    removeQuietly(folder);
    return undefined;
  }
  const procsFile = `${folder}/cgroup.procs`;
  return {
    procsFile,
    add(pid) {
      try {
        writeFileSync(procsFile, String(pid));
      } catch {
        // The process has ended.
      }
    },
    remove: () => removeQuietly(folder),
  };
}

/** The group of this process, in the version of control groups that limits processes on this machine. */
function findParent(): string | undefined {
  if (process.platform !== 'linux') return undefined;
  let lines: readonly string[];
  try {
    lines = readFileSync('/proc/self/cgroup', 'latin1').split('\n');
  } catch {
    return undefined;
  }
  for (const line of lines) {
    const [, controllers = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    const isFirstVersion = controllers.split(',').includes('pids');
    if (!isFirstVersion && controllers !== '') continue;
    const top = isFirstVersion ? `${ROOT}/pids` : ROOT;
    // In a container the path may be that of the host.
    const folder = [`${top}${path === '/' ? '' : path}`, top].find((candidate) =>
      existsSync(`${candidate}/cgroup.procs`),
    );
    if (folder !== undefined && canLimit(folder)) return folder;
  }
  return undefined;
}

function canLimit(folder: string): boolean {
  const trial = `${folder}/pyflow-${process.pid}-trial`;
  try {
    mkdirSync(trial);
    const can = existsSync(`${trial}/pids.max`);
    rmdirSync(trial);
    if (can) sweep(folder);
    return can;
  } catch {
    return false;
  }
}

/** Removes groups of runs that were killed. */
function sweep(folder: string): void {
  for (const name of readdirSync(folder)) {
    const pid = NAME.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) removeQuietly(`${folder}/${name}`);
  }
}

function removeQuietly(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // A process is still ending; a later run sweeps it.
  }
}

let hasJoined = false;

/**
 * Puts this process, and all that it starts from then on, into a group. Moving a process takes the kernel about ten
 * milliseconds, too long for every command; so this happens once, without waiting. The next run removes the empty group.
 */
export function joinControlGroup(processes: number): void {
  if (hasJoined) return;
  hasJoined = true;
  const group = makeControlGroup(processes);
  if (group !== undefined) writeFile(group.procsFile, String(process.pid)).catch(group.remove);
}
