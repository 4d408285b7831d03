// A project locked by uv, as a node's view shows it: which files uv looks at, what it installs from the app itself, and
// whether something has to be built. Unaware of how uv is run.

import { posix } from 'node:path';
import { fail, succeed, type Failure, type Result, type ViewReader } from '../../../engine/sdk.js';
import {
  neededBy,
  parseUvLock,
  type UvLock,
  type UvLockedPackage,
  type UvSource,
} from '../../../manifests/app/uv-lock.js';
import { parseUvProject, parseUvToml, type UvProjectFile } from '../../../manifests/app/uv-settings.js';
import { wheelFits, type WheelTarget } from '../../../manifests/app/wheel-tags.js';
import { inRoot } from '../app/root.js';
import { firstMisencoded } from '../app/file-encoding.js';
import { literalPattern } from '../app/literal-pattern.js';
import { memberFiles, uvPlaces } from '../app/project-folder.js';
import { sourcesOf, type ProjectSources } from '../app/project-sources.js';
import { CODE, outsideApp, unreadableProject } from './failures.js';

export interface UvProject {
  /** Of a member of a workspace: what that may need. */
  readonly lock: UvLock;
  /** Where the lockfile is, and where uv is started; app-relative. */
  readonly lockFile: string;
  readonly folder: string;
  /** Patterns of the files that tell uv whether the lockfile still fits. */
  readonly files: readonly string[];
  /** What is installed from the app itself: folders (`.` is the app) and files, app-relative, sorted. */
  readonly locals: readonly string[];
  /** Folders whose metadata comes from a build of theirs. */
  readonly computed: readonly string[];
  /** Of those, the ones whose builds may read any file of the app, with the reason. */
  readonly readingAll: ProjectSources['readingAll'];
  /** Groups that uv would install, and a build does not. */
  readonly defaultGroups: readonly string[];
  /** The app has settings for uv. */
  readonly hasSettings: boolean;
  /** The settings make uv build what it could download. */
  readonly refusesWheels: boolean;
}

const LOCK = 'uv.lock';
const PROJECT = 'pyproject.toml';
const SETTINGS = 'uv.toml';

/** `root`: of the app's project, which may be a member of a workspace above it. */
export async function readUvProject(root: string, view: ViewReader): Promise<Result<UvProject, Failure>> {
  const { project: folder, top } = await uvPlaces(view, root);
  const [lockFile, projectFile, settingsFile] = [LOCK, PROJECT, SETTINGS].map((name) => inRoot(top, name)) as [
    string,
    string,
    string,
  ];
  const lockBytes = await view.read(lockFile);
  if (lockBytes === undefined) return fail(unreadableProject(lockFile, 'there is no such file'));
  const projectBytes = await view.read(projectFile);
  const settingsBytes = await view.read(settingsFile);
  // uv takes a byte order mark.
  const misencoded = firstMisencoded(
    CODE,
    [
      [lockFile, lockBytes],
      [projectFile, projectBytes],
      [settingsFile, settingsBytes],
    ],
    'accepted',
  );
  if (misencoded !== undefined) return fail(misencoded);
  const whole = parseUvLock(lockBytes);
  if (!whole.ok) return fail(unreadableProject(lockFile, whole.failure.message));
  if (projectBytes === undefined) return fail(unreadableProject(projectFile, 'there is no such file'));
  const project = parseUvProject(projectBytes);
  if (!project.ok) return fail(unreadableProject(projectFile, project.failure.message));
  const settings = settingsBytes === undefined ? undefined : parseUvToml(settingsBytes);
  if (settings !== undefined && !settings.ok) return fail(unreadableProject(settingsFile, settings.failure.message));

  const files = new Set([lockFile, projectFile, settingsFile, inRoot(folder, PROJECT)].map(literalPattern));
  for (const written of project.value.workspace?.members ?? []) {
    if (!posix.isAbsolute(written) && !posix.normalize(written).startsWith('..')) files.add(memberFiles(top, written));
  }
  const placeOf = (at: string): string => posix.normalize(posix.join(top, at)).replace(/(?<=.)\/$/, '');
  const isLocal = ({ type, at }: UvSource): boolean => type !== 'git' && type !== 'url' && !isRemote(at);
  const member =
    folder === top
      ? undefined
      : whole.value.packages.find(({ source }) => isLocal(source) && placeOf(source.at) === folder);
  const lock = member === undefined ? whole : succeed(neededBy(whole.value, member));
  const locals = new Set<string>();
  const computed = new Set<string>();
  for (const { source, name } of whole.value.packages) {
    if (!isLocal(source)) continue;
    const place = placeOf(source.at);
    if (place.startsWith('..') || posix.isAbsolute(source.at)) return fail(outsideApp(lockFile, name, source.at));
    // uv checks the lockfile against the metadata of all members, and installs what this one needs.
    const isNeeded = member === undefined || lock.value.packages.some((one) => one.source === source);
    if (source.type === 'registry') files.add(`${literalPattern(place)}/**`);
    else if (source.type === 'path') {
      files.add(literalPattern(place));
      if (isNeeded) locals.add(place);
    } else {
      const metadata = place === '.' ? PROJECT : `${place}/${PROJECT}`;
      files.add(literalPattern(metadata));
      if (source.type === 'virtual') continue;
      if (isNeeded) locals.add(place);
      if (!(await isStatic(metadata, view))) computed.add(place);
    }
  }
  const built = await sourcesOf(view, [...computed].sort(), { isLocked: true });
  return succeed({
    lock: lock.value,
    lockFile,
    folder,
    files: [...new Set([...files, ...built.patterns])].sort(),
    readingAll: built.readingAll,
    locals: [...locals].sort(),
    computed: [...computed].sort(),
    defaultGroups: defaultGroupsOf(folder === top ? projectBytes : await view.read(inRoot(folder, PROJECT))),
    hasSettings: project.value.hasSettings || settings !== undefined,
    refusesWheels: project.value.refusesWheels || settings?.value.refusesWheels === true,
  });
}

function defaultGroupsOf(bytes: Uint8Array | undefined): readonly string[] {
  const project = bytes === undefined ? undefined : parseUvProject(bytes);
  return project?.ok === true ? project.value.defaultGroups : [];
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
