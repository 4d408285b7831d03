// Starts child processes that inherit nothing of ours but what they are given: descriptors, umask, and who ends first
// when memory runs out.

import type { ChildProcess, StdioOptions } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

type StdioOption = Extract<StdioOptions, readonly unknown[]>[number];

export const STATUS_DESCRIPTOR = 3;
export const FIRST_FILE_DESCRIPTOR = 4;

/** What a program gets beside its standard descriptors. */
export interface GivenDescriptors {
  /** Gets what the program writes to descriptor 3; without it that descriptor doesn't exist. */
  readonly onStatus?: (text: string) => void;
  /** Opened for the program to read, from descriptor 4 on. */
  readonly files?: readonly string[];
}

/** File modes are part of a command's result, so they must not depend on the umask of the user who runs pyflow. */
export function underFixedUmask<T>(start: () => T): T {
  // A worker shares the umask of the process and must not change it.
  if (!isMainThread) return start();
  const before = process.umask(0o022);
  try {
    return start();
  } finally {
    process.umask(before);
  }
}

/**
 * Starts a program with these descriptors, those of the options, and no others: what our own caller left open (a log, a
 * lock, a socket) is /dev/null for the program.
 */
export function spawnWith<C extends ChildProcess>(
  standard: readonly StdioOption[],
  { onStatus, files = [], isExpendable = false }: GivenDescriptors & { readonly isExpendable?: boolean },
  start: (stdio: StdioOption[]) => C,
): C {
  const stdio: StdioOption[] = [...standard];
  const opened: number[] = [];
  const open = (path: string): number => {
    const descriptor = openSync(path, 'r');
    opened.push(descriptor);
    return descriptor;
  };
  try {
    if (onStatus !== undefined) stdio[STATUS_DESCRIPTOR] = 'pipe';
    files.forEach((path, index) => {
      stdio[FIRST_FILE_DESCRIPTOR + index] = open(path);
    });
    for (const descriptor of inheritedDescriptors())
      if (stdio[descriptor] === undefined) stdio[descriptor] = open('/dev/null');
    // Node would make a pipe of a hole, or pass on our own descriptor of that number.
    const all = Array.from(stdio, (option) => option ?? 'ignore');
    return isExpendable ? asExpendable(() => start(all)) : start(all);
  } finally {
    for (const descriptor of opened) closeSync(descriptor);
  }
}

const OOM_SCORE = '/proc/self/oom_score_adj';
let oomScore: string | undefined | null;

/** A child starts with the score that we have at that moment and cannot lower it; we can restore ours. */
function asExpendable<T>(start: () => T): T {
  if (oomScore === null) return start();
  try {
    oomScore ??= readFileSync(OOM_SCORE, 'latin1');
    writeFileSync(OOM_SCORE, '1000');
  } catch {
    // The file is missing here, or we have no right to write it.
    oomScore = null;
    return start();
  }
  try {
    return start();
  } finally {
    writeFileSync(OOM_SCORE, oomScore);
  }
}

const CLOSED_ON_EXEC = 0o2000000;
let inherited: readonly number[] | undefined;

/** Open when we were started, and so open in our children too: Node closes only what it opened. */
function inheritedDescriptors(): readonly number[] {
  if (inherited !== undefined) return inherited;
  try {
    inherited = readdirSync('/proc/self/fd')
      .map(Number)
      .filter((descriptor) => descriptor > 2 && staysOpen(descriptor))
      .sort((one, other) => one - other);
  } catch {
    inherited = [];
  }
  return inherited;
}

function staysOpen(descriptor: number): boolean {
  try {
    const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, 'latin1'))?.[1];
    return flags !== undefined && (parseInt(flags, 8) & CLOSED_ON_EXEC) === 0;
  } catch {
    // It was the descriptor that listed the folder.
    return false;
  }
}
