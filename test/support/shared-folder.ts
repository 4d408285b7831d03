// Folders that tests share because they take long to make. Loaded by mocha's configurations, whose main process removes them:
// a worker has a second to end, and the files of a Python take longer.

import { execFileSync } from 'node:child_process';
import { chmodSync, lstatSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** For the workers, which start later. */
const VARIABLE = 'PYFLOW_TEST_SHARED';

export function mochaGlobalSetup(): void {
  const folder = mkdtempSync(join(tmpdir(), 'pyflow-shared-'));
  // Tests start programs as other users, too.
  chmodSync(folder, 0o755);
  process.env[VARIABLE] = folder;
}

export function mochaGlobalTeardown(): void {
  // Some were made read-only.
  execFileSync('chmod', ['-R', 'u+w', process.env[VARIABLE]!]);
  rmSync(process.env[VARIABLE]!, { recursive: true, force: true });
}

/** A new folder that lasts for the whole run. */
export function sharedFolder(name: string): string {
  const parent = process.env[VARIABLE];
  const folder = mkdtempSync(join(parent ?? tmpdir(), `${name}-`));
  // Without a configuration of mocha this is the main process.
  if (parent === undefined)
    process.once('exit', () => {
      execFileSync('chmod', ['-R', 'u+w', folder]);
      rmSync(folder, { recursive: true, force: true });
    });
  return folder;
}

/** Path of each protected folder -> what a write to it changes. */
const looks = new Map<string, string>();

/**
 * Takes the right to write away, so that a test that writes into what others share fails, and not one of the others. That does
 * not stop root: after each test the folders are looked at as well.
 */
export function protectShared(folder: string): void {
  execFileSync('chmod', ['-R', 'a-w', folder]);
  looks.set(folder, lookOf(folder));
}

/** Names and times of all folders: a file that is made, removed or replaced changes them. */
function lookOf(folder: string): string {
  const looked: string[] = [];
  const folders = [folder];
  for (let path = folders.pop(); path !== undefined; path = folders.pop()) {
    looked.push(`${path} ${lstatSync(path).mtimeMs}`);
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      if (entry.isDirectory()) folders.push(join(path, entry.name));
    }
  }
  return looked.join('\n');
}

export const mochaHooks = {
  afterEach(): void {
    for (const [folder, look] of looks) {
      const now = lookOf(folder);
      if (now === look) continue;
      looks.set(folder, now);
      const before = new Set(look.split('\n'));
      const changed = now.split('\n').filter((line) => !before.has(line));
      throw new Error(`The test wrote into a folder that tests share: ${changed.join(', ')}`);
    }
  },
};
