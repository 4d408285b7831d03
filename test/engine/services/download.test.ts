import { expect } from 'chai';
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer as createNetServer, type AddressInfo } from 'node:net';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join, resolve as resolvePath } from 'node:path';
import { pathToFileURL } from 'node:url';
import { findProgram } from '../../../src/engine/process/sandbox/probe.js';
import { createDownload, type DownloadOptions, type FetchRequest } from '../../../src/engine/services/download.js';
import { closedPort, startDeadListener, startServer, type Answer, type TestServer } from '../../support/http-server.js';
import { skipBecause } from '../../support/skip.js';

const CONTENT = Buffer.from('the content of a file\n'.repeat(1000));
const sha256Of = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const SHA256 = sha256Of(CONTENT);
const TEN_MINUTES = 10 * 60 * 1000;

describe('engine/services/download', () => {
  let cacheDir: string;
  let now: number;
  let pauses: number[];
  let servers: { close(): unknown }[];
  beforeEach(() => {
    cacheDir = mkdtempSync(join(tmpdir(), 'pyflow-download-'));
    now = 1_000_000_000;
    pauses = [];
    servers = [];
  });
  afterEach(async () => {
    await Promise.all(servers.map((server) => server.close()));
    rmSync(cacheDir, { recursive: true, force: true });
  });

  const serve = async (answer: Answer, port?: number): Promise<TestServer> => {
    const server = await startServer(answer, port);
    servers.push(server);
    return server;
  };
  const giveContent: Answer = (_request, response) => void response.end(CONTENT);

  const downloader = (more: Partial<DownloadOptions> = {}) =>
    createDownload({
      cacheDir,
      clock: { now: () => now },
      sleep: async (ms) => {
        pauses.push(ms);
      },
      ...more,
    });
  const fetchFile = (url: string, more: Partial<FetchRequest> & Partial<DownloadOptions> = {}) => {
    const { sha256 = SHA256, signal = new AbortController().signal, sizeBytes, onProgress, ...options } = more;
    return downloader(options).fetchFile({
      url,
      sha256,
      signal,
      ...(sizeBytes === undefined ? {} : { sizeBytes }),
      ...(onProgress === undefined ? {} : { onProgress }),
    });
  };
  const codeOf = async (result: ReturnType<typeof fetchFile>): Promise<string> => {
    const settled = await result;
    return settled.ok ? 'ok' : settled.failure.code;
  };
  const downloads = (): readonly string[] =>
    existsSync(join(cacheDir, 'downloads')) ? readdirSync(join(cacheDir, 'downloads')) : [];

  it('returns a read-only file with the bytes, and reports progress', async () => {
    const { origin } = await serve(giveContent);
    const progress: (readonly [number, number | undefined])[] = [];
    const result = await fetchFile(`${origin}/file`, { onProgress: (done, total) => progress.push([done, total]) });
    const path = join(cacheDir, 'downloads', SHA256);
    expect(result).to.deep.equal({ ok: true, value: path });
    expect(readFileSync(path).equals(CONTENT)).to.equal(true);
    expect(statSync(path).mode & 0o777).to.equal(0o444);
    expect(progress.at(-1)).to.deep.equal([CONTENT.length, CONTENT.length]);
  });

  it('asks for the file itself, not for a compressed copy', async () => {
    const server = await serve(giveContent);
    await fetchFile(`${server.origin}/path?query=1`);
    expect(server.requests).to.deep.equal(['GET /path?query=1']);
    expect(server.headers[0]).to.include({ 'accept-encoding': 'identity', host: server.host });
  });

  it('fetches a file once for several requests at the same time', async () => {
    const server = await serve(giveContent);
    const download = downloader();
    const ask = () => download.fetchFile({ url: server.origin, sha256: SHA256, signal: new AbortController().signal });
    const results = await Promise.all([ask(), ask(), ask()]);
    expect(results.every(({ ok }) => ok)).to.equal(true);
    expect(await fetchFile(server.origin)).to.have.property('ok', true);
    expect(server.requests).to.have.length(1);
  });

  it('trusts a cached file only while it is untouched', async () => {
    const server = await serve(giveContent);
    await fetchFile(server.origin);
    const path = join(cacheDir, 'downloads', SHA256);
    chmodSync(path, 0o644);
    writeFileSync(path, Buffer.alloc(CONTENT.length, 'x'));
    utimesSync(path, 1, 1);
    expect(await fetchFile(server.origin)).to.have.property('ok', true);
    expect(readFileSync(path).equals(CONTENT)).to.equal(true);
    expect(server.requests).to.have.length(2);
    // Touched, but with the right bytes: hashed again and kept.
    utimesSync(path, 2, 2);
    expect(await fetchFile(server.origin)).to.have.property('ok', true);
    expect(server.requests).to.have.length(2);
  });

  it('copies the file of a file URL, with the same checks', async () => {
    const source = join(cacheDir, 'source file');
    writeFileSync(source, CONTENT);
    const url = pathToFileURL(source).href;
    expect(await fetchFile(url)).to.have.property('ok', true);
    rmSync(join(cacheDir, 'downloads'), { recursive: true });
    expect(await codeOf(fetchFile(url, { sha256: sha256Of(Buffer.from('other')) }))).to.equal('download::wrong-digest');
    expect(await codeOf(fetchFile(url, { sizeBytes: 10 }))).to.equal('download::too-large');
    expect(await codeOf(fetchFile(`${url}-missing`))).to.equal('download::not-found');
    expect(await codeOf(fetchFile(pathToFileURL(cacheDir).href))).to.equal('download::not-found');
    expect(downloads()).to.deep.equal([]);
  });

  it('refuses invalid URLs', async () => {
    for (const url of ['no address', 'ftp://host/file', 'file://host/file'])
      expect(await codeOf(fetchFile(url)), url).to.equal('download::invalid-url');
  });

  it('refuses wrong bytes, shows both digests and keeps nothing', async () => {
    const { origin, requests } = await serve((_request, response) => void response.end('other'));
    const result = await fetchFile(`${origin}/file`);
    expect(result).to.have.nested.property('failure.code', 'download::wrong-digest');
    expect(result).to.have.nested.property('failure.detail').that.includes(SHA256);
    expect(result)
      .to.have.nested.property('failure.detail')
      .that.includes(sha256Of(Buffer.from('other')));
    expect(requests).to.have.length(1);
    expect(downloads()).to.deep.equal([]);
  });

  describe('answers', () => {
    const statuses: readonly [number, string, number][] = [
      [400, 'download::refused', 1],
      [401, 'download::refused', 1],
      [403, 'download::refused', 1],
      [404, 'download::not-found', 1],
      [410, 'download::not-found', 1],
      [429, 'download::server-error', 3],
      [500, 'download::server-error', 3],
      [503, 'download::server-error', 3],
    ];
    for (const [status, code, requests] of statuses) {
      it(`reports status ${status} as ${code} after ${requests} of 3 tries`, async () => {
        const server = await serve((_request, response) => void response.writeHead(status).end('no'));
        expect(await codeOf(fetchFile(server.origin))).to.equal(code);
        expect(server.requests).to.have.length(requests);
        expect(downloads()).to.deep.equal([]);
      });
    }

    it('recovers from server errors, waiting longer each time', async () => {
      const server = await serve((_request, response, count) => {
        if (count < 3) response.writeHead(502).end();
        else response.end(CONTENT);
      });
      expect(await codeOf(fetchFile(server.origin))).to.equal('ok');
      expect(pauses).to.have.length(2);
      expect(pauses[0]).to.be.within(250, 500);
      expect(pauses[1]).to.be.within(500, 1000);
    });

    it('waits as long as the server asks, up to a limit', async () => {
      const server = await serve((_request, response, count) => {
        response.writeHead(503, { 'retry-after': count === 1 ? '3' : '3600' }).end();
      });
      await fetchFile(server.origin);
      expect(pauses).to.deep.equal([3000, 10_000]);
    });

    it('retries after a body that is cut off, with and without a length', async () => {
      for (const headers of [{ 'content-length': String(CONTENT.length) }, { 'transfer-encoding': 'chunked' }]) {
        rmSync(join(cacheDir, 'downloads'), { recursive: true, force: true });
        const server = await serve((_request, response, count) => {
          if (count === 3) return void response.end(CONTENT);
          response.writeHead(200, headers);
          response.write(CONTENT.subarray(0, 5000), () => response.destroy());
        });
        expect(await codeOf(fetchFile(server.origin))).to.equal('ok');
        expect(server.requests).to.have.length(3);
      }
    });

    it('gives up on bodies that are always cut off', async () => {
      const server = await serve((_request, response) => {
        response.writeHead(200, { 'content-length': String(CONTENT.length) });
        response.write(CONTENT.subarray(0, 5000), () => response.destroy());
      });
      const result = await fetchFile(server.origin);
      expect(result).to.have.nested.property('failure.code', 'download::cut-off');
      expect(result).to.have.nested.property('failure.retryable', true);
      expect(result).to.have.nested.property('failure.detail').that.includes('3 times');
      expect(downloads()).to.deep.equal([]);
    });

    it('uses the pinned size to notice that a body without a length was cut off', async () => {
      const server = createNetServer((socket) => {
        socket.once('data', () =>
          socket.end(Buffer.concat([Buffer.from('HTTP/1.0 200 OK\r\n\r\n'), CONTENT.subarray(0, 99)])),
        );
      }).listen(0, '127.0.0.1');
      servers.push(server);
      await new Promise((resolve) => server.once('listening', resolve));
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      expect(await codeOf(fetchFile(url, { sizeBytes: CONTENT.length }))).to.equal('download::cut-off');
      expect(await codeOf(fetchFile(url))).to.equal('download::wrong-digest');
    });

    it('reports a connection that closes without an answer as cut off', async () => {
      const server = await serve((request) => void request.socket.destroy());
      expect(await codeOf(fetchFile(server.origin))).to.equal('download::cut-off');
      expect(server.requests).to.have.length(3);
    });

    it('reports silence before or within the answer as a stall', async () => {
      const silent = await serve(() => {});
      expect(await codeOf(fetchFile(silent.origin, { stallTimeoutMs: 20, tries: 2 }))).to.equal('download::stalled');
      expect(silent.requests).to.have.length(2);
      const halting = await serve((_request, response) => void response.write(CONTENT.subarray(0, 5000)));
      const result = await fetchFile(halting.origin, { stallTimeoutMs: 20, tries: 2 });
      expect(result).to.have.nested.property('failure.code', 'download::stalled');
      expect(result).to.have.nested.property('failure.detail').that.includes('5000 bytes');
      expect(downloads()).to.deep.equal([]);
    });

    it('fetches no more than the pinned size or the limit', async () => {
      const server = await serve(giveContent);
      expect(await codeOf(fetchFile(server.origin, { sizeBytes: 10 }))).to.equal('download::too-large');
      expect(await codeOf(fetchFile(server.origin, { maxBytes: 10 }))).to.equal('download::too-large');
      expect(server.requests).to.have.length(2);
      expect(downloads()).to.deep.equal([]);
    });
  });

  describe('slow servers', () => {
    /** Sends a byte now and then, until the connection is closed. */
    const trickle = (write: () => void, response: ServerResponse): void => {
      const timer = setInterval(write, 2);
      response.on('close', () => clearInterval(timer));
    };
    const failureOf = async (more: Partial<DownloadOptions>, answer: Answer) => {
      const { origin } = await serve(answer);
      const fetched = await downloader({ tries: 1, ...more }).fetchFile({
        url: `${origin}/file`,
        sha256: SHA256,
        sizeBytes: CONTENT.length,
        signal: new AbortController().signal,
      });
      if (fetched.ok) return undefined;
      expect(readdirSync(join(cacheDir, 'downloads'))).to.deep.equal([]);
      return fetched.failure;
    };

    it('gives up on a body that trickles', async () => {
      const failure = await failureOf({ rateWindowMs: 50, minBytesPerSecond: 100_000 }, (_request, response) => {
        response.writeHead(200);
        trickle(() => response.write('x'), response);
      });
      expect(failure).to.include({ code: 'download::too-slow', blame: 'environment', retryable: true });
      expect(failure?.detail).to.match(
        /^Only \d+ bytes arrived within 0\.05 s; pyflow expects at least 100000 bytes a second\./,
      );
    });

    it('gives up on a file that is not complete in time, even if bytes keep arriving', async () => {
      const failure = await failureOf({ transferMs: 60, minBytesPerSecond: 0 }, (_request, response) => {
        response.writeHead(200);
        trickle(() => response.write('x'), response);
      });
      expect(failure?.code).to.equal('download::too-slow');
      expect(failure?.detail).to.include('not complete within the time limit for the whole file');
    });

    it('gives up on a head that trickles', async () => {
      const failure = await failureOf({ stallTimeoutMs: 60 }, (request, response) => {
        request.socket.write('HTTP/1.1 200 OK\r\nx-slow: ');
        trickle(() => request.socket.write('x'), response);
      });
      expect(failure?.code).to.equal('download::stalled');
    });

    it('gives up on interim answers that never end', async () => {
      const failure = await failureOf({ stallTimeoutMs: 60 }, (request, response) => {
        trickle(() => request.socket.write('HTTP/1.1 103 Early Hints\r\n\r\n'), response);
      });
      expect(failure?.code).to.equal('download::stalled');
    });

    it('counts all tries towards the time for the whole file', async () => {
      let tries = 0;
      const failure = await failureOf({ transferMs: 50, minBytesPerSecond: 0, tries: 3 }, (_request, response) => {
        tries++;
        response.writeHead(200);
        trickle(() => response.write('x'), response);
      });
      expect(failure?.code).to.equal('download::too-slow');
      expect(tries).to.equal(3);
    });

    it('waits for a server that is slow but fast enough', async () => {
      const failure = await failureOf({ rateWindowMs: 20, minBytesPerSecond: 1 }, (_request, response) => {
        response.writeHead(200);
        let at = 0;
        const timer = setInterval(() => {
          response.write(CONTENT.subarray(at, at + 1000));
          at += 1000;
          if (at < CONTENT.length) return;
          clearInterval(timer);
          response.end();
        }, 2);
      });
      expect(failure).to.equal(undefined);
    });
  });

  describe('redirects', () => {
    it('are followed, also relative ones', async () => {
      const server = await serve((request, response) => {
        if (request.url === '/a') response.writeHead(302, { location: 'b?x=1' }).end();
        else if (request.url === '/b?x=1') response.writeHead(308, { location: '/c' }).end();
        else response.end(CONTENT);
      });
      expect(await codeOf(fetchFile(`${server.origin}/a`))).to.equal('ok');
      expect(server.requests).to.deep.equal(['GET /a', 'GET /b?x=1', 'GET /c']);
    });

    it('are followed five times and no more', async () => {
      const server = await serve((request, response) => {
        const left = Number(request.url?.slice(1));
        if (left === 0) response.end(CONTENT);
        else response.writeHead(302, { location: `/${left - 1}` }).end();
      });
      expect(await codeOf(fetchFile(`${server.origin}/5`))).to.equal('ok');
      rmSync(join(cacheDir, 'downloads'), { recursive: true });
      expect(await codeOf(fetchFile(`${server.origin}/6`))).to.equal('download::bad-redirect');
    });

    it('are refused to other schemes', async () => {
      const server = await serve(
        (_request, response) => void response.writeHead(302, { location: 'file:///etc/passwd' }).end(),
      );
      expect(await codeOf(fetchFile(server.origin))).to.equal('download::bad-redirect');
    });

    it('get credentials on the first server only', async () => {
      const second = await serve(giveContent);
      const first = await serve(
        (_request, response) => void response.writeHead(302, { location: `${second.origin}/file` }).end(),
      );
      const url = first.origin.replace('//', '//user:p%40ss@');
      expect(await codeOf(fetchFile(url))).to.equal('ok');
      expect(first.headers[0]?.authorization).to.equal(`Basic ${Buffer.from('user:p@ss').toString('base64')}`);
      expect(second.headers[0]?.authorization).to.equal(undefined);
    });
  });

  it('shows neither credentials nor queries', async () => {
    const server = await serve((_request, response) => void response.writeHead(403).end());
    const port = await closedPort();
    const results = [
      await fetchFile(`${server.origin.replace('//', '//user:hunter2@')}/file?token=hunter2`),
      await fetchFile(`http://user:hunter2@127.0.0.1:${port}/file?token=hunter2`),
      await fetchFile('http://user:hunter2@bad host/file?token=hunter2'),
    ];
    expect(results.map(({ ok }) => ok)).to.deep.equal([false, false, false]);
    expect(JSON.stringify(results)).not.to.include('hunter2');
  });

  describe('unreachable hosts', () => {
    const unreachable = 'download::host-unreachable';

    it('are reported at once if nothing listens, without a retry', async () => {
      const result = await fetchFile(`http://127.0.0.1:${await closedPort()}/file`);
      expect(result).to.have.nested.property('failure.code', unreachable);
      expect(result).to.have.nested.property('failure.blame', 'environment');
      expect(pauses).to.deep.equal([]);
    });

    it('are reported if the name is unknown', async () => {
      expect(await codeOf(fetchFile('http://no-such-host.invalid/file'))).to.equal(unreachable);
    });

    it('are reported after two seconds if the backlog is full, and at once from then on', async function () {
      const listener = await startDeadListener();
      if (listener === undefined) {
        return skipBecause(this, 'this machine has no python3 to listen with');
      }
      servers.push(listener);
      const started = performance.now();
      expect(await codeOf(fetchFile(`http://127.0.0.1:${listener.port}/file`))).to.equal(unreachable);
      expect(performance.now() - started).to.be.at.least(1900);
      const again = performance.now();
      expect(await codeOf(fetchFile(`http://127.0.0.1:${listener.port}/other`))).to.equal(unreachable);
      // It remembers the host, so it does not wait again.
      expect(performance.now() - again).to.be.lessThan(1900);
    });

    it('are reported if TLS fails, for lack of trust or of any answer', async () => {
      const silent = createNetServer(() => {}).listen(0, '127.0.0.1');
      servers.push(silent);
      await new Promise((resolve) => silent.once('listening', resolve));
      const url = `https://127.0.0.1:${(silent.address() as AddressInfo).port}`;
      expect(await codeOf(fetchFile(url, { connectTimeoutMs: 50 }))).to.equal(unreachable);
      const plain = await serve(giveContent);
      expect(await codeOf(fetchFile(plain.origin.replace('http:', 'https:')))).to.equal(unreachable);
    });

    it('are remembered for ten minutes by host and port, across runs', async () => {
      const port = await closedPort();
      const url = `http://127.0.0.1:${port}/file`;
      expect(await codeOf(fetchFile(url))).to.equal(unreachable);
      const server = await serve(giveContent, port);
      const other = await serve(giveContent);
      now += TEN_MINUTES - 1;
      const result = await fetchFile(url);
      expect(result).to.have.nested.property('failure.code', unreachable);
      expect(result).to.have.nested.property('failure.detail').that.includes('ten minutes');
      expect(server.requests).to.deep.equal([]);
      expect(await codeOf(fetchFile(other.origin))).to.equal('ok');
      rmSync(join(cacheDir, 'downloads'), { recursive: true });
      now += 1;
      expect(await codeOf(fetchFile(url))).to.equal('ok');
    });

    it('are forgotten when they answer again', async () => {
      const state = join(cacheDir, 'state/dead-hosts.json');
      const server = await serve((_request, response) => {
        // Another run found it unreachable a moment ago.
        mkdirSync(join(cacheDir, 'state'));
        const dead = { at: now, why: 'No connection.' };
        writeFileSync(state, JSON.stringify({ [server.host]: dead, 'other:80': dead }));
        response.end(CONTENT);
      });
      expect(await codeOf(fetchFile(server.origin))).to.equal('ok');
      expect(Object.keys(JSON.parse(readFileSync(state, 'utf8')) as object)).to.deep.equal(['other:80']);
    });

    it('do not matter if the file is in the cache', async () => {
      const server = await serve(giveContent);
      await fetchFile(server.origin);
      await server.close();
      expect(await codeOf(fetchFile(server.origin))).to.equal('ok');
    });

    it('are tried if the file that remembers them is unreadable', async () => {
      const server = await serve(giveContent);
      await fetchFile(`http://127.0.0.1:${await closedPort()}`);
      for (const text of ['', 'no JSON', '[]', 'null', `{"${server.host}":7}`]) {
        rmSync(join(cacheDir, 'downloads'), { recursive: true, force: true });
        writeFileSync(join(cacheDir, 'state/dead-hosts.json'), text);
        expect(await codeOf(fetchFile(server.origin)), text).to.equal('ok');
      }
    });
  });

  /** Fetches in a separate process. */
  const fetchElsewhere = (
    options: object,
    { prefix = [], env = {} }: { prefix?: readonly string[]; env?: Readonly<Record<string, string>> } = {},
  ): Promise<string> =>
    new Promise((resolve, reject) => {
      const script = [process.execPath, '--import', 'tsx', resolvePath('test/support/download-trial.ts')];
      const [file = '', ...args] = [...prefix, ...script, JSON.stringify({ cacheDir, sha256: SHA256, ...options })];
      execFile(file, args, { env: { PATH: process.env['PATH'], HOME: cacheDir, ...env } }, (error, stdout) => {
        if (error !== null) return reject(error);
        const result = JSON.parse(stdout) as Awaited<ReturnType<typeof fetchFile>>;
        resolve(result.ok ? 'ok' : result.failure.code);
      });
    });

  describe('https', () => {
    const certificateFolder = mkdtempSync(join(tmpdir(), 'pyflow-certificate-'));
    const key = join(certificateFolder, 'key.pem');
    const cert = join(certificateFolder, 'cert.pem');
    after(() => rmSync(certificateFolder, { recursive: true, force: true }));
    before(function () {
      const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
      const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
      try {
        execFileSync('openssl', ['req', '-x509', ...curve, ...names, '-keyout', key, '-out', cert], {
          stdio: 'ignore',
        });
      } catch {
        skipBecause(this, 'this machine has no openssl to make a certificate');
      }
    });
    const serveTls = async (answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> => {
      const server = createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) }, answer);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      servers.push(server);
      return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    };
    const env = { NODE_EXTRA_CA_CERTS: cert };

    it('fetches from servers that the operator trusts, by name and by address, and from no others', async () => {
      const url = await serveTls((_request, response) => void response.end(CONTENT));
      expect(await fetchElsewhere({ url })).to.equal('download::host-unreachable');
      rmSync(join(cacheDir, 'state'), { recursive: true });
      expect(await fetchElsewhere({ url }, { env })).to.equal('ok');
      rmSync(join(cacheDir, 'downloads'), { recursive: true });
      expect(await fetchElsewhere({ url: url.replace('127.0.0.1', 'localhost') }, { env })).to.equal('ok');
    });

    it('is not downgraded to http', async () => {
      const plain = await serve(giveContent);
      const url = await serveTls(
        (_request, response) => void response.writeHead(302, { location: plain.origin }).end(),
      );
      expect(await fetchElsewhere({ url }, { env })).to.equal('download::bad-redirect');
      expect(plain.requests).to.deep.equal([]);
    });

    it('uses a tunnel through the proxy, and reports its refusal', async () => {
      const url = await serveTls((_request, response) => void response.end(CONTENT));
      const asked: (string | undefined)[] = [];
      const proxy = await serve(() => {});
      proxy.server.on('connect', (request, socket) => {
        asked.push(`${request.url} ${request.headers['proxy-authorization']}`);
        servers.push({ close: () => socket.destroy() });
        if (request.headers['proxy-authorization'] === undefined) return socket.end('HTTP/1.1 407 No\r\n\r\n');
        const target = connect(Number(request.url?.split(':')[1]), '127.0.0.1');
        socket.write('HTTP/1.1 200 Connected\r\n\r\n');
        socket.on('error', () => target.destroy());
        target.on('error', () => socket.destroy());
        target.pipe(socket).pipe(target);
      });
      const host = url.slice('https://'.length);
      expect(await fetchElsewhere({ url, proxies: { https_proxy: proxy.origin } }, { env })).to.equal(
        'download::refused',
      );
      const https_proxy = proxy.origin.replace('//', '//user:word@');
      expect(await fetchElsewhere({ url, proxies: { https_proxy } }, { env })).to.equal('ok');
      const credentials = Buffer.from('user:word').toString('base64');
      expect(asked).to.deep.equal([`${host} undefined`, `${host} Basic ${credentials}`]);
    });
  });

  describe('proxies', () => {
    it('get the whole URL of a plain request', async () => {
      const proxy = await serve(giveContent);
      const http_proxy = proxy.origin.replace('//', '//user:word@');
      expect(await codeOf(fetchFile('http://user:own@server.invalid/path?x=1', { proxies: { http_proxy } }))).to.equal(
        'ok',
      );
      expect(proxy.requests).to.deep.equal(['GET http://server.invalid/path?x=1']);
      expect(proxy.headers[0]).to.include({
        host: 'server.invalid',
        authorization: `Basic ${Buffer.from('user:own').toString('base64')}`,
        'proxy-authorization': `Basic ${Buffer.from('user:word').toString('base64')}`,
      });
    });

    it('are bypassed for the hosts of no_proxy', async () => {
      const server = await serve(giveContent);
      const proxy = await serve((_request, response) => void response.writeHead(403).end());
      const port = server.host.split(':')[1];
      const lists = ['*', '127.0.0.1', `10.1.1.1, 127.0.0.1:${port}`, '.0.0.1'];
      for (const no_proxy of lists) {
        rmSync(join(cacheDir, 'downloads'), { recursive: true, force: true });
        const proxies = { HTTP_PROXY: proxy.origin, no_proxy };
        expect(await codeOf(fetchFile(server.origin, { proxies })), no_proxy).to.equal('ok');
      }
      rmSync(join(cacheDir, 'downloads'), { recursive: true });
      for (const no_proxy of ['', '27.0.0.1', '127.0.0.1:1', 'example'])
        expect(await codeOf(fetchFile(server.origin, { proxies: { all_proxy: proxy.origin, no_proxy } }))).to.equal(
          'download::refused',
        );
    });

    it('count as the unreachable host if they are unreachable', async () => {
      const http_proxy = `http://127.0.0.1:${await closedPort()}`;
      const result = await fetchFile('http://server.invalid/file', { proxies: { http_proxy } });
      expect(result).to.have.nested.property('failure.title', `Can't connect to ${http_proxy.slice('http://'.length)}`);
    });
  });

  it('reports a full disk and keeps nothing', async function () {
    const bwrap = findProgram('bwrap', (process.env['PATH'] ?? '').split(':'));
    if (bwrap === undefined) {
      this.test!.title += ' (skipped: no bubblewrap to make a small disk with)';
      return this.skip();
    }
    const source = join(cacheDir, 'source');
    writeFileSync(source, Buffer.alloc(1_000_000));
    const small = ['--dev-bind', '/', '/', '--size', '100000', '--tmpfs', '/mnt'];
    const code = await fetchElsewhere(
      { url: pathToFileURL(source).href, cacheDir: '/mnt' },
      { prefix: [bwrap, ...small] },
    );
    expect(code).to.equal('download::disk-full');
  });

  it('reports a cache that is not writable', async () => {
    const server = await serve(giveContent);
    writeFileSync(join(cacheDir, 'downloads'), 'a file where the folder should be');
    expect(await codeOf(fetchFile(server.origin))).to.equal('download::cannot-store');
  });

  describe('aborted', () => {
    it('stops before, while connecting, within a body and between tries', async () => {
      const halting = await serve((_request, response) => void response.write(CONTENT.subarray(0, 5000)));
      const failing = await serve((_request, response) => void response.writeHead(500).end());
      const atBody = new AbortController();
      const atPause = new AbortController();
      const codes = [
        await codeOf(fetchFile(halting.origin, { signal: AbortSignal.abort() })),
        await codeOf(fetchFile(halting.origin, { signal: atBody.signal, onProgress: () => atBody.abort() })),
        await codeOf(
          fetchFile(failing.origin, {
            signal: atPause.signal,
            sleep: async () => {
              atPause.abort();
              throw new Error('aborted');
            },
          }),
        ),
      ];
      expect(codes).to.deep.equal(['run::aborted', 'run::aborted', 'run::aborted']);
      expect(downloads()).to.deep.equal([]);
    });

    it('does not mark the host as unreachable', async () => {
      const silent = createNetServer(() => {}).listen(0, '127.0.0.1');
      servers.push(silent);
      await new Promise((resolve) => silent.once('listening', resolve));
      const controller = new AbortController();
      silent.once('connection', () => controller.abort());
      const url = `https://127.0.0.1:${(silent.address() as AddressInfo).port}`;
      expect(await codeOf(fetchFile(url, { signal: controller.signal }))).to.equal('run::aborted');
      expect(existsSync(join(cacheDir, 'state/dead-hosts.json'))).to.equal(false);
    });

    it('lets another request for the same file fetch it', async () => {
      const controller = new AbortController();
      const server = await serve((_request, response, count) => {
        if (count > 1) return void response.end(CONTENT);
        response.write(CONTENT.subarray(0, 10), () => controller.abort());
      });
      const download = downloader();
      const first = download.fetchFile({ url: server.origin, sha256: SHA256, signal: controller.signal });
      const second = download.fetchFile({ url: server.origin, sha256: SHA256, signal: new AbortController().signal });
      expect(await first).to.have.nested.property('failure.code', 'run::aborted');
      expect(await second).to.have.property('ok', true);
    });
  });
});
