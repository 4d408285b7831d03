// Patches of an app's files: reads the app through `Folder`, and writes edits only to files that are still as they were read.

import { randomBytes } from 'node:crypto';
import { appIdOf, readState } from '../engine/run/run-record.js';
import { fail, FailureError, succeed, type Failure, type Result } from '../engine/failure.js';
import { digestOf, type Digest } from '../engine/files/digest.js';
import { Folder } from '../engine/files/folder.js';
import { shownPath } from '../engine/files/shown-path.js';
import { systemFailure } from '../engine/files/system-failures.js';
import { isTable } from '../engine/files/untrusted-json.js';
import { findPatches } from '../manifests/app/patches/find.js';
import type { AppReader, FileEdit, Patch } from '../manifests/app/patches/patch.js';
import type { VersionTrace } from '../manifests/app/versions/trace.js';
import { parsePythonRequest } from '../manifests/app/python-version.js';
import type { AppPlace } from './run-options.js';

export { PATCHED_CODES, patchesFor } from '../manifests/app/patches/find.js';

/** Larger files are not those that patches are for. */
const MOST_BYTES = 4 * 1024 * 1024;

export interface AppPatches {
  readonly patches: readonly Patch[];
  /** Path -> digest of the bytes that were read; undefined if there was no file. */
  readonly seen: ReadonlyMap<string, Digest | undefined>;
}

export interface PatchQuestion {
  readonly place: AppPlace;
  /** The folder of the project, relative to the app; `.` for the app. */
  readonly root: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** How the build decides the version of Python. Undefined if it fails before that. */
  readonly trace: VersionTrace | undefined;
}

export function readAppPatches({ place, root, now, trace }: PatchQuestion): Result<AppPatches> {
  const folder = new Folder(place.appDir);
  if (!folder.exists()) return fail(noApp(place.appDir));
  const seen = new Map<string, Digest | undefined>();
  try {
    const lastMinor = minorOfLastBuild(place);
    const options = {
      root,
      now,
      ...(lastMinor === undefined ? {} : { lastMinor }),
      ...(trace === undefined ? {} : { trace }),
    };
    return succeed({ patches: findPatches(readerOf(folder, seen), options), seen });
  } catch (error) {
    return fail(failureOf(error));
  }
}

function readerOf(folder: Folder, seen: Map<string, Digest | undefined>): AppReader {
  return {
    read: (path) => {
      const stat = statThroughNoLink(folder, path);
      const bytes = stat?.isFile() === true && stat.size <= MOST_BYTES ? folder.read(path, MOST_BYTES) : undefined;
      seen.set(path, bytes === undefined ? undefined : digestOf(bytes));
      return bytes;
    },
    names: (path) => (path === '' || statThroughNoLink(folder, path)?.isDirectory() === true ? folder.names(path) : []),
    isFolder: (path) => statThroughNoLink(folder, path)?.isDirectory() === true,
  };
}

/** A path behind a link counts as missing: the link may lead out of the app. */
function statThroughNoLink(folder: Folder, path: string) {
  try {
    return folder.stat(path);
  } catch (error) {
    if (error instanceof FailureError) return undefined;
    throw error;
  }
}

function minorOfLastBuild(place: AppPlace): string | undefined {
  if (place.appId === undefined) return undefined;
  const { python } = readState(place.cacheDir, appIdOf(place));
  const minor = isTable(python) ? python['minor'] : undefined;
  return typeof minor === 'string' ? parsePythonRequest(minor)?.minor : undefined;
}

/** Writes the edits of a patch. Changes nothing if one of its files has changed since it was read. */
export function writePatch(appDir: string, { edits }: Patch, seen: AppPatches['seen']): Failure | undefined {
  const folder = new Folder(appDir);
  try {
    for (const path of edits.flatMap(({ file, from }) => (from === undefined ? [file] : [from, file]))) {
      const stat = folder.stat(path);
      const now = stat === undefined ? undefined : digestOf(folder.read(path, MOST_BYTES) ?? '');
      if (now !== seen.get(path)) return changedMeanwhile(path);
    }
    for (const edit of edits) writeEdit(folder, edit);
    return undefined;
  } catch (error) {
    return failureOf(error);
  }
}

function writeEdit(folder: Folder, { file, from, to }: FileEdit): void {
  if (to === undefined) return folder.remove(file);
  const mode = (folder.stat(from ?? file)?.mode ?? 0o644) & 0o777;
  const temporary = `${file}.${randomBytes(6).toString('hex')}.pyflow-fix`;
  try {
    folder.write(temporary, to, mode);
    folder.rename(temporary, file);
  } catch (error) {
    folder.remove(temporary);
    throw error;
  }
  if (from !== undefined) folder.remove(from);
}

function failureOf(error: unknown): Failure {
  if (error instanceof FailureError) return error.failure;
  const failure = systemFailure(error);
  if (failure === undefined) throw error;
  return failure;
}

const noApp = (appDir: string): Failure => ({
  code: 'app::unreadable',
  blame: 'pipeline',
  title: `The app can't be read: ${shownPath(appDir)}`,
  detail: 'There is no folder at this path.',
  remedy: 'Run pyflow in the folder of the app, or name it with --app.',
});

const changedMeanwhile = (path: string): Failure => ({
  code: 'fix::file-changed',
  blame: 'environment',
  title: `pyflow has not changed ${shownPath(path)}`,
  detail: 'The file changed while pyflow prepared the patch.',
  remedy: 'Run the command again.',
});
