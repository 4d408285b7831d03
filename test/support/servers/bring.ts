// Runs a script beside this file that brings a server program to the machine.

import { spawnSync } from 'node:child_process';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Context } from 'mocha';
import { skipBecause } from '../skip.js';

/** Kept between runs. */
const kept = join(homedir(), '.cache', 'pyflow-tests');
/** Ends a script if what it brings is not to be had here. */
const UNAVAILABLE = 3;

const brought = new Map<string, string>();

/** What the script printed: a path. Skips the suite if the program is not to be had. May take minutes, for the first time. */
export function bringOrSkip(mocha: Context, what: string): string {
  const before = brought.get(what);
  if (before !== undefined) return before;
  mocha.timeout(1_200_000);
  const script = fileURLToPath(new URL(`${what}.sh`, import.meta.url));
  const { status, stdout, stderr } = spawnSync('/bin/sh', [script, kept], { encoding: 'utf8' });
  if (status === UNAVAILABLE) skipBecause(mocha, `${what} is not to be had here: ${stderr.trim()}`);
  if (status !== 0) throw new Error(`${what} can't be brought:\n${stderr}`);
  brought.set(what, stdout.trim());
  return stdout.trim();
}
