import { fork } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import type fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { digestOf, hexOf, type ActionKey } from '../../../src/engine/files/digest.js';
import { loadLayer } from '../../../src/engine/trees/layers.js';
import { openLocalStore, type LocalStore, type LocalStoreOptions } from '../../../src/engine/store/local-store.js';
import { captureDifference, EMPTY_RECORD, materializeTree } from '../../../src/engine/trees/output-tree.js';
import { modeOfFile, type Permissions } from '../../../src/engine/files/modes.js';
import { FIXED_MTIME_S, type FileForm } from '../../../src/engine/files/new-files.js';
import { clearCache, listResults, showResults, verifyCache } from '../../../src/engine/store/care.js';
import type { ActionResult, KeyRecord } from '../../../src/engine/store/store.js';
import type { DirectoryTable } from '../../../src/engine/trees/tree.js';
import { FailureError } from '../../../src/engine/failure.js';
import { systemError, withChangedFs } from '../../support/changed-fs.js';

const fixedForm = (file: Permissions): FileForm => ({ mode: modeOfFile(file), mtimeS: FIXED_MTIME_S });
const keyOf = (text: string): ActionKey => digestOf(text) as ActionKey;
const record: KeyRecord = {
  format: 1,
  kind: 'command',
  revision: 1,
  config: {},
  values: {},
  facts: null,
  env: {},
  secrets: {},
  platform: {},
  files: { 'requirements.txt': 'abc' },
  exists: {},
  trees: {},
  tools: {},
  scope: '',
};
const HOUR = 3600 * 1000;
const LARGE = Buffer.alloc(100_000, 'large blob ');

describe('engine/store/local-store', () => {
  let root: string;
  let cache: string;
  let warnings: string[];
  let opened: LocalStore[];
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pyflow-test-'));
    cache = join(root, 'cache');
    warnings = [];
    opened = [];
  });
  afterEach(async () => {
    for (const store of opened) await store.close();
    rmSync(root, { recursive: true, force: true });
  });

  function open(options: LocalStoreOptions = {}): LocalStore {
    const store = openLocalStore(cache, { onWarning: (code) => warnings.push(code), ...options });
    if (!store.ok) throw new Error(store.failure.detail);
    opened.push(store.value);
    return store.value;
  }
  const filesBelow = (folder: string): string[] =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .sort();

  /** Stores an app folder as the result of a key. */
  async function store(
    into: LocalStore,
    name: string,
    files: Readonly<Record<string, string | Buffer>>,
  ): Promise<ActionResult> {
    const folder = mkdtempSync(join(root, 'made-'));
    for (const [path, content] of Object.entries(files)) writeFileSync(join(folder, path), content);
    const changeset = await captureDifference(into, folder, EMPTY_RECORD);
    if (!changeset.ok) throw new Error(changeset.failure.detail);
    const log = Buffer.from(`{"text":"log of ${name}"}\n`);
    into.write(digestOf(log), log);
    const { layer } = changeset.value;
    const result: ActionResult = { outputs: { name }, layer, log: digestOf(log), durationMs: 5, storedAt: 1000 };
    await into.publish(keyOf(name), result, record);
    return result;
  }
  /** The files of a result; undefined if it is a miss or a blob is missing. */
  async function serve(from: LocalStore, name: string): Promise<Record<string, Buffer> | undefined> {
    const result = await from.lookUp(keyOf(name));
    if (result === undefined) return undefined;
    expect(result.outputs).to.deep.equal({ name });
    const table: DirectoryTable = new Map();
    const layer = result.layer!;
    if (!(await loadLayer(from, layer, table))) return undefined;
    const log = await from.read(result.log!);
    if (log !== undefined) expect(log.toString()).to.equal(`{"text":"log of ${name}"}\n`);
    const folder = join(mkdtempSync(join(root, 'served-')), 'app');
    const made = await materializeTree(from, table, layer.root, folder);
    return made.ok
      ? Object.fromEntries(readdirSync(folder).map((file) => [file, readFileSync(join(folder, file))]))
      : undefined;
  }
  const FILES = { small: Buffer.from('a small file'), large: LARGE, empty: Buffer.alloc(0) };

  it('keeps results apart that have the same key but belong to different apps', async () => {
    const first = open();
    const shared = await store(first, 'x', FILES);
    for (const appId of ['a', 'b']) await first.publish(keyOf('x'), { ...shared, appId }, record);
    await first.close();
    const second = open();
    expect(await second.lookUp(keyOf('x'))).to.deep.equal(shared);
    expect(await second.lookUp(keyOf('x'), { appId: 'c' })).to.deep.equal(shared);
    expect(await second.lookUp(keyOf('x'), { appId: 'a' })).to.deep.equal({ ...shared, appId: 'a' });
    expect(await second.lookUp(keyOf('x'), { appId: 'b' })).to.deep.equal({ ...shared, appId: 'b' });
  });

  it('keeps results apart that have the same key but belong to different builders', async () => {
    const first = open();
    const shared = await store(first, 'x', FILES);
    for (const builder of ['a', 'b']) await first.publish(keyOf('x'), { ...shared, builder, appId: 'shop' }, record);
    const lookUp = async (appId: string, builder?: string) =>
      first.lookUp(keyOf('x'), { appId, ...(builder !== undefined && { builder: () => builder }) });
    for (const builder of ['a', 'b']) {
      expect(await lookUp('shop', builder)).to.deep.equal({ ...shared, builder, appId: 'shop' });
      expect(await lookUp('other', builder)).to.deep.equal(shared);
    }
    expect(await lookUp('shop', 'c')).to.deep.equal(shared);
    expect(await lookUp('shop')).to.deep.equal(shared);
  });

  it('asks for the builder only if a result belongs to one', async () => {
    const first = open();
    await store(first, 'x', FILES);
    const builder = (): string => expect.fail('nothing depends on it');
    expect(await first.lookUp(keyOf('x'), { builder })).not.to.equal(undefined);
  });

  it('returns what it stored, in the same run and in a later one', async () => {
    const first = open();
    const result = await store(first, 'x', FILES);
    expect(await first.lookUp(keyOf('x'))).to.deep.equal(result);
    expect(await serve(first, 'x')).to.deep.equal(FILES);
    await first.close();
    const second = open();
    expect(await second.lookUp(keyOf('x'))).to.deep.equal(result);
    expect(await second.record(keyOf('x'))).to.deep.equal(record);
    expect(await serve(second, 'x')).to.deep.equal(FILES);
    expect(await second.lookUp(keyOf('y'))).to.equal(undefined);
    expect(warnings).to.deep.equal([]);
  });

  it('keeps small blobs in one pack and large ones in separate files', async () => {
    const first = open();
    for (let i = 0; i < 20; i++) await store(first, `n${i}`, { file: `content ${i}` });
    await store(first, 'big', FILES);
    await first.close();
    expect(filesBelow(join(cache, 'packs'))).to.have.length(2);
    expect(filesBelow(join(cache, 'cas')).map((path) => path.split('/').at(-1))).to.include(hexOf(digestOf(LARGE)));
    expect(filesBelow(join(cache, 'cas'))).to.have.length(2);
    expect(filesBelow(cache).filter((path) => path.endsWith('.tmp'))).to.deep.equal([]);
  });

  it('writes nothing twice', async () => {
    const first = open();
    await store(first, 'x', FILES);
    await first.close();
    const second = open();
    const folder = mkdtempSync(join(root, 'again-'));
    for (const [name, bytes] of Object.entries(FILES)) writeFileSync(join(folder, name), bytes);
    await captureDifference(second, folder, EMPTY_RECORD);
    expect(second.bytesWritten).to.equal(0);
  });

  it('shows published results to other open stores while the pack is still open', async () => {
    const [writer, reader] = [open(), open()];
    expect(await serve(reader, 'x')).to.equal(undefined);
    await store(writer, 'x', FILES);
    expect(await serve(reader, 'x')).to.deep.equal(FILES);
    await store(writer, 'y', { other: 'text' });
    expect(await serve(reader, 'y')).to.deep.equal({ other: Buffer.from('text') });
  });

  it('finds everything of a run that was killed', async function () {
    this.timeout(20_000);
    const script = join(root, 'killed.mts');
    const module = (name: string): string => new URL(`../../../src/engine/${name}`, import.meta.url).href;
    writeFileSync(
      script,
      `import { openLocalStore } from '${module('store/local-store.ts')}';
       import { digestOf } from '${module('files/digest.ts')}';
       const { value: store } = openLocalStore(process.argv[2]);
       for (let i = 0; i < 50; i++) {
         const bytes = Buffer.from('blob ' + i);
         store.write(digestOf(bytes), bytes);
         await store.publish(digestOf('key ' + i), { outputs: { i }, log: digestOf(bytes), durationMs: 1, storedAt: 1 }, { kind: 'k' });
       }
       store.write(digestOf('never flushed'), Buffer.from('never flushed'));
       process.kill(process.pid, 'SIGKILL');`,
    );
    const child = fork(script, [cache], { execArgv: ['--import', 'tsx'] });
    const signal = await new Promise((resolve) => child.once('exit', (_, name) => resolve(name)));
    expect(signal).to.equal('SIGKILL');
    // A record that was truncated in the middle of a write.
    const [pack] = filesBelow(join(cache, 'packs'));
    appendFileSync(pack!, readFileSync(pack!).subarray(128, 150));
    const [results] = filesBelow(join(cache, 'ac'));
    appendFileSync(results!, readFileSync(results!).subarray(128, 600));
    const later = open();
    for (let i = 0; i < 50; i++) {
      const result = await later.lookUp(keyOf(`key ${i}`));
      expect(result?.outputs).to.deep.equal({ i });
      expect((await later.read(result!.log!))?.toString()).to.equal(`blob ${i}`);
    }
    expect(later.has(digestOf('never flushed'))).to.equal(false);
    expect(warnings).to.deep.equal([]);
  });

  it('never serves wrong data, whichever byte of the cache is flipped or cut off', async function () {
    this.timeout(60_000);
    const first = open();
    await store(first, 'x', FILES);
    await first.close();
    const pristine = new Map(filesBelow(cache).map((path) => [path, readFileSync(path)]));
    const restore = (): void => {
      for (const path of filesBelow(cache)) if (!pristine.has(path)) rmSync(path);
      for (const [path, bytes] of pristine) {
        rmSync(path, { force: true });
        writeFileSync(path, bytes);
      }
    };
    let misses = 0;
    const attempt = async (path: string, damage: (file: string) => void): Promise<void> => {
      damage(path);
      const found = open();
      const served = await serve(found, 'x');
      if (served === undefined) misses++;
      else expect(served, path).to.deep.equal(FILES);
      await found.close();
      restore();
    };
    for (const path of pristine.keys()) {
      const { size } = statSync(path);
      const step = Math.max(1, Math.floor(size / 60));
      for (let at = 0; at < size; at += step) {
        await attempt(path, (file) => {
          const bytes = readFileSync(file);
          bytes[at]! ^= 1 << (at % 8);
          writeFileSync(file, bytes);
        });
        if (at % (4 * step) === 0) await attempt(path, (file) => truncateSync(file, at));
      }
      await attempt(path, (file) => appendFileSync(file, 'x'));
      await attempt(path, (file) => rmSync(file));
    }
    expect(misses).to.be.greaterThan(100);
  });

  it('checks what it reads from packs that it keeps in memory', async () => {
    const first = open();
    for (let i = 0; i < 60; i++) await store(first, `n${i}`, { file: `content ${i}` });
    await first.close();
    for (const path of filesBelow(cache).filter((file) => file.endsWith('.pack'))) {
      const bytes = readFileSync(path);
      const at = bytes.indexOf(path.includes('/ac/') ? '"n40"' : 'content 50');
      bytes[at]! ^= 1;
      writeFileSync(path, bytes);
    }
    const second = open();
    for (let i = 0; i < 60; i++) {
      const served = await serve(second, `n${i}`);
      expect(served?.['file']?.toString(), `n${i}`).to.equal(i === 40 || i === 50 ? undefined : `content ${i}`);
    }
  });

  it('notices a changed large blob with the same size and mtime, in the same boot', async () => {
    const first = open();
    await store(first, 'x', FILES);
    await first.close();
    const path = join(cache, 'cas', hexOf(digestOf(LARGE)).slice(0, 2), hexOf(digestOf(LARGE)));
    const { atime, mtime } = statSync(path);
    const bytes = Buffer.from(LARGE);
    bytes[77_777]! ^= 4;
    chmodSync(path, 0o644);
    writeFileSync(path, bytes);
    utimesSync(path, atime, mtime);
    const second = open();
    expect(await serve(second, 'x')).to.equal(undefined);
    expect(warnings).to.deep.equal(['cache::damaged']);
    expect(existsSync(path)).to.equal(false);
    await store(second, 'x', FILES);
    expect(await serve(second, 'x')).to.deep.equal(FILES);
  });

  it('replaces a damaged blob when the same bytes are stored again', async () => {
    const first = open();
    await store(first, 'x', FILES);
    await first.close();
    for (const path of filesBelow(cache)) {
      if (!/\.pack$|\/[0-9a-f]{64}$/.test(path) || path.includes('/ac/')) continue;
      const bytes = readFileSync(path);
      for (let i = 48; i < bytes.length; i += 20) bytes[i]! ^= 1;
      chmodSync(path, 0o644);
      writeFileSync(path, bytes);
    }
    const second = open();
    await store(second, 'y', FILES);
    expect(await serve(second, 'y')).to.deep.equal(FILES);
  });

  it('rejects a result stored under another key', async () => {
    const first = open();
    await store(first, 'x', FILES);
    await first.close();
    // Changed in the record and in the index, whose checksum then shows it.
    for (const path of filesBelow(join(cache, 'ac'))) {
      const bytes = readFileSync(path);
      const at = bytes.indexOf(Buffer.from(keyOf('x').slice(0, 64), 'hex'));
      expect(at).to.be.greaterThan(0);
      bytes.write(keyOf('y').slice(0, 64), at, 'hex');
      writeFileSync(path, bytes);
    }
    const second = open();
    expect(await second.lookUp(keyOf('x'))).to.equal(undefined);
    expect(await second.lookUp(keyOf('y'))).to.equal(undefined);
  });

  it('hashes the blobs of a result once after another boot, then seals it', async () => {
    const first = open({ bootId: 'boot 1' });
    await store(first, 'x', FILES);
    await first.close();
    const second = open({ bootId: 'boot 2' });
    expect(await serve(second, 'x')).to.deep.equal(FILES);
    expect(second.inspect(keyOf('x'))).to.include({ boot: 'boot 1', sealed: true });
    await second.close();
    const third = open({ bootId: 'boot 3' });
    expect(await serve(third, 'x')).to.deep.equal(FILES);
  });

  it('drops a result whose blobs were lost in a crash of the machine', async () => {
    const first = open({ bootId: 'boot 1' });
    await store(first, 'x', FILES);
    await first.close();
    const [pack] = filesBelow(join(cache, 'packs')).filter((path) => path.endsWith('.pack'));
    truncateSync(pack!, statSync(pack!).size - 100);
    const second = open({ bootId: 'boot 2' });
    expect(await second.lookUp(keyOf('x'))).to.equal(undefined);
    expect(warnings).to.deep.equal(['cache::damaged']);
    expect(second.inspect(keyOf('x'))).to.equal(undefined);
  });

  it('serves the result of all apps if a crash has lost that of one app', async () => {
    const first = open({ bootId: 'boot 1' });
    await store(first, 'x', FILES);
    const lost = { outputs: {}, durationMs: 1, storedAt: 1, appId: 'shop', log: digestOf(Buffer.from('lost')) };
    await first.publish(keyOf('x'), lost, record);
    expect(await first.lookUp(keyOf('x'), { appId: 'shop' })).to.have.property('appId');
    await first.close();
    const second = open({ bootId: 'boot 2' });
    const found = await second.lookUp(keyOf('x'), { appId: 'shop' });
    expect(found).to.not.equal(undefined);
    expect(found).to.not.have.property('appId');
    expect(warnings).to.deep.equal(['cache::damaged']);
    expect(await serve(second, 'x')).to.deep.equal(FILES);
  });

  it('notices a large blob that a crash filled with zeros, even if its stat tuple is in the ledger', async () => {
    const first = open({ bootId: 'boot 1' });
    await store(first, 'x', FILES);
    await first.close();
    const path = join(cache, 'cas', hexOf(digestOf(LARGE)).slice(0, 2), hexOf(digestOf(LARGE)));
    chmodSync(path, 0o644);
    writeFileSync(path, Buffer.alloc(LARGE.length));
    // The crash lost the bytes but not the inode: put the tuple of the zeroed file into the ledger, as of the first
    // boot.
    const { TrustLedger } = await import('../../../src/engine/store/trust.js');
    const ledger = new TrustLedger(join(cache, 'cas/trust'), 'boot 1', false);
    ledger.trust(hexOf(digestOf(LARGE)), statSync(path, { bigint: true }));
    ledger.close();
    expect(await serve(open({ bootId: 'boot 2' }), 'x')).to.equal(undefined);
  });

  it('limits a fallback result to its host and its maximum age', async () => {
    let now = 1000;
    const clock = { now: () => now };
    const first = open({ clock, hostId: 'here' });
    const degraded = { reason: 'fallback', host: 'here', expiresAt: 5000 };
    await first.publish(keyOf('x'), { outputs: {}, durationMs: 1, storedAt: 1, degraded }, record);
    expect(await first.lookUp(keyOf('x'))).to.have.property('degraded');
    expect(await open({ clock, hostId: 'there' }).lookUp(keyOf('x'))).to.equal(undefined);
    now = 5000;
    expect(await first.lookUp(keyOf('x'))).to.equal(undefined);
  });

  it('marks a result as used, at most once a day', async () => {
    const published = Date.now() - 100 * HOUR;
    let now = published;
    const later = async (hours: number): Promise<number | undefined> => {
      now = published + hours * HOUR;
      const again = open({ clock: { now: () => now } });
      await again.lookUp(keyOf('x'));
      await again.close();
      const list = await listResults(cache);
      return list.ok ? (list.value.results[0]!.usedAt - published) / HOUR : undefined;
    };
    const first = open({ clock: { now: () => now } });
    await store(first, 'x', FILES);
    await first.close();
    expect(await later(20)).to.equal(0);
    expect(await later(30)).to.equal(30);
    expect(await later(40)).to.equal(30);
    expect(await later(60)).to.equal(60);
  });

  it('keeps recording uses after a truncated record', async () => {
    const published = Date.now() - 100 * HOUR;
    const first = open({ clock: { now: () => published } });
    await store(first, 'x', FILES);
    await first.close();
    writeFileSync(join(cache, 'ac/used'), Buffer.alloc(33, 'x'));
    const second = open({ clock: { now: () => published + 50 * HOUR } });
    await second.lookUp(keyOf('x'));
    await second.close();
    const list = await listResults(cache);
    expect(list.ok && list.value.results[0]!.usedAt).to.equal(published + 50 * HOUR);
  });

  it('serves what was published last, whatever the clock says, also to another open store', async () => {
    let now = 5000;
    const [writer, reader] = [open({ clock: { now: () => now } }), open()];
    await writer.publish(keyOf('x'), { outputs: { n: 1 }, durationMs: 1, storedAt: 1 }, record);
    expect((await reader.lookUp(keyOf('x')))?.outputs).to.deep.equal({ n: 1 });
    now = 3000;
    await writer.publish(keyOf('x'), { outputs: { n: 2 }, durationMs: 1, storedAt: 1 }, record);
    for (const store of [writer, reader, open()]) {
      expect((await store.lookUp(keyOf('x')))?.outputs).to.deep.equal({ n: 2 });
    }
    expect(filesBelow(join(cache, 'ac'))).to.have.length(1);
    const list = await listResults(cache);
    expect(list.ok && list.value.results).to.have.length(1);
  });

  it('finds results of all sizes', async () => {
    const first = open();
    for (const size of [10, 100_000, 3_000_000]) {
      const result = { outputs: { text: 'x'.repeat(size) }, durationMs: 1, storedAt: 1 };
      await first.publish(keyOf(`${size}`), result, record);
      expect(await first.lookUp(keyOf(`${size}`))).to.deep.equal(result);
      expect(await open().lookUp(keyOf(`${size}`))).to.deep.equal(result);
    }
  });

  it('works with any part of the cache removed', async () => {
    for (const part of ['ac', 'cas', 'packs', 'cas/trust']) {
      const first = open();
      await store(first, 'x', FILES);
      await first.close();
      rmSync(join(cache, part), { recursive: true });
      const second = open();
      const served = await serve(second, 'x');
      expect(served === undefined || part === 'cas/trust', part).to.equal(true);
      await store(second, 'x', FILES);
      expect(await serve(second, 'x'), part).to.deep.equal(FILES);
      await second.close();
      rmSync(cache, { recursive: true });
    }
  });

  it("serves from a cache that it can't write to, without failing the run", async () => {
    const first = open();
    await store(first, 'x', FILES);
    await first.close();
    const before = filesBelow(cache).map((path) => [path, statSync(path).mtimeMs]);
    const second = open({ readOnly: true });
    expect(await serve(second, 'x')).to.deep.equal(FILES);
    const text = Buffer.from('of this run');
    second.write(digestOf(text), text);
    expect(await second.writeFile(await fileWith(LARGE.subarray(1)))).to.equal(digestOf(LARGE.subarray(1)));
    expect((await second.read(digestOf(text)))?.toString()).to.equal('of this run');
    expect(
      await second.materialize(digestOf(LARGE.subarray(1)), join(root, 'out'), fixedForm({ executable: false })),
    ).to.equal(true);
    await second.publish(keyOf('y'), { outputs: {}, durationMs: 1, storedAt: 1 }, record);
    expect(await second.lookUp(keyOf('y'))).to.equal(undefined);
    const privateFolders = (): string[] =>
      ['/dev/shm', tmpdir()]
        .flatMap((parent) => (existsSync(parent) ? readdirSync(parent) : []))
        .filter((name) => name.includes(second.runId));
    expect(privateFolders()).to.have.length(1);
    await second.close();
    expect(privateFolders()).to.deep.equal([]);
    expect(filesBelow(cache).map((path) => [path, statSync(path).mtimeMs])).to.deep.equal(before);
  });

  async function fileWith(bytes: Uint8Array): Promise<string> {
    const path = join(mkdtempSync(join(root, 'file-')), 'file');
    writeFileSync(path, bytes);
    return path;
  }

  it('continues without storing when the cache is full, and warns once', async () => {
    const first = open();
    first.write(digestOf('pending'), Buffer.from('pending'));
    // A file instead of a folder makes the same operations fail as a full disk.
    rmSync(join(cache, 'cas'), { recursive: true, force: true });
    writeFileSync(join(cache, 'cas'), '');
    await first.writeFile(await fileWith(LARGE));
    await first.writeFile(await fileWith(Buffer.alloc(2_000_000)));
    for (const text of ['pending', 'later']) {
      first.write(digestOf(text), Buffer.from(text));
      expect((await first.read(digestOf(text)))?.toString()).to.equal(text);
    }
    expect(await first.materialize(digestOf(LARGE), join(root, 'out'), fixedForm({ executable: true }))).to.equal(true);
    expect(readFileSync(join(root, 'out')).equals(LARGE)).to.equal(true);
    await first.publish(keyOf('x'), { outputs: {}, durationMs: 1, storedAt: 1 }, record);
    expect(warnings).to.deep.equal(['cache::not-stored']);
    expect(await open().lookUp(keyOf('x'))).to.equal(undefined);
  });

  it('reports an unreadable source instead of blaming the cache', async () => {
    const first = open();
    const error = await first.writeFile(join(root, 'nowhere')).catch((reason: NodeJS.ErrnoException) => reason.code);
    expect(error).to.equal('ENOENT');
    expect(warnings).to.deep.equal([]);
  });

  it('rejects a cache directory that is a file', () => {
    writeFileSync(cache, '');
    const result = openLocalStore(cache);
    expect(result.ok ? undefined : result.failure).to.include({ code: 'cache::unusable', blame: 'environment' });
  });

  it('materializes blobs of any size with mode and mtime, and leaves no file if the blob is missing', async () => {
    const first = open();
    for (const size of [0, 1, 65_535, 65_536, 1_048_576, 3_000_000]) {
      const bytes = Buffer.alloc(size, 'pyflow');
      const digest = await first.writeFile(await fileWith(bytes));
      const target = join(root, `out-${size}`);
      expect(await first.materialize(digest, target, fixedForm({ executable: size % 2 === 1 }))).to.equal(true);
      expect(readFileSync(target).equals(bytes)).to.equal(true);
      expect(statSync(target).mode & 0o777).to.equal(size % 2 === 1 ? 0o755 : 0o644);
      expect(statSync(target).mtimeMs).to.equal(Date.UTC(1980, 0, 2));
    }
    for (const bytes of [Buffer.from('missing'), Buffer.alloc(70_000)]) {
      expect(await first.materialize(digestOf(bytes), join(root, 'none'), fixedForm({ executable: false }))).to.equal(
        false,
      );
      expect(existsSync(join(root, 'none'))).to.equal(false);
    }
  });

  it('verifies all content, removes what is damaged and keeps the rest', async () => {
    const first = open();
    await store(first, 'x', FILES);
    await store(first, 'y', { small: 'only in y' });
    await store(first, 'z', { small: 'only in z' });
    await first.close();
    const clean = await verifyCache(cache);
    expect(clean.ok && [clean.value.results, clean.value.problems]).to.deep.equal([3, []]);
    const [pack] = filesBelow(join(cache, 'packs')).filter((path) => path.endsWith('.pack'));
    const bytes = readFileSync(pack!);
    bytes[bytes.indexOf('only in y')]! ^= 1;
    writeFileSync(pack!, bytes);
    const large = join(cache, 'cas', hexOf(digestOf(LARGE)).slice(0, 2), hexOf(digestOf(LARGE)));
    chmodSync(large, 0o644);
    writeFileSync(large, Buffer.alloc(LARGE.length));
    const report = await verifyCache(cache);
    expect(report.ok && report.value.problems.map(({ what }) => what).sort()).to.deep.equal([
      'blob',
      'blob',
      'incomplete-result',
      'incomplete-result',
    ]);
    const second = open();
    expect(await second.lookUp(keyOf('x'))).to.equal(undefined);
    expect(await second.lookUp(keyOf('y'))).to.equal(undefined);
    expect(await serve(second, 'z')).to.deep.equal({ small: Buffer.from('only in z') });
    await second.close();
    const again = await verifyCache(cache);
    expect(again.ok && again.value.problems).to.deep.equal([]);
    expect(warnings).to.deep.equal([]);
  });

  it('lists and shows results', async () => {
    const first = open();
    await store(first, 'x', FILES);
    await first.close();
    const list = await listResults(cache);
    expect(list.ok && list.value.results).to.have.length(1);
    expect(list.ok && list.value.results[0]).to.include({ key: keyOf('x'), kind: 'command', files: 3, durationMs: 5 });
    const shown = await showResults(cache, keyOf('x').slice(0, 8));
    expect(shown.ok && shown.value[0]?.record).to.deep.equal(record);
    expect(shown.ok && shown.value[0]?.stored.result.outputs).to.deep.equal({ name: 'x' });
    const none = await showResults(cache, 'ffff');
    expect(none.ok && none.value).to.deep.equal([]);
  });

  it('clears its own files and those that the caller names', async () => {
    const first = open();
    await store(first, 'x', FILES);
    await first.close();
    for (const name of ['runs', 'downloads']) {
      mkdirSync(join(cache, name));
      writeFileSync(join(cache, name, 'file'), 'x');
    }
    expect((await clearCache(cache, { also: ['downloads'] })).bytes).to.be.greaterThan(LARGE.length);
    expect(readdirSync(cache)).to.deep.equal(['CACHEDIR.TAG', 'runs']);
    const second = open();
    expect(await second.lookUp(keyOf('x'))).to.equal(undefined);
    await store(second, 'x', FILES);
    expect(await serve(second, 'x')).to.deep.equal(FILES);
  });

  describe("a cache that can't be used as usual", () => {
    const full = () => ({
      writeSync: () => {
        throw systemError('ENOSPC');
      },
    });
    const failureOf = async (work: () => Promise<unknown>): Promise<string | undefined> => {
      try {
        await work();
        return undefined;
      } catch (error) {
        return error instanceof FailureError ? error.failure.code : String(error);
      }
    };

    it('is only read if its file system is read-only, with one warning', async () => {
      await store(open(), 'x', FILES);
      const readOnly = await withChangedFs(
        () => ({
          accessSync: () => {
            throw systemError('EROFS');
          },
        }),
        () => open(),
      );
      expect([readOnly.readOnly, warnings]).to.deep.equal([true, ['cache::read-only']]);
      expect(await serve(readOnly, 'x')).to.deep.equal(FILES);
    });

    it('is rejected if it is a file, even for reading', () => {
      writeFileSync(cache, '');
      const result = openLocalStore(cache, { readOnly: true });
      expect(result.ok ? undefined : result.failure.code).to.equal('cache::unusable');
    });

    it("is rejected if it can't be created because of a disk error", async () => {
      const result = await withChangedFs(
        () => ({
          mkdirSync: () => {
            throw systemError('EIO');
          },
        }),
        () => openLocalStore(cache),
      );
      expect(result.ok ? undefined : result.failure.code).to.equal('cache::unusable');
    });

    it('works without a listener for its warnings', async () => {
      await store(open(), 'x', FILES);
      const path = join(cache, 'cas', hexOf(digestOf(LARGE)).slice(0, 2), hexOf(digestOf(LARGE)));
      truncateSync(path, 10);
      const silent = openLocalStore(cache);
      if (!silent.ok) throw new Error(silent.failure.detail);
      opened.push(silent.value);
      expect(silent.value.has(digestOf(LARGE))).to.equal(false);
    });

    it('warns once of the same damage', async () => {
      const first = open();
      for (let count = 0; count < 2; count++) {
        await store(first, 'x', FILES);
        truncateSync(join(cache, 'cas', hexOf(digestOf(LARGE)).slice(0, 2), hexOf(digestOf(LARGE))), 10);
        expect(first.has(digestOf(LARGE))).to.equal(false);
      }
      expect(warnings).to.deep.equal(['cache::damaged']);
    });

    it('is replaced by a private folder once it is full', async () => {
      for (const fill of [
        (into: LocalStore) => into.write(digestOf(LARGE), LARGE),
        (into: LocalStore) => {
          into.write(digestOf('small'), Buffer.from('small'));
          into.flush();
        },
      ]) {
        warnings = [];
        const into = open();
        // The first write is to the cache; what follows is to the private folder.
        let calls = 0;
        await withChangedFs(
          ({ writeSync }) => ({
            writeSync: (fd: number, bytes: Uint8Array, at: number) => {
              if (calls++ === 0) throw systemError('ENOSPC');
              return writeSync(fd, bytes, at);
            },
          }),
          () => fill(into),
        );
        expect(warnings).to.deep.equal(['cache::not-stored']);
        await into.publish(keyOf('x'), { outputs: {}, durationMs: 1, storedAt: 1 }, record);
        expect(await into.lookUp(keyOf('x'))).to.equal(undefined);
        const digest = into.has(digestOf('small')) ? digestOf('small') : digestOf(LARGE);
        expect(await into.check(digest)).to.equal(true);
        expect(await into.read(digest)).not.to.equal(undefined);
        into.flush();
        await into.close();
        expect(open().has(digest)).to.equal(false);
      }
    });

    it('fails the run if there is no room elsewhere either', async () => {
      const huge = await fileWith(Buffer.alloc(3_000_000));
      // Small files, such as claims, still fit.
      const nearlyFull = ({ writeSync }: typeof fs) => ({
        writeSync: (fd: number, bytes: Uint8Array, at: number) => {
          if (bytes.length > 10_000) throw systemError('ENOSPC');
          return writeSync(fd, bytes, at);
        },
      });
      await withChangedFs(nearlyFull, async () => {
        expect(await failureOf(async () => open().write(digestOf(LARGE), LARGE))).to.equal('cache::no-room');
        expect(await failureOf(() => open().writeFile(huge))).to.equal('cache::no-room');
        const readOnly = open({ readOnly: true });
        expect(await failureOf(async () => readOnly.write(digestOf(LARGE), LARGE))).to.equal('cache::no-room');
        expect(await failureOf(() => readOnly.writeFile(huge))).to.equal('cache::no-room');
        expect(await failureOf(() => readOnly.writeFile('/nowhere'))).to.match(/ENOENT/);
      });
      const closed = open({ readOnly: true });
      await withChangedFs(
        () => ({
          mkdtempSync: () => {
            throw systemError('ENOSPC');
          },
          mkdirSync: () => {
            throw systemError('ENOSPC');
          },
        }),
        async () => {
          expect(await failureOf(async () => closed.write(digestOf('x'), Buffer.from('x')))).to.equal('cache::no-room');
        },
      );
    });

    it("serves a result that it can't seal after a crash", async () => {
      await store(open({ bootId: 'boot 1' }), 'x', FILES);
      await opened[0]!.close();
      const readOnly = open({ bootId: 'boot 2', readOnly: true });
      expect(await serve(readOnly, 'x')).to.deep.equal(FILES);
      const later = open({ bootId: 'boot 2' });
      await withChangedFs(full, async () => expect(await later.lookUp(keyOf('x'))).not.to.equal(undefined));
      expect(later.inspect(keyOf('x'))?.sealed).to.equal(false);
      expect(warnings).to.deep.equal([]);
    });

    it('loses a result in a crash if its tree has another root', async () => {
      const first = open({ bootId: 'boot 1' });
      const { layer, ...result } = await store(first, 'x', FILES);
      await first.publish(keyOf('x'), { ...result, layer: { ...layer!, root: digestOf('other') } }, record);
      await first.close();
      expect(await open({ bootId: 'boot 2' }).lookUp(keyOf('x'))).to.equal(undefined);
      expect(warnings).to.deep.equal(['cache::damaged']);
    });

    it("says that it can't be closed, and does not fail the run", async () => {
      const first = open();
      await store(first, 'x', FILES);
      await withChangedFs(
        ({ closeSync }) => ({
          closeSync: (fd: number) => {
            closeSync(fd);
            throw systemError('EIO');
          },
        }),
        () => first.close(),
      );
      expect(warnings).to.deep.equal(['cache::not-stored']);
      expect(await serve(open(), 'x')).to.deep.equal(FILES);
    });
  });
});
