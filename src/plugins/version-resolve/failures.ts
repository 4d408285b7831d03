// The failures of the kind `version-resolve`: files that cannot be read, and versions that are not available.

import type { Failure } from '../../engine/sdk.js';
import type { PipfileLockProblem } from '../../manifests/app/pipfile-lock.js';
import type { PythonVersionFileProblem } from '../../manifests/app/python-version-file.js';
import { candidateOf } from '../../manifests/app/versions/choose.js';
import { newestThatFits } from '../../manifests/app/versions/fit.js';
import type { VersionTrace } from '../../manifests/app/versions/trace.js';
import { reasonText } from '../../manifests/app/versions/words.js';
import { inRoot, rootName } from '../shared/app/root.js';
import type { Origin } from './origin.js';

/** How to set the version of Python, in numbered steps. */
export function howToSetVersion(root: string, minor: string, origin?: Origin): string {
  const steps = [
    ...(origin === 'runtime.txt' ? [`Delete ${inRoot(root, 'runtime.txt')}.`] : []),
    `Create a file named exactly .python-version in ${rootName(root)}.`,
    `Write only the version into it: ${minor}`,
    'Commit it.',
  ];
  return steps.map((step, index) => `${index + 1}. ${step}`).join('\n');
}

const ACCEPTED_FORMS = (minor: string): string =>
  `Write ${minor} to get the newest patch (recommended), or N.N.N for one exact patch.`;

export const runtimeTxtWrong = (root: string, minor: string, encoding?: string): Failure => ({
  code: 'runtime-txt::invalid-version',
  blame: 'app',
  title: `The version in ${inRoot(root, 'runtime.txt')} cannot be read`,
  detail: [
    ...(encoding === undefined ? [] : [`${inRoot(root, 'runtime.txt')} is saved as ${encoding}.`]),
    'The file must consist of one line: python- and a version. runtime.txt is deprecated.',
  ].join('\n'),
  remedy: `Use .python-version instead:\n${howToSetVersion(root, minor, 'runtime.txt')}`,
});

export const misspelledFile = (root: string, name: string): Failure => ({
  code: 'python-version-file::misspelled',
  blame: 'app',
  title: `The file "${inRoot(root, name)}" is not named correctly`,
  subject: name,
  detail: 'Tools read the version of Python from .python-version and ignore every other spelling.',
  remedy: `Rename "${inRoot(root, name)}" to "${inRoot(root, '.python-version')}". If .python-version exists already, delete the other file.`,
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
          'Do not use quotes, the prefix "python-", wildcards or ranges, and put comments on separate lines.',
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
          'Check that no rule in .gitattributes converts it. Redirecting output into a file in older Windows PowerShell writes UTF-16.',
        ].join('\n'),
      };
    case 'multiple-versions':
      return {
        code: 'python-version-file::multiple-versions',
        blame: 'app',
        title: `${file} contains more than one version`,
        subject: problem.versions.join(','),
        detail: ['Found:', ...problem.versions.map((version) => `  ${version}`)].join('\n'),
        remedy: 'Keep one line with one version, and delete the others.',
      };
    case 'no-version':
      return {
        code: 'python-version-file::no-version',
        blame: 'app',
        title: `${file} contains no version`,
        detail: 'The file is empty or contains only comments.',
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
        detail: `The parser reports: ${problem.message}`,
        subject: problem.message,
        remedy: 'Look for markers of an unfinished merge, or create the file again with `pipenv lock`, and commit it.',
      };
    case 'invalid-version':
      return {
        code: 'pipfile-lock::invalid-version',
        blame: 'app',
        title: `The Python version in ${file} cannot be read`,
        detail: `The field ${problem.field} contains: ${problem.found}`,
        subject: problem.found,
        remedy: [
          `In the section [requires] of the Pipfile, write python_version = "${minor}"`,
          '(or python_full_version with three numbers; no ranges and no wildcards). Then run `pipenv lock` and commit both files.',
        ].join('\n'),
      };
  }
}

interface Asked {
  readonly root: string;
  readonly minor: string;
  readonly origin: Origin;
  /** Minor versions that can be built, oldest first. */
  readonly accepted: readonly string[];
  readonly defaultMinor: string;
}

export function endOfLife({ root, minor, origin, accepted, defaultMinor }: Asked): Failure {
  const others = `Supported versions: ${accepted.join(', ')}.`;
  return {
    code: 'python-version::eol',
    blame: blameFor(origin),
    title: `Python ${minor} has reached its end of life`,
    subject: minor,
    detail: `It gets no upstream security fixes and can no longer be built. ${whence(root, origin)} ${others}`,
    remedy:
      origin === 'cached'
        ? `Set a version, ${accepted[0] ?? defaultMinor} or later:\n${howToSetVersion(root, defaultMinor)}`
        : `Set ${accepted[0] ?? defaultMinor} or later in ${placeOf(root, origin)}. ${defaultMinor} is recommended.`,
  };
}

export function unknownMinor({ root, minor, origin, accepted, defaultMinor }: Asked): Failure {
  return {
    code: 'python-version::unknown-major',
    blame: blameFor(origin),
    title: `pyflow does not know Python ${minor}`,
    subject: minor,
    detail: `${whence(root, origin)} This release of pyflow knows ${accepted.join(', ')}.`,
    remedy:
      origin === 'cached'
        ? `Use the newer release of pyflow that made the last build, or set an older version:\n${howToSetVersion(root, defaultMinor)}`
        : `Check that Python ${minor} exists. If it does, use a newer release of pyflow. Otherwise set another version in ${placeOf(root, origin)}.`,
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
    `It is set in ${placeOf(root, origin)}. The catalogue has no build of this patch for ${platform}${isPinnable ? ', and no archive of the platform is pinned for it' : ''}.`,
    ...(newest === undefined ? [] : [`The newest one is ${newest}.`]),
  ].join('\n'),
  remedy: `Set ${minorOf(version)} without a patch to get the newest one${newest === undefined ? '' : `, or set ${newest}`}.`,
});

interface Available {
  readonly platform: string;
  readonly newest: string | undefined;
  readonly isPinnable: boolean;
}

export const notAvailable = (minor: string, platform: string, isPinnable: boolean): Failure => ({
  code: 'python-version::not-available',
  blame: 'pipeline',
  title: `No build of Python ${minor} was found for ${platform}`,
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
  detail: 'uv chooses the Python by that file too. Without it, your machine and the build may use different versions.',
  remedy: [
    `1. In ${rootName(root)} run: uv python pin ${minor}`,
    '2. Check that Git does not ignore .python-version.',
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
    '3. Check that Git does not ignore .python-version.',
    '4. Commit both changes and build again.',
  ].join('\n'),
});

/** The policy of the pipeline makes a misfit an error. */
export const pinnedMisfit = (root: string, origin: Origin, trace: VersionTrace): Failure => ({
  code: 'python-version::misfit-refused',
  blame: 'app',
  title: `Python ${trace.chosen} does not fit the app`,
  subject: trace.chosen,
  detail: [
    ...whyMisfit(trace),
    `It is set in ${placeOf(root, origin)}. The pipeline refuses such a version (\`pinnedMisfit: fail\`).`,
  ].join('\n'),
  remedy: howToFit(root, origin, trace),
});

/** One line for each reason. */
export const whyMisfit = (trace: VersionTrace, minor: string = trace.chosen): readonly string[] => {
  const candidate = candidateOf(trace, minor);
  if (candidate === undefined) return [];
  const { reasons, more } = candidate;
  return [
    ...reasons.map((reason) => `  ${reasonText(reason, minor)}`),
    ...(more === undefined ? [] : [`  ... and ${more} more reasons`]),
  ];
};

export function howToFit(root: string, origin: Origin, trace: VersionTrace): string {
  const best = newestThatFits(trace);
  return best === undefined || !best.accepted
    ? 'No supported version fits. Update the packages that are named above, and lock them again.'
    : `Set ${best.minor}, which fits, in ${placeOf(root, origin)}. Or update the packages, and lock them again.`;
}

/** The pipeline sets the default, not the app. */
const blameFor = (origin: Origin): 'app' | 'pipeline' => (origin === 'default' ? 'pipeline' : 'app');
const minorOf = (version: string): string => version.split('.').slice(0, 2).join('.');

/** The file or place to edit. */
export function placeOf(root: string, origin: Origin): string {
  switch (origin) {
    case 'Pipfile.lock':
      return `${root === '.' ? 'the Pipfile' : inRoot(root, 'Pipfile')} (then run \`pipenv lock\`)`;
    case 'default':
      return 'the pipeline';
    case 'cached':
    case 'newest-that-fits':
      return inRoot(root, '.python-version');
    default:
      return inRoot(root, origin);
  }
}

function whence(root: string, origin: Origin): string {
  switch (origin) {
    case 'cached':
      return 'The app sets no version, so pyflow uses the version of its last build.';
    case 'default':
      return 'It is the default of the pipeline.';
    case 'newest-that-fits':
      return 'It is the newest version that fits the packages of the app.';
    default:
      return `It is set in ${inRoot(root, origin)}.`;
  }
}
