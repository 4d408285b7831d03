// Failures of Poetry, made from the end of its log. Unaware of which step of a build ran it.

import type { CommandExit, Failure } from '../../../engine/sdk.js';
import { toolVersion } from '../../../manifests/catalogue/tools.js';
import { fetchInstead } from '../install/other-tool-version.js';
import { withoutTracebacks } from '../logs/build-log.js';
import { installFailed, type FailedInstall, type KnownWord } from '../logs/install-failures.js';
import { poetryErrors } from './output.js';

export const CODE = 'install-dependencies::poetry';
const SHOWN_LINES = 20;

/** What Poetry says when the project's own files are the reason. */
const KNOWN_WORDS: readonly KnownWord[] = [
  {
    pattern: /pyproject\.toml changed significantly since poetry\.lock was last generated/,
    title: 'poetry.lock is out of date: pyproject.toml was changed after it was written',
    remedy: 'Run `poetry lock`, then commit poetry.lock together with pyproject.toml.',
  },
  {
    pattern: /^Current Python version \(\S+\) is not allowed by the project/,
    title: 'The project does not allow the Python version of this build',
    remedy:
      'Ask for a version that it allows in .python-version, or widen `requires-python` in pyproject.toml and run `poetry lock`.',
  },
  {
    pattern: /^This project requires Poetry (.*), but you are using Poetry (\S+)/,
    title: 'The project asks for another version of Poetry than this build has',
    remedy: ([, wanted = '', version = '']) =>
      `Change \`requires-poetry\` in pyproject.toml so that it allows Poetry ${version}${fetchInstead('poetry', version, wanted)}.`,
  },
  {
    pattern: /^The lock file is not compatible with the current version of Poetry\.$/,
    title: 'poetry.lock was written by a newer Poetry than this build has',
    remedy: () =>
      `Lock again with the version of this build, Poetry ${toolVersion('poetry')}: \`pipx run poetry==${toolVersion('poetry')} lock\`, then commit poetry.lock.`,
  },
  {
    pattern: /^Error: The current project could not be installed: /,
    title: 'Poetry finds no package of the project',
    remedy:
      'If the project is an app and no package, say `package-mode = false` under [tool.poetry] in pyproject.toml. If it is one, name its folder under `packages` there.',
  },
  {
    pattern: /^Unable to find installation candidates for /,
    title: 'A package of poetry.lock is not at its index, or has no file for this Python and machine',
    remedy:
      'See whether the index has that version and a file for this Python; if not, choose another version and run `poetry lock`.',
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
      'The log above tells which package was the problem. Correct pyproject.toml, run `poetry lock`, then try again.',
    digestsIn: 'poetry.lock',
  });

/** Found before Poetry runs. */
export const unreadableProject = (file: string, message: string): Failure => ({
  code: 'install-dependencies::poetry',
  blame: 'app',
  title: `${file} cannot be read`,
  detail: message,
  remedy: 'Correct the file; `poetry check --lock` tells what Poetry thinks of it.',
});

export const noProjectFile = (file: string, other: string): Failure => ({
  code: 'install-dependencies::poetry',
  blame: 'app',
  title: `There is no ${file}`,
  detail: `Poetry needs it beside ${other}.`,
  remedy: `Commit ${file} and push it with the app.`,
});

export const sourcesOutside = (sources: readonly { readonly name: string; readonly written: string }[]): Failure => ({
  code: 'install-dependencies::poetry',
  blame: 'app',
  title: 'A dependency lies outside the app, where a build may not look',
  detail: sources.map(({ name, written }) => `${name}: ${written}`).join('\n'),
  remedy: 'Put the project into the app, or depend on a release of it; then run `poetry lock`.',
});

export const unsupportedIndex = (index: string): Failure => ({
  code: 'install-dependencies::poetry',
  blame: 'pipeline',
  title: 'Poetry reads package indexes over http and https only',
  detail: `PYFLOW_INDEX is ${index}.`,
  remedy: 'Serve the folder over http, and set PYFLOW_INDEX to the URL of its pages.',
});
