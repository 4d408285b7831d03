// One request over http or https, directly or through the operator's proxy, up to the head of the answer. Distinguishes a
// host that is unreachable from one that answers badly.

import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

interface ExchangeOptions {
  /** Proxy variables as the operator set them. Only proxies that use plain http themselves are supported. */
  readonly proxies: Readonly<Record<string, string>>;
  /** For the connection, TLS included. */
  readonly connectTimeoutMs: number;
  /** The connection is given up if no byte arrives for this long, also while the body is read, or no complete head. */
  readonly stallTimeoutMs: number;
  readonly signal: AbortSignal;
}

export type Exchange =
  | { readonly type: 'answered'; readonly response: IncomingMessage; readonly isStalled: () => boolean }
  /** The proxy refused to connect. */
  | { readonly type: 'proxy-answered'; readonly status: number }
  | { readonly type: 'unreachable'; readonly why: string }
  | { readonly type: 'broken' }
  | { readonly type: 'stalled' };

/** The host and port that a request for this URL connects to: the server's, or those of the proxy before it. */
export function peerOf(url: URL, proxies: Readonly<Record<string, string>>): string {
  const peer = proxyFor(url, proxies) ?? url;
  return `${peer.hostname}:${portOf(peer)}`;
}

/** Rejects only if memory or descriptors run out. After an abort, ignore the result. */
export async function exchange(url: URL, options: ExchangeOptions): Promise<Exchange> {
  const proxy = proxyFor(url, options.proxies);
  const opened = await openSocket(proxy ?? url, url, proxy, options);
  if (!(opened instanceof Object && 'socket' in opened)) return opened;
  const { socket } = opened;

  let isStalled = false;
  const stall = (): void => {
    isStalled = true;
    socket.destroy();
  };
  socket.setTimeout(options.stallTimeoutMs, stall);
  // A head that arrives byte by byte never triggers the timeout of the socket.
  const headTimer = setTimeout(stall, options.stallTimeoutMs);
  const viaProxy = proxy !== undefined && url.protocol === 'http:';
  return new Promise((resolve) => {
    const request = httpRequest({
      createConnection: () => socket,
      path: viaProxy ? `http://${url.host}${url.pathname}${url.search}` : `${url.pathname}${url.search}`,
      headers: {
        host: url.host,
        'user-agent': 'pyflow',
        accept: '*/*',
        // The digest is that of the file, not of a compressed copy.
        'accept-encoding': 'identity',
        ...authorization('authorization', url),
        ...(viaProxy ? authorization('proxy-authorization', proxy) : {}),
      },
    });
    request.on('error', () => {
      clearTimeout(headTimer);
      resolve({ type: isStalled ? 'stalled' : 'broken' });
    });
    request.on('response', (response) => {
      clearTimeout(headTimer);
      // Until the body is read, nothing else listens for its errors.
      response.on('error', () => {});
      resolve({ type: 'answered', response, isStalled: () => isStalled });
    });
    request.end();
  });
}

/** A socket on which a request to the server of `url` can be written: connected, tunnelled, encrypted. */
async function openSocket(
  peer: URL,
  url: URL,
  proxy: URL | undefined,
  { connectTimeoutMs, signal }: ExchangeOptions,
): Promise<{ readonly socket: Socket } | Exchange> {
  let socket: Socket = connect({ host: bareHost(peer), port: portOf(peer) });
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    socket.destroy();
  }, connectTimeoutMs);
  const abort = (): void => void socket.destroy();
  signal.addEventListener('abort', abort, { once: true });
  socket.once('close', () => signal.removeEventListener('abort', abort));
  try {
    await settled(socket, 'connect');
    if (url.protocol === 'https:') {
      if (proxy !== undefined) {
        const status = await openTunnel(socket, url, proxy);
        if (status !== 200) {
          socket.destroy();
          return { type: 'proxy-answered', status };
        }
      }
      const host = bareHost(url);
      const encrypted = connectTls({
        socket,
        host,
        ...(isIP(host) === 0 ? { servername: host } : {}),
        ALPNProtocols: ['http/1.1'],
      });
      socket = encrypted;
      await settled(encrypted, 'secureConnect');
    }
    return { socket };
  } catch (error) {
    socket.destroy();
    if (isOwnShortage(error)) throw error;
    return {
      type: 'unreachable',
      why: timedOut ? `It accepted no connection within ${connectTimeoutMs} ms.` : describeConnectError(error),
    };
  } finally {
    clearTimeout(timer);
  }
}

/** Waits for an event that means success; an error or the end of the socket means failure. */
function settled(socket: Socket, event: 'connect' | 'secureConnect'): Promise<void> {
  return new Promise((resolve, reject) => {
    // This listener stays, since an error without a listener would end the process.
    socket.on('error', reject);
    socket.once('close', () => reject(new Error('The connection was closed before it was established.')));
    socket.once(event, () => resolve());
  });
}

/** On a socket that is connected to the proxy. Returns the status of the answer: the tunnel is open after 200. */
export function openTunnel(socket: Socket, url: URL, proxy: URL): Promise<number> {
  return new Promise((resolve, reject) => {
    const target = `${url.hostname}:${portOf(url)}`;
    const request = httpRequest({
      createConnection: () => socket,
      method: 'CONNECT',
      path: target,
      headers: { host: target, ...authorization('proxy-authorization', proxy) },
    });
    request.on('error', reject);
    request.on('connect', (response) => resolve(response.statusCode ?? 0));
    request.end();
  });
}

/** Errors about this process that say nothing about the host. */
const isOwnShortage = (error: unknown): boolean =>
  ['EMFILE', 'ENFILE', 'ENOMEM', 'ENOBUFS'].includes((error as NodeJS.ErrnoException).code ?? '');

function describeConnectError(error: unknown): string {
  const { code, message, errors } = error as NodeJS.ErrnoException & { readonly errors?: readonly Error[] };
  if (code === 'ECONNREFUSED') return 'The connection was refused.';
  if (code === 'ENOTFOUND') return 'The host name is unknown.';
  if (code === 'EAI_AGAIN') return 'The host name could not be resolved.';
  if (code === 'EHOSTUNREACH' || code === 'ENETUNREACH') return 'There is no route to the host.';
  // For a host with several addresses, one error contains those of all addresses.
  return `${message || errors?.[0]?.message || code || 'The connection failed'}.`.replace(/\.\.$/, '.');
}

const bareHost = (url: URL): string => url.hostname.replace(/^\[|\]$/g, '');
const portOf = (url: URL): number => Number(url.port || (url.protocol === 'https:' ? 443 : 80));

function authorization(header: string, url: URL): Readonly<Record<string, string>> {
  if (url.username === '' && url.password === '') return {};
  const credentials = `${decode(url.username)}:${decode(url.password)}`;
  return { [header]: `Basic ${Buffer.from(credentials).toString('base64')}` };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The operator's proxy for a URL; undefined if there is none, or one that is not supported. */
export function proxyFor(url: URL, proxies: Readonly<Record<string, string>>): URL | undefined {
  const scheme = url.protocol.slice(0, -1);
  const named = ['https', 'http'].includes(scheme) ? [`${scheme}_proxy`, 'all_proxy'] : [];
  const value = named.flatMap((name) => [proxies[name], proxies[name.toUpperCase()]]).find((text) => text);
  if (value === undefined || isExempt(url, proxies['no_proxy'] || proxies['NO_PROXY'] || '')) return undefined;
  try {
    const proxy = new URL(value.includes('://') ? value : `http://${value}`);
    return proxy.protocol === 'http:' ? proxy : undefined;
  } catch {
    return undefined;
  }
}

/** The list holds `*`, `host`, `.domain` or `domain` (with subdomains), each with an optional port. */
function isExempt(url: URL, list: string): boolean {
  return list.split(/[\s,]+/).some((entry) => {
    const [, name = '', port] = /^\*?\.?(.*?)(?::(\d+))?$/.exec(entry.toLowerCase()) ?? [];
    if (entry === '*') return true;
    if (name === '' || (port !== undefined && Number(port) !== portOf(url))) return false;
    return bareHost(url) === name.replace(/^\[|\]$/g, '') || url.hostname.endsWith(`.${name}`);
  });
}
