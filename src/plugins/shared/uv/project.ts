// Reads a project locked by uv from a node's view: which files uv reads, which packages it installs from the app, and whether it
// builds packages.

import { posix } from 'node:path';
import { fail, succeed, type Result, type ViewReader } from '../../../engine/sdk.js';
import { neededBy, parseUvLock } from '../../../manifests/app/uv-lock.js';
import type { UvLock, UvLockedPackage, UvSource } from '../../../manifests/app/uv-lock.js';
import { parseUvProject, parseUvToml, type UvProjectFile } from '../../../manifests/app/uv-settings.js';
import { wheelFits, type WheelTarget } from '../../../manifests/app/wheel-tags.js';
import { firstMisencoded } from '../app/file-encoding.js';
import { literalPattern } from '../app/literal-pattern.js';
import { memberFiles, uvPlaces } from '../app/project-folder.js';
import { sourcesOf, type ProjectSources } from '../app/project-sources.js';
import { inRoot } from '../app/root.js';
import { CODE, outsideApp, unreadableProject } from './failures.js';

export interface UvProject {
  /** For a member of a workspace, only the part that it needs. */
  readonly lock: UvLock;
  /** The lockfile, and the folder in which uv starts. App-relative. */
  readonly lockFile: string;
  readonly folder: string;
  /** Patterns of the files that uv compares with the lockfile. */
  readonly files: readonly string[];
  /** Folders (`.` is the app) and files of the app from which packages are installed. App-relative, sorted. */
  readonly locals: readonly string[];
  /** Folders whose metadata comes from a build. */
  readonly computed: readonly string[];
  /** The folders among those whose builds may read any file of the app, with the reason. */
  readonly readingAll: ProjectSources['readingAll'];
  /** Groups that uv installs by default. */
  readonly defaultGroups: readonly string[];
  /** Whether the app has settings for uv. */
  readonly hasSettings: boolean;
  /** Whether the settings make uv build packages that have wheels. */
  readonly refusesWheels: boolean;
}

const LOCK = 'uv.lock';
const PROJECT = 'pyproject.toml';
const SETTINGS = 'uv.toml';

/** `root`: the folder of the app's project, which may be a member of a workspace above it. */
export async function readUvProject(root: string, view: ViewReader): Promise<Result<UvProject>> {
  const { project: folder, top } = await uvPlaces(view, root);
  const read = await readFiles(view, top);
  if (!read.ok) return read;
  const { paths, lockFile, lock: whole, project, settings } = read.value;
  const member =
    folder === top
      ? undefined
      : whole.packages.find(({ source }) => isLocal(source) && placeOf(top, source.at) === folder);
  const lock = member === undefined ? whole : neededBy(whole, member);
  const local = await localPackages(view, { top, lockFile, whole, needed: lock });
  if (!local.ok) return local;
  const { locals, computed } = local.value;
  const built = await sourcesOf(view, computed, { isLocked: true });
  const patterns = [
    ...[...paths, inRoot(folder, PROJECT)].map(literalPattern),
    ...memberPatterns(top, project),
    ...local.value.patterns,
    ...built.patterns,
  ];
  const own = folder === top ? project : await projectIn(view, folder);
  return succeed({
    lock,
    lockFile,
    folder,
    files: [...new Set(patterns)].sort(),
    readingAll: built.readingAll,
    locals,
    computed,
    defaultGroups: own?.defaultGroups ?? [],
    hasSettings: project.hasSettings || settings !== undefined,
    refusesWheels: project.refusesWheels || settings?.refusesWheels === true,
  });
}

interface UvFiles {
  /** All files that uv reads in the folder of the lockfile, including the lockfile. */
  readonly paths: readonly string[];
  readonly lockFile: string;
  readonly lock: UvLock;
  readonly project: UvProjectFile;
  readonly settings: { readonly refusesWheels: boolean } | undefined;
}

/** `top`: the folder of the lockfile. */
async function readFiles(view: ViewReader, top: string): Promise<Result<UvFiles>> {
  const paths = [LOCK, PROJECT, SETTINGS].map((name) => inRoot(top, name));
  const [lockFile = '', projectFile = '', settingsFile = ''] = paths;
  const lockBytes = await view.read(lockFile);
  if (lockBytes === undefined) return fail(unreadableProject(lockFile, 'the file does not exist'));
  const projectBytes = await view.read(projectFile);
  const settingsBytes = await view.read(settingsFile);
  const contents = [
    [lockFile, lockBytes],
    [projectFile, projectBytes],
    [settingsFile, settingsBytes],
  ] as const;
  // uv accepts a byte order mark.
  const misencoded = firstMisencoded(CODE, contents, 'accepted');
  if (misencoded !== undefined) return fail(misencoded);
  const lock = parseUvLock(lockBytes);
  if (!lock.ok) return fail(unreadableProject(lockFile, lock.failure.message));
  if (projectBytes === undefined) return fail(unreadableProject(projectFile, 'the file does not exist'));
  const project = parseUvProject(projectBytes);
  if (!project.ok) return fail(unreadableProject(projectFile, project.failure.message));
  const settings = settingsBytes === undefined ? undefined : parseUvToml(settingsBytes);
  if (settings !== undefined && !settings.ok) return fail(unreadableProject(settingsFile, settings.failure.message));
  return succeed({ paths, lockFile, lock: lock.value, project: project.value, settings: settings?.value });
}

/** Patterns of the project files of the members of a workspace. */
const memberPatterns = (top: string, { workspace }: UvProjectFile): readonly string[] =>
  (workspace?.members ?? [])
    .filter((written) => !posix.isAbsolute(written) && !posix.normalize(written).startsWith('..'))
    .map((written) => memberFiles(top, written));

interface LocalPackages {
  readonly patterns: readonly string[];
  readonly locals: readonly string[];
  readonly computed: readonly string[];
}

/** The packages of the lockfile that are inside the app. `needed`: the part of the lockfile that is installed. */
async function localPackages(
  view: ViewReader,
  { top, lockFile, whole, needed }: { readonly top: string; lockFile: string; whole: UvLock; needed: UvLock },
): Promise<Result<LocalPackages>> {
  const patterns: string[] = [];
  const locals = new Set<string>();
  const computed = new Set<string>();
  for (const { source, name } of whole.packages) {
    if (!isLocal(source)) continue;
    const place = placeOf(top, source.at);
    if (place.startsWith('..') || posix.isAbsolute(source.at)) return fail(outsideApp(lockFile, name, source.at));
    // uv checks the lockfile against the metadata of all members, but installs only what this one needs.
    const isNeeded = needed === whole || needed.packages.some((one) => one.source === source);
    if (source.type === 'registry') patterns.push(`${literalPattern(place)}/**`);
    else if (source.type === 'path') {
      patterns.push(literalPattern(place));
      if (isNeeded) locals.add(place);
    } else {
      patterns.push(literalPattern(place === '.' ? PROJECT : `${place}/${PROJECT}`));
      if (source.type === 'virtual') continue;
      if (isNeeded) locals.add(place);
      if ((await projectIn(view, place))?.isStatic !== true) computed.add(place);
    }
  }
  return succeed({ patterns, locals: [...locals].sort(), computed: [...computed].sort() });
}

/** The app-relative path of `at` in the lockfile of `top`. */
const placeOf = (top: string, at: string): string => posix.normalize(posix.join(top, at)).replace(/(?<=.)\/$/, '');

const isLocal = ({ type, at }: UvSource): boolean => type !== 'git' && type !== 'url' && !isRemote(at);
const isRemote = (at: string): boolean => /^[a-z][a-z0-9+.-]*:\/\//i.test(at);

/** The pyproject.toml in a folder. Undefined if it is missing or unreadable. */
async function projectIn(view: ViewReader, folder: string): Promise<UvProjectFile | undefined> {
  const bytes = await view.read(inRoot(folder, PROJECT));
  const project = bytes === undefined ? undefined : parseUvProject(bytes);
  return project?.ok === true ? project.value : undefined;
}

/**
 * Who can use the result. `all`: every package is a wheel that the lockfile pins by digest. `builder`: some are built, from
 * archives that the lockfile pins. `app`: something else is installed, or code of the app runs.
 */
export function usersOf(project: UvProject, target: WheelTarget | undefined): 'all' | 'builder' | 'app' {
  const { lock, computed, refusesWheels } = project;
  if (computed.length > 0 || target === undefined || !lock.packages.every(isPinned)) return 'app';
  return !refusesWheels && lock.packages.every((locked) => isWheel(locked, target)) ? 'all' : 'builder';
}

/** Packages in the app are installed by another node. */
const isOfApp = ({ source: { type } }: UvLockedPackage): boolean =>
  type !== 'git' && type !== 'registry' && type !== 'url';

const isPinned = (locked: UvLockedPackage): boolean =>
  isOfApp(locked) ||
  // uv installs from a URL even if the lockfile lists no file.
  (locked.source.type !== 'git' && locked.hashed && (locked.source.type !== 'url' || hasFiles(locked)));

const hasFiles = ({ wheels, hasSdist }: UvLockedPackage): boolean => wheels.length > 0 || hasSdist;

/** A package without a source archive can't be built: it is for other machines, or a wheel fits. */
const isWheel = (locked: UvLockedPackage, target: WheelTarget): boolean =>
  isOfApp(locked) || !locked.hasSdist || locked.wheels.some((file) => wheelFits(file, target));
