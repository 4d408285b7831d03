// The shipped Python pipeline on a Pipenv app and on a pip app that pins its tools: real tools, CPythons and gunicorn.

import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { RunReport } from '../../src/engine/events.js';
import { passThroughOf } from '../../src/engine/app/pass-through.js';
import type { RunRequest } from '../../src/engine/request.js';
import { toolVersion } from '../../src/manifests/catalogue/tools.js';
import { formatReason } from '../../src/engine/render/reasons.js';
import { makePipfile } from '../support/pipfile.js';
import { pyenvVersions } from '../support/runtimes.js';
import { serveSlug } from '../support/slug-server.js';
import { outcomesOf, Workspace } from '../support/workspace.js';
import { skipBecause } from '../support/skip.js';

const ROOT = resolve(import.meta.dirname, '../..');
const CLI = join(ROOT, 'dist/cli.js');
const PIPELINE = join(ROOT, 'pipelines/python.yml');
const minorOf = (version: string): string => version.split('.').slice(0, 2).join('.');
/** The oldest and the newest minor on this machine. */
const MINORS = [...new Set([pyenvVersions().at(0), pyenvVersions().at(-1)])].flatMap((version) =>
  version === undefined ? [] : [minorOf(version)],
);

const LOCKED = {
  blinker: '1.9.0',
  click: '8.5.1',
  flask: '3.1.2',
  gunicorn: '23.0.0',
  itsdangerous: '2.2.0',
  jinja2: '3.1.6',
  markupsafe: '3.0.3',
  packaging: '26.3',
  six: '1.17.0',
  werkzeug: '3.1.9',
};
/** Without digests, so that the test can change versions. */
const pipfile = (locked: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  makePipfile({
    default: Object.fromEntries(
      Object.entries(locked).map(([name, version]) => [name, { version: `==${version}`, index: 'pypi' }]),
    ),
  });

const ran = (report: RunReport): readonly string[] =>
  Object.entries(outcomesOf(report)).flatMap(([id, outcome]) => (outcome === 'executed' ? [id] : []));
const layersOf = (report: RunReport): Readonly<Record<string, string | undefined>> =>
  Object.fromEntries(Object.entries(report.nodes).map(([id, { layer }]) => [id, layer?.digest]));

class PythonApp extends Workspace {
  /** All apps in this file share runtimes and tools. */
  constructor(private readonly sharedCache: string) {
    super();
  }

  override request(overrides: Partial<RunRequest> = {}): RunRequest {
    return super.request({
      pipelineFile: PIPELINE,
      cacheDir: this.sharedCache,
      sandbox: 'auto',
      params: { providers: '["system"]' },
      passThrough: passThroughOf(process.env),
      ...overrides,
    });
  }

  async build(overrides: Partial<RunRequest> = {}): Promise<RunReport> {
    const report = await this.run(overrides);
    if (report.failure !== undefined) throw new Error(JSON.stringify(report.failure));
    return report;
  }

  /** Names of packages in the slug's Python. */
  packages(minor: string): readonly string[] {
    return readdirSync(join(this.outDir, `.scalingo/python/lib/python${minor}/site-packages`))
      .filter((name) => name.endsWith('.dist-info'))
      .map((name) => name.replace('.dist-info', ''));
  }
}

const inSlug = (slug: string, sandbox: string, ...command: readonly string[]): string =>
  execFileSync(process.execPath, [CLI, 'exec', '--slug', slug, '--sandbox', sandbox, '--', ...command], {
    encoding: 'utf8',
  });

describe(`tools in the pipeline${MINORS.length > 0 ? '' : ' (skipped: no CPython under pyenv)'}`, function () {
  this.timeout(300_000);
  let cache: string;
  before(function () {
    if (MINORS.length === 0) return this.skip();
    cache = mkdtempSync(join(tmpdir(), 'pyflow-pipenv-cache-'));
  });
  after(() => cache && rmSync(cache, { recursive: true, force: true }));

  describe('a Pipenv app', () => {
    let app: PythonApp;
    const last = MINORS.at(-1) ?? '';
    before(() => {
      app = new PythonApp(cache);
      app.write({
        ...pipfile(LOCKED),
        'app.py': 'from flask import Flask\napp = Flask(__name__)\n@app.get("/")\ndef home(): return "at home"\n',
        Procfile: 'web: gunicorn --bind 127.0.0.1:$PORT app:app\n',
      });
    });
    after(() => app?.cleanUp());

    for (const minor of MINORS) {
      it(`builds with CPython ${minor}, and is then up to date`, async () => {
        app.write({ '.python-version': `${minor}\n` });
        const report = await app.build();
        expect(report.nodes['pipenv']?.outputs?.['packages']).to.deep.equal(LOCKED);
        expect(report.buildData).to.include({ package_manager: 'pipenv', pipenv_version: toolVersion('pipenv') });
        expect(outcomesOf(report)).to.include({
          pip: 'skipped',
          'pip-tool': 'skipped',
          poetry: 'skipped',
          uv: 'skipped',
        });
        const again = await app.build();
        expect(ran(again)).to.deep.equal([]);
        expect(again.slug?.digest).to.equal(report.slug?.digest);
      });
    }

    it('gives the same layers without a sandbox, and boots with its Pipenv after a move', async () => {
      const before = await app.build();
      const report = await app.build({ sandbox: 'none', refresh: ['runtime-tools', 'pipenv'] });
      expect(ran(report)).to.include.members(['runtime-tools', 'pipenv']);
      expect(layersOf(report)).to.deep.equal(layersOf(before));
      const moved = join(mkdtempSync(join(tmpdir(), 'pyflow moved ')), 'slug');
      try {
        renameSync(app.outDir, moved);
        for (const sandbox of ['none', 'required'] as const) {
          const server = await serveSlug(moved, { sandbox });
          expect(await server.ask('/')).to.deep.equal({ status: 200, text: 'at home' });
          await server.stop();
          expect(inSlug(moved, sandbox, 'pipenv', '--version')).to.contain(toolVersion('pipenv'));
        }
      } finally {
        rmSync(resolve(moved, '..'), { recursive: true, force: true });
      }
    });

    it('re-runs the install and nodes that read its tree for a changed pin and a removed package', async () => {
      const { six: _, ...kept } = LOCKED;
      app.write(pipfile({ ...kept, click: '8.4.0' }));
      const report = await app.build();
      expect(ran(report)).to.deep.equal(['pipenv', 'dependencies', 'nltk', 'collectstatic', 'post-compile']);
      const reasons = report.nodes['pipenv']!.reasons.map(formatReason);
      expect(reasons.join('\n'))
        .to.match(/click 8\.5\.1 -> 8\.4\.0/)
        .and.to.match(/six was removed/);
      expect(app.packages(last))
        .to.include('click-8.4.0')
        .and.not.to.include('click-8.5.1')
        .and.not.to.include('six-1.17.0');
      expect(existsSync(join(app.outDir, `.scalingo/python/lib/python${last}/site-packages/six.py`))).to.equal(false);
    });

    it('re-runs nodes that use Pipenv for another version of it', async () => {
      const text = readFileSync(PIPELINE, 'utf8');
      const edited = text.replace('{ name: pipenv,', "{ name: pipenv, version: '2026.6.2',");
      expect(edited).not.to.equal(text);
      writeFileSync(app.pipelineFile, edited);
      const report = await app.build({ pipelineFile: app.pipelineFile });
      expect(ran(report)).to.deep.equal([
        'pipenv-tool',
        'runtime-tools',
        'pipenv',
        'dependencies',
        'nltk',
        'collectstatic',
        'post-compile',
      ]);
      expect(inSlug(app.outDir, 'none', 'pipenv', '--version')).to.contain('2026.6.2');
    });

    it('is smaller without Pipenv in the slug', async () => {
      const report = await app.build({ params: { providers: '["system"]', runtimeTools: 'false' } });
      expect(outcomesOf(report)).to.include({ runtime: 'up-to-date', 'pipenv-tool': 'restored' });
      expect(existsSync(join(app.outDir, '.scalingo/python/pipenv'))).to.equal(false);
    });
  });

  describe('a pip app', () => {
    const minor = MINORS.find((one) => ['3.10', '3.11', '3.12'].includes(one));
    const script = (slug: string): readonly string[] =>
      ['pip', 'setuptools'].map((name) =>
        inSlug(slug, 'none', 'python', '-c', `import ${name}; print(${name}.__version__)`).trim(),
      );

    it('[pip.setuptools-old-python] has pip and setuptools at run time, at the versions that the app requests', async function () {
      if (minor === undefined) {
        return skipBecause(this, 'needs a CPython before 3.13');
      }
      const app = new PythonApp(cache);
      try {
        app.write({ '.python-version': `${minor}\n`, 'requirements.txt': 'six==1.17.0\nsetuptools\n' });
        const first = await app.build();
        expect(script(app.outDir)).to.deep.equal([toolVersion('pip'), toolVersion('setuptools')]);
        expect(first.buildData).to.include({ setuptools_version: toolVersion('setuptools') });
        expect(inSlug(app.outDir, 'none', 'pip', '--version')).to.contain(`pip ${toolVersion('pip')} `);
        app.write({ 'requirements.txt': 'six==1.17.0\npip==26.1.2\nsetuptools==75.8.0\n' });
        const second = await app.build();
        expect(ran(second)).to.deep.equal(['pip', 'dependencies', 'nltk', 'collectstatic', 'post-compile']);
        expect(script(app.outDir)).to.deep.equal(['26.1.2', '75.8.0']);
        expect(app.packages(minor)).to.deep.equal(['pip-26.1.2', 'setuptools-75.8.0', 'six-1.17.0']);
      } finally {
        app.cleanUp();
      }
    });

    it('[pip.setuptools-old-python] has no setuptools on newer Pythons, like their virtual environments', async function () {
      const newer = MINORS.find((one) => one === '3.13');
      if (newer === undefined) {
        return skipBecause(this, 'needs a CPython 3.13');
      }
      const app = new PythonApp(cache);
      try {
        app.write({ '.python-version': `${newer}\n`, 'requirements.txt': 'six==1.17.0\n' });
        const report = await app.build();
        expect(app.packages(newer)).to.deep.equal([`pip-${toolVersion('pip')}`, 'six-1.17.0']);
        expect(report.buildData).not.to.have.property('setuptools_version');
      } finally {
        app.cleanUp();
      }
    });
  });
});
