// Tries a server as a run would use it, for `pyflow cache remote status`.

import { fail, succeed, type Failure, type Result } from '../failure.js';
import { digestOf, EMPTY_DIGEST, type ActionKey } from '../files/digest.js';
import { encodeAction, encodeCommand } from '../trees/reapi.js';
import { encodeActionResult } from '../trees/reapi-result.js';
import { CAPABILITIES_MS, type OpenTransport } from './connection.js';
import type { RemoteSettings } from './settings.js';
import { RemoteError, type CallLimits, type RemoteCapabilities, type RemoteTransport } from './transport.js';
import { unreachable } from './remote-words.js';

export interface ServerCheck {
  readonly url: string;
  readonly instance: string;
  readonly capabilities: RemoteCapabilities;
  /** Median time of a small call, in milliseconds. */
  readonly latencyMs: number;
  /** Absent if the settings don't ask for writing. */
  readonly write?: { readonly works: true } | { readonly works: false; readonly why: string };
}

const PINGS = 5;
const WRITE_MS = 5000;

/** Fails if the server can't be used for reading. */
export async function checkServer(
  settings: RemoteSettings,
  open: OpenTransport,
  signal: AbortSignal,
): Promise<Result<ServerCheck, Failure>> {
  let transport: RemoteTransport | undefined;
  try {
    transport = await open(settings);
    const capabilities = await transport.capabilities({ signal, deadlineMs: CAPABILITIES_MS });
    if (!capabilities.cache) return fail(unreachable(settings.url, 'The server has no cache for SHA-256.'));
    const latencyMs = await latencyOf(transport, { signal, deadlineMs: CAPABILITIES_MS });
    const { url, instance } = settings;
    const write = settings.write ? { write: await tryWriting(transport, signal) } : {};
    return succeed({ url, instance, capabilities, latencyMs, ...write });
  } catch (error) {
    if (error instanceof RemoteError) return fail(unreachable(settings.url, error.message));
    throw error;
  } finally {
    transport?.close();
  }
}

/** Asks for blobs, because servers can demand credentials for that and not for their capabilities. */
async function latencyOf(transport: RemoteTransport, limits: CallLimits): Promise<number> {
  const blob = digestOf('pyflow cache remote status\n');
  const times: number[] = [];
  for (let count = 0; count < PINGS; count++) {
    const since = performance.now();
    await transport.findMissing([blob], limits);
    times.push(performance.now() - since);
  }
  return times.sort((a, b) => a - b)[Math.floor(PINGS / 2)]!;
}

/** Writes the result of an action that no run ever asks for. */
async function tryWriting(transport: RemoteTransport, signal: AbortSignal): Promise<NonNullable<ServerCheck['write']>> {
  const command = encodeCommand({ arguments: ['pyflow-status'], environment: [], outputPaths: [] });
  const action = encodeAction({ command: digestOf(command), inputRoot: EMPTY_DIGEST });
  const result = { outputFiles: [], outputDirectories: [], outputSymlinks: [], exitCode: 0 };
  const limits = { signal, deadlineMs: WRITE_MS };
  try {
    const blobs = [command, action].map((bytes) => ({ digest: digestOf(bytes), bytes }));
    const [refused] = (await transport.writeBatch(blobs, limits)).values();
    if (refused !== undefined) return { works: false, why: refused.message };
    const encoded = encodeActionResult({ ...result, metadata: { worker: 'pyflow' } });
    await transport.putResult(digestOf(action) as ActionKey, encoded, limits);
    return { works: true };
  } catch (error) {
    if (error instanceof RemoteError) return { works: false, why: error.message };
    throw error;
  }
}
