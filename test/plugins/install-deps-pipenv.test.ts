import 'reflect-metadata';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { Folder } from '../../src/engine/files/folder.js';
import { pipenvFailed } from '../../src/plugins/install-deps-pipenv/failures.js';
import { readPipLog } from '../../src/plugins/install-deps-pipenv/pip-log.js';
import { InstallDepsPipenv } from '../../src/plugins/install-deps-pipenv/plugin.js';
import { FolderView } from '../support/folder-view.js';
import { lockedWheel, makePipfile } from '../support/pipfile.js';
import { PluginHarness } from '../support/plugin-harness.js';
import { makeWheel } from '../support/wheels.js';

// Real Pipenv needs the network: test/online/pipenv.test.ts runs it.
const STATIC = '[project]\nname = "lib"\nversion = "1"\n';

describe('plugins/install-deps-pipenv', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pyflow-pipenv-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const wheel = lockedWheel(makeWheel('helper', '1.5'));

  async function reads(
    files: Readonly<Record<string, string>>,
    options: {
      readonly mode?: 'build' | 'test';
      readonly env?: Readonly<Record<string, string>>;
      readonly index?: string;
      readonly root?: string;
    } = {},
  ) {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    const harness = new PluginHarness({
      root: join(root, 'harness'),
      ...(options.index && { settings: { INDEX: options.index } }),
    });
    const kind = new InstallDepsPipenv(harness);
    return kind.reads(
      { config: { vendorDir: '.scalingo', root: options.root ?? '.' }, inputs: { runtime: '', pipenv: '' } },
      new FolderView(root, options.env, options.mode),
    );
  }

  describe('reads', () => {
    it('contain both files and the locked packages, and share a result with digests', async () => {
      const files = makePipfile({ default: { helper: wheel }, develop: { tester: { ...wheel, version: '==2.0' } } });
      const found = await reads(files);
      expect(found).to.deep.equal({
        ok: true,
        value: {
          files: ['Pipfile', 'Pipfile.lock'],
          facts: {
            develop: false,
            packages: { helper: '1.5' },
            localPaths: [],
            variables: [],
            sources: ['https://pypi.org/simple'],
            sharesBuilds: true,
          },
          usesBuilder: 'maybe',
        },
      });
      const tests = await reads(files, { mode: 'test' });
      expect(tests.ok && tests.value.facts).to.deep.include({
        develop: true,
        packages: { helper: '1.5', tester: '2.0' },
      });
    });

    it('make a result private to the app without digests or with unlocked build tools', async () => {
      const { hashes: _, ...bare } = wheel;
      const unhashed = await reads(makePipfile({ default: { helper: bare } }));
      expect(unhashed.ok && unhashed.value.scope).to.equal('app');
      const files = makePipfile({ default: { helper: wheel } });
      const built = await reads({ ...files, Pipfile: `${files.Pipfile}\n[build-system]\nrequires = ["cython"]\n` });
      expect(built.ok && built.value.scope).to.equal('app');
      const repository = await reads(makePipfile({ default: { helper: { ...wheel, git: 'https://git.example/a' } } }));
      expect(repository.ok && repository.value.scope, 'nothing can check a checkout').to.equal('app');
    });

    it('share no builds if something else than digests and the builder can change them', async () => {
      const files = makePipfile({ default: { helper: wheel } });
      const local = makePipfile({ default: { helper: wheel, own: { path: '.', editable: true } } });
      const lock = files['Pipfile.lock'].replace('https://pypi.org', 'https://${NAME}:${PASS}@pypi.org');
      expect(lock).not.to.equal(files['Pipfile.lock']);
      for (const [title, given, env] of [
        ['a project of the app', local, {}],
        ['a login', { ...files, 'Pipfile.lock': lock }, { NAME: 'me', PASS: '123' }],
        ['another index', files, { PIP_EXTRA_INDEX_URL: 'https://more.example/simple' }],
      ] as const) {
        const found = await reads(given, { env });
        if (!found.ok) throw new Error(found.failure.title);
        expect(found.value.usesBuilder, title).to.equal(undefined);
        expect(found.value.facts, title).not.to.have.property('sharesBuilds');
      }
    });

    it('contain the installed projects of the app, relative to the root', async () => {
      const files = makePipfile({
        default: { own: { path: '.', editable: true }, lib: { path: '../lib' }, one: { file: './one-1.0.whl' } },
      });
      const found = await reads(
        { 'web/Pipfile': files.Pipfile, 'web/Pipfile.lock': files['Pipfile.lock'], 'lib/pyproject.toml': STATIC },
        { root: 'web' },
      );
      if (!found.ok) throw new Error(found.failure.title);
      expect(found.value.files).to.deep.equal([
        'lib/**',
        'web/**',
        'web/Pipfile',
        'web/Pipfile.lock',
        'web/one-1.0.whl',
      ]);
      expect(found.value.facts).to.deep.include({ localPaths: ['lib', 'web', 'web/one-1.0.whl'] });
      expect(found.value.scope).to.equal('app');
    });

    it('reject projects outside the app', async () => {
      const files = makePipfile({ default: { a: { path: '../a' }, b: { path: '/tmp/b' }, c: { path: 'x/../../c' } } });
      const found = await reads(files);
      expect(!found.ok && found.failure).to.include({ code: 'install-dependencies::pipenv', blame: 'app' });
      expect(!found.ok && found.failure.detail).to.contain('`../a`, `/tmp/b`, `x/../../c`');
    });

    it('report a missing file or an invalid lock', async () => {
      const { Pipfile, 'Pipfile.lock': lock } = makePipfile({});
      const titles = [];
      for (const files of [{ Pipfile }, { 'Pipfile.lock': lock }, { Pipfile, 'Pipfile.lock': '<<<<<<< HEAD\n{}' }]) {
        rmSync(root, { recursive: true });
        const found = await reads(files);
        expect(!found.ok && found.failure).to.include({ code: 'install-dependencies::pipenv', blame: 'app' });
        titles.push(!found.ok && found.failure.title);
      }
      expect(titles).to.deep.equal([
        'The app has no Pipfile.lock',
        'The app has no Pipfile',
        "pyflow can't read Pipfile.lock",
      ]);
    });

    it('contain the indexes without user and password', async () => {
      const source = 'https://${NAME}:$PASSWORD@packages.example/${TEAM}/simple';
      const env = {
        NAME: 'me',
        PASSWORD: 'pa55word',
        TEAM: 'blue',
        PIP_EXTRA_INDEX_URL: 'https://you:pa55word@extra.example/simple',
      };
      const found = await reads(makePipfile({ source }), { env, index: 'https://it:pa55word@mirror.example/simple' });
      expect(JSON.stringify(found)).not.to.contain('pa55word');
      expect(found.ok && found.value.facts).to.deep.include({
        variables: ['NAME', 'PASSWORD', 'TEAM'],
        sources: ['https://packages.example/blue/simple'],
        index: 'https://mirror.example/simple',
        extraIndexes: 'https://extra.example/simple',
      });
    });
  });

  it('checks variables before it looks at the files of the app', async () => {
    const harness = new PluginHarness({ root });
    const files = makePipfile({ source: 'https://me:${INDEX_PASSWORD}@packages.example/simple' });
    for (const [path, text] of Object.entries(files)) writeFileSync(join(harness.appDir, path), text);
    // The folder has no Python, which is the first thing that an install looks for.
    const { result } = await harness.play(
      new InstallDepsPipenv(harness),
      { vendorDir: '.scalingo', root: '.' },
      { runtime: '', pipenv: '' },
    );
    expect(!result.ok && result.failure.title).to.equal('The variable INDEX_PASSWORD is not set');
  });

  describe('the log of pip', () => {
    const logOf = (text: string) => {
      const file = join(root, 'pip.log');
      writeFileSync(file, text);
      return readPipLog(new Folder(root), 'pip.log');
    };
    const at = '2026-11-21T06:41:58,780 ';

    it('is empty if there is none', async () => {
      expect(await readPipLog(new Folder(root), 'nothing')).to.deep.equal({
        builtFromSource: false,
        lines: [],
        failedBuild: [],
      });
    });

    it('is read without times, passwords and noise', async () => {
      const text = `${at}Collecting a\n${at}  Found link https://x/a.whl\n${at}Getting https://me:pa55word@x/\n`;
      expect((await logOf(text)).lines).to.deep.equal(['Collecting a', 'Getting https://****@x/']);
    });

    it('contains the output of the failed build', async () => {
      const build = `${at}  Running command Building wheel for a (pyproject.toml)\n${at}  first\n`;
      const failed = `${at}  Running command Building wheel for b\n${at}  cc: no such file\n${at}  ERROR: Building wheel exited with 1\n${at}  more\n`;
      expect(await logOf(`${build}${failed}`)).to.deep.include({
        builtFromSource: true,
        failedBuild: ['cc: no such file'],
      });
      expect(await logOf(build)).to.deep.include({ builtFromSource: true, failedBuild: [] });
    });

    it('is cut to its end if it is long', async () => {
      const { lines } = await logOf(Array.from({ length: 5000 }, (_, line) => `${at}line ${line}\n`).join(''));
      expect(lines).to.have.length(400);
      expect(lines.at(-1)).to.equal('line 4999');
    });
  });

  describe('failures', () => {
    const failed = (lines: readonly string[], pipLog: readonly string[] = []) =>
      pipenvFailed('pipenv install --deploy', { exitCode: 1, lines }, { lines: pipLog, failedBuild: [] });

    it('report another Python than the required one', () => {
      const failure = failed([
        'Warning: Your Pipfile requires "python_version" 3.9, but you are using 3.12.1 from /a/bin/python3.',
        'ERROR:: Aborting deploy',
      ]);
      expect(failure).to.include({ blame: 'app', title: 'The Pipfile requires another version of Python' });
    });

    it('blame what the log of pip shows', () => {
      const lines = ['ERROR: No matching distribution found for a==1'];
      expect(failed(lines)).to.include({ blame: 'app' });
      const unreachable = failed(lines, [
        "Could not fetch URL https://x/simple/a/: connection error: HTTPSConnectionPool(host='x', port=443): Max retries exceeded with url: /simple/a/ (Caused by NewConnectionError('Connection refused')) - skipping",
      ]);
      expect(unreachable).to.include({ blame: 'environment', retryable: true });
    });
  });
});
