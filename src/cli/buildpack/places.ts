// What the operator settles for all builds of the adapter: the pipeline, its params, the cache. By `PYFLOW_*` variables,
// since the classic API leaves no room for options.

import { resolve } from 'node:path';
import type { RunRequest } from '../../engine/request.js';
import { succeed, type Result } from '../../engine/failure.js';
import { wrongUsage, type UsageProblem } from '../command.js';
import { APP_ID_FORM, isAppId, settingsOf } from '../run-options.js';
import type { World } from '../world.js';

export interface Places {
  /** The folder of the buildpack. */
  readonly home: string;
  readonly pipelineFile: string;
  readonly params: Readonly<Record<string, string>>;
  /** Of the slug, for the Python in it. */
  readonly vendorDir: string;
  /** Of the app, for the files of the project. */
  readonly root: string;
  /** Shared by the apps of this machine; absent: each app has its own in CACHE_DIR. */
  readonly sharedCache?: string;
  readonly appId?: string;
  readonly sandbox: RunRequest['sandbox'];
  readonly settings: Readonly<Record<string, string>>;
}

export function placesOf(home: string, world: World): Result<Places, UsageProblem> {
  const settings = settingsOf(world);
  if (!settings.ok) return settings;
  const set = (name: string): string | undefined => settings.value[name] || undefined;
  const params: Record<string, string> = {};
  for (const line of (set('PARAMS') ?? '').split('\n')) {
    const entry = line.trim();
    const cut = entry.indexOf('=');
    if (entry === '') continue;
    if (cut <= 0)
      return wrongUsage(`PYFLOW_PARAMS has a line that is no param: "${entry}".`, 'Write NAME=VALUE, one a line.');
    params[entry.slice(0, cut)] = entry.slice(cut + 1);
  }
  const sandbox = set('SANDBOX') ?? 'auto';
  if (sandbox !== 'auto' && sandbox !== 'required' && sandbox !== 'none') {
    return wrongUsage(`"${sandbox}" is no value of PYFLOW_SANDBOX.`, 'It takes one of: auto, required, none.');
  }
  const appId = set('APP_ID');
  if (appId !== undefined && !isAppId(appId)) {
    return wrongUsage(`"${appId}" in PYFLOW_APP_ID is no app id.`, APP_ID_FORM);
  }
  const sharedCache = set('CACHE_DIR');
  return succeed({
    home,
    pipelineFile: resolve(world.cwd, set('PIPELINE') ?? `${home}/../pipelines/python.yml`),
    params,
    vendorDir: params['vendorDir'] ?? '.scalingo',
    root: params['root'] ?? '.',
    ...(sharedCache === undefined ? {} : { sharedCache: resolve(world.cwd, sharedCache) }),
    ...(appId === undefined ? {} : { appId }),
    sandbox,
    settings: settings.value,
  });
}
