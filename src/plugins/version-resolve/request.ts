// Finds the version that the app requests and its place: the first of runtime.txt, .python-version, Pipfile.lock, the minor
// version of the last build, and the default.

import { fail, failKnowing, succeed, type Result, type ViewReader } from '../../engine/sdk.js';
import { parsePipfileLock } from '../../manifests/app/pipfile-lock.js';
import {
  MISSPELLED_PYTHON_VERSION_NAMES,
  namesLikePythonVersion,
  parsePythonVersionFile,
} from '../../manifests/app/python-version-file.js';
import { parsePythonRequest, type PythonRequest } from '../../manifests/app/python-version.js';
import { parseRuntimeTxt } from '../../manifests/app/runtime-txt.js';
import { misencoded, wrongEncoding } from '../shared/app/file-encoding.js';
import { foldersUp } from '../shared/app/project-folder.js';
import { isFile } from '../shared/app/root-listing.js';
import { inRoot, viewOfRoot } from '../shared/app/root.js';
import { misspelledFile, pipfileLockWrong, pythonVersionFileWrong, runtimeTxtWrong } from './failures.js';
import type { Origin } from './origin.js';

export interface Request {
  readonly python: PythonRequest;
  /** The folder where it was found: the root, or a folder above it. */
  readonly folder: string;
  readonly origin: Origin;
  readonly similarFiles: readonly string[];
}

/** The nearest file counts, in the root or in a folder above it. `defaultMinor` is N.N; messages suggest it too. */
export async function readRequest(
  app: ViewReader,
  root: string,
  manager: string,
  defaultMinor: string,
): Promise<Result<Request>> {
  const similarFiles = await filesLikePythonVersion(viewOfRoot(app, root));
  for (const folder of foldersUp(root)) {
    const found = await requestIn(app, folder, { manager, defaultMinor });
    if (!found.ok) return found;
    if (found.value === undefined) continue;
    const isOfVersionFile = found.value.origin !== 'Pipfile.lock';
    return succeed({ ...found.value, folder, similarFiles: isOfVersionFile ? [] : similarFiles });
  }
  const sticky = stickyMinor(app);
  if (sticky !== undefined) return succeed({ python: sticky, folder: root, origin: 'cached', similarFiles });
  const python = { text: defaultMinor, minor: defaultMinor };
  return succeed({ python, folder: root, origin: 'default', similarFiles });
}

type Found = Pick<Request, 'python' | 'origin'> | undefined;

async function requestIn(
  app: ViewReader,
  folder: string,
  { manager, defaultMinor }: { readonly manager: string; readonly defaultMinor: string },
): Promise<Result<Found>> {
  const view = viewOfRoot(app, folder);
  const runtimeTxt = await view.read('runtime.txt');
  if (runtimeTxt !== undefined) {
    const request = parseRuntimeTxt(runtimeTxt);
    if (!request.ok) {
      const wrong = runtimeTxtWrong(folder, defaultMinor, wrongEncoding(runtimeTxt));
      return failKnowing(wrong, { origin: 'runtime.txt' });
    }
    return succeed({ python: request.value, origin: 'runtime.txt' });
  }

  // Checked before the right name, because the author of a misspelled file believes that it is in effect.
  for (const name of MISSPELLED_PYTHON_VERSION_NAMES) {
    if (await isFile(view, name)) return fail(misspelledFile(folder, name));
  }

  const versionFile = await view.read('.python-version');
  if (versionFile !== undefined) {
    const request = parsePythonVersionFile(versionFile);
    if (!request.ok) {
      return failKnowing(pythonVersionFileWrong(folder, request.failure, defaultMinor), { origin: '.python-version' });
    }
    return succeed({ python: request.value, origin: '.python-version' });
  }

  const lock = manager === 'pipenv' ? await view.read('Pipfile.lock') : undefined;
  if (lock === undefined) return succeed(undefined);
  const request = parsePipfileLock(lock);
  if (!request.ok) {
    const encoding = wrongEncoding(lock);
    const wrong =
      encoding === undefined
        ? pipfileLockWrong(folder, request.failure, defaultMinor)
        : misencoded('pipfile-lock::invalid-json', inRoot(folder, 'Pipfile.lock'), encoding);
    return failKnowing(wrong, { origin: 'Pipfile.lock' });
  }
  return succeed(request.value && { python: request.value, origin: 'Pipfile.lock' });
}

async function filesLikePythonVersion(view: ViewReader): Promise<readonly string[]> {
  const files: string[] = [];
  for (const name of namesLikePythonVersion(view.list(''))) if (await isFile(view, name)) files.push(name);
  return files;
}

/** Only the minor version of the last build is kept, so the patch can still change. */
function stickyMinor(view: ViewReader): PythonRequest | undefined {
  const state = view.state('python');
  if (typeof state !== 'object' || state === null || !('minor' in state)) return undefined;
  const request = typeof state.minor === 'string' ? parsePythonRequest(state.minor) : undefined;
  return request === undefined ? undefined : { text: request.minor, minor: request.minor };
}
