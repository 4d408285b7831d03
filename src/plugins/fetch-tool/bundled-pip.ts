// Runs the pip that every Python bundles for ensurepip.

import { fail, succeed } from '../../engine/sdk.js';
import type { CommandExit, Folder, PackageAccess, Result, RunContext, Services } from '../../engine/sdk.js';
import { isolatedEnvironment, readableLine } from '../shared/pip/command.js';
import { noBundledPip } from './failures.js';

/** App-relative paths. */
interface BundledPip {
  readonly python: string;
  readonly wheel: string;
}

export function findBundledPip(app: Folder, home: string, minor: string): Result<BundledPip> {
  const folder = `${home}/lib/python${minor}/ensurepip/_bundled`;
  const newest = app
    .names(folder)
    .filter((name) => /^pip-.*\.whl$/.test(name))
    .at(-1);
  if (newest === undefined) return fail(noBundledPip(folder));
  return succeed({ python: `${home}/bin/python`, wheel: `${folder}/${newest}` });
}

/**
 * Runs it from a folder. From its wheel it would compile all modules again and take twice the time.
 */
const DRIVER = `import runpy, sys, zipfile
wheel, folder = sys.argv[1:3]
with zipfile.ZipFile(wheel) as archive:
    archive.extractall(folder)
sys.argv[:3] = ['pip']
sys.path.insert(0, folder)
runpy.run_module('pip', run_name='__main__', alter_sys=True)
`;

const OPTIONS = [
  '--disable-pip-version-check',
  '--no-cache-dir',
  '--no-compile',
  '--no-input',
  '--no-warn-script-location',
  '--only-binary=:all:',
  '--progress-bar=off',
  '--quiet',
  '--require-hashes',
  '--root-user-action=ignore',
];

interface PipTask {
  /** Lines of a requirements file, with digests. */
  readonly requirements: readonly string[];
  /** The target folder as commands see it. */
  readonly into: string;
  readonly index: string | undefined;
  readonly access: PackageAccess;
}

export async function runBundledPip(
  { files, subprocess }: Pick<Services, 'files' | 'subprocess'>,
  context: RunContext,
  { python, wheel }: BundledPip,
  { requirements, into, index, access }: PipTask,
): Promise<Result<CommandExit>> {
  const { app, scratch, given } = context.paths;
  const list = 'lock.txt';
  files.of(context).given.write(list, `${requirements.join('\n')}\n`);
  const targets = [`--target=${into}`, `--requirement=${given}/${list}`];
  return subprocess.run(context, {
    argv: [
      `${app}/${python}`,
      '-I',
      '-c',
      DRIVER,
      `${app}/${wheel}`,
      `${scratch}/pip`,
      'install',
      ...OPTIONS,
      ...targets,
    ],
    cwd: scratch,
    env: {
      ...isolatedEnvironment(context, files, { index: index === undefined ? undefined : access.indexUrl(index) }),
      ...access.env,
    },
    network: true,
    filter: (_, text) => readableLine(text),
  });
}
