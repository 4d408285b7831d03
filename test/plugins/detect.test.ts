import { expect } from 'chai';
import { memoryView } from '../support/memory-view.js';
import { play } from '../support/node-context.js';
import { Detect } from '../../src/plugins/detect/plugin.js';

const detect = (files: Readonly<Record<string, string>>, links = {}) =>
  play(new Detect(), {}, {}, memoryView(files, { links }));
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

  it('[detect.no-python-files] says so of an empty app, and cuts a long listing', async () => {
    const empty = await detect({});
    expect(empty.result).to.have.nested.property('failure.detail').that.includes('holds: nothing');
    const many = await detect(Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`file${n}.txt`, ''])));
    expect(many.result).to.have.nested.property('failure.detail').that.includes('and 60 more');
  });

  it('keys on names only', async () => {
    const { reads } = await detect({ 'requirements.txt': 'a==1' });
    expect(reads).to.deep.equal((await detect({ 'requirements.txt': 'a==2', 'other.md': '' })).reads);
  });
});
