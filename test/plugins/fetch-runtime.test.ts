import 'reflect-metadata';
import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import * as zlib from 'node:zlib';
import { join } from 'node:path';
import { expect } from 'chai';
import { fail, type Failure, type Result, type RunOutput } from '../../src/engine/sdk.js';
import type { Runtime } from '../../src/manifests/catalogue/runtimes.js';
import type { Provider } from '../../src/plugins/shared/archives/provider-list.js';
import { FetchRuntime } from '../../src/plugins/fetch-runtime/plugin.js';
import { fingerprint, PluginHarness, type HarnessOptions } from '../support/plugin-harness.js';
import { pinsOf, platformArchive, type PlatformArchiveFile } from '../support/platform-archives.js';
import { copyWritable, prepareRuntime, type PreparedRuntime } from '../support/runtimes.js';
import { skipBecause } from '../support/skip.js';

interface Outputs {
  readonly version: string;
  readonly minor: string;
  readonly provider: string;
}
type Played = Result<RunOutput<Outputs>, Failure>;

/** The plugin with one build in its catalogue. */
class WithCatalogue extends FetchRuntime {
  row: Runtime | undefined;
  protected override findRow(version: string): Runtime | undefined {
    return this.row?.version === version ? this.row : undefined;
  }
}

describe('plugins/fetch-runtime', () => {
  let runtime: PreparedRuntime;
  let root: string;
  let harness: PluginHarness;
  /** The folder with the archive that most tests use. */
  let shared: string;
  let release: Runtime | undefined;
  let mirrorDir: string;

  before(async function () {
    this.timeout(60_000);
    runtime = await prepareRuntime(this);
    shared = mkdtempSync(join(tmpdir(), 'pyflow-release-'));
    mirrorDir = shared;
  });
  after(() => shared && rmSync(shared, { recursive: true, force: true }));
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pyflow-fetch-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  /** An interpreter like one of pyenv: that of this machine, with files that do not belong into a slug. */
  const pyenvPrefix = (): string => {
    const prefix = join(root, 'pyenv', runtime.version);
    mkdirSync(join(root, 'pyenv'), { recursive: true });
    copyWritable(join(runtime.appDir, '.scalingo/python'), prefix);
    for (const [path, text] of [
      ['bin/pip', '#!/bin/sh\n'],
      [`lib/python${runtime.minor}/site-packages/foreign.pth`, 'import foreign\n'],
      [`lib/python${runtime.minor}/test/test_x.py`, ''],
    ] as const) {
      mkdirSync(join(prefix, path, '..'), { recursive: true });
      writeFileSync(join(prefix, path), text);
    }
    return prefix;
  };

  const play = async (
    request: {
      readonly version?: string;
      readonly exact?: boolean;
      readonly providers?: Provider[];
      readonly stack?: string;
      readonly row?: Runtime;
    },
    options: HarnessOptions = {},
  ): Promise<Played> => {
    harness = new PluginHarness({ root: join(root, 'harness'), ...options });
    const kind = new WithCatalogue(harness, harness.hostCommand);
    kind.row = request.row;
    const version = request.version ?? runtime.version;
    const played = await harness.play(
      kind,
      {
        vendorDir: '.scalingo',
        providers: request.providers ?? ['python-build-standalone', 'system'],
        ...(request.stack !== undefined && { stack: request.stack }),
      },
      { python: { version, minor: version.split('.').slice(0, 2).join('.'), exact: request.exact ?? true } },
    );
    return played.result;
  };
  const failureOf = (result: Played): Failure => {
    if (result.ok) throw new Error('it succeeded');
    return result.failure;
  };
  const installed = (path = ''): string => join(harness.appDir, '.scalingo/python', path);

  /** An archive like that of a release, as a build of the catalogue. It is in `mirrorDir`. */
  const makeArchive = (edit?: (python: string) => void): Runtime => {
    if (edit !== undefined || release === undefined) mirrorDir = edit === undefined ? shared : root;
    else {
      mirrorDir = shared;
      return release;
    }
    const made = buildArchive(mirrorDir, edit ?? (() => undefined));
    if (edit === undefined) release = made;
    return made;
  };
  const buildArchive = (root: string, edit: (python: string) => void): Runtime => {
    const folder = join(root, 'release', 'python');
    mkdirSync(join(root, 'release'), { recursive: true });
    copyWritable(join(runtime.appDir, '.scalingo/python'), folder);
    edit(folder);
    const path = '20990101/cpython.tar.gz';
    mkdirSync(join(root, 'mirror', '20990101'), { recursive: true });
    execFileSync('tar', ['-C', join(root, 'release'), '-I', 'gzip -1', '-cf', join(root, 'mirror', path), 'python']);
    const sha256 = createHash('sha256')
      .update(readFileSync(join(root, 'mirror', path)))
      .digest('hex');
    return {
      version: runtime.version,
      platform: 'linux-x86_64-gnu',
      build: '20990101',
      flavour: 'install_only_stripped',
      url: `https://example.invalid/${path}`,
      path,
      sha256,
    };
  };
  const mirror = (): Readonly<Record<string, string>> => ({ PYTHON_MIRROR: `file://${mirrorDir}/mirror/` });

  describe('system', () => {
    it('copies the interpreter in its normal form, as a degraded result', async () => {
      const prefix = pyenvPrefix();
      const result = await play({ providers: ['system'] }, { settings: { SYSTEM_PYTHONS: prefix } });
      if (!result.ok) throw new Error(`${result.failure.title}\n${result.failure.detail}`);
      expect(result.value.outputs).to.deep.equal({
        version: runtime.version,
        minor: runtime.minor,
        provider: 'system',
      });
      expect(result.value.degraded?.maxAgeMs).to.equal(3_600_000);
      expect(result.value.degraded?.reason).to.contain('system');
      expect(readdirSync(installed('bin')).sort()).to.deep.equal(['python', 'python3', `python${runtime.minor}`]);
      expect(readdirSync(installed(`lib/python${runtime.minor}/site-packages`))).to.deep.equal([]);
      expect(existsSync(installed(`lib/python${runtime.minor}/test`))).to.equal(false);
      const version = execFileSync(
        installed('bin/python'),
        ['-I', '-c', 'import platform; print(platform.python_version())'],
        {
          encoding: 'utf8',
        },
      );
      expect(version.trim()).to.equal(runtime.version);
    }).timeout(60_000);

    it('installs any patch of the minor version if the app requests none', async () => {
      const prefix = pyenvPrefix();
      const result = await play(
        { version: `${runtime.minor}.99`, exact: false, providers: ['system'] },
        { settings: { SYSTEM_PYTHONS: prefix } },
      );
      expect(result.ok && result.value.outputs.version).to.equal(runtime.version);
    }).timeout(60_000);

    it('never substitutes a requested patch, and lists what it found', async () => {
      const prefix = pyenvPrefix();
      const version = `${runtime.minor}.99`;
      const row = { version } as Runtime;
      const failure = failureOf(
        await play({ version, providers: ['system'], row }, { settings: { SYSTEM_PYTHONS: prefix } }),
      );
      expect(failure).to.include({ code: 'install-python', blame: 'environment' });
      expect(failure.detail).to.contain(`${runtime.version} at ${prefix}`);
      expect(failure.remedy).to.contain(`pyenv install ${version}`);
    });

    it('blames the app for a version that no provider has', async () => {
      const failure = failureOf(await play({ version: '3.12.99' }, { settings: { SYSTEM_PYTHONS: '/nonexistent' } }));
      expect(failure).to.include({ code: 'python-version::unknown-patch', blame: 'app' });
    });

    it('rejects the Python of a distribution with a reason', async function () {
      if (!existsSync('/usr/lib/python3.11/EXTERNALLY-MANAGED')) {
        return skipBecause(this, 'needs a distribution Python 3.11');
      }
      const failure = failureOf(
        await play(
          { version: '3.11.2', exact: false, providers: ['system'] },
          { settings: { SYSTEM_PYTHONS: '/usr' } },
        ),
      );
      expect(failure.detail).to.match(/3\.11\.\d+ at \/usr \(refused: it belongs to the distribution/);
    });
  });

  describe('python-build-standalone', () => {
    it('fetches, checks and unpacks the archive of a mirror, as a full result', async () => {
      const row = makeArchive();
      const result = await play({ row }, { settings: mirror() });
      if (!result.ok) throw new Error(`${result.failure.title}\n${result.failure.detail}`);
      expect(result.value.outputs.provider).to.equal('python-build-standalone');
      expect(result.value.degraded).to.equal(undefined);
      expect(Object.keys(await fingerprint(installed()))).to.deep.equal(
        Object.keys(await fingerprint(join(runtime.appDir, '.scalingo/python'))),
      );
    }).timeout(60_000);

    it('falls back to the next provider if the host is unreachable, with a notice', async () => {
      const prefix = pyenvPrefix();
      const row = makeArchive();
      const dead: Failure = {
        code: 'download::host-unreachable',
        blame: 'environment',
        title: 'example.invalid does not answer',
        detail: '',
        remedy: '',
        retryable: true,
      };
      const options = { settings: { SYSTEM_PYTHONS: prefix }, download: { fetch: async () => fail(dead) } };
      const result = await play({ row }, options);
      expect(result.ok && result.value.outputs.provider).to.equal('system');
      expect(result.ok && result.value.degraded?.reason).to.contain('because python-build-standalone has none');
      expect(harness.text()).to.contain('runtime::provider-passed-over');
      expect(harness.text()).to.contain('example.invalid does not answer');
    }).timeout(60_000);

    it('is retryable if the host is unreachable and no other provider has the version', async () => {
      const row = { version: '3.12.99', url: 'https://example.invalid/x', path: 'x', sha256: '' } as Runtime;
      const dead: Failure = {
        code: 'download::host-unreachable',
        blame: 'environment',
        title: 'dead',
        detail: '',
        remedy: '',
      };
      const failure = failureOf(
        await play(
          { version: '3.12.99', row },
          { settings: { SYSTEM_PYTHONS: '/nonexistent' }, download: { fetch: async () => fail(dead) } },
        ),
      );
      expect(failure).to.include({ code: 'install-python', blame: 'environment', retryable: true });
    });

    for (const [what, edit] of [
      ['a wrong digest', (row: Runtime): Runtime => ({ ...row, sha256: '0'.repeat(64) })],
      ['a missing archive', (row: Runtime): Runtime => ({ ...row, path: 'missing.tar.gz' })],
    ] as const) {
      it(`[python.install-failed] fails for ${what} and substitutes nothing`, async () => {
        const prefix = pyenvPrefix();
        const row = edit(makeArchive());
        const failure = failureOf(await play({ row }, { settings: { ...mirror(), SYSTEM_PYTHONS: prefix } }));
        expect(failure.code).to.equal('install-python');
        expect(failure.detail).to.match(/Cause: download::(wrong-digest|not-found)/);
        expect(existsSync(installed('bin/python'))).to.equal(false);
      }).timeout(60_000);
    }

    it('rejects a mirror that is not a URL', async () => {
      const row = { version: runtime.version, url: '', path: 'x', sha256: '' } as Runtime;
      const failure = failureOf(await play({ row }, { settings: { PYTHON_MIRROR: 'ftp://me:secret@host/x' } }));
      expect(failure.code).to.equal('install-python');
      expect(failure.title).to.contain('PYFLOW_PYTHON_MIRROR');
      expect(failure.detail).not.to.contain('secret');
    });

    it('detects an interpreter with another version than declared', async () => {
      const row = { ...makeArchive(), version: `${runtime.minor}.99` };
      const failure = failureOf(await play({ version: row.version, row }, { settings: mirror() }));
      expect(failure.code).to.equal('runtime::self-check');
      expect(failure.detail).to.contain(`It reports version ${runtime.version}.`);
    }).timeout(60_000);

    it('detects modules that cannot be imported', async () => {
      const row = makeArchive((python) => {
        rmSync(join(python, `lib/python${runtime.minor}/sqlite3`), { recursive: true });
      });
      const failure = failureOf(await play({ row }, { settings: mirror() }));
      expect(failure.code).to.equal('runtime::self-check');
      expect(failure.detail).to.contain('sqlite3');
    }).timeout(60_000);

    it('detects that the library of another interpreter is loaded', async function () {
      const library = `lib/libpython${runtime.minor}.so.1.0`;
      if (!existsSync(join(runtime.appDir, '.scalingo/python', library))) {
        return skipBecause(this, 'the interpreter has no shared library');
      }
      const row = makeArchive((python) => {
        rmSync(join(python, library));
        symlinkSync(join(runtime.appDir, '.scalingo/python', library), join(python, library));
      });
      const failure = failureOf(await play({ row }, { settings: mirror() }));
      // Either the archive or the self-check fails.
      expect(failure.code).to.match(/^(runtime::|archive::|download::|install-python)/);
    }).timeout(60_000);
  });

  describe('scalingo', () => {
    let archive: PlatformArchiveFile;
    let searchPath: readonly string[];
    before(function () {
      searchPath = (process.env['PATH'] ?? '').split(':');
      if (!searchPath.some((folder) => existsSync(join(folder, 'zstd')))) {
        return skipBecause(this, 'needs the program zstd');
      }
      archive = platformArchive(runtime, join(shared, 'platform'), 'scalingo-24');
    });
    const settings = (pins = pinsOf(archive)): Readonly<Record<string, string>> => ({
      PINS: pins,
      SCALINGO_MIRROR: `file://${archive.folder}`,
    });
    const stack = 'scalingo-24';

    it('[python.install] unpacks the pinned archive of the stack into the normal form of all providers, as a full result', async () => {
      const result = await play({ providers: ['scalingo', 'system'], stack }, { settings: settings() });
      if (!result.ok) throw new Error(`${result.failure.title}\n${result.failure.detail}`);
      expect(result.value.outputs).to.include({ version: runtime.version, provider: 'scalingo' });
      expect(result.value.degraded).to.equal(undefined);
      expect(await fingerprint(installed())).to.deep.equal(await fingerprint(join(runtime.appDir, '.scalingo/python')));
      expect(harness.text()).to.contain('built for ubuntu 24.04, but this machine runs debian 12');
      expect(harness.text()).to.contain(`Installing Python ${runtime.version}`);
    }).timeout(60_000);

    it('rejects an archive that does not match its pin, and substitutes nothing', async () => {
      const pins = pinsOf({ ...archive, sha256: '0'.repeat(64) });
      const failure = failureOf(
        await play(
          { providers: ['scalingo', 'system'], stack },
          { settings: { ...settings(pins), SYSTEM_PYTHONS: pyenvPrefix() } },
        ),
      );
      expect(failure.code).to.equal('install-python');
      expect(failure.detail).to.contain('Cause: download::wrong-digest').and.to.contain(archive.name);
      expect(existsSync(installed('bin/python'))).to.equal(false);
    }).timeout(60_000);

    it('rejects an archive without a pin, for this stack or at all', async () => {
      for (const [pins, of] of [
        ['{"archives":{}}', 'scalingo-24'],
        [pinsOf(archive), 'scalingo-22'],
      ] as const) {
        const failure = failureOf(await play({ providers: ['scalingo'], stack: of }, { settings: settings(pins) }));
        expect(failure).to.include({ code: 'install-python', blame: 'pipeline' });
        expect(failure.detail).to.match(/scalingo: no digest is pinned for python-3\.\d+\.\d+-ubuntu-2[24]\.04-amd64/);
        expect(failure.remedy).to.contain('pyflow catalogue pin');
      }
    });

    it('falls back without a pin, with the pin in the key, so that the next result is a full one', async () => {
      const row = makeArchive();
      const result = await play(
        { providers: ['scalingo', 'python-build-standalone'], stack, row },
        { settings: { ...settings('{"archives":{}}'), ...mirror() } },
      );
      expect(result.ok && result.value.outputs.provider).to.equal('python-build-standalone');
      expect(result.ok && result.value.degraded).to.equal(undefined);
      expect(harness.text()).to.contain('no digest is pinned for');
    }).timeout(60_000);

    it('never installs another patch than the resolved one', async () => {
      const version = `${runtime.minor}.99`;
      const failure = failureOf(
        await play({ providers: ['scalingo'], stack, version, exact: false }, { settings: settings() }),
      );
      expect(failure.detail).to.contain(`python-${version}-`);
    });

    it('names the package to install if nothing here reads zstd', async function () {
      if ('createZstdDecompress' in zlib) {
        return skipBecause(this, 'this Node reads zstd by itself');
      }
      const failure = failureOf(
        await play({ providers: ['scalingo'], stack }, { settings: settings(), searchPath: [join(root, 'empty')] }),
      );
      expect(failure).to.include({ code: 'archive::unsupported-format', blame: 'environment' });
      expect(failure.remedy).to.contain('program `zstd`').and.to.contain('Node 22.15');
    });

    it('reports errors in a pin file, and a node without a stack', async () => {
      const bad = '{"archives":{"x":{"sha256":"ABC","size":1}}}';
      const failure = failureOf(await play({ providers: ['scalingo'], stack }, { settings: settings(bad) }));
      expect(failure).to.include({ code: 'install-python::bad-pins', blame: 'pipeline' });
      expect(failure.detail.split('\n')).to.have.length(3);
      const without = failureOf(await play({ providers: ['scalingo'] }, { settings: settings() }));
      expect(without.detail).to.contain('does not name a stack');
    });

    it('keys on the name and the digest of the archive', async () => {
      harness = new PluginHarness({ root: join(root, 'h'), settings: settings() });
      const kind = new FetchRuntime(harness, harness.hostCommand);
      const python = { version: runtime.version, minor: runtime.minor, exact: true };
      const reads = await kind.reads({
        config: { vendorDir: '.scalingo', providers: ['scalingo'], stack },
        inputs: { python },
      });
      const facts = { platformArchive: { name: archive.name, sha256: archive.sha256 } };
      expect(reads).to.deep.equal({ ok: true, value: { facts } });
    });
  });

  it('keys on the digest of the archive, not on the mirror', async () => {
    const row = { version: '3.12.99', build: '20990101', sha256: 'abc' } as Runtime;
    harness = new PluginHarness({ root: join(root, 'h'), settings: mirror() });
    const kind = new WithCatalogue(harness, harness.hostCommand);
    kind.row = row;
    const python = { version: '3.12.99', minor: '3.12', exact: true };
    const reads = await kind.reads({
      config: { vendorDir: '.scalingo', providers: ['python-build-standalone'] },
      inputs: { python },
    });
    expect(reads).to.deep.equal({ ok: true, value: { facts: { archive: { build: '20990101', sha256: 'abc' } } } });
    const other = await kind.reads({ config: { vendorDir: '.scalingo', providers: ['system'] }, inputs: { python } });
    expect(other).to.deep.equal({ ok: true, value: { facts: {} } });
  });
});
