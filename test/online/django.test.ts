// The shipped Python pipeline on a Django app with NLTK: real Django from the package index, and a corpus from the
// loopback.

import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import type { RunReport } from '../../src/engine/events.js';
import type { RunRequest } from '../../src/engine/request.js';
import { passThroughOf } from '../../src/engine/app/pass-through.js';
import { startServer, type TestServer } from '../support/http-server.js';
import { pyenvVersions } from '../support/runtimes.js';
import { makeZip } from '../support/wheels.js';
import { outcomesOf, Workspace } from '../support/workspace.js';

const ROOT = resolve(import.meta.dirname, '../..');
const MINOR = '3.13';
const hasPython = pyenvVersions().some((version) => version.startsWith(`${MINOR}.`));

const SETTINGS = `
import os
from pathlib import Path
BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = os.environ['SECRET_KEY']
INSTALLED_APPS = ['django.contrib.staticfiles', 'shop']
STATIC_URL = 'static/'
STATIC_ROOT = BASE_DIR / 'staticfiles'
if os.environ.get('UPLOAD'):
    STORAGES = {'staticfiles': {'BACKEND': 'shop.storage.Elsewhere'}}
if os.environ.get('MANIFEST'):
    STORAGES = {'staticfiles': {'BACKEND': 'django.contrib.staticfiles.storage.ManifestStaticFilesStorage'}}
`;
/** Stores files outside the app, like a bucket. */
const STORAGE = `
from django.core.files.storage import InMemoryStorage
class Elsewhere(InMemoryStorage):
    pass
`;
const APP = {
  '.python-version': `${MINOR}\n`,
  // The newest NLTK refuses to connect to the loopback.
  'requirements.txt': `asgiref==3.13.0
click==8.5.1
django==5.2.19
joblib==1.6.0
nltk==3.9.1
regex==2026.11.15
sqlparse==0.6.1
tqdm==4.70.1
`,
  'nltk.txt': 'words\n',
  'manage.py': `
import os, sys
os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'site_of_shop.settings')
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
`,
  'site_of_shop/__init__.py': '',
  'site_of_shop/settings.py': SETTINGS,
  'shop/__init__.py': '',
  'shop/storage.py': STORAGE,
  'shop/static/shop/style.css': 'body { color: green }\n',
};

const executed = (report: RunReport): readonly string[] =>
  Object.entries(outcomesOf(report)).flatMap(([id, outcome]) => (outcome === 'executed' ? [id] : []));

describe(`Django and NLTK${hasPython ? '' : ` (skipped: no CPython ${MINOR} under pyenv)`}`, function () {
  this.timeout(180_000);
  let work: Workspace;
  let server: TestServer;
  let first: RunReport;

  /** A list of corpora in NLTK's format, with one corpus. */
  async function serveCorpora(): Promise<TestServer> {
    const zip = makeZip({ 'words/README': 'words', 'words/en': 'harbour\npebble\n' });
    const sum = (algorithm: string): string => createHash(algorithm).update(zip).digest('hex');
    return startServer((request, response) => {
      if (request.url === '/words.zip') return void response.end(zip);
      response.end(`<?xml version="1.0"?><nltk_data><packages><package id="words" name="Words" subdir="corpora" unzip="1"
        size="${zip.length}" unzipped_size="20" checksum="${sum('md5')}" sha256_checksum="${sum('sha256')}"
        url="http://${request.headers.host}/words.zip"/></packages><collections/></nltk_data>`);
    });
  }

  const build = (env: Readonly<Record<string, string>> = {}, overrides: Partial<RunRequest> = {}) => {
    const envDir = join(work.root, 'env');
    rmSync(envDir, { recursive: true, force: true });
    mkdirSync(envDir);
    for (const [name, value] of Object.entries({ SECRET_KEY: 'never-in-a-slug', ...env })) {
      writeFileSync(join(envDir, name), value);
    }
    return work.run({
      pipelineFile: join(ROOT, 'pipelines/python.yml'),
      sandbox: 'auto',
      params: { providers: '["system"]' },
      settings: { NLTK_INDEX: `${server.origin}/index.xml` },
      passThrough: passThroughOf(process.env),
      envDir,
      ...overrides,
    });
  };
  const inSlug = (slug: string, script: string): string =>
    execFileSync(
      'sh',
      ['-c', '. .profile.d/python.sh; . .profile.d/python.nltk.sh; exec python -B -c "$1"', 'boot', script],
      {
        cwd: slug,
        env: { HOME: slug, PATH: '/usr/bin:/bin' },
        encoding: 'utf8',
      },
    ).trim();

  before(async function () {
    if (!hasPython) return this.skip();
    server = await serveCorpora();
    work = new Workspace().write(APP);
    first = await build();
    expect(first.failure).to.equal(undefined);
  });
  after(async () => {
    await server?.close();
    work?.cleanUp();
  });

  it('[django.run] [nltk.download] [django.duration] [nltk.duration] adds static files and corpora to the slug', () => {
    expect(first.buildData).to.include({ django_collectstatic: 'enabled', nltk_downloader: 'enabled' });
    expect(first.buildData['django_collectstatic_duration']).to.be.a('number').and.above(0);
    expect(first.buildData['nltk_downloader_duration']).to.be.a('number').and.above(0);
    expect(work.slugFile('staticfiles/shop/style.css')).to.contain('green');
    expect(readdirSync(join(work.outDir, '.scalingo/python/nltk_data/corpora/words'))).to.include('en');
  });

  it('[nltk.env] finds the corpora at run time, after the slug was moved', () => {
    const moved = mkdtempSync(join(tmpdir(), 'pyflow moved '));
    try {
      renameSync(work.outDir, join(moved, 'slug'));
      const script = 'from nltk.corpus import words; print(*words.words())';
      expect(inSlug(join(moved, 'slug'), script)).to.equal('harbour pebble');
      renameSync(join(moved, 'slug'), work.outDir);
    } finally {
      rmSync(moved, { recursive: true, force: true });
    }
  });

  it('leaves no value of a variable in the slug', () => {
    expect(() => execFileSync('grep', ['-rlF', 'never-in-a-slug', work.outDir])).to.throw();
  });

  it('restores both without network access if nothing changed', async () => {
    const requests = server.requests.length;
    rmSync(work.outDir, { recursive: true });
    const again = await build();
    expect(again.failure).to.equal(undefined);
    expect(executed(again)).to.deep.equal([]);
    expect(again.slug?.digest).to.equal(first.slug?.digest);
    expect(server.requests.length).to.equal(requests);
  });

  it('collects again for a changed source, and downloads nothing', async () => {
    work.write({ 'shop/static/shop/style.css': 'body { color: blue }\n' });
    const report = await build();
    expect(executed(report)).to.deep.equal(['collectstatic', 'post-compile']);
    expect(work.slugFile('staticfiles/shop/style.css')).to.contain('blue');
    work.write(APP);
    await build();
  });

  it('[django.user-env] collects again for a changed variable', async () => {
    const report = await build({ MANIFEST: '1' });
    expect(executed(report)).to.deep.equal(['collectstatic', 'post-compile']);
    expect(existsSync(join(work.outDir, 'staticfiles/staticfiles.json'))).to.equal(true);
  });

  it('uploads in every run', async () => {
    for (const _ of [1, 2]) {
      const report = await build({ UPLOAD: '1' });
      expect(report.nodes['collectstatic']?.outcome).to.equal('executed');
      expect(existsSync(join(work.outDir, 'staticfiles'))).to.equal(false);
    }
  });

  it('[django.fail-config] fails with the code of a missing setting', async () => {
    work.write({ 'site_of_shop/settings.py': SETTINGS.replace(/STATIC_ROOT.*/, '') });
    const report = await build();
    work.write(APP);
    expect(report.failure).to.include({ code: 'collectstatic-improper-configuration', blame: 'app' });
  });

  it('[nltk.failed] fails with the name of an unknown corpus', async () => {
    work.write({ 'nltk.txt': 'words\nnone-such\n' });
    const report = await build();
    work.write(APP);
    expect(report.failure).to.include({ code: 'nltk-downloader', blame: 'app' });
    expect(report.failure?.detail).to.contain("'none-such' not found");
  });
});
