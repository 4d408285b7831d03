import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { expect } from 'chai';
import { listResults, verifyCache } from '../../src/engine/store/care.js';
import { listCache } from '../../src/engine/store/scan.js';
import { bundledCli, STACK_TRACE } from '../support/cli-scene.js';
import { pyflow } from '../support/fake-world.js';
import type { JSONObject } from '../../src/manifests/json-schema.js';
import { hexOf, type ActionKey, type Digest } from '../../src/engine/files/digest.js';
import { ForgedArchive, honestArchive, keyOf } from '../support/forged-archive.js';
import { syntheticApp, syntheticPipeline } from '../support/synthetic.js';
import { outcomesOf, Workspace } from '../support/workspace.js';

describe('cli/cache-archive', () => {
  let work: Workspace;
  beforeEach(() => {
    work = new Workspace();
  });
  afterEach(() => work.cleanUp());

  const cache = (verb: string, file: string, ...more: readonly string[]) =>
    pyflow(['cache', verb, file, '--cache-dir', work.cacheDir, ...more], { cwd: work.root, now: Date.now() });

  it('exports the last complete run of an app, and imports it on another machine', async () => {
    work.pipeline(syntheticPipeline()).write(syntheticApp('one'));
    const { nodes } = await work.run({ appId: 'shop' });
    work.write(syntheticApp('two'));
    await work.run({ appId: 'shop' });
    const count = Object.keys(nodes).length;
    const exported = await cache('export', 'results.tar', '--app-id', 'shop');
    expect(exported).to.deep.include({ status: 0, stderr: '' });
    expect(exported.stdout).to.match(
      new RegExp(`^Exported ${count} results and \\d+ blobs, [0-9.]+ kB, to results.tar\n$`),
    );
    const mode = statSync(join(work.root, 'results.tar')).mode & 0o777;
    expect(mode.toString(8)).to.equal('600');
    const all = await cache('export', 'all.tar', '--all', '--json');
    expect(JSON.parse(all.stdout)).to.deep.include({
      file: join(work.root, 'all.tar'),
      results: 2 * count,
      leftOut: {},
    });

    const second = join(work.root, 'second');
    const other = (...args: readonly string[]) =>
      pyflow(['cache', ...args, '--cache-dir', second], { cwd: work.root, now: Date.now() });
    const imported = await other('import', 'results.tar');
    expect(imported).to.deep.include({ status: 0, stderr: '' });
    expect(imported.stdout).to.match(
      new RegExp(`^Imported ${count} new results and \\d+ blobs, [0-9.]+ kB, from results.tar\n$`),
    );
    const again = await other('import', 'all.tar');
    expect(again.stdout).to.match(
      new RegExp(
        `^Imported ${count} new results and .*\nThe cache already had ${count} results and \\d+ blobs of the file.\n$`,
      ),
    );
    const known = JSON.parse((await other('import', 'all.tar', '--json')).stdout) as object;
    expect(known).to.deep.include({ results: 0, blobs: 0, bytes: 0 });
    const report = await work.run({ cacheDir: second, appId: 'shop' });
    expect(new Set(Object.values(outcomesOf(report)))).to.deep.equal(new Set(['restored']));
  });

  it('never restores imported outputs that the kind of the node can not have', async () => {
    work.write({ a: 'a' }).pipeline(`pyflow: 1
nodes:
  said: { uses: command, with: { argv: [echo, right], capture: true } }
  next: { uses: command, when: said.stdout == "right", with: { argv: [sh, -c, "echo > next"], writes: [next] } }
`);
    const { nodes } = await work.run({ appId: 'shop' });
    const key = nodes['said']!.key!;
    for (const outputs of [
      { stdout: 5 },
      { stdout: 'right', surprise: 1 },
      {},
      { ...nodes['said']!.outputs, tree: 7 },
    ]) {
      const archive = new ForgedArchive().result('said', { outputs: outputs as JSONObject }, { key: key as ActionKey });
      archive.results.set(hexOf(key as Digest), archive.results.get(hexOf(keyOf('said')))!);
      archive.results.delete(hexOf(keyOf('said')));
      const cacheDir = join(work.root, `forged-${JSON.stringify(outputs).length}`);
      writeFileSync(join(work.root, 'forged.tar'), await archive.tar());
      const imported = await pyflow(['cache', 'import', 'forged.tar', '--cache-dir', cacheDir], { cwd: work.root });
      expect(imported.status, imported.stderr).to.equal(0);
      const report = await work.run({ cacheDir, appId: 'shop' });
      expect(outcomesOf(report), JSON.stringify(outputs)).to.deep.equal({ said: 'executed', next: 'executed' });
    }
  });

  it('says what it left out, and why', async () => {
    work.write({ a: 'a' }).pipeline(`pyflow: 1
nodes:
  fine: { uses: command, with: { argv: [sh, -c, "echo > fine"], writes: [fine] } }
  never: { uses: command, cache: never, with: { argv: [sh, -c, "echo > never"], writes: [never] } }
  named: { uses: command, with: { argv: [sh, -c, "echo > named"], appEnv: [NAME], writes: [named] } }
`);
    await work.run({ appId: 'shop', envDir: work.envDir({ NAME: 'ada' }) });
    const { stdout } = await cache('export', 'results.tar', '--app-id', 'shop');
    expect(stdout.split('\n').slice(1)).to.deep.equal([
      'Left out 1 result: it is not in the cache.',
      'Left out 1 result: it was made with variables of the app.',
      '',
    ]);
  });

  for (const [what, cutOff, status] of [
    ['an import', 0, 0],
    ['an import that failed in the middle', 2000, 75],
  ] as const) {
    it(`keeps the cache within its maximum after ${what}`, async () => {
      const tar = await honestArchive().tar();
      writeFileSync(join(work.root, 'results.tar'), tar.subarray(0, tar.length - cutOff));
      const env = { PYFLOW_CACHE_MAX_BYTES: '1' };
      const imported = await pyflow(['cache', 'import', 'results.tar', '--cache-dir', work.cacheDir], {
        cwd: work.root,
        env,
      });
      expect(imported.status, imported.stderr).to.equal(status);
      expect(existsSync(join(work.cacheDir, 'gc-stamp'))).to.equal(true);
    });
  }

  it('fails with a code and a remedy', async () => {
    const noRun = await cache('export', 'results.tar', '--app-id', 'shop');
    expect(noRun.status).to.equal(2);
    expect(noRun.stderr).to.contain('[cache::export-no-run]').and.to.contain('--all');
    const missing = await cache('import', 'missing.tar');
    expect(missing.status).to.equal(2);
    expect(missing.stderr).to.contain('[cache::import-unreadable]');
    writeFileSync(join(work.root, 'damaged.tar'), (await honestArchive().tar()).subarray(0, 3000));
    const damaged = await cache('import', 'damaged.tar');
    expect(damaged.status).to.equal(75);
    expect(damaged.stderr).to.contain('[cache::import-refused]');
    const lost = await cache('export', 'missing/results.tar', '--all');
    expect(lost.status).to.equal(75);
    expect(lost.stderr).to.contain('[cache::export-cannot-write]');
    for (const { stderr } of [noRun, missing, damaged, lost]) expect(stderr).not.to.match(STACK_TRACE);
    expect((await cache('export', '')).status).to.equal(2);
    expect((await cache('export', 'results.tar', '--app-id', '../x')).status).to.equal(2);
  });

  it('refuses the options of other subcommands', async () => {
    expect((await cache('import', 'results.tar', '--all')).stderr).to.contain(
      'pyflow cache import has no option --all',
    );
    expect((await cache('export', 'results.tar', '--max-size', '1GB')).stderr).to.contain('has no option --max-size');
    expect((await pyflow(['cache', 'ls', '--app', 'x'])).stderr).to.contain('pyflow cache ls has no option --app');
  });

  describe('interrupted', () => {
    /** Imports from a pipe that delivers the archive up to the middle of a large blob. */
    async function importHalf(): Promise<{ readonly child: ReturnType<typeof spawn>; readonly whole: Buffer }> {
      const archive = honestArchive();
      archive.blob(Buffer.alloc(4_000_000, 'large '));
      const whole = await archive.tar();
      const pipe = join(work.root, 'pipe');
      execFileSync('mkfifo', [pipe]);
      const child = spawn(process.execPath, [bundledCli(), 'cache', 'import', pipe, '--cache-dir', work.cacheDir], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const writer = createWriteStream(pipe);
      writer.on('error', () => undefined);
      const at = whole.indexOf('large large large'.repeat(10_000));
      writer.write(whole.subarray(0, at + 2_500_000));
      const cas = join(work.cacheDir, 'cas');
      const isUnderWay = (): boolean =>
        existsSync(cas) &&
        readdirSync(cas).some((name) => name.endsWith('.tmp') && statSync(join(cas, name)).size > 500_000);
      while (!isUnderWay()) {
        if (child.exitCode !== null) throw new Error('the import ended first');
        await turn();
      }
      return { child, whole };
    }

    async function expectValid(): Promise<void> {
      const verified = await verifyCache(work.cacheDir);
      expect(verified.ok && verified.value.problems).to.deep.equal([]);
      const listed = await listResults(work.cacheDir);
      expect(listed.ok && listed.value.results).to.deep.equal([]);
    }

    async function importWhole(whole: Buffer): Promise<void> {
      writeFileSync(join(work.root, 'results.tar'), whole);
      expect((await cache('import', 'results.tar')).stdout).to.match(/^Imported 1 new result and /);
    }

    it('by SIGINT and SIGTERM, removes what had half arrived', async function () {
      this.timeout(60_000);
      for (const [signal, status] of [
        ['SIGINT', 130],
        ['SIGTERM', 143],
      ] as const) {
        mkdirSync(work.cacheDir, { recursive: true });
        const { child, whole } = await importHalf();
        child.kill(signal);
        expect(await once(child, 'exit')).to.deep.equal([status, null]);
        expect(listCache(work.cacheDir).partials).to.deep.equal([]);
        await expectValid();
        await importWhole(whole);
        work.cleanUp();
        work = new Workspace();
      }
    });

    it('by SIGKILL, leaves a valid cache that can import the file again', async function () {
      this.timeout(60_000);
      const { child, whole } = await importHalf();
      child.kill('SIGKILL');
      await once(child, 'exit');
      await expectValid();
      await importWhole(whole);
      expect(readFileSync(join(work.root, 'results.tar')).equals(whole)).to.equal(true);
    });
  });
});
