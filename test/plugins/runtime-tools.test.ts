import 'reflect-metadata';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { RuntimeTools } from '../../src/plugins/runtime-tools/plugin.js';
import { consoleScripts } from '../../src/plugins/runtime-tools/scripts.js';
import { recordPaths } from '../../src/plugins/shared/install/record.js';
import { fingerprint, PluginHarness } from '../support/plugin-harness.js';
import { copyPreparedRuntime, prepareRuntime, type PreparedRuntime } from '../support/runtimes.js';

/** A stand-in for a tool tree, because the real ones need the network. */
const PIP = {
  'pip/__init__.py': '',
  'pip/_internal/main.py': 'import sys\ndef main(): print("pip", sys.argv[1:], sys.prefix)\n',
  'pip/_internal/__init__.py': '',
  'pip-1.0.dist-info/METADATA': 'Name: pip\nVersion: 1.0\n',
  'pip-1.0.dist-info/RECORD': 'pip/__init__.py,,\npip-1.0.dist-info/RECORD,,\n',
  'pip-1.0.dist-info/entry_points.txt':
    '[console_scripts]\npip=pip._internal.main:main\npip3 = pip._internal.main:main\n\n[other]\nx = y:z\n',
};
const SETUPTOOLS = {
  'setuptools/__init__.py': '',
  'distutils-precedence.pth': '',
  'setuptools-2.0.dist-info/RECORD': 'setuptools/__init__.py,,\n',
};
const PIPENV = {
  'pipenv/__init__.py':
    'import os, sys\ndef cli():\n    import helper\n    print("pipenv", sys.argv[1:], sys.prefix == os.path.dirname(os.path.dirname(sys.executable)))\n',
  'helper.py': '',
  'pipenv-3.0.dist-info/METADATA': '',
};

describe('plugins/runtime-tools', () => {
  let runtime: PreparedRuntime;
  let root: string;
  before(async function () {
    this.timeout(60_000);
    runtime = await prepareRuntime(this);
  });
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pyflow-runtime-tools-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  function toolTree(name: string, files: Readonly<Record<string, string>>): string {
    const folder = join(root, 'tools', name);
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    return folder;
  }
  async function add(tools: Readonly<Record<string, string>>, options: { enabled?: boolean; folder?: string } = {}) {
    const harness = new PluginHarness({ root: join(root, options.folder ?? 'slug') });
    copyPreparedRuntime(runtime, harness.appDir);
    const inputs = { runtime: '', ...Object.fromEntries(Object.keys(tools).map((port) => [port, 'digest'])) };
    const config = { vendorDir: '.scalingo', enabled: options.enabled ?? true };
    const played = await harness.play(new RuntimeTools(harness), config, inputs, { tools });
    return { ...played, appDir: harness.appDir, said: harness.text() };
  }
  const python = (appDir: string): string => join(appDir, '.scalingo/python');
  const site = (appDir: string): string => join(python(appDir), `lib/python${runtime.minor}/site-packages`);

  it('[pip.setuptools-old-python] adds pip and setuptools to the packages, with commands that work after a move', async () => {
    const { result, appDir, said } = await add({ pip: toolTree('pip', PIP), setuptools: toolTree('st', SETUPTOOLS) });
    expect(result).to.deep.equal({ ok: true, value: { outputs: {} } });
    expect(said).to.contain('Adding pip 1.0 and setuptools 2.0 to the app');
    expect(readdirSync(site(appDir))).to.include.members([
      'pip',
      'pip-1.0.dist-info',
      'setuptools',
      'distutils-precedence.pth',
    ]);
    const moved = join(root, 'moved here');
    renameSync(appDir, moved);
    for (const name of ['pip', 'pip3', `pip${runtime.minor}`]) {
      const printed = execFileSync(join(python(moved), 'bin', name), ['list'], { cwd: '/', encoding: 'utf8' });
      expect(printed).to.equal(`pip ['list'] ${python(moved)}\n`);
    }
  });

  it('records the commands, so that another version replaces them completely', async () => {
    const { appDir } = await add({ pip: toolTree('pip', PIP) });
    const record = readFileSync(join(site(appDir), 'pip-1.0.dist-info/RECORD'), 'utf8');
    for (const path of recordPaths(record)) expect(existsSync(join(site(appDir), path)), path).to.equal(true);
    expect(recordPaths(record)).to.include.members([
      '../../../bin/pip',
      '../../../bin/pip3',
      `../../../bin/pip${runtime.minor}`,
    ]);
  });

  it('[pipenv.install-step] [pipenv.symlink] separates Pipenv from the packages of the app, with its own command', async () => {
    const { result, appDir } = await add({ pipenv: toolTree('pipenv', PIPENV) });
    expect(result.ok).to.equal(true);
    expect(readdirSync(site(appDir))).to.deep.equal([]);
    writeFileSync(join(site(appDir), 'helper.py'), 'raise RuntimeError("a package of the app")\n');
    const moved = join(root, 'moved here');
    renameSync(appDir, moved);
    const printed = execFileSync(join(python(moved), 'pipenv/bin/pipenv'), ['graph'], {
      cwd: site(moved),
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], PYTHONHOME: python(moved), PYTHONPATH: site(moved) },
    });
    expect(printed).to.equal("pipenv ['graph'] True\n");
    expect(readdirSync(join(python(moved), 'bin')).filter((name) => name.startsWith('pip'))).to.deep.equal([]);
  });

  it('does not change the tool trees, and writes the same bytes in any folder', async () => {
    const tools = { pip: toolTree('pip', PIP), pipenv: toolTree('pipenv', PIPENV) };
    const before = await fingerprint(join(root, 'tools'));
    const a = await add(tools);
    const b = await add(tools, { folder: 'another, longer' });
    expect(await fingerprint(a.appDir)).to.deep.equal(await fingerprint(b.appDir));
    expect(await fingerprint(join(root, 'tools'))).to.deep.equal(before);
  });

  it('does nothing without tools or if it is disabled', async () => {
    const none = await add({});
    expect(none.reads).to.deep.equal({ facts: { minor: '' }, pure: true });
    const off = await add({ pip: toolTree('pip', PIP) }, { enabled: false, folder: 'off' });
    expect(off.reads).to.deep.equal({ facts: { minor: '' }, pure: true });
    expect(off.result.ok).to.equal(true);
    expect(readdirSync(site(off.appDir))).to.deep.equal([]);
  });

  it('rejects another tool', async () => {
    const { result } = await add({ pip: toolTree('setuptools', SETUPTOOLS) });
    expect(!result.ok && result.failure).to.include({ code: 'runtime-tools::wrong-tool', blame: 'pipeline' });
  });

  it('reads only console scripts', () => {
    expect(consoleScripts('[a]\nq = r:s\n[console_scripts]\nb = m:f\n a=m.n:g.h\n[c]\nx = y:z\n')).to.deep.equal([
      ['a', 'm.n:g.h'],
      ['b', 'm:f'],
    ]);
    expect(consoleScripts('')).to.deep.equal([]);
  });
});
