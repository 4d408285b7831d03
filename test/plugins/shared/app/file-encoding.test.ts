// Every manifest that tools read, in every common wrong encoding: the failure names the file and the encoding.

import { expect } from 'chai';
import type { Failure, Host, Result, Subprocess, ViewReader } from '../../../../src/engine/sdk.js';
import { directPackages } from '../../../../src/engine/packages/direct.js';
import { filesService } from '../../../../src/engine/services/files.js';
import { undecodableAs } from '../../../../src/manifests/app/requirements-encoding.js';
import { InstallDepsPip } from '../../../../src/plugins/install-deps-pip/plugin.js';
import { InstallDepsPipenv } from '../../../../src/plugins/install-deps-pipenv/plugin.js';
import { InstallDepsPoetry } from '../../../../src/plugins/install-deps-poetry/plugin.js';
import { InstallDepsUv } from '../../../../src/plugins/install-deps-uv/plugin.js';
import { NltkData } from '../../../../src/plugins/nltk-data/plugin.js';
import { wrongEncoding } from '../../../../src/plugins/shared/app/file-encoding.js';
import { VersionResolve } from '../../../../src/plugins/version-resolve/plugin.js';
import { memoryView } from '../../../support/memory-view.js';
import { play, recordingLog } from '../../../support/node-context.js';

const HOST: Host = {
  os: 'linux',
  arch: 'x64',
  libc: { name: 'glibc', version: '2.39' },
  release: { id: 'ubuntu', version: '24.04' },
  setting: () => undefined,
  searchPath: [],
  homeDir: '/nonexistent',
};
const { log } = recordingLog();
const subprocess: Subprocess = {
  run: () => {
    throw new Error('nothing is run for a file that cannot be read');
  },
};
const SERVICES = { subprocess, log, host: HOST, files: filesService, packages: directPackages };
const PLACE = { root: '.', vendorDir: '.scalingo' };

type Read = (view: ViewReader) => Promise<Result<unknown, Failure>>;
const pip: Read = (view) => {
  const config = { ...PLACE, installer: 'pip', requirements: 'requirements.txt', testRequirements: 'x.txt' } as const;
  const inputs = { runtime: '', pip: '' };
  return new InstallDepsPip(SERVICES).reads({ config, inputs }, view);
};
const pipenv: Read = (view) =>
  new InstallDepsPipenv(SERVICES).reads({ config: PLACE, inputs: { runtime: '', pipenv: '' } }, view);
const poetry: Read = (view) =>
  new InstallDepsPoetry(SERVICES).reads({ config: PLACE, inputs: { runtime: '', poetry: '' } }, view);
const uv: Read = (view) => new InstallDepsUv(SERVICES).reads({ config: PLACE, inputs: { runtime: '', uv: '' } }, view);
const nltk: Read = (view) => new NltkData(SERVICES).reads({ config: PLACE, inputs: { tree: '' } }, view);
const version =
  (manager: string): Read =>
  async (view) => {
    const plugin = new VersionResolve({ ...SERVICES, clock: { now: () => Date.parse('2026-11-20') } });
    const policy = { pythonPolicy: 'default' as const, pinnedMisfit: 'warn' as const, groups: [] };
    const config = { root: '.', stack: 'scalingo-24', providers: ['system' as const], ...policy };
    return (await play(plugin, config, { manager }, view)).result;
  };

const PIPFILE = { Pipfile: '[packages]\n# caf\u00e9\n', 'Pipfile.lock': '{"_meta": {}, "default": {"caf\u00e9": {}}}' };
const POETRY = { 'pyproject.toml': '[tool.poetry]\n# caf\u00e9\n', 'poetry.lock': 'package = []\n# caf\u00e9\n' };
const UV = { 'pyproject.toml': '[project]\nname = "a"\n# caf\u00e9\n', 'uv.lock': 'version = 1\n# caf\u00e9\n' };
interface Manifest {
  readonly files: Readonly<Record<string, string>>;
  readonly read: Read;
  readonly takesMark?: true;
}
const MANIFESTS: Readonly<Record<string, readonly [file: string, manifest: Manifest]>> = {
  'Pipfile of Pipenv': ['Pipfile', { files: PIPFILE, read: pipenv }],
  'Pipfile.lock of Pipenv': ['Pipfile.lock', { files: PIPFILE, read: pipenv }],
  'pyproject.toml of Poetry': ['pyproject.toml', { files: POETRY, read: poetry }],
  'poetry.lock of Poetry': ['poetry.lock', { files: POETRY, read: poetry }],
  'pyproject.toml of uv': ['pyproject.toml', { files: UV, read: uv, takesMark: true }],
  'uv.lock of uv': ['uv.lock', { files: UV, read: uv, takesMark: true }],
  'nltk.txt': [
    'nltk.txt',
    {
      files: {
        'nltk.txt': 'words # caf\u00e9\n',
        '.scalingo/python/lib/python3.12/site-packages/nltk/__init__.py': '',
      },
      read: nltk,
    },
  ],
  'runtime.txt': ['runtime.txt', { files: { 'runtime.txt': 'python-3.12 caf\u00e9' }, read: version('pip') }],
  '.python-version': ['.python-version', { files: { '.python-version': '3.12 caf\u00e9' }, read: version('pip') }],
};

const ENCODINGS: Readonly<Record<string, readonly [(text: string) => Buffer, RegExp]>> = {
  'UTF-8 with a byte order mark': [(text) => Buffer.from(`\uFEFF${text}`), /UTF-8 with a byte order mark/],
  'UTF-16': [(text) => Buffer.from(`\uFEFF${text}`, 'utf16le'), /UTF-16, little-endian/],
  'UTF-16 without a mark': [(text) => Buffer.from(text.replaceAll('\u00e9', 'e'), 'utf16le'), /UTF-16, little-endian/],
  Latin: [(text) => Buffer.from(text, 'latin1'), /8-bit encoding/],
};

describe('plugins/shared/app/file-encoding', () => {
  for (const [title, [file, { files, read, takesMark }]] of Object.entries(MANIFESTS)) {
    it(`reports the file and its encoding: ${title}`, async () => {
      for (const [name, [encode, says]] of Object.entries(ENCODINGS)) {
        const bytes = encode(files[file] ?? '');
        const result = await read(memoryView({ ...files, [file]: bytes }));
        if (takesMark && name.startsWith('UTF-8')) {
          expect(result.ok ? '' : result.failure.detail, name).not.to.match(says);
          continue;
        }
        if (result.ok) throw new Error(`${file} is taken in ${name}`);
        expect(`${result.failure.title}\n${result.failure.detail}`, name).to.include(file).and.to.match(says);
        expect(result.failure.blame).to.equal('app');
        expect(result.failure.remedy).to.match(/UTF-8|\.python-version/);
      }
    });
  }

  it('reports the encoding of a Pipfile.lock that sets the Python version', async () => {
    const result = await version('pipenv')(memoryView({ 'Pipfile.lock': Buffer.from('\uFEFF{}', 'utf16le') }));
    expect(result).to.have.nested.property('failure.code', 'pipfile-lock::invalid-json');
    expect(result).to.have.nested.property('failure.detail', 'Pipfile.lock is saved as UTF-16, little-endian.');
  });

  it('reports the encoding of requirements and included files, by the rules of pip', async () => {
    const files = { 'requirements.txt': '-r base.txt\n', 'base.txt': Buffer.from('six # caf\xe9\n', 'latin1') };
    const result = await pip(memoryView(files));
    expect(result).to.have.nested.property('failure.title', 'base.txt is not valid utf-8 text');
    for (const text of ['\uFEFFsix\n', '# coding: latin-1\nsix # \u00e9\n']) {
      for (const encoding of ['utf16le', 'latin1'] as const) {
        const bytes = Buffer.from(text, encoding);
        if (encoding === 'latin1' && text.startsWith('\uFEFF')) continue;
        if (encoding === 'utf16le' && !text.startsWith('\uFEFF')) continue;
        expect((await pip(memoryView({ 'requirements.txt': bytes }))).ok, text).to.equal(true);
      }
    }
  });

  it('accepts encodings that only Python knows', () => {
    expect(undecodableAs(Buffer.from('# coding: cp437\nsix # \x80\n', 'latin1'))).to.equal(undefined);
    expect(undecodableAs(Buffer.from('# coding: utf-8\nsix # \x80\n', 'latin1'))).to.equal('utf-8');
  });

  it('reports nothing for UTF-8', () => {
    for (const text of ['', 'plain', 'caf\u00e9 \u4e2d \u{1F40D}'])
      expect(wrongEncoding(Buffer.from(text))).to.equal(undefined);
    expect(wrongEncoding(Buffer.from([0, 0xff, 1]))).to.equal('something other than UTF-8 text');
    expect(wrongEncoding(Buffer.from('\uFEFFx'), 'accepted')).to.equal(undefined);
  });
});
