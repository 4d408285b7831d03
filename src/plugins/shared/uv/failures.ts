// The failures of the kinds that install with uv.

import type { CommandExit, Failure } from '../../../engine/sdk.js';
import { nearestPython } from '../../../manifests/app/package-version.js';
import { toolVersion } from '../../../manifests/catalogue/tools.js';
import { withoutUserinfo } from '../install/index-url.js';
import { fetchInstead } from '../install/other-tool-version.js';
import { installFailed, type FailedInstall, type KnownWord } from '../logs/install-failures.js';

export const CODE = 'install-dependencies::uv';

interface UvPlace extends Pick<FailedInstall, 'place' | 'minor'> {
  /** The file that has `required-version`, where one has. */
  readonly requiredIn?: string | undefined;
}

/** What the app can be told in better words than uv's. The first that matches. */
const problems = ({ minor, requiredIn = 'pyproject.toml' }: UvPlace): readonly KnownWord[] => [
  {
    pattern: /^error: Required uv version `([^`]+)` does not match the running version `([^`]+)`/,
    title: 'The project asks for another version of uv than this build has',
    remedy: ([, wanted = '', version = '']) =>
      `Change \`required-version\` in ${requiredIn} so that it allows uv ${version}, for example to ">=${version}"${fetchInstead('uv', version, wanted)}.`,
  },
  {
    pattern: /^error: .*\buv\.lock\b.* uses an unsupported schema version/,
    title: 'The file uv.lock was written by a newer uv than this build has',
    remedy: `Lock again with the version of this build: \`uvx uv@${toolVersion('uv')} lock\`, then push uv.lock.`,
  },
  {
    pattern: /^error: The lockfile at .* needs to be updated, but .--locked. was provided/,
    title: 'The file uv.lock does not fit pyproject.toml any more',
    remedy: 'Run `uv lock`, look at what changed, and push uv.lock together with pyproject.toml.',
  },
  {
    pattern:
      /is incompatible with the project's Python requirement(?:: `([^`]+)`)?|^error: No interpreter found for Python /,
    title: "The app's `requires-python` does not allow the Python that it is built with",
    remedy: ([, wanted]) => {
      const python = wanted === undefined || minor === undefined ? undefined : nearestPython(minor, wanted);
      return `Make \`.python-version\` and \`requires-python\` in pyproject.toml agree (\`uv python pin ${python ?? 'X.Y'}\`), then run \`uv lock\`.`;
    },
  },
  {
    pattern: /^error: Failed to parse `(uv\.lock|pyproject\.toml|uv\.toml)`/,
    title: 'uv cannot read the files of the project',
    remedy: 'Correct pyproject.toml; if uv.lock is meant, run `uv lock` with the version of uv that the log names.',
  },
];

export const uvFailed = (command: string, exit: CommandExit, where: UvPlace = {}): Failure =>
  installFailed({
    code: CODE,
    tool: 'uv',
    command,
    exit,
    ...(where.place !== undefined && { place: where.place }),
    ...(where.minor !== undefined && { minor: where.minor }),
    words: problems(where),
    remedy: 'The log above tells which package was the problem. Correct the project, run `uv lock`, then try again.',
    pythonAlsoIn: ', in agreement with `requires-python` in pyproject.toml',
    digestsIn: 'the file uv.lock',
  });

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
