// Runs a tool that caches downloads by URL, and drops the cache if a file doesn't match its digest. Indexes let tools cache files
// without a time limit, so a wrong file would stay.

import type { CommandExit, Folder, Result } from '../../../engine/sdk.js';
import { judgeInstallLog } from '../logs/install-log.js';
import { cleanCache } from './clean-cache.js';

/**
 * Runs a tool that keeps its downloads in `folder` of the cache. If a file doesn't match its locked digest, all of them are removed,
 * because the index may have a fixed file by now. If there were downloads before, the wrong file may be one of them, so the tool
 * runs again.
 */
export async function runWithDownloads(
  cache: Folder,
  folder: string,
  run: () => Promise<Result<CommandExit>>,
): Promise<Result<CommandExit>> {
  // Also repairs a folder that an earlier build replaced.
  let hadSome = false;
  cleanCache(cache, folder, () => {
    hadSome = cache.names(folder).length > 0;
  });
  const first = await run();
  if (!dropTampered(cache, folder, first) || !hadSome) return first;
  const second = await run();
  dropTampered(cache, folder, second);
  return second;
}

/** Returns whether a file was wrong. */
function dropTampered(cache: Folder, folder: string, exit: Result<CommandExit>): boolean {
  if (!exit.ok || exit.value.exitCode === 0 || judgeInstallLog(exit.value.lines).tampered === undefined) return false;
  cache.remove(folder);
  return true;
}
