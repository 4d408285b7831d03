// A project locked by uv, as a node's view shows it: which files uv looks at, what it installs from the app itself, and
// whether something has to be built. Unaware of how uv is run.

import { posix } from 'node:path';
import { fail, succeed, type Failure, type Result, type ViewReader } from '../../engine/sdk.js';
import { parseUvLock, type UvLock, type UvLockedPackage } from '../../manifests/app/uv-lock.js';
import { parseUvProject, parseUvToml, type UvProjectFile } from '../../manifests/app/uv-settings.js';
import { wheelFits, type WheelTarget } from '../../manifests/app/wheel-tags.js';
import { inRoot } from './app-root.js';
import { literalPattern } from './literal-pattern.js';
import { sourcesOf, type ProjectSources } from './project-sources.js';
import { outsideApp, unreadableProject } from './uv-failures.js';

export interface UvProject {
  readonly lock: UvLock;
  /** Patterns of the files that tell uv whether the lockfile still fits. */
  readonly files: readonly string[];
  /** What is installed from the app itself: folders (`.` is the app) and files, app-relative, sorted. */
  readonly locals: readonly string[];
  /** Folders whose metadata comes from a build of theirs. */
  readonly computed: readonly string[];
  /** Of those, the ones whose builds may read any file of the app, with the reason. */
  readonly readingAll: ProjectSources['readingAll'];
  /** The app has settings for uv. */
  readonly hasSettings: boolean;
  /** The settings make uv build what it could download. */
  readonly refusesWheels: boolean;
}

const LOCK = 'uv.lock';
const PROJECT = 'pyproject.toml';
const SETTINGS = 'uv.toml';

export async function readUvProject(root: string, view: ViewReader): Promise<Result<UvProject, Failure>> {
  const [lockFile, projectFile, settingsFile] = [LOCK, PROJECT, SETTINGS].map((name) => inRoot(root, name)) as [
    string,
    string,
    string,
  ];
  const lockBytes = await view.read(lockFile);
  if (lockBytes === undefined) return fail(unreadableProject(lockFile, 'there is no such file'));
  const lock = parseUvLock(lockBytes);
  if (!lock.ok) return fail(unreadableProject(lockFile, lock.failure.message));
  const projectBytes = await view.read(projectFile);
  if (projectBytes === undefined) return fail(unreadableProject(projectFile, 'there is no such file'));
  const project = parseUvProject(projectBytes);
  if (!project.ok) return fail(unreadableProject(projectFile, project.failure.message));
  const settingsBytes = await view.read(settingsFile);
  const settings = settingsBytes === undefined ? undefined : parseUvToml(settingsBytes);
  if (settings !== undefined && !settings.ok) return fail(unreadableProject(settingsFile, settings.failure.message));

  const files = new Set([lockFile, projectFile, settingsFile].map(literalPattern));
  for (const pattern of project.value.workspaceMembers) {
    if (/^[^/].*$/.test(pattern) && !pattern.split('/').includes('..'))
      files.add(inRoot(root, `${pattern}/${PROJECT}`));
  }
  const locals = new Set<string>();
  const computed = new Set<string>();
  for (const { source, name } of lock.value.packages) {
    if (source.type === 'git' || source.type === 'url' || isRemote(source.at)) continue;
    const place = posix.normalize(posix.join(root, source.at)).replace(/(?<=.)\/$/, '');
    if (place.startsWith('..') || posix.isAbsolute(source.at)) return fail(outsideApp(lockFile, name, source.at));
    if (source.type === 'registry') files.add(`${literalPattern(place)}/**`);
    else if (source.type === 'path') {
      files.add(literalPattern(place));
      locals.add(place);
    } else {
      const metadata = place === '.' ? PROJECT : `${place}/${PROJECT}`;
      files.add(literalPattern(metadata));
      if (source.type === 'virtual') continue;
      locals.add(place);
      if (!(await isStatic(metadata, view))) computed.add(place);
    }
  }
  const built = await sourcesOf(view, [...computed].sort(), { isLocked: true });
  return succeed({
    lock: lock.value,
    files: [...new Set([...files, ...built.patterns])].sort(),
    readingAll: built.readingAll,
    locals: [...locals].sort(),
    computed: [...computed].sort(),
    hasSettings: project.value.hasSettings || settings !== undefined,
    refusesWheels: project.value.refusesWheels || settings?.value.refusesWheels === true,
  });
}

const isRemote = (at: string): boolean => /^[a-z][a-z0-9+.-]*:\/\//i.test(at);

async function isStatic(file: string, view: ViewReader): Promise<boolean> {
  const bytes = await view.read(file);
  const project = bytes === undefined ? undefined : parseUvProject(bytes);
  return project?.ok === true && (project.value satisfies UvProjectFile).isStatic;
}

/**
 * Everything that is downloaded is a file that the lockfile pins by digest, so the result is the same for every app. Not so
 * what is built: build tools are not pinned, and the code that runs is the package's own.
 */
export function needsNoBuild(project: UvProject, target: WheelTarget | undefined): boolean {
  if (project.refusesWheels || project.computed.length > 0 || target === undefined) return false;
  return project.lock.packages.every((locked) => isDownloaded(locked, target));
}

function isDownloaded({ source, wheels, hasSdist, hashed }: UvLockedPackage, target: WheelTarget): boolean {
  if (source.type === 'git') return false;
  if (source.type !== 'registry' && source.type !== 'url') return true;
  // Without a source archive there is nothing to build: it is for other machines, or a wheel fits after all.
  return hashed && (!hasSdist || wheels.some((file) => wheelFits(file, target)));
}
