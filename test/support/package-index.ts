// A package index on the loopback that serves invented files and simulates every kind of trouble.

import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { renderProjectPage, type PageFile } from '../../src/engine/packages/page.js';
import type { Wheel } from './wheels.js';

export type IndexTrouble = 'server-error' | 'cut-off' | 'resets';

export interface PackageIndexOptions {
  /** The login that the index requires; without it, it answers 401. */
  readonly login?: { readonly user: string; readonly password: string };
  /** Its pages contain the digest of each file, like those of most real indexes. */
  readonly tellsDigests?: true;
  /** It has JSON pages too, which tell what `tell` was told about files. */
  readonly servesJson?: true;
  /** The port of an index that was stopped. */
  readonly port?: number;
}

export class PackageIndex {
  readonly requests: string[] = [];
  /** The trouble that every request gets from now on. */
  trouble: IndexTrouble | undefined;
  /** Called before each answer. */
  onRequest: (() => void) | undefined;
  readonly #files = new Map<string, Buffer>();
  readonly #facts = new Map<string, Partial<PageFile>>();

  private constructor(
    private readonly server: Server,
    private readonly options: PackageIndexOptions,
  ) {}

  static async start(files: readonly Wheel[] = [], options: PackageIndexOptions = {}): Promise<PackageIndex> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve));
    const index = new PackageIndex(server, options);
    server.on('request', (request: IncomingMessage, response: ServerResponse) => index.answer(request, response));
    for (const file of files) index.add(file.file, file.bytes);
    return index;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/simple`;
  }

  /** The required login, or any. */
  get login(): { readonly user: string; readonly password: string } {
    return this.options.login ?? { user: 'nobody', password: 'none' };
  }

  /** URL with user and password, as an operator would set it. */
  get urlWithLogin(): string {
    const { user, password } = this.login;
    return this.url.replace('//', `//${encodeURIComponent(user)}:${encodeURIComponent(password)}@`);
  }

  add(file: string, bytes: Buffer): void {
    this.#files.set(file, bytes);
  }

  /** What its pages say of a file besides its name and digest. */
  tell(file: string, facts: Partial<Pick<PageFile, 'uploadTime' | 'yanked' | 'requiresPython'>>): void {
    this.#facts.set(file, facts);
  }

  remove(file: string): void {
    this.#files.delete(file);
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const path = decodeURIComponent(request.url ?? '');
    this.requests.push(path);
    this.onRequest?.();
    if (this.trouble === 'server-error') return void response.writeHead(503).end('busy');
    if (this.trouble === 'resets') return void request.socket.destroy();
    if (!this.isAllowed(request)) {
      return void response.writeHead(401, { 'www-authenticate': 'Basic realm="packages"' }).end('who are you');
    }
    const file = /^\/files\/(.+)$/.exec(path)?.[1];
    if (file !== undefined) {
      const bytes = this.#files.get(file);
      if (bytes === undefined) return void response.writeHead(404).end();
      response.writeHead(200, {
        // Real indexes send this, because a file never changes under its name.
        'cache-control': 'max-age=365000000, immutable, public',
        'content-length': bytes.length,
        'content-type': 'application/octet-stream',
      });
      if (this.trouble === 'cut-off') {
        response.write(bytes.subarray(0, bytes.length >> 1), () => request.socket.destroy());
        return;
      }
      return void response.end(bytes);
    }
    const name = /^\/simple\/([^/]+)\/$/.exec(path)?.[1];
    const links = [...this.#files.keys()].filter((candidate) => normalized(candidate.split('-')[0] ?? '') === name);
    if (links.length === 0) return void response.writeHead(404).end();
    if (this.options.servesJson === true) return this.answerJson(name ?? '', links, request, response);
    const page = links.map((link) => `<a href="/files/${link}${this.fragment(link)}">${link}</a>`).join('\n');
    response.writeHead(200, { 'content-type': 'text/html' }).end(`<!DOCTYPE html><html><body>${page}</body></html>`);
  }

  private answerJson(
    project: string,
    links: readonly string[],
    request: IncomingMessage,
    response: ServerResponse,
  ): void {
    const files = links.map((filename): PageFile => {
      const sha256 = createHash('sha256').update(this.#files.get(filename)!).digest('hex');
      const url = `http://127.0.0.1:${this.port}/files/${filename}`;
      return {
        filename,
        url,
        sha256,
        hashes: { sha256 },
        yanked: false,
        metadata: false,
        ...this.#facts.get(filename),
      };
    });
    const form = (request.headers.accept ?? '').includes('+json') ? 'json' : 'html';
    const { body, contentType } = renderProjectPage({ project, files, apiVersion: '1.1' }, form);
    response.writeHead(200, { 'content-type': form === 'html' ? 'text/html' : contentType }).end(body);
  }

  private isAllowed(request: IncomingMessage): boolean {
    if (this.options.login === undefined) return true;
    const { user, password } = this.login;
    const expected = Buffer.from(`${user}:${password}`).toString('base64');
    return request.headers.authorization === `Basic ${expected}`;
  }

  private fragment(file: string): string {
    if (this.options.tellsDigests !== true) return '';
    return `#sha256=${createHash('sha256').update(this.#files.get(file)!).digest('hex')}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

const normalized = (name: string): string => name.toLowerCase().replace(/[-_.]+/g, '-');
