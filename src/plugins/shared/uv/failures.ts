// The failures of the kinds that install with uv.

import type { CommandExit, Failure } from '../../../engine/sdk.js';
import { nearestPython } from '../../../manifests/app/package-version.js';
import { toolVersion } from '../../../manifests/catalogue/tools.js';
import { withoutUserinfo } from '../install/index-url.js';
import { fetchInstead } from '../install/other-tool-version.js';
import { installFailed, type FailedInstall, type KnownWord } from '../logs/install-failures.js';

export const CODE = 'install-dependencies::uv';

interface UvPlace extends Pick<FailedInstall, 'place' | 'minor'> {
  /** The file with `required-version`, if there is one. */
  readonly requiredIn?: string | undefined;
}

/** Error lines of uv for which pyflow has better messages. The first match decides. */
const problems = ({ minor, requiredIn = 'pyproject.toml' }: UvPlace): readonly KnownWord[] => [
  {
    pattern: /^error: Required uv version `([^`]+)` does not match the running version `([^`]+)`/,
    title: 'The project requires another version of uv',
    remedy: ([, wanted = '', version = '']) =>
      `Change \`required-version\` in ${requiredIn} so that it allows uv ${version}, for example to ">=${version}"${fetchInstead('uv', version, wanted)}.`,
  },
  {
    pattern: /^error: .*\buv\.lock\b.* uses an unsupported schema version/,
    title: 'A newer version of uv wrote uv.lock',
    remedy: `Lock again with the version of this build: run \`uvx uv@${toolVersion('uv')} lock\` and commit uv.lock.`,
  },
  {
    pattern: /^error: The lockfile at .* needs to be updated, but .--locked. was provided/,
    title: 'uv.lock is out of date: it no longer matches pyproject.toml',
    remedy: 'Run `uv lock`, check what changed, and commit uv.lock together with pyproject.toml.',
  },
  {
    pattern:
      /is incompatible with the project's Python requirement(?:: `([^`]+)`)?|^error: No interpreter found for Python /,
    title: 'The `requires-python` of the project does not allow the Python version of this build',
    remedy: ([, wanted]) => {
      const python = wanted === undefined || minor === undefined ? undefined : nearestPython(minor, wanted);
      return `Make \`.python-version\` match \`requires-python\` in pyproject.toml (\`uv python pin ${python ?? 'X.Y'}\`), then run \`uv lock\`.`;
    },
  },
  {
    pattern: /^error: Failed to parse `(uv\.lock|pyproject\.toml|uv\.toml)`/,
    title: "uv can't read the files of the project",
    remedy: `Fix the file that the log names. If it is uv.lock, run \`uvx uv@${toolVersion('uv')} lock\`.`,
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
    remedy: 'The log above shows which package caused the problem. Fix the project, run `uv lock`, and try again.',
    pythonAlsoIn: ', which must match `requires-python` in pyproject.toml',
    digestsIn: 'uv.lock',
  });

export const unreadableProject = (file: string, why: string): Failure => ({
  code: CODE,
  blame: 'app',
  title: `pyflow can't read ${file}`,
  detail: `${file}: ${why}`,
  remedy: 'Run `uv lock`, and commit pyproject.toml and uv.lock in the same folder.',
});

export const outsideApp = (file: string, name: string, path: string): Failure => ({
  code: CODE,
  blame: 'app',
  title: `The package ${name} is outside the app`,
  detail: `${file} names \`${withoutUserinfo(path)}\`, but a build reads only files of the app.`,
  remedy: 'Move the package into the app, or publish it to an index. Then run `uv lock`.',
});
