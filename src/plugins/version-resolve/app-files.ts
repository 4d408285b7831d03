// Reads what the files of the app say about Pythons besides the version itself: constraints, and the lockfile of the package
// manager. A file that can't be read counts as saying nothing, because the node that needs it reports the problem.

import { posix } from 'node:path';
import type { ViewReader } from '../../engine/sdk.js';
import { fieldsOf, type Fields } from '../../manifests/app/fields.js';
import { readRequirements } from '../../manifests/app/requirements.js';
import { readToml } from '../../manifests/app/toml-file.js';
import { pipfileVersionLock, requirementsVersionLock } from '../../manifests/app/versions/listed.js';
import type { PythonConstraint, VersionLock } from '../../manifests/app/versions/lock.js';
import { poetryVersionLock } from '../../manifests/app/versions/poetry.js';
import { pylockVersionLock } from '../../manifests/app/versions/pylock.js';
import { uvVersionLock } from '../../manifests/app/versions/uv.js';
import { foldersUp, poetryFolder, uvPlaces } from '../shared/app/project-folder.js';
import { isFile } from '../shared/app/root-listing.js';
import { inRoot } from '../shared/app/root.js';

export interface AppFiles {
  readonly constraints: readonly PythonConstraint[];
  readonly lock?: VersionLock;
  /** A lockfile that exists but can't be read. */
  readonly unreadable?: string;
}

interface Asked {
  readonly root: string;
  readonly manager: string;
  /** Dependency groups that are installed besides what every build gets. */
  readonly groups: readonly string[];
}

const PROJECT = 'pyproject.toml';

export async function readAppFiles(app: ViewReader, asked: Asked): Promise<AppFiles> {
  const project = inRoot(await folderWith(app, asked.root, PROJECT), PROJECT);
  const toml = await tomlIn(app, project);
  const constraints = constraintsOf(toml, project);
  const found = await lockOf(app, asked, toml);
  if (found === undefined) return { constraints };
  const { file, lock } = found;
  return lock === undefined ? { constraints, unreadable: file } : { constraints, lock };
}

function constraintsOf(project: Fields, file: string): readonly PythonConstraint[] {
  const poetry = fieldsOf(fieldsOf(fieldsOf(project['tool'])['poetry'])['dependencies'])['python'];
  return [fieldsOf(project['project'])['requires-python'], poetry].flatMap((text) =>
    typeof text === 'string' ? [{ file, text }] : [],
  );
}

interface FoundLock {
  readonly file: string;
  readonly lock: VersionLock | undefined;
}

async function lockOf(app: ViewReader, asked: Asked, project: Fields): Promise<FoundLock | undefined> {
  const { root, manager, groups } = asked;
  switch (manager) {
    case 'uv': {
      const { top, project: folder } = await uvPlaces(app, root);
      const within = posix.relative(inRoot(top, ''), inRoot(folder, '')) || '.';
      return lockIn(app, inRoot(top, 'uv.lock'), (bytes, file) =>
        uvVersionLock(bytes, file, { project: within, groups }),
      );
    }
    case 'poetry':
      return lockIn(app, inRoot(await poetryFolder(app, root), 'poetry.lock'), (bytes, file) =>
        poetryVersionLock(bytes, file, { project, groups }),
      );
    case 'pipenv':
      return lockIn(app, inRoot(await folderWith(app, root, 'Pipfile.lock'), 'Pipfile.lock'), pipfileVersionLock);
    case 'pip':
      return listedForPip(app, root);
    default:
      return undefined;
  }
}

async function lockIn(
  app: ViewReader,
  file: string,
  parse: (bytes: Uint8Array, file: string) => VersionLock | undefined,
): Promise<FoundLock | undefined> {
  const bytes = await readIn(app, file);
  return bytes === undefined ? undefined : { file, lock: parse(bytes, file) };
}

/** The nearest folder with one of the files counts. */
async function listedForPip(app: ViewReader, root: string): Promise<FoundLock | undefined> {
  for (const folder of foldersUp(root)) {
    const file = inRoot(folder, 'requirements.txt');
    if (await isFile(app, file)) {
      const closure = await readRequirements(file, (path) => readIn(app, path), { cwd: inRoot(folder, '') });
      return { file, lock: closure.ok ? requirementsVersionLock(closure.value.requirements, file) : undefined };
    }
    const locked = await lockIn(app, inRoot(folder, 'pylock.toml'), pylockVersionLock);
    if (locked !== undefined) return locked;
  }
  return undefined;
}

/** Unlike `nearestWith` it skips broken links, because the node needs none of these files. */
async function folderWith(app: ViewReader, root: string, file: string): Promise<string> {
  for (const folder of foldersUp(root)) if (await isFile(app, inRoot(folder, file))) return folder;
  return root;
}

const readIn = async (app: ViewReader, file: string): Promise<Uint8Array | undefined> =>
  (await isFile(app, file)) ? app.read(file) : undefined;

async function tomlIn(app: ViewReader, file: string): Promise<Fields> {
  const bytes = await readIn(app, file);
  const toml = bytes === undefined ? undefined : readToml(bytes);
  return toml?.ok === true ? toml.value : {};
}
