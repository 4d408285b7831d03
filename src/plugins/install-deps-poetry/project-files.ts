// The project files that Poetry reads, from the view of a node.

import { fail, succeed, type Result, type ViewReader } from '../../engine/sdk.js';
import { parsePoetryLock, parsePoetryProject, type LockedPackage } from '../../manifests/app/poetry-lock.js';
import { firstMisencoded } from '../shared/app/file-encoding.js';
import { poetryFolder } from '../shared/app/project-folder.js';
import { inRoot } from '../shared/app/root.js';
import { CODE, noProjectFile, unreadableProject } from '../shared/poetry/failures.js';

interface ProjectFiles {
  /** The folder in which Poetry starts: the root or a folder above it. App-relative. */
  readonly folder: string;
  /** App-relative. */
  readonly paths: readonly string[];
  readonly packages: readonly LockedPackage[];
  readonly requiredPlugins: readonly string[];
  /** Whether poetry.toml makes Poetry build packages that have wheels. */
  readonly refusesWheels: boolean;
}

export async function readProjectFiles(view: ViewReader, root: string): Promise<Result<ProjectFiles>> {
  const folder = await poetryFolder(view, root);
  const paths = ['poetry.lock', 'pyproject.toml', 'poetry.toml'].map((file) => inRoot(folder, file));
  const [lockFile = '', projectFile = '', settingsFile = ''] = paths;
  const lockBytes = await view.read(lockFile);
  if (lockBytes === undefined) return fail(noProjectFile(lockFile, projectFile));
  const projectBytes = await view.read(projectFile);
  if (projectBytes === undefined) return fail(noProjectFile(projectFile, lockFile));
  const misencoded = firstMisencoded(CODE, [
    [lockFile, lockBytes],
    [projectFile, projectBytes],
  ]);
  if (misencoded !== undefined) return fail(misencoded);
  const lock = parsePoetryLock(lockBytes);
  if (!lock.ok) return fail(unreadableProject(lockFile, lock.failure.message));
  const project = parsePoetryProject(projectBytes);
  if (!project.ok) return fail(unreadableProject(projectFile, project.failure.message));
  const settings = (await view.read(settingsFile))?.toString() ?? '';
  return succeed({
    folder,
    paths,
    packages: lock.value,
    requiredPlugins: project.value.requiredPlugins,
    refusesWheels: settings.includes('no-binary'),
  });
}
