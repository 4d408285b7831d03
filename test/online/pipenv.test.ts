// Real Pipenv from the package index, with a loopback index that simulates every kind of trouble.

import 'reflect-metadata';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { InstallDepsPipenv } from '../../src/plugins/install-deps-pipenv/plugin.js';
import { lockedWheel, makePipfile } from '../support/pipfile.js';
import { PluginHarness, type HarnessOptions } from '../support/plugin-harness.js';
import { PackageIndex } from '../support/package-index.js';
import { copyPreparedRuntime, prepareRuntime, prepareTool, type PreparedRuntime } from '../support/runtimes.js';
import { makeWheel, type Wheel } from '../support/wheels.js';

const CONFIG = { vendorDir: '.scalingo', root: '.' } as const;

describe('pipenv, online', function () {
  this.timeout(120_000);
  let root: string;
  let runtime: PreparedRuntime;
  let tool: string;
  let index: PackageIndex;
  before(async function () {
    runtime = await prepareRuntime(this);
    tool = await prepareTool(runtime, 'pipenv');
    root = mkdtempSync(join(tmpdir(), 'pyflow-online-pipenv-'));
  });
  beforeEach(async () => {
    index = await PackageIndex.start();
  });
  afterEach(() => index.stop());
  after(() => root && rmSync(root, { recursive: true, force: true }));

  const helper = makeWheel('helper', '1.5', { scripts: { helper: 'helper:main' } });

  async function install(
    files: Readonly<Record<string, string>>,
    options: HarnessOptions & { readonly config?: { readonly root: string } } = {},
  ) {
    const harness = new PluginHarness({
      root: mkdtempSync(join(root, 'h ')),
      ...options,
      env: { PIP_RETRIES: '0', ...options.env },
      settings: { INDEX: index.url, ...options.settings },
    });
    copyPreparedRuntime(runtime, harness.appDir);
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(harness.appDir, path)), { recursive: true });
      writeFileSync(join(harness.appDir, path), text);
    }
    const kind = new InstallDepsPipenv(harness);
    const played = await harness.play(
      kind,
      { ...CONFIG, ...options.config },
      { runtime: '', pipenv: '' },
      { tools: { pipenv: tool } },
    );
    return { harness, ...played, said: harness.text() };
  }
  const site = (appDir: string): readonly string[] =>
    readdirSync(join(appDir, `.scalingo/python/lib/python${runtime.minor}/site-packages`));

  function serve(...wheels: readonly Wheel[]): void {
    for (const { file, bytes } of wheels) index.add(file, bytes);
  }
  it('[pipenv.install-deps-step] installs exactly what is locked, with launchers that work after a move', async () => {
    const unlocked = makeWheel('unlocked', '1.0');
    const newer = makeWheel('helper', '2.0', { requires: ['unlocked'] });
    serve(helper, newer, unlocked);
    const { result, harness, said, reads } = await install(makePipfile({ default: { helper: lockedWheel(helper) } }));
    if (!result.ok) throw new Error(`${JSON.stringify(result.failure)}\n${said}`);
    expect(result.value.outputs.packages).to.deep.equal({ helper: '1.5' });
    expect(reads.scope).to.equal(undefined);
    expect(
      site(harness.appDir)
        .filter((name) => name !== '__pycache__')
        .sort(),
    ).to.deep.equal(['helper-1.5.dist-info', 'helper.py']);
    expect(readFileSync(join(harness.appDir, '.scalingo/python/bin/helper'), 'utf8')).to.match(/^#!\/bin\/sh\n/);
  });

  for (const trouble of ['cut-off', 'server-error', 'resets'] as const) {
    it(`treats an index with ${trouble} as a failure of the environment`, async () => {
      serve(helper);
      index.trouble = trouble;
      const { result, said } = await install(makePipfile({ default: { helper: lockedWheel(helper) } }));
      expect(result.ok).to.equal(false);
      if (result.ok) return;
      expect(result.failure, said).to.include({
        code: 'install-dependencies::pipenv',
        blame: 'environment',
        retryable: true,
      });
    });
  }

  async function failureOf(files: Readonly<Record<string, string>>, options: HarnessOptions = {}) {
    const { result, said } = await install(files, options);
    if (result.ok) throw new Error(`it went well\n${said}`);
    expect(result.failure.code, said).to.equal('install-dependencies::pipenv');
    expect(said).not.to.contain('pa55word');
    expect(JSON.stringify(result.failure)).not.to.contain('pa55word');
    return result.failure;
  }

  it('replaces app variables in the URL of an index, and leaves the password out of the key', async () => {
    await index.stop();
    index = await PackageIndex.start([helper], { login: { user: 'me', password: 'pa55word' } });
    const source = index.url.replace('//', '//${USER_OF_INDEX}:${PASSWORD_OF_INDEX}@');
    const files = makePipfile({ default: { helper: lockedWheel(helper) }, source });
    const appEnv = { USER_OF_INDEX: 'me', PASSWORD_OF_INDEX: 'pa55word' };
    const { result, said, reads } = await install(files, { appEnv, settings: { INDEX: 'http://127.0.0.1:9/simple' } });
    expect(result.ok && result.value.outputs.packages, said).to.deep.equal({ helper: '1.5' });
    expect(reads.facts).to.deep.include({ sources: [index.url] });
    expect(said + JSON.stringify(reads)).not.to.contain('pa55word');
  });

  it('[pipenv.install-deps-step] [pipenv.install-deps-failed] rejects an outdated lockfile', async () => {
    serve(helper);
    const files = makePipfile({ default: { helper: lockedWheel(helper) } });
    const Pipfile = files.Pipfile.replace('[dev-packages]', 'other = "*"\n[dev-packages]');
    const failure = await failureOf({ ...files, Pipfile });
    expect(failure).to.include({ blame: 'app', title: 'Pipfile.lock is out of date' });
    expect(failure.remedy).to.contain('pipenv lock');
    expect(index.requests, 'nothing is installed before').to.deep.equal([]);
  });

  it('[pipenv.dev] installs development packages only with --test', async () => {
    const dev = makeWheel('devtool', '3.0');
    serve(helper, dev);
    const files = makePipfile({ default: { helper: lockedWheel(helper) }, develop: { devtool: lockedWheel(dev) } });
    const plain = await install(files);
    expect(plain.result.ok && Object.keys(plain.result.value.outputs.packages)).to.deep.equal(['helper']);
    const tests = await install(files, { mode: 'test' });
    expect(tests.result.ok && Object.keys(tests.result.value.outputs.packages)).to.deep.equal(['devtool', 'helper']);
    expect(tests.said).to.contain('pipenv install --deploy --dev');
  });

  it('[pipenv.extra-index] [pipenv.install-deps-env] installs a project of the app as editable, leaves no build files, and uses the extra index', async () => {
    const extra = await PackageIndex.start([helper]);
    try {
      const files = {
        ...prefixed('web', {
          ...makePipfile({ default: { helper: lockedWheel(helper), own: { editable: true, path: '.' } } }),
          'pyproject.toml': '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
          'backend.py': EDITABLE_BACKEND,
          'own.py': 'print("own")\n',
        }),
        Pipfile: 'not this one',
      };
      const appEnv = { PIP_EXTRA_INDEX_URL: extra.url };
      const { result, harness, said, reads } = await install(files, { config: { root: 'web' }, appEnv });
      if (!result.ok) throw new Error(`${JSON.stringify(result.failure)}\n${said}`);
      expect(result.value.outputs.packages).to.deep.equal({ helper: '1.5', own: '0.1' });
      // A build backend of the app can read anything.
      expect(reads).to.deep.include({ scope: 'app', files: ['**', 'web/**', 'web/Pipfile', 'web/Pipfile.lock'] });
      const pth = join(
        harness.appDir,
        `.scalingo/python/lib/python${runtime.minor}/site-packages/__editable__.own.pth`,
      );
      expect(readFileSync(pth, 'utf8')).to.equal('../../../../../web\n');
      expect(readdirSync(join(harness.appDir, 'web')).sort()).to.deep.equal([
        'Pipfile',
        'Pipfile.lock',
        'backend.py',
        'own.py',
        'pyproject.toml',
      ]);
      const python = join(harness.appDir, '.scalingo/python/bin/python');
      expect(execFileSync(python, ['-c', 'import own'], { encoding: 'utf8', cwd: '/' })).to.equal('own\n');
    } finally {
      await extra.stop();
    }
  });
});

const prefixed = (folder: string, files: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(files).map(([path, text]) => [`${folder}/${path}`, text]));

/** Makes an editable wheel like setuptools, with the folder's absolute path in a .pth file, and leaves files behind. */
const EDITABLE_BACKEND = `
import os, zipfile
def build_editable(folder, config_settings=None, metadata_directory=None):
    os.makedirs('own.egg-info', exist_ok=True)
    open('own.egg-info/PKG-INFO', 'w').close()
    name = 'own-0.1-py3-none-any.whl'
    with zipfile.ZipFile(os.path.join(folder, name), 'w') as wheel:
        wheel.writestr('__editable__.own.pth', os.getcwd() + '\\n')
        wheel.writestr('own-0.1.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: own\\nVersion: 0.1\\n')
        wheel.writestr('own-0.1.dist-info/WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
        wheel.writestr('own-0.1.dist-info/RECORD', '')
    return name
build_wheel = build_editable
`;
