import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { Folder } from '../../../../src/engine/files/folder.js';
import { LocalProjects } from '../../../../src/plugins/shared/install/local-projects.js';

describe('plugins/shared/install/local-projects', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pyflow-test-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));
  const put = (...paths: readonly string[]): void => {
    for (const path of paths) {
      mkdirSync(path.endsWith('/') ? join(root, path) : dirname(join(root, path)), { recursive: true });
      if (!path.endsWith('/')) writeFileSync(join(root, path), 'x');
    }
  };
  const there = (...paths: readonly string[]): readonly string[] =>
    paths.filter((path) => existsSync(join(root, path)));
  const build = async (folders: readonly string[], ...made: readonly string[]): Promise<readonly string[]> => {
    const projects = await LocalProjects.look(new Folder(root), folders, '.scalingo');
    put(...made);
    return projects.clean();
  };

  it('removes empty folders of a build, with any name and depth', async () => {
    put('libs/a/src/a.py');
    await build(
      ['libs/a'],
      'libs/a/build/bdist.linux-x86_64/',
      'libs/a/build/lib/a.py',
      'libs/a/wheels/deep/er/',
      'libs/a/src/x.egg-info/',
    );
    expect(there('libs/a/build', 'libs/a/wheels', 'libs/a/src/x.egg-info', 'libs/a/src/a.py')).to.deep.equal([
      'libs/a/src/a.py',
    ]);
  });

  it('also removes them at the top of the app, but not in the folder of the runtime', async () => {
    put('app.py');
    await build(['.'], 'build/bdist.linux-x86_64/', 'build/lib/', '.scalingo/python/empty/');
    expect(there('build', '.scalingo/python/empty', 'app.py')).to.deep.equal(['.scalingo/python/empty', 'app.py']);
  });

  it('keeps existing folders, empty or not, and returns generated code', async () => {
    put('libs/a/src/a.py', 'libs/a/build/', 'libs/a/data/empty/', 'libs/b/build/kept.txt');
    const made = await build(
      ['libs/a', 'libs/b'],
      'libs/a/build/lib/a.py',
      'libs/a/src/_version.py',
      'libs/b/build/lib/',
    );
    expect(made).to.deep.equal(['libs/a/src/_version.py']);
    expect(
      there('libs/a/build', 'libs/a/data/empty', 'libs/b/build/kept.txt', 'libs/a/build/lib', 'libs/b/build/lib'),
    ).to.deep.equal(['libs/a/build', 'libs/a/data/empty', 'libs/b/build/kept.txt']);
  });
});
