import 'reflect-metadata';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { FetchTool } from '../../src/plugins/fetch-tool/plugin.js';
import type { ToolLock } from '../../src/manifests/catalogue/tool-locks.js';
import { knownVersions, toolVersion, type ToolName } from '../../src/manifests/catalogue/tools.js';
import { toolInstallFailed } from '../../src/plugins/fetch-tool/failures.js';
import { fingerprint, PluginHarness, type HarnessOptions } from '../support/plugin-harness.js';
import { FolderView } from '../support/folder-view.js';
import { PackageIndex } from '../support/package-index.js';
import { copyPreparedRuntime, prepareRuntime, type PreparedRuntime } from '../support/runtimes.js';
import { makeWheel } from '../support/wheels.js';

/** A stand-in for the pinned version of pip, because the real one needs the network. */
const standIn = makeWheel('pip', toolVersion('pip'), {
  files: { 'pip/__init__.py': '', 'pip/__main__.py': 'print("stand-in")\n' },
  scripts: { pip: 'pip.__main__:main' },
});

class WithLock extends FetchTool {
  lock: ToolLock | undefined;
  protected override async findLock(tool: ToolName, version: string, minor: string): Promise<ToolLock | undefined> {
    return this.lock ?? super.findLock(tool, version, minor);
  }
}

describe('plugins/fetch-tool', () => {
  let runtime: PreparedRuntime;
  let index: PackageIndex;
  let root: string;

  before(async function () {
    this.timeout(60_000);
    runtime = await prepareRuntime(this);
  });
  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'pyflow-tool-'));
    index = await PackageIndex.start([standIn]);
  });
  afterEach(async () => {
    await index.stop();
    rmSync(root, { recursive: true, force: true });
  });

  const play = async (
    lock?: ToolLock,
    options: HarnessOptions & { readonly name?: ToolName; readonly version?: string; readonly bare?: true } = {},
  ) => {
    const harness = new PluginHarness({
      root: mkdtempSync(join(root, 'h ')),
      ...options,
      settings: options.settings ?? { INDEX: index.url },
    });
    if (!options.bare) copyPreparedRuntime(runtime, harness.appDir);
    const kind = new WithLock(harness);
    kind.lock = lock;
    const config = {
      name: options.name ?? 'pip',
      vendorDir: '.scalingo',
      ...(options.version && { version: options.version }),
    } as const;
    return { harness, ...(await harness.play(kind, config, { runtime: '' }, { makesTool: true })) };
  };
  const lockFor = (sha256: string): ToolLock => ({
    packages: { pip: toolVersion('pip') },
    requirements: [`pip==${toolVersion('pip')} --hash=sha256:${sha256}`],
  });

  it('[pip.install-step] [tools.bundled-pip] installs the tool into a separate folder, without scripts', async () => {
    const { harness, result, toolDir, reads } = await play(lockFor(standIn.sha256));
    if (!result.ok) throw new Error(`${result.failure.title}\n${harness.text()}`);
    const info = `pip-${toolVersion('pip')}.dist-info`;
    expect(result.value.outputs).to.deep.equal({ version: toolVersion('pip') });
    expect(harness.printed[0]).to.deep.equal({ type: 'step', text: `Installing pip ${toolVersion('pip')}` });
    expect(readdirSync(toolDir).sort()).to.deep.equal(['pip', info]);
    const record = readFileSync(join(toolDir, info, 'RECORD'), 'utf8');
    expect(record).to.contain('pip/__main__.py,sha256=');
    expect(record, 'no line about what is not there').not.to.match(/bin\/pip|\.pyc/);
    expect(readdirSync(join(toolDir, 'pip')).sort(), 'sources and bytecode').to.deep.equal([
      '__init__.py',
      '__main__.py',
      '__pycache__',
    ]);
    expect(reads.facts).to.deep.include({
      version: toolVersion('pip'),
      minor: runtime.minor,
      packages: { pip: toolVersion('pip') },
    });
    expect(existsSync(join(harness.appDir, 'pip')), 'the slug is left alone').to.equal(false);
  }).timeout(30_000);

  it('writes the same bytes in any folder', async () => {
    const a = await play(lockFor(standIn.sha256));
    const b = await play(lockFor(standIn.sha256));
    expect(await fingerprint(a.toolDir)).to.deep.equal(await fingerprint(b.toolDir));
  }).timeout(30_000);

  it('rejects a file with another digest as a final failure', async () => {
    const { result } = await play(lockFor('0'.repeat(64)));
    expect(result.ok).to.equal(false);
    if (result.ok) return;
    expect(result.failure).to.include({ code: 'install-package-manager::pip', blame: 'environment' });
    expect(result.failure.title).to.contain('another digest');
    expect(result.failure.retryable).to.equal(undefined);
  }).timeout(30_000);

  it('[pip.install-failed] blames the environment if the index does not respond', async () => {
    const settings = { INDEX: index.url };
    await index.stop();
    const { result } = await play(lockFor(standIn.sha256), { settings, env: { PIP_RETRIES: '0' } });
    expect(!result.ok && result.failure).to.include({
      code: 'install-package-manager::pip',
      blame: 'environment',
      retryable: true,
    });
    index = await PackageIndex.start();
  }).timeout(30_000);

  it('shows neither user nor password of the index', async () => {
    const url = index.url.replace('//', '//me:pa55word@');
    const { harness, result } = await play(lockFor(standIn.sha256), { settings: { INDEX: url } });
    expect(result.ok, harness.text()).to.equal(true);
    expect(harness.text()).not.to.contain('pa55word');
    expect(harness.text()).to.contain('Package index: http://127.0.0.1');
  }).timeout(30_000);

  it('keeps programs that are not scripts', async () => {
    const program = makeWheel('uv', toolVersion('uv'), {
      plainScripts: { uv: '\x7fELF and so on\n', helper: '#!python\n' },
    });
    index.add(program.file, program.bytes);
    const lock = { packages: {}, requirements: [`uv==${toolVersion('uv')} --hash=sha256:${program.sha256}`] };
    const { result, toolDir } = await play(lock, { name: 'uv' });
    expect(result.ok && result.value.outputs).to.deep.equal({ version: toolVersion('uv') });
    expect(readdirSync(join(toolDir, 'bin'))).to.deep.equal(['uv']);
  }).timeout(30_000);

  it('[pip.install-failed] [pipenv.install-failed] [poetry.install-failed] [uv.install-failed] fails with the code of the tool, and has the digest of its list of files in the key', async () => {
    const first = await play(lockFor('0'.repeat(64)), { name: 'poetry' });
    expect(!first.result.ok && first.result.failure.code).to.equal('install-package-manager::poetry');
    const other = await play(lockFor('1'.repeat(64)), { name: 'poetry' });
    expect(first.reads.facts).not.to.deep.equal(other.reads.facts);
    const codes = (['pip', 'pipenv', 'uv', 'setuptools'] as const).map(
      (name) => toolInstallFailed(name, '1.0', { exitCode: 1, lines: [] }).code,
    );
    expect(codes).to.deep.equal([
      'install-package-manager::pip',
      'install-package-manager::pipenv',
      'install-package-manager::uv',
      'install-package-manager::pip',
    ]);
  }).timeout(30_000);

  it('[tools.pinned-versions] names every package of the real list for this Python', async () => {
    const harness = new PluginHarness({ root: mkdtempSync(join(root, 'h ')) });
    copyPreparedRuntime(runtime, harness.appDir);
    const kind = new FetchTool(harness);
    const view = new FolderView(harness.appDir, {}, 'build');
    for (const version of knownVersions('pipenv')) {
      const config = { name: 'pipenv', version, vendorDir: '.scalingo' } as const;
      const reads = await kind.reads({ config, inputs: { runtime: '' } }, view);
      const { packages } = (reads.ok ? reads.value.facts : {}) as unknown as ToolLock;
      expect(packages).to.include({ pipenv: version }).and.to.include.keys('certifi', 'virtualenv');
    }
    mkdirSync(join(harness.appDir, 'other/python/lib/python3.99'), { recursive: true });
    const future = await kind.reads({ config: { name: 'poetry', vendorDir: 'other' }, inputs: { runtime: '' } }, view);
    expect(!future.ok && future.failure).to.include({ code: 'fetch-tool::unknown-python', blame: 'internal' });
    expect(!future.ok && future.failure.title).to.contain('3.99');
  });

  it('makes an empty tree if the tool is not for this Python', async () => {
    const harness = new PluginHarness({ root: mkdtempSync(join(root, 'h ')) });
    mkdirSync(join(harness.appDir, '.scalingo/python/lib/python3.13'), { recursive: true });
    const kind = new FetchTool(harness);
    const config = { name: 'setuptools', vendorDir: '.scalingo' } as const;
    const { reads, result, toolDir } = await harness.play(kind, config, { runtime: '' }, { makesTool: true });
    expect(reads).to.deep.equal({ facts: { version: '', minor: '3.13' }, pure: true });
    expect(result).to.deep.equal({ ok: true, value: { outputs: { version: '' } } });
    expect(readdirSync(toolDir)).to.deep.equal([]);
  });

  it('rejects versions without known digests', async () => {
    const { result } = await play(undefined, { version: '1.0', bare: true });
    expect(!result.ok && result.failure).to.include({ code: 'fetch-tool::unknown-version', blame: 'pipeline' });
  });

  it('[tools.bundled-pip-missing] reports a runtime without a bundled pip', async () => {
    const harness = new PluginHarness({ root: mkdtempSync(join(root, 'h ')) });
    copyPreparedRuntime(runtime, harness.appDir);
    rmSync(join(harness.appDir, `.scalingo/python/lib/python${runtime.minor}/ensurepip`), { recursive: true });
    const kind = new FetchTool(harness);
    const config = { name: 'pip', vendorDir: '.scalingo' } as const;
    const { result } = await harness.play(kind, config, { runtime: '' }, { makesTool: true });
    expect(!result.ok && result.failure).to.include({
      code: 'internal-error::bundled-pip-not-found',
      blame: 'internal',
    });
  });

  it('reports a missing Python', async () => {
    const { result } = await play(lockFor(standIn.sha256), { bare: true });
    expect(!result.ok && result.failure.code).to.equal('python::no-runtime');
  });
});
