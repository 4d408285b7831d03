import { createHash } from 'node:crypto';
import {
  appendFileSync,
  closeSync,
  ftruncateSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { digestOf, makeDigest } from '../../../src/engine/files/digest.js';
import { digestFile, digestFileSync, openStatCache, type StatCache } from '../../../src/engine/files/file-digest.js';

describe('engine/files/file-digest', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'pyflow-test-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const at = (name: string): string => join(folder, name);
  const stats = (path: string) => lstatSync(path, { bigint: true });
  /** Much later than all files of the test. */
  const later = (): number => Date.now() + 60_000;

  function learn(cache: StatCache, path: string): void {
    digestFileSync(path, stats(path), cache);
  }

  it('digests empty, small and large files like one piece', async () => {
    for (const size of [0, 1, 300_000, 3 * 1024 * 1024 + 17]) {
      const bytes = Buffer.alloc(size, 'pyflow');
      writeFileSync(at('file'), bytes);
      expect(await digestFile(at('file'))).to.deep.equal({ ok: true, value: digestOf(bytes) });
      expect(digestFileSync(at('file'), stats(at('file')))).to.equal(digestOf(bytes));
    }
  });

  it('digests a file larger than the allowed memory', async () => {
    const size = 192 * 1024 * 1024;
    const fd = openSync(at('sparse'), 'w');
    ftruncateSync(fd, size);
    closeSync(fd);
    const before = process.memoryUsage().rss;
    const digest = await digestFile(at('sparse'));
    expect(process.memoryUsage().rss - before).to.be.lessThan(64 * 1024 * 1024);
    const hash = createHash('sha256');
    for (let i = 0; i < 192; i++) hash.update(Buffer.alloc(1024 * 1024));
    expect(digest).to.deep.equal({ ok: true, value: makeDigest(hash.digest('hex'), size) });
  });

  it('names a missing file', async () => {
    const digest = await digestFile(at('nowhere'));
    expect(digest.ok ? undefined : digest.failure.code).to.equal('app::file-vanished');
  });

  it('remembers a digest across runs', () => {
    writeFileSync(at('file'), 'content');
    const first = openStatCache(at('cache'), { now: later });
    learn(first, at('file'));
    first.save();
    const second = openStatCache(at('cache'), { now: later });
    expect(second.lookUp(at('file'), stats(at('file')))).to.equal(digestOf('content'));
    expect(second.lookUp(at('other'), stats(at('file')))).to.equal(undefined);
  });

  it('forgets a file when its size, times or inode differ', () => {
    writeFileSync(at('file'), 'content');
    const cache = openStatCache(at('cache'), { now: later });
    learn(cache, at('file'));
    const known = stats(at('file'));
    expect(cache.lookUp(at('file'), known)).to.equal(digestOf('content'));
    for (const change of [{ size: 1n }, { mtimeNs: 1n }, { ctimeNs: 1n }, { ino: 1n }, { dev: 99n }]) {
      const changed = Object.assign(Object.create(known) as typeof known, change);
      expect(cache.lookUp(at('file'), changed), Object.keys(change)[0]).to.equal(undefined);
    }
  });

  it('notices a change of the same size with the old time restored', () => {
    writeFileSync(at('file'), 'content');
    const cache = openStatCache(at('cache'), { now: later });
    learn(cache, at('file'));
    const { atime, mtime } = statSync(at('file'));
    writeFileSync(at('file'), 'CONTENT');
    utimesSync(at('file'), atime, mtime);
    expect(digestFileSync(at('file'), stats(at('file')), cache)).to.equal(digestOf('CONTENT'));
  });

  it('never records a file that changed within the last two seconds', () => {
    writeFileSync(at('file'), 'content');
    const { ctimeMs } = statSync(at('file'));
    for (const [ageMs, isKnown] of [
      [1900, false],
      [-5000, false],
      [2100, true],
    ] as const) {
      const cache = openStatCache(at('cache'), { now: () => ctimeMs + ageMs });
      learn(cache, at('file'));
      expect(cache.lookUp(at('file'), stats(at('file'))) !== undefined, `${ageMs} ms`).to.equal(isKnown);
    }
  });

  it('is empty when its file is damaged anywhere', () => {
    writeFileSync(at('file'), 'content');
    const cache = openStatCache(at('cache'), { now: later });
    learn(cache, at('file'));
    cache.save();
    const whole = readFileSync(at('cache'));
    for (let i = 0; i < whole.length; i++) {
      const bytes = Buffer.from(whole);
      bytes[i]! ^= 1;
      writeFileSync(at('cache'), bytes);
      expect(openStatCache(at('cache')).lookUp(at('file'), stats(at('file'))), `byte ${i}`).to.equal(undefined);
    }
    writeFileSync(at('cache'), whole.subarray(0, whole.length - 1));
    expect(openStatCache(at('cache')).lookUp(at('file'), stats(at('file')))).to.equal(undefined);
    appendFileSync(at('cache'), whole.subarray(-1));
    expect(openStatCache(at('cache')).lookUp(at('file'), stats(at('file')))).to.equal(digestOf('content'));
  });

  it('drops unused entries first when it is full', () => {
    const names = ['a', 'b', 'c', 'd'];
    for (const name of names) writeFileSync(at(name), name);
    const first = openStatCache(at('cache'), { now: later, maxEntries: 3 });
    for (const name of ['a', 'b', 'c']) learn(first, at(name));
    first.save();
    const second = openStatCache(at('cache'), { now: later, maxEntries: 3 });
    for (const name of ['c', 'd']) learn(second, at(name));
    second.save();
    const third = openStatCache(at('cache'), { now: later });
    const known = names.filter((name) => third.lookUp(at(name), stats(at(name))) !== undefined);
    expect(known).to.have.length(3).and.to.include.members(['c', 'd']);
  });

  it('works if it cannot be saved', () => {
    writeFileSync(at('file'), 'content');
    const cache = openStatCache(at('file/cache'), { now: later });
    learn(cache, at('file'));
    expect(() => cache.save()).not.to.throw();
  });
});
