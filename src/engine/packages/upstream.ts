// Requests of the package gateway to indexes: through the operator's proxy, with kept connections, redirects and time limits.

import { readFileSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { createSecureContext, rootCertificates } from 'node:tls';
import { isIP } from 'node:net';
import { CERTIFICATE_VARIABLES } from '../process/certificate-variables.js';
import type * as LibrariesModule from './libraries.js';
import type { Dispatcher } from './libraries.js';
import { isForbiddenAddress, OwnAddresses } from './own-addresses.js';

type Libraries = typeof LibrariesModule;

/** Why an index gave no answer. */
export interface Trouble {
  /** `forbidden`: the address is one of this machine. */
  readonly type: 'unreachable' | 'too-many-redirects' | 'unsafe-redirect' | 'forbidden';
  /** A sentence without secrets. */
  readonly why: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Read it or destroy it. */
  readonly body: Readable;
  /** After redirects. */
  readonly url: URL;
}

export interface AskOptions {
  readonly method?: 'GET' | 'HEAD';
  readonly headers: Readonly<Record<string, string>>;
  /** The value of `authorization` for a URL; undefined if there is none. */
  readonly loginFor: (url: URL) => string | undefined;
  readonly signal: AbortSignal;
}

export interface UpstreamOptions {
  /** Proxy and certificate variables of the operator. */
  readonly passThrough: Readonly<Record<string, string>>;
  readonly connectTimeoutMs?: number;
  readonly stallTimeoutMs?: number;
  /** Ports of this machine that indexes may use. If absent, all may. */
  readonly ownPorts?: readonly number[];
}

const MOST_REDIRECTS = 5;
/** For one index at a time. Package managers ask for up to 50 files at once. */
const CONNECTIONS = 24;
const CONNECT_TIMEOUT_MS = 5000;
const STALL_TIMEOUT_MS = 30_000;
const MOST_HEADER_BYTES = 64 * 1024;

export class Upstream {
  readonly #dispatcher: Dispatcher;
  readonly #own: OwnAddresses | undefined;

  constructor(
    private readonly libraries: Libraries,
    options: UpstreamOptions,
  ) {
    this.#own = options.ownPorts === undefined ? undefined : new OwnAddresses(options.ownPorts);
    this.#dispatcher = dispatcherFor(libraries, options, this.#own);
  }

  async ask(asked: URL, options: AskOptions): Promise<Answer | Trouble> {
    let url = asked;
    for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
      const answer = await this.#askOnce(url, options);
      if ('type' in answer) return answer;
      const location = answer.headers['location'];
      if (![301, 302, 303, 307, 308].includes(answer.status) || location === undefined) return answer;
      answer.body.destroy();
      const next = URL.canParse(location, url.href) ? new URL(location, url) : undefined;
      const isSafe = next?.protocol === 'https:' || (next?.protocol === 'http:' && url.protocol === 'http:');
      if (next === undefined || !isSafe)
        return { type: 'unsafe-redirect', why: `${url.host} redirects to an address that isn't http or https.` };
      url = next;
    }
    return { type: 'too-many-redirects', why: `${asked.host} redirects more than ${MOST_REDIRECTS} times.` };
  }

  async #askOnce(url: URL, { method = 'GET', headers, loginFor, signal }: AskOptions): Promise<Answer | Trouble> {
    if (this.#isForbidden(url)) return forbidden(url);
    const login = loginFor(url);
    const bare = new URL(url);
    bare.username = '';
    bare.password = '';
    bare.hash = '';
    try {
      const {
        statusCode,
        headers: given,
        body,
      } = await this.libraries.request(bare.href, {
        dispatcher: this.#dispatcher,
        method,
        signal,
        headers: {
          'user-agent': 'pyflow',
          ...headers,
          ...(login !== undefined && { authorization: login }),
        },
      });
      // Until the body is read, nothing else listens for its errors.
      body.on('error', () => {});
      const flat = Object.fromEntries(
        Object.entries(given).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : (value ?? '')]),
      );
      return { status: statusCode, headers: flat, body, url: bare };
    } catch (error) {
      signal.throwIfAborted();
      if (isForbiddenAddress(error)) return forbidden(url);
      return { type: 'unreachable', why: `${url.host}: ${reasonOf(error)}` };
    }
  }

  /** Nothing looks up an address that is written in a URL. */
  #isForbidden(url: URL): boolean {
    const host = url.hostname.replace(/^\[|\]$/g, '');
    return isIP(host) !== 0 && this.#own?.forbids(host, portOf(url)) === true;
  }

  close(): Promise<void> {
    return this.#dispatcher.destroy();
  }
}

const portOf = ({ port, protocol }: URL): number => Number(port || (protocol === 'https:' ? 443 : 80));

const forbidden = (url: URL): Trouble => ({
  type: 'forbidden',
  why: `${url.host} is an address of the machine that builds.`,
});

function dispatcherFor(libraries: Libraries, options: UpstreamOptions, own: OwnAddresses | undefined): Dispatcher {
  const { passThrough, connectTimeoutMs = CONNECT_TIMEOUT_MS, stallTimeoutMs = STALL_TIMEOUT_MS } = options;
  const ca = certificatesOf(passThrough);
  // Reading hundreds of certificates takes 30 ms, so it must not happen for each connection.
  const secureContext = ca === undefined ? undefined : createSecureContext({ ca });
  const connect = { timeout: connectTimeoutMs, ...(secureContext !== undefined && { secureContext }) };
  const common = {
    connections: CONNECTIONS,
    headersTimeout: stallTimeoutMs,
    bodyTimeout: stallTimeoutMs,
    maxHeaderSize: MOST_HEADER_BYTES,
    connect,
  };
  const proxies = {
    httpProxy: proxyOf(passThrough, 'http_proxy'),
    httpsProxy: proxyOf(passThrough, 'https_proxy'),
    noProxy: passThrough['no_proxy'] ?? passThrough['NO_PROXY'] ?? '',
  };
  if (proxies.httpProxy === '' && proxies.httpsProxy === '') {
    if (own === undefined) return new libraries.Agent(common);
    return new libraries.Agent({ ...common, connect: connectorFor(libraries, connect, own) });
  }
  return new libraries.EnvHttpProxyAgent({ ...common, ...proxies, requestTls: connect });
}

/** Through an operator's proxy, the proxy looks names up and decides. */
function connectorFor(
  { buildConnector }: Libraries,
  connect: Parameters<Libraries['buildConnector']>[0],
  own: OwnAddresses,
): ReturnType<Libraries['buildConnector']> {
  const byPort = new Map<number, ReturnType<Libraries['buildConnector']>>();
  return (options, callback) => {
    const port = Number(options.port || (options.protocol === 'https:' ? 443 : 80));
    let connector = byPort.get(port);
    if (connector === undefined)
      byPort.set(port, (connector = buildConnector({ ...connect, lookup: own.lookupFor(port) })));
    connector(options, callback);
  };
}

/** An http URL, or an empty text. Other kinds of proxies are not supported, as for downloads. */
function proxyOf(variables: Readonly<Record<string, string>>, name: string): string {
  const value =
    [name, 'all_proxy'].flatMap((one) => [variables[one], variables[one.toUpperCase()]]).find(Boolean) ?? '';
  const url = value === '' || value.includes('://') ? value : `http://${value}`;
  return url.startsWith('http://') && URL.canParse(url) ? url : '';
}

/** Undefined if Node's own are enough. Package managers without the gateway would trust these files. */
function certificatesOf(variables: Readonly<Record<string, string>>): string[] | undefined {
  const files = new Set(CERTIFICATE_VARIABLES.map((name) => variables[name] ?? '').filter((path) => path !== ''));
  const given = [...files].flatMap((path) => {
    try {
      return [readFileSync(path, 'utf8')];
    } catch {
      return [];
    }
  });
  return given.length === 0 ? undefined : [...rootCertificates, ...given];
}

/** The text of a system error names addresses, but nothing secret. */
function reasonOf(error: unknown): string {
  const { code, message, cause } = error as NodeJS.ErrnoException & { readonly cause?: NodeJS.ErrnoException };
  const known: Readonly<Record<string, string>> = {
    ECONNREFUSED: 'The connection was refused.',
    ENOTFOUND: 'The host name is unknown.',
    EAI_AGAIN: 'The host name could not be resolved.',
    EHOSTUNREACH: 'There is no route to the host.',
    ENETUNREACH: 'There is no route to the host.',
    UND_ERR_CONNECT_TIMEOUT: 'It accepted no connection in time.',
    UND_ERR_HEADERS_TIMEOUT: 'It stopped answering.',
    UND_ERR_BODY_TIMEOUT: 'It stopped sending.',
    UND_ERR_SOCKET: 'It closed the connection.',
    ECONNRESET: 'It closed the connection.',
  };
  const name = code ?? cause?.code ?? '';
  return known[name] ?? `The connection failed (${name || message.slice(0, 200)}).`;
}
