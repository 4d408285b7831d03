// `pyflow plugins new`: writes a plugin to start from into a new folder.

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fail, succeed, type Failure, type Result } from '../engine/failure.js';
import { skeletonOf } from './plugin-skeleton.js';
import { quote } from './shell.js';
import { removeTree } from '../engine/files/remove-tree.js';

/** Returns the paths of the files in the folder. */
export function writeSkeleton(kind: string, folder: string): Result<readonly string[]> {
  const files = Object.entries(skeletonOf(kind));
  try {
    mkdirSync(dirname(folder), { recursive: true });
  } catch (error) {
    return fail(cannotWrite(folder, error));
  }
  try {
    // If two processes try, only one can create the folder.
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

/** What the command prints at the end. */
export function nextSteps(kind: string, files: readonly string[], folder: string, cwd: string): string {
  const near = relative(cwd, folder);
  const shown = near === '' || near.startsWith('..') ? resolve(folder) : near;
  return [
    `Created a plugin in ${shown}: ${files.join(', ')}.`,
    '',
    'It already works. Try it:',
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
  title: `${folder} already exists`,
  detail: 'A new plugin needs a new folder, because pyflow overwrites nothing.',
  remedy: 'Name another folder with --dir, or remove this one.',
});

const cannotWrite = (folder: string, error: unknown): Failure => ({
  code: 'plugins::cannot-write',
  blame: 'environment',
  title: `pyflow can't create the folder ${folder}`,
  detail: error instanceof Error ? error.message : String(error),
  remedy: 'Name a folder that you can write to with --dir.',
});
