// `pyflow buildpack`: the classic buildpack API. The scripts in buildpack/bin call it with a step and its folders.

import { complain, type Command, type Given } from './command.js';
import { compile } from './buildpack/compile.js';
import { detect } from './buildpack/detect.js';
import { layOutManager } from './buildpack/manager-command.js';
import { placesOf, type Places } from './buildpack/places.js';
import { release } from './buildpack/release.js';
import { printBuildData } from './buildpack/build-data.js';
import type { World } from './world.js';

interface Step {
  /** The arguments after the step's name. */
  readonly folders: readonly string[];
  run(folders: readonly string[], places: Places, world: World): Promise<number> | number;
}

const STEPS: Readonly<Record<string, Step>> = {
  detect: { folders: ['BUILD_DIR'], run: ([buildDir = ''], places, world) => detect(buildDir, places, world) },
  compile: {
    folders: ['BUILD_DIR', 'CACHE_DIR', 'ENV_DIR'],
    run: (folders, places, world) => compile(foldersOf(folders), places, world),
  },
  'test-compile': {
    folders: ['BUILD_DIR', 'CACHE_DIR', 'ENV_DIR'],
    run: (folders, places, world) => compile({ ...foldersOf(folders), isTest: true }, places, world),
  },
  release: { folders: ['BUILD_DIR'], run: ([buildDir = ''], places, world) => release(buildDir, places, world) },
  report: {
    folders: ['BUILD_DIR', 'CACHE_DIR', 'ENV_DIR'],
    run: ([, cacheDir = ''], _places, world) => printBuildData(cacheDir, world),
  },
  // Called by a script that bin/compile leaves for later buildpacks.
  tool: { folders: ['FOLDER', 'STORE', 'TOOL'], run: (folders, _places, world) => layOutManager(folders, world) },
};

const foldersOf = ([buildDir = '', cacheDir = '', envDir]: readonly string[]) => ({
  buildDir,
  cacheDir,
  ...(envDir === undefined ? {} : { envDir }),
});

export const command: Command = {
  name: 'buildpack',
  operands: 'STEP DIR...',
  minOperands: 2,
  maxOperands: 4,
  summary: 'Run a step of a classic buildpack: detect, compile, release, report or test-compile',
  details: [
    'The scripts in buildpack/bin call this command with the folders that the platform passes to them: BUILD_DIR, CACHE_DIR and ENV_DIR. pyflow builds the app in place, in BUILD_DIR. See docs/operators/from-the-buildpack.md for the setup.',
  ],
  options: [
    {
      name: 'home',
      value: 'DIR',
      summary: 'Folder of the buildpack, which contains `bin`; the file `export` is written there',
    },
  ],
  examples: ['STACK=scalingo-24 buildpack/bin/compile /tmp/build /tmp/cache /tmp/env'],
  run,
};

async function run(given: Given, world: World): Promise<number> {
  const [name = '', ...folders] = given.operands;
  const step = Object.hasOwn(STEPS, name) ? STEPS[name] : undefined;
  const home = given.value('home');
  if (step === undefined) {
    return complain(world, {
      message: `pyflow buildpack has no step "${name}".`,
      remedy: `Use one of: ${Object.keys(STEPS).join(', ')}.`,
    });
  }
  if (home === undefined || home === '') {
    return complain(world, {
      message: 'pyflow buildpack needs --home.',
      remedy: 'Call the scripts in buildpack/bin, which pass it.',
    });
  }
  // A platform may omit the last folders; older platforms have no folder for variables.
  const needed = name.endsWith('compile') || name === 'report' ? 2 : 1;
  if (folders.length < needed || folders.some((folder) => folder === '')) {
    return complain(world, {
      message: `bin/${name} needs ${step.folders.slice(0, needed).join(' and ')}.`,
      remedy: `Call it as bin/${name} ${step.folders.join(' ')}.`,
    });
  }
  const places = placesOf(home, world);
  if (!places.ok) return complain(world, places.failure);
  return step.run(folders, places.value, world);
}
