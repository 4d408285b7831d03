// The shipped Python pipeline on the example app: real pip with the package index, real CPython and gunicorn.

import { expect } from 'chai';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, renameSync, rmSync, utimesSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { passThroughOf } from '../../src/engine/app/pass-through.js';
import type { RunReport } from '../../src/engine/events.js';
import type { RunRequest } from '../../src/engine/request.js';
import { formatReason } from '../../src/engine/render/reasons.js';
import { pyenvVersions } from '../support/runtimes.js';
import { outcomesOf, Workspace } from '../support/workspace.js';
import { skipBecause } from '../support/skip.js';

const ROOT = resolve(import.meta.dirname, '../..');
const CLI = join(ROOT, 'dist/cli.js');
/** The version in the example's `.python-version`. */
const MINOR = readFileSync(join(ROOT, 'examples/flask-pip/.python-version'), 'utf8').trim();
const hasPython = pyenvVersions().some((version) => version.startsWith(`${MINOR}.`));
const UPDATED = { from: 'click==8.5.1', to: 'click==8.4.0' };

const ran = (report: RunReport): readonly string[] =>
  Object.entries(outcomesOf(report)).flatMap(([id, outcome]) => (outcome === 'executed' ? [id] : []));
const layersOf = (report: RunReport): Readonly<Record<string, string | undefined>> =>
  Object.fromEntries(Object.entries(report.nodes).map(([id, { layer }]) => [id, layer?.digest]));

/** A package whose build generates a module and compiles an extension in place. */
const EDITABLE = {
  'requirements.txt': '-e ./pkg\n',
  'pkg/setup.py': `from setuptools import Extension, setup
open('src/greeting/_version.py', 'w').write("text = 'generated'")
setup(name='greeting', version='1.0', package_dir={'': 'src'}, packages=['greeting'],
      ext_modules=[Extension('greeting._c', ['src/greeting/c.c'])])
`,
  'pkg/src/greeting/__init__.py': '',
  'pkg/src/greeting/c.c': `#include <Python.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_c", 0, -1, 0};
PyMODINIT_FUNC PyInit__c(void) { return PyModule_Create(&module); }
`,
};

class PythonApp extends Workspace {
  constructor() {
    super();
    cpSync(join(ROOT, 'examples/flask-pip'), this.appDir, {
      recursive: true,
      filter: (path) => !path.includes('.pyflow'),
    });
  }

  override request(overrides: Partial<RunRequest> = {}): RunRequest {
    return super.request({
      pipelineFile: join(ROOT, 'pipelines/python.yml'),
      sandbox: 'auto',
      params: { providers: '["system"]' },
      passThrough: passThroughOf(process.env),
      ...overrides,
    });
  }

  edit(path: string, change: (text: string) => string): void {
    this.write({ [path]: change(readFileSync(join(this.appDir, path), 'utf8')) });
  }
}

function freePort(): Promise<number> {
  return new Promise((done) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => done(port));
    });
  });
}

/** Boots the slug with `pyflow exec` and sends a request. The server has ended when this resolves. */
async function askSlug(
  slug: string,
  sandbox: string,
): Promise<{ status: number; text: string; exitCode: number | null }> {
  const port = await freePort();
  const args = [
    CLI,
    'exec',
    '--slug',
    slug,
    '--sandbox',
    sandbox,
    '--',
    'gunicorn',
    'app:app',
    '--bind',
    `127.0.0.1:${port}`,
  ];
  const server = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<number | null>((done) => server.once('close', done));
  let printed = '';
  const listening = new Promise<void>((done, failed) => {
    const look = (chunk: Buffer): void => {
      printed += chunk.toString();
      if (printed.includes('Listening at')) done();
    };
    server.stdout.on('data', look);
    server.stderr.on('data', look);
    server.once('close', () => failed(new Error(`gunicorn ended: ${printed}`)));
  });
  try {
    await listening;
    const answer = await fetch(`http://127.0.0.1:${port}/`);
    const text = await answer.text();
    server.kill('SIGTERM');
    return { status: answer.status, text, exitCode: await ended };
  } finally {
    server.kill('SIGKILL');
  }
}

describe(`python pipeline${hasPython ? '' : ` (skipped: no CPython ${MINOR} under pyenv)`}`, function () {
  this.timeout(300_000);
  let app: PythonApp;
  let first: RunReport;
  before(async function () {
    if (!hasPython) return this.skip();
    app = new PythonApp();
    first = await app.run();
    expect(first.failure).to.equal(undefined);
  });
  after(() => app?.cleanUp());
  afterEach(async () => {
    // Each test starts with the unchanged app, already built.
    cpSync(join(ROOT, 'examples/flask-pip'), app.appDir, {
      recursive: true,
      filter: (path) => !path.includes('.pyflow'),
    });
    await app.run();
  });

  it('[cache.empty] builds a slug from a cold cache, and reports the fallback runtime', () => {
    expect(first.status).to.equal('succeeded');
    expect(first.nodes['pip']?.outputs?.['packages']).to.include({ flask: '3.1.3' });
    expect(first.buildData).to.include({ package_manager: 'pip', cache_status: 'empty' });
  });

  it('gives the same layer digests in both sandbox modes, and both slugs boot after a move', async () => {
    const other = new PythonApp();
    try {
      const report = await other.run({ sandbox: 'none' });
      expect(layersOf(report)).to.deep.equal(layersOf(first));
      expect(report.slug?.digest).to.equal(first.slug?.digest);
      const moved = mkdtempSync(join(tmpdir(), 'pyflow moved '));
      try {
        renameSync(other.outDir, join(moved, 'slug'));
        for (const sandbox of ['none', 'auto']) {
          const answer = await askSlug(join(moved, 'slug'), sandbox);
          expect(answer.status, sandbox).to.equal(200);
          expect(answer.text).to.contain('<html');
          expect(answer.exitCode).to.equal(0);
        }
      } finally {
        rmSync(moved, { recursive: true, force: true });
      }
    } finally {
      other.cleanUp();
    }
  });

  it('gives the same slug under another locale, time zone and umask, at another time and place', () => {
    const other = new PythonApp();
    try {
      const then = Date.now() / 1000 - 40_000_000;
      utimesSync(join(other.appDir, 'app.py'), then, then);
      const env = { ...process.env, LC_ALL: 'C', TZ: 'Asia/Kathmandu', PYTHONHASHSEED: '7', PIP_NO_CACHE_DIR: '1' };
      const command = `umask 077; exec "$0" "$@"`;
      const args = ['-c', command, process.execPath, CLI, 'run', join(ROOT, 'pipelines/python.yml')];
      const options = [
        '--app',
        other.appDir,
        '--out',
        other.outDir,
        '--cache-dir',
        other.cacheDir,
        '--sandbox',
        'none',
      ];
      const report = join(other.root, 'report.json');
      execFileSync('/bin/sh', [...args, ...options, '-p', 'providers=["system"]', '--report', report], {
        env,
        stdio: 'pipe',
      });
      const { slug } = JSON.parse(readFileSync(report, 'utf8')) as RunReport;
      expect(slug?.digest).to.equal(first.slug?.digest);
    } finally {
      other.cleanUp();
    }
  });

  it('[cache.restored] finds everything up to date, and restores everything if the slug is missing', async () => {
    const second = await app.run();
    // Skipped: the nodes of other package managers.
    expect(new Set(Object.values(outcomesOf(second)))).to.deep.equal(new Set(['up-to-date', 'skipped']));
    expect(app.events.some(({ type }) => type === 'node-started')).to.equal(false);
    rmSync(app.outDir, { recursive: true });
    const third = await app.run();
    expect(ran(third)).to.deep.equal([]);
    expect(third.slug?.digest).to.equal(first.slug?.digest);
  });

  it('re-runs no node for a changed app.py', async () => {
    app.edit('app.py', (text) => `${text}\n# changed\n`);
    expect(ran(await app.run())).to.deep.equal([]);
    expect(app.slugFile('app.py')).to.contain('# changed');
  });

  it('re-runs only the install for a comment in requirements.txt', async () => {
    app.edit('requirements.txt', (text) => `# a comment\n${text}`);
    expect(ran(await app.run())).to.deep.equal(['pip']);
  });

  it('re-runs the install and nodes that read its tree for a changed pin, and names the package', async () => {
    app.edit('requirements.txt', (text) => withoutHashes(text).replace(UPDATED.from, UPDATED.to));
    const report = await app.run();
    expect(ran(report)).to.deep.equal(['pip', 'dependencies', 'nltk', 'collectstatic', 'post-compile']);
    const reasons = report.nodes['pip']!.reasons.map(formatReason);
    expect(reasons.join('\n')).to.match(/click.* 8\.5\.1 -> .*8\.4\.0/);
  });

  it('[editable.build-rewrite] keeps files that the build of an editable package writes next to its sources, also from the cache', async function () {
    if (spawnSync('gcc', ['--version']).status !== 0) {
      return skipBecause(this, 'no gcc');
    }
    const editable = new PythonApp();
    try {
      editable.write(EDITABLE);
      const script = 'import greeting._c, greeting._version as made; print(greeting._c.__file__, made.text)';
      for (let round = 0; round < 2; round++) {
        const report = await editable.run();
        expect(report.failure).to.equal(undefined);
        expect(ran(report).includes('pip')).to.equal(round === 0);
        const printed = execFileSync(
          process.execPath,
          [CLI, 'exec', '--slug', editable.outDir, '--sandbox', 'none', '--', 'python', '-c', script],
          { encoding: 'utf8' },
        );
        expect(printed).to.match(new RegExp(`^${editable.outDir}/pkg/src/greeting/_c\\..*\\.so generated\n$`));
        rmSync(editable.outDir, { recursive: true });
      }
    } finally {
      editable.cleanUp();
    }
  });

  it("fails with pip's error for a version that does not exist, and keeps the slug", async () => {
    app.edit('requirements.txt', (text) => withoutHashes(text).replace(UPDATED.from, 'click==0.0.999'));
    const report = await app.run();
    expect(report.exitCode).to.equal(1);
    expect(report.nodes['pip']?.failure?.code).to.equal('install-dependencies::pip');
    expect(outcomesOf(report)['post-compile']).to.be.oneOf(['blocked', 'aborted']);
    expect(app.slugFile('app.py')).to.contain('Flask');
  });

  it('[hint.pip-metadata] [pip.install-deps-failed] recognizes packages whose metadata pip rejects', async () => {
    app.write({ 'requirements.txt': 'celery==5.1.2\n' });
    const { exitCode, buildData } = await app.run();
    expect(exitCode).to.equal(1);
    expect(buildData).to.include({
      failure_reason: 'install-dependencies::pip',
      failure_detail: 'Please use pip<24.1 if you need to use this version',
    });
  });

  it('exits with 75 if the index is unreachable', async () => {
    app.edit('requirements.txt', (text) => `${text}\n# again\n`);
    const report = await app.run({ settings: { INDEX: 'http://127.0.0.1:9/simple' } });
    expect(report.nodes['pip']?.failure?.blame).to.equal('environment');
    expect(report.exitCode).to.equal(75);
  });
});

const withoutHashes = (text: string): string => text.replace(/ *\\\n *--hash=\S+/g, '');
