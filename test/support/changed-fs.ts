// Replaces functions of node:fs while something runs: for what happens between two system calls, and for errors of the disk.

import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

/** `change` gets the real functions, and returns the ones to use instead. */
export async function withChangedFs<T>(
  change: (real: typeof fs) => Partial<Record<keyof typeof fs, (...args: never[]) => unknown>>,
  work: () => Promise<T> | T,
): Promise<T> {
  const real = { ...fs };
  const changed = change(real);
  Object.assign(fs, changed);
  syncBuiltinESMExports();
  try {
    return await work();
  } finally {
    Object.assign(fs, Object.fromEntries(Object.keys(changed).map((name) => [name, real[name as keyof typeof fs]])));
    syncBuiltinESMExports();
  }
}

/** The error that a system call fails with. */
export const systemError = (code: string): Error => Object.assign(new Error(`${code}: made by a test`), { code });
