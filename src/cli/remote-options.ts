// The options and variables that name a remote cache. The engine reads and checks the settings when a run needs them.

import { resolve } from 'node:path';
import { succeed, type Result } from '../engine/failure.js';
import type { RemoteRequest } from '../engine/request.js';
import { EMPTY_VALUE, wrongUsage, type Given, type Option, type UsageProblem } from './command.js';
import type { World } from './world.js';

export const REMOTE_OPTIONS: readonly Option[] = [
  {
    name: 'remote',
    value: 'URL',
    summary: 'Remote cache, such as grpcs://cache.example:443 (default: $PYFLOW_REMOTE)',
  },
  { name: 'remote-write', summary: 'Also upload results to the remote cache; without it, pyflow only reads' },
  {
    name: 'remote-settings',
    value: 'FILE',
    summary: 'YAML or JSON file with more settings of the remote cache (default: $PYFLOW_REMOTE_SETTINGS)',
  },
];

export const isOfRemote = (variable: string): boolean => /^PYFLOW_REMOTE(_|$)/.test(variable);

const NONE: Pick<Given, 'value' | 'flag'> = { value: () => undefined, flag: () => false };

/** Undefined if there is no remote cache. Without `given`, only the environment counts. */
export function remoteOf(
  { env, cwd }: Pick<World, 'env' | 'cwd'>,
  given: Pick<Given, 'value' | 'flag'> = NONE,
): Result<RemoteRequest | undefined, UsageProblem> {
  for (const [name, what] of [
    ['remote', 'an address'],
    ['remote-settings', 'a file'],
  ] as const) {
    if (given.value(name) === '') return wrongUsage(`--${name} needs ${what}.`, EMPTY_VALUE);
  }
  const write = switchOf(env, 'PYFLOW_REMOTE_WRITE');
  if (!write.ok) return write;
  const execute = switchOf(env, 'PYFLOW_REMOTE_EXECUTE');
  if (!execute.ok) return execute;
  const url = given.value('remote') ?? (env['PYFLOW_REMOTE'] || undefined);
  const file = given.value('remote-settings') ?? (env['PYFLOW_REMOTE_SETTINGS'] || undefined);
  if (url === undefined && file === undefined) {
    if (given.flag('remote-write')) return wrongUsage('--remote-write needs a remote cache.', NAME_ONE);
    // An empty PYFLOW_REMOTE turns the remote cache off for one command, beside other variables that stay.
    const asked =
      env['PYFLOW_REMOTE'] === '' ? undefined : write.value ? 'WRITE' : execute.value ? 'EXECUTE' : undefined;
    return asked === undefined
      ? succeed(undefined)
      : wrongUsage(`PYFLOW_REMOTE_${asked} needs a remote cache.`, NAME_ONE);
  }
  return succeed({
    ...(url === undefined ? {} : { url }),
    ...(file === undefined ? {} : { settingsFile: resolve(cwd, file) }),
    write: given.flag('remote-write') || write.value,
    execute: execute.value,
    env,
  });
}

const NAME_ONE = 'Name it with --remote URL or PYFLOW_REMOTE.';

function switchOf(env: World['env'], name: string): Result<boolean, UsageProblem> {
  const value = env[name] ?? '';
  if (value === '' || value === '0' || value === '1') return succeed(value === '1');
  return wrongUsage(`${name} does not accept "${value}".`, 'Write 1 to turn it on, or remove the variable.');
}
