import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { assert, asyncProperty, dictionary, string, uint8Array } from 'fast-check';
import type { Failure, Result } from '../../../src/engine/failure.js';
import { digestOf, hexOf, type ActionKey } from '../../../src/engine/files/digest.js';
import { KEY_FORMAT } from '../../../src/engine/node/key.js';
import { readLastRun } from '../../../src/engine/run/run-record.js';
import { verifyCache } from '../../../src/engine/store/care.js';
import { exportResults, type ExportReport } from '../../../src/engine/store/export-archive.js';
import { importResults } from '../../../src/engine/store/import-archive.js';
import { openLocalStore } from '../../../src/engine/store/local-store.js';
import { listCache } from '../../../src/engine/store/scan.js';
import type { ActionResult, KeyRecord } from '../../../src/engine/store/store.js';
import { buildTree, type NewEntry } from '../../../src/engine/trees/directories.js';
import { writeLayer } from '../../../src/engine/trees/layers.js';
import { Canary } from '../../support/canary.js';
import { systemError, withChangedFs } from '../../support/changed-fs.js';
import { contentOf } from '../../support/cli-scene.js';
import { keyOf, LARGE, RECORD } from '../../support/forged-archive.js';
import { syntheticApp, syntheticContent, syntheticPipeline } from '../../support/synthetic.js';
import { outcomesOf, Workspace } from '../../support/workspace.js';

const SIGNAL = new AbortController().signal;
const APP = { appId: 'shop' };
/** Too large for packs. */
const LOG = Buffer.from(`${JSON.stringify({ stream: 'stdout', at: 1, text: 'x'.repeat(100_000) })}\n`);

describe('engine/store/export-archive', () => {
  let work: Workspace;
  let file: string;
  beforeEach(() => {
    work = new Workspace();
    file = join(work.root, 'results.tar');
  });
  afterEach(() => work.cleanUp());

  const exportFile = (options: { keys?: readonly ActionKey[]; signal?: AbortSignal; cacheDir?: string } = {}) => {
    const { cacheDir = work.cacheDir, ...rest } = options;
    return exportResults(cacheDir, { file, keyFormat: KEY_FORMAT, signal: SIGNAL, ...rest });
  };
  async function exported(options: Parameters<typeof exportFile>[0] = {}): Promise<ExportReport> {
    return valueOf(await exportFile(options));
  }
  async function imported(cacheDir: string): Promise<void> {
    valueOf(await importResults(cacheDir, { file, keyFormat: KEY_FORMAT, now: Date.now(), signal: SIGNAL }));
  }
  const lastKeys = (): readonly ActionKey[] =>
    Object.values(readLastRun(work.cacheDir, 'shop')!.nodes).flatMap(({ key }) => key ?? []);
  async function publish(name: string, result: Partial<ActionResult> = {}, record: Partial<KeyRecord> = {}) {
    const opened = openLocalStore(work.cacheDir);
    const store = valueOf(opened);
    store.write(digestOf(LOG), LOG);
    await store.publish(keyOf(name), { outputs: {}, durationMs: 1, storedAt: 1, ...result }, { ...RECORD, ...record });
    await store.close();
  }

  it('moves a run to an empty cache, where another run restores everything and writes the same slug', async () => {
    work.pipeline(syntheticPipeline()).write(syntheticApp('salt'));
    const first = await work.run(APP);
    const report = await exported({ keys: lastKeys() });
    expect(report).to.deep.include({ results: Object.keys(first.nodes).length, leftOut: {} });
    const cacheDir = join(work.root, 'second');
    await imported(cacheDir);
    rmSync(work.outDir, { recursive: true });
    const second = await work.run({ ...APP, cacheDir });
    expect(new Set(Object.values(outcomesOf(second)))).to.deep.equal(new Set(['restored']));
    expect(second.slug?.digest).to.equal(first.slug?.digest);
    expect(contentOf(work.outDir)).to.deep.equal(syntheticContent('salt'));
    expect(valueOf(await verifyCache(cacheDir)).problems).to.deep.equal([]);
  });

  it('writes the same bytes again, also from the cache that imported them', async () => {
    work.pipeline(syntheticPipeline()).write(syntheticApp('salt'));
    await work.run(APP);
    await exported();
    const bytes = readFileSync(file);
    await exported();
    expect(readFileSync(file).equals(bytes)).to.equal(true);
    const cacheDir = join(work.root, 'second');
    await imported(cacheDir);
    await exported({ cacheDir });
    expect(readFileSync(file).equals(bytes)).to.equal(true);
  });

  it('changes only what a changed node made, so that a CI cache finds the rest again', async () => {
    work.pipeline(syntheticPipeline()).write(syntheticApp('salt'));
    await work.run(APP);
    await exported({ keys: lastKeys() });
    const list = (): readonly string[] => execFileSync('tar', ['-tf', file], { encoding: 'utf8' }).trim().split('\n');
    const before = list();
    work.pipeline(syntheticPipeline()).write({ 'app.py': 'more()\n' });
    await work.run(APP);
    await exported({ keys: lastKeys() });
    expect(list().filter((name) => before.includes(name)).length).to.be.greaterThan(before.length / 2);
  });

  it('writes an archive that tar lists and extracts: blobs by their hash', async () => {
    work.pipeline(syntheticPipeline()).write(syntheticApp('salt'));
    await work.run(APP);
    const report = await exported();
    const folder = join(work.root, 'extracted');
    mkdirSync(folder);
    execFileSync('tar', ['-xf', file, '-C', folder]);
    const blobs = readdirSync(join(folder, 'blobs/sha256'));
    expect(blobs).to.have.lengthOf(report.blobs);
    for (const name of blobs) {
      expect(hexOf(digestOf(readFileSync(join(folder, 'blobs/sha256', name))))).to.equal(name);
    }
    expect(readdirSync(join(folder, 'results/sha256'))).to.have.lengthOf(report.results);
    const listing = execFileSync('tar', ['--full-time', '-tvf', file], {
      encoding: 'utf8',
      env: { TZ: 'UTC', PATH: process.env['PATH'] },
    });
    for (const line of listing.trim().split('\n')) expect(line).to.match(/^-rw-r--r-- 0\/0 +\d+ 1970-01-01 00:00:00 /);
  });

  it('moves random trees of any size, byte for byte', async function () {
    this.timeout(60_000);
    const content = uint8Array({ maxLength: 200 });
    let round = 0;
    await assert(
      asyncProperty(dictionary(string({ unit: 'binary', minLength: 1, maxLength: 8 }), content), async (files) => {
        const cacheDir = join(work.root, `random-${round++}`);
        const names = Object.keys(files).filter((name) => !/^\.\.?$|[/\0]/.test(name));
        const store = valueOf(openLocalStore(cacheDir));
        const entries = names.map((name): [string, NewEntry] => {
          const bytes = Buffer.from(files[name]!);
          // Some are too large for packs.
          const whole = bytes.length > 150 ? Buffer.concat([bytes, LARGE]) : bytes;
          store.write(digestOf(whole), whole);
          return [`folder/${name}`, { digest: digestOf(whole), executable: bytes.length % 2 === 1 }];
        });
        const tree = buildTree(entries);
        const layer = writeLayer(store, tree.directories, tree.root, []);
        await store.publish(keyOf('one'), { outputs: {}, durationMs: 1, storedAt: 1, layer }, RECORD);
        await store.close();
        expect(await exported({ cacheDir })).to.deep.include({ results: 1, leftOut: {} });
        await imported(`${cacheDir}-copy`);
        const copy = valueOf(openLocalStore(`${cacheDir}-copy`));
        expect((await copy.lookUp(keyOf('one')))?.layer).to.deep.equal(layer);
        await copy.close();
      }),
      { numRuns: 25 },
    );
  });

  it('leaves out what never leaves the machine, and says why', async () => {
    await publish('fine');
    await publish('app', { appId: 'shop' });
    await publish('scope', {}, { scope: 'shop' });
    await publish('degraded', { degraded: { reason: 'x', host: 'h', expiresAt: 1 } });
    await publish('secrets', {}, { secrets: { TOKEN: { label: '', isSet: false } } });
    await publish('variables', {}, { env: { A: `sha256:${hexOf(digestOf('A=1'))}` } });
    await publish('old', {}, { format: KEY_FORMAT - 1 });
    await publish('strange', {}, { kind: undefined as never });
    await publish('stranger', {}, { secrets: undefined as never });
    expect(await exported()).to.deep.include({
      results: 1,
      leftOut: { app: 2, degraded: 1, secrets: 1, variables: 1, unusable: 3 },
    });
    expect(await exported({ keys: [keyOf('fine'), keyOf('gone'), keyOf('fine')] })).to.deep.include({
      results: 1,
      leftOut: { missing: 1 },
    });
  });

  it('exports the result for all apps if one app has its own under the same key', async () => {
    await publish('one');
    await publish('one', { appId: 'shop', outputs: { own: true } });
    expect(await exported()).to.deep.include({ results: 1, leftOut: {} });
    expect(readFileSync(file).includes('own')).to.equal(false);
  });

  it('exports the results of all builders', async () => {
    await publish('one', { builder: 'name:a' });
    await publish('one', { builder: 'name:b' });
    await publish('one', { builder: 'name:b', outputs: { newer: true } });
    await publish('one', { appId: 'shop', builder: 'name:c' });
    expect(await exported()).to.deep.include({ results: 2, leftOut: {} });
    await imported(join(work.root, 'second'));
    const store = valueOf(openLocalStore(join(work.root, 'second')));
    expect((await store.lookUp(keyOf('one'), { builder: () => 'name:b' }))?.outputs).to.deep.equal({ newer: true });
    await store.close();
    const bytes = readFileSync(file);
    await exported({ cacheDir: join(work.root, 'second') });
    expect(readFileSync(file).equals(bytes)).to.equal(true);
  });

  it('holds no secret, no variable of the app and no name of the machine', async () => {
    work.write({ 'app.txt': 'app\n' }).pipeline(`pyflow: 1
nodes:
  plain:
    uses: command
    with: { argv: [sh, -c, "echo plain > plain"], writes: [plain] }
  secret:
    uses: command
    secrets: [CANARY_TOKEN]
    with: { argv: [sh, -c, 'printf %s "$CANARY_TOKEN" | sha256sum > secret'], writes: [secret] }
  unset:
    uses: command
    secrets: [NOT_SET]
    with: { argv: [sh, -c, 'echo > unset'], writes: [unset] }
  variable:
    uses: command
    with: { argv: [sh, -c, 'echo "$CANARY_NAME" > variable'], appEnv: [CANARY_NAME], writes: [variable] }
  absent:
    uses: command
    with: { argv: [sh, -c, 'echo > absent'], appEnv: [NOT_SET], writes: [absent] }
`);
    const values = ['canary-secret-5261', 'canary variable 3817'];
    const envDir = work.envDir({ CANARY_TOKEN: values[0]!, CANARY_NAME: values[1]! });
    await work.run({ ...APP, envDir });
    expect(await exported({ keys: lastKeys() })).to.deep.include({
      results: 2,
      leftOut: { app: 1, secrets: 1, variables: 1 },
    });
    const canary = new Canary([...values, hexOf(digestOf(`CANARY_NAME=${values[1]}`))]);
    expect(canary.isIn(readFileSync(file))).to.equal(false);
    expect(canary.isIn(Buffer.from(`...${values[1]}...`))).to.equal(true);
    const bytes = readFileSync(file);
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    for (const own of [boot, work.root, String(process.pid)]) expect(bytes.includes(`"${own}`), own).to.equal(false);
  });

  it('leaves out a result that lost a blob', async () => {
    await publish('one', { log: digestOf(LOG) });
    rmSync(listCache(work.cacheDir).largeBlobs[0]!.path);
    expect(await exported()).to.deep.include({ results: 0, leftOut: { missing: 1 } });
  });

  it('fails if a blob is damaged after it was checked, and writes no file', async () => {
    await publish('one', { log: digestOf(LOG) });
    const done = await withChangedFs(
      ({ openSync }) => ({
        openSync: (...args: Parameters<typeof openSync>) => {
          const [large] = listCache(work.cacheDir).largeBlobs;
          if (String(args[0]).endsWith('.tmp') && large !== undefined) rmSync(large.path);
          return openSync(...args);
        },
      }),
      () => exportFile(),
    );
    expect(failureOf(done).code).to.equal('cache::export-lost');
    expect(readdirSync(work.root)).not.to.include('results.tar');
  });

  it('exports what it found, also if another run stores a newer result meanwhile', async () => {
    await publish('one', { outputs: { from: 'the first run' } });
    const opened = valueOf(openLocalStore(work.cacheDir));
    let published = 0;
    const done = await withChangedFs(
      ({ openSync }) => ({
        openSync: (...args: Parameters<typeof openSync>) => {
          if (String(args[0]).endsWith('.tmp') && published++ === 0)
            void opened.publish(keyOf('one'), { outputs: {}, durationMs: 1, storedAt: 2 }, RECORD);
          return openSync(...args);
        },
      }),
      () => exportFile(),
    );
    await opened.close();
    expect(valueOf(done)).to.deep.include({ results: 1, leftOut: {} });
    expect(published).to.be.greaterThan(0);
    const second = join(work.root, 'second');
    await imported(second);
    const store = valueOf(openLocalStore(second, { readOnly: true }));
    expect((await store.lookUp(keyOf('one')))?.outputs).to.deep.equal({ from: 'the first run' });
    await store.close();
  });

  it('is not stopped by what a killed process with the same number left', async () => {
    await publish('one');
    writeFileSync(`${file}.${process.pid}.tmp`, '');
    expect(await exported()).to.deep.include({ results: 1 });
  });

  it('keeps an older file if it can not write, and leaves nothing beside it', async () => {
    await publish('one', { log: digestOf(LOG) });
    writeFileSync(file, 'older');
    const full = await withChangedFs(
      ({ writeSync }) => ({
        writeSync: (...args: Parameters<typeof writeSync>) => {
          if (args[1].length > 1000) throw systemError('ENOSPC');
          return writeSync(...args);
        },
      }),
      () => exportFile(),
    );
    expect(failureOf(full).code).to.equal('cache::export-cannot-write');
    const aborted = await exportFile({ signal: AbortSignal.abort() });
    expect(failureOf(aborted).code).to.equal('run::aborted');
    expect(readFileSync(file, 'utf8')).to.equal('older');
    expect(readdirSync(work.root).filter((name) => name.includes('.tmp'))).to.deep.equal([]);
  });

  it('fails if the folder of the file is missing', async () => {
    file = join(work.root, 'missing/results.tar');
    expect(failureOf(await exportFile()).code).to.equal('cache::export-cannot-write');
  });
});

function valueOf<T>(result: Result<T, Failure>): T {
  if (!result.ok) throw new Error(`${result.failure.code}: ${result.failure.detail}`);
  return result.value;
}

function failureOf(result: Result<unknown, Failure>): Failure {
  if (result.ok) throw new Error('did not fail');
  return result.failure;
}
