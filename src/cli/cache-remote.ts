// `pyflow cache remote status`: checks the server of the remote cache and says what it can do.

import { EXIT_STATUS } from '../engine/failure.js';
import { formatBytes } from '../engine/render/messages.js';
import { grpcTransport } from '../engine/remote/open.js';
import { checkServer, type ServerCheck } from '../engine/remote/server-check.js';
import { readRemoteSettings, type RemoteSettings } from '../engine/remote/settings.js';
import { cleanText } from '../engine/files/clean-text.js';
import { complain, type Given } from './command.js';
import { printJSON } from './print-json.js';
import { printFailure } from './refusal.js';
import { remoteOf } from './remote-options.js';
import type { World } from './world.js';

export async function remote(given: Given, world: World, verb: string): Promise<number> {
  if (verb !== 'status') {
    return complain(world, {
      message: `pyflow cache remote has no subcommand "${verb}".`,
      remedy: 'Write `pyflow cache remote status`.',
    });
  }
  const named = remoteOf(world, given);
  if (!named.ok) return complain(world, named.failure);
  if (named.value === undefined) {
    const remedy = 'Name one with --remote URL, PYFLOW_REMOTE or a settings file.';
    return complain(world, { message: 'There is no remote cache to check.', remedy });
  }
  // The rule that the file must not be in the app is for runs, and there is no app here.
  const settings = await readRemoteSettings(named.value, {});
  if (!settings.ok) return printFailure(settings.failure, world);
  const checked = await checkServer(settings.value, grpcTransport(world.version), world.onInterrupt().signal);
  if (!checked.ok) return printFailure(checked.failure, world);
  if (given.flag('json')) printJSON(checked.value, world);
  else world.stdout.write(`${linesOf(checked.value, settings.value).join('\n')}\n`);
  return checked.value.write?.works === false ? EXIT_STATUS.environment : 0;
}

function linesOf({ url, instance, capabilities, latencyMs, write }: ServerCheck, settings: RemoteSettings): string[] {
  const { lowVersion, highVersion, maxBatchBytes, maxBlobBytes, executes } = capabilities;
  const versions = highVersion === undefined ? 'unknown' : `${lowVersion ?? highVersion} to ${highVersion}`;
  const limits = [
    ...(maxBatchBytes === undefined ? [] : [`batches up to ${formatBytes(maxBatchBytes)}`]),
    ...(maxBlobBytes === undefined ? [] : [`blobs up to ${formatBytes(maxBlobBytes)}`]),
  ];
  return [
    `Server:    ${cleanText(url)}${instance === '' ? '' : `, instance ${cleanText(instance)}`}`,
    `API:       ${versions}`,
    `Latency:   ${latencyMs.toFixed(1)} ms`,
    'Reading:   works',
    `Writing:   ${writing(write)}`,
    `Execution: ${executes ? 'offered' : 'not offered'}`,
    `Limits:    ${limits.length === 0 ? 'none named' : limits.join(', ')}`,
    `Results:   ${trust(settings)}`,
  ];
}

function writing(write: ServerCheck['write']): string {
  if (write === undefined) return 'not tried, because this machine only reads (--remote-write tries it)';
  return write.works ? 'works' : `refused (${cleanText(write.why)})`;
}

function trust({ trust: keys, sign, scopes }: RemoteSettings): string {
  const believed = keys.length === 0 ? 'any result counts' : 'only signed results count';
  const own = sign === undefined ? [] : ['uploads are signed'];
  const sets = scopes.length > 1 ? [`${scopes.length} sets are read`] : [];
  return [believed, ...own, ...sets].join('; ');
}
