// Folders that tests share because they take long to make. mocha's configurations load this file, and the main process
// removes the folders: a worker has one second to end, and removing a Python takes longer.

import { execFileSync } from 'node:child_process';
import { chmodSync, lstatSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Tells the workers, which start later, where the folders are. */
const VARIABLE = 'PYFLOW_TEST_SHARED';

export function mochaGlobalSetup(): void {
  const folder = mkdtempSync(join(tmpdir(), 'pyflow-shared-'));
  // Tests also start programs as other users.
  chmodSync(folder, 0o755);
  process.env[VARIABLE] = folder;
}

export function mochaGlobalTeardown(): void {
  // Some folders were made read-only.
  execFileSync('chmod', ['-R', 'u+w', process.env[VARIABLE]!]);
  rmSync(process.env[VARIABLE]!, { recursive: true, force: true });
}

/** A new folder that exists until the end of the whole test run. */
export function sharedFolder(name: string): string {
  const parent = process.env[VARIABLE];
  const folder = mkdtempSync(join(parent ?? tmpdir(), `${name}-`));
  // Without a mocha configuration, this is the main process.
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
 * Makes the folder read-only, so that a test that writes to it fails, rather than another test. That does not stop
 * root, so the folders are also checked after each test.
 */
export function protectShared(folder: string): void {
  execFileSync('chmod', ['-R', 'a-w', folder]);
  looks.set(folder, lookOf(folder));
}

/** Paths and mtimes of all folders. Creating, removing or replacing a file changes them. */
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
