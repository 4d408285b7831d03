// The package gateway of a run: a proxy that package managers use, and that alone talks to indexes. It ends TLS for the hosts of
// indexes, with certificates of an authority that only the managers of this run trust.

import { randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { isIP, type AddressInfo, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { Answers, type AnswerParts, type Gatekeeper, type PagesOf } from './answers.js';
import { Authority } from './authority.js';
import { FileOrigins } from './file-origins.js';
import { IndexPages } from './index-pages.js';
import { StandIns } from './logins.js';
import { PackageFiles } from './package-files.js';
import type { PackageRecord } from './records.js';
import { Session, type PackagePlan } from './session.js';
import { tunnelTo } from './tunnel.js';
import { Upstream } from './upstream.js';

export interface GatewayOptions {
  readonly cacheDir: string;
  /** Proxy and certificate variables of the operator. */
  readonly passThrough: Readonly<Record<string, string>>;
  /** Where the socket for sandboxes without a network is made. */
  readonly socketDir: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Ports of this machine that indexes may use, because the operator named them. If absent, all may. */
  readonly ownPorts?: readonly number[];
  /** Decides what passes; undefined if everything does. */
  readonly gatekeeperFor?: (session: Session, pagesOf: PagesOf) => Gatekeeper | undefined;
}

/** For one download. Larger packages than this are not known. */
const MOST_BYTES = 16 * 1024 ** 3;
/** Requests of one session that are answered at the same time; others wait. A command that reads nothing delays its own node only. */
const AT_ONCE = 64;

interface GatewayParts {
  readonly tcp: Server;
  readonly local: Server;
  readonly socketPath: string;
  readonly authority: Authority;
  readonly parts: AnswerParts;
  readonly gatekeeperFor: GatewayOptions['gatekeeperFor'];
  readonly passThrough: GatewayOptions['passThrough'];
}

type Target = { readonly session: Session; readonly answers: Answers; readonly origin: string };

export class PackageGateway {
  readonly #sessions = new Map<string, { readonly session: Session; readonly answers: Answers }>();
  /** Of connections whose TLS ends here. */
  readonly #targets = new WeakMap<Duplex, Target>();
  readonly #sockets = new Set<Duplex>();
  readonly #turns = new WeakMap<Session, { busy: number; readonly waiting: (() => void)[] }>();

  private constructor(private readonly own: GatewayParts) {
    for (const server of [own.tcp, own.local]) {
      server.on('connection', (socket: Socket) => this.#watch(socket));
      server.on('request', (request, response) => void this.#request(request, response));
      server.on('connect', (request: IncomingMessage, socket: Duplex, head: Buffer) =>
        this.#connect(request, socket, head).catch(() => socket.destroy()),
      );
      server.on('clientError', (_, socket) => socket.destroy());
    }
  }

  static async open(options: GatewayOptions): Promise<PackageGateway> {
    const libraries = await import('./libraries.js');
    const { cacheDir, passThrough, socketDir, now, ownPorts } = options;
    const authority = await Authority.create(libraries, now);
    const upstream = new Upstream(libraries, { passThrough, ...(ownPorts !== undefined && { ownPorts }) });
    const files = new PackageFiles({ cacheDir, spareDir: `${socketDir}/packages`, mostBytes: MOST_BYTES });
    const parts: AnswerParts = {
      upstream,
      files,
      pages: new IndexPages(upstream, files, `${cacheDir}/packages/pages`),
      origins: new FileOrigins(`${cacheDir}/packages/origins`),
      standIns: new StandIns(),
    };
    const settings = { maxHeaderSize: 64 * 1024, keepAliveTimeout: 60_000, noDelay: true };
    const [tcp, local] = [createServer(settings), createServer(settings)];
    const socketPath = `${socketDir}/packages-${randomBytes(4).toString('hex')}`;
    await listening(tcp, { host: '127.0.0.1', port: 0 });
    await listening(local, { path: socketPath });
    for (const server of [tcp, local]) server.unref();
    const { gatekeeperFor } = options;
    return new PackageGateway({ tcp, local, socketPath, authority, parts, gatekeeperFor, passThrough });
  }

  /** The socket for sandboxes without a network. */
  get socketPath(): string {
    return this.own.socketPath;
  }

  /** On the loopback of this machine. */
  get port(): number {
    return (this.own.tcp.address() as AddressInfo).port;
  }

  /** The certificate that commands must trust, as PEM. */
  get certificate(): string {
    return this.own.authority.pem;
  }

  /** Bytes of files that this run stored. */
  get bytesStored(): number {
    return this.own.parts.files.bytesStored;
  }

  get standIns(): StandIns {
    return this.own.parts.standIns;
  }

  /** `isOpen`: whether its commands reach other addresses directly. `record`: all that it may have, if that is limited. */
  begin(plan: PackagePlan, isOpen: boolean, record?: PackageRecord): Session {
    const session = new Session(plan, isOpen, record);
    const answers = new Answers(this.own.parts, session, this.own.gatekeeperFor);
    const { gatekeeper } = answers;
    session.explain = (failure) => gatekeeper?.explain?.(failure) ?? failure;
    this.#sessions.set(session.token, { session, answers });
    session.ending.signal.addEventListener('abort', () => this.#sessions.delete(session.token), { once: true });
    return session;
  }

  async close(): Promise<void> {
    for (const { session } of this.#sessions.values()) session.close();
    for (const server of [this.own.tcp, this.own.local]) server.close();
    for (const socket of this.#sockets) socket.destroy();
    await this.own.parts.upstream.close();
  }

  #watch(socket: Duplex): void {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => this.#sockets.delete(socket));
  }

  /** The session whose token a request has. */
  #sessionOf(header: string | undefined) {
    const given = /^Basic +([A-Za-z0-9+/=]+)$/i.exec(header ?? '')?.[1] ?? '';
    const [, token = ''] = Buffer.from(given, 'base64').toString('latin1').split(':');
    for (const [known, found] of this.#sessions) {
      if (known.length === token.length && timingSafeEqual(Buffer.from(known), Buffer.from(token, 'latin1')))
        return found;
    }
    return undefined;
  }

  async #connect(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    this.#watch(socket);
    const found = this.#sessionOf(request.headers['proxy-authorization']);
    if (found === undefined)
      return reply(socket, '407 Proxy Authentication Required', 'Proxy-Authenticate: Basic realm="pyflow"\r\n');
    const target = targetOf(request.url ?? '');
    if (target === undefined) return reply(socket, '400 Bad Request');
    const { host, port } = target;
    const origin = new URL(`https://${host}:${port}`).origin;
    const { session, answers } = found;
    if (!session.answersFor(origin)) {
      if (session.isOpen) return this.#tunnel(target, socket, head);
      session.tell({ type: 'closed', address: port === 443 ? host : `${host}:${port}` });
      return reply(socket, '403 Forbidden');
    }
    const secureContext = await this.own.authority.contextFor(host.replace(/^\[|\]$/g, ''));
    socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
    if (head.length > 0) socket.unshift(head);
    const encrypted = new TLSSocket(socket as Socket, { isServer: true, secureContext, ALPNProtocols: ['http/1.1'] });
    this.#watch(encrypted);
    this.#targets.set(encrypted, { session, answers, origin });
    this.own.tcp.emit('connection', encrypted);
  }

  /** Bytes of another host, which the gateway can't read. */
  async #tunnel(target: { readonly host: string; readonly port: number }, socket: Duplex, head: Buffer): Promise<void> {
    const { passThrough } = this.own;
    const remote = await tunnelTo(target, passThrough, (opened) => this.#watch(opened)).catch(() => undefined);
    if (remote === undefined) return reply(socket, '502 Bad Gateway');
    remote.once('close', () => socket.destroy());
    socket.once('close', () => remote.destroy());
    if (socket.destroyed) return void remote.destroy();
    socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
    if (head.length > 0) remote.write(head);
    socket.pipe(remote).pipe(socket);
  }

  async #request(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const target = this.#targets.get(request.socket);
    const found = target ?? this.#sessionOf(request.headers['proxy-authorization']);
    if (found === undefined) {
      response.writeHead(407, { 'proxy-authenticate': 'Basic realm="pyflow"', 'content-length': 0 });
      return void response.end();
    }
    const url = urlOf(request.url ?? '', target?.origin);
    const { method } = request;
    if (url === undefined || (method !== 'GET' && method !== 'HEAD')) {
      response.writeHead(url === undefined ? 400 : 405, { 'content-length': 0 });
      return void response.end();
    }
    const done = await this.#turn(found.session);
    try {
      const headers = request.headers as Readonly<Record<string, string | undefined>>;
      await found.answers.answer({ method, url, headers }, response);
    } catch {
      // The session has been told why. What is left is to end the answer.
      if (!response.headersSent) response.writeHead(502, { 'content-length': 0 }).end();
      else if (!response.writableEnded) response.destroy();
    } finally {
      done();
    }
  }

  /** Waits until the session may have one more answer. Call the result when it is complete. */
  async #turn(session: Session): Promise<() => void> {
    const turns = this.#turns.get(session) ?? { busy: 0, waiting: [] };
    this.#turns.set(session, turns);
    if (turns.busy >= AT_ONCE) await new Promise<void>((resolve) => turns.waiting.push(resolve));
    turns.busy += 1;
    return () => {
      turns.busy -= 1;
      turns.waiting.shift()?.();
    };
  }
}

function listening(
  server: Server,
  where: { readonly host: string; readonly port: number } | { readonly path: string },
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(where, () => {
      server.off('error', reject);
      server.on('error', () => {});
      resolve();
    });
  });
}

function reply(socket: Duplex, status: string, headers = ''): void {
  if (!socket.destroyed) socket.end(`HTTP/1.1 ${status}\r\n${headers}Content-Length: 0\r\nConnection: close\r\n\r\n`);
}

/** Host and port of `CONNECT`. */
function targetOf(text: string): { readonly host: string; readonly port: number } | undefined {
  const [, host = '', port = ''] = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,253}):(\d{1,5})$/.exec(text) ?? [];
  if (host === '' || Number(port) < 1 || Number(port) > 65_535) return undefined;
  if (host.startsWith('[') && isIP(host.slice(1, -1)) !== 6) return undefined;
  if (!URL.canParse(`https://${host}:${port}`)) return undefined;
  return { host: host.toLowerCase(), port: Number(port) };
}

/** Relative to an origin whose TLS ends here, else absolute and without TLS. */
function urlOf(text: string, origin: string | undefined): URL | undefined {
  if (text.length > 16_384) return undefined;
  if (origin !== undefined)
    return text.startsWith('/') && URL.canParse(`${origin}${text}`) ? new URL(`${origin}${text}`) : undefined;
  return text.startsWith('http://') && URL.canParse(text) ? new URL(text) : undefined;
}
