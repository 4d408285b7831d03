// Which boot of which host this process runs on, and whether another process still lives. Unaware of locks and stores.

import { readFileSync, readlinkSync } from 'node:fs';
import { hostname, uptime } from 'node:os';

/** A process, told apart from later ones with the same number. */
export interface ProcessId {
  readonly pid: number;
  /** Clock ticks between boot and start; absent where there is no /proc. */
  readonly startTime?: string;
  /** Boot and PID namespace: numbers of another realm mean nothing here. */
  readonly realm: string;
}

let boot: string | undefined;
/** Changes with every boot of the machine. */
export function currentBootId(): string {
  if (boot !== undefined) return boot;
  try {
    boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    // Without /proc the time of boot stands for it, rounded because clocks drift.
    boot = `${hostname()}-${Math.round((Date.now() / 1000 - uptime()) / 10)}`;
  }
  return boot;
}

let self: ProcessId | undefined;
export function currentProcess(): ProcessId {
  if (self !== undefined) return self;
  let namespace = '';
  try {
    namespace = readlinkSync('/proc/self/ns/pid');
  } catch {
    // No /proc, no PID namespaces.
  }
  const startTime = startTimeOf(process.pid);
  self = { pid: process.pid, ...(startTime && { startTime }), realm: `${currentBootId()} ${namespace}` };
  return self;
}

/** Undefined when there is no such process or no /proc. */
function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is the program's name in parentheses, which may hold anything; the 22nd is the start.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

/** `unknown`: it belongs to another host, boot or PID namespace; only its heartbeat can tell. */
export function livenessOf(process: ProcessId): 'alive' | 'dead' | 'unknown' {
  const own = currentProcess();
  if (process.realm !== own.realm) return 'unknown';
  if (own.startTime !== undefined) return startTimeOf(process.pid) === process.startTime ? 'alive' : 'dead';
  return signalReaches(process.pid) ? 'alive' : 'dead';
}

function signalReaches(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
