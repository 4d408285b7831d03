// Small apps with packages of many kinds, and a comparison of what `pyflow inspect` says of their slugs with importlib.metadata.

import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { expect } from 'chai';
import type { Inventory } from '../../src/engine/inspect/inventory.js';
import { sharedFolder } from './shared-folder.js';

const CLI = resolve(import.meta.dirname, '../../dist/cli.js');

type Files = Readonly<Record<string, string>>;

const requirements = (...lines: readonly string[]): Files => ({
  'requirements.txt': lines.map((line) => `${line}\n`).join(''),
});
const project = (name: string, requires: string): Files => ({
  'pyproject.toml': `[project]\nname = "${name}"\nversion = "1.2"\ndependencies = [${requires}]\n[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n[tool.setuptools]\npy-modules = ["${name}_main"]\n`,
  [`${name}_main.py`]: 'VALUE = 1\n',
});
const inFolder = (folder: string, files: Files): Files =>
  Object.fromEntries(Object.entries(files).map(([path, text]) => [`${folder}/${path}`, text]));

/** The first few are the most different from each other. */
export const INSPECTED_APPS: Readonly<Record<string, Files>> = {
  extras: requirements('uvicorn[standard]', 'requests[socks]'),
  'editable project': { ...requirements('-e ./lib'), ...inFolder('lib', project('stock', '"idna"')) },
  native: requirements('PyYAML', 'MarkupSafe', 'psycopg2-binary'),
  'committed metadata': {
    ...requirements('six'),
    'old.egg-info/PKG-INFO': 'Metadata-Version: 1.0\nName: old\nVersion: 0.1\n',
  },
  flask: requirements('flask'),
  empty: requirements('# none'),
  'one package': requirements('six==1.17.0'),
  django: requirements('django', 'whitenoise', 'gunicorn'),
  sqlalchemy: requirements('sqlalchemy', 'alembic'),
  'local project': { ...requirements('./lib'), ...inFolder('lib', project('shelf', '"click"')) },
  namespaces: requirements('zope.interface', 'zope.event'),
  'odd names': requirements('ruamel.yaml', 'backports.tarfile', 'jaraco.text'),
  setuptools: requirements('setuptools', 'wheel'),
  licences: requirements('certifi', 'python-dateutil', 'packaging'),
  scripts: requirements('httpie'),
  typing: requirements('typing_extensions', 'attrs', 'pydantic'),
  jinja: requirements('jinja2', 'babel'),
  async: requirements('aiohttp'),
  markers: requirements('colorama; sys_platform == "win32"', 'idna; python_version >= "3.9"'),
  celery: requirements('celery'),
};

const BY_PYTHON = `
import importlib.metadata as m, json
print(json.dumps(sorted([d.metadata["Name"], d.version] for d in m.distributions())))
`;

/** Builds the app, and compares packages and digests of the inventory with Python's own view and with the files. */
export function compareInspected(files: Files, cacheDir: string, validator: string | undefined): void {
  const app = mkdtempSync(join(tmpdir(), 'pyflow-inspected-'));
  try {
    for (const [path, text] of Object.entries({ '.python-version': '3.13\n', ...files })) {
      mkdirSync(dirname(join(app, path)), { recursive: true });
      writeFileSync(join(app, path), text);
    }
    const pyflow = (...args: readonly string[]): string =>
      execFileSync(process.execPath, [CLI, ...args, '--cache-dir', cacheDir], {
        cwd: app,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
        maxBuffer: 64 * 1024 ** 2,
      });
    pyflow('run');
    const inventory = JSON.parse(pyflow('inspect', '--format', 'json')) as Inventory;
    // Without -P, Python searches the current folder too, which is the app's a second time.
    const exec = ['exec', '--cache-dir', cacheDir, '--', 'python', '-P', '-c', BY_PYTHON];
    const seen = spawnSync(process.execPath, [CLI, ...exec], { cwd: app, encoding: 'utf8' });
    const own = inventory.packages.map(({ name, version }) => [name, version]);
    expect(own.map(String).sort()).to.deep.equal((JSON.parse(seen.stdout) as string[][]).map(String).sort());
    expect(inventory.slug.altered).to.deep.equal([]);
    for (const { key, mismatches } of inventory.packages) expect(mismatches, key).to.deep.equal([]);
    expect(inventory.slug.content).to.equal(contentBySha256sum(join(app, '.pyflow/slug')));
    for (const form of ['json', 'cyclonedx', 'spdx', 'slsa']) {
      const text = pyflow('inspect', '--format', form);
      if (form === 'spdx') expect(pyflow('inspect', '--format', form)).to.equal(text);
      writeFileSync(join(app, `${form}.json`), text);
      const has = ({ name }: { readonly name: string }) => text.includes(JSON.stringify(name).slice(1, -1));
      if (form !== 'slsa') expect(inventory.packages.filter((one) => !has(one))).to.deep.equal([]);
    }
    if (validator !== undefined) {
      const script = resolve(import.meta.dirname, 'validate-documents.py');
      expect(execFileSync(validator, [script, app], { encoding: 'utf8' }).trim()).to.equal('valid');
    }
  } finally {
    rmSync(app, { recursive: true, force: true });
  }
}

/** What `sha256sum` prints for all files but the marker, digested. */
function contentBySha256sum(slug: string): string {
  const script =
    "find . -type f ! -path ./.pyflow-slug.json -printf '%P\\0' | LC_ALL=C sort -z | xargs -0 sha256sum --";
  const lines = execFileSync('/bin/sh', ['-c', script], { cwd: slug, maxBuffer: 64 * 1024 ** 2 });
  return createHash('sha256').update(lines).digest('hex');
}

/** A Python with the libraries of the formats' own projects. */
export function documentValidator(): string {
  const folder = join(sharedFolder('pyflow-validators'), 'venv');
  execFileSync('python3', ['-m', 'venv', folder]);
  const libraries = ['spdx-tools', 'cyclonedx-python-lib[json-validation]', 'in-toto-attestation', 'packageurl-python'];
  execFileSync(`${folder}/bin/pip`, ['install', '--quiet', '--disable-pip-version-check', ...libraries]);
  return `${folder}/bin/python`;
}
