// The pipelines that come with pyflow, by name: `pyflow run python`.

import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { succeed, type Result } from '../engine/failure.js';
import { didYouMean, wrongUsage, type UsageProblem } from './command.js';
import type { World } from './world.js';

/** For `run`, `plan` and `graph` without a PIPELINE. */
const DEFAULT_PIPELINE = 'python';
const ENDING = '.yml';

/** The absolute path of the pipeline file that `asked` names: a file, or else a shipped pipeline. */
export function findPipeline(asked: string | undefined, world: World): Result<string, UsageProblem> {
  const folder = join(world.programDir, '..', 'pipelines');
  if (asked === undefined) return succeed(join(folder, DEFAULT_PIPELINE + ENDING));
  const file = resolve(world.cwd, asked);
  // If this looks like a path, the engine reports what is wrong with the file.
  if (existsSync(file) || !/^[a-z][a-z0-9-]*$/.test(asked)) return succeed(file);
  const names = shippedNames(folder);
  if (names.includes(asked)) return succeed(join(folder, asked + ENDING));
  return wrongUsage(
    `"${asked}" is neither a file here nor a pipeline that comes with pyflow.`,
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
