// A connection to a host that the gateway doesn't answer for, through the operator's proxy if there is one.

import { connect, type Socket } from 'node:net';
import { openTunnel, proxyFor } from '../services/http-exchange.js';

interface Target {
  /** A name or an address; IPv6 in brackets. */
  readonly host: string;
  readonly port: number;
}

const TIMEOUT_MS = 60_000;

/** Rejects if the host or the proxy can't be reached, or the proxy refuses. */
export async function tunnelTo(
  { host, port }: Target,
  proxies: Readonly<Record<string, string>>,
  watch: (socket: Socket) => void,
): Promise<Socket> {
  const url = new URL(`https://${host}:${port}`);
  const proxy = proxyFor(url, proxies);
  const peer = proxy ?? url;
  const socket = connect({
    host: peer.hostname.replace(/^\[|\]$/g, ''),
    port: Number(peer.port || (peer.protocol === 'https:' ? 443 : 80)),
  });
  watch(socket);
  socket.setTimeout(TIMEOUT_MS, () => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed')));
  });
  if (proxy === undefined) return socket;
  const status = await openTunnel(socket, url, proxy);
  if (status === 200) return socket;
  socket.destroy();
  throw new Error(`the proxy answered ${status}`);
}
