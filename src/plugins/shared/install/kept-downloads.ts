// Files that a tool keeps by the URL that they came from, as long as the index allows, which is for ever. Unaware of the tool.

import type { CommandExit, Folder, Result } from '../../../engine/sdk.js';
import { judgeInstallLog } from '../logs/install-log.js';
import { cleanCache } from './clean-cache.js';

/**
 * Runs a tool that keeps its downloads in `folder` of the cache. When a file is not the one that was locked, none of them stays: it may
 * have been put right at the index. If the tool had some before, the file may be one of those, so it gets a second try.
 */
export async function runWithDownloads(
  cache: Folder,
  folder: string,
  run: () => Promise<Result<CommandExit>>,
): Promise<Result<CommandExit>> {
  // Also mends a folder that an earlier build replaced.
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

/** Whether there was reason to. */
function dropTampered(cache: Folder, folder: string, exit: Result<CommandExit>): boolean {
  if (!exit.ok || exit.value.exitCode === 0 || judgeInstallLog(exit.value.lines).tampered === undefined) return false;
  cache.remove(folder);
  return true;
}
