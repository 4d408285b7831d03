// Real requests through the gateway to indexes on the loopback.

import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request, type IncomingHttpHeaders } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import type { Duplex } from 'node:stream';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { expect } from 'chai';
import { PackageGateway } from '../../../src/engine/packages/gateway.js';
import type { PackagePlan, Session } from '../../../src/engine/packages/session.js';
import { makeCertificates } from '../../support/certificates.js';
import { startServer, type TestServer } from '../../support/http-server.js';
import { PackageIndex } from '../../support/package-index.js';

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** The connection ended before the announced length. */
  readonly isCutOff: boolean;
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

describe('package gateway', () => {
  const root = mkdtempSync(join(tmpdir(), 'gateway-'));
  const agent = new Agent({ keepAlive: true, maxSockets: 400 });
  const opened: { close(): Promise<void> }[] = [];
  let gateway: PackageGateway;
  let cacheDir: string;

  beforeEach(async () => {
    cacheDir = mkdtempSync(join(root, 'cache-'));
    gateway = await openGateway();
  });
  afterEach(async () => {
    for (const one of opened.splice(0)) await one.close();
  });
  after(() => {
    agent.destroy();
    rmSync(root, { recursive: true });
  });

  async function openGateway(passThrough: Readonly<Record<string, string>> = {}): Promise<PackageGateway> {
    const made = await PackageGateway.open({ cacheDir, passThrough, socketDir: root, now: Date.now() });
    opened.push(made);
    return made;
  }

  async function startIndex(...given: Parameters<typeof PackageIndex.start>): Promise<PackageIndex> {
    const index = await PackageIndex.start(...given);
    opened.push({ close: () => index.stop() });
    return index;
  }

  const planOf = (...urls: readonly string[]): PackagePlan => ({
    indexes: urls.map((url) => ({ url, form: 'simple' })),
    files: [],
  });
  const proxyHeader = (session: Session) => `Basic ${Buffer.from(`pyflow:${session.token}`).toString('base64')}`;

  /** A request as a package manager sends it to its proxy. */
  const ask = (session: Session, url: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const asked = request(
        {
          host: '127.0.0.1',
          port: gateway.port,
          agent,
          path: url,
          headers: { 'proxy-authorization': proxyHeader(session), host: new URL(url).host, ...headers },
        },
        (response) => {
          const chunks: Buffer[] = [];
          const end = (): void =>
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              body: Buffer.concat(chunks),
              isCutOff: !response.complete,
            });
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', end);
          response.on('end', end);
        },
      );
      asked.on('error', reject);
      asked.end();
    });

  const stored = (): readonly string[] => {
    try {
      return readdirSync(join(cacheDir, 'downloads')).filter((name) => /^[0-9a-f]{64}$/.test(name));
    } catch {
      return [];
    }
  };

  it('passes a page and its file, and asks the index for a file only once', async () => {
    const bytes = randomBytes(5000);
    const index = await startIndex([{ file: 'one-1.0-py3-none-any.whl', bytes } as never], { tellsDigests: true });
    const session = gateway.begin(planOf(index.url), true);
    const page = await ask(session, `${index.url}/one/`, { accept: 'application/vnd.pypi.simple.v1+json' });
    expect(page.status).to.equal(200);
    const [file] = (JSON.parse(page.body.toString()) as { files: { url: string }[] }).files;
    const first = await ask(session, file!.url);
    expect(first.body.equals(bytes)).to.equal(true);
    const other = gateway.begin(planOf(index.url), false);
    await ask(other, `${index.url}/one/`);
    expect((await ask(other, file!.url)).body.equals(bytes)).to.equal(true);
    expect(index.requests.filter((path) => path.startsWith('/files/'))).to.have.length(1);
    expect([...other.passedFiles.values()]).to.deep.equal([
      { url: file!.url, sha256: sha256(bytes), sizeBytes: bytes.length },
    ]);
    const part = await ask(other, file!.url, { range: 'bytes=-10' });
    expect(part.status).to.equal(206);
    expect(part.body.equals(bytes.subarray(-10))).to.equal(true);
  });

  it('refuses 200 files of which one byte is wrong, and keeps none', async () => {
    const good = new Map<string, Buffer>();
    for (let number = 0; number < 200; number++) {
      // Some are sent before they are complete, most after.
      good.set(`p${number}-1.0.tar.gz`, randomBytes(number % 50 === 0 ? 3_000_000 : 100 + number * 37));
    }
    const index = await startTampered(good);
    const session = gateway.begin(planOf(`${index.origin}/simple`), false);
    let refused = 0;
    for (const name of good.keys()) {
      await ask(session, `${index.origin}/simple/${name.split('-')[0]}/`);
      const answer = await ask(session, `${index.origin}/files/${name}`);
      if (answer.status === 403 || answer.isCutOff) refused += 1;
    }
    expect(refused).to.equal(200);
    const pages = [...session.passedPages.values()].map((page) => page.sha256);
    expect(stored().filter((name) => !pages.includes(name))).to.deep.equal([]);
    expect(session.problems[0]).to.include({ type: 'wrong-bytes' });
  });

  async function startTampered(good: ReadonlyMap<string, Buffer>): Promise<TestServer> {
    const server = await startServer(({ url = '' }, response) => {
      const name = url.split('/').at(-1) || `${url.split('/').at(-2)}-1.0.tar.gz`;
      const bytes = good.get(name)!;
      if (url.startsWith('/simple/')) {
        response.writeHead(200, { 'content-type': 'text/html' });
        return void response.end(`<a href="/files/${name}#sha256=${sha256(bytes)}">${name}</a>`);
      }
      const wrong = Buffer.from(bytes);
      const at = sha256(bytes).charCodeAt(0) % wrong.length;
      wrong[at] = wrong[at]! ^ 1;
      response.writeHead(200, { 'content-length': wrong.length });
      response.end(wrong);
    });
    opened.push(server);
    return server;
  }

  it('adds the login of an index, and gives its files to no node without it', async () => {
    const bytes = randomBytes(1000);
    const login = { user: 'builder', password: 'p@ss/word' };
    const index = await startIndex([{ file: 'one-1.0.tar.gz', bytes } as never], { login, tellsDigests: true });
    const file = `http://127.0.0.1:${index.port}/files/one-1.0.tar.gz`;
    const session = gateway.begin(planOf(index.urlWithLogin), false);
    await ask(session, `${index.url}/one/`);
    expect((await ask(session, file)).body.equals(bytes)).to.equal(true);

    const locked = { indexes: [], files: [{ url: file, hashes: { sha256: sha256(bytes) } }] };
    expect((await ask(gateway.begin(locked, false), file)).status).to.equal(401);
    const elsewhere = await startServer((_, response) => void response.writeHead(404).end());
    opened.push(elsewhere);
    const planted = { indexes: [], files: [{ url: `${elsewhere.origin}/x`, hashes: { sha256: sha256(bytes) } }] };
    expect((await ask(gateway.begin(planted, false), `${elsewhere.origin}/x`)).status).to.equal(404);
    const allowed = { indexes: planOf(index.urlWithLogin).indexes, files: locked.files };
    expect((await ask(gateway.begin(allowed, false), file)).body.equals(bytes)).to.equal(true);
  });

  it('replaces stand-ins in logins and paths, and shows no secret in pages', async () => {
    const server = await startServer(({ url = '' }, response) => {
      if (!url.startsWith('/t-secret-token/')) return void response.writeHead(403).end();
      response.writeHead(200, { 'content-type': 'text/html' });
      response.end(`<a href="/t-secret-token/files/one-1.0.tar.gz">one-1.0.tar.gz</a>`);
    });
    opened.push(server);
    const standIn = gateway.standIns.for('t-secret-token');
    const session = gateway.begin(planOf(`${server.origin}/${standIn}/simple`), false);
    const page = await ask(session, `${server.origin}/${standIn}/simple/one/`);
    expect(page.status).to.equal(200);
    expect(page.body.toString()).to.contain(standIn).and.not.to.contain('t-secret-token');
    expect((await ask(session, `${server.origin}/${standIn}/files/one-1.0.tar.gz`)).status).to.equal(200);
    const basic = Buffer.from(`user:${standIn}`).toString('base64');
    await ask(session, `${server.origin}/${standIn}/simple/two/`, { authorization: `Basic ${basic}` });
    expect(server.headers.at(-1)!.authorization).to.equal(
      `Basic ${Buffer.from('user:t-secret-token').toString('base64')}`,
    );
  });

  it('lets a closed node reach only its indexes, and an open one everything', async () => {
    const index = await startIndex();
    const other = await startServer((_, response) => void response.end('other'));
    opened.push(other);
    const closed = gateway.begin(planOf(index.url), false);
    expect((await ask(closed, `${other.origin}/x`)).status).to.equal(403);
    expect((await ask(closed, `${index.url.replace('/simple', '')}/admin`)).status).to.equal(403);
    expect(closed.problems).to.deep.include({ type: 'closed', address: `${other.origin}/x` });
    expect((await ask(gateway.begin(planOf(index.url), true), `${other.origin}/x`)).body.toString()).to.equal('other');
    closed.close();
    expect((await ask(closed, `${index.url}/one/`)).status).to.equal(407);
  });

  it('refuses hosts that no URL can have, and goes on', async () => {
    const index = await startIndex();
    const session = gateway.begin(planOf(index.url), true);
    for (const host of ['999.999.999.999:443', 'xn--a:443', '1.2.3.4.5:443'])
      expect(await askTls(session, host, '/')).to.match(/^HTTP\/1\.1 400 /);
    expect((await ask(session, `${index.url}/one/`)).status).to.equal(404);
  });

  it('knows files of a lock whose addresses are badly escaped', async () => {
    const server = await startServer((_, response) => void response.end('bytes'));
    opened.push(server);
    const url = `${server.origin}/one%zz-1.0.tar.gz`;
    const session = gateway.begin({ indexes: [], files: [{ url, hashes: {} }] }, false);
    expect((await ask(session, url)).body.toString()).to.equal('bytes');
  });

  it('gives a file from an address with a secret to no node without the secret', async () => {
    const bytes = randomBytes(1000);
    const server = await startServer(({ url }, response) => {
      if (url !== '/t-secret-token/one-1.0.tar.gz') return void response.writeHead(403).end();
      response.end(bytes);
    });
    opened.push(server);
    const hashes = { sha256: sha256(bytes) };
    const url = `${server.origin}/${gateway.standIns.for('t-secret-token')}/one-1.0.tar.gz`;
    const session = gateway.begin({ indexes: [], files: [{ url, hashes }] }, false);
    expect((await ask(session, url)).body.equals(bytes)).to.equal(true);
    const guessed = `${server.origin}/guessed/one-1.0.tar.gz`;
    const other = gateway.begin({ indexes: [], files: [{ url: guessed, hashes }] }, false);
    expect((await ask(other, guessed)).status).to.equal(403);
  });

  it('answers other nodes while the commands of one read nothing', async () => {
    const server = await startServer(({ url = '' }, response) => {
      if (url !== '/slow') response.end('bytes');
    });
    opened.push(server);
    const filesOf = (path: string): PackagePlan => ({
      indexes: [],
      files: [{ url: `${server.origin}${path}`, hashes: {} }],
    });
    const stuck = gateway.begin(filesOf('/slow'), false);
    for (let number = 0; number < 64; number++) void ask(stuck, `${server.origin}/slow`).catch(() => {});
    while (server.headers.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const other = gateway.begin(filesOf('/quick'), false);
    expect((await ask(other, `${server.origin}/quick`)).body.toString()).to.equal('bytes');
  });

  it('says why an index gave nothing, and keeps no part of a file', async () => {
    const bytes = randomBytes(3_000_000);
    const index = await startIndex([{ file: 'one-1.0.tar.gz', bytes } as never], { tellsDigests: true });
    const session = gateway.begin(planOf(index.url, 'http://127.0.0.1:1/simple'), false);
    expect((await ask(session, 'http://127.0.0.1:1/simple/one/')).status).to.equal(502);
    await ask(session, `${index.url}/one/`);
    index.trouble = 'cut-off';
    const answer = await ask(session, `http://127.0.0.1:${index.port}/files/one-1.0.tar.gz`);
    expect(answer.isCutOff || answer.status === 502).to.equal(true);
    expect(session.problems.map(({ type }) => type)).to.deep.equal(['unreachable', 'unreachable']);
    expect(stored()).to.not.include(sha256(bytes));
    expect(readdirSync(join(cacheDir, 'downloads')).filter((name) => name.startsWith('package.'))).to.deep.equal([]);
  });

  it('follows no redirect from https to http or to other schemes', async () => {
    const index = await startServer(
      (_, response) => void response.writeHead(302, { location: 'file:///etc/passwd' }).end(),
    );
    opened.push(index);
    const session = gateway.begin(planOf(`${index.origin}/simple`), false);
    expect((await ask(session, `${index.origin}/simple/one/`)).status).to.equal(502);
  });

  it('leads no app to services of the machine that builds, by address, name or redirect', async () => {
    const service = await startServer((_, response) => void response.end('secret'));
    opened.push(service);
    const port = Number(service.host.split(':')[1]);
    const redirecting = await startServer(
      (_, response) => void response.writeHead(302, { location: `${service.origin}/latest` }).end(),
    );
    opened.push(redirecting);
    const own = Number(redirecting.host.split(':')[1]);
    gateway = await PackageGateway.open({
      cacheDir,
      passThrough: {},
      socketDir: root,
      now: Date.now(),
      ownPorts: [own],
    });
    opened.push(gateway);
    const hosts = ['127.0.0.1', '127.1', 'localhost', '0.0.0.0', '[::1]', '[::ffff:127.0.0.1]', '2130706433'];
    const urls = [...hosts.map((host) => `http://${host}:${port}/x-1.0.tar.gz`), `${redirecting.origin}/x-1.0.tar.gz`];
    const metadata = ['http://169.254.169.254/latest', 'http://[fe80::1]/x', `http://[fd00:ec2::254]:${own}/x`];
    const plan = { indexes: [], files: [...urls, ...metadata].map((url) => ({ url, hashes: {} })) };
    const session = gateway.begin(plan, false);
    for (const url of [...urls, ...metadata]) {
      const answer = await ask(session, url);
      expect([url, answer.status]).to.deep.equal([url, 403]);
    }
    expect(service.requests).to.deep.equal([]);
    expect(redirecting.requests).to.have.length(1);
    expect(session.problems.every(({ type }) => type === 'closed')).to.equal(true);
  });

  it('works without a folder for downloads, and keeps files for the run only', async () => {
    writeFileSync(join(cacheDir, 'downloads'), 'not a folder');
    const bytes = randomBytes(1000);
    const index = await startIndex([{ file: 'one-1.0.tar.gz', bytes } as never], { tellsDigests: true });
    const session = gateway.begin(planOf(index.url), false);
    const file = `http://127.0.0.1:${index.port}/files/one-1.0.tar.gz`;
    await ask(session, `${index.url}/one/`);
    for (let round = 0; round < 2; round++) expect((await ask(session, file)).body.equals(bytes)).to.equal(true);
    expect(index.requests.filter((path) => path.startsWith('/files/'))).to.have.length(1);
  });

  it('hides a secret that contains another one', () => {
    const [short, long] = ['token', 'my-token-1'].map((secret) => gateway.standIns.for(secret));
    expect(gateway.standIns.inAnswer('https://a/my-token-1/b/token/c')).to.equal(`https://a/${long}/b/${short}/c`);
  });

  it('reaches other hosts through the proxy of the operator, if the network is open', async () => {
    const other = await startServer((_, response) => void response.end('other'));
    opened.push(other);
    const connects: string[] = [];
    const proxy = await startServer((_, response) => void response.writeHead(405).end());
    opened.push(proxy);
    proxy.server.on('connect', ({ url = '', headers }, socket: Duplex) => {
      connects.push(`${url} ${headers['proxy-authorization']}`);
      const remote = connect(Number(other.host.split(':')[1]), '127.0.0.1');
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      socket.pipe(remote).pipe(socket);
      for (const one of [socket, remote]) one.on('error', () => {});
    });
    gateway = await openGateway({ HTTPS_PROXY: proxy.origin.replace('//', '//user:word@') });
    const session = gateway.begin(planOf('https://pypi.example/simple'), true);
    const socket = connect({ host: '127.0.0.1', port: gateway.port });
    const head = `CONNECT files.example:443 HTTP/1.1\r\nHost: files.example\r\nProxy-Authorization: ${proxyHeader(session)}\r\n\r\n`;
    socket.write(head);
    const text = await new Promise<string>((resolve) => {
      let got = '';
      socket.on('data', (chunk: Buffer) => {
        got += chunk.toString();
        if (got.endsWith('\r\n\r\n') && !got.includes('GET'))
          socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
      });
      socket.on('close', () => resolve(got));
    });
    expect(text).to.contain('200 Connection established').and.to.contain('other');
    expect(connects).to.deep.equal([`files.example:443 Basic ${Buffer.from('user:word').toString('base64')}`]);
  });

  it('answers 10,000 requests at once within a bound of memory', async function () {
    this.timeout(120_000);
    const bytes = randomBytes(500);
    const index = await startIndex([{ file: 'one-1.0.tar.gz', bytes } as never], { tellsDigests: true });
    const session = gateway.begin(planOf(index.url), false);
    await ask(session, `${index.url}/one/`);
    const file = `http://127.0.0.1:${index.port}/files/one-1.0.tar.gz`;
    const before = process.memoryUsage().rss;
    let right = 0;
    await Promise.all(
      Array.from({ length: 10_000 }, async () => {
        if ((await ask(session, file)).body.equals(bytes)) right += 1;
      }),
    );
    expect(right).to.equal(10_000);
    // The requests themselves wait in this process, too.
    expect(process.memoryUsage().rss - before).to.be.lessThan(300 * 1024 * 1024);
  });

  it('ends TLS for the hosts of indexes, with certificates of its authority', async () => {
    makeCertificates(root);
    const server = createTlsServer(
      { key: readFileSync(join(root, 'server.key')), cert: readFileSync(join(root, 'server.pem')) },
      (_, response) => {
        response.writeHead(200, { 'content-type': 'text/html' });
        response.end('<a href="/files/one-1.0.tar.gz">one-1.0.tar.gz</a>');
      },
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    opened.push({
      close: () => new Promise((resolve) => (server.close(() => resolve()), server.closeAllConnections())),
    });
    gateway = await openGateway({ SSL_CERT_FILE: join(root, 'ca.pem') });
    const host = `localhost:${(server.address() as AddressInfo).port}`;
    const session = gateway.begin(planOf(`https://${host}/simple`), false);
    expect(await askTls(session, host, '/simple/one/')).to.contain('one-1.0.tar.gz');
    expect(await askTls(session, 'example.com:443', '/')).to.contain('403 Forbidden');
  });

  const askTls = (session: Session, host: string, path: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port: gateway.port });
      socket.on('error', reject);
      socket.write(`CONNECT ${host} HTTP/1.1\r\nHost: ${host}\r\nProxy-Authorization: ${proxyHeader(session)}\r\n\r\n`);
      socket.once('data', (head: Buffer) => {
        if (!head.toString().startsWith('HTTP/1.1 200')) return resolve(head.toString());
        const encrypted = connectTls({ socket, ca: gateway.certificate, servername: host.split(':')[0] });
        encrypted.on('error', reject);
        encrypted.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
        let text = '';
        encrypted.on('data', (chunk: Buffer) => (text += chunk.toString()));
        encrypted.on('end', () => resolve(text));
      });
    });
});
