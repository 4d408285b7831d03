// Identifies the current boot of this host, and tells whether another process still lives.

import { readFileSync, readlinkSync } from 'node:fs';
import { hostname, uptime } from 'node:os';

/** A process, distinguishable from later ones with the same number. */
export interface ProcessId {
  readonly pid: number;
  /** Clock ticks between boot and start; absent without /proc. */
  readonly startTime?: string;
  /** Boot and PID namespace. Process numbers of another realm mean nothing here. */
  readonly realm: string;
}

let boot: string | undefined;
/** Changes with every boot of the machine. */
export function currentBootId(): string {
  if (boot !== undefined) return boot;
  try {
    boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    // Without /proc, use the time of boot, rounded because clocks drift.
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

/** Undefined without such a process or without /proc. */
function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is the program's name in parentheses and may contain anything; the 22nd is the start.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

/** `unknown`: the process belongs to another host, boot or PID namespace; only its heartbeat shows that it lives. */
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
