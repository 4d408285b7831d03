// What a `pylock.toml` means for an install: the files of the app that it installs from, and its packages as requirements for an
// index that replaces the default one.

import { posix } from 'node:path';
import { fail, succeed, type Failure, type Result, type ViewReader } from '../../engine/sdk.js';
import { fieldsOf } from '../../manifests/app/fields.js';
import { markerHolds, type MarkerEnvironment } from '../../manifests/app/markers.js';
import { filesOf, isHashed, localPathsOf, parsePylock } from '../../manifests/app/pylock.js';
import type { Pylock, PylockPackage, PylockProblem } from '../../manifests/app/pylock.js';
import { readToml, writeToml } from '../../manifests/app/toml-file.js';
import { firstMisencoded } from '../shared/app/file-encoding.js';

const CODE = 'pylock::invalid';

interface PylockOfApp {
  readonly bytes: Uint8Array;
  readonly lock: Pylock;
  /** App-relative; `.` is the app itself. */
  readonly localPaths: readonly string[];
}

/** `file`: app-relative. */
export async function readPylock(view: ViewReader, file: string): Promise<Result<PylockOfApp>> {
  const bytes = await view.read(file);
  if (bytes === undefined) return fail(pylockMissing(file));
  const misencoded = firstMisencoded(CODE, [[file, bytes]], 'accepted');
  if (misencoded !== undefined) return fail(misencoded);
  const lock = parsePylock(bytes);
  if (!lock.ok) return fail(pylockWrong(file, lock.failure));
  const localPaths: string[] = [];
  for (const written of localPathsOf(lock.value)) {
    const path = posix.join(posix.dirname(file), written);
    if (posix.isAbsolute(written) || path === '..' || path.startsWith('../')) return fail(pylockOutside(file, written));
    localPaths.push(path);
  }
  return succeed({ bytes, lock: lock.value, localPaths });
}

const pylockMissing = (file: string): Failure => ({
  code: CODE,
  blame: 'app',
  title: `${file} not found`,
  detail: 'The pipeline installs the packages from it.',
  remedy: 'Commit the file, or name another one in `requirements` of the node.',
});

function pylockWrong(file: string, problem: PylockProblem): Failure {
  if (problem.type === 'unknown-version') {
    return {
      code: 'pylock::unknown-version',
      blame: 'app',
      title: `${file} has a newer format than pyflow knows`,
      subject: problem.version,
      detail: `Its \`lock-version\` is ${problem.version}. pyflow knows version 1.`,
      remedy: 'Use a newer release of pyflow, or write the file with another version of the tool that locks.',
    };
  }
  return {
    code: CODE,
    blame: 'app',
    title: `pyflow can't read ${file}`,
    subject: problem.message,
    detail:
      problem.type === 'invalid-toml' ? `It is not valid TOML: ${problem.message}` : `In the file ${problem.message}.`,
    remedy: 'Look for markers of an unfinished merge. Otherwise lock again, and commit the file.',
  };
}

const pylockOutside = (file: string, path: string): Failure => ({
  code: 'pylock::outside-app',
  blame: 'app',
  title: `${file} installs from outside the app`,
  subject: path,
  detail: `It names the path ${path}, which a build can't read.`,
  remedy: 'Move the project or archive into the app, and lock again.',
});

/** Digests pin every file, and no package comes from a repository or a folder. */
export const isPinnedLock = ({ packages }: Pylock): boolean => packages.every(isHashed);

const DEFAULT_INDEX = /^https?:\/\/(?:pypi\.org\/simple|pypi\.python\.org\/simple)\/?$/;
const DEFAULT_FILES = /^https?:\/\/(?:files\.pythonhosted\.org|pypi\.org)\//;

/** A file that pyflow gives to the tool instead of the lockfile, and the options for it. */
interface GivenFile {
  readonly name: string;
  readonly text: string;
  readonly options: readonly string[];
}

interface Situation {
  readonly tool: 'pip' | 'uv';
  /** The oldest and the newest Python that may run; no marker in a lockfile tells patches apart. */
  readonly environments: readonly MarkerEnvironment[];
  /** Another index replaces the default one. */
  readonly isMirrored: boolean;
  /** The folder of the lockfile, as commands see it. */
  readonly folder: string;
}

/**
 * What to install, in this order; undefined if the tool can read the lockfile itself. With a mirror, the packages become requirements
 * with digests, because tools take files from the URLs in a lockfile. pip refuses projects and repositories beside packages
 * with digests, so it gets them separately.
 */
export function givenFor(bytes: Uint8Array, lock: Pylock, situation: Situation): readonly GivenFile[] | undefined {
  const { tool, isMirrored, folder } = situation;
  const [local, files] = [lock.packages.filter(isUnhashed), lock.packages.filter((one) => !isUnhashed(one))];
  const applies = (one: PylockPackage): boolean | undefined => holdsFor(one, lock, situation.environments);
  const wanted = local.filter((one) => applies(one) !== false);
  const ofLocal = {
    name: 'pylock-local.txt',
    text: wanted.map((one) => localLine(one, folder)).join(''),
    options: NO_DEPS,
  };
  const others = wanted.length > 0 ? [ofLocal] : [];
  if (isMirrored && files.every((one) => applies(one) !== undefined && isOfDefaultIndex(one))) {
    const text = files.filter(applies).map(hashedLine).join('');
    return [{ name: 'pylock-requirements.txt', text, options: NO_DEPS }, ...others];
  }
  if (tool === 'uv' || local.length === 0 || files.length === 0) return undefined;
  return [{ name: 'pylock.toml', text: lockOf(bytes, folder), options: [] }, ...others];
}

const NO_DEPS = ['--no-deps'];
const isUnhashed = ({ source }: PylockPackage): boolean => source === 'directory' || source === 'vcs';

function holdsFor(one: PylockPackage, lock: Pylock, environments: readonly MarkerEnvironment[]): boolean | undefined {
  const groups = new Set(lock.defaultGroups);
  const answers = new Set(environments.map((environment) => markerHolds(one.marker, { ...environment, groups })));
  return answers.size === 1 ? [...answers][0] : undefined;
}

function hashedLine(one: PylockPackage): string {
  const hashes = [...new Set(filesOf(one).flatMap((file) => file.hashes))].sort();
  return `${one.name}==${one.version} ${hashes.map((hash) => `--hash=${hash}`).join(' ')}\n`;
}

function localLine({ name, folder: path, editable, repository }: PylockPackage, folder: string): string {
  return path === undefined
    ? `${name} @ ${repository}\n`
    : `${editable ? '--editable ' : ''}${posix.join(folder, path)}\n`;
}

/** The packages with digests, with absolute paths, because the file is elsewhere. */
function lockOf(bytes: Uint8Array, folder: string): string {
  const toml = readToml(bytes);
  if (!toml.ok) return '';
  const moved = (file: unknown): unknown => {
    const { path } = fieldsOf(file);
    return typeof path === 'string' ? { ...fieldsOf(file), path: posix.join(folder, path) } : file;
  };
  const packages = (toml.value['packages'] as readonly unknown[])
    .map(fieldsOf)
    .filter((entry) => entry['directory'] === undefined && entry['vcs'] === undefined)
    .map(({ wheels, sdist, archive, ...entry }) => ({
      ...entry,
      ...(Array.isArray(wheels) && { wheels: wheels.map(moved) }),
      ...(sdist !== undefined && { sdist: moved(sdist) }),
      ...(archive !== undefined && { archive: moved(archive) }),
    }));
  return writeToml({ ...toml.value, packages });
}

const isOfDefaultIndex = (one: PylockPackage): boolean =>
  one.source === 'files' &&
  one.version !== undefined &&
  /^[\w.!+-]+$/.test(one.version) &&
  isHashed(one) &&
  (one.index === undefined
    ? filesOf(one).every(({ url, path }) => path === undefined && url !== undefined && DEFAULT_FILES.test(url))
    : DEFAULT_INDEX.test(one.index));
