// What a connection needs to know of the address of a server.

import { isLoopback } from './address-rules.js';

export interface RemoteAddress {
  /** As gRPC names it: `dns:HOST:PORT` or `unix:PATH`. */
  readonly target: string;
  readonly tls: boolean;
  /** This machine: loopback or a unix socket. */
  readonly isLocal: boolean;
}

/** `url` has passed `checkAddress`. */
export function addressOf(url: string): RemoteAddress {
  const path = /^unix:(?:\/\/)?(\/.*)$/.exec(url)?.[1];
  if (path !== undefined) return { target: `unix:${path}`, tls: false, isLocal: true };
  const [, scheme, host = '', port] = /^(grpcs?):\/\/(\[[^\]]*\]|[^:/]*)(?::(\d+))?\/?$/i.exec(url) ?? [];
  const tls = scheme?.toLowerCase() === 'grpcs';
  return { target: `dns:${host}:${port ?? (tls ? 443 : 80)}`, tls, isLocal: isLoopback(host) };
}
