// Finds the app's package manager, and what stands in the way of it: a runtime or a virtual environment in the app. Looks
// at names only, so changed pins leave its result alone.

import { injectable } from 'inversify';
import { fail, failKnowing, succeed } from '../../engine/sdk.js';
import type {
  Failure,
  FromSchema,
  NodeOf,
  Plugin,
  ReadsPromise,
  Result,
  RunContext,
  RunPromise,
  ViewReader,
} from '../../engine/sdk.js';
import { inRoot, viewOfRoot } from '../shared/app/root.js';
import { foldersUp, poetryFolder, uvPlaces } from '../shared/app/project-folder.js';
import { pythonHome } from '../shared/python/home.js';
import { describeFolder, describeRoot, isFile } from '../shared/app/root-listing.js';
import {
  existingPythonDir,
  existingVenv,
  multipleFound,
  noneFound,
  pipenvMissingLockfile,
  poetryLockOfOthers,
  setupPyOnly,
  uvLockOfOthers,
  type LockOfOthers,
} from './failures.js';
import { type config, type inputs, manifest, type outputs } from './manifest.js';

type Node = NodeOf<typeof config, typeof inputs>;
type Outputs = FromSchema<typeof outputs>;

/** In the order in which they are named to people. */
const MANAGERS = [
  { name: 'pipenv', tool: 'Pipenv', lockfile: 'Pipfile.lock' },
  { name: 'pip', tool: 'pip', lockfile: 'requirements.txt' },
  { name: 'poetry', tool: 'Poetry', lockfile: 'poetry.lock' },
  { name: 'uv', tool: 'uv', lockfile: 'uv.lock' },
] as const;

@injectable()
export class PackageManager implements Plugin<Node['config'], Node['inputs'], Outputs, Outputs> {
  readonly manifest = manifest;

  async reads({ config: { root, vendorDir } }: Node, view: ViewReader): ReadsPromise<Outputs> {
    const pythonDir = pythonHome(vendorDir);
    const manager = await findManager(view, root);
    const known = manager.ok ? { ...manager.value } : {};
    if (view.exists(pythonDir)) {
      return failKnowing(existingPythonDir(pythonDir, describeFolder(view, pythonDir)), known);
    }
    if (!manager.ok) return manager;

    for (const directory of [inRoot(root, '.venv'), inRoot(root, 'venv')]) {
      if (await isFile(view, `${directory}/pyvenv.cfg`)) {
        return failKnowing(existingVenv(directory, describeFolder(view, directory)), known);
      }
    }
    const exists = MANAGERS.map(({ lockfile }) => inRoot(root, lockfile));
    return succeed({ exists, facts: manager.value });
  }

  async run(_node: unknown, { facts }: RunContext<Outputs>): RunPromise<Outputs> {
    return succeed({ outputs: facts });
  }
}

async function findManager(app: ViewReader, root: string): Promise<Result<Outputs, Failure>> {
  const view = viewOfRoot(app, root);
  const found = await managersIn(view);

  // Said before all else: another tool's file beside it must not make Pipenv users install something unexpected.
  const hasPipfileLock = found.some(({ name }) => name === 'pipenv');
  if (!hasPipfileLock && (await isFile(view, 'Pipfile'))) return fail(pipenvMissingLockfile(root));

  const above = found.length === 0 ? await findAbove(app, root) : { folder: root, found, notes: [] };
  const [only, ...others] = above.found;
  if (only === undefined) {
    if (await isFile(view, 'setup.py')) return fail(setupPyOnly(root));
    return fail(noneFound(root, await misspeltNames(view), describeRoot(app, root), above.notes));
  }
  if (others.length > 0) return fail(multipleFound(above.folder, above.found));
  return succeed({ name: only.name, lockfile: inRoot(above.folder, only.lockfile) });
}

type Manager = (typeof MANAGERS)[number];

async function managersIn(view: ViewReader): Promise<readonly Manager[]> {
  const found: Manager[] = [];
  for (const manager of MANAGERS) if (await isFile(view, manager.lockfile)) found.push(manager);
  return found;
}

interface Above {
  readonly folder: string;
  readonly found: readonly Manager[];
  /** Files that are there and do not serve the root, with the reason. */
  readonly notes: readonly LockOfOthers[];
}

/** The nearest folder above the root with a file that serves it: any for pip and Pipenv, that of its project for Poetry and uv. */
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

/** Why a lockfile above the root is not that of its project. */
async function whyNot(
  app: ViewReader,
  root: string,
  folder: string,
  name: Manager['name'],
): Promise<LockOfOthers | undefined> {
  if (name === 'uv') {
    const { project, top, strange } = await uvPlaces(app, root);
    if (top === folder) return undefined;
    return uvLockOfOthers(folder, project, strange?.folder === folder ? strange.isExcluded : undefined);
  }
  if (name !== 'poetry') return undefined;
  const project = await poetryFolder(app, root);
  return project === folder ? undefined : poetryLockOfOthers(folder, project);
}

/** `requirments.txt`, `requirements.text`, `Requirements.txt`, ... */
async function misspeltNames(view: ViewReader): Promise<readonly string[]> {
  const similar = view.list('').filter((name) => /^requ?[ie]r[ei]?ments?(\.te?xt){0,2}$/i.test(name));
  const files: string[] = [];
  for (const name of similar) if (await isFile(view, name)) files.push(name);
  return files;
}
