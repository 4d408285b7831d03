import { fork } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { JSONObject } from '../../../src/manifests/json-schema.js';
import { digestOf, hexOf, type ActionKey } from '../../../src/engine/files/digest.js';
import { loadLayer } from '../../../src/engine/trees/layers.js';
import { openLocalStore, type LocalStore } from '../../../src/engine/store/local-store.js';
import { captureDifference, EMPTY_RECORD, materializeTree } from '../../../src/engine/trees/output-tree.js';
import { collectGarbage, collectGarbageIfDue } from '../../../src/engine/store/quota.js';
import { currentProcess } from '../../../src/engine/files/host-id.js';
import { usesOf } from '../../../src/engine/store/results.js';
import { verifyCache } from '../../../src/engine/store/care.js';
import { listCache, listPacks, listResults } from '../../../src/engine/store/scan.js';
import type { KeyRecord } from '../../../src/engine/store/store.js';
import { systemError, withChangedFs } from '../../support/changed-fs.js';
import type { DirectoryTable, Layer } from '../../../src/engine/trees/tree.js';

const HOUR = 3600 * 1000;
const keyOf = (name: string): ActionKey => digestOf(name) as ActionKey;
const KB = 1024;

describe('engine/store/quota', () => {
  let root: string;
  let cache: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pyflow-test-'));
    cache = join(root, 'cache');
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  async function using<T>(work: (store: LocalStore) => Promise<T>, hoursAgo = 0): Promise<T> {
    const opened = openLocalStore(cache, { clock: { now: () => Date.now() - hoursAgo * HOUR } });
    if (!opened.ok) throw new Error(opened.failure.detail);
    try {
      return await work(opened.value);
    } finally {
      await opened.value.close();
    }
  }
  /** One run that stores one result, last used the given time ago. */
  async function store(name: string, files: Readonly<Record<string, Buffer>>, hoursAgo: number): Promise<void> {
    await using(async (into) => {
      const folder = mkdtempSync(join(root, 'made-'));
      for (const [path, content] of Object.entries(files)) writeFileSync(join(folder, path), content);
      const changeset = await captureDifference(into, folder, EMPTY_RECORD);
      if (!changeset.ok) throw new Error(changeset.failure.detail);
      const result = { outputs: { name }, layer: changeset.value.layer, durationMs: 1, storedAt: 1 };
      await into.publish(keyOf(name), result, { kind: name } as KeyRecord);
    }, hoursAgo);
  }
  const isServed = (name: string): Promise<boolean> =>
    using(async (from) => {
      const result = await from.lookUp(keyOf(name));
      if (result === undefined) return false;
      const table: DirectoryTable = new Map();
      const layer = result.layer!;
      const out = mkdtempSync(join(root, 'out-'));
      return (await loadLayer(from, layer, table)) && (await materializeTree(from, table, layer.root, out)).ok;
    });
  const served = async (...names: string[]): Promise<string[]> => {
    const found: string[] = [];
    for (const name of names) if (await isServed(name)) found.push(name);
    return found;
  };
  const bytes = (size: number, text: string): Buffer => Buffer.alloc(size, text);
  /** Three hours later, when no file is young any more. */
  const later = { now: () => Date.now() + 3 * HOUR };
  const packs = (): string[] => readdirSync(join(cache, 'packs')).filter((name) => name.endsWith('.pack'));

  it('does not change a cache within its size', async () => {
    await store('a', { file: bytes(100 * KB, 'a') }, 5);
    const report = await collectGarbage(cache, { maxBytes: 1000 * KB, ...later });
    expect(report).to.include({ evictedResults: 0, removedBlobs: 0 });
    expect(report!.bytesAfter).to.equal(report!.bytesBefore);
    expect(await served('a')).to.deep.equal(['a']);
  });

  it('evicts the least recently used results and what only they need', async () => {
    const shared = bytes(100 * KB, 'shared');
    await store('oldest', { shared, own: bytes(100 * KB, 'oldest') }, 30);
    await store('older', { own: bytes(150 * KB, 'older'), small: bytes(KB, 'older') }, 20);
    await store('newer', { shared, own: bytes(100 * KB, 'newer') }, 10);
    const report = await collectGarbage(cache, { maxBytes: 400 * KB, ...later });
    expect(report?.evictedResults).to.equal(2);
    expect(report!.bytesAfter).to.be.lessThan(400 * KB);
    expect(await served('oldest', 'older', 'newer')).to.deep.equal(['newer']);
  });

  it('leaves tombstones, which distinguish an eviction from a first run', async () => {
    await store('a', { file: bytes(100 * KB, 'a') }, 5);
    const now = Date.now() + 3 * HOUR;
    await collectGarbage(cache, { maxBytes: 1, now: () => now });
    await using(async (from) => {
      expect(from.evictedAt(keyOf('a'))).to.equal(now);
      expect(from.evictedAt(keyOf('b'))).to.equal(undefined);
    });
  });

  it('evicts results that were not used for a given time, whatever the size', async () => {
    await store('old', { file: bytes(KB, 'old') }, 30 * 24);
    await store('young', { file: bytes(KB, 'young') }, 1);
    const report = await collectGarbage(cache, { maxAgeMs: 7 * 24 * HOUR, ...later });
    expect(report?.evictedResults).to.equal(1);
    expect(await served('old', 'young')).to.deep.equal(['young']);
  });

  it('does not evict all others for one result that could never fit', async () => {
    await store('huge', { file: bytes(500 * KB, 'huge') }, 0);
    await store('modest', { file: bytes(100 * KB, 'modest') }, 5);
    await collectGarbage(cache, { maxBytes: 300 * KB, ...later });
    expect(await served('huge', 'modest')).to.deep.equal(['modest']);
  });

  it('keeps blobs that an older result shares with one that could never fit', async () => {
    const capture = async (into: LocalStore, content: Buffer): Promise<Layer> => {
      const folder = mkdtempSync(join(root, 'made-'));
      writeFileSync(join(folder, 'file'), content);
      const changeset = await captureDifference(into, folder, EMPTY_RECORD);
      if (!changeset.ok) throw new Error(changeset.failure.detail);
      return changeset.value.layer;
    };
    await store('modest', { file: bytes(100 * KB, 'shared') }, 5);
    await using(async (into) => {
      const layer = await capture(into, bytes(100 * KB, 'shared'));
      const tool = await capture(into, bytes(500 * KB, 'tool'));
      await into.publish(keyOf('huge'), { outputs: {}, layer, tool, durationMs: 1, storedAt: 1 }, {} as KeyRecord);
    });
    await collectGarbage(cache, { maxBytes: 300 * KB, ...later });
    expect(await served('huge', 'modest')).to.deep.equal(['modest']);
  });

  it('keeps young blobs, which a run may be about to need', async () => {
    await store('a', { file: bytes(100 * KB, 'a'), small: bytes(KB, 'a') }, 5);
    await collectGarbage(cache, { maxBytes: 1 });
    await using(async (from) => {
      expect(from.has(digestOf(bytes(100 * KB, 'a')))).to.equal(true);
      expect(from.has(digestOf(bytes(KB, 'a')))).to.equal(true);
    });
    await collectGarbage(cache, { maxBytes: 1, ...later });
    await using(async (from) => {
      expect(from.has(digestOf(bytes(100 * KB, 'a')))).to.equal(false);
      expect(from.has(digestOf(bytes(KB, 'a')))).to.equal(false);
    });
  });

  it('rewrites a pack with few needed records, and readers of the old pack find them', async () => {
    let now = Date.now() - 20 * HOUR;
    const writer = openLocalStore(cache, { clock: { now: () => now } });
    if (!writer.ok) throw new Error(writer.failure.detail);
    await (async (into) => {
      for (const name of ['old', 'new']) {
        const folder = mkdtempSync(join(root, 'made-'));
        for (let i = 0; i < (name === 'old' ? 20 : 1); i++)
          writeFileSync(join(folder, `f${i}`), bytes(10 * KB, `${name}${i}`));
        const changeset = await captureDifference(into, folder, EMPTY_RECORD);
        if (!changeset.ok) throw new Error(changeset.failure.detail);
        await into.publish(keyOf(name), { outputs: {}, layer: changeset.value.layer, durationMs: 1, storedAt: 1 }, {
          kind: name,
        } as KeyRecord);
        now += 19 * HOUR;
      }
      await into.close();
    })(writer.value);
    const [before] = packs();
    await using(async (reader) => {
      expect(reader.has(digestOf(bytes(10 * KB, 'new0')))).to.equal(true);
      await collectGarbage(cache, { maxBytes: 60 * KB, ...later });
      const [after] = packs();
      expect(after).not.to.equal(before);
      expect(statSync(join(cache, 'packs', after!)).size).to.be.lessThan(30 * KB);
      expect((await reader.read(digestOf(bytes(10 * KB, 'new0'))))?.length).to.equal(10 * KB);
    });
    expect(await served('old', 'new')).to.deep.equal(['new']);
  });

  it('merges the packs of many small runs into one', async function () {
    this.timeout(20_000);
    for (let i = 0; i < 70; i++) await store(`n${i}`, { file: bytes(100, `n${i}`) }, 1);
    expect(packs()).to.have.length(70);
    const report = await collectGarbage(cache, later);
    expect(report?.evictedResults).to.equal(0);
    expect(packs()).to.have.length(1);
    expect(await served('n0', 'n35', 'n69')).to.deep.equal(['n0', 'n35', 'n69']);
  });

  const resultPacks = (): string[] => readdirSync(join(cache, 'ac')).filter((name) => name.endsWith('.pack'));
  const publish = (into: LocalStore, name: string, outputs: JSONObject): Promise<void> =>
    into.publish(keyOf(name), { outputs, durationMs: 1, storedAt: 1 }, { kind: name } as KeyRecord);

  it('merges packs after a run that finds many, however young, and open stores find the moved records', async () => {
    for (let i = 0; i < 70; i++) await using((into) => publish(into, `n${i}`, { i }));
    await using(async (reader) => {
      expect((await reader.lookUp(keyOf('n0')))?.outputs).to.deep.equal({ i: 0 });
      await collectGarbageIfDue(cache, 1000);
      expect([packs().length, resultPacks().length]).to.deep.equal([1, 1]);
      for (let i = 0; i < 70; i++) {
        expect((await reader.lookUp(keyOf(`n${i}`)))?.outputs, `n${i}`).to.deep.equal({ i });
        expect(await reader.record(keyOf(`n${i}`)), `n${i}`).to.deep.equal({ kind: `n${i}` });
      }
    });
  });

  it('leaves superseded and damaged records out of a merged pack', async () => {
    for (let i = 0; i < 70; i++) await using((into) => publish(into, 'same', { i, text: 'x'.repeat(1000) }));
    await using((into) => publish(into, 'other', {}));
    const path = join(cache, 'ac', resultPacks()[0]!);
    const whole = readFileSync(path);
    writeFileSync(path, whole.fill(0, 300, 400));
    await collectGarbageIfDue(cache, 1000);
    expect(resultPacks()).to.have.length(1);
    expect(statSync(join(cache, 'ac', resultPacks()[0]!)).size).to.be.lessThan(4000);
    await using(async (from) => {
      expect((await from.lookUp(keyOf('same')))?.outputs).to.include({ i: 69 });
      expect((await from.lookUp(keyOf('other')))?.outputs).to.deep.equal({});
    });
  });

  describe('with results of several apps and builders under one key', () => {
    const ASKERS: readonly { appId?: string; builder?: string }[] = [
      {},
      { appId: 'shop' },
      { appId: 'blog' },
      { builder: 'name:a' },
      { appId: 'shop', builder: 'name:b' },
    ];
    const publishAll = async (rounds: number): Promise<void> => {
      for (let round = 1; round <= rounds; round++) {
        for (const [index, owner] of ASKERS.entries()) {
          await using(async (into) => {
            const log = bytes(100 * KB, `log ${index} of round ${round} `);
            into.write(digestOf(log), log);
            const result = { outputs: { index, round }, log: digestOf(log), durationMs: 1, storedAt: 1, ...owner };
            await into.publish(keyOf('same'), result, { kind: 'same' } as KeyRecord);
          }, 50 - index);
        }
      }
    };
    const expectAll = (round: number): Promise<void> =>
      using(async (from) => {
        const stored = from.resultsOf(keyOf('same'));
        for (const [index, { appId, builder }] of ASKERS.entries()) {
          const own = stored.filter(({ result }) => result.appId === appId && result.builder === builder);
          const newest = own.toSorted((a, b) => b.writtenAt - a.writtenAt)[0];
          expect(newest?.result.outputs, JSON.stringify(ASKERS[index])).to.deep.equal({ index, round });
          expect(await from.isComplete(newest!), JSON.stringify(ASKERS[index])).to.equal(true);
        }
      });

    it('keeps the newest of each when it merges packs', async () => {
      await publishAll(14);
      expect(resultPacks()).to.have.length(70);
      await collectGarbageIfDue(cache, 1000);
      expect(resultPacks()).to.have.length(1);
      await expectAll(14);
      await using(async (from) => expect(from.resultsOf(keyOf('same'))).to.have.length(ASKERS.length));
    });

    it('keeps what each of them needs when it makes room', async () => {
      await publishAll(2);
      const report = await collectGarbage(cache, { ...later, maxBytes: 900 * KB });
      expect(report?.removedBlobs).to.equal(ASKERS.length);
      await expectAll(2);
    });

    it('evicts them one by one, with a tombstone once none is left', async () => {
      await publishAll(1);
      await collectGarbage(cache, { ...later, maxBytes: 400 * KB });
      await using(async (from) => {
        const left = from.resultsOf(keyOf('same')).length;
        expect(left).to.be.greaterThan(0).and.lessThan(ASKERS.length);
        expect(from.evictedAt(keyOf('same'))).to.equal(undefined);
      });
      await collectGarbage(cache, { ...later, maxBytes: 1 });
      await using(async (from) => {
        expect(from.resultsOf(keyOf('same'))).to.have.length(0);
        expect(from.evictedAt(keyOf('same'))).not.to.equal(undefined);
      });
    });

    it('evicts those that nobody has used for long, although another one is in use', async () => {
      await publishAll(1);
      await using((from) => from.lookUp(keyOf('same'), { appId: 'shop' }), -72);
      const afterUse = { now: () => Date.now() + 75 * HOUR };
      await collectGarbage(cache, { ...afterUse, maxAgeMs: 48 * HOUR });
      await using(async (from) => {
        const owners = from.resultsOf(keyOf('same')).map(({ result: { appId, builder } }) => ({ appId, builder }));
        expect(owners).to.deep.equal([{ appId: 'shop', builder: undefined }]);
        expect(from.evictedAt(keyOf('same'))).to.equal(undefined);
      });
      await collectGarbage(cache, { ...afterUse, maxAgeMs: HOUR });
      await using(async (from) => expect(from.resultsOf(keyOf('same'))).to.have.length(0));
    });

    it('removes only the damaged one of them', async () => {
      await publishAll(1);
      rmSync(listCache(cache).largeBlobs[0]!.path);
      const verified = await verifyCache(cache);
      expect(verified.ok && verified.value).to.deep.include({ results: ASKERS.length });
      expect(verified.ok && verified.value.problems.map(({ what }) => what)).to.deep.equal(['incomplete-result']);
      await using(async (from) => expect(from.resultsOf(keyOf('same'))).to.have.length(ASKERS.length - 1));
    });
  });

  it('loses nothing while processes publish and merge at the same time', async function () {
    this.timeout(30_000);
    const script = join(root, 'busy.mts');
    const module = (name: string): string => new URL(`../../../src/engine/${name}`, import.meta.url).href;
    writeFileSync(
      script,
      `import { openLocalStore } from '${module('store/local-store.ts')}';
       import { collectGarbageIfDue } from '${module('store/quota.ts')}';
       import { digestOf } from '${module('files/digest.ts')}';
       const [, , cache, who] = process.argv;
       const patient = openLocalStore(cache).value;
       for (let i = 0; i < 60; i++) {
         const { value: store } = openLocalStore(cache);
         const bytes = Buffer.from(who + i);
         store.write(digestOf(bytes), bytes);
         await store.publish(digestOf('key ' + who + i), { outputs: { i }, log: digestOf(bytes), durationMs: 1, storedAt: 1 }, { kind: 'k' });
         await store.close();
         await collectGarbageIfDue(cache, 1000);
         for (let j = 0; j <= i; j++) {
           const found = await patient.lookUp(digestOf('key ' + who + j));
           if (found === undefined || (await patient.read(found.log)) === undefined) throw new Error(who + j + ' of ' + i);
         }
       }
       await patient.close();`,
    );
    const children = ['a', 'b', 'c', 'd'].map((who) => fork(script, [cache, who], { execArgv: ['--import', 'tsx'] }));
    const codes = await Promise.all(children.map((child) => new Promise((resolve) => child.once('exit', resolve))));
    expect(codes).to.deep.equal([0, 0, 0, 0]);
    // What two processes wrote while a third was merging can wait for the next merge.
    expect(resultPacks().length).to.be.lessThan(80);
    await using(async (from) => {
      for (const who of ['a', 'b', 'c', 'd']) {
        for (let i = 0; i < 60; i++) {
          const found = await from.lookUp(digestOf(`key ${who}${i}`) as ActionKey);
          expect((await from.read(found!.log!))?.toString()).to.equal(`${who}${i}`);
        }
      }
    });
  });

  it('keeps results of a live run, and evicts those of a killed run', async function () {
    this.timeout(20_000);
    const script = join(root, 'killed.mts');
    writeFileSync(
      script,
      `import { openLocalStore } from '${new URL('../../../src/engine/store/local-store.ts', import.meta.url).href}';
       import { digestOf } from '${new URL('../../../src/engine/files/digest.ts', import.meta.url).href}';
       const { value: store } = openLocalStore(process.argv[2]);
       await store.publish(digestOf('killed'), { outputs: {}, durationMs: 1, storedAt: 1 }, { kind: 'k' });
       process.kill(process.pid, 'SIGKILL');`,
    );
    const child = fork(script, [cache], { execArgv: ['--import', 'tsx'] });
    await new Promise((resolve) => child.once('exit', resolve));
    await using(async (running) => {
      await publish(running, 'running', {});
      await using((over) => publish(over, 'over', {}));
      const report = await collectGarbage(cache, { maxBytes: 1 });
      expect(report?.evictedResults).to.equal(2);
      await using(async (from) => {
        expect(await from.lookUp(keyOf('killed'))).to.equal(undefined);
        expect(await from.lookUp(keyOf('over'))).to.equal(undefined);
        expect(await from.lookUp(keyOf('running'))).not.to.equal(undefined);
      });
      await publish(running, 'later', {});
    });
    await using(async (from) => {
      expect(await from.lookUp(keyOf('running'))).not.to.equal(undefined);
      expect(await from.lookUp(keyOf('later'))).not.to.equal(undefined);
    });
  });

  it('removes leftovers of unfinished writes once they are old', async () => {
    await store('a', { file: bytes(100 * KB, 'a') }, 5);
    const leftover = join(cache, 'cas/killed-0.tmp');
    writeFileSync(leftover, 'x');
    await collectGarbage(cache, {});
    expect(existsSync(leftover)).to.equal(true);
    await collectGarbage(cache, later);
    expect(existsSync(leftover)).to.equal(false);
  });

  it('does not touch files that the store does not own', async () => {
    await store('a', { file: bytes(100 * KB, 'a') }, 5);
    for (const name of ['runs', 'downloads', 'apps', 'state', 'plans']) {
      mkdirSync(join(cache, name));
      writeFileSync(join(cache, name, 'file'), 'x');
    }
    await collectGarbage(cache, { maxBytes: 1, ...later });
    for (const name of ['runs', 'downloads', 'apps', 'state', 'plans']) {
      expect(existsSync(join(cache, name, 'file'))).to.equal(true);
    }
  });

  it('runs after a run that wrote much, otherwise at most once an hour', async () => {
    await store('a', { file: bytes(100 * KB, 'a') }, 5);
    let now = Date.now();
    const isDone = async (bytesWritten: number): Promise<boolean> =>
      (await collectGarbageIfDue(cache, bytesWritten, { now: () => now })) !== undefined;
    expect(await isDone(0)).to.equal(false);
    expect(await isDone(1000)).to.equal(false);
    expect(await isDone(100 * 1024 * KB)).to.equal(true);
    now += 0.9 * HOUR;
    expect(await isDone(1000)).to.equal(false);
    now += 0.2 * HOUR;
    expect(await isDone(1000)).to.equal(true);
    expect(await isDone(1000)).to.equal(false);
  });

  it('does nothing while another process is collecting', async () => {
    await store('a', { file: bytes(100 * KB, 'a') }, 5);
    const [first, second] = await Promise.all([
      collectGarbage(cache, { maxBytes: 1, ...later }),
      collectGarbage(cache, { maxBytes: 1, ...later }),
    ]);
    expect([first !== undefined, second !== undefined]).to.deep.equal([true, false]);
  });

  it('keeps what several kept results share, and counts it once', async () => {
    const shared = bytes(100 * KB, 'shared');
    await store('oldest', { own: bytes(300 * KB, 'oldest') }, 30);
    for (const [name, hoursAgo] of [
      ['first', 1],
      ['second', 2],
    ] as const) {
      await store(name, { shared, own: bytes(10 * KB, name) }, hoursAgo);
    }
    // Room for the shared file once, not twice.
    await collectGarbage(cache, { maxBytes: 200 * KB, ...later });
    expect(await served('oldest', 'first', 'second')).to.deep.equal(['first', 'second']);
  });

  it('leaves a pack alone of which it would remove less than half', async () => {
    await store('a', { one: bytes(30 * KB, 'one'), two: bytes(30 * KB, 'two') }, 2);
    await using((into) => publish(into, 'b', {}), 30);
    await store('large', { file: bytes(400 * KB, 'large') }, 40);
    const [first] = packs();
    const path = join(cache, 'packs', first!);
    // Bytes that no result needs.
    const unneeded = bytes(20 * KB, 'unneeded');
    const writer = openLocalStore(cache, { runId: 'unneeded' });
    if (!writer.ok) throw new Error(writer.failure.detail);
    await (async (into) => {
      const folder = mkdtempSync(join(root, 'made-'));
      writeFileSync(join(folder, 'file'), bytes(50 * KB, 'needed'));
      const changeset = await captureDifference(into, folder, EMPTY_RECORD);
      if (!changeset.ok) throw new Error(changeset.failure.detail);
      into.write(digestOf(unneeded), unneeded);
      const result = { outputs: {}, layer: changeset.value.layer, durationMs: 1, storedAt: 1 };
      await into.publish(keyOf('needed'), result, { kind: 'needed' } as KeyRecord);
      await into.close();
    })(writer.value);
    const report = await collectGarbage(cache, { maxBytes: 300 * KB, ...later });
    expect(report?.evictedResults).to.equal(1);
    expect(existsSync(path)).to.equal(true);
    await using(async (from) => expect(from.has(digestOf(unneeded))).to.equal(true));
    expect(await served('a', 'needed', 'large')).to.deep.equal(['a', 'needed']);
  });

  it('shortens the ledger of hashes when most of it is about removed blobs', async () => {
    for (let count = 0; count < 5; count++) await store(`n${count}`, { file: bytes(100 * KB, `${count}`) }, 10 + count);
    const ledger = join(cache, 'cas/trust');
    const before = statSync(ledger).size;
    await collectGarbage(cache, { maxBytes: 450 * KB, ...later });
    expect(statSync(ledger).size, 'most is needed').to.equal(before);
    await collectGarbage(cache, { maxBytes: 150 * KB, ...later });
    expect(statSync(ledger).size).to.be.lessThan(before / 2);
    expect(await served('n0')).to.deep.equal(['n0']);
  });

  it("collects even if the ledger can't be replaced", async () => {
    await store('a', { file: bytes(100 * KB, 'a') }, 5);
    const report = await withChangedFs(
      ({ renameSync }) => ({
        renameSync: (from: string, to: string) => {
          if (to.endsWith('/trust')) throw systemError('EACCES');
          renameSync(from, to);
        },
      }),
      () => collectGarbage(cache, { maxBytes: 1, ...later }),
    );
    expect(report?.evictedResults).to.equal(1);
  });

  it('explains what stays although no result needs it', async () => {
    await store('old', { file: bytes(100 * KB, 'old'), small: bytes(KB, 'old') }, 5);
    await using(async (running) => {
      running.write(digestOf('of a run'), Buffer.from('of a run'));
      running.flush();
      const { kept } = (await collectGarbage(cache, { maxBytes: 1, explain: true }))!;
      // The large file; in the pack the small one, the tree, the record of the key.
      expect(kept!.young.blobs).to.equal(4);
      expect(kept!.young.bytes).to.be.greaterThan(101 * KB);
      expect(kept!.running).to.deep.equal({ blobs: 1, bytes: 8 });
    });
    expect(await collectGarbage(cache, {})).not.to.have.property('kept');
  });

  it('leaves packs as they are if there is no room for a copy', async () => {
    for (let count = 0; count < 70; count++) await using((into) => publish(into, `n${count}`, { count }));
    const before = [packs(), resultPacks()];
    await withChangedFs(
      ({ writeSync }) => ({
        // A claim and the header of a pack still fit.
        writeSync: (fd: number, bytes: Uint8Array | string, at: number) => {
          if (bytes.length > 1000) throw systemError('ENOSPC');
          return writeSync(fd, bytes as Uint8Array, at);
        },
      }),
      () => collectGarbageIfDue(cache, 1000),
    );
    expect([packs(), resultPacks()].map(({ length }) => length)).to.deep.equal(before.map(({ length }) => length + 1));
    await using(async (from) => expect((await from.lookUp(keyOf('n7')))?.outputs).to.deep.equal({ count: 7 }));
  });

  it('evicts a result whose tree is not the one that it names', async () => {
    await using(async (into) => {
      const folder = mkdtempSync(join(root, 'made-'));
      writeFileSync(join(folder, 'file'), 'x');
      const changeset = await captureDifference(into, folder, EMPTY_RECORD);
      if (!changeset.ok) throw new Error(changeset.failure.detail);
      const layer = { ...changeset.value.layer, root: digestOf('other') };
      await into.publish(keyOf('odd'), { outputs: {}, layer, durationMs: 1, storedAt: 1 }, {} as KeyRecord);
    });
    await store('old', { file: bytes(300 * KB, 'old') }, 40);
    const report = await collectGarbage(cache, { maxBytes: 200 * KB, ...later });
    expect(report?.evictedResults).to.equal(2);
  });

  it('collects after a process that died while it was collecting', async () => {
    await store('a', { file: bytes(100 * KB, 'a') }, 5);
    const claim = join(cache, 'gc.lock');
    writeFileSync(claim, JSON.stringify({ ...currentProcess(), startTime: '1' }));
    expect((await collectGarbage(cache, { maxBytes: 1, ...later }))?.evictedResults).to.equal(1);
    expect(existsSync(claim)).to.equal(false);
  });

  it('does nothing if the cache is read-only, a file, or missing', async () => {
    await store('a', { file: bytes(100 * KB, 'a') }, 5);
    const readOnly = () => ({
      accessSync: () => {
        throw systemError('EROFS');
      },
      utimesSync: () => {
        throw systemError('EROFS');
      },
    });
    await withChangedFs(readOnly, async () => {
      expect(await collectGarbage(cache, { maxBytes: 1, ...later })).to.equal(undefined);
      expect(await collectGarbageIfDue(cache, 100 * 1024 * KB, { maxBytes: 1, ...later })).to.equal(undefined);
    });
    expect(await served('a')).to.deep.equal(['a']);
    writeFileSync(join(root, 'file'), '');
    expect(await collectGarbage(join(root, 'file'))).to.equal(undefined);
    expect(await collectGarbage(join(root, 'nowhere'))).to.equal(undefined);
    expect(existsSync(join(root, 'nowhere'))).to.equal(false);
  });

  it('lists no folder as a pack, and takes a link for one that can still grow', async () => {
    await store('a', { file: bytes(100, 'a') }, 5);
    mkdirSync(join(cache, 'packs/folder.pack'));
    symlinkSync(
      join(
        cache,
        'packs',
        packs().find((name) => name !== 'folder.pack')!,
      ),
      join(cache, 'packs/link.pack'),
    );
    const listed = listPacks(cache).packs.map(({ name, isSettled }) => [name, isSettled]);
    expect(listed).to.have.length(2);
    expect(listed).to.deep.include(['link', false]);
  });

  it('does not follow a use in the future, and takes the newest of several results', async () => {
    const now = Date.now();
    await using((into) => publish(into, 'a', { n: 1 }), 40);
    await using((into) => publish(into, 'a', { n: 2 }), 30);
    const times = usesOf(cache);
    times.append([hexOf(keyOf('a'))], now + 100 * HOUR);
    const [found] = listResults(cache, listCache(cache), now).results;
    expect(found!.stored.result.outputs).to.deep.equal({ n: 2 });
    expect(found!.usedAt).to.be.lessThan(now - 29 * HOUR);
    const reversed = { ...listCache(cache), resultPacks: listCache(cache).resultPacks.toReversed() };
    expect(listResults(cache, reversed, now).results[0]!.stored.result.outputs).to.deep.equal({ n: 2 });
  });
});
