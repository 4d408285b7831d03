// `pyflow shadow` with a small buildpack that really installs with pip in a virtual environment, compared with the
// pipeline.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import type { Comparison } from '../../src/cli/shadow/compare.js';
import { pyenvVersions } from '../support/runtimes.js';

const ROOT = resolve(import.meta.dirname, '../..');
const MINOR = readFileSync(join(ROOT, 'examples/flask-pip/.python-version'), 'utf8').trim();
const version = pyenvVersions().find((name) => name.startsWith(`${MINOR}.`));

describe(`shadow${version === undefined ? ` (skipped: no CPython ${MINOR} under pyenv)` : ''}`, function () {
  this.timeout(300_000);
  let folder: string;
  let comparison: Comparison;
  before(function () {
    if (version === undefined) return this.skip();
    folder = mkdtempSync(join(tmpdir(), 'pyflow-shadow-online-'));
    const args = ['--buildpack', join(ROOT, 'test/fixtures/buildpack'), '--app', join(ROOT, 'examples/flask-pip')];
    const { stdout, stderr } = spawnSync(join(ROOT, 'dist/cli.js'), ['shadow', ...args, '--builds=1', '--json'], {
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
      env: {
        ...process.env,
        STACK: 'scalingo-24',
        PYFLOW_PARAMS: 'providers=["system"]',
        PYFLOW_CACHE_DIR: join(folder, 'cache'),
        SMALL_PYTHON: join(homedir(), '.pyenv/versions', version, 'bin', `python${MINOR}`),
      },
    });
    expect(stdout, stderr).to.match(/^\{/);
    comparison = JSON.parse(stdout) as Comparison;
  });
  after(() => {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  it('reports that both builds pass, with the same versions of all packages except pip', () => {
    expect(comparison.compiles.map(({ buildpack, pyflow }) => [buildpack?.status, pyflow?.status])).to.deep.equal([
      [0, 0],
    ]);
    expect(comparison.packagesInCommon).to.be.at.least(8);
    expect(Object.keys(comparison.packages).filter((name) => name !== 'pip')).to.deep.equal([]);
  });

  it('reports the same files of the app and of its packages', () => {
    const { app, packages } = comparison.files;
    expect([app.different, app.onlyBuildpack, app.onlyPyflow]).to.deep.equal([[], [], []]);
    const isOfPip = (path: string): boolean => /site-packages\/pip\b/.test(path);
    const differing = [...packages.different, ...packages.onlyBuildpack, ...packages.onlyPyflow];
    expect(differing.filter((path) => !isOfPip(path))).to.deep.equal([]);
  });

  it('compares the environments in which the app runs', () => {
    const { environment } = comparison;
    expect(environment).to.have.property('LD_LIBRARY_PATH');
    expect(environment).not.to.have.any.keys('PYTHONHOME', 'PATH', 'HOME');
  });
});
