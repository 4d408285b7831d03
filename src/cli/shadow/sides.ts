// One side of a comparison: runs the steps of a classic buildpack on copies of the app, like a platform does.

import { cpSync, existsSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { compile } from '../buildpack/compile.js';
import { detect } from '../buildpack/detect.js';
import { placesOf } from '../buildpack/places.js';
import { release } from '../buildpack/release.js';
import { USAGE_STATUS } from '../exit-status.js';
import type { World } from '../world.js';
import { makePrivateFolder } from '../../engine/files/private-files.js';

export interface Trial {
  readonly buildpackDir: string;
  readonly appDir: string;
  readonly envDir?: string;
  readonly stack: string;
  readonly builds: number;
}

export interface StepRun {
  readonly status: number;
  readonly durationMs: number;
  /** Lines of standard output. */
  readonly lines: readonly string[];
  /** Lines of standard error. */
  readonly errors: readonly string[];
}

export interface Side {
  readonly detect: StepRun;
  readonly compiles: readonly StepRun[];
  readonly release: StepRun;
  /** The folder of the last build. */
  readonly buildDir: string;
  /** The app's variables when it boots, with the build folder replaced by `/app`. Undefined if a profile script failed. */
  readonly environment: Readonly<Record<string, string>> | undefined;
}

/** Runs a step: a script of a buildpack, or pyflow in this process. */
type RunStep = (step: 'detect' | 'compile' | 'release', folders: readonly string[]) => Promise<StepRun>;

export function buildWithBuildpack(trial: Trial, root: string, world: World, signal: AbortSignal): Promise<Side> {
  let copy = '';
  let count = 0;
  return build(trial, root, world, async (step, folders) => {
    // Platforms fetch the buildpack again for each build, because its `export` belongs to one build.
    if (step !== 'release') {
      copy = join(root, `copy-${count++}`, basename(trial.buildpackDir));
      copyFolder(trial.buildpackDir, copy);
    }
    const env = Object.entries(world.env).filter(([name, value]) => value !== undefined && !name.startsWith('PYFLOW_'));
    return spawnStep(
      [join(copy, 'bin', step), ...folders],
      { ...Object.fromEntries(env), STACK: trial.stack },
      world,
      signal,
    );
  });
}

export function buildWithPyflow(trial: Trial, root: string, world: World): Promise<Side> {
  const home = join(root, 'home');
  makePrivateFolder(home);
  return build(trial, root, world, async (step, folders) => {
    const out: string[] = [];
    const errors: string[] = [];
    const own: World = {
      ...world,
      env: { ...world.env, STACK: trial.stack, NO_COLOR: '1', PYTHONHOME: undefined },
      stdout: { ...world.stdout, isTerminal: false, write: (text) => void out.push(text), flush: () => undefined },
      stderr: { ...world.stderr, isTerminal: false, write: (text) => void errors.push(text), flush: () => undefined },
    };
    const found = placesOf(home, own);
    if (!found.ok) return { status: USAGE_STATUS, durationMs: 0, lines: [], errors: [found.failure.message] };
    const pipelineFile = found.value.settings['PIPELINE'] ?? join(world.programDir, '../pipelines/python.yml');
    const places = { ...found.value, pipelineFile };
    const [buildDir = '', cacheDir = '', envDir = ''] = folders;
    const startedAt = world.now();
    const status =
      step === 'detect'
        ? await detect(buildDir, places, own)
        : step === 'compile'
          ? await compile({ buildDir, cacheDir, envDir }, places, own)
          : release(buildDir, places, own);
    return { status, durationMs: world.now() - startedAt, lines: linesOf(out), errors: linesOf(errors) };
  });
}

async function build(trial: Trial, root: string, world: World, run: RunStep): Promise<Side> {
  const cacheDir = join(root, 'cache');
  const envDir = join(root, 'env');
  for (const folder of [cacheDir, envDir]) makePrivateFolder(folder);
  if (trial.envDir !== undefined) copyFolder(trial.envDir, envDir);
  let buildDir = '';
  let detected: StepRun | undefined;
  const compiles: StepRun[] = [];
  for (let number = 1; number <= trial.builds; number++) {
    buildDir = join(root, `build-${number}`);
    copyFolder(trial.appDir, buildDir);
    detected ??= await run('detect', [buildDir]);
    const compiled = await run('compile', [buildDir, cacheDir, envDir]);
    compiles.push(compiled);
    if (compiled.status !== 0) break;
  }
  const released = await run('release', [buildDir]);
  const environment = await environmentAtBoot(buildDir, world);
  return { detect: detected!, compiles, release: released, buildDir, environment };
}

function copyFolder(from: string, to: string): void {
  cpSync(from, to, {
    recursive: true,
    verbatimSymlinks: true,
    preserveTimestamps: true,
    filter: (path) => !['.git', '.pyflow'].includes(relative(from, path)),
  });
}

const ENTRIES = 'pyflow-environment';
const OF_SHELLS: ReadonlySet<string> = new Set(['_', 'PWD', 'OLDPWD', 'SHLVL']);

/** Sources the profile scripts like a platform, and sets no other variables that an app could read. */
async function environmentAtBoot(buildDir: string, world: World): Promise<Side['environment']> {
  const script = [
    'cd "$HOME"',
    'if [ -d .profile.d ]; then for profile in .profile.d/*.sh; do . "$profile"; done; fi',
    // base64, so that values with line breaks stay on one line.
    `printf '\\n%s ' ${ENTRIES}; env -0 | base64 | tr -d '\\n'`,
  ].join('\n');
  const env = { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: buildDir, PORT: '5000', CONTAINER: 'web-1' };
  const { status, lines } = await spawnStep(['bash', '--norc', '-c', script], env, world, new AbortController().signal);
  if (status !== 0) return undefined;
  const variables: Record<string, string> = {};
  const encoded = lines.findLast((line) => line.startsWith(`${ENTRIES} `))?.slice(ENTRIES.length + 1) ?? '';
  for (const entry of Buffer.from(encoded, 'base64').toString('utf8').split('\0')) {
    const cut = entry.indexOf('=');
    const name = entry.slice(0, cut);
    if (cut > 0 && !OF_SHELLS.has(name)) variables[name] = entry.slice(cut + 1).replaceAll(buildDir, '/app');
  }
  return variables;
}

/** A missing step counts as passed, like on a platform. */
async function spawnStep(
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
  world: World,
  signal: AbortSignal,
): Promise<StepRun> {
  const { spawnCommand } = await import('../../engine/process/command.js');
  const lines: string[] = [];
  const errors: string[] = [];
  const startedAt = world.now();
  if (argv[0]!.startsWith('/') && !existsSync(argv[0]!)) return { status: 0, durationMs: 0, lines, errors };
  const exit = await spawnCommand(argv, {
    cwd: '/',
    env,
    onLine: (stream, text) => void (stream === 'stdout' ? lines : errors).push(text),
    signals: [signal],
  });
  const durationMs = world.now() - startedAt;
  if (!exit.ok) return { status: 126, durationMs, lines, errors: [...errors, exit.failure.title] };
  return { status: exit.value.exitCode ?? 128, durationMs, lines, errors };
}

const linesOf = (written: readonly string[]): readonly string[] => {
  const text = written.join('');
  return text === '' ? [] : text.replace(/\n$/, '').split('\n');
};
