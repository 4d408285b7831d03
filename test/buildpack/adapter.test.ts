/* oxlint-disable no-control-regex -- colours are what is looked for */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { writeExport } from '../../src/cli/buildpack/export-file.js';
import { placesOf } from '../../src/cli/buildpack/places.js';
import type { ActionKey } from '../../src/engine/files/digest.js';
import { readState } from '../../src/engine/run/run-record.js';
import { BuildpackTrial } from '../support/buildpack-trial.js';
import { nodeReport } from '../support/events.js';

describe('cli/buildpack', () => {
  let trial: BuildpackTrial;
  beforeEach(() => {
    trial = new BuildpackTrial();
  });
  afterEach(() => trial.cleanUp());

  describe('detect', () => {
    it('[detect.python-project-found] prints Python if the app has a file or folder of a known name', async () => {
      trial.write({ 'build/manage.py': '' });
      expect(await trial.step('detect', [trial.buildDir])).to.deep.equal({ status: 0, stdout: 'Python\n', stderr: '' });
    });

    it('[detect.misspelled-requirements-still-pass] [detect.venv-or-pycache-only] passes, so that compile explains the problem', async () => {
      for (const name of ['requirments.txt', 'venv/x']) {
        const other = new BuildpackTrial().write({ [`build/${name}`]: '' });
        expect((await other.step('detect', [other.buildDir])).status, name).to.equal(0);
        other.cleanUp();
      }
    });

    it('ignores a file with the name of a project folder', async () => {
      trial.write({ 'build/venv': '' });
      expect((await trial.step('detect', [trial.buildDir])).status).to.equal(1);
    });

    it('looks in the root that the operator sets', async () => {
      trial.write({ 'build/services/web/uv.lock': '' });
      trial.env = { PYFLOW_PARAMS: 'root=services/web' };
      expect((await trial.step('detect', [trial.buildDir])).status).to.equal(0);
    });

    it('[detect.no-python-files] exits with 1 and prints the failure of the pipeline to stderr', async () => {
      const failure = { code: 'x::y', blame: 'app', title: 'No Python here', detail: 'why', remedy: 'what' } as const;
      trial.report = { failure };
      const { status, stdout, stderr } = await trial.step('detect', [trial.buildDir]);
      expect({ status, stdout }).to.deep.equal({ status: 1, stdout: '' });
      expect(stderr).to.match(/^\n.* !     error: No Python here .*\n[^]*why[^]*what[^]*\n\n$/);
      expect(trial.requests[0]).to.deep.include({ only: ['detect'], appDir: trial.buildDir });
    });

    it('says what to add if the pipeline has no failure to explain it', async () => {
      for (const [params, folder] of [
        ['', 'the root folder of the app'],
        ['root=services/web', 'the folder services/web'],
      ] as const) {
        trial.env = { PYFLOW_PARAMS: params };
        const { status, stderr } = await trial.step('detect', [trial.buildDir]);
        expect(status).to.equal(1);
        expect(stderr)
          .to.match(/^This app has no file of a Python project\. Add .*\n$/)
          .and.to.contain(` to ${folder}.`);
      }
    });
  });

  describe('compile', () => {
    it('[setup.arguments] builds BUILD_DIR in place, with the cache in CACHE_DIR and the variables of ENV_DIR', async () => {
      const { status } = await trial.compile();
      expect(status).to.equal(0);
      expect(trial.requests[0]).to.deep.include({
        pipelineFile: join(trial.root, 'pipelines/python.yml'),
        appDir: trial.buildDir,
        outDir: trial.buildDir,
        oneTime: true,
        cacheDir: join(trial.cacheDir, 'pyflow'),
        envDir: trial.envDir,
        params: { stack: 'scalingo-24' },
        mode: 'build',
        sandbox: 'auto',
      });
    });

    it('builds without variables of the app if ENV_DIR does not exist or is not given', async () => {
      await trial.step('compile', [trial.buildDir, trial.cacheDir, join(trial.root, 'absent')]);
      await trial.step('compile', [trial.buildDir, trial.cacheDir]);
      expect(trial.requests.map(({ envDir }) => envDir)).to.deep.equal([undefined, undefined]);
    });

    it('reads pipeline, params, shared cache, app id and sandbox from the variables of the operator', async () => {
      trial.env = {
        STACK: 'scalingo-22',
        PYFLOW_PIPELINE: '/etc/platform/python.yml',
        PYFLOW_PARAMS: 'providers=["scalingo"]\n  vendorDir=.heroku\n',
        PYFLOW_CACHE_DIR: join(trial.root, 'shared'),
        PYFLOW_APP_ID: 'shop',
        PYFLOW_SANDBOX: 'required',
      };
      await trial.compile();
      expect(trial.requests[0]).to.deep.include({
        pipelineFile: '/etc/platform/python.yml',
        params: { providers: '["scalingo"]', vendorDir: '.heroku', stack: 'scalingo-22' },
        cacheDir: join(trial.root, 'shared'),
        appId: 'shop',
        sandbox: 'required',
      });
      expect(trial.read('cache/.heroku/python-version')).to.equal('python-3.13.9\n');
    });

    it('limits the cache of one app unless the operator does, and does not limit a shared one', async () => {
      await trial.compile();
      trial.env = { STACK: 'scalingo-24', PYFLOW_CACHE_MAX_BYTES: '5' };
      await trial.compile();
      trial.env = { STACK: 'scalingo-24', PYFLOW_CACHE_DIR: join(trial.root, 'shared') };
      await trial.compile();
      const limits = trial.requests.map(({ settings }) => settings['CACHE_MAX_BYTES']);
      expect(limits).to.deep.equal([String(4 * 1024 ** 3), '5', undefined]);
    });

    for (const [what, env] of [
      ['a param without a value', { PYFLOW_PARAMS: 'stack' }],
      ['an app id that is none', { PYFLOW_APP_ID: '../x' }],
      ['a sandbox that is none', { PYFLOW_SANDBOX: 'maybe' }],
    ] as const) {
      it(`refuses ${what}`, async () => {
        trial.env = { STACK: 'scalingo-24', ...env };
        const { status, stderr } = await trial.compile();
        expect(status).to.equal(2);
        expect(stderr).to.contain(Object.keys(env)[0]);
        expect(trial.requests).to.deep.equal([]);
      });
    }

    it('[setup.stack-env-required] fails without STACK', async () => {
      trial.env = {};
      const { status, stderr } = await trial.compile();
      expect(status).to.equal(2);
      expect(stderr).to.contain('[buildpack::stack-missing]');
    });

    it('[checks.stack-eol] [checks.stack-unknown] refuses before anything runs, and writes it to the build data', async () => {
      for (const [stack, code] of [
        ['scalingo-20', 'checks::stack::eol'],
        ['scalingo-99', 'checks::stack::unknown'],
      ] as const) {
        trial.env = { STACK: stack };
        const { status, stderr } = await trial.compile();
        expect(status).to.equal(2);
        expect(stderr).to.contain(`[${code}]`);
        expect(trial.data).to.deep.equal({ failure_reason: code, failure_detail: stack });
      }
      expect(trial.requests).to.deep.equal([]);
    });

    it('[checks.order-stack-then-duplicate] [checks.duplicate-buildpack] checks the stack, then refuses a second run in one build', async () => {
      trial.write({ 'build/.scalingo/python/bin/python': '' });
      trial.env = { STACK: 'scalingo-24', PYTHONHOME: '/app/.scalingo/python' };
      const { status, stderr } = await trial.compile();
      expect(status).to.equal(1);
      expect(stderr).to.contain('[checks::duplicate-python-buildpack]');
      trial.env = { ...trial.env, STACK: 'nothing' };
      expect((await trial.compile()).stderr, 'checks.order-stack-then-duplicate').to.contain('checks::stack::unknown');
    });

    it('[setup.sanitise-python-env] does not pass PYTHONHOME of an earlier buildpack on to the build', async () => {
      trial.env = { STACK: 'scalingo-24', PYTHONHOME: '/elsewhere', PYTHONPATH: '/there', OTHER: 'x' };
      await trial.compile();
      expect(trial.requests[0]?.variables).to.deep.equal({ STACK: 'scalingo-24' });
    });

    it('passes on variables that the operator names', async () => {
      trial.env = {
        STACK: 'scalingo-24',
        SOURCE_VERSION: 'abc',
        OTHER: 'x',
        PYFLOW_PASS_ENV: 'SOURCE_VERSION, ABSENT',
      };
      await trial.compile();
      expect(trial.requests[0]?.variables).to.deep.equal({ STACK: 'scalingo-24', SOURCE_VERSION: 'abc' });
    });

    it('passes on only those exports of earlier buildpacks that point into the app', async () => {
      const odd = '/app/..:/app:/app/a b:/app/x/../y';
      trial.env = {
        STACK: 'scalingo-24',
        PATH: `${trial.buildDir}/.apt/usr/bin:/usr/bin:/app/.heroku/node/bin/:${odd}:/application/bin`,
        LD_LIBRARY_PATH: '/opt/lib',
        C_INCLUDE_PATH: '/app/.apt/usr/include',
        GDAL_DATA: '/app/.geo/share',
        MIXED: `/app/.geo:${trial.root}`,
        HOME: '/app/home',
        PYTHONHOME: '/app/.scalingo/python',
        PYFLOW_PIPELINE: '/app/x',
      };
      await trial.compile();
      expect(trial.requests[0]?.searchPaths).to.deep.equal({
        C_INCLUDE_PATH: ['.apt/usr/include'],
        GDAL_DATA: ['.geo/share'],
        PATH: ['.apt/usr/bin', '.heroku/node/bin'],
      });
    });

    it('[test-compile.mode] [test-compile.locale] builds for tests, and tells hooks', async () => {
      await trial.step('test-compile', [trial.buildDir, trial.cacheDir, trial.envDir]);
      expect(trial.requests[0]).to.deep.include({
        mode: 'test',
        variables: { STACK: 'scalingo-24', INSTALL_TEST: '1', DISABLE_COLLECTSTATIC: '1', LC_ALL: 'C.UTF-8' },
      });
    });

    it('exits with the status of the run', async () => {
      trial.report = { status: 'failed', exitCode: 75, buildData: { failure_reason: 'install-python' } };
      expect((await trial.compile()).status).to.equal(75);
      expect(trial.data).to.deep.equal({ failure_reason: 'install-python' });
      expect(existsSync(join(trial.home, 'export'))).to.equal(false);
    });

    it("shows the problems of the operator's pipeline", async () => {
      const failure = { code: 'x::y', blame: 'pipeline', title: 'Broken', detail: '', remedy: 'mend' } as const;
      const { status, stderr } = await trial.compile({
        engine: { run: () => Promise.resolve({ ok: false, failure: { type: 'failure', failure } }) },
      });
      expect(status).to.equal(2);
      expect(stderr).to.contain('Broken [x::y]');
      expect(trial.data).to.deep.equal({ failure_reason: 'x::y' });
    });

    it('[finish.uv-notice] recommends uv to apps of other package managers, in blue on stderr', async () => {
      expect((await trial.compile()).stderr).to.match(/\n\u001b\[1;34m !     Tip: uv/);
      trial.report = { buildData: { package_manager: 'uv' } };
      expect((await trial.compile()).stderr).to.equal('');
    });

    it('uses no color if NO_COLOR is set', async () => {
      trial.env = { STACK: 'scalingo-24', NO_COLOR: '1' };
      expect((await trial.compile()).stderr).to.match(/^\n !     Tip: uv/);
    });

    it('exits with 75 if CACHE_DIR is not writable', async () => {
      trial.write({ cache: 'a file' });
      const { status, stderr } = await trial.compile();
      expect(status).to.equal(75);
      expect(stderr).to.contain('[buildpack::cache-dir-unusable]');
    });
  });

  describe('CACHE_DIR', () => {
    const idOf = (): string | undefined => trial.requests.at(-1)?.appId;
    const stateOf = (): unknown => readState(trial.requests.at(-1)!.cacheDir, idOf()!);

    it('gives an app one id for all builds, and a new one if CACHE_DIR was emptied', async () => {
      await trial.compile();
      const id = idOf();
      expect(id).to.match(/^app-[0-9a-f]{32}$/);
      await trial.compile();
      expect(idOf()).to.equal(id);
      trial.write({ 'cache/pyflow-app-id': '../../etc\n' });
      await trial.compile();
      expect(idOf())
        .to.match(/^app-[0-9a-f]{32}$/)
        .and.not.to.equal(id);
    });

    it("[cache.discarded] [cache.legacy-cleanup] [pyver.cached-version-read] passes the version in the old buildpack's cache on to the pipeline, and replaces the cache", async () => {
      trial.write({
        'cache/.scalingo/python-version': 'python-3.11.4',
        'cache/.scalingo/python-stack': 'scalingo-24',
        'cache/.scalingo/requirements.txt': 'flask',
        'cache/.scalingo/python/bin/python': '',
        'cache/.scalingo/node/kept': 'of another buildpack',
        'cache/build-data/python': 'package_manager=pip',
      });
      const { stdout } = await trial.compile();
      expect(stdout).to.match(/^-----> Discarding the cache of another buildpack\n {7}\S/);
      expect(stateOf()).to.deep.equal({ python: { minor: '3.11' } });
      expect(trial.data).to.include({ cache_status: 'discarded' });
      expect(trial.read('cache/.scalingo/python-version')).to.equal('python-3.13.9\n');
      for (const name of [
        '.scalingo/python',
        '.scalingo/python-stack',
        '.scalingo/requirements.txt',
        'build-data/python',
      ]) {
        expect(existsSync(join(trial.cacheDir, name)), name).to.equal(false);
      }
      expect(trial.read('cache/.scalingo/node/kept')).to.equal('of another buildpack');
      expect((await trial.compile()).stdout).to.equal('');
      expect(trial.data).to.include({ cache_status: 'reused' });
    });

    it("[cache.not-saved-on-failure] keeps the old buildpack's cache until a build succeeds", async () => {
      trial.write({ 'cache/.scalingo/python-version': 'python-3.11.4', 'cache/.scalingo/python/bin/python': '' });
      trial.report = { status: 'failed', exitCode: 1, buildData: {} };
      await trial.compile();
      expect(trial.read('cache/.scalingo/python-version')).to.equal('python-3.11.4');
      expect(existsSync(join(trial.cacheDir, '.scalingo/python/bin/python'))).to.equal(true);
    });

    it('uses the version in CACHE_DIR, not the one in the shared cache', async () => {
      trial.env = { STACK: 'scalingo-24', PYFLOW_CACHE_DIR: join(trial.root, 'shared'), PYFLOW_APP_ID: 'shop' };
      trial.write({ 'cache/.scalingo/python-version': 'python-3.12.1\n' });
      await trial.compile();
      expect(stateOf()).to.deep.equal({ python: { minor: '3.12' } });
      trial.write({ 'cache/.scalingo/python-version': 'nonsense' });
      await trial.compile();
      expect(stateOf()).to.deep.equal({});
    });

    it('[data.rotate] keeps the build data of the previous build', async () => {
      await trial.compile();
      trial.report = { buildData: { package_manager: 'uv' } };
      await trial.compile();
      expect(trial.data).to.deep.equal({ package_manager: 'uv' });
      expect(JSON.parse(trial.read('cache/build-data/python-prev.json'))).to.include({ package_manager: 'pip' });
    });

    it('[data.location] [data.truncate] [data.types] stores flat facts, cut to 200 characters, keys sorted', async () => {
      trial.report = {
        buildData: {
          z: 'x'.repeat(300),
          b: true,
          a: 1.25,
          files: ['python_version', '.pythonversion'],
          none: [],
          o: {},
        },
      };
      await trial.compile();
      expect(Object.entries(trial.data)).to.deep.equal([
        ['a', 1.25],
        ['b', true],
        ['files', 'python_version,.pythonversion,'],
        ['z', 'x'.repeat(200)],
      ]);
    });
  });

  describe('report', () => {
    it('[report.print] prints the build data, and fails if there are none', async () => {
      const none = await trial.step('report', [trial.buildDir, trial.cacheDir]);
      expect(none.status).to.equal(1);
      expect(none.stderr).to.contain('Run bin/compile with this folder');
      await trial.compile();
      const { status, stdout } = await trial.step('report', [trial.buildDir, trial.cacheDir, trial.envDir]);
      expect(status).to.equal(0);
      expect(JSON.parse(stdout)).to.deep.equal(trial.data);
    });

    it('[setup.build-data-init] prints nothing of the previous build if this one was cut off', async () => {
      await trial.compile();
      const killed = trial.compile({ engine: { run: () => Promise.reject(new Error('killed')) } });
      expect((await killed).status).to.equal(70);
      expect(trial.data).to.deep.equal({});
    });
  });

  describe('release', () => {
    const django = { 'build/manage.py': '', 'build/.scalingo/python/lib/python3.13/site-packages/django/x': '' };
    const psycopg = { 'build/.scalingo/python/lib/python3.13/site-packages/psycopg2/x': '' };

    it('[release.postgres-addon] adds a database for a Django app with psycopg2', async () => {
      await trial.compile();
      trial.write({ ...django, ...psycopg });
      const { status, stdout } = await trial.step('release', [trial.buildDir]);
      expect({ status, stdout }).to.deep.equal({ status: 0, stdout: '---\naddons:\n  - scalingo-postgresql\n' });
    });

    it('[release.nothing] adds nothing else', async () => {
      await trial.compile();
      trial.write(django);
      expect(await trial.step('release', [trial.buildDir])).to.deep.equal({ status: 0, stdout: '', stderr: '' });
    });

    it('[release.needs-export] fails before compile', async () => {
      expect((await trial.step('release', [trial.buildDir])).status).to.equal(1);
    });

    it("looks at the app if the buildpack's folder is not writable", async () => {
      trial.write(django);
      expect((await trial.step('release', [trial.buildDir])).status).to.equal(0);
    });
  });

  describe('export', () => {
    const placesIn = (home: string) => {
      const found = placesOf(home, { env: {}, cwd: '/' } as never);
      if (!found.ok) throw new Error(found.failure.message);
      return found.value;
    };
    /** What a build gave, without nodes that made a tool. */
    const of = (manager: string) => ({
      report: { nodes: {}, buildData: { package_manager: manager, python_version_major: '3.13' } },
      cacheDir: trial.cacheDir,
    });
    /** The variables after sourcing, with the options of careful scripts. */
    const sourced = (env: Readonly<Record<string, string>> = {}): Record<string, string> => {
      const script = `set -euo pipefail; . "$0"; env -0`;
      const text = execFileSync('bash', ['--norc', '-c', script, join(trial.home, 'export')], {
        encoding: 'utf8',
        env: { PATH: '/usr/bin:/bin', ...env },
      });
      return Object.fromEntries(text.split('\0').map((line) => line.split(/=(.*)/s).slice(0, 2) as [string, string]));
    };

    it('[env.export-file-location] [env.set-env] [env.set-default-env] [profile.path] says where the Python of the build is', () => {
      const odd = join(trial.root, `it's a "build" $dir`);
      mkdirSync(odd);
      expect(
        writeExport(placesIn(trial.home), { ...of('pip'), buildDir: odd, appDir: join(trial.root, 'none') }),
      ).to.equal(true);
      const home = `${odd}/.scalingo/python`;
      expect(sourced()).to.include({
        PYTHONHOME: home,
        PATH: `${home}/bin:/usr/bin:/bin`,
        LD_LIBRARY_PATH: `${home}/lib`,
        LIBRARY_PATH: `${home}/lib`,
        PYTHONPATH: odd,
        PYTHONUNBUFFERED: 'true',
        LANG: 'en_US.UTF-8',
        PIP_DISABLE_PIP_VERSION_CHECK: '1',
      });
      expect(sourced({ LD_LIBRARY_PATH: '/x', PYTHONPATH: '/y', LANG: 'C' })).to.include({
        LD_LIBRARY_PATH: `${home}/lib:/x`,
        PYTHONPATH: '/y',
        LANG: 'C',
      });
    });

    it('[pipenv.env] [poetry.env] [uv.env] [nltk.env] sets the variables of the package manager and of NLTK', () => {
      const places = placesIn(trial.home);
      const appDir = join(trial.root, 'none');
      const home = `${trial.buildDir}/.scalingo/python`;
      const told = (manager: string) => {
        writeExport(places, { ...of(manager), buildDir: trial.buildDir, appDir });
        return sourced();
      };
      expect(told('pipenv')).to.include({
        PIPENV_SYSTEM: '1',
        VIRTUAL_ENV: home,
        PATH: `${home}/bin:${home}/pipenv/bin:/usr/bin:/bin`,
      });
      expect(told('poetry')).to.include({ POETRY_VIRTUALENVS_CREATE: 'false' }).and.not.to.have.property('NLTK_DATA');
      mkdirSync(`${home}/nltk_data`, { recursive: true });
      expect(told('uv')).to.include({
        UV_PROJECT_ENVIRONMENT: home,
        UV_NO_MANAGED_PYTHON: '1',
        UV_PYTHON_DOWNLOADS: 'never',
        UV_LINK_MODE: 'copy',
        NLTK_DATA: `${home}/nltk_data`,
      });
    });

    it('[uv.env] puts uv on the path after the Python of the app, and nothing of an earlier build', () => {
      const places = placesIn(trial.home);
      const key = 'digest/1' as ActionKey;
      const outputs = { tool: 'digest/2', version: '1' };
      const made = nodeReport({ outcome: 'executed', kind: 'fetch-tool', key, outputs });
      const { report, cacheDir } = of('uv');
      const options = { cacheDir, buildDir: trial.buildDir, appDir: join(trial.root, 'none') };
      writeExport(places, { ...options, report: { ...report, nodes: { 'uv-tool': made } } });
      const tools = join(trial.home, 'tools');
      expect(sourced()['PATH']).to.equal(`${trial.buildDir}/.scalingo/python/bin:${tools}/bin:/usr/bin:/bin`);
      expect(readFileSync(join(tools, 'bin/uv'), 'utf8')).to.contain("'digest/1'");
      writeExport(places, { ...options, report });
      expect(sourced()['PATH']).to.equal(`${trial.buildDir}/.scalingo/python/bin:/usr/bin:/bin`);
      expect(existsSync(tools)).to.equal(false);
    });

    it('[setup.app-dir-created] [python.app-symlink] names the Python by its path in /app if that folder is writable', () => {
      const appDir = join(trial.root, 'app');
      mkdirSync(appDir);
      trial.write({ 'build/.scalingo/python/bin/python': 'it' });
      writeExport(placesIn(trial.home), { ...of('uv'), buildDir: trial.buildDir, appDir });
      expect(sourced()['PYTHONHOME']).to.equal(`${appDir}/.scalingo/python`);
      expect(readFileSync(`${appDir}/.scalingo/python/bin/python`, 'utf8')).to.equal('it');
    });

    it("does not replace a Python that is not pyflow's own link", () => {
      const appDir = join(trial.root, 'app');
      mkdirSync(join(appDir, '.scalingo/python'), { recursive: true });
      writeFileSync(join(appDir, '.scalingo/python/x'), '');
      writeExport(placesIn(trial.home), { ...of('uv'), buildDir: trial.buildDir, appDir });
      expect(sourced()['PYTHONHOME']).to.equal(`${trial.buildDir}/.scalingo/python`);
      expect(existsSync(join(appDir, '.scalingo/python/x'))).to.equal(true);
    });
  });

  it('says how to call a step', async () => {
    for (const args of [
      ['detekt', 'x'],
      ['compile', trial.buildDir],
      ['detect', ''],
    ]) {
      const { status, stderr } = await trial.step(args[0]!, args.slice(1));
      expect(status, args.join(' ')).to.equal(2);
      expect(stderr).to.match(/Use one of|Call it as/);
    }
  });
});
