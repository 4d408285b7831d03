// bin/compile and bin/test-compile: run the pipeline on BUILD_DIR and build the app in place. CACHE_DIR, ENV_DIR and the
// environment carry what the platform and earlier buildpacks say.

import { lstatSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { failureData, type Failure } from '../../engine/failure.js';
import { passThroughOf } from '../../engine/app/pass-through.js';
import type { Refusal, RunRequest } from '../../engine/request.js';
import { reportOfRefusal } from '../../engine/render/report.js';
import { eventSink } from '../../engine/render/renderer.js';
import type { RunReport } from '../../engine/events.js';
import { openBuildpackLog } from '../log-choice.js';
import { printRefusal } from '../refusal.js';
import { hasPlatformColor } from '../color.js';
import { statusOfFailure, withRefusalStatus, withSignalStatus, withStatusInEvent } from '../exit-status.js';
import { AppCache } from './app-cache.js';
import { writeExport } from './export-file.js';
import { shout, shoutFailure } from './log.js';
import type { Places } from './places.js';
import { searchPathsOf, variablesOf } from './variables.js';
import type { World } from '../world.js';

interface BuildFolders {
  readonly buildDir: string;
  readonly cacheDir: string;
  readonly envDir?: string;
  /** Install dev dependencies too, and collect no static files. */
  readonly isTest?: true;
}

/** The limit for a cache of one app. A shared cache has the engine's limit. */
const OWN_CACHE_BYTES = String(4 * 1024 ** 3);

/** Returns the exit status. */
export async function compile(folders: BuildFolders, places: Places, world: World): Promise<number> {
  const startedAt = world.now();
  const { interruption } = world.onInterrupt();
  const cache = AppCache.open(resolve(world.cwd, folders.cacheDir), places);
  if (!(cache instanceof AppCache)) {
    shoutFailure(cache, world);
    return statusOfFailure(cache);
  }
  const buildDir = resolve(world.cwd, folders.buildDir);
  const refused = await refusalOf(buildDir, places, world);
  if (refused !== undefined) {
    shoutFailure(refused, world);
    cache.writeBuildData(failureData(refused));
    return statusOfFailure(refused);
  }
  cache.handOverVersion();
  const renderer = openBuildpackLog(world, isVerbose(world), hasPlatformColor(world));
  if (cache.isOfOldBuildpack) {
    world.stdout.write(
      '-----> Discarding the cache of another buildpack\n       Keeping only the Python version of the last build\n',
    );
  }
  const build = { folders, buildDir, cache, places, world };
  const request = requestOf(build);
  const sink = eventSink(world.now, startedAt, [(event) => renderer.consume(withStatusInEvent(event, interruption()))]);
  const outcome = await world.engine.run(request, sink);
  renderer.close();
  const report = outcome.ok
    ? withSignalStatus(outcome.value, interruption())
    : withRefusalStatus(reportRefusal(outcome.failure, request, startedAt, world), interruption());
  if (report.status === 'succeeded') finish(build, report);
  cache.writeBuildData(report.buildData);
  return report.exitCode;
}

/** Problems with the stack or the list of buildpacks, found before any script of the app runs. */
async function refusalOf(buildDir: string, places: Places, world: World): Promise<Failure | undefined> {
  const stack = world.env['STACK'] ?? '';
  if (stack === '') return stackMissing;
  const { checkStack } = await import('../../plugins/shared/archives/stack-check.js');
  const wrongStack = checkStack(stack);
  if (wrongStack !== undefined) return wrongStack;
  const python = `${buildDir}/${places.vendorDir}/python/bin/python`;
  const isThere = lstatSync(python, { throwIfNoEntry: false }) !== undefined;
  // Only the `export` of an earlier Python buildpack can have set PYTHONHOME.
  return isThere && world.env['PYTHONHOME'] !== undefined ? hasRunBefore : undefined;
}

interface Build {
  readonly folders: BuildFolders;
  /** Absolute. */
  readonly buildDir: string;
  readonly cache: AppCache;
  readonly places: Places;
  readonly world: World;
}

function requestOf({ folders, buildDir, cache, places, world }: Build): RunRequest {
  const { pipelineFile, sandbox, sharedCache } = places;
  const envDir = folders.envDir === undefined ? undefined : resolve(world.cwd, folders.envDir);
  // A platform without variables for the app may pass a folder that does not exist.
  const hasEnvDir = envDir !== undefined && statSync(envDir, { throwIfNoEntry: false })?.isDirectory() === true;
  return {
    pipelineFile,
    appDir: buildDir,
    outDir: buildDir,
    oneTime: true,
    force: false,
    cacheDir: cache.storeDir,
    appId: cache.appId,
    params: { ...places.params, stack: world.env['STACK'] ?? '' },
    ...(hasEnvDir ? { envDir } : {}),
    variables: variablesOf(world.env, folders.isTest === true),
    searchPaths: searchPathsOf(world.env, buildDir),
    only: [],
    refresh: [],
    keepGoing: false,
    mode: folders.isTest === true ? 'test' : 'build',
    sandbox,
    settings: {
      ...(sharedCache === undefined ? { CACHE_MAX_BYTES: OWN_CACHE_BYTES } : {}),
      ...places.settings,
    },
    passThrough: passThroughOf(world.env),
    ...(places.policyFile === undefined ? {} : { policyFile: places.policyFile }),
    ...(places.remote === undefined ? {} : { remote: places.remote }),
    signal: world.onInterrupt().signal,
  };
}

function reportRefusal(refusal: Refusal, request: RunRequest, startedAt: number, world: World): RunReport {
  if (refusal.type === 'failure') shoutFailure(refusal.failure, world);
  else printRefusal(refusal, world);
  return reportOfRefusal(request, refusal, startedAt, world.now());
}

function finish({ buildDir, cache, places, world }: Build, report: RunReport): void {
  const { python_version: version, package_manager: manager } = report.buildData;
  cache.keepVersion(typeof version === 'string' ? version : undefined);
  const isExported = writeExport(places, { buildDir, report, cacheDir: cache.storeDir });
  if (!isExported) {
    shout('warning', ['pyflow could not write the file `export`, so later buildpacks will not find Python.'], world);
  }
  if (typeof manager === 'string' && manager !== 'uv') shout('notice', UV_ADVICE, world);
}

/** The variables with which the platform's old buildpack turned on traces. */
const isVerbose = ({ env }: World): boolean => env['BUILDPACK_XTRACE'] === '1' || (env['BUILDPACK_DEBUG'] ?? '') !== '';

const UV_ADVICE = [
  'Tip: uv is a fast package manager for Python apps.',
  'It locks every dependency and also manages Python versions.',
  'To migrate, see https://docs.astral.sh/uv/guides/migration/',
];

const stackMissing: Failure = {
  code: 'buildpack::stack-missing',
  blame: 'pipeline',
  title: 'The variable STACK is not set',
  detail: 'It names the base image that the app will run on.',
  remedy: 'Set it for bin/compile, for example STACK=scalingo-24.',
};

const hasRunBefore: Failure = {
  code: 'checks::duplicate-python-buildpack',
  blame: 'app',
  title: 'The Python buildpack has already run in this build',
  detail: 'The app lists it more than once, and the second run would overwrite the first.',
  remedy: 'Remove the duplicate from the buildpacks of the app.',
};
