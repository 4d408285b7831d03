import { expect } from 'chai';
import { memoryView } from '../support/memory-view.js';
import { play } from '../support/node-context.js';
import { PackageManager } from '../../src/plugins/package-manager/plugin.js';

type Files = Readonly<Record<string, string>>;
const run = (files: Files, config: { vendorDir?: string; root?: string } = {}, links = {}) =>
  play(new PackageManager(), { root: '.', vendorDir: '.scalingo', ...config }, {}, memoryView(files, { links }));
const outputs = async (files: Files, links = {}) => {
  const { result } = await run(files, {}, links);
  return result.ok ? result.value.outputs : result.failure.code;
};
const failure = async (files: Files, config = {}) => {
  const { result } = await run(files, config);
  if (result.ok) throw new Error(`found ${result.value.outputs.name}`);
  return result.failure;
};

describe('package-manager', () => {
  for (const [id, name, lockfile] of [
    ['pm.pip-found', 'pip', 'requirements.txt'],
    ['pm.pipenv-lockfile-found', 'pipenv', 'Pipfile.lock'],
    ['pm.poetry-found', 'poetry', 'poetry.lock'],
    ['pm.uv-found', 'uv', 'uv.lock'],
  ] as const) {
    it(`[${id}] [pm.exactly-one] finds ${name} by ${lockfile}`, async () => {
      expect(await outputs({ [lockfile]: '', 'setup.py': '' })).to.deep.equal({ name, lockfile });
    });
  }

  it('[pm.pip-found] accepts a symbolic link to a file, but not a folder or a broken link', async () => {
    expect(await outputs({ 'reqs/prod.txt': '' }, { 'requirements.txt': 'reqs/prod.txt' })).to.have.property(
      'name',
      'pip',
    );
    expect(await outputs({ 'requirements.txt/x': '' })).to.equal('package-manager::none-found');
    expect(await outputs({}, { 'requirements.txt': 'gone.txt' })).to.equal('package-manager::none-found');
  });

  it('[pm.pipenv-lockfile-found] accepts a lockfile with and without a Pipfile', async () => {
    expect(await outputs({ 'Pipfile.lock': '{}', Pipfile: '' })).to.have.property('name', 'pipenv');
  });

  it('[pm.pipenv-missing-lockfile] rejects a Pipfile without a lockfile, even next to other files', async () => {
    for (const others of [{}, { 'requirements.txt': '' }, { 'uv.lock': '', 'poetry.lock': '' }] as readonly Files[]) {
      expect(await failure({ Pipfile: '', ...others })).to.include({
        code: 'package-manager::pipenv-missing-lockfile',
        blame: 'app',
      });
    }
  });

  it('[pm.setup-py-only] rejects a lone setup.py and explains the replacement', async () => {
    const { code, remedy } = await failure({ 'setup.py': '', 'pyproject.toml': '' });
    expect(code).to.equal('package-manager::setup-py-only');
    expect(remedy).to.include('--editable .');
  });

  it('[pm.none-found] lists the accepted files and the existing ones', async () => {
    const { code, detail, remedy } = await failure({ 'pyproject.toml': '', 'src/x.py': '' });
    expect(code).to.equal('package-manager::none-found');
    for (const name of ['requirements.txt', 'Pipfile.lock', 'poetry.lock', 'uv.lock', 'pyproject.toml', 'src/'])
      expect(detail).to.include(name);
    expect(remedy).to.include('uv').and.not.to.include('Rename');
  });

  describe('with a pylock.toml', () => {
    it('finds pip by it, in the root or in a folder above', async () => {
      expect(await outputs({ 'pylock.toml': '', 'pyproject.toml': '' })).to.deep.equal({
        name: 'pip',
        lockfile: 'pylock.toml',
      });
      const { result } = await run({ 'pylock.toml': '', 'services/web/app.py': '' }, { root: 'services/web' });
      expect(result).to.have.nested.property('value.outputs.lockfile', 'pylock.toml');
    });

    it('prefers every other file in the same folder, because tools also export this one', async () => {
      for (const lockfile of ['requirements.txt', 'Pipfile.lock', 'poetry.lock', 'uv.lock']) {
        expect(await outputs({ 'pylock.toml': '', [lockfile]: '' })).to.have.property('lockfile', lockfile);
      }
      expect(await failure({ 'pylock.toml': '', Pipfile: '' })).to.have.property(
        'code',
        'package-manager::pipenv-missing-lockfile',
      );
    });

    it('does not choose one with another name', async () => {
      expect(await outputs({ 'pylock.web.toml': '' })).to.equal('package-manager::none-found');
    });
  });

  describe('with a pyproject.toml only', () => {
    const PROJECT = '[project]\nname = "app"\ndependencies = ["flask", "redis"]\n';

    it('says how each tool makes a lockfile', async () => {
      const { code, blame, title, detail, remedy } = await failure({ 'pyproject.toml': PROJECT });
      expect(code).to.equal('package-manager::pyproject-only');
      expect(blame).to.equal('app');
      expect(title).to.equal('The project in pyproject.toml has no lockfile');
      expect(detail).to.include('lists 2 dependencies');
      for (const line of ['`uv lock` and `uv python pin 3.13`', '`poetry lock`', '`pip lock .`', '--editable .'])
        expect(remedy).to.include(line);
    });

    it('names the tool that the file has settings for', async () => {
      for (const [table, line] of [
        ['[tool.uv]\n', '`uv lock`'],
        ['[tool.poetry]\n', '`poetry lock`'],
        ['[tool.pdm]\n', '`pdm export --format pylock --output pylock.toml`'],
      ] as const) {
        const { remedy } = await failure({ 'pyproject.toml': PROJECT + table });
        expect(remedy).to.include('create the lockfile:').and.to.include(line);
        expect(remedy.split('\n').filter((text) => text.startsWith('- '))).to.have.length(1);
      }
      const old = await failure({ 'pyproject.toml': '[tool.poetry.dependencies]\npython = "^3.12"\nflask = "*"\n' });
      expect(old.detail).to.include('lists one dependency');
    });

    it('names a lockfile that has another name', async () => {
      const { detail, remedy } = await failure({ 'pyproject.toml': PROJECT, 'pylock.web.toml': '' });
      expect(detail).to.include('pyflow does not choose pylock.web.toml');
      expect(remedy).to.include('Rename pylock.web.toml to pylock.toml');
    });

    it('says nothing of it where the file has no project', async () => {
      for (const text of ['', '[tool.ruff]\n', '<<<<<<< HEAD\n']) {
        expect(await outputs({ 'pyproject.toml': text })).to.equal('package-manager::none-found');
      }
      expect(await outputs({ 'pyproject.toml': PROJECT, 'setup.py': '' })).to.equal('package-manager::setup-py-only');
    });
  });

  for (const name of 'requeriments.txt requirement.txt requirements requirements.text Requirements.txt requirements.txt.txt requirments.txt'.split(
    ' ',
  )) {
    it(`[pm.none-found] [detect.misspelled-requirements-still-pass] explains ${name}`, async () => {
      expect((await failure({ [name]: '' })).remedy)
        .to.match(/^pyflow ignores .* because of its name\./)
        .and.to.include(name);
    });
  }

  it('[pm.multiple-found] names all in a fixed order', async () => {
    const { code, detail } = await failure({
      'uv.lock': '',
      'poetry.lock': '',
      'requirements.txt': '',
      'Pipfile.lock': '',
    });
    expect(code).to.equal('package-manager::multiple-found');
    expect(detail.split('\n').slice(1)).to.deep.equal([
      '  Pipfile.lock (Pipenv)',
      '  requirements.txt (pip)',
      '  poetry.lock (Poetry)',
      '  uv.lock (uv)',
    ]);
  });

  it('[checks.existing-python-dir] rejects an app with a runtime folder, and shows two levels of it', async () => {
    const { code, detail } = await failure({
      '.scalingo/python/bin/python': '',
      '.scalingo/python/bin/deep/x': '',
      '.scalingo/python/pyvenv.cfg': '',
      'requirements.txt': '',
    });
    expect(code).to.equal('checks::existing-python-dir');
    expect(detail.split('\n').slice(-4)).to.deep.equal(['  bin/', '  bin/deep/', '  bin/python', '  pyvenv.cfg']);
  });

  it('[checks.existing-python-dir] checks the folder of the config, and rejects a file there, too', async () => {
    expect(await failure({ '.heroku/python': '', 'uv.lock': '' }, { vendorDir: '.heroku' })).to.have.property(
      'code',
      'checks::existing-python-dir',
    );
    expect(await outputs({ '.heroku/python': '', 'uv.lock': '' })).to.have.property('name', 'uv');
  });

  it('[checks.existing-venv] rejects a virtual environment, .venv before venv', async () => {
    const both = { 'requirements.txt': '', '.venv/pyvenv.cfg': '', 'venv/pyvenv.cfg': '' };
    expect(await failure(both)).to.include({
      code: 'checks::existing-venv-dir',
      title: 'The app contains a virtual environment, .venv',
    });
    const { code, remedy } = await failure({ 'requirements.txt': '', 'venv/pyvenv.cfg': '', 'venv/lib/x': '' });
    expect(code).to.equal('checks::existing-venv-dir');
    expect(remedy)
      .to.include('git rm -r --cached venv')
      .and.to.match(/4\. git commit/);
  });

  it('[checks.existing-venv] rejects only folders with a pyvenv.cfg', async () => {
    expect(await outputs({ 'requirements.txt': '', 'venv/notes.md': '' })).to.have.property('name', 'pip');
  });

  it('[checks.order-after-pre-compile] checks the runtime folder, then the manager, then the virtual environment', async () => {
    expect(await failure({ '.scalingo/python/x': '', 'venv/pyvenv.cfg': '' })).to.have.property(
      'code',
      'checks::existing-python-dir',
    );
    expect(await failure({ 'venv/pyvenv.cfg': '' })).to.have.property('code', 'package-manager::none-found');
  });

  it('keys only on names, so a changed pin does not matter', async () => {
    const { reads } = await run({ 'requirements.txt': 'a==1' });
    expect(reads).to.deep.equal((await run({ 'requirements.txt': 'a==2' })).reads);
    expect(reads).not.to.have.property('files');
  });

  describe('with a root', () => {
    const root = 'services/web';

    it('finds the manager of the root with its path in the app, and keys on names there', async () => {
      const files = { 'services/web/uv.lock': '', 'requirements.txt': '', '.venv/pyvenv.cfg': '' };
      const { reads, result } = await run(files, { root });
      expect(result).to.deep.equal({
        ok: true,
        value: { outputs: { name: 'uv', lockfile: 'services/web/uv.lock' } },
      });
      expect(reads.exists).to.have.length(5).and.to.include('services/web/poetry.lock');
    });

    it('shows paths relative to the app', async () => {
      const none = await failure({ 'services/web/requirments.txt': '', 'uv.toml': '' }, { root });
      expect(none.code).to.equal('package-manager::none-found');
      expect(none.detail).to.include('services/web contains:\n  requirments.txt');
      expect(none.remedy)
        .to.include('pyflow ignores services/web/requirments.txt because')
        .and.include('It is in services/web or in a folder above it,');
      const both = await failure({ 'services/web/requirments.txt': '', 'uv.lock': '' }, { root });
      expect(both.remedy).to.include('pyflow ignores services/web/requirments.txt because');
      const many = await failure({ 'services/web/uv.lock': '', 'services/web/poetry.lock': '' }, { root });
      expect(many.detail).to.include('  services/web/poetry.lock (Poetry)\n  services/web/uv.lock (uv)');
      const venv = await failure({ 'services/web/uv.lock': '', 'services/web/venv/pyvenv.cfg': '' }, { root });
      expect(venv.title).to.include('services/web/venv');
      const pipenv = await failure({ 'services/web/Pipfile': '' }, { root });
      expect(pipenv.title).to.include('services/web');
      const setup = await failure({ 'services/web/setup.py': '' }, { root });
      expect(setup.title).to.include('services/web');
    });

    it('still has the runtime at the top of the app', async () => {
      const there = await failure({ '.scalingo/python/x': '', 'services/web/uv.lock': '' }, { root });
      expect(there.code).to.equal('checks::existing-python-dir');
    });
  });

  describe('for a root', () => {
    const WORKSPACE = '[tool.uv.workspace]\nmembers = ["services/*"]\nexclude = ["services/old"]\n';
    const PROJECT = '[project]\nname = "web"\nversion = "1"\n';
    const found = async (files: Files, root: string) => {
      const { result } = await run(files, { root });
      return result.ok ? result.value.outputs : result.failure;
    };

    it('uses the nearest file of pip or Pipenv in a folder above it', async () => {
      const files = { 'requirements.txt': '', 'a/Pipfile.lock': '', 'a/b/main.py': '', 'c/main.py': '' };
      expect(await found(files, 'a/b')).to.deep.equal({ name: 'pipenv', lockfile: 'a/Pipfile.lock' });
      expect(await found(files, 'c')).to.deep.equal({ name: 'pip', lockfile: 'requirements.txt' });
      const own = { ...files, 'c/uv.lock': '' };
      expect(await found(own, 'c')).to.deep.equal({ name: 'uv', lockfile: 'c/uv.lock' });
    });

    it("uses a workspace's uv.lock for its members, and names the workspace for others", async () => {
      const files = {
        'uv.lock': '',
        'pyproject.toml': WORKSPACE,
        'services/web/pyproject.toml': PROJECT,
        'services/old/pyproject.toml': PROJECT,
        'tools/pyproject.toml': PROJECT,
      };
      expect(await found(files, 'services/web')).to.deep.equal({ name: 'uv', lockfile: 'uv.lock' });
      const excluded = await found(files, 'services/old');
      expect(excluded).to.include({ code: 'package-manager::none-found', blame: 'app' });
      expect(excluded).to.have.property('detail').that.includes('pyproject.toml excludes services/old from it');
      const outsider = await found(files, 'tools');
      expect(outsider).to.have.property('detail').that.includes('tools is not a member of that workspace');
      expect(outsider).to.have.property('remedy').that.includes('Add tools to `members`').and.not.includes('uv init');
    });

    it('uses a poetry.lock above only for a folder without a project', async () => {
      const files = { 'poetry.lock': '', 'pyproject.toml': PROJECT, 'web/main.py': '', 'own/pyproject.toml': PROJECT };
      expect(await found(files, 'web')).to.deep.equal({ name: 'poetry', lockfile: 'poetry.lock' });
      const other = await found(files, 'own');
      expect(other).to.have.property('detail').that.includes('own has its own pyproject.toml');
      expect(other).to.have.property('remedy').that.includes('Run `poetry lock` in own');
    });
  });
});
