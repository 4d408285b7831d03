// Finds the package manager of an app by the names of its files, or says why there is none or more than one.

import { fail, succeed, type Result, type ViewReader } from '../../engine/sdk.js';
import { fieldsOf, stringsOf } from '../../manifests/app/fields.js';
import { isPylockName } from '../../manifests/app/pylock.js';
import { readToml } from '../../manifests/app/toml-file.js';
import { foldersUp, poetryFolder, uvPlaces } from '../shared/app/project-folder.js';
import { describeRoot, isFile } from '../shared/app/root-listing.js';
import { inRoot, viewOfRoot } from '../shared/app/root.js';
import {
  multipleFound,
  noneFound,
  pipenvMissingLockfile,
  poetryLockOfOthers,
  pyprojectOnly,
  setupPyOnly,
  uvLockOfOthers,
} from './failures.js';
import type { LockOfOthers, UnlockedProject } from './failures.js';

/** In the order in which messages list them. */
export const MANAGERS = [
  { name: 'pipenv', tool: 'Pipenv', lockfile: 'Pipfile.lock' },
  { name: 'pip', tool: 'pip', lockfile: 'requirements.txt' },
  { name: 'poetry', tool: 'Poetry', lockfile: 'poetry.lock' },
  { name: 'uv', tool: 'uv', lockfile: 'uv.lock' },
] as const;
/**
 * Counts only if there is no other file, because tools also export it beside their own lockfile. Files named `pylock.NAME.toml` are
 * for other purposes.
 */
export const PYLOCK = { name: 'pip', tool: 'pip', lockfile: 'pylock.toml' } as const;

/** A manager, and the file that it was recognized by, app-relative. */
interface FoundManager {
  readonly name: Manager['name'];
  readonly lockfile: string;
}

export async function findManager(app: ViewReader, root: string): Promise<Result<FoundManager>> {
  const view = viewOfRoot(app, root);
  const found = await managersIn(view);

  // Reported first: with another tool's file beside the Pipfile, users of Pipenv would get an unexpected install.
  const hasPipfileLock = found.some(({ name }) => name === 'pipenv');
  if (!hasPipfileLock && (await isFile(view, 'Pipfile'))) return fail(pipenvMissingLockfile(root));

  const above = found.length === 0 ? await findAbove(app, root) : { folder: root, found, notes: [] };
  const [only, ...others] = above.found;
  if (only === undefined) {
    if (await isFile(view, 'setup.py')) return fail(setupPyOnly(root));
    const misspelt = await misspeltNames(view);
    const project = above.notes.length === 0 && misspelt.length === 0 ? await readProject(view) : undefined;
    if (project !== undefined) return fail(pyprojectOnly(root, project));
    return fail(noneFound(root, misspelt, describeRoot(app, root), above.notes));
  }
  if (others.length > 0) return fail(multipleFound(above.folder, above.found));
  return succeed({ name: only.name, lockfile: inRoot(above.folder, only.lockfile) });
}

type Manager = (typeof MANAGERS)[number] | typeof PYLOCK;

async function managersIn(view: ViewReader): Promise<readonly Manager[]> {
  const found: Manager[] = [];
  for (const manager of MANAGERS) if (await isFile(view, manager.lockfile)) found.push(manager);
  return found.length === 0 && (await isFile(view, PYLOCK.lockfile)) ? [PYLOCK] : found;
}

interface Above {
  readonly folder: string;
  readonly found: readonly Manager[];
  /** Files that exist but do not apply to the root, with the reason. */
  readonly notes: readonly LockOfOthers[];
}

/** The nearest folder above the root with a file that applies to it: any file for pip and Pipenv, that of its project for Poetry and uv. */
async function findAbove(app: ViewReader, root: string): Promise<Above> {
  const notes: LockOfOthers[] = [];
  for (const folder of foldersUp(root).slice(1)) {
    const found: Manager[] = [];
    for (const manager of await managersIn(viewOfRoot(app, folder))) {
      const note = await whyNot(app, root, folder, manager.name);
      if (note === undefined) found.push(manager);
      else notes.push(note);
    }
    if (found.length > 0) return { folder, found, notes };
  }
  return { folder: root, found: [], notes };
}

/** Why a lockfile above the root does not belong to its project; undefined if it does. */
async function whyNot(
  app: ViewReader,
  root: string,
  folder: string,
  name: Manager['name'],
): Promise<LockOfOthers | undefined> {
  if (name === 'uv') {
    const { project, top, otherWorkspace } = await uvPlaces(app, root);
    if (top === folder) return undefined;
    return uvLockOfOthers(folder, project, otherWorkspace?.folder === folder ? otherWorkspace.isExcluded : undefined);
  }
  if (name !== 'poetry') return undefined;
  const project = await poetryFolder(app, root);
  return project === folder ? undefined : poetryLockOfOthers(folder, project);
}

/** The project in a pyproject.toml; undefined if the file has none, such as one with settings of tools only. */
async function readProject(view: ViewReader): Promise<UnlockedProject | undefined> {
  const bytes = (await isFile(view, 'pyproject.toml')) ? await view.read('pyproject.toml') : undefined;
  const toml = bytes === undefined ? undefined : readToml(bytes);
  if (toml?.ok !== true) return undefined;
  const { project, tool } = toml.value;
  const { poetry, uv, pdm } = fieldsOf(tool);
  if (project === undefined && poetry === undefined) return undefined;
  const ofPoetry = Object.keys(fieldsOf(fieldsOf(poetry)['dependencies'])).filter((name) => name !== 'python');
  return {
    dependencies: stringsOf(fieldsOf(project)['dependencies']).length + ofPoetry.length,
    tool: poetry !== undefined ? 'poetry' : pdm !== undefined ? 'pdm' : uv !== undefined ? 'uv' : undefined,
    named: view.list('').filter((name) => isPylockName(name)),
  };
}

/** `requirments.txt`, `requirements.text`, `Requirements.txt`, ... */
async function misspeltNames(view: ViewReader): Promise<readonly string[]> {
  const similar = view.list('').filter((name) => /^requ?[ie]r[ei]?ments?(\.te?xt){0,2}$/i.test(name));
  const files: string[] = [];
  for (const name of similar) if (await isFile(view, name)) files.push(name);
  return files;
}
