// Checks, before anything runs, that pyflow may write where `--output` says.

import { lstatSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { parse } from 'node:path';
import type { Failure } from '../failure.js';
import { systemFailure } from '../files/system-failures.js';
import type { OutputRequest, RunRequest } from '../request.js';
import { pathBelow, realPath } from '../app/source.js';
import { isOwnLayout, readIndex } from './oci-layout.js';
import { notOurOutput, unsafeOutput } from './output-failures.js';
import { checkOutDir, linkBelow } from './write.js';

type Request = Pick<RunRequest, 'appDir' | 'outDir' | 'cacheDir' | 'force' | 'outputs'>;

/** The first problem; undefined if all may be written. */
export function checkOutputs(request: Request): Failure | undefined {
  const { appDir, outDir, cacheDir, outputs = [] } = request;
  const taken: (readonly [what: string, path: string])[] = [
    ...(outDir === appDir ? [] : [['the folder of the slug', realPath(outDir)] as const]),
    ['the cache', realPath(cacheDir)],
  ];
  for (const output of outputs) {
    const real = realPath(output.path);
    const failure = unsafePlace(output, real, appDir) ?? foreign(output, request);
    if (failure !== undefined) return failure;
    const other = taken.find(([, path]) => overlaps(path, real));
    if (other !== undefined)
      return unsafeOutput(output.path, `It is ${other[0]} (${other[1]}), or one contains the other.`);
    taken.push([`the path of another output`, real]);
  }
  return undefined;
}

const overlaps = (a: string, b: string): boolean => pathBelow(a, b) !== undefined || pathBelow(b, a) !== undefined;

function unsafePlace({ path }: OutputRequest, real: string, appDir: string): Failure | undefined {
  const [app, home] = [realPath(appDir), realPath(homedir())];
  if (real === parse(real).root || real === home || pathBelow(real, app) !== undefined)
    return unsafeOutput(path, 'It is the root folder, your home folder, or a folder that contains the app.');
  const link = linkBelow(appDir, path);
  return link === undefined
    ? undefined
    : unsafeOutput(
        path,
        `${link} is a symbolic link in the app, so the output would be written to wherever it points.`,
      );
}

function foreign(output: OutputRequest, { appDir, force }: Request): Failure | undefined {
  const { type, path } = output;
  if (type === 'dir') return checkOutDir(path, appDir, force);
  try {
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat === undefined) return undefined;
    if (type === 'tar') return stat.isFile() ? undefined : notAFile(path);
    if (!stat.isDirectory()) return unsafeOutput(path, 'Something is there that is not a folder.');
    const names = readdirSync(path);
    const index = readIndex(path);
    if (names.length === 0 || force || (index !== undefined && isOwnLayout(index))) return undefined;
    // A first run that was killed leaves blobs and no index.
    if (index === undefined && names.every((name) => name === 'blobs' || name === 'oci-layout')) return undefined;
    return notOurOutput(path, 'It is not empty, and has no OCI image layout that pyflow wrote.');
  } catch (error) {
    return systemFailure(error);
  }
}

/** Not even with `--force`: nothing but a file can be replaced by a file. */
const notAFile = (path: string): Failure => unsafeOutput(path, 'Something is there that is not a regular file.');
