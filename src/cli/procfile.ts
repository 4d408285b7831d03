// Reads the process types of a built app from its Procfile.

import { Folder } from '../engine/files/folder.js';
import { FailureError, fail, succeed, type Result } from '../engine/failure.js';

const MOST_BYTES = 1024 * 1024;

/** Process type -> command, in the order of the file. Empty if there is no Procfile. */
export function readProcfile(slugDir: string): Result<ReadonlyMap<string, string>> {
  const folder = new Folder(slugDir, 'the slug');
  const processes = new Map<string, string>();
  try {
    const path = folder.resolve('Procfile');
    const text = path === undefined ? undefined : folder.readText(path, MOST_BYTES);
    for (const line of (text ?? '').split(/\r?\n/)) {
      const [, type, command] = /^([A-Za-z0-9_-]+):\s*(\S.*?)\s*$/.exec(line) ?? [];
      if (type !== undefined && command !== undefined) processes.set(type, command);
    }
    return succeed(processes);
  } catch (error) {
    if (error instanceof FailureError) return fail(error.failure);
    throw error;
  }
}
