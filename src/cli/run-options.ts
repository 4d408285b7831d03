// The options that run, plan, check and graph share, and the request that they make.

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { passThroughOf } from '../engine/app/pass-through.js';
import { succeed, type Result } from '../engine/failure.js';
import { parsePackagesMode } from '../engine/packages/mode.js';
import type { RunRequest } from '../engine/request.js';
import { EMPTY_VALUE, wrongUsage, type Given, type Option, type UsageProblem } from './command.js';
import { isOfRemote, remoteOf, REMOTE_OPTIONS } from './remote-options.js';
import { outputsOf, OUTPUT_OPTION, sourceTimeOf } from './output-options.js';
import { POLICY_OPTION, policyFileOf } from './policy-options.js';
import { findPipeline } from './shipped-pipelines.js';
import type { World } from './world.js';

export const CACHE_DIR_OPTION: Option = {
  name: 'cache-dir',
  value: 'DIR',
  summary: 'Folder of the cache (default: $PYFLOW_CACHE_DIR, else $XDG_CACHE_HOME/pyflow, else ~/.cache/pyflow)',
};

export const APP_OPTIONS: readonly Option[] = [
  { name: 'app', value: 'DIR', summary: 'Folder of the app (default: the current folder)' },
  {
    name: 'app-id',
    value: 'ID',
    summary:
      'Name of the app in the cache; without it, pyflow uses the path of the folder and keeps no sticky versions',
  },
  CACHE_DIR_OPTION,
];

export const PARAM_OPTION: Option = {
  name: 'param',
  short: 'p',
  value: 'NAME=VALUE',
  repeatable: true,
  summary: 'Set a param of the pipeline',
};

export const RUN_OPTIONS: readonly Option[] = [
  ...APP_OPTIONS,
  {
    name: 'out',
    value: 'DIR',
    summary: 'Folder of the slug (default: APP/.pyflow/slug); can be the folder of the app',
  },
  OUTPUT_OPTION,
  {
    name: 'force',
    summary: 'Write the slug and the outputs even if their folders have files that pyflow did not write',
  },
  PARAM_OPTION,
  {
    name: 'env-dir',
    value: 'DIR',
    summary: "Folder with the app's variables, one file per variable; the app gets no variables of the environment",
  },
  {
    name: 'only',
    value: 'NODE',
    repeatable: true,
    summary: 'Run only this node and the nodes it needs, and write no slug',
  },
  { name: 'until', value: 'NODE', summary: 'Run the nodes up to this one, and write no slug' },
  {
    name: 'refresh',
    value: 'NODE|all',
    repeatable: true,
    summary: 'Run this node, or all nodes, even if the result is in the cache',
  },
  {
    name: 'jobs',
    short: 'j',
    value: 'N',
    summary: 'Number of nodes that run at the same time (default: the number of processors)',
  },
  {
    name: 'keep-going',
    short: 'k',
    summary: 'After a failure, continue with the nodes that do not need the failed one',
  },
  { name: 'test', summary: 'Build for tests: run.mode is "test" instead of "build"' },
  {
    name: 'sandbox',
    value: 'MODE',
    choices: ['auto', 'required', 'none'],
    summary: 'How to isolate commands from the machine (default: auto, which uses namespaces if they work)',
  },
  {
    name: 'packages',
    value: 'MODE',
    summary:
      'How package managers reach indexes: direct, open, gateway, replay or as-of=DATE (default: $PYFLOW_PACKAGES, else direct)',
  },
  POLICY_OPTION,
  ...REMOTE_OPTIONS,
];

/** The request for `named`, a pipeline file or the name of a shipped pipeline. SIGINT and SIGTERM abort it. */
export function runRequest(
  given: Given,
  world: World,
  named: string | undefined = given.operands[0],
): Result<RunRequest, UsageProblem> {
  const pipelineFile = findPipeline(named, world);
  if (!pipelineFile.ok) return pipelineFile;
  const app = appOf(given, world);
  if (!app.ok) return app;
  const params = paramsOf(given);
  if (!params.ok) return params;
  const jobs = given.value('jobs');
  if (jobs !== undefined && !/^[1-9]\d{0,3}$/.test(jobs)) {
    return wrongUsage(`--jobs does not accept "${jobs}".`, 'Use a whole number from 1 to 9999.');
  }
  for (const name of ['only', 'until', 'refresh']) {
    if (given.values(name).includes(''))
      return wrongUsage(`--${name} needs the name of a node.`, 'Name a node of the pipeline.');
  }
  const remote = remoteOf(world, given);
  if (!remote.ok) return remote;
  const outputs = outputsOf(given, world);
  if (!outputs.ok) return outputs;
  // Only outputs use it, and otherwise a new time must not make a run out of date.
  const sourceTime = outputs.value.length === 0 ? succeed(undefined) : sourceTimeOf(world);
  if (!sourceTime.ok) return sourceTime;
  const policyFile = policyFileOf(given, world);
  if (!policyFile.ok) return policyFile;
  const until = given.value('until');
  const envDir = given.value('env-dir');
  const { appDir } = app.value;
  return succeed({
    ...app.value,
    pipelineFile: pipelineFile.value,
    outDir: resolve(world.cwd, given.value('out') ?? `${appDir}/.pyflow/slug`),
    force: given.flag('force'),
    ...(outputs.value.length === 0 ? {} : { outputs: outputs.value }),
    ...(sourceTime.value === undefined ? {} : { sourceTimeS: sourceTime.value }),
    params: params.value,
    ...(envDir === undefined ? {} : { envDir: resolve(world.cwd, envDir) }),
    only: given.values('only'),
    ...(until === undefined ? {} : { until }),
    refresh: given.values('refresh'),
    ...(jobs === undefined ? {} : { jobs: Number(jobs) }),
    keepGoing: given.flag('keep-going'),
    mode: given.flag('test') ? 'test' : 'build',
    sandbox: sandboxOf(given),
    passThrough: passThroughOf(world.env),
    ...(policyFile.value === undefined ? {} : { policyFile: policyFile.value }),
    ...(remote.value === undefined ? {} : { remote: remote.value }),
    signal: world.onInterrupt().signal,
  });
}

function paramsOf(given: Given): Result<Readonly<Record<string, string>>, UsageProblem> {
  const params: Record<string, string> = {};
  for (const entry of given.values('param')) {
    const cut = entry.indexOf('=');
    if (cut <= 0) {
      return wrongUsage(
        `--param does not accept "${entry}".`,
        'Write -p NAME=VALUE, for example -p stack=scalingo-24.',
      );
    }
    params[entry.slice(0, cut)] = entry.slice(cut + 1);
  }
  return succeed(params);
}

export const APP_ID_FORM =
  'Use 1 to 128 letters, digits, dots, hyphens and underscores, starting with a letter or a digit.';

export const isAppId = (text: string): boolean => /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(text);

export const sandboxOf = (given: Given): RunRequest['sandbox'] =>
  (given.value('sandbox') as RunRequest['sandbox'] | undefined) ?? 'auto';

export interface AppPlace {
  readonly appDir: string;
  readonly appId?: string;
  readonly cacheDir: string;
  readonly settings: Readonly<Record<string, string>>;
}

/** The app and the cache: all that commands need that read the records of runs. */
export function appOf(given: Given, world: World): Result<AppPlace, UsageProblem> {
  for (const name of ['app', 'out', 'cache-dir', 'env-dir']) {
    if (given.value(name) === '') return wrongUsage(`--${name} needs a folder.`, EMPTY_VALUE);
  }
  const appId = given.value('app-id');
  // The id becomes part of file names in the cache.
  if (appId !== undefined && !isAppId(appId)) {
    return wrongUsage(`--app-id does not accept "${appId}".`, APP_ID_FORM);
  }
  const settings = settingsOf(world);
  if (!settings.ok) return settings;
  const packages = packagesOf(given, settings.value);
  if (!packages.ok) return packages;
  return succeed({
    appDir: resolve(world.cwd, given.value('app') ?? '.'),
    ...(appId === undefined ? {} : { appId }),
    cacheDir: cacheDirOf(given, world),
    settings: { ...settings.value, ...packages.value },
  });
}

/** The setting, which the option replaces. */
function packagesOf(
  given: Given,
  settings: Readonly<Record<string, string>>,
): Result<Readonly<Record<string, string>>, UsageProblem> {
  const asked = given.value('packages');
  const text = asked ?? settings['PACKAGES'];
  const mode = parsePackagesMode(text);
  if (!mode.ok || asked === '') {
    const name = asked === undefined ? 'PYFLOW_PACKAGES' : '--packages';
    return wrongUsage(`${name} does not accept "${text}".`, mode.ok ? EMPTY_VALUE : mode.failure);
  }
  return succeed(asked === undefined ? {} : { PACKAGES: asked });
}

export function cacheDirOf(given: Given, world: World): string {
  const set = given.value('cache-dir') ?? (world.env['PYFLOW_CACHE_DIR'] || undefined);
  if (set !== undefined) return resolve(world.cwd, set);
  const xdg = world.env['XDG_CACHE_HOME'];
  // The XDG specification says to ignore relative paths.
  return xdg?.startsWith('/') === true ? `${xdg}/pyflow` : `${world.homeDir}/.cache/pyflow`;
}

/**
 * `PYFLOW_*` by the name after the prefix, sorted so that the order of the environment has no effect. PINS is the text of
 * the pin file, not its name, so that a run is not up to date if the pins changed. Those of the remote cache are not among
 * them: they change no result, and no plugin may see them. Nor is the file of the policy: the engine adds its digest.
 */
export function settingsOf(world: World): Result<Readonly<Record<string, string>>, UsageProblem> {
  const settings: [string, string][] = [];
  for (const [name, value] of Object.entries(world.env)) {
    if (!name.startsWith('PYFLOW_') || name.length === 7 || isOfRemote(name) || name === 'PYFLOW_POLICY') continue;
    // Empty is not set.
    if (value !== undefined && value !== '') settings.push([name.slice(7), value]);
  }
  const value = Object.fromEntries(settings.sort(([a], [b]) => (a < b ? -1 : 1)));
  const pins = value['PINS'];
  if (pins === undefined) return succeed(value);
  try {
    return succeed({ ...value, PINS: readFileSync(resolve(world.cwd, pins), 'utf8') });
  } catch (error) {
    return wrongUsage(
      `pyflow can't read the pin file that PYFLOW_PINS names: ${(error as Error).message}`,
      'Correct the variable, or create the file with `pyflow catalogue pin URL`.',
    );
  }
}
