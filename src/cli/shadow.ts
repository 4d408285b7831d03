// `pyflow shadow`: builds copies of an app with another classic buildpack and with pyflow, and compares the results before
// an operator switches.

import { mkdtempSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { succeed, type Result } from '../engine/failure.js';
import { complain, wrongUsage, type Command, type Given, type UsageProblem } from './command.js';
import { NEGATIVE_ANSWER_STATUS } from './exit-status.js';
import { printJSON } from './print-json.js';
import type { Trial } from './shadow/sides.js';
import type { World } from './world.js';
import { removeTree } from '../engine/files/remove-tree.js';
import { makePrivateFolder } from '../engine/files/private-files.js';

export const command: Command = {
  name: 'shadow',
  operands: '',
  minOperands: 0,
  maxOperands: 0,
  summary: 'Build an app with another classic buildpack and with pyflow, and compare the results',
  details: [
    'Each build uses a new copy of the app and the cache of the previous build with the same buildpack. Compares exit statuses, times, files by class, packages, the environment at boot and the steps of the log. Exits with 1 if a status, a package or a file of the app differs.',
    "The other buildpack runs without a sandbox and gets the variables of this process, so use a builder's container.",
  ],
  options: [
    { name: 'buildpack', value: 'DIR', summary: 'Folder of the other buildpack, which contains `bin`' },
    { name: 'app', value: 'DIR', summary: 'Folder of the app (default: the current folder)' },
    { name: 'env-dir', value: 'DIR', summary: "Folder with the app's variables, one file per variable" },
    { name: 'stack', value: 'NAME', summary: 'Name of the stack (default: $STACK)' },
    {
      name: 'builds',
      value: 'N',
      summary: 'Number of builds with each buildpack (default: 2, the second with a warm cache)',
    },
    { name: 'keep', value: 'DIR', summary: 'Keep the builds in this folder, which must not exist yet' },
    { name: 'json', summary: 'Print the comparison as JSON' },
  ],
  examples: ['STACK=scalingo-24 pyflow shadow --buildpack ../python-buildpack --app ../shop'],
  run,
};

async function run(given: Given, world: World): Promise<number> {
  const checked = trialOf(given, world);
  if (!checked.ok) return complain(world, checked.failure);
  const trial = checked.value;
  const { buildWithBuildpack, buildWithPyflow } = await import('./shadow/sides.js');
  const { compareSides } = await import('./shadow/compare.js');
  const { shadowText } = await import('./shadow/text.js');
  const keep = given.value('keep');
  const { signal, interruption } = world.onInterrupt();
  const root = keep === undefined ? mkdtempSync(join(tmpdir(), 'pyflow-shadow-')) : resolve(world.cwd, keep);
  try {
    makePrivateFolder(root);
    const tell = (text: string): void => {
      if (!given.flag('json')) world.stderr.write(`${text}\n`);
    };
    tell('Building with the other buildpack...');
    const buildpack = await buildWithBuildpack(trial, join(root, 'buildpack'), world, signal);
    tell('Building with pyflow...');
    const pyflow = await buildWithPyflow(trial, join(root, 'pyflow'), world);
    const aborted = interruption();
    if (aborted !== undefined) return aborted.exitStatus;
    const comparison = compareSides(trial, buildpack, pyflow);
    if (given.flag('json')) printJSON(comparison, world);
    else world.stdout.write(shadowText(comparison));
    return comparison.isSame ? 0 : NEGATIVE_ANSWER_STATUS;
  } finally {
    if (keep === undefined) removeTree(root);
  }
}

function trialOf(given: Given, world: World): Result<Trial, UsageProblem> {
  const buildpack = given.value('buildpack') ?? '';
  const buildpackDir = resolve(world.cwd, buildpack);
  if (buildpack === '' || statSync(join(buildpackDir, 'bin/compile'), { throwIfNoEntry: false })?.isFile() !== true) {
    return wrongUsage(
      buildpack === '' ? 'pyflow shadow needs --buildpack.' : `${buildpack} has no bin/compile.`,
      'Name the folder of the other buildpack with --buildpack DIR.',
    );
  }
  const stack = given.value('stack') ?? world.env['STACK'] ?? '';
  if (stack === '') return wrongUsage('pyflow shadow needs a stack.', 'Name it with --stack NAME, or set STACK.');
  const builds = given.value('builds') ?? '2';
  if (!/^[1-9]$/.test(builds)) return wrongUsage(`--builds does not accept "${builds}".`, 'Use a number from 1 to 9.');
  const keep = given.value('keep');
  if (keep !== undefined && statSync(resolve(world.cwd, keep), { throwIfNoEntry: false }) !== undefined)
    return wrongUsage(`${keep} already exists.`, 'Name a folder for --keep that does not exist yet.');
  const appDir = resolve(world.cwd, given.value('app') ?? '.');
  const envDir = given.value('env-dir');
  if (!isFolder(appDir))
    return wrongUsage(`The folder ${appDir} does not exist.`, 'Name the folder of the app with --app DIR.');
  if (envDir !== undefined && !isFolder(resolve(world.cwd, envDir))) {
    return wrongUsage(
      `The folder ${envDir} does not exist.`,
      'Name a folder that has one file per variable with --env-dir DIR.',
    );
  }
  return succeed({
    buildpackDir,
    appDir,
    stack,
    builds: Number(builds),
    ...(envDir === undefined ? {} : { envDir: resolve(world.cwd, envDir) }),
  });
}

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
