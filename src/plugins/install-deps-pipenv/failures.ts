// The failures of the kind `install-deps-pipenv`.

import type { CommandExit, Failure } from '../../engine/sdk.js';
import { installFailed, type FailedInstall } from '../shared/logs/install-failures.js';
import type { PipLog } from './pip-log.js';

export const CODE = 'install-dependencies::pipenv';

export const fileMissing = (missing: string, present: string): Failure => ({
  code: CODE,
  blame: 'app',
  title: `The app has no ${missing}`,
  detail: `Pipenv needs both ${present} and ${missing}, and checks that they match.`,
  remedy: 'Run `pipenv lock` and commit both files.',
});

export const unreadableLock = (path: string): Failure => ({
  code: CODE,
  blame: 'app',
  title: `pyflow can't read ${path}`,
  detail:
    'It must be a JSON object with a `_meta` object, as Pipenv writes it. Check whether it contains merge conflict markers.',
  remedy: 'Run `pipenv lock` to write the file again.',
});

export const pathsOutside = (lock: string, paths: readonly string[]): Failure => ({
  code: CODE,
  blame: 'app',
  title: 'A package is outside the app',
  detail: `${lock} names ${paths.map((path) => `\`${path}\``).join(', ')}, but a build reads only files of the app.`,
  remedy: 'Move the package into the app, or install it from an index or a repository. Then run `pipenv lock`.',
});

/** Pipenv would send the unexpanded text to the server. */
export const variablesUnset = (pipfile: string, names: readonly string[]): Failure => ({
  code: CODE,
  blame: 'app',
  title: names.length === 1 ? `The variable ${names[0]} is not set` : `${names.length} variables are not set`,
  detail: `A source of ${pipfile} uses ${names.map((name) => `\${${name}}`).join(', ')}.`,
  remedy: `Set ${names.join(' and ')} in the app's variables (--env-dir), or remove them from the Pipfile and run \`pipenv lock\`.`,
});

const OUT_OF_DATE = /Pipfile\.lock \(\S*\) is out of date\./;
const OTHER_PYTHON = /Your Pipfile requires "?python_(?:full_)?version"?/;

/** `pipLog`: the log of the pip inside Pipenv, of which Pipenv shows only a part. */
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
      detail: `The Pipfile has changed since Pipfile.lock was written, so the locked packages may be wrong.\n${outOfDate.trim()}`,
      remedy: 'Run `pipenv lock` and commit both files.',
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
        'Use the same version in `[requires]` of the Pipfile and, if it exists, in .python-version. Then run `pipenv lock`.',
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
    pythonAlsoIn: ', and to `python_version` under [requires] in the Pipfile if it is set, and run `pipenv lock`',
    remedy: 'The log above shows which package caused the problem. Fix the Pipfile, run `pipenv lock`, and try again.',
    digestsIn: 'Pipfile.lock',
  });
}
