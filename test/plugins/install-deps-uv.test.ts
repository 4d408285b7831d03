import 'reflect-metadata';
import { expect } from 'chai';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Failure, Reads } from '../../src/engine/sdk.js';
import { InstallDepsUv } from '../../src/plugins/install-deps-uv/plugin.js';
import { uvFailed } from '../../src/plugins/shared/uv/failures.js';
import { FolderView } from '../support/folder-view.js';
import { PluginHarness } from '../support/plugin-harness.js';

type Files = Readonly<Record<string, string>>;

const PYPI = '{ registry = "https://pypi.org/simple" }';
const wheel = (name: string, tags = 'py3-none-any'): string =>
  `wheels = [{ url = "https://files.example/${name}-1.0-${tags}.whl", hash = "sha256:aa" }]\n`;
const SDIST = 'sdist = { url = "https://files.example/x-1.0.tar.gz", hash = "sha256:bb" }\n';
const locked = (name: string, source = PYPI, rest = wheel(name)): string =>
  `[[package]]\nname = "${name}"\nversion = "1.0"\nsource = ${source}\n${rest}\n`;
const PROJECT = '[project]\nname = "shop"\nversion = "0.1.0"\n';
const SHOP = locked('shop', '{ virtual = "." }', '');
const PYTHON = { '.scalingo/python/lib/python3.12/os.py': '' };

describe('plugins/install-deps-uv', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pyflow-uv-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const read = async (
    files: Files,
    options: {
      readonly mode?: 'test';
      readonly settings?: Files;
      readonly env?: Files;
      readonly root?: string;
      readonly index?: string;
      readonly groups?: readonly string[];
    } = {},
  ) => {
    for (const [path, text] of Object.entries({ ...PYTHON, ...files })) {
      mkdirSync(dirname(join(root, 'app', path)), { recursive: true });
      writeFileSync(join(root, 'app', path), text);
    }
    const harness = new PluginHarness({ root: join(root, 'h'), settings: options.settings ?? {} });
    const kind = new InstallDepsUv(harness);
    const config = {
      vendorDir: '.scalingo',
      root: options.root ?? '.',
      ...(options.index !== undefined && { index: options.index }),
      ...(options.groups !== undefined && { groups: [...options.groups] }),
    };
    const view = new FolderView(join(root, 'app'), options.env, options.mode);
    return kind.reads({ config, inputs: { runtime: '', uv: '' } }, view);
  };
  const readsOf = async (...args: Parameters<typeof read>): Promise<Reads> => {
    const result = await read(...args);
    if (!result.ok) throw new Error(result.failure.detail);
    return result.value;
  };
  const failureOf = async (...args: Parameters<typeof read>): Promise<Failure> => {
    const result = await read(...args);
    if (result.ok) throw new Error('it succeeded');
    return result.failure;
  };

  describe('reads', () => {
    it('are the files of the project, and versions by name', async () => {
      const reads = await readsOf({ 'pyproject.toml': PROJECT, 'uv.lock': SHOP + locked('a'), 'app.py': '' });
      expect(reads).to.deep.equal({
        files: ['pyproject.toml', 'uv.lock', 'uv.toml'],
        facts: { withDefaultGroups: false, hasSettings: false, computed: [], packages: { a: '1.0' } },
      });
    });

    it('contain the default groups that a build leaves out, unless they are requested', async () => {
      const project = `${PROJECT}[dependency-groups]\ndev = ["a"]\nweb = ["b"]\n[tool.uv]\ndefault-groups = ["dev", "web"]\n`;
      const files = { 'pyproject.toml': project, 'uv.lock': SHOP };
      expect((await readsOf(files)).facts).to.deep.include({ leftOut: ['dev', 'web'] });
      expect((await readsOf(files, { groups: ['Web'] })).facts).to.deep.include({ leftOut: ['dev'] });
      expect((await readsOf(files, { groups: ['web', 'dev'] })).facts).not.to.have.property('leftOut');
      expect((await readsOf(files, { mode: 'test' })).facts).not.to.have.property('leftOut');
    });

    it('are those in the root of the project', async () => {
      const files = { 'web/pyproject.toml': PROJECT, 'web/uv.lock': SHOP };
      const { files: named } = await readsOf(files, { root: 'web' });
      expect(named).to.deep.equal(['web/pyproject.toml', 'web/uv.lock', 'web/uv.toml']);
    });

    it('contain the metadata of packages in the app, but not their sources', async () => {
      const { files, facts } = await readsOf({
        'pyproject.toml': `${PROJECT}[tool.uv.workspace]\nmembers = ["packages/*"]\n`,
        'uv.lock': [
          locked('shop', '{ editable = "." }', ''),
          locked('util', '{ editable = "packages/util" }', ''),
          locked('plain', '{ directory = "libs/plain" }', ''),
          locked('made', '{ path = "wheels/made-1.0-py3-none-any.whl" }', ''),
        ].join(''),
        'packages/util/pyproject.toml': '[project]\nname = "util"\n',
        'libs/plain/pyproject.toml': '[project]\nname = "plain"\ndynamic = ["version"]\n',
      });
      expect(files).to.deep.equal([
        'libs/plain/pyproject.toml',
        'packages/*/pyproject.toml',
        'packages/util/pyproject.toml',
        'pyproject.toml',
        'uv.lock',
        'uv.toml',
        'wheels/made-1.0-py3-none-any.whl',
      ]);
      expect(facts).to.deep.include({ computed: [], hasSettings: true });
    });

    it('contain the sources of a package whose dependencies need a build, for this app', async () => {
      const { files, facts, scope } = await readsOf({
        'pyproject.toml': PROJECT,
        'uv.lock': SHOP + locked('old', '{ directory = "libs/old" }', ''),
        'libs/old/setup.py': '',
      });
      expect(files).to.include('libs/old/**');
      expect(facts).to.deep.include({ computed: ['libs/old'] });
      expect(scope).to.equal('app');
    });

    it('give a result to this builder if pinned archives are built, and to the app if anything else is', async () => {
      const usersOf = async (lock: string, project = PROJECT) => {
        const reads = await readsOf({ 'pyproject.toml': project, 'uv.lock': SHOP + lock });
        const { sharesBuilds } = reads.facts as { readonly sharesBuilds?: true };
        expect(sharesBuilds, 'as `run` sees it').to.equal(reads.usesBuilder);
        return reads.scope ?? (reads.usesBuilder === true ? 'builder' : 'all');
      };
      const url = '{ url = "https://files.example/a-1.tar.gz" }';
      expect(await usersOf(locked('a') + locked('b', PYPI, SDIST + wheel('b')))).to.equal('all');
      expect(await usersOf(locked('a', PYPI, SDIST))).to.equal('builder');
      expect(await usersOf(locked('a', PYPI, SDIST + wheel('a', 'cp39-cp39-win_amd64')))).to.equal('builder');
      expect(await usersOf(locked('a', url, SDIST))).to.equal('builder');
      expect(await usersOf(locked('a'), `${PROJECT}[tool.uv]\nno-binary = true\n`)).to.equal('builder');
      // For another machine, so nothing is built.
      expect(await usersOf(locked('a', PYPI, wheel('a', 'cp39-cp39-win_amd64')))).to.equal('all');
      expect(await usersOf(locked('a', url, '')), 'uv would install the URL').to.equal('app');
      expect(await usersOf(locked('a', '{ git = "https://git.example/a#1" }', ''))).to.equal('app');
      expect(await usersOf(locked('a', PYPI, wheel('a').replace(', hash = "sha256:aa"', '')))).to.equal('app');
      const bare = SDIST.replace(/, hash = "[^"]*"/, '');
      expect(bare).not.to.equal(SDIST);
      expect(await usersOf(locked('a', PYPI, bare))).to.equal('app');
    });

    it('[uv.ci-groups] contain the default groups under --test', async () => {
      const { facts } = await readsOf({ 'pyproject.toml': PROJECT, 'uv.lock': SHOP }, { mode: 'test' });
      expect(facts).to.deep.include({ withDefaultGroups: true });
    });

    it('contain the index that replaces the default one, without user and password', async () => {
      const files = { 'pyproject.toml': PROJECT, 'uv.lock': SHOP + locked('a') };
      const settings = { INDEX: 'https://me:pa55word@mirror.example/simple' };
      const reads = await readsOf(files, { settings });
      expect(reads.facts).to.deep.include({ index: 'https://mirror.example/simple' });
      expect(JSON.stringify(reads)).not.to.contain('pa55word');
      const other = await readsOf(files, { settings, index: 'https://other.example/simple' });
      expect(other.facts).to.deep.include({ index: 'https://other.example/simple' });
    });

    it('fail for files that are missing, damaged, or outside the app', async () => {
      expect(await failureOf({ 'pyproject.toml': PROJECT })).to.include({
        code: 'install-dependencies::uv',
        blame: 'app',
        detail: 'uv.lock: the file does not exist',
      });
      expect((await failureOf({ 'pyproject.toml': PROJECT, 'uv.lock': 'a [' })).title).to.contain('uv.lock');
      expect((await failureOf({ 'pyproject.toml': 'a [', 'uv.lock': SHOP })).title).to.contain('pyproject.toml');
      expect(
        (
          await failureOf({
            'pyproject.toml': PROJECT,
            'uv.lock': locked('lib', '{ editable = "../lib" }', ''),
          })
        ).detail,
      ).to.contain('../lib');
    });

    it('allow a package next to the root, in the same repository', async () => {
      const files = {
        'web/pyproject.toml': PROJECT,
        'web/uv.lock': locked('lib', '{ editable = "../lib" }', ''),
        'lib/pyproject.toml': '[project]\nname = "lib"\n',
      };
      expect((await readsOf(files, { root: 'web' })).files).to.include('lib/pyproject.toml');
    });
  });

  describe('failures', () => {
    const failed = (...lines: string[]): Failure => uvFailed('uv sync', { exitCode: 1, lines });

    it('have a remedy for an outdated lockfile and for the wrong Python', () => {
      const stale = failed('error: The lockfile at `uv.lock` needs to be updated, but `--locked` was provided.');
      expect(stale).to.include({ code: 'install-dependencies::uv', blame: 'app' });
      expect(stale.remedy).to.contain('uv lock');
      const python = failed(
        "error: The requested interpreter resolved to Python 3.12.1, which is incompatible with the project's Python requirement: `>=3.13` (from `project.requires-python`)",
      );
      expect(python.title).to.contain('requires-python');
      expect(python.detail).to.contain('>=3.13');
    });

    it('blame the environment if the index is unreachable', () => {
      const down = failed('  × Failed to download `a==1.0`', '  ╰─▶ Connection refused (os error 111)');
      expect(down).to.include({ blame: 'environment', retryable: true });
    });
  });
});
