// Folders that tests share because they take long to make. Loaded by mocha's configurations, whose main process removes them:
// a worker has a second to end, and the files of a Python take longer.

import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
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
  rmSync(process.env[VARIABLE]!, { recursive: true, force: true });
}

/** A new folder that lasts for the whole run. */
export function sharedFolder(name: string): string {
  const parent = process.env[VARIABLE];
  const folder = mkdtempSync(join(parent ?? tmpdir(), `${name}-`));
  // Without a configuration of mocha this is the main process.
  if (parent === undefined) process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
