// Checks, before anything runs, that a run can write its slug and its documents at the end.

import { accessSync, constants, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Failure } from '../engine/failure.js';
import type { RunRequest } from '../engine/request.js';
import type { Given } from './command.js';
import type { World } from './world.js';

/** The first place that is not writable; undefined if all are. */
export function unwritablePlace(
  given: Given,
  world: World,
  { outDir, outputs = [] }: Pick<RunRequest, 'outDir' | 'outputs'>,
): Failure | undefined {
  const slug = whyNot(outDir, 'folder');
  if (slug !== undefined)
    return cannotWrite('slug::cannot-write', `the slug to ${outDir}`, slug, 'Choose another folder with --out DIR.');
  for (const { type, path } of outputs) {
    const why = whyNot(path, type === 'tar' ? 'file' : 'folder');
    if (why !== undefined)
      return cannotWrite('output::cannot-write', `the output ${path}`, why, 'Choose another path with --output.');
  }
  for (const option of ['report', 'trace']) {
    const value = given.value(option);
    if (value === undefined) continue;
    const file = resolve(world.cwd, value);
    const why = whyNot(file, 'file');
    if (why !== undefined)
      return cannotWrite(
        'report::cannot-write',
        `--${option} to ${file}`,
        why,
        `Choose another file with --${option} FILE.`,
      );
  }
  return undefined;
}

/** Checks the nearest existing folder. pyflow creates missing folders for the slug, but not for a document. */
function whyNot(path: string, kind: 'folder' | 'file'): string | undefined {
  const stats = statOf(path);
  if (stats !== undefined && stats.isDirectory() !== (kind === 'folder'))
    return kind === 'file' ? 'It is a folder.' : 'It is not a folder.';
  const parent = stats === undefined ? dirname(path) : path;
  const place = kind === 'folder' ? nearest(parent) : parent;
  const found = statOf(place);
  if (found === undefined) return `The folder ${place} does not exist.`;
  if (stats === undefined && !found.isDirectory()) return `${place} is not a folder.`;
  // pyflow writes the slug and documents under a temporary name beside their place, then renames them.
  for (const written of kind === 'file' && stats !== undefined ? [place, dirname(place)] : [place]) {
    try {
      accessSync(written, constants.W_OK);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      return code === 'EROFS'
        ? `${written} is on a read-only file system.`
        : `You don't have permission to write to ${written}.`;
    }
  }
  return undefined;
}

function nearest(path: string): string {
  let place = path;
  while (statOf(place) === undefined && place !== dirname(place)) place = dirname(place);
  return place;
}

function statOf(path: string) {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

const cannotWrite = (code: string, what: string, why: string, remedy: string): Failure => ({
  code,
  blame: 'environment',
  title: `pyflow cannot write ${what}`,
  detail: `${why} Nothing ran.`,
  remedy,
});
