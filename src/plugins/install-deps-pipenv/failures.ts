// The failures that the kind `install-deps-pipenv` raises.

import type { CommandExit, Failure } from '../../engine/sdk.js';
import { installFailed, type FailedInstall } from '../shared/logs/install-failures.js';
import type { PipLog } from './pip-log.js';

export const CODE = 'install-dependencies::pipenv';

export const fileMissing = (missing: string, present: string): Failure => ({
  code: CODE,
  blame: 'app',
  title: `There is no ${missing}`,
  detail: `Pipenv installs from ${present} and its companion together, and checks that they agree.`,
  remedy: 'Run `pipenv lock` where the app is developed, and push both files.',
});

export const unreadableLock = (path: string): Failure => ({
  code: CODE,
  blame: 'app',
  title: `${path} cannot be read`,
  detail: 'It is no JSON object with a `_meta` object, as Pipenv writes it. A merge may have left its marks in it.',
  remedy: 'Run `pipenv lock` to write it anew; never edit it by hand.',
});

export const pathsOutside = (lock: string, paths: readonly string[]): Failure => ({
  code: CODE,
  blame: 'app',
  title: 'A package is to be installed from outside the app',
  detail: `${lock} names ${paths.map((path) => `\`${path}\``).join(', ')}, where a build may not look.`,
  remedy: 'Move the package into the app, or take it from an index or a repository; then run `pipenv lock`.',
});

/** Pipenv would send them to the server as they are written. */
export const variablesUnset = (pipfile: string, names: readonly string[]): Failure => ({
  code: CODE,
  blame: 'app',
  title: names.length === 1 ? `The variable ${names[0]} is not set` : `${names.length} variables are not set`,
  detail: `A source of ${pipfile} uses ${names.map((name) => `\${${name}}`).join(', ')}.`,
  remedy: `Set ${names.join(' and ')} in the variables of the app (--env-dir), or remove them from the Pipfile and lock again.`,
});

const OUT_OF_DATE = /Pipfile\.lock \(\S*\) is out of date\./;
const OTHER_PYTHON = /Your Pipfile requires "?python_(?:full_)?version"?/;

/** `pipLog`: what pip said to Pipenv, which shows only part of it. */
export function pipenvFailed(
  command: string,
  exit: CommandExit,
  pipLog: Pick<PipLog, 'lines' | 'failedBuild'>,
  where: Pick<FailedInstall, 'place' | 'minor'> = {},
): Failure {
  const outOfDate = exit.lines.find((line) => OUT_OF_DATE.test(line));
  if (outOfDate !== undefined) {
    return {
      code: CODE,
      blame: 'app',
      title: 'Pipfile.lock is out of date',
      detail: `The Pipfile was changed after it was locked, so the lock may lack packages or hold others.\n${outOfDate.trim()}`,
      remedy: 'Run `pipenv lock`, and push both files.',
    };
  }
  const otherPython = exit.lines.find((line) => OTHER_PYTHON.test(line));
  if (otherPython !== undefined) {
    return {
      code: CODE,
      blame: 'app',
      title: 'The Pipfile requires another version of Python',
      detail: otherPython.trim(),
      remedy:
        'Ask for one version only: the same in `[requires]` of the Pipfile and, if there is one, in .python-version; then run `pipenv lock`.',
    };
  }
  const lines = [...exit.lines, ...pipLog.lines];
  return installFailed({
    code: CODE,
    tool: 'Pipenv',
    command,
    exit: { ...exit, lines },
    elsewhere: lines,
    buildOutput: pipLog.failedBuild,
    ...where,
    pythonAlsoIn: ', and into `python_version` under [requires] of the Pipfile, if it has one; then run `pipenv lock`',
    remedy:
      'The log above tells which package was the problem. Correct the Pipfile and run `pipenv lock`, then try again.',
    digestsIn: 'Pipfile.lock',
  });
}
