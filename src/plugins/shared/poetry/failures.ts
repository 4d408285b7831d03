// The failures of the kinds that run Poetry.

import type { CommandExit, Failure } from '../../../engine/sdk.js';
import { toolVersion } from '../../../manifests/catalogue/tools.js';
import { fetchInstead } from '../install/other-tool-version.js';
import { withoutTracebacks } from '../logs/build-log.js';
import { installFailed, type FailedInstall, type KnownWord } from '../logs/install-failures.js';
import { poetryErrors } from './output.js';

export const CODE = 'install-dependencies::poetry';
const SHOWN_LINES = 20;

/** Error lines of Poetry about the files of the project. */
const KNOWN_WORDS: readonly KnownWord[] = [
  {
    pattern: /pyproject\.toml changed significantly since poetry\.lock was last generated/,
    title: 'poetry.lock is out of date: pyproject.toml has changed since it was written',
    remedy: 'Run `poetry lock` and commit poetry.lock together with pyproject.toml.',
  },
  {
    pattern: /^Current Python version \(\S+\) is not allowed by the project/,
    title: 'The project does not allow the Python version of this build',
    remedy:
      'Write a version that it allows to .python-version, or widen `requires-python` in pyproject.toml and run `poetry lock`.',
  },
  {
    pattern: /^This project requires Poetry (.*), but you are using Poetry (\S+)/,
    title: 'The project requires another version of Poetry',
    remedy: ([, wanted = '', version = '']) =>
      `Change \`requires-poetry\` in pyproject.toml so that it allows Poetry ${version}${fetchInstead('poetry', version, wanted)}.`,
  },
  {
    pattern: /^The lock file is not compatible with the current version of Poetry\.$/,
    title: 'A newer version of Poetry wrote poetry.lock',
    remedy: () =>
      `Lock again with the version of this build: run \`pipx run poetry==${toolVersion('poetry')} lock\` and commit poetry.lock.`,
  },
  {
    pattern: /^Error: The current project could not be installed: /,
    title: 'Poetry finds no package in the project',
    remedy:
      'If the project is not a package, set `package-mode = false` under [tool.poetry] in pyproject.toml. If it is one, list its folder under `packages` there.',
  },
  {
    pattern: /^Unable to find installation candidates for /,
    title: 'A package in poetry.lock is missing from its index, or has no file for this Python and machine',
    remedy:
      'Check whether the index has that version with a file for this Python. If not, choose another version and run `poetry lock`.',
  },
];

export const poetryFailed = (
  command: string,
  exit: CommandExit,
  where: Pick<FailedInstall, 'place' | 'minor'> = {},
): Failure =>
  installFailed({
    code: CODE,
    tool: 'Poetry',
    command,
    exit,
    ...where,
    errors: withoutTracebacks(poetryErrors(exit.lines)).slice(-SHOWN_LINES),
    words: KNOWN_WORDS,
    remedy:
      'The log above shows which package caused the problem. Fix pyproject.toml, run `poetry lock`, and try again.',
    digestsIn: 'poetry.lock',
  });

/** Found before Poetry runs. */
export const unreadableProject = (file: string, message: string): Failure => ({
  code: 'install-dependencies::poetry',
  blame: 'app',
  title: `pyflow can't read ${file}`,
  detail: message,
  remedy: 'Fix the file. `poetry check --lock` shows its problems.',
});

export const noProjectFile = (file: string, other: string): Failure => ({
  code: 'install-dependencies::poetry',
  blame: 'app',
  title: `The app has no ${file}`,
  detail: `Poetry needs it next to ${other}.`,
  remedy: `Commit ${file}.`,
});

export const sourcesOutside = (sources: readonly { readonly name: string; readonly written: string }[]): Failure => ({
  code: 'install-dependencies::poetry',
  blame: 'app',
  title: "A dependency is outside the app, where a build can't read it",
  detail: sources.map(({ name, written }) => `${name}: ${written}`).join('\n'),
  remedy: 'Move the project into the app, or depend on a release of it. Then run `poetry lock`.',
});

export const unsupportedIndex = (index: string): Failure => ({
  code: 'install-dependencies::poetry',
  blame: 'pipeline',
  title: 'Poetry supports only http and https package indexes',
  detail: `PYFLOW_INDEX is ${index}.`,
  remedy: 'Serve the folder over http, and set PYFLOW_INDEX to that URL.',
});
