// SQLite from the real archive of this machine's release, through the shipped pipeline, and a package that is compiled
// against it from its real sdist.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readlinkSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import type { RunReport } from '../../src/engine/events.js';
import { passThroughOf } from '../../src/engine/app/pass-through.js';
import type { RunRequest } from '../../src/engine/request.js';
import { readHost } from '../../src/engine/services/host.js';
import { findDistribution } from '../../src/manifests/catalogue/distributions.js';
import { pyenvVersions } from '../support/runtimes.js';
import { outcomesOf, Workspace } from '../support/workspace.js';

const ROOT = resolve(import.meta.dirname, '../..');
const MINOR = pyenvVersions()
  .at(-1)
  ?.replace(/\.\d+$/, '');
const distribution = findDistribution(readHost({}));
const REQUIREMENTS = '--no-binary pysqlite3\npysqlite3==0.6.1\n';

/** The SQLite versions of both modules, and the library file that is mapped. */
const ASK = `
import json, sqlite3, pysqlite3.dbapi2 as other
other.connect(':memory:').execute('create virtual table t using fts5(x)')
mapped = sorted({line[line.index('/'):].strip() for line in open('/proc/self/maps') if 'libsqlite3' in line})
print(json.dumps({'own': sqlite3.sqlite_version, 'other': other.sqlite_version, 'mapped': mapped}))
`;

class SqliteApp extends Workspace {
  override request(overrides: Partial<RunRequest> = {}): RunRequest {
    return super.request({
      pipelineFile: join(ROOT, 'pipelines/python.yml'),
      params: { providers: '["system"]', stack: 'host' },
      passThrough: passThroughOf(process.env),
      ...overrides,
    });
  }
}

const why =
  MINOR === undefined ? 'no CPython under pyenv' : distribution === undefined ? 'no known Debian or Ubuntu' : undefined;

describe(`SQLite of the distribution${why === undefined ? '' : ` (skipped: ${why})`}`, function () {
  this.timeout(300_000);
  let app: SqliteApp;
  let first: RunReport;
  let moved: string;
  before(async function () {
    if (why !== undefined) return this.skip();
    app = new SqliteApp().write({ 'requirements.txt': REQUIREMENTS, '.python-version': `${MINOR}\n` });
    first = await app.run({ sandbox: 'auto' });
    moved = join(mkdtempSync(join(tmpdir(), 'pyflow moved ')), 'slug');
  });
  after(() => {
    app?.cleanUp();
    if (moved !== undefined) rmSync(join(moved, '..'), { recursive: true, force: true });
  });

  const version = (): string => String(first.nodes['sqlite']?.outputs?.['version']);
  /** Runs a command with only the environment that the profile scripts set. */
  const inSlug = (slug: string, command: string): string =>
    execFileSync('/bin/sh', ['-eu', '-c', `for script in .profile.d/*.sh; do . "$script"; done; ${command}`], {
      cwd: slug,
      env: { HOME: slug, PATH: '/usr/bin:/bin' },
      encoding: 'utf8',
    }).trim();

  it('is installed for a package that is built from its sdist', () => {
    expect(first.failure).to.equal(undefined);
    expect(first.nodes['sqlite']?.outputs).to.include({ installed: true });
    expect(version()).to.match(/^3\.\d+\.\d+$/);
    expect(Object.keys(first.nodes['sqlite']?.outputs?.['packages'] as object).sort()).to.deep.equal(
      [...distribution!.sqlite].sort(),
    );
    expect(app.slugFile('.scalingo/python/include/sqlite3.h')).to.contain(`"${version()}"`);
  });

  it('gives the same layer without a sandbox, where the package compiles as well', async () => {
    const report = await app.run({ sandbox: 'none', refresh: ['sqlite', 'pip'] });
    expect(report.failure).to.equal(undefined);
    expect(outcomesOf(report)).to.include({ sqlite: 'executed', pip: 'executed', runtime: 'up-to-date' });
    expect(report.nodes['sqlite']?.layer?.digest).to.equal(first.nodes['sqlite']?.layer?.digest);
  });

  it('is up to date in the next run', async () => {
    await app.run();
    const outcomes = new Set(Object.values(outcomesOf(await app.run())));
    // Nodes of other package managers are skipped.
    expect([...outcomes].sort()).to.deep.equal(['skipped', 'up-to-date']);
  });

  it("works in a moved slug: the command, the compiled package, and Python's own module", async () => {
    await app.run();
    renameSync(app.outDir, moved);
    const python = join(moved, '.scalingo/python');
    const alone = { env: { PATH: '/usr/bin:/bin' }, encoding: 'utf8' } as const;
    expect(execFileSync(join(python, 'bin/sqlite3'), ['--version'], alone)).to.match(
      new RegExp(`^${version().replaceAll('.', '\\.')} `),
    );
    expect(inSlug(moved, `sqlite3 -batch :memory: "select sqlite_version()"`)).to.equal(version());
    const linked = execFileSync('ldd', [join(python, 'libexec/sqlite3/sqlite3')], {
      ...alone,
      env: { LD_LIBRARY_PATH: `${python}/libexec/sqlite3:${python}/lib` },
    });
    expect(linked).to.contain(`${python}/lib/libsqlite3.so.0`).and.contain(`${python}/libexec/sqlite3/libreadline`);
    const answer = JSON.parse(inSlug(moved, `python -c '${ASK.replaceAll("'", `"`)}'`)) as Record<string, unknown>;
    expect(answer['other']).to.equal(version());
    expect(answer['mapped'], 'the library of the slug and no other').to.deep.equal([
      `${python}/lib/${readlinkSync(join(python, 'lib/libsqlite3.so.0'))}`,
    ]);
  });

  it('is rejected with a reason for a stack that is not the release of this machine', async () => {
    const other = distribution!.id === 'ubuntu' && distribution!.version === '24.04' ? 'scalingo-22' : 'scalingo-24';
    const report = await app.run({ params: { providers: '["system"]', stack: other } });
    expect(report.exitCode).to.equal(2);
    const failure = report.nodes['sqlite']?.failure;
    expect(failure?.code).to.equal('install-sqlite::other-release');
    expect(failure?.detail).to.contain(`${distribution!.id} ${distribution!.version}`).and.contain('pysqlite3');
  });
});
