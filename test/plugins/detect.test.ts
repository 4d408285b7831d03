import { expect } from 'chai';
import { memoryView } from '../support/memory-view.js';
import { play } from '../support/node-context.js';
import { Detect } from '../../src/plugins/detect/plugin.js';

const detect = (files: Readonly<Record<string, string>>, links = {}, root = '.') =>
  play(new Detect(), { root }, {}, memoryView(files, { links }));
const markers = async (files: Readonly<Record<string, string>>, links = {}) => {
  const { result } = await detect(files, links);
  return result.ok ? result.value.outputs.markers : result.failure.code;
};

const FILES =
  '.python-version __init__.py app.py main.py manage.py pdm.lock Pipfile Pipfile.lock poetry.lock pyproject.toml requirements.txt runtime.txt server.py setup.cfg setup.py uv.lock'.split(
    ' ',
  );
const MISSPELT =
  'requeriments.txt requirement.txt requirements requirements.text Requirements.txt requirements.txt.txt requirments.txt'.split(
    ' ',
  );

describe('detect', () => {
  for (const name of FILES) {
    it(`[detect.python-project-found] passes for ${name}, as a file or a folder`, async () => {
      expect(await markers({ [name]: '', 'README.md': '' })).to.deep.equal([name]);
      expect(await markers({ [`${name}/x`]: '' })).to.deep.equal([name]);
    });
  }

  for (const name of MISSPELT) {
    it(`[detect.misspelled-requirements-still-pass] passes for ${name}`, async () => {
      expect(await markers({ [name]: '' })).to.deep.equal([name]);
    });
  }

  for (const name of ['__pycache__', '.venv', 'venv']) {
    it(`[detect.venv-or-pycache-only] passes for the folder ${name}, not for a file`, async () => {
      expect(await markers({ [`${name}/x`]: '' })).to.deep.equal([`${name}/`]);
      expect(await markers({ [name]: '' })).to.equal('detect::not-a-python-app');
    });
  }

  it('[detect.venv-or-pycache-only] follows a link to a folder', async () => {
    expect(await markers({ 'env/x': '' }, { venv: 'env' })).to.deep.equal(['venv/']);
    expect(await markers({ env: '' }, { venv: 'env' })).to.equal('detect::not-a-python-app');
  });

  it('lists markers sorted by code unit', async () => {
    expect(await markers({ 'uv.lock': '', 'Pipfile.lock': '', '.venv/pyvenv.cfg': '', 'app.py': '' })).to.deep.equal([
      '.venv/',
      'Pipfile.lock',
      'app.py',
      'uv.lock',
    ]);
  });

  it('[detect.no-python-files] fails with the listing of the root, folders marked', async () => {
    const { result } = await detect({ 'package.json': '', 'src/app.py': '', '.env': '', 'evil\n\x1b[31m': '' });
    if (result.ok) throw new Error('passed');
    expect(result.failure).to.include({ code: 'detect::not-a-python-app', blame: 'app' });
    expect(result.failure.detail).to.include('  .env\n').and.to.include('  package.json\n').and.to.include('  src/');
    expect(result.failure.detail).to.include('evil\uFFFD\uFFFD[31m').and.not.to.include('\x1b');
    for (const name of ['requirements.txt', 'Pipfile.lock', 'poetry.lock', 'uv.lock'])
      expect(result.failure.detail).to.include(name);
    expect(result.failure.remedy)
      .to.match(/1\..*\n2\..*\n3\..*\n4\./)
      .and.to.include('uv');
  });

  it('[detect.no-python-files] reports an empty app, and shortens a long listing', async () => {
    const empty = await detect({});
    expect(empty.result).to.have.nested.property('failure.detail').that.includes('contains: nothing');
    const many = await detect(Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`file${n}.txt`, ''])));
    expect(many.result).to.have.nested.property('failure.detail').that.includes('and 60 more');
  });

  it('looks below the root, and keys on nothing else', async () => {
    const files = { 'services/web/uv.lock': '', 'requirements.txt': '' };
    const { reads, result } = await detect(files, {}, 'services/web');
    expect(result).to.have.nested.property('value.outputs.markers').that.deep.equals(['uv.lock']);
    expect(reads).to.deep.equal({ facts: { markers: ['uv.lock'] } });
  });

  it('accepts a root with Python code if a file of a package manager is above it', async () => {
    const files = { 'services/web/wsgi.py': '', 'requirements.txt': '', 'services/uv.lock': '' };
    const { result } = await detect(files, {}, 'services/web');
    expect(result)
      .to.have.nested.property('value.outputs.markers')
      .that.deep.equals(['requirements.txt', 'services/uv.lock']);
  });

  it('shows the contents of the root', async () => {
    const { result } = await detect({ 'services/web/app.js': '', 'requirements.txt': '' }, {}, 'services/web');
    expect(result).to.have.nested.property('failure.code', 'detect::not-a-python-app');
    expect(result)
      .to.have.nested.property('failure.detail')
      .that.includes('services/web contains:\n  app.js')
      .and.not.includes('root of the app');
    expect(result).to.have.nested.property('failure.remedy').that.includes('It is in services/web, not in a subfolder');
  });

  it('rejects a missing root, and lists the nearest existing folder', async () => {
    const { result } = await detect({ 'services/api/uv.lock': '', 'uv.lock': '' }, {}, 'services/web/x');
    if (result.ok) throw new Error('passed');
    expect(result.failure).to.include({
      code: 'detect::root-not-found',
      blame: 'pipeline',
      title: 'The app has no folder services/web/x',
    });
    expect(result.failure.detail).to.include('services contains:\n  api/');
    const above = await detect({ 'uv.lock': '' }, {}, 'web');
    expect(above.result)
      .to.have.nested.property('failure.detail')
      .that.includes('The root of the app contains:\n  uv.lock');
  });

  it('rejects a root that is not a real folder', async () => {
    const file = await detect({ web: '', 'uv.lock': '' }, {}, 'web');
    expect(file.result)
      .to.deep.include({ ok: false })
      .and.have.nested.property('failure.detail')
      .that.includes('a file');
    const link = await detect({ 'services/web/uv.lock': '' }, { web: 'services/web' }, 'web');
    expect(link.result).to.have.nested.property('failure.code', 'detect::root-not-a-folder');
    expect(link.result).to.have.nested.property('failure.detail').that.includes('a symbolic link');
  });

  it('keys only on names', async () => {
    const { reads } = await detect({ 'requirements.txt': 'a==1' });
    expect(reads).to.deep.equal((await detect({ 'requirements.txt': 'a==2', 'other.md': '' })).reads);
  });
});
