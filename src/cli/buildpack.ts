// `pyflow buildpack`: the classic buildpack API, called by the scripts in buildpack/bin. Which step, with which folders.

import { complain, type Command, type Given } from './command.js';
import { compile } from './buildpack/compile.js';
import { detect } from './buildpack/detect.js';
import { layOutManager } from './buildpack/manager-command.js';
import { placesOf, type Places } from './buildpack/places.js';
import { release } from './buildpack/release.js';
import { printBuildData } from './buildpack/build-data.js';
import type { World } from './world.js';

interface Step {
  /** What stands behind the step's name, in this order. */
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
  // For what compile leaves to later buildpacks.
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
  summary: 'Be a step of a classic buildpack: detect, compile, release, report or test-compile',
  details: [
    'For the scripts in buildpack/bin, which pass on what the platform gives them: BUILD_DIR, CACHE_DIR, ENV_DIR. The app is',
    'built in place in BUILD_DIR. docs/operators/from-the-buildpack.md tells how to put them into service.',
  ].join('\n'),
  options: [
    { name: 'home', value: 'DIR', summary: 'Folder of the buildpack: beside its `bin` the file `export` is written' },
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
      message: `"${name}" is no step of a buildpack.`,
      remedy: `Steps are ${Object.keys(STEPS).join(', ')}.`,
    });
  }
  if (home === undefined || home === '') {
    return complain(world, {
      message: 'pyflow buildpack needs --home.',
      remedy: 'Call the scripts in buildpack/bin, which pass it on.',
    });
  }
  // A platform may leave out folders at the end, and older ones give none for variables.
  const needed = name.endsWith('compile') || name === 'report' ? 2 : 1;
  if (folders.length < needed || folders.some((folder) => folder === '')) {
    return complain(world, {
      message: `bin/${name} needs ${step.folders.slice(0, needed).join(' and ')}.`,
      remedy: `It is called as bin/${name} ${step.folders.join(' ')}.`,
    });
  }
  const places = placesOf(home, world);
  if (!places.ok) return complain(world, places.failure);
  return step.run(folders, places.value, world);
}
