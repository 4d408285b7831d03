import 'reflect-metadata';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { Folder } from '../../src/engine/files/folder.js';
import type { Failure, Reads } from '../../src/engine/sdk.js';
import { forgetWheels, wheelsBuiltHere } from '../../src/plugins/install-deps-poetry/local-builds.js';
import { InstallDepsPoetry } from '../../src/plugins/install-deps-poetry/plugin.js';
import { conflicting } from '../../src/plugins/install-deps-poetry/shared-paths.js';
import { FolderView } from '../support/folder-view.js';
import { PluginHarness } from '../support/plugin-harness.js';

type Files = Readonly<Record<string, string>>;
interface Locked {
  readonly name: string;
  readonly files?: readonly string[];
  readonly more?: string;
  readonly source?: string;
}

/** A lock like that of Poetry, without the content hash, because the kind does not read it. */
const lockOf = (...packages: readonly Locked[]): string =>
  packages
    .map(({ name, files = [`${name}-1-py3-none-any.whl`], more = 'groups = ["main"]', source = '' }) => {
      const listed = files.map((file) => `{file = "${file}", hash = "sha256:${'0'.repeat(64)}"}`);
      return `[[package]]\nname = "${name}"\nversion = "1"\noptional = false\n${more}\nfiles = [${listed.join(', ')}]\n${source}`;
    })
    .join('\n');
const directory = (url: string): string => `[package.source]\ntype = "directory"\nurl = "${url}"\n`;

describe('plugins/install-deps-poetry', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pyflow-poetry-'));
    put({ '.scalingo/python/lib/python3.12/os.py': '' });
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const put = (files: Files): void => {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
  };
  const read = (
    files: Files,
    options: {
      readonly mode?: 'test';
      readonly folder?: string;
      readonly settings?: Files;
      readonly groups?: string[];
    } = {},
  ) => {
    put({ 'pyproject.toml': '', ...files });
    const harness = new PluginHarness({ root: join(root, 'h'), settings: options.settings ?? {} });
    const kind = new InstallDepsPoetry(harness);
    return kind.reads(
      {
        config: {
          vendorDir: '.scalingo',
          root: options.folder ?? '.',
          ...(options.groups && { groups: options.groups }),
        },
        inputs: { runtime: '', poetry: '' },
      },
      new FolderView(root, { PIP_EXTRA_INDEX_URL: 'https://extra.example' }, options.mode),
    );
  };
  const readsOf = async (...args: Parameters<typeof read>): Promise<Reads> => {
    const result = await read(...args);
    if (!result.ok) throw new Error(`${result.failure.title}: ${result.failure.detail}`);
    return result.value;
  };
  const failureOf = async (...args: Parameters<typeof read>): Promise<Failure> => {
    const result = await read(...args);
    if (result.ok) throw new Error('no failure');
    return result.failure;
  };

  describe('reads', () => {
    it('[poetry.no-extra-index] are the files of the project, but no variables', async () => {
      const reads = await readsOf({ 'poetry.lock': lockOf({ name: 'b' }, { name: 'a' }), 'app.py': '' });
      expect(reads).to.deep.equal({
        files: ['poetry.lock', 'poetry.toml', 'pyproject.toml'],
        facts: { groups: 'main', localPaths: [], packages: { a: '1', b: '1' }, ignoredPlugins: [] },
      });
    });

    it('contain only the main group, but all groups under --test', async () => {
      const files = {
        'poetry.lock': lockOf(
          { name: 'a' },
          { name: 'b', more: 'groups = ["dev"]' },
          { name: 'c', more: 'groups = ["main", "dev"]' },
          { name: 'old-lock', more: '' },
        ),
      };
      const names = ({ facts }: Reads) => Object.keys((facts as { packages: Files }).packages);
      expect(names(await readsOf(files))).to.deep.equal(['a', 'c', 'old-lock']);
      expect(names(await readsOf(files, { mode: 'test' }))).to.deep.equal(['a', 'b', 'c', 'old-lock']);
      expect((await readsOf(files, { mode: 'test' })).facts).to.include({ groups: 'all' });
    });

    it('contain the requested groups, including optional ones', async () => {
      const lock = lockOf(
        { name: 'a' },
        { name: 'b', more: 'groups = ["dev"]' },
        { name: 'c', more: 'groups = ["web_app"]' },
      );
      const optional = lock.replace(/(name = "c"[^]*?)optional = false/, '$1optional = true');
      const packagesOf = async (groups?: string[]) =>
        ((await readsOf({ 'poetry.lock': optional }, groups ? { groups } : {})).facts as { packages: object }).packages;
      expect(await packagesOf()).to.have.all.keys('a');
      expect(await packagesOf(['web-app'])).to.have.all.keys('a', 'c');
      expect(await packagesOf(['dev', 'web-app'])).to.have.all.keys('a', 'b', 'c');
    });

    it('contain the installed projects and archives of the app', async () => {
      const reads = await readsOf(
        {
          'web/pyproject.toml': '',
          'web/poetry.lock': lockOf(
            { name: 'mine', files: [], source: directory('../libs/mine') },
            { name: 'wheel', source: '[package.source]\ntype = "file"\nurl = "wheels/w[1].whl"\n' },
          ),
          'libs/mine/pyproject.toml': '',
          'web/wheels/w[1].whl': '',
        },
        { folder: 'web' },
      );
      expect(reads.files).to.deep.equal([
        'libs/mine/**',
        'web/poetry.lock',
        'web/poetry.toml',
        'web/pyproject.toml',
        'web/wheels/w\\[1\\].whl',
      ]);
      expect(reads.scope).to.equal('app');
    });

    it('reject paths outside the app', async () => {
      const failure = await failureOf({
        'poetry.lock': lockOf(
          { name: 'a', source: directory('../a') },
          { name: 'b', source: directory('/b') },
          { name: 'c', source: directory('libs/c') },
        ),
      });
      expect(failure).to.include({ code: 'install-dependencies::poetry', blame: 'app', detail: 'a: ../a\nb: /b' });
    });

    it('give a result to this builder if pinned archives are built, and to the app if anything else is', async () => {
      const users = async (...packages: readonly Locked[]) =>
        usersIn(await readsOf({ 'poetry.lock': lockOf({ name: 'a' }, ...packages) }));
      const from = (type: string) => `[package.source]\ntype = "${type}"\nurl = "x"\n`;
      expect(await users()).to.equal('all');
      expect(await users({ name: 'b', files: ['b-1.tar.gz', 'b-1-py3-none-any.whl'] })).to.equal('all');
      expect(await users({ name: 'b', files: ['b-1.tar.gz'] })).to.equal('builder');
      expect(await users({ name: 'b', files: ['b-1.tar.gz', 'b-1-cp39-cp39-win_amd64.whl'] })).to.equal('builder');
      expect(await users({ name: 'b', files: ['b-1.tar.gz'], source: from('legacy') })).to.equal('builder');
      expect(await users({ name: 'b', files: ['b-1.tar.gz'], source: from('url') })).to.equal('builder');
      expect(await users({ name: 'b', files: ['b-1.tar.gz'], source: from('file') })).to.equal('app');
      expect(await users({ name: 'b', files: ['b-1-cp39-cp39-win_amd64.whl'] }), 'never built').to.equal('all');
      expect(await users({ name: 'b', files: [] }), 'no digest').to.equal('app');
      expect(await users({ name: 'b', source: from('git') })).to.equal('app');
      expect(await users({ name: 'b', files: ['b-1.tar.gz'], more: 'groups = ["dev"]' })).to.equal('all');
    });

    it('give a result to this builder if it refuses wheels', async () => {
      const files = { 'poetry.lock': lockOf({ name: 'a' }), 'poetry.toml': '[installer]\nno-binary = ["a"]\n' };
      expect(usersIn(await readsOf(files))).to.equal('builder');
    });

    function usersIn({ scope, usesBuilder, facts }: Reads): string {
      expect((facts as { readonly sharesBuilds?: true }).sharesBuilds, 'as `run` sees it').to.equal(usesBuilder);
      return scope ?? (usesBuilder === true ? 'builder' : 'all');
    }

    it('contain the index only if digests do not pin everything, and never its password', async () => {
      const settings = { INDEX: 'https://you:pa55word@index.example/simple' };
      const pinned = await readsOf({ 'poetry.lock': lockOf({ name: 'a' }) }, { settings });
      expect(pinned.facts).not.to.have.property('index');
      const built = await readsOf({ 'poetry.lock': lockOf({ name: 'a', files: ['a.tar.gz'] }) }, { settings });
      expect(built.facts).to.include({ index: 'https://index.example/simple' });
    });

    it('reject an index that Poetry cannot read', async () => {
      const failure = await failureOf({ 'poetry.lock': lockOf({ name: 'a' }) }, { settings: { INDEX: 'file:///srv' } });
      expect(failure).to.include({ code: 'install-dependencies::poetry', blame: 'pipeline' });
    });

    it('report a missing file or invalid TOML', async () => {
      expect((await failureOf({})).title).to.equal('The app has no poetry.lock');
      expect((await failureOf({ 'poetry.lock': '<<<<<<< HEAD' })).title).to.equal("pyflow can't read poetry.lock");
      const failure = await failureOf({ 'poetry.lock': lockOf({ name: 'a' }), 'pyproject.toml': '[a' });
      expect(failure).to.include({ title: "pyflow can't read pyproject.toml", blame: 'app' });
    });

    it('reject a tree without Python', async () => {
      rmSync(join(root, '.scalingo'), { recursive: true });
      expect((await failureOf({ 'poetry.lock': '' })).code).to.equal('python::no-runtime');
    });
  });

  it('finds the wheels that were built from archives and checkouts', async () => {
    put({
      'poetry/artifacts/a/a/a/aa/one-1.tar.gz': '',
      'poetry/artifacts/a/a/a/aa/one-1-py3-none-any.whl': '',
      'poetry/artifacts/a/a/a/bb/two-1-py3-none-any.whl': '',
      'poetry/artifacts/c/c/c/c/.created_from_git_dependency': '',
      'poetry/artifacts/c/c/c/c/three-1-py3-none-any.whl': '',
    });
    const cache = new Folder(root);
    const built = await wheelsBuiltHere(cache);
    expect(built).to.deep.equal(['a/a/a/aa/one-1-py3-none-any.whl', 'c/c/c/c/three-1-py3-none-any.whl']);
    forgetWheels(cache, built ?? []);
    expect(existsSync(join(root, 'poetry/artifacts/a/a/a/aa/one-1.tar.gz'))).to.equal(true);
    expect(existsSync(join(root, 'poetry/artifacts/a/a/a/bb/two-1-py3-none-any.whl'))).to.equal(true);
    expect(await wheelsBuiltHere(cache)).to.deep.equal([]);
  });

  it('discards files of a build among the archives, which would break Poetry in every later build', async () => {
    const plantings: readonly ((folder: string) => void)[] = [
      (folder) => symlinkSync('/etc/passwd', join(folder, 'a/a/a/bb/x.whl')),
      (folder) => symlinkSync('/etc', join(folder, 'c')),
      (folder) => writeFileSync(join(folder, 'c'), ''),
      (folder) => writeFileSync(join(folder, 'a/a/b'), ''),
      (folder) => mkdirSync(join(folder, 'a/a/a/bb/x.whl')),
      (folder) => execFileSync('mkfifo', [join(folder, 'a/a/a/bb/x.whl')]),
    ];
    for (const plant of plantings) {
      put({ 'poetry/artifacts/a/a/a/bb/two-1-py3-none-any.whl': '' });
      plant(join(root, 'poetry/artifacts'));
      expect(await wheelsBuiltHere(new Folder(root)), String(plant)).to.equal(undefined);
      expect(existsSync(join(root, 'poetry')), String(plant)).to.equal(false);
    }
  });

  it('finds packages that install different files at the same path', async () => {
    put({
      'site/a-1.dist-info/RECORD': 'a.py,sha256=a,1\nshared/__init__.py,sha256=0,0\ntests/x.py,sha256=a,1\n',
      'site/b-1.dist-info/RECORD': 'b.py,sha256=b,1\nshared/__init__.py,sha256=0,0\ntests/x.py,sha256=b,1\r\n',
      'site/c-1.dist-info/RECORD': '"c,d.py",sha256=c,1\nshared/__init__.py,sha256=0,0\r\n',
    });
    expect(conflicting(new Folder(root), 'site')).to.deep.equal(['a-1.dist-info', 'b-1.dist-info']);
  });
});
