// `pyflow plugins new`: a plugin to start from, in a folder that was not there before.

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fail, succeed, type Failure, type Result } from '../engine/failure.js';
import { skeletonOf } from './plugin-skeleton.js';
import { quote } from './shell.js';
import { removeTree } from '../engine/files/remove-tree.js';

/** Gives the paths of the files in the folder. */
export function writeSkeleton(kind: string, folder: string): Result<readonly string[]> {
  const files = Object.entries(skeletonOf(kind));
  try {
    mkdirSync(dirname(folder), { recursive: true });
  } catch (error) {
    return fail(cannotWrite(folder, error));
  }
  try {
    // Making it is the claim: of two that try, one finds it there.
    mkdirSync(folder);
  } catch (error) {
    return fail((error as NodeJS.ErrnoException).code === 'EEXIST' ? exists(folder) : cannotWrite(folder, error));
  }
  try {
    for (const [path, text] of files) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text, { flag: 'wx' });
    }
  } catch (error) {
    removeTree(folder);
    return fail(cannotWrite(folder, error));
  }
  return succeed(files.map(([path]) => path));
}

/** What is printed once it is there. */
export function nextSteps(kind: string, files: readonly string[], folder: string, cwd: string): string {
  const near = relative(cwd, folder);
  const shown = near === '' || near.startsWith('..') ? resolve(folder) : near;
  return [
    `The folder ${shown} has a plugin to start from: ${files.join(', ')}.`,
    '',
    'It works as it is:',
    `  cd ${/^[\w./-]+$/.test(shown) ? shown : quote(shown)}`,
    `  node --test ${kind}.test.mjs`,
    '  pyflow check pipeline.yml',
    '  pyflow run pipeline.yml --app example',
    '',
  ].join('\n');
}

const exists = (folder: string): Failure => ({
  code: 'plugins::folder-exists',
  blame: 'pipeline',
  title: `There is something at ${folder} already`,
  detail: 'A new plugin gets a folder of its own, and nothing is written over.',
  remedy: 'Name another folder with --dir, or remove that one.',
});

const cannotWrite = (folder: string, error: unknown): Failure => ({
  code: 'plugins::cannot-write',
  blame: 'environment',
  title: `The folder ${folder} cannot be made`,
  detail: error instanceof Error ? error.message : String(error),
  remedy: 'Name a folder with --dir in which you may write.',
});
