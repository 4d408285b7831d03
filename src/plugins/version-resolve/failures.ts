// The failures of the kind `version-resolve`: files that cannot be read, versions that cannot be had, a stack that is gone.

import type { Failure } from '../../engine/sdk.js';
import type { PipfileLockProblem } from '../../manifests/app/pipfile-lock.js';
import type { PythonVersionFileProblem } from '../../manifests/app/python-version-file.js';
import { inRoot, rootName } from '../shared/app/root.js';
import type { Origin } from './origin.js';

/** How to say which Python an app wants, in numbered steps. */
export function howToSetVersion(root: string, minor: string, origin?: Origin): string {
  const steps = [
    ...(origin === 'runtime.txt' ? [`Delete ${inRoot(root, 'runtime.txt')}.`] : []),
    `Make a file named .python-version in ${rootName(root)}; nothing comes before or after that name.`,
    `Write the version into it, and nothing else: ${minor}`,
    'Commit it.',
  ];
  return steps.map((step, index) => `${index + 1}. ${step}`).join('\n');
}

const ACCEPTED_FORMS = (minor: string): string =>
  `Accepted are ${minor} (gets the newest patch, recommended) and the form N.N.N for one exact patch.`;

export const runtimeTxtWrong = (root: string, minor: string, encoding?: string): Failure => ({
  code: 'runtime-txt::invalid-version',
  blame: 'app',
  title: `The version in ${inRoot(root, 'runtime.txt')} cannot be read`,
  detail: [
    ...(encoding === undefined ? [] : [`${inRoot(root, 'runtime.txt')} is saved as ${encoding}.`]),
    'The file must consist of one line, python- and a version. But runtime.txt is deprecated, so it is better to replace it.',
  ].join('\n'),
  remedy: `Move to .python-version:\n${howToSetVersion(root, minor, 'runtime.txt')}`,
});

export const misspelledFile = (root: string, name: string): Failure => ({
  code: 'python-version-file::misspelled',
  blame: 'app',
  title: `The file "${inRoot(root, name)}" is not named correctly`,
  subject: name,
  detail: 'Tools look for the version of Python in .python-version and ignore every other spelling.',
  remedy: `Rename "${inRoot(root, name)}" to "${inRoot(root, '.python-version')}". If there is a right one already, delete the other.`,
});

export function pythonVersionFileWrong(root: string, problem: PythonVersionFileProblem, minor: string): Failure {
  const file = inRoot(root, '.python-version');
  switch (problem.type) {
    case 'invalid-version':
      return {
        code: 'python-version-file::invalid-version',
        blame: 'app',
        title: `The version in ${file} cannot be read`,
        detail: `Found this line:\n  ${problem.line}`,
        subject: problem.line,
        remedy: [
          ACCEPTED_FORMS(minor),
          'Write it without quotes, without "python-" before it, without wildcards or ranges, and comments on lines of their own.',
        ].join('\n'),
      };
    case 'invalid-encoding':
      return {
        code: 'python-version-file::invalid-encoding',
        blame: 'app',
        title: `The text encoding of ${file} is not supported`,
        detail: `The file is saved as ${problem.encoding}.`,
        subject: problem.encoding,
        remedy: [
          'Save it as UTF-8 without a byte order mark.',
          'See that no rule in .gitattributes converts it. Redirecting output into a file in older Windows PowerShell writes UTF-16.',
        ].join('\n'),
      };
    case 'multiple-versions':
      return {
        code: 'python-version-file::multiple-versions',
        blame: 'app',
        title: `There is more than one version in ${file}`,
        subject: problem.versions.join(','),
        detail: ['Found:', ...problem.versions.map((version) => `  ${version}`)].join('\n'),
        remedy: 'Keep one line with one version and delete the others.',
      };
    case 'no-version':
      return {
        code: 'python-version-file::no-version',
        blame: 'app',
        title: `There is no version in ${file}`,
        detail: 'The file is empty, or all of its lines start with # and are comments.',
        remedy: `Add a line with the version: ${minor}`,
      };
  }
}

export function pipfileLockWrong(root: string, problem: PipfileLockProblem, minor: string): Failure {
  const file = inRoot(root, 'Pipfile.lock');
  switch (problem.type) {
    case 'invalid-json':
      return {
        code: 'pipfile-lock::invalid-json',
        blame: 'app',
        title: `${file} is not valid JSON`,
        detail: `The parser says: ${problem.message}`,
        subject: problem.message,
        remedy: 'Look for marks of an unfinished merge, or make the file anew with `pipenv lock`, and commit it.',
      };
    case 'invalid-version':
      return {
        code: 'pipfile-lock::invalid-version',
        blame: 'app',
        title: `The Python version in ${file} cannot be read`,
        detail: `The field ${problem.field} holds: ${problem.found}`,
        subject: problem.found,
        remedy: [
          `In the section [requires] of the Pipfile write python_version = "${minor}"`,
          '(or python_full_version with three numbers; no ranges, no wildcards), run `pipenv lock`, and commit both files.',
        ].join('\n'),
      };
  }
}

interface Asked {
  readonly root: string;
  readonly minor: string;
  readonly origin: Origin;
  /** Minors that build, oldest first. */
  readonly accepted: readonly string[];
  readonly defaultMinor: string;
}

export function endOfLife({ root, minor, origin, accepted, defaultMinor }: Asked): Failure {
  const others = `Supported are ${accepted.join(', ')}.`;
  return {
    code: 'python-version::eol',
    blame: blameFor(origin),
    title: `Python ${minor} has reached its end of life`,
    subject: minor,
    detail: `It gets no security fixes from upstream and cannot be built any more. ${whence(root, origin)} ${others}`,
    remedy:
      origin === 'cached'
        ? `Say which version the app wants, ${accepted[0] ?? defaultMinor} or later:\n${howToSetVersion(root, defaultMinor)}`
        : `Ask for ${accepted[0] ?? defaultMinor} or later in ${placeOf(root, origin)}, best for ${defaultMinor}.`,
  };
}

export function unknownMinor({ root, minor, origin, accepted, defaultMinor }: Asked): Failure {
  return {
    code: 'python-version::unknown-major',
    blame: blameFor(origin),
    title: `Python ${minor} is not known`,
    subject: minor,
    detail: `${whence(root, origin)} Known to this release of pyflow are ${accepted.join(', ')}.`,
    remedy:
      origin === 'cached'
        ? `Go back to the newer release of pyflow that made the last build, or ask for an older version:\n${howToSetVersion(root, defaultMinor)}`
        : `See that ${minor} has been released. If so, a newer release of pyflow may have it; if not, ask for another version in ${placeOf(root, origin)}.`,
  };
}

export const unknownPatch = (
  root: string,
  version: string,
  origin: Origin,
  { newest, platform, isPinnable }: Available,
): Failure => ({
  code: 'python-version::unknown-patch',
  blame: 'app',
  title: `Python ${version} is not available`,
  subject: version,
  detail: [
    `It was asked for in ${placeOf(root, origin)}. There is no build of this patch for ${platform} in the catalogue${isPinnable ? ', and no archive of the platform is pinned for it' : ''}.`,
    ...(newest === undefined ? [] : [`The newest one there is ${newest}.`]),
  ].join('\n'),
  remedy: `Ask for ${minorOf(version)} without a patch, which gets the newest one${newest === undefined ? '' : `, or for ${newest}`}.`,
});

interface Available {
  readonly platform: string;
  readonly newest: string | undefined;
  readonly isPinnable: boolean;
}

export const notAvailable = (minor: string, platform: string, isPinnable: boolean): Failure => ({
  code: 'python-version::not-available',
  blame: 'pipeline',
  title: `There is no build of Python ${minor} for ${platform}`,
  detail: isPinnable
    ? 'The version is supported, but no archive of the platform is pinned for it on this stack and machine, and no other provider in the pipeline has it.'
    : 'The version is supported, but none of the providers in the pipeline has it for this machine.',
  remedy: isPinnable
    ? 'Pin an archive with `pyflow catalogue pin URL --pins FILE` and set PYFLOW_PINS=FILE, or add another provider to the list.'
    : 'Add the provider `system` to the list, or build on another kind of machine.',
});

export const uvNeedsVersionFile = (root: string, minor: string): Failure => ({
  code: 'python-version-file::not-found',
  blame: 'app',
  title: 'Apps that use uv must have a .python-version file',
  detail: 'uv chooses a Python by that file too; without it your machine and the build may differ.',
  remedy: [
    `1. In ${rootName(root)} run: uv python pin ${minor}`,
    '2. See that .python-version is not ignored by Git.',
    '3. Commit it and build again.',
  ].join('\n'),
});

export const uvWithRuntimeTxt = (root: string, version: string): Failure => ({
  code: 'runtime-txt::not-supported',
  blame: 'app',
  title: `${inRoot(root, 'runtime.txt')} cannot be used together with uv`,
  detail: 'uv does not read runtime.txt, so your machine and the build would use different versions.',
  remedy: [
    `1. Delete ${inRoot(root, 'runtime.txt')}.`,
    `2. In ${rootName(root)} run: uv python pin ${version}`,
    '3. See that .python-version is not ignored by Git.',
    '4. Commit both changes and build again.',
  ].join('\n'),
});

/** The default is written in the pipeline, not in the app. */
const blameFor = (origin: Origin): 'app' | 'pipeline' => (origin === 'default' ? 'pipeline' : 'app');
const minorOf = (version: string): string => version.split('.').slice(0, 2).join('.');

/** The place to edit. */
export function placeOf(root: string, origin: Origin): string {
  switch (origin) {
    case 'Pipfile.lock':
      return `${root === '.' ? 'the Pipfile' : inRoot(root, 'Pipfile')} (then run \`pipenv lock\`)`;
    case 'default':
      return 'the pipeline';
    case 'cached':
      return inRoot(root, '.python-version');
    default:
      return inRoot(root, origin);
  }
}

function whence(root: string, origin: Origin): string {
  switch (origin) {
    case 'cached':
      return 'The app does not say which version it wants, so that of its last build was taken.';
    case 'default':
      return 'It is the default of the pipeline.';
    default:
      return `It was asked for in ${inRoot(root, origin)}.`;
  }
}
