// The package gateway with real package managers: the same slugs as without it, the same again from the record without a network,
// indexes as they were, and no login inside a node.

import { expect } from 'chai';
import { execFile, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { passThroughOf } from '../../src/engine/app/pass-through.js';
import type { RunReport } from '../../src/engine/events.js';
import { PackageGateway } from '../../src/engine/packages/gateway.js';
import { AsOf } from '../../src/engine/packages/as-of.js';
import { NodePackages } from '../../src/engine/packages/node-packages.js';
import { PackageRecords } from '../../src/engine/packages/records.js';
import { managerPipeline } from '../support/manager-pipeline.js';
import { hasNamespaces } from '../support/namespaces.js';
import { PackageIndex } from '../support/package-index.js';
import { lockedPoetryApp } from '../support/poetry-apps.js';
import { prepareRuntimeOf, prepareTool, pyenvVersions, type PreparedRuntime } from '../support/runtimes.js';
import { skipBecause } from '../support/skip.js';
import { lockedApp } from '../support/uv-apps.js';
import { makeSourceArchive, makeWheel } from '../support/wheels.js';
import { outcomesOf, Workspace } from '../support/workspace.js';

const ROOT = resolve(import.meta.dirname, '../..');
const run = promisify(execFile);
const version = pyenvVersions().findLast((name) => name.startsWith('3.13.'));

describe('package gateway, online', function () {
  this.timeout(300_000);
  let work: string;
  before(async function () {
    if (version === undefined) return skipBecause(this, 'needs a CPython 3.13 of pyenv');
    if (!(await hasNamespaces())) return skipBecause(this, 'needs namespaces for a closed network');
    work = mkdtempSync(join(tmpdir(), 'pyflow-gateway-'));
  });
  after(() => work && rmSync(work, { recursive: true, force: true }));

  const EXAMPLES = [
    ['pip', 'flask-pip'],
    ['pipenv', 'flask-sqlalchemy-pipenv'],
    ['poetry', 'django-poetry'],
    ['uv', 'fastapi-uv'],
  ] as const;

  /** `wrap`: a command line before pyflow's. */
  async function build(app: string, packages: string, refresh: readonly string[], wrap: readonly string[] = []) {
    const appDir = join(work, app);
    cpSync(join(ROOT, 'examples', app), appDir, { recursive: true });
    const report = join(work, `${app}.json`);
    const [program = '', ...args] = [...wrap, process.execPath, join(ROOT, 'dist/cli.js'), 'run'];
    const asked = refresh.map((node) => `--refresh=${node}`);
    const places = ['--app', appDir, '--cache-dir', join(work, 'cache'), '--report', report];
    const request = [join(ROOT, 'pipelines/python.yml'), ...places, '--packages', packages, ...asked];
    const { PATH, HOME } = process.env;
    const env = { PATH, HOME, ...passThroughOf(process.env) };
    await run(program, [...args, ...request], { env, maxBuffer: 64 * 1024 * 1024 });
    return JSON.parse(readFileSync(report, 'utf8')) as RunReport;
  }

  const canUnplug = spawnSync('unshare', ['-n', 'true']).status === 0;
  for (const [manager, app] of EXAMPLES) {
    it(`gives ${manager} the same slug, and again from the record without a network`, async () => {
      const direct = await build(app, 'direct', []);
      // Tools of many packages take long.
      const isQuick = manager === 'pip' || manager === 'uv';
      const tools = isQuick ? [`${manager}-tool`] : [];
      const through = await build(app, 'gateway', [manager, ...tools]);
      expect(through.nodes[manager]?.outcome).to.equal('executed');
      expect(through.slug?.digest).to.equal(direct.slug?.digest);
      const replayed = await build(app, 'replay', isQuick ? ['all'] : [manager], canUnplug ? ['unshare', '-n'] : []);
      expect(replayed.nodes[manager]?.outcome).to.equal('executed');
      expect(replayed.slug?.digest).to.equal(direct.slug?.digest);
    });
  }

  describe('with an index of the test', () => {
    const apps: Workspace[] = [];
    const stops: (() => Promise<unknown>)[] = [];
    let runtime: PreparedRuntime;
    before(async () => {
      runtime = await prepareRuntimeOf(version!);
    });
    after(async () => {
      for (const stop of stops) await stop();
      for (const app of apps) app.cleanUp();
    });

    async function startIndex(...given: Parameters<typeof PackageIndex.start>): Promise<PackageIndex> {
      const index = await PackageIndex.start(...given);
      stops.push(() => index.stop());
      return index;
    }

    async function install(
      { files, kind, tool = kind }: { files: Readonly<Record<string, string>>; kind: string; tool?: string },
      settings: Readonly<Record<string, string>>,
    ): Promise<{ readonly app: Workspace; readonly report: RunReport }> {
      const app = new Workspace();
      apps.push(app);
      app.write({ '.python-version': '3.13\n', ...files });
      const config = kind === 'pip' && tool === 'uv' ? 'with: { installer: uv }\n    ' : '';
      const node = `  install:\n    uses: install-deps-${kind}\n    ${config}inputs: { runtime: runtime.tree, ${tool}: tool.tool }\n`;
      app.pipeline(managerPipeline('gate', tool, node));
      const passThrough = passThroughOf(process.env);
      const request = { sandbox: 'auto', passThrough, cacheDir: join(work, 'cache') } as const;
      // The tool comes from the real index.
      await app.run({ ...request, until: 'tool', appId: `gate-${apps.length}` });
      return { app, report: await app.run({ ...request, settings, appId: `gate-${apps.length}` }) };
    }

    const installed = ({ report }: { readonly report: RunReport }) =>
      (report.nodes['install']?.outputs as { packages?: Record<string, string> } | undefined)?.packages;

    it('shows no login to the code of a package, nor a way to the network', async () => {
      const password = 'Zq7-gate-Secret';
      const spy = makeSourceArchive('spy', '1.0', {
        'pyproject.toml': '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
        'backend.py': SPY.replace('REVERSED', [...password].reverse().join('')),
      });
      const index = await startIndex([spy], { login: { user: 'builder', password }, tellsDigests: true });
      const backend = SPY.replace('REVERSED', [...password].reverse().join('')).replace('PORT', String(index.port));
      index.add(
        spy.file,
        makeSourceArchive('spy', '1.0', {
          'pyproject.toml': '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
          'backend.py': backend,
        }).bytes,
      );
      const { app, report } = await install(
        { files: { 'requirements.txt': 'spy==1.0\n' }, kind: 'pip' },
        { INDEX: index.urlWithLogin, PACKAGES: 'gateway' },
      );
      expect(report.failure, JSON.stringify(report.failure)).to.equal(undefined);
      const site = join(app.outDir, '.scalingo/python/lib/python3.13/site-packages/spy.py');
      expect(readFileSync(site, 'utf8')).to.equal('FOUND = []\nREACHED = []\n');
    });

    it('gives a variable of the app with a login to the gateway only', async () => {
      const login = { user: 'builder', password: 'Zq7-gate-Secret' };
      const helper = makeWheel('helper', '1.5');
      const index = await startIndex([helper], { login, tellsDigests: true });
      const url = index.url.replace('//', '//${INDEX_USER}:${INDEX_PASSWORD}@');
      const app = new Workspace();
      apps.push(app);
      app.write({ '.python-version': '3.13\n', 'requirements.txt': `--index-url ${url}\nhelper==1.5\n` });
      const node = '  install:\n    uses: install-deps-pip\n    inputs: { runtime: runtime.tree, pip: tool.tool }\n';
      app.pipeline(managerPipeline('gate', 'pip', node));
      const variables = { INDEX_USER: login.user, INDEX_PASSWORD: login.password };
      const passThrough = passThroughOf(process.env);
      const request = { sandbox: 'auto', passThrough, cacheDir: join(work, 'cache'), variables } as const;
      const report = await app.run({
        ...request,
        settings: { PACKAGES: 'gateway', HOST_PORTS: String(index.port) },
        appId: 'variables',
      });
      expect(report.failure, JSON.stringify(report.failure)).to.equal(undefined);
      expect(installed({ report })).to.include({ helper: '1.5' });
    });

    const old = makeWheel('planted', '1.0');
    const planted = makeWheel('planted', '2.0');
    async function startPlanted(): Promise<PackageIndex> {
      const index = await startIndex([old, planted], { servesJson: true });
      index.tell(old.file, { uploadTime: Date.parse('2026-01-01') });
      index.tell(planted.file, { uploadTime: Date.parse('2026-06-01') });
      return index;
    }
    for (const tool of ['pip', 'uv'])
      it(`installs the older release with ${tool}, as of a date before a planted one`, async () => {
        const index = await startPlanted();
        const files = { 'requirements.txt': 'planted\n' };
        const asked = { files, kind: 'pip', tool };
        const now = await install(asked, { INDEX: index.url, PACKAGES: 'open' });
        expect(installed(now)).to.include({ planted: '2.0' });
        const then = await install(asked, { INDEX: index.url, PACKAGES: 'as-of=2026-03-01' });
        expect(installed(then)).to.include({ planted: '1.0' });
      });

    it('installs the older release with Pipenv, as of a date before a planted one', async () => {
      const index = await startPlanted();
      const lock = {
        _meta: {
          hash: { sha256: '' },
          'pipfile-spec': 6,
          requires: {},
          sources: [{ name: 'pypi', url: index.url, verify_ssl: true }],
        },
        default: { planted: { version: '*' } },
        develop: {},
      };
      const Pipfile = `[[source]]\nname = "pypi"\nurl = "${index.url}"\nverify_ssl = true\n\n[packages]\nplanted = "*"\n`;
      const files = { Pipfile, 'Pipfile.lock': JSON.stringify(lock) };
      const { report } = await install({ files, kind: 'pipenv' }, { PACKAGES: 'as-of=2026-03-01' });
      const reason = JSON.stringify(report.failure);
      // The hash of the Pipfile is not the point here; Pipenv may refuse it before it installs.
      if (report.failure === undefined) expect(installed({ report }), reason).to.include({ planted: '1.0' });
      else expect(reason).to.contain('Pipfile');
    });

    it('lets uv and Poetry lock the older release, as of a date before a planted one', async () => {
      const index = await startPlanted();
      const at = Date.parse('2026-03-01');
      const gateway = await PackageGateway.open({
        cacheDir: join(work, 'as-of'),
        passThrough: {},
        socketDir: work,
        now: Date.now(),
        gatekeeperFor: (_, pagesOf) => new AsOf({ at, pagesOf }),
      });
      stops.push(() => gateway.close());
      const packages = new NodePackages({
        open: () => Promise.resolve(gateway),
        mode: { type: 'as-of', at },
        records: new PackageRecords(join(work, 'records')),
        key: 'none',
      });
      await packages.begin({ indexes: [{ url: index.url, form: 'simple' }], files: [] });
      const certificates = join(work, 'certificates.pem');
      writeFileSync(certificates, packages.certificates({}));
      const env = packages.variables(certificates);
      const python = `${runtime.appDir}/.scalingo/python/bin/python3`;
      const uvDir = await prepareTool(runtime, 'uv');
      const uv = await lockedApp({ uvDir, python }, index, { dependencies: ['planted'] }, env);
      expect(uv['uv.lock']).to.contain('planted-1.0').and.not.to.contain('planted-2.0');
      const poetryDir = await prepareTool(runtime, 'poetry');
      const poetry = await lockedPoetryApp({ poetryDir, python }, index, { dependencies: ['planted'] }, env);
      expect(poetry['poetry.lock']).to.contain('planted-1.0').and.not.to.contain('planted-2.0');
    });

    it('refuses a locked file that is newer than the date', async () => {
      const index = await startPlanted();
      const uvDir = await prepareTool(runtime, 'uv');
      const python = `${runtime.appDir}/.scalingo/python/bin/python3`;
      const files = await lockedApp({ uvDir, python }, index, { dependencies: ['planted'] });
      const { report } = await install({ files, kind: 'uv' }, { PACKAGES: 'as-of=2026-03-01' });
      expect(report.failure?.code).to.equal('packages::later');
      expect(report.failure?.detail).to.contain('planted-2.0-py3-none-any.whl: it was uploaded at 2026-06-01');
      expect(outcomesOf(report)).to.include({ install: 'failed' });
    });
  });
});

/** Searches everything that a build can see for a text, and tries to reach other addresses. */
const SPY = `import os, socket, zipfile

needle = 'REVERSED'[::-1].encode()

def places():
    yield 'environment', repr(dict(os.environ)).encode()
    for process in os.listdir('/proc'):
        if not process.isdigit():
            continue
        for name in ('environ', 'cmdline'):
            try:
                yield '/proc/' + process + '/' + name, open('/proc/%s/%s' % (process, name), 'rb').read()
            except OSError:
                pass
    for top in ('/app', '/tmp', '/etc', '/opt', '/run', '/var'):
        for folder, _, names in os.walk(top):
            for name in names:
                path = os.path.join(folder, name)
                try:
                    if os.path.isfile(path) and os.path.getsize(path) < 1 << 20:
                        yield path, open(path, 'rb').read()
                except OSError:
                    pass

def reached():
    for address in (('127.0.0.1', int('PORT')), ('1.1.1.1', 443)):
        try:
            socket.create_connection(address, 2).close()
            yield address
        except OSError:
            pass

def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = 'spy-1.0-py3-none-any.whl'
    info = 'spy-1.0.dist-info/'
    found = [place for place, text in places() if needle in text]
    with zipfile.ZipFile(folder + '/' + name, 'w') as wheel:
        wheel.writestr('spy.py', 'FOUND = %r\\nREACHED = %r\\n' % (found, list(reached())))
        wheel.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: spy\\nVersion: 1.0\\n')
        wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
        wheel.writestr(info + 'RECORD', '')
    return name
`;
