// The operator's settings for all builds of the buildpack: the pipeline, its params, the cache. They are `PYFLOW_*`
// variables, because the classic API has no options.

import { resolve } from 'node:path';
import type { RemoteRequest, RunRequest } from '../../engine/request.js';
import { succeed, type Result } from '../../engine/failure.js';
import { wrongUsage, type UsageProblem } from '../command.js';
import { policyFileOf } from '../policy-options.js';
import { remoteOf } from '../remote-options.js';
import { APP_ID_FORM, isAppId, settingsOf } from '../run-options.js';
import type { World } from '../world.js';

export interface Places {
  /** The folder of the buildpack. */
  readonly home: string;
  readonly pipelineFile: string;
  readonly params: Readonly<Record<string, string>>;
  /** Folder of the slug that contains Python. */
  readonly vendorDir: string;
  /** Folder of the app that contains the project. */
  readonly root: string;
  /** Shared by the apps of this machine. If absent, each app has its own in CACHE_DIR. */
  readonly sharedCache?: string;
  readonly appId?: string;
  readonly sandbox: RunRequest['sandbox'];
  readonly settings: Readonly<Record<string, string>>;
  readonly remote?: RemoteRequest;
  readonly policyFile?: string;
}

export function placesOf(home: string, world: World): Result<Places, UsageProblem> {
  const settings = settingsOf(world);
  if (!settings.ok) return settings;
  const remote = remoteOf(world);
  if (!remote.ok) return remote;
  const policyFile = policyFileOf({ value: () => undefined }, world);
  if (!policyFile.ok) return policyFile;
  const set = (name: string): string | undefined => settings.value[name] || undefined;
  const params: Record<string, string> = {};
  for (const line of (set('PARAMS') ?? '').split('\n')) {
    const entry = line.trim();
    const cut = entry.indexOf('=');
    if (entry === '') continue;
    if (cut <= 0)
      return wrongUsage(`PYFLOW_PARAMS does not accept the line "${entry}".`, 'Write one NAME=VALUE per line.');
    params[entry.slice(0, cut)] = entry.slice(cut + 1);
  }
  const sandbox = set('SANDBOX') ?? 'auto';
  if (sandbox !== 'auto' && sandbox !== 'required' && sandbox !== 'none') {
    return wrongUsage(`PYFLOW_SANDBOX does not accept "${sandbox}".`, 'Use one of: auto, required, none.');
  }
  const appId = set('APP_ID');
  if (appId !== undefined && !isAppId(appId)) {
    return wrongUsage(`PYFLOW_APP_ID does not accept "${appId}".`, APP_ID_FORM);
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
    ...(policyFile.value === undefined ? {} : { policyFile: policyFile.value }),
    ...(remote.value === undefined ? {} : { remote: remote.value }),
  });
}
