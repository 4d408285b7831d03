// Opens the remote cache of a run. The gRPC library is loaded when the first node asks.

import { succeed, type Failure, type Result } from '../failure.js';
import type { RunRequest } from '../request.js';
import type { OpenTransport } from './connection.js';
import { RemoteCache, type RemoteCacheOptions } from './remote-cache.js';
import { readRemoteSettings, type RemoteSettings } from './settings.js';

/** Undefined if the request names no server. */
export async function openRemote(
  { remote, appDir, signal }: RunRequest,
  { version, ...options }: Pick<RemoteCacheOptions, 'clock' | 'onNotice'> & { readonly version: string },
): Promise<Result<RemoteCache | undefined, Failure>> {
  if (remote === undefined) return succeed(undefined);
  const settings = await readRemoteSettings(remote, { appDir });
  if (!settings.ok) return settings;
  return succeed(new RemoteCache({ ...options, settings: settings.value, signal, open: once(grpcTransport(version)) }));
}

export const grpcTransport =
  (version: string): OpenTransport =>
  async ({ url, instance, tls, headers }: RemoteSettings) => {
    const { openGrpc } = await import('./grpc-transport.js');
    return openGrpc({ url, instance, tls, headers, version });
  };

/** The cache and the executor of a run use one connection. */
function once(open: OpenTransport): OpenTransport {
  let opening: ReturnType<OpenTransport> | undefined;
  return (settings) => (opening ??= open(settings));
}
