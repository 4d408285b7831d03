// The failures of the kinds that install with uv.

import type { CommandExit, Failure } from '../../engine/sdk.js';
import { installFailed } from './install-failures.js';
import { withoutUserinfo } from './index-url.js';

const CODE = 'install-dependencies::uv';

interface UvProblem {
  readonly pattern: RegExp;
  readonly title: string;
  readonly remedy: string;
}

/** What the app can be told in better words than uv's. The first that matches. */
const PROBLEMS: readonly UvProblem[] = [
  {
    pattern: /^error: The lockfile at .* needs to be updated, but .--locked. was provided/,
    title: 'The file uv.lock does not fit pyproject.toml any more',
    remedy: 'Run `uv lock`, look at what changed, and push uv.lock together with pyproject.toml.',
  },
  {
    pattern: /is incompatible with the project's Python requirement|^error: No interpreter found for Python /,
    title: "The app's `requires-python` does not allow the Python that it is built with",
    remedy:
      'Make `.python-version` and `requires-python` in pyproject.toml agree (`uv python pin X.Y`), then run `uv lock`.',
  },
  {
    pattern: /^error: Failed to parse `(uv\.lock|pyproject\.toml|uv\.toml)`/,
    title: 'uv cannot read the files of the project',
    remedy: 'Correct pyproject.toml; if uv.lock is meant, run `uv lock` with the version of uv that the log names.',
  },
];

export function uvFailed(command: string, exit: CommandExit): Failure {
  const failure = installFailed({
    code: CODE,
    tool: 'uv',
    command,
    exit,
    remedy: 'The log above tells which package was the problem. Correct the project, run `uv lock`, then try again.',
    digestsIn: 'the file uv.lock',
  });
  if (failure.blame !== 'app') return failure;
  const lines = exit.lines.map((line) => line.trim());
  const problem = PROBLEMS.find(({ pattern }) => lines.some((line) => pattern.test(line)));
  return problem === undefined ? failure : { ...failure, title: problem.title, remedy: problem.remedy };
}

export const unreadableProject = (file: string, why: string): Failure => ({
  code: CODE,
  blame: 'app',
  title: `The project's ${file} cannot be read`,
  detail: `${file}: ${why}`,
  remedy: 'Push pyproject.toml and the uv.lock that `uv lock` makes of it, both in the same folder.',
});

export const outsideApp = (file: string, name: string, path: string): Failure => ({
  code: CODE,
  blame: 'app',
  title: `The package ${name} lies outside the app`,
  detail: `${file} names \`${withoutUserinfo(path)}\`, where a build may not look.`,
  remedy: 'Move the package into the app, or publish it to an index, then run `uv lock`.',
});
