// Lists the machine's processes like ps, so that tests can check that none is left behind.

import { readdirSync, readFileSync } from 'node:fs';
import { processRuns } from '../../src/engine/process/processes.js';

/** Processes with this text in their command line, also in nested namespaces. */
export const processesWith = (text: string): readonly number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(text) && processRuns(pid);
      } catch {
        return false;
      }
    });

let sleepers = 0;
/** A duration for `sleep` that no other process uses, so that its process can be found. */
export const uniqueSleep = (): string => {
  sleepers += 1;
  return `1${process.pid}.0${sleepers}${Date.now() % 1_000_000}`;
};
