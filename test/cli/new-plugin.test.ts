// Uses the plugin that `pyflow plugins new` writes like its author would, with the bundled program.

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { check } from 'prettier';
import type { Engine } from '../../src/cli/engine.js';
import type { RunReport } from '../../src/engine/events.js';
import { shippedKinds } from '../../src/plugins/index.js';
import { bundledCli } from '../support/cli-scene.js';
import { pyflow } from '../support/fake-world.js';

const engine: Partial<Engine> = {
  kinds: () => Promise.resolve([...shippedKinds.values()].map(({ manifest }) => manifest)),
};

describe('cli/plugins new', () => {
  let cwd: string;
  beforeEach(() => {
    cwd = mkdtempSync(join(tmpdir(), 'pyflow-new-plugin-'));
  });
  afterEach(() => rmSync(cwd, { recursive: true, force: true }));

  const make = (...args: readonly string[]) => pyflow(['plugins', 'new', ...args], { cwd, engine });

  for (const kind of ['sort-lines', 'null']) {
    it(`writes a plugin that passes its test, is accepted and runs: ${kind}`, async function () {
      this.timeout(60_000);
      const cli = (folder: string, ...args: readonly string[]): string =>
        execFileSync(process.execPath, [bundledCli(), ...args], {
          cwd: folder,
          encoding: 'utf8',
          env: { PATH: process.env['PATH'], HOME: cwd, PYFLOW_CACHE_DIR: join(cwd, 'cache') },
        });
      const told = cli(cwd, 'plugins', 'new', kind);
      const folder = join(cwd, kind);
      expect(readdirSync(folder, { recursive: true }).sort()).to.deep.equal(
        [
          '.gitignore',
          'README.md',
          'example',
          'example/lines.txt',
          `${kind}.mjs`,
          `${kind}.test.mjs`,
          'pipeline.yml',
        ].sort(),
      );

      // The commands that it says to try.
      expect(told).to.contain(`\n  cd ${kind}\n  node --test ${kind}.test.mjs\n  pyflow check pipeline.yml\n`);
      // Inside a test runner, `node --test` would report to that one.
      const { NODE_TEST_CONTEXT: _, NODE_OPTIONS: __, ...env } = process.env;
      const tested = spawnSync(process.execPath, ['--test', '--test-reporter=tap', `${kind}.test.mjs`], {
        cwd: folder,
        encoding: 'utf8',
        env,
      });
      expect(tested.stdout)
        .to.match(/^# pass 5$/m)
        .and.to.match(/^# fail 0$/m);
      expect(tested.status).to.equal(0);
      expect(cli(folder, 'check', 'pipeline.yml')).to.equal('pipeline.yml: no problems\n');
      const run = (...more: readonly string[]): RunReport => {
        const report = join(cwd, 'report.json');
        cli(folder, 'run', 'pipeline.yml', '--app', 'example', '--report', report, ...more);
        return JSON.parse(readFileSync(report, 'utf8')) as RunReport;
      };
      const first = run();
      expect(first.nodes['sorted']).to.include({ kind, outcome: 'executed' });
      expect(first.nodes['sorted']?.outputs).to.include({ lines: 2 });
      expect(readFileSync(join(folder, 'example/.pyflow/slug/sorted.txt'), 'utf8')).to.equal('apple\npear\n');
      expect(Object.values(run().nodes).map(({ outcome }) => outcome)).to.deep.equal(['up-to-date', 'up-to-date']);
      // Stands in for another machine.
      const other = run('--cache-dir', join(cwd, 'other'), '--sandbox', 'none');
      expect(other.nodes['sorted']?.layer?.digest).to.equal(first.nodes['sorted']?.layer?.digest);
    });
  }

  it('writes files in the format of the project', async () => {
    await make('sort-lines');
    const folder = join(cwd, 'sort-lines');
    for (const name of ['sort-lines.mjs', 'sort-lines.test.mjs', 'pipeline.yml']) {
      const text = readFileSync(join(folder, name), 'utf8');
      expect(await check(text, { filepath: name, singleQuote: true, printWidth: 120 }), name).to.equal(true);
    }
  });

  it('creates the folder and its parents', async () => {
    const { status, stdout } = await make('sort-lines', '--dir', "kinds/ada's own");
    expect(status).to.equal(0);
    expect(existsSync(join(cwd, "kinds/ada's own/sort-lines.mjs"))).to.equal(true);
    expect(stdout).to.contain(`cd 'kinds/ada'\\''s own'`);
  });

  it('overwrites nothing, and does not even use an empty folder', async () => {
    mkdirSync(join(cwd, 'empty'));
    writeFileSync(join(cwd, 'file'), 'mine');
    for (const kind of ['empty', 'file']) {
      const { status, stderr } = await make(kind);
      expect(status).to.equal(2);
      expect(stderr).to.contain('[plugins::folder-exists]');
    }
    expect(readdirSync(join(cwd, 'empty'))).to.deep.equal([]);
    expect(readFileSync(join(cwd, 'file'), 'utf8')).to.equal('mine');
  });

  it('reports a folder that it cannot create', async () => {
    writeFileSync(join(cwd, 'file'), '');
    const { status, stderr } = await make('sort-lines', '--dir', 'file/sort-lines');
    expect(status).to.equal(75);
    expect(stderr).to.contain('[plugins::cannot-write]');
  });

  it('refuses a name that is invalid or already in use', async () => {
    for (const kind of ['Sort', 'sort_lines', '../up', 'sort--lines', '9', 'a'.repeat(61)]) {
      const { status, stderr } = await make(kind);
      expect(status, kind).to.equal(2);
      expect(stderr).to.contain('is not a valid name for a kind');
    }
    expect((await make('hook')).stderr).to.contain('pyflow already has a kind "hook".');
    expect((await make()).stderr).to.contain('pyflow plugins new needs a KIND.');
    expect((await make('sort-lines', '--dir=')).stderr).to.contain('--dir needs a folder.');
    expect(readdirSync(cwd)).to.deep.equal([]);
  });
});
