// Reads the process types of a built app from its Procfile.

import { LARGEST_PROCFILE, parseProcfile, PROCFILE } from '../engine/app/procfile.js';
import { Folder } from '../engine/files/folder.js';
import { FailureError, fail, succeed, type Result } from '../engine/failure.js';

/** Process type -> command, in the order of the file. Empty if there is no Procfile. */
export function readProcfile(slugDir: string): Result<ReadonlyMap<string, string>> {
  const folder = new Folder(slugDir, 'the slug');
  try {
    const path = folder.resolve(PROCFILE);
    return succeed(parseProcfile((path === undefined ? undefined : folder.readText(path, LARGEST_PROCFILE)) ?? ''));
  } catch (error) {
    if (error instanceof FailureError) return fail(error.failure);
    throw error;
  }
}
