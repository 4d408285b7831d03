// Builds each package manager's example through the scripts of the buildpack, the way a platform calls them, and compares that with
// the bare commands of such a build. Both fetch the same archive of a runtime from the loopback address.

import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { briefly, copyExample, MANAGERS } from '../built-app.mjs';
import {
  bench,
  boundFigure,
  brokenFigure,
  interleave,
  networkEnv,
  ratioFigure,
  remove,
  root,
  skippedFigure,
  summarize,
  time,
} from '../measure.mjs';
import { archiveEnv, readData, STACK, withArchive } from '../runtime-archive.mjs';

const MOST_ROUNDS = 3;
const TOOLS = readData('tools.json').tools;
/** What a person edits between two builds. */
const EDITED = { pip: 'app.py', pipenv: 'guestbook.py', poetry: 'shelf/views.py', uv: 'tasks.py' };
const HOOK = '#!/usr/bin/env bash\nset -euo pipefail\npython --version > built-with.txt\n';

export const adapter = ({ rounds }) =>
  withArchive('adapter', (archive, mirror, folder) =>
    MANAGERS.flatMap((manager) => {
      try {
        return measureManager(manager, archive, mirror, join(folder, manager), Math.min(rounds, MOST_ROUNDS));
      } catch (error) {
        return [brokenFigure(manager, error)];
      }
    }),
  );

function measureManager(manager, archive, mirror, folder, rounds) {
  const stage = setStage(manager, archive, mirror, folder);
  try {
    // Once untimed, for everything that is slower the first time on a machine.
    stage.bare();
  } catch (error) {
    return [skippedFigure(manager, `the example cannot be built by hand here: ${briefly(error)}`)];
  }
  const samples = interleave(rounds, [
    { name: 'cold', before: stage.reset, floor: stage.bare, pyflow: () => stage.build('cold') },
    { name: 'unchanged', pyflow: () => stage.build('unchanged') },
    { name: 'hookless', before: stage.dropHook, pyflow: () => stage.build('hookless') },
    { name: 'edited', before: stage.edit, pyflow: () => stage.build('edited') },
    { name: 'pin', before: stage.changePin, pyflow: () => stage.build('pin') },
    { name: 'second', pyflow: () => stage.build('second') },
  ]);
  const figure = (name, step, target) =>
    ratioFigure(`${manager}, ${name}`, { floor: samples.cold.floor, pyflow: samples[step].pyflow }, target);
  const otherShare = (name, step) => {
    const { median } = summarize(stage.otherShares[step]);
    return boundFigure(`${manager}, ${name}, all but the writing of the slug`, '%', median, 50);
  };
  return [
    figure(`cold, nothing cached (${archive.version})`, 'cold', 1.15),
    figure('first build of another app', 'second', 0.5),
    figure('unchanged', 'unchanged', 0.2),
    otherShare('unchanged', 'unchanged'),
    figure('unchanged, without a hook', 'hookless', 0.2),
    otherShare('unchanged, without a hook', 'hookless'),
    figure('one pin changed', 'pin', 0.5),
    figure('a source file changed', 'edited', 0.2),
  ];
}

/** The outcomes of runtime, tool and packages that a figure's name implies. */
const OUTCOMES = {
  cold: ['executed', 'executed', 'executed'],
  unchanged: ['up-to-date', 'up-to-date', 'up-to-date'],
  hookless: ['up-to-date', 'up-to-date', 'up-to-date'],
  edited: ['up-to-date', 'up-to-date', 'up-to-date'],
  pin: ['up-to-date', 'up-to-date', 'executed'],
  second: ['restored', 'restored', 'executed'],
};

/**
 * Two apps on one machine that differ in one pin. Each build uses a new folder and the cache of the build before. Nothing is
 * removed until everything is measured: ext4 is slow to create files where many have just been removed.
 */
export function setStage(manager, archive, mirror, folder, packages = 'direct') {
  mkdirSync(folder);
  const [source, secondSource, envDir] = ['source', 'second-source', 'env'].map((name) => join(folder, name));
  mkdirSync(envDir);
  const home = putBuildpack(join(folder, 'pyflow'));
  const env = {
    ...archiveEnv(archive, mirror),
    STACK,
    PYFLOW_PACKAGES: packages,
    PYFLOW_PARAMS: 'providers=["scalingo"]',
  };
  const minor = archive.version.split('.').slice(0, 2).join('.');
  const setuptools = TOOLS.setuptools.installedFor.includes(minor) ? TOOLS.setuptools.version : '';
  const otherShares = { unchanged: [], hookless: [] };
  let folders = 0;
  const newFolder = (name) => join(folder, `${name}-${(folders += 1)}`);
  let machine = newFolder('machine');
  const push = (from) => {
    const buildDir = newFolder('build');
    cpSync(from, buildDir, { recursive: true });
    return buildDir;
  };
  const put = (app, pin) => {
    copyExample(manager, app, pin);
    mkdirSync(join(app, 'bin'), { recursive: true });
    writeFileSync(join(app, 'bin/post_compile'), HOOK);
    chmodSync(join(app, 'bin/post_compile'), 0o755);
  };
  put(source);
  put(secondSource, 'second');
  const build = (what) => {
    const buildDir = push(what === 'second' ? secondSource : source);
    const cacheDir = join(machine, what === 'second' ? 'second-cache' : 'cache');
    mkdirSync(cacheDir, { recursive: true });
    const shared = join(machine, 'shared');
    const step = (name, ...operands) =>
      time([join(home, 'bin', name), ...operands], { env: { ...env, PYFLOW_CACHE_DIR: shared } });
    const elapsed =
      step('detect', buildDir) +
      step('compile', buildDir, cacheDir, envDir) +
      step('release', buildDir) +
      step('report', buildDir, cacheDir, envDir);
    const report = reportOf(shared, cacheDir);
    const outcomes = ['runtime', `${manager}-tool`, manager].map((node) => report.nodes[node].outcome);
    if (outcomes.join() !== OUTCOMES[what].join()) throw new Error(`${manager}, ${what}: ${outcomes.join(', ')}`);
    otherShares[what]?.push(100 * (1 - report.slug.durationMs / elapsed));
    return elapsed;
  };
  return {
    otherShares,
    build,
    bare: () => {
      const cacheDir = newFolder('bare');
      mkdirSync(cacheDir);
      const archiveUrl = `${mirror}/${archive.name}`;
      return time([bench('bare.sh'), manager, TOOLS[manager].version, archiveUrl, push(source), cacheDir], {
        env: { ...networkEnv, SETUPTOOLS: setuptools },
      });
    },
    reset: () => {
      machine = newFolder('machine');
      put(source);
    },
    /** Builds it this way once, untimed, so that nodes that read the whole app find it unchanged. */
    dropHook: () => {
      remove(join(source, 'bin'));
      build('edited');
    },
    edit: (round) => {
      put(source);
      writeFileSync(join(source, EDITED[manager]), `\n# Edit ${round}.\n`, { flag: 'a' });
    },
    changePin: () => put(source, 'first'),
  };
}

/** A copy for each build, like a platform's: the build writes `export` into it. */
function putBuildpack(folder) {
  for (const name of ['bin', 'lib']) {
    cpSync(join(root, 'buildpack', name), join(folder, 'buildpack', name), { recursive: true });
  }
  for (const name of ['dist', 'pipelines', 'package.json']) symlinkSync(join(root, name), join(folder, name));
  return join(folder, 'buildpack');
}

/** The report of the last build with this CACHE_DIR. */
function reportOf(shared, cacheDir) {
  const runs = join(shared, 'runs', readFileSync(join(cacheDir, 'pyflow-app-id'), 'utf8').trim());
  const latest = readdirSync(runs)
    .filter((name) => /^\d.*\.json$/.test(name))
    .toSorted()
    .at(-1);
  return JSON.parse(readFileSync(join(runs, latest), 'utf8'));
}
