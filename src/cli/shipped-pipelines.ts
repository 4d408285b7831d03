// The pipelines that come with pyflow, by name: `pyflow run python`.

import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { succeed, type Result } from '../engine/failure.js';
import { didYouMean, wrongUsage, type UsageProblem } from './command.js';
import type { World } from './world.js';

/** What an app is built with when nobody names a pipeline. */
const DEFAULT_PIPELINE = 'python';
const ENDING = '.yml';

/** The absolute path of the file that `asked` names: a file, or else a shipped pipeline. Default: the one for Python apps. */
export function findPipeline(asked: string | undefined, world: World): Result<string, UsageProblem> {
  const folder = join(world.programDir, '..', 'pipelines');
  if (asked === undefined) return succeed(join(folder, DEFAULT_PIPELINE + ENDING));
  const file = resolve(world.cwd, asked);
  // What looks like a path is one, and the engine says what is wrong with it.
  if (existsSync(file) || !/^[a-z][a-z0-9-]*$/.test(asked)) return succeed(file);
  const names = shippedNames(folder);
  if (names.includes(asked)) return succeed(join(folder, asked + ENDING));
  return wrongUsage(
    `There is no file "${asked}" here, and no pipeline of that name comes with pyflow.`,
    `Name a file, or one of: ${names.join(', ')}.${didYouMean(asked, names)}`,
  );
}

function shippedNames(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith(ENDING))
      .map((name) => name.slice(0, -ENDING.length))
      .sort();
  } catch {
    return [];
  }
}
