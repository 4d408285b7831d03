// A patch release of Python, a version of a tool, a stack and an archive of the platform are rows of data: a copy of
// the sources with only more rows builds with them, through the shipped pipeline.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import compare from 'semver/functions/compare.js';
import { PackageIndex } from '../support/package-index.js';
import { prepareRuntime, type PreparedRuntime } from '../support/runtimes.js';
import { SourceCopy, type Data } from '../support/source-copy.js';
import { skipBecause } from '../support/skip.js';

const PIPELINE = 'pipelines/python.yml';
const sha256 = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');

describe('data changes', function () {
  this.timeout(120_000);
  let runtime: PreparedRuntime;
  let copy: SourceCopy;
  let index: PackageIndex;
  /** The pip that CPython bundles, as the new version of the tool. */
  let pip: { readonly version: string; readonly sha256: string };
  let env: Readonly<Record<string, string>>;
  let app: string;

  before(async function () {
    runtime = await prepareRuntime(this);
    copy = new SourceCopy();
    app = copy.path('app');
    mkdirSync(app);
    writeFileSync(join(app, 'requirements.txt'), '');
    writeFileSync(join(app, '.python-version'), `${runtime.minor}\n`);
    const bundled = join(runtime.appDir, `.scalingo/python/lib/python${runtime.minor}/ensurepip/_bundled`);
    const wheel = readdirSync(bundled).find((name) => name.startsWith('pip-')) ?? '';
    pip = { version: wheel.split('-')[1] ?? '', sha256: sha256(join(bundled, wheel)) };
    index = await PackageIndex.start();
    index.add(wheel, readFileSync(join(bundled, wheel)));
    env = {
      PYFLOW_INDEX: index.url,
      PYFLOW_PYTHON_MIRROR: `file://${copy.path('mirror')}`,
      PYFLOW_SCALINGO_MIRROR: `file://${copy.path('platform')}`,
    };
    // The catalogue as it was before this version of Python was released.
    copy.edit('python-runtimes', ({ runtimes }: Data) => {
      for (const version of Object.keys(runtimes as Data)) {
        const isLater = version.startsWith(`${runtime.minor}.`) && compare(version, runtime.version) >= 0;
        if (isLater) delete (runtimes as Data)[version];
      }
    });
  });
  after(async () => {
    await index?.stop();
    copy?.cleanUp();
  });

  const place = (): string[] => ['--app', app, '--out', copy.path('slug'), '--cache-dir', copy.path('cache')];
  const options = (...params: string[]): string[] => [
    PIPELINE,
    ...place(),
    // This index has only pip.
    ...['runtimeTools=false', ...params].flatMap((param) => ['-p', param]),
  ];
  const standalone = 'providers=["python-build-standalone"]';

  /** The output of version-resolve, without running anything. */
  async function planned(...params: string[]): Promise<string> {
    const { stdout, stderr } = await copy.pyflow(['plan', ...options(...params), '--json'], env);
    return stdout + stderr;
  }

  it('start without the new Python, tool and stack', async () => {
    expect(await planned(standalone)).not.to.contain(`"${runtime.version}"`);
    writeFileSync(join(app, '.python-version'), `${runtime.version}\n`);
    const { failure } = await copy.run(options(standalone), env);
    expect(failure?.code).to.equal('python-version::unknown-patch');
    writeFileSync(join(app, '.python-version'), `${runtime.minor}\n`);
    expect(await planned('stack=scalingo-28')).to.contain('"scalingo-28" is not valid for the param `stack`');
  });

  it('build with a patch release and a version of a tool once the rows exist', async () => {
    const platform = `linux-${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-gnu`;
    const triple = platform.replace(/^linux-(\w+)-gnu$/, '$1-unknown-linux-gnu');
    const name = `cpython-${runtime.version}%2B20990101-${triple}-install_only_stripped.tar.gz`;
    const file = copy.path(`mirror/20990101/${decodeURIComponent(name)}`);
    mkdirSync(copy.path('mirror/20990101'), { recursive: true });
    execFileSync('tar', ['-C', join(runtime.appDir, '.scalingo'), '-I', 'gzip -1', '-cf', file, 'python']);
    copy
      .edit('python-runtimes', (data) => {
        data['runtimes'][runtime.version] = { [platform]: ['20990101', 0, sha256(file)] };
      })
      .edit('tools', ({ tools }: Data) => {
        tools.pip = { version: pip.version, also: [tools.pip.version] };
      })
      .edit('tool-locks/pip', ({ versions, hashes }: Data) => {
        versions[pip.version] = { [runtime.minor]: [`pip==${pip.version}`] };
        hashes[`pip==${pip.version}`] = [pip.sha256];
      });
    const report = await copy.run(options(standalone), env);
    expect(report.failure).to.equal(undefined);
    expect(report.nodes['version']?.outputs).to.include({ version: runtime.version, exact: false });
    expect(report.nodes['runtime']?.outputs).to.include({
      version: runtime.version,
      provider: 'python-build-standalone',
    });
    expect(report.nodes['pip-tool']?.outputs).to.include({ version: pip.version });
    expect(report.nodes['pip']?.outcome).to.equal('executed');
    const python = copy.path('slug/.scalingo/python/bin/python');
    expect(execFileSync(python, ['--version'], { encoding: 'utf8' }).trim()).to.equal(`Python ${runtime.version}`);
  });

  it('build for a stack, with its archive of the platform, once the rows exist', async function () {
    if (!(process.env['PATH'] ?? '').split(':').some((folder) => existsSync(join(folder, 'zstd')))) {
      return skipBecause(this, 'needs the program zstd');
    }
    const name = `python-${runtime.version}-ubuntu-28.04-${process.arch === 'arm64' ? 'arm64' : 'amd64'}.tar.zst`;
    mkdirSync(copy.path('platform'));
    const file = copy.path(`platform/${name}`);
    execFileSync('tar', ['-C', join(runtime.appDir, '.scalingo/python'), '-I', 'zstd -1', '-cf', file, '.']);
    copy
      .edit('stacks', ({ stacks }: Data) => {
        stacks.push({ name: 'scalingo-28', status: 'accepted', distro: 'ubuntu', release: '28.04', arch: ['amd64'] });
      })
      .editText(PIPELINE, (text) => text.replace('scalingo-26,', 'scalingo-26, scalingo-28,'));
    const params = ['stack=scalingo-28', 'providers=["scalingo"]'];
    const unpinned = await copy.run(options(...params), env);
    expect(unpinned.failure?.code).to.equal('python-version::not-available');

    const pinFile = 'src/manifests/catalogue/data/platform-pins.json';
    const pinned = await copy.pyflow(['catalogue', 'pin', file, '--pins', pinFile, '--cache-dir', copy.path('cache')]);
    expect(pinned.status, pinned.stderr).to.equal(0);
    const report = await copy.run([...options(...params), '--until', 'runtime'], env);
    expect(report.failure).to.equal(undefined);
    expect(report.nodes['runtime']?.outputs).to.include({ version: runtime.version, provider: 'scalingo' });
  });

  it('are everything that `pyflow catalogue check` requires', async () => {
    const { stdout } = await copy.pyflow(['catalogue', 'check', '--max-age', '99999']);
    expect(stdout).to.contain(`pip ${pip.version} is not locked for Python`);
    const minor = runtime.minor.replace('.', '\\.');
    expect(stdout).not.to.match(new RegExp(`pip ${pip.version} is not locked for [^\\n]*${minor}\\b`));
  });
});
