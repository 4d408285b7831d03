// `pyflow shadow`: another classic buildpack and pyflow on copies of one app, and what differs, so that an operator can
// trust the switch from one to the other.

import { mkdtempSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { complain, type Command, type Given } from './command.js';
import { NO_STATUS } from './exit-status.js';
import { printJSON } from './print-json.js';
import { compareSides } from './shadow/compare.js';
import { buildWithBuildpack, buildWithPyflow, type Trial } from './shadow/sides.js';
import { shadowText } from './shadow/text.js';
import type { World } from './world.js';
import { removeTree } from '../engine/files/remove-tree.js';
import { makePrivateFolder } from '../engine/files/private-files.js';

export const command: Command = {
  name: 'shadow',
  operands: '',
  minOperands: 0,
  maxOperands: 0,
  summary: 'Build copies of an app with another classic buildpack and with pyflow, and tell what differs',
  details: [
    'Both get BUILD_DIR, CACHE_DIR and ENV_DIR of their own, and build as often as --builds says, each time in a new copy',
    'with the cache of the build before. Compared are exit statuses, times, files by class, packages, the environment at',
    'boot and the steps of the log. The other buildpack runs as it always does, with the variables of this process: use a',
    "builder's container. Exits with 1 when a status, a package or a file of the app differs.",
  ].join('\n'),
  options: [
    { name: 'buildpack', value: 'DIR', summary: 'Folder of the other buildpack, with `bin` in it' },
    { name: 'app', value: 'DIR', summary: 'Folder of the app (default: the current folder)' },
    { name: 'env-dir', value: 'DIR', summary: "The app's own variables, one file each, named after the variable" },
    { name: 'stack', value: 'NAME', summary: 'The stack (default: $STACK)' },
    { name: 'builds', value: 'N', summary: 'Builds of each (default: 2, the second with a warm cache)' },
    { name: 'keep', value: 'DIR', summary: 'Keep what was built in this folder, which must not be there yet' },
    { name: 'json', summary: 'Print the comparison as JSON' },
  ],
  examples: ['STACK=scalingo-24 pyflow shadow --buildpack ../python-buildpack --app ../shop'],
  run,
};

async function run(given: Given, world: World): Promise<number> {
  const trial = trialOf(given, world);
  if ('message' in trial) return complain(world, trial);
  const keep = given.value('keep');
  const { signal, interruption } = world.onInterrupt();
  const root = keep === undefined ? mkdtempSync(join(tmpdir(), 'pyflow-shadow-')) : resolve(world.cwd, keep);
  try {
    makePrivateFolder(root);
    const tell = (text: string): void => {
      if (!given.flag('json')) world.stderr.write(`${text}\n`);
    };
    tell('Building with the other buildpack ...');
    const buildpack = await buildWithBuildpack(trial, join(root, 'buildpack'), world, signal);
    tell('Building with pyflow ...');
    const pyflow = await buildWithPyflow(trial, join(root, 'pyflow'), world);
    const aborted = interruption();
    if (aborted !== undefined) return aborted.exitStatus;
    const comparison = compareSides(trial, buildpack, pyflow);
    if (given.flag('json')) printJSON(comparison, world);
    else world.stdout.write(shadowText(comparison));
    return comparison.isSame ? 0 : NO_STATUS;
  } finally {
    if (keep === undefined) removeTree(root);
  }
}

function trialOf(given: Given, world: World): Trial | { readonly message: string; readonly remedy: string } {
  const buildpack = given.value('buildpack') ?? '';
  const buildpackDir = resolve(world.cwd, buildpack);
  if (buildpack === '' || statSync(join(buildpackDir, 'bin/compile'), { throwIfNoEntry: false })?.isFile() !== true) {
    return {
      message: buildpack === '' ? 'pyflow shadow needs --buildpack.' : `There is no bin/compile in ${buildpack}.`,
      remedy: 'Name the folder of the other buildpack with --buildpack DIR.',
    };
  }
  const stack = given.value('stack') ?? world.env['STACK'] ?? '';
  if (stack === '') return { message: 'The stack is not known.', remedy: 'Name it with --stack, or set STACK.' };
  const builds = given.value('builds') ?? '2';
  if (!/^[1-9]$/.test(builds))
    return { message: `"${builds}" is no number of builds.`, remedy: '--builds takes 1 to 9.' };
  const keep = given.value('keep');
  if (keep !== undefined && statSync(resolve(world.cwd, keep), { throwIfNoEntry: false }) !== undefined) {
    return { message: `${keep} is there already.`, remedy: 'Name a folder for --keep that is not there yet.' };
  }
  const appDir = resolve(world.cwd, given.value('app') ?? '.');
  const envDir = given.value('env-dir');
  if (!isFolder(appDir)) {
    return { message: `There is no folder ${appDir}.`, remedy: 'Name the folder of the app with --app.' };
  }
  if (envDir !== undefined && !isFolder(resolve(world.cwd, envDir))) {
    return {
      message: `There is no folder ${envDir}.`,
      remedy: 'Name a folder with one file a variable with --env-dir.',
    };
  }
  return {
    buildpackDir,
    appDir,
    stack,
    builds: Number(builds),
    ...(envDir === undefined ? {} : { envDir: resolve(world.cwd, envDir) }),
  };
}

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
