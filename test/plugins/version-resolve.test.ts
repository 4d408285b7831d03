import { expect } from 'chai';
import type { Host, JSONValue } from '../../src/engine/sdk.js';
import { MISSPELLED_PYTHON_VERSION_NAMES } from '../../src/manifests/app/python-version-file.js';
import { memoryView } from '../support/memory-view.js';
import { play, recordingLog } from '../support/node-context.js';
import type { Provider } from '../../src/plugins/shared/archives/provider-list.js';
import { VersionResolve } from '../../src/plugins/version-resolve/plugin.js';

interface Case {
  readonly files?: Readonly<Record<string, string>>;
  readonly manager?: string;
  readonly stack?: string;
  readonly providers?: Provider[];
  readonly default?: string;
  readonly pythonPolicy?: 'default' | 'newest-that-fits';
  readonly pinnedMisfit?: 'warn' | 'fail';
  readonly state?: Readonly<Record<string, JSONValue>>;
  readonly now?: string;
  readonly machine?: Partial<Host>;
  readonly root?: string;
}
const HOST: Host = {
  os: 'linux',
  arch: 'x64',
  libc: { name: 'glibc', version: '2.39' },
  release: { id: 'ubuntu', version: '24.04' },
  setting: () => undefined,
  searchPath: [],
  homeDir: '/nonexistent',
};

async function resolve(given: Case) {
  const { log, printed } = recordingLog();
  const plugin = new VersionResolve({
    clock: { now: () => Date.parse(given.now ?? '2026-11-20') },
    host: { ...HOST, ...given.machine },
    log,
  });
  const config = {
    root: given.root ?? '.',
    stack: given.stack ?? 'scalingo-24',
    providers: given.providers ?? ['python-build-standalone' as const, 'system' as const],
    pythonPolicy: given.pythonPolicy ?? ('default' as const),
    pinnedMisfit: given.pinnedMisfit ?? ('warn' as const),
    groups: [],
    ...(given.default === undefined ? {} : { default: given.default }),
  };
  const view = memoryView(given.files ?? {}, { state: given.state ?? {} });
  const { reads, result } = await play(plugin, config, { manager: given.manager ?? 'pip' }, view);
  return { reads, result, printed, codes: printed.flatMap(({ code }) => code ?? []) };
}
async function outputs(given: Case) {
  const { result } = await resolve(given);
  if (!result.ok) throw new Error(result.failure.code);
  return result.value.outputs;
}
async function failure(given: Case) {
  const { result } = await resolve(given);
  if (result.ok) throw new Error(`resolved ${result.value.outputs.version}`);
  return result.failure;
}
const lock = (requires: object) => JSON.stringify({ _meta: { requires } });
const FETCHED = ['python-build-standalone' as const];

describe('version-resolve', () => {
  describe('request', () => {
    const all = {
      'runtime.txt': 'python-3.14',
      '.python-version': '3.12',
      'Pipfile.lock': lock({ python_full_version: '3.11.5', python_version: '3.10' }),
    };
    const sticky = { python: { minor: '3.12' } };

    it('[pyver.precedence] uses the first source with a version', async () => {
      const manager = 'pipenv';
      expect(await outputs({ files: all, manager, state: sticky })).to.include({
        origin: 'runtime.txt',
        requested: '3.14',
      });
      const { 'runtime.txt': _, ...noRuntime } = all;
      expect(await outputs({ files: noRuntime, manager, state: sticky })).to.include({
        origin: '.python-version',
        requested: '3.12',
      });
      const files = { 'Pipfile.lock': all['Pipfile.lock'] };
      expect(await outputs({ files, manager, state: sticky })).to.include({
        origin: 'Pipfile.lock',
        requested: '3.11.5',
      });
      expect(await outputs({ files, manager: 'pip', state: sticky })).to.include({
        origin: 'cached',
        requested: '3.12',
      });
      expect(await outputs({ files, manager: 'pip' })).to.include({ origin: 'default', requested: '3.13' });
    });

    it('[pyver.runtime-txt-first] ignores .python-version and misspelled names if runtime.txt exists', async () => {
      const files = { 'runtime.txt': 'python-3.14', '.python-version': 'broken', 'python-version': '' };
      expect(await outputs({ files })).to.include({ origin: 'runtime.txt', minor: '3.14' });
    });

    it('[pyver.runtime-txt-invalid] rejects it without repeating its content', async () => {
      const found = await failure({ files: { 'runtime.txt': 'pithon-SECRET' } });
      expect(found).to.include({ code: 'runtime-txt::invalid-version', blame: 'app' });
      expect(JSON.stringify(found)).not.to.include('SECRET');
      expect(found.remedy).to.include('1. Delete runtime.txt.');
    });

    for (const name of MISSPELLED_PYTHON_VERSION_NAMES) {
      it(`[pyver.file-misspelled] rejects "${name}", even next to the right file`, async () => {
        const found = await failure({ files: { [name]: '3.12', '.python-version': '3.12' } });
        expect(found.code).to.equal('python-version-file::misspelled');
        expect(found.title).to.include(`"${name}"`);
      });
    }

    it('[pyver.file-misspelled] names the first of several in a fixed order, and ignores folders', async () => {
      expect((await failure({ files: { 'python-version': '', '.python_version': '' } })).title).to.include(
        '".python_version"',
      );
      expect(await outputs({ files: { 'python-version/x': '', '.python-version': '3.12' } })).to.include({
        minor: '3.12',
      });
    });

    it('[pyver.file-read] uses .python-version', async () => {
      const { trace, explanation, ...decided } = await outputs({ files: { '.python-version': '3.12.4\n' } });
      expect(trace).to.include({ chosen: '3.12', choice: 'set', from: '.python-version' });
      expect(explanation[0]).to.equal('Python 3.12: set in .python-version');
      expect(decided).to.deep.equal({
        python: { version: '3.12.4', minor: '3.12', exact: true },
        version: '3.12.4',
        minor: '3.12',
        requested: '3.12.4',
        origin: '.python-version',
        exact: true,
        outdated: true,
        similarFiles: [],
      });
    });

    for (const [id, code, content, shown] of [
      ['pyver.file-invalid-version', 'python-version-file::invalid-version', '3.x', '3.x'],
      ['pyver.file-encoding', 'python-version-file::invalid-encoding', '\uFEFF3.12', 'byte order mark'],
      ['pyver.file-no-version', 'python-version-file::no-version', '# 3.12', 'comments'],
      ['pyver.file-multiple', 'python-version-file::multiple-versions', '3.12\n3.13', '  3.12\n  3.13'],
    ] as const) {
      it(`[${id}] fails with ${code}`, async () => {
        const found = await failure({ files: { '.python-version': content } });
        expect(found).to.include({ code, blame: 'app' });
        expect(found.detail).to.include(shown);
      });
    }

    it('[pyver.pipfile-lock-fields] reads Pipfile.lock of Pipenv apps only', async () => {
      const files = { 'Pipfile.lock': lock({ python_version: '3.12' }) };
      expect(await outputs({ files, manager: 'pipenv' })).to.include({
        origin: 'Pipfile.lock',
        minor: '3.12',
        exact: false,
      });
      expect(await outputs({ files: { 'Pipfile.lock': 'broken' }, manager: 'uv-like' })).to.include({
        origin: 'default',
      });
    });

    it('[pyver.pipfile-lock-absent] falls through if it sets no version', async () => {
      expect(await outputs({ files: { 'Pipfile.lock': '{}' }, manager: 'pipenv' })).to.include({ origin: 'default' });
    });

    it('[pyver.pipfile-lock-invalid-json] [pyver.pipfile-lock-invalid-version] rejects invalid content', async () => {
      const broken = await failure({ files: { 'Pipfile.lock': '{' }, manager: 'pipenv' });
      expect(broken.code).to.equal('pipfile-lock::invalid-json');
      const range = await failure({ files: { 'Pipfile.lock': lock({ python_version: '>=3.12' }) }, manager: 'pipenv' });
      expect(range.code).to.equal('pipfile-lock::invalid-version');
      expect(range.detail).to.include('python_version').and.to.include('>=3.12');
    });

    it('[pyver.similar-files-recorded] records similar names silently, unless the right file exists', async () => {
      const files = { 'Python_Version.md': '', 'my.python.version': '', 'python-version-dir/x': '' };
      const given = await resolve({ files: { ...files, 'requirements.txt': '' } });
      expect(given.result)
        .to.have.nested.property('value.outputs.similarFiles')
        .that.deep.equals(['Python_Version.md', 'my.python.version']);
      expect(JSON.stringify(given.printed)).not.to.include('my.python.version');
      expect((await outputs({ files: { ...files, '.python-version': '3.13' } })).similarFiles).to.deep.equal([]);
    });

    it('[pyver.cached-sticky] [pyver.cached-version-read] keeps the minor of the last build, at its newest patch', async () => {
      expect(await outputs({ state: sticky })).to.include({
        origin: 'cached',
        requested: '3.12',
        version: '3.12.14',
        exact: false,
      });
      expect(await outputs({ state: { python: { minor: '3.12.1' } } })).to.include({ requested: '3.12', exact: false });
    });

    it('[pyver.cached-sticky] ignores state that is not a version', async () => {
      for (const python of [null, '3.12', 3.12, [], {}, { minor: 'x' }, { minor: 3 }] as JSONValue[]) {
        expect(await outputs({ state: { python } }), JSON.stringify(python)).to.include({ origin: 'default' });
      }
    });

    it('[pyver.default] uses 3.13, or the default of the pipeline', async () => {
      expect(await outputs({})).to.include({ origin: 'default', minor: '3.13', version: '3.13.15' });
      expect(await outputs({ default: '3.14' })).to.include({ origin: 'default', minor: '3.14' });
    });

    it('[pyver.recorded] keeps the minor for the next build', async () => {
      expect((await resolve({ files: { '.python-version': '3.12.4' } })).result)
        .to.have.nested.property('value.state')
        .that.deep.equals({ python: { minor: '3.12' } });
    });
  });

  describe('step line', () => {
    const step = async (given: Case) => (await resolve(given)).printed[0];

    it('[pyver.step-default] [pyver.step-cached] [pyver.step-specified] shows the version and its source', async () => {
      expect(await step({})).to.deep.equal({
        type: 'step',
        text: 'No Python version was specified. Using the default: 3.13',
      });
      expect(await step({ state: { python: { minor: '3.12' } } })).to.have.property(
        'text',
        'No Python version was specified. Using the version of the last build: 3.12',
      );
      expect(await step({ files: { '.python-version': '3.12.4' } })).to.have.property(
        'text',
        'Using Python 3.12.4 specified in .python-version',
      );
    });

    it('[pyver.step-specified] comes before a rejection', async () => {
      expect(await step({ files: { '.python-version': '3.2' } })).to.have.property(
        'text',
        'Using Python 3.2 specified in .python-version',
      );
    });
  });

  describe('resolution', () => {
    for (const [minor, version] of [
      ['3.10', '3.10.21'],
      ['3.11', '3.11.16'],
      ['3.12', '3.12.14'],
      ['3.13', '3.13.15'],
      ['3.14', '3.14.7'],
    ] as const) {
      it(`[pyver.resolve-major] resolves ${minor} to ${version}`, async () => {
        expect((await outputs({ files: { '.python-version': minor } })).python).to.deep.equal({
          version,
          minor,
          exact: false,
        });
      });
    }

    it('[pyver.resolve-exact] keeps an exact version', async () => {
      expect((await outputs({ files: { '.python-version': '3.12.0' }, providers: FETCHED })).python).to.deep.equal({
        version: '3.12.0',
        minor: '3.12',
        exact: true,
      });
    });

    it('[python.unknown-patch] [pyver.resolve-exact] accepts a patch that only the machine has', async () => {
      const files = { '.python-version': '3.13.99' };
      expect(await outputs({ files })).to.include({ version: '3.13.99', outdated: false });
      const found = await failure({ files, providers: FETCHED });
      expect(found).to.include({ code: 'python-version::unknown-patch', blame: 'app' });
      expect(found.remedy).to.include('3.13.15');
    });

    it('[pyver.resolve-exact] handles patches that were not built for every machine', async () => {
      const files = { '.python-version': '3.11.1' };
      expect(await outputs({ files, providers: FETCHED })).to.include({ version: '3.11.1' });
      const machine = { libc: { name: 'musl', version: '1.2' } };
      expect(await failure({ files, providers: FETCHED, machine })).to.have.property(
        'code',
        'python-version::unknown-patch',
      );
    });

    it('rejects a minor that no provider has for the machine', async () => {
      const machine = { arch: 'riscv64' };
      expect(await failure({ providers: FETCHED, machine })).to.include({
        code: 'python-version::not-available',
        blame: 'pipeline',
      });
      expect(await outputs({ machine })).to.include({ version: '3.13.15', exact: false });
      expect(await outputs({ providers: ['system'] })).to.include({ version: '3.13.15', exact: false });
    });

    describe("with the platform's archives", () => {
      const pin = { sha256: 'a'.repeat(64), sizeBytes: 1 };
      const names = ['python-3.13.9-ubuntu-24.04-amd64', 'python-3.13.10-ubuntu-24.04-amd64'];
      const others = [
        'python-3.13.12-ubuntu-22.04-amd64',
        'python-3.13.12-ubuntu-24.04-arm64',
        'python-3.1.20-ubuntu-24.04-amd64',
      ];
      const archives = Object.fromEntries([...names, ...others].map((name) => [`${name}.tar.zst`, pin]));
      const machine = { setting: (name: string) => (name === 'PINS' ? JSON.stringify({ archives }) : undefined) };
      const platform = { providers: ['scalingo' as const], machine };

      it('uses the newest patch that is pinned for the stack and the machine', async () => {
        expect(await outputs({ ...platform })).to.include({ version: '3.13.10', outdated: false });
        expect(await outputs({ ...platform, stack: 'scalingo-22' })).to.include({ version: '3.13.12' });
        expect(await outputs({ ...platform, machine: { ...machine, arch: 'arm64' } })).to.include({
          version: '3.13.12',
        });
        const files = { '.python-version': '3.13.9' };
        expect(await outputs({ ...platform, files })).to.include({ version: '3.13.9', exact: true, outdated: true });
      });

      it('uses the first provider that has the minor', async () => {
        const both = { ...platform, providers: ['scalingo' as const, ...FETCHED] };
        expect(await outputs(both)).to.include({ version: '3.13.10' });
        expect(await outputs({ ...both, providers: [...FETCHED, 'scalingo' as const] })).to.include({
          version: '3.13.15',
        });
        expect(await outputs({ ...both, files: { '.python-version': '3.12' } })).to.include({ version: '3.12.14' });
        expect(await outputs({ ...both, files: { '.python-version': '3.13.15' } })).to.include({ version: '3.13.15' });
        expect(await outputs({ providers: ['scalingo', 'system'] })).to.include({ version: '3.13.15' });
      });

      it('rejects an archive without a pin, and explains how to pin it', async () => {
        const none = await failure({ providers: ['scalingo'] });
        expect(none).to.include({ code: 'python-version::not-available', blame: 'pipeline' });
        expect(none.remedy).to.include('pyflow catalogue pin');
        const patch = await failure({ ...platform, files: { '.python-version': '3.13.15' } });
        expect(patch).to.include({ code: 'python-version::unknown-patch' });
        expect(patch.detail).to.include('The newest one is 3.13.10.');
      });

      it('reads no pins for the other providers, and rejects broken ones for this', async () => {
        const broken = { setting: () => '{' };
        expect(await outputs({ machine: broken })).to.include({ version: '3.13.15' });
        expect(await failure({ ...platform, machine: broken })).to.include({ code: 'install-python::bad-pins' });
      });
    });

    for (const minor of ['2.7', '3.0', '3.8', '3.9', '3.9.18', '0.1']) {
      it(`[pyver.eol-requested] rejects ${minor}`, async () => {
        const found = await failure({ files: { '.python-version': minor } });
        expect(found).to.include({ code: 'python-version::eol', blame: 'app' });
        expect(found.title).to.include(minor.split('.').slice(0, 2).join('.'));
        expect(found.remedy).to.include('3.10 or later in .python-version');
      });
    }

    it('[pyver.eol-requested] rejects 3.10 from the announced day on', async () => {
      const files = { '.python-version': '3.10' };
      expect(await outputs({ files, now: '2027-01-05' })).to.include({ minor: '3.10' });
      expect(await failure({ files, now: '2027-01-06' })).to.have.property('code', 'python-version::eol');
    });

    it('[pyver.eol-cached] asks for a version if that of the last build has reached its end of life', async () => {
      const found = await failure({ state: { python: { minor: '3.9' } } });
      expect(found.code).to.equal('python-version::eol');
      expect(found.remedy).to.include('.python-version').and.to.include('1. ');
      expect(found.detail).to.include('last build');
    });

    for (const minor of ['3.15', '3.16.1', '4.0', '3.999999999']) {
      it(`[pyver.unknown-major-requested] rejects ${minor}`, async () => {
        expect(await failure({ files: { '.python-version': minor } })).to.include({
          code: 'python-version::unknown-major',
          blame: 'app',
        });
      });
    }

    it('[pyver.unknown-major-cached] suggests to return to the newer release', async () => {
      const found = await failure({ state: { python: { minor: '3.15' } } });
      expect(found.code).to.equal('python-version::unknown-major');
      expect(found.remedy).to.include('newer release of pyflow');
    });

    it('blames the pipeline for an unavailable default', async () => {
      expect(await failure({ default: '3.7' })).to.include({ code: 'python-version::eol', blame: 'pipeline' });
      expect(await failure({ default: '3.77' })).to.include({
        code: 'python-version::unknown-major',
        blame: 'pipeline',
      });
    });
  });

  describe('notices', () => {
    it('[pyver.warn-no-version] warns about the default and about a version of the last build', async () => {
      for (const state of [{}, { python: { minor: '3.12' } }]) {
        const { codes, printed } = await resolve({ state });
        expect(codes).to.deep.equal(['python-version::none-given']);
        expect(printed[1]?.text).to.include('.python-version');
      }
    });

    it('[pyver.uv-needs-file] makes it an error with uv', async () => {
      for (const state of [{}, { python: { minor: '3.12' } }]) {
        const { result, codes } = await resolve({ manager: 'uv', state });
        expect(result).to.have.nested.property('failure.code', 'python-version-file::not-found');
        expect(result).to.have.nested.property('failure.remedy').that.includes('uv python pin');
        expect(codes).to.deep.equal([]);
      }
      expect(await outputs({ manager: 'uv', files: { '.python-version': '3.12' } })).to.include({ minor: '3.12' });
    });

    it('[pyver.uv-needs-file] comes after an end of life, because resolution comes first', async () => {
      expect(await failure({ manager: 'uv', state: { python: { minor: '3.9' } } })).to.have.property(
        'code',
        'python-version::eol',
      );
    });

    it('[pyver.warn-runtime-txt] [pyver.instructions] says to delete runtime.txt first', async () => {
      const { codes, printed } = await resolve({ files: { 'runtime.txt': 'python-3.12' } });
      expect(codes).to.deep.equal(['runtime-txt::deprecated']);
      expect(printed[1]?.text).to.include('1. Delete runtime.txt.').and.to.include('into it: 3.12');
    });

    it('[pyver.uv-runtime-txt] makes it an error with uv', async () => {
      const found = await failure({ manager: 'uv', files: { 'runtime.txt': 'python-3.12.1' } });
      expect(found.code).to.equal('runtime-txt::not-supported');
      expect(found.remedy).to.include('uv python pin 3.12.1');
    });

    it('[pyver.pipfile-lock-no-warning] does not warn about Pipfile.lock', async () => {
      const files = { 'Pipfile.lock': lock({ python_version: '3.13' }) };
      expect((await resolve({ files, manager: 'pipenv' })).codes).to.deep.equal([]);
    });

    it('[pyver.warn-deprecated-major] warns about 3.10, in the tense of the day', async () => {
      const files = { '.python-version': '3.10' };
      const before = await resolve({ files, now: '2026-10-01' });
      const after = await resolve({ files, now: '2026-11-20' });
      expect(before.codes).to.deep.equal(['python-version::deprecated']);
      expect(before.printed[1]?.text).to.include('end in October 2026').and.to.include('From 6 January 2027');
      expect(after.printed[1]?.text).to.include('ended in October 2026').and.to.include('in .python-version');
    });

    it('[pyver.warn-patch-update] warns about an older patch', async () => {
      const { codes, printed, result } = await resolve({ files: { '.python-version': '3.13.9' } });
      expect(codes).to.deep.equal(['python-version::patch-update']);
      expect(printed[1]?.text).to.include('3.13.15');
      expect(result).to.have.nested.property('value.outputs.outdated', true);
    });

    it('[pyver.patch-current] does not warn about the newest patch or a newer one', async () => {
      for (const version of ['3.13.15', '3.13.16']) {
        const { codes, result } = await resolve({ files: { '.python-version': version } });
        expect(codes).to.deep.equal([]);
        expect(result).to.have.nested.property('value.outputs.outdated', false);
      }
    });

    it('[pyver.warning-order] keeps the order file, minor, patch', async () => {
      const { codes } = await resolve({ files: { 'runtime.txt': 'python-3.10.2' } });
      expect(codes).to.deep.equal([
        'runtime-txt::deprecated',
        'python-version::deprecated',
        'python-version::patch-update',
      ]);
    });
  });

  describe('packages', () => {
    const PROJECT = (python: string) => `[project]\nname = "app"\nrequires-python = "${python}"\n`;
    const wheel = (minor: number) => `fast-1.0-cp3${minor}-cp3${minor}-manylinux_2_17_x86_64.manylinux2014_x86_64.whl`;
    const poetry = (...files: readonly string[]) => ({
      'poetry.lock': [
        '[[package]]\nname = "fast"\nversion = "1.0"\npython-versions = "*"\ngroups = ["main"]\n',
        `files = [${files.map((file) => `{ file = "${file}", hash = "sha256:00" }`).join(', ')}]\n`,
      ].join(''),
    });
    const COMPILES = poetry('fast-1.0.tar.gz', wheel(11), wheel(12));
    const manager = 'poetry';

    it('replaces a default that does not fit, and says why', async () => {
      const { result, printed, codes } = await resolve({ files: COMPILES, manager });
      expect(result).to.have.nested.property('value.outputs').that.includes({
        minor: '3.12',
        version: '3.12.14',
        requested: '3.12',
        origin: 'newest-that-fits',
        exact: false,
      });
      expect(result).to.have.nested.property('value.state.python.minor', '3.12');
      expect(codes).to.deep.equal(['python-version::none-given', 'python-version::replaced']);
      expect(printed.map(({ text }) => text).join('\n'))
        .to.include('Using the newest that fits the app: 3.12')
        .and.to.include('pyflow uses the newest version that fits its packages, 3.12.')
        .and.to.include('Python 3.13, the default, does not fit the app. pyflow uses 3.12 instead:')
        .and.to.include('  fast 1.0 has no cp313 wheel for this platform and would compile')
        .and.to.include('into it: 3.12');
    });

    it('names the version that fits to apps that must set one', async () => {
      const found = await failure({ files: { 'pyproject.toml': PROJECT('>=3.14') }, manager: 'uv' });
      expect(found.code).to.equal('python-version-file::not-found');
      expect(found.remedy).to.include('uv python pin 3.14');
      expect(found.known?.['explanation']).to.include('3.13 rejected: pyproject.toml requires Python >=3.14');
    });

    it('keeps the version of the last build if it only compiles, and warns', async () => {
      const state = { python: { minor: '3.13' } };
      const { result, codes, printed } = await resolve({ files: COMPILES, manager, state });
      expect(result).to.have.nested.property('value.outputs').that.includes({ minor: '3.13', origin: 'cached' });
      expect(codes).to.deep.equal(['python-version::none-given', 'python-version::misfit']);
      expect(printed.at(-1)?.text).to.include('Set 3.12, which fits, in .python-version.');
    });

    it('replaces the version of the last build if it can no longer be installed', async () => {
      const files = { 'pyproject.toml': PROJECT('>=3.13') };
      const { result, codes, printed } = await resolve({ files, state: { python: { minor: '3.12' } } });
      expect(result).to.have.nested.property('value.outputs').that.includes({ minor: '3.14' });
      expect(codes).to.include('python-version::replaced');
      expect(printed.at(-1)?.text).to.include('Python 3.12, the version of the last build, does not fit');
    });

    it('warns about a version that the app sets, or fails by the policy of the pipeline', async () => {
      const files = { ...COMPILES, '.python-version': '3.14' };
      const { result, codes, printed } = await resolve({ files, manager });
      expect(result)
        .to.have.nested.property('value.outputs')
        .that.includes({ minor: '3.14', origin: '.python-version' });
      expect(codes).to.deep.equal(['python-version::misfit']);
      expect(printed.at(-1)?.text).to.equal(
        [
          'Python 3.14 does not fit the app:',
          '  fast 1.0 has no cp314 wheel for this platform and would compile',
          'Set 3.12, which fits, in .python-version. Or update the packages, and lock them again.',
        ].join('\n'),
      );
      const refused = await failure({ files, manager, pinnedMisfit: 'fail' });
      expect(refused).to.include({ code: 'python-version::misfit-refused', blame: 'app', subject: '3.14' });
      expect(refused.detail).to.include('no cp314 wheel').and.to.include('`pinnedMisfit: fail`');
      expect(refused.remedy).to.include('Set 3.12');
      const fitting = { ...COMPILES, '.python-version': '3.12' };
      expect(await outputs({ files: fitting, manager, pinnedMisfit: 'fail' })).to.include({ minor: '3.12' });
    });

    it('chooses the newest that fits if the pipeline says so', async () => {
      const pythonPolicy = 'newest-that-fits';
      expect(await outputs({ pythonPolicy })).to.include({ minor: '3.14', origin: 'newest-that-fits' });
      expect(await outputs({ pythonPolicy, files: COMPILES, manager })).to.include({ minor: '3.12' });
      expect(await outputs({ pythonPolicy, files: { '.python-version': '3.11' } })).to.include({ minor: '3.11' });
      expect(await outputs({ pythonPolicy, state: { python: { minor: '3.12' } } })).to.include({ minor: '3.12' });
    });

    it('compares wheels with the older of the C libraries of the stack and the machine', async () => {
      const files = poetry('fast-1.0.tar.gz', wheel(12), 'fast-1.0-cp313-cp313-manylinux_2_38_x86_64.whl');
      expect(await outputs({ files, manager })).to.include({ minor: '3.13' });
      expect(await outputs({ files, manager, stack: 'scalingo-22' })).to.include({ minor: '3.12' });
      const machine = { libc: { name: 'glibc', version: '2.36' } };
      expect(await outputs({ files, manager, machine })).to.include({ minor: '3.12' });
      expect(await outputs({ files, manager, machine: { libc: { name: 'glibc', version: '' } } })).to.include({
        minor: '3.13',
      });
    });

    it('says nothing if it can not read the files, because other nodes do', async () => {
      const files = { 'poetry.lock': '<<<<', 'pyproject.toml': '<<<<' };
      const { codes, result } = await resolve({ files, manager });
      expect(codes).to.deep.equal(['python-version::none-given']);
      expect(result)
        .to.have.nested.property('value.outputs.explanation')
        .that.includes("poetry.lock can't be read here, so its packages don't count");
    });
  });

  describe('stack', () => {
    it('[checks.stack-supported] accepts the six', async () => {
      for (const stack of ['scalingo-22', 'scalingo-24', 'scalingo-26', 'heroku-22', 'heroku-24', 'heroku-26']) {
        expect(await outputs({ stack }), stack).to.include({ minor: '3.13' });
      }
    });

    it('[checks.stack-eol] rejects ended stacks by name', async () => {
      for (const stack of ['scalingo-20', 'heroku-18', 'cedar-14']) {
        const found = await failure({ stack });
        expect(found).to.include({ code: 'checks::stack::eol', blame: 'pipeline' });
        expect(found.title).to.include(stack);
      }
    });

    it('[checks.stack-unknown] rejects all others, including the minimal variants', async () => {
      for (const stack of ['scalingo-24-minimal', 'debian-12']) {
        expect(await failure({ stack })).to.include({ code: 'checks::stack::unknown', blame: 'pipeline' });
      }
    });

    it('[checks.stack-unknown] comes before the files are read', async () => {
      expect(await failure({ stack: 'x', files: { '.python-version': 'broken' } })).to.have.property(
        'code',
        'checks::stack::unknown',
      );
    });
  });

  describe('key', () => {
    const factsOf = async (given: Case) => JSON.stringify((await resolve(given)).reads.facts);

    it('contains the request, but not its file', async () => {
      expect(await factsOf({ files: { '.python-version': '3.12' } })).to.equal(
        await factsOf({ files: { '.python-version': '# new comment\n3.12\n' } }),
      );
    });

    it('contains the status, but not the date', async () => {
      const files = { '.python-version': '3.10' };
      expect(await factsOf({ files, now: '2026-11-20' })).to.equal(await factsOf({ files, now: '2026-12-24' }));
      expect(await factsOf({ files, now: '2026-10-20' })).not.to.equal(await factsOf({ files, now: '2026-12-24' }));
      expect(await factsOf({ files: { '.python-version': '3.13' }, now: '2026-10-20' })).to.equal(
        await factsOf({ files: { '.python-version': '3.13' }, now: '2026-12-24' }),
      );
    });

    it('contains which versions are accepted, because the trace lists them', async () => {
      const files = { '.python-version': '3.13' };
      expect(await factsOf({ files, now: '2026-12-24' })).not.to.equal(await factsOf({ files, now: '2027-02-01' }));
    });

    it('does not change with packages that change no version', async () => {
      const before = await factsOf({ files: { 'requirements.txt': 'a==1\n' } });
      expect(await factsOf({ files: { 'requirements.txt': 'a==2\nb==1\n' } })).to.equal(before);
      const poetry = (python: string) =>
        `[[package]]\nname = "a"\nversion = "1"\ngroups = ["main"]\nfiles = []\n[metadata]\npython-versions = "${python}"\n`;
      const locked = (python: string) => factsOf({ manager: 'poetry', files: { 'poetry.lock': poetry(python) } });
      expect(await locked('>=3.10')).to.equal(await locked('>=3.9'));
      expect(await locked('>=3.10')).not.to.equal(await locked('>=3.11'));
    });

    it('changes with the sticky minor only if that decides', async () => {
      const state = { python: { minor: '3.12' } };
      expect(await factsOf({})).not.to.equal(await factsOf({ state }));
      const files = { '.python-version': '3.13' };
      expect(await factsOf({ files })).to.equal(await factsOf({ files, state }));
    });

    it('contains no files, so pins and sources do not change it', async () => {
      expect((await resolve({ files: { 'requirements.txt': 'a==1' } })).reads).to.have.all.keys('facts');
    });
  });

  describe('with a root', () => {
    const root = 'services/web';

    it('reads the files of the root, otherwise those of the nearest folder above', async () => {
      const files = { 'services/web/.python-version': '3.12', '.python-version': '3.11', 'runtime.txt': 'python-3.10' };
      const { result, printed } = await resolve({ root, files });
      expect(result).to.have.nested.property('value.outputs.requested', '3.12');
      expect(result).to.have.nested.property('value.outputs.origin', '.python-version');
      expect(printed[0]?.text).to.equal('Using Python 3.12 specified in services/web/.python-version');
      const locked = { 'services/web/Pipfile.lock': lock({ python_version: '3.11' }) };
      expect(await outputs({ root, manager: 'pipenv', files: locked })).to.include({ origin: 'Pipfile.lock' });
      const above = { '.python-version': '3.11', 'services/runtime.txt': 'python-3.12', 'runtime.txt': 'python-3.10' };
      expect(await outputs({ root, files: above })).to.include({ origin: 'runtime.txt', requested: '3.12' });
      const top = await resolve({ root, files: { '.python-version': '3.11', 'services/x.py': '' } });
      expect(top.printed[0]?.text).to.equal('Using Python 3.11 specified in .python-version');
      expect(await outputs({ root, files: { 'other/.python-version': '3.11' } })).to.include({ origin: 'default' });
    });

    it('names files by their path in the app', async () => {
      const wrongs: Readonly<Record<string, string>> = {
        '.python-version': 'nonsense',
        'runtime.txt': 'nonsense',
        'python-version.txt': '3.13',
      };
      for (const [name, text] of Object.entries(wrongs)) {
        const { title } = await failure({ root, files: { [`${root}/${name}`]: text } });
        expect(title).to.include(`services/web/${name}`);
      }
      const old = await failure({ root, files: { 'services/web/.python-version': '3.8' } });
      expect(`${old.detail} ${old.remedy}`).to.match(/set in services\/web\/\.python-version.*in services\/web\/\./s);
      const lockfile = { 'services/web/Pipfile.lock': '{' };
      expect((await failure({ root, manager: 'pipenv', files: lockfile })).title).to.include(
        'services/web/Pipfile.lock',
      );
      expect((await failure({ root, manager: 'uv' })).remedy).to.include('In services/web run: uv python pin');
      const uv = { root, manager: 'uv', files: { 'services/web/runtime.txt': 'python-3.13' } };
      expect((await failure(uv)).remedy).to.include('Delete services/web/runtime.txt');
    });

    it('warns about the right places', async () => {
      const { printed } = await resolve({ root });
      expect(printed.at(-1)?.text).to.include('Create a file named exactly .python-version in services/web.');
      const old = await resolve({ root, files: { 'services/web/runtime.txt': 'python-3.13' } });
      expect(old.printed.map(({ text }) => text).join()).to.include('Delete services/web/runtime.txt.');
    });
  });
});
