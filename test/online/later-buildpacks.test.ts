// Package managers for buildpacks after pyflow, through `export`: real Poetry and uv, and real builds with the adapter.

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { toolVersion } from '../../src/manifests/catalogue/tools.js';
import { Platform, type Build } from '../support/platform.js';
import { pyenvVersions } from '../support/runtimes.js';

const FIXTURES = resolve(import.meta.dirname, '../fixtures/managers');
const MINOR = '3.13';
const hasPython = pyenvVersions().some((version) => version.startsWith(`${MINOR}.`));

describe(`later buildpacks${hasPython ? '' : ` (skipped: no CPython ${MINOR} under pyenv)`}`, function () {
  this.timeout(300_000);
  let platform: Platform;
  before(function () {
    if (!hasPython) return this.skip();
    platform = new Platform();
  });
  after(() => platform?.cleanUp());

  function build(manager: 'poetry' | 'uv'): string {
    const buildDir = join(platform.root, `${manager}-${readdirSync(platform.root).length}`);
    cpSync(join(FIXTURES, manager, 'base'), buildDir, { recursive: true });
    writeFileSync(join(buildDir, '.python-version'), `${MINOR}\n`);
    const { status, stdout, stderr } = platform.compile(buildDir);
    expect(status, stdout + stderr).to.equal(0);
    return buildDir;
  }
  /** Runs a command in BUILD_DIR, with `export` sourced and no other environment of this machine. */
  function later(buildDir: string, script: string): Build {
    const { status, stdout, stderr } = spawnSync(
      'bash',
      ['--norc', '-euc', `. "$0"; ${script}`, `${platform.home}/export`],
      {
        encoding: 'utf8',
        cwd: buildDir,
        env: { PATH: '/usr/bin:/bin', HOME: join(platform.root, 'home'), NODE_OPTIONS: '--require /nowhere.js' },
      },
    );
    return { status, stdout, stderr };
  }
  const python = (buildDir: string): string => join(buildDir, '.scalingo/python');
  const laidOut = (): readonly string[] => readdirSync(join(platform.home, 'tools')).sort();

  it('[poetry.env] run Poetry with the Python of the app, and unpack it on the first call', () => {
    const buildDir = build('poetry');
    expect(laidOut()).to.deep.equal(['bin', 'environment']);
    const script = `poetry --version; poetry config virtualenvs.create; poetry run python -c 'import six, sys; print(sys.prefix)'`;
    const { status, stdout, stderr } = later(buildDir, script);
    expect(status, stderr).to.equal(0);
    expect(stdout).to.equal(`Poetry (version ${toolVersion('poetry')})\nfalse\n${python(buildDir)}\n`);
    expect(laidOut()).to.deep.equal(['bin', 'environment', 'poetry']);
    expect(later(buildDir, 'poetry sync --no-root --dry-run').stdout).to.match(/0 installs, 0 updates, 0 removals/);
  });

  it('[uv.env] run uv with the Python of the app, and report that it is gone if the cache is removed', () => {
    const buildDir = build('uv');
    expect(laidOut()).to.deep.equal(['bin']);
    const script = `uv --version | cut -d' ' -f1,2; uv run --no-sync --offline python -c 'import six, sys; print(sys.prefix)'`;
    expect(later(buildDir, script)).to.deep.equal({
      status: 0,
      stdout: `uv ${toolVersion('uv')}\n${python(buildDir)}\n`,
      stderr: '',
    });
    const again = build('uv');
    platform.emptyCache();
    const gone = later(again, 'uv --version');
    expect(gone.status).to.equal(75);
    expect(gone.stderr).to.contain('[cache::tool-gone]');
    expect(existsSync(join(platform.home, 'tools/uv'))).to.equal(false);
  });
});
