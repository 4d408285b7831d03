// pylock.toml as real uv and real pip write it, installed with both, and compared with what pip installs by hand.

import 'reflect-metadata';
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import type { Failure, Reads } from '../../src/engine/sdk.js';
import { InstallDepsPip } from '../../src/plugins/install-deps-pip/plugin.js';
import { differences, fingerprint, PluginHarness } from '../support/plugin-harness.js';
import { PackageIndex } from '../support/package-index.js';
import { copyPreparedRuntime, prepareRuntime, prepareTool, type PreparedRuntime } from '../support/runtimes.js';
import { makeWheel } from '../support/wheels.js';

const run = promisify(execFile);
const PROJECT = `[project]
name = "app"
version = "0.1.0"
requires-python = ">=3.10"
dependencies = ["tool", "built", "old; python_version < '3.11'"]
`;
const wheels = [
  makeWheel('tool', '1.0', { scripts: { tool: 'tool:main' }, requires: ['helper>=1'] }),
  makeWheel('helper', '1.5'),
  makeWheel('old', '0.1'),
  makeWheel('built', '2.0'),
];

describe('pylock.toml', function () {
  this.timeout(120_000);
  let root: string;
  let runtime: PreparedRuntime;
  let tools: Readonly<Record<'pip' | 'uv', string>>;
  let index: PackageIndex;
  let python: string;
  /** Written by the tools. */
  const locks: Record<string, string> = {};

  before(async function () {
    runtime = await prepareRuntime(this);
    python = join(runtime.appDir, '.scalingo/python/bin/python3');
    tools = { pip: await prepareTool(runtime, 'pip'), uv: await prepareTool(runtime, 'uv') };
    root = mkdtempSync(join(tmpdir(), 'pyflow-pylock-'));
    index = await PackageIndex.start(wheels, { tellsDigests: true });
    const project = join(root, 'project');
    put(project, { 'pyproject.toml': PROJECT, 'libs/mine/pyproject.toml': PROJECT.replace('"app"', '"mine"') });
    const env = {
      PATH: process.env['PATH'],
      HOME: root,
      UV_PYTHON: python,
      UV_NO_CONFIG: '1',
      PIP_CONFIG_FILE: '/dev/null',
    };
    const uv = (...args: readonly string[]) =>
      run(join(tools.uv, 'bin/uv'), [...args, '--default-index', index.url, '--quiet'], { cwd: project, env });
    await uv('lock');
    await uv('export', '--format', 'pylock.toml', '--no-emit-project', '--output-file', 'pylock.toml');
    locks['uv'] = readFileSync(join(project, 'pylock.toml'), 'utf8');
    writeFileSync(join(root, 'requirements.in'), 'tool\nbuilt\n');
    const pip = join(tools.pip, 'pip/__pip-runner__.py');
    await run(
      python,
      ['-I', '-B', pip, 'lock', '-r', join(root, 'requirements.in'), '-o', join(root, 'pylock.toml'), '-i', index.url],
      { env },
    );
    locks['pip'] = readFileSync(join(root, 'pylock.toml'), 'utf8');
  });
  after(async () => {
    await index?.stop();
    rmSync(root, { recursive: true, force: true });
  });

  const put = (folder: string, files: Readonly<Record<string, string>>): void => {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
  };

  let count = 0;
  interface Built {
    readonly reads: Reads;
    readonly appDir: string;
    readonly text: string;
    readonly packages?: Readonly<Record<string, string>>;
    readonly failure?: Failure;
  }
  async function install(
    files: Readonly<Record<string, string>>,
    installer: 'pip' | 'uv',
    options: {
      readonly settings?: Readonly<Record<string, string>>;
      readonly requirements?: string;
      readonly mode?: 'test';
    } = {},
  ): Promise<Built> {
    const { settings = {}, mode = 'build' } = options;
    const harness = new PluginHarness({ root: join(root, `build-${(count += 1)}`), settings, mode });
    copyPreparedRuntime(runtime, harness.appDir);
    put(harness.appDir, files);
    const config = {
      root: '.',
      vendorDir: '.scalingo',
      installer,
      requirements: options.requirements ?? 'requirements.txt',
      testRequirements: 'requirements-test.txt',
    };
    const inputs = { runtime: '', pip: '', uv: '' };
    const { reads, result } = await harness.play(new InstallDepsPip(harness), config, inputs, { tools });
    return {
      reads,
      appDir: harness.appDir,
      text: harness.text(),
      ...(result.ok ? { packages: result.value.outputs.packages } : { failure: result.failure }),
    };
  }

  /** Name -> lines of RECORD that have a digest, without what an installer adds. */
  const recordsIn = (site: string): Readonly<Record<string, readonly string[]>> =>
    Object.fromEntries(
      readdirSync(site)
        .filter((name) => name.endsWith('.dist-info') && !name.startsWith('pip-'))
        .map((name) => [
          name,
          readFileSync(join(site, name, 'RECORD'), 'utf8')
            .split(/\r?\n/)
            .filter(
              (line) => /,sha256=/.test(line) && !/\/(?:INSTALLER|REQUESTED|direct_url\.json)|\.\.\/bin\//.test(line),
            )
            .sort(),
        ]),
    );

  for (const tool of ['uv', 'pip'] as const) {
    it(`of ${tool} gives what pip installs by hand, and one layer with both installers`, async () => {
      const lock = locks[tool]!;
      const venv = join(root, `venv-${tool}`);
      put(venv, { 'pylock.toml': lock });
      await run(python, ['-m', 'venv', '--without-pip', join(venv, 'v')]);
      const pip = [
        '-I',
        '-B',
        join(tools.pip, 'pip/__pip-runner__.py'),
        'install',
        '-q',
        '-r',
        join(venv, 'pylock.toml'),
      ];
      await run(join(venv, 'v/bin/python'), pip, {
        env: { PATH: process.env['PATH'], HOME: root, PIP_INDEX_URL: index.url },
      });
      const byHand = recordsIn(join(venv, `v/lib/python${runtime.minor}/site-packages`));

      const trees = [];
      for (const installer of ['pip', 'uv'] as const) {
        const built = await install({ 'pylock.toml': lock }, installer);
        expect(built.failure, JSON.stringify(built.failure)).to.equal(undefined);
        expect(built.packages).to.deep.equal({ built: '2.0', helper: '1.5', tool: '1.0' });
        const site = join(built.appDir, `.scalingo/python/lib/python${runtime.minor}/site-packages`);
        expect(recordsIn(site), installer).to.deep.equal(byHand);
        expect(built.reads).to.have.nested.property('facts.sharesBuilds', true);
        expect(built.reads).not.to.have.property('scope');
        expect(built.text).to.include("Installing dependencies using 'pip install -r pylock.toml'");
        trees.push(await fingerprint(built.appDir));
      }
      expect(Object.keys(byHand).sort()).to.deep.equal([
        'built-2.0.dist-info',
        'helper-1.5.dist-info',
        'tool-1.0.dist-info',
      ]);
      expect(differences(trees[0]!, trees[1]!)).to.deep.equal([]);
    });
  }

  it('is refused if a file does not match its digest', async () => {
    const [digest = ''] = /[0-9a-f]{64}/.exec(locks['uv']!) ?? [];
    const lock = locks['uv']!.replaceAll(/[0-9a-f]{64}/g, (found) => `${found === digest ? 0 : 1}${found.slice(1)}`);
    for (const installer of ['pip', 'uv'] as const) {
      const { failure } = await install({ 'pylock.toml': lock }, installer);
      expect(failure, installer).to.have.property('code', 'install-dependencies::pip');
      expect(`${failure?.title} ${failure?.detail}`).to.match(/digest|hash/i);
    }
  });

  it('gets its files from an index that replaces the default one', async () => {
    const lock = locks['uv']!.replaceAll(index.url, 'https://pypi.org/simple').replaceAll(
      new URL('/files', index.url).href,
      'https://files.pythonhosted.org/packages',
    );
    expect(lock).not.to.include('127.0.0.1');
    for (const installer of ['pip', 'uv'] as const) {
      const built = await install({ 'pylock.toml': lock }, installer, { settings: { INDEX: index.url } });
      expect(built.packages, JSON.stringify(built.failure)).to.deep.equal({ built: '2.0', helper: '1.5', tool: '1.0' });
    }
  });

  it('installs projects of the app, and requirements for tests in a second command', async () => {
    const mine = '\n[[packages]]\nname = "mine"\ndirectory = { path = "libs/mine" }\n';
    const files = {
      'pylock.toml': locks['uv']! + mine,
      'libs/mine/pyproject.toml': PROJECT.replace('"app"', '"mine"').replace(/^dependencies.*\n/m, ''),
      'libs/mine/mine.py': '',
      'requirements-test.txt': 'iniconfig==2.0.0\n',
    };
    for (const installer of ['pip', 'uv'] as const) {
      const built = await install(files, installer, { mode: 'test' });
      expect(built.packages, JSON.stringify(built.failure)).to.include({
        mine: '0.1.0',
        tool: '1.0',
        iniconfig: '2.0.0',
      });
      expect(built.reads).to.have.property('scope', 'app');
      expect(built.reads).to.have.nested.property('facts.localPaths').that.deep.equals(['libs/mine']);
      expect(built.text).to.include("using 'pip install -r requirements-test.txt'");
    }
  });

  it('is chosen by another name only if the pipeline names it', async () => {
    const files = { 'pylock.web.toml': locks['pip']!, 'requirements.txt': '' };
    expect((await install(files, 'pip')).packages).to.deep.equal({});
    expect((await install(files, 'pip', { requirements: 'pylock.web.toml' })).packages).to.include({ tool: '1.0' });
  });

  it('is refused if it can not be read, is of a newer format, or leaves the app', async () => {
    for (const [lock, code] of [
      ['<<<<<<< HEAD\n', 'pylock::invalid'],
      ['lock-version = "2.0"\n', 'pylock::unknown-version'],
      ['lock-version = "1.0"\n[[packages]]\nname = "x"\ndirectory = { path = "../x" }\n', 'pylock::outside-app'],
      [
        'lock-version = "1.0"\n[[packages]]\nname = "x"\nwheels = [{ path = "/x.whl", hashes = {} }]\n',
        'pylock::outside-app',
      ],
    ] as const) {
      expect((await install({ 'pylock.toml': lock }, 'pip')).failure).to.include({ code, blame: 'app' });
    }
  });
});
