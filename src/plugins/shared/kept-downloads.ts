// Files that a tool keeps by the URL that they came from, as long as the index allows, which is for ever. Unaware of the tool.

import { readdir, rm } from 'node:fs/promises';
import type { CommandExit, Failure, Result } from '../../engine/sdk.js';
import { judgeInstallLog } from './install-log.js';

/**
 * Runs a tool that keeps its downloads in this folder. When a file is not the one that was locked, none of them stays: it may
 * have been put right at the index. If the tool had some before, the file may be one of those, so it gets a second try.
 */
export async function runWithDownloads(
  folder: string,
  run: () => Promise<Result<CommandExit, Failure>>,
): Promise<Result<CommandExit, Failure>> {
  const hadSome = (await readdir(folder).catch(() => [])).length > 0;
  const first = await run();
  if (!(await dropTampered(folder, first)) || !hadSome) return first;
  const second = await run();
  await dropTampered(folder, second);
  return second;
}

/** Whether there was reason to. */
async function dropTampered(folder: string, exit: Result<CommandExit, Failure>): Promise<boolean> {
  if (!exit.ok || exit.value.exitCode === 0 || judgeInstallLog(exit.value.lines).tampered === undefined) return false;
  await rm(folder, { recursive: true, force: true });
  return true;
}
