import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { digestOf, hexOf, type ActionKey } from '../../../src/engine/files/digest.js';
import { PACK_LIMIT } from '../../../src/engine/store/blobs.js';
import {
  clearCache,
  listResults,
  showResults,
  verifyCache,
  type VerifyReport,
} from '../../../src/engine/store/care.js';
import { openLocalStore } from '../../../src/engine/store/local-store.js';
import type { KeyRecord } from '../../../src/engine/store/store.js';
import { systemError, withChangedFs } from '../../support/changed-fs.js';

const keyOf = (name: string): ActionKey => digestOf(name) as ActionKey;
const LARGE = Buffer.alloc(PACK_LIMIT + 10, 'large');

describe('engine/store/care', () => {
  let root: string;
  let cache: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pyflow-test-'));
    cache = join(root, 'cache');
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  /** One run that stores results of these names, and a large blob. */
  async function fill(...names: readonly string[]): Promise<void> {
    const opened = openLocalStore(cache);
    if (!opened.ok) throw new Error(opened.failure.detail);
    const store = opened.value;
    store.write(digestOf(LARGE), LARGE);
    for (const name of names) {
      const degraded = { reason: `a substitute for ${name}`, host: store.hostId, expiresAt: Date.now() + 1e6 };
      const result = { outputs: { name }, durationMs: 1, storedAt: 1, log: digestOf(LARGE), degraded };
      await store.publish(keyOf(name), result, { kind: name } as KeyRecord);
    }
    await store.close();
  }
  const packOf = (folder: 'ac' | 'packs'): string =>
    join(
      cache,
      folder,
      readdirSync(join(cache, folder)).find((name) => name.endsWith('.pack'))!,
    );
  function damage(path: string, text: string): void {
    const bytes = readFileSync(path);
    bytes[bytes.indexOf(text)]! ^= 1;
    rmSync(path);
    writeFileSync(path, bytes);
  }
  async function verified(): Promise<VerifyReport> {
    const report = await verifyCache(cache);
    if (!report.ok) throw new Error(report.failure.detail);
    return report.value;
  }
  const readOnly = <T>(work: () => Promise<T>): Promise<T> =>
    withChangedFs(
      () => ({
        accessSync: () => {
          throw systemError('EROFS');
        },
      }),
      work,
    );

  it('says why a result is second best', async () => {
    await fill('x');
    const list = await listResults(cache);
    expect(list.ok && list.value.results.map(({ degraded }) => degraded)).to.deep.equal(['a substitute for x']);
  });

  it('shows a result whose record is lost, without its kind', async () => {
    await fill('x');
    damage(packOf('packs'), '"kind"');
    const list = await listResults(cache);
    expect(list.ok && list.value.results.map(({ key, kind }) => [key, kind])).to.deep.equal([[keyOf('x'), undefined]]);
    const shown = await showResults(cache, keyOf('x').slice(0, 4));
    expect(shown.ok && shown.value.map(({ record }) => record)).to.deep.equal([undefined]);
  });

  it('rejects a cache that is a file', async () => {
    writeFileSync(cache, 'precious');
    for (const result of [await listResults(cache), await showResults(cache, 'ab'), await verifyCache(cache)]) {
      expect(result.ok ? undefined : result.failure.code).to.equal('cache::unusable');
    }
    expect(readFileSync(cache, 'utf8')).to.equal('precious');
  });

  it('finds nothing in a cache that does not exist, and does not make it', async () => {
    const list = await listResults(cache);
    expect(list).to.deep.equal({ ok: true, value: { results: [], bytes: 0 } });
    expect(existsSync(cache)).to.equal(false);
  });

  describe('verify', () => {
    it('removes a damaged result, and keeps the others', async () => {
      await fill('x', 'y');
      damage(packOf('ac'), '{"name":"x"}');
      const { problems } = await verified();
      expect(problems).to.deep.equal([{ what: 'result', name: hexOf(keyOf('x')) }]);
      expect((await verified()).problems).to.deep.equal([]);
      const list = await listResults(cache);
      expect(list.ok && list.value.results.map(({ key }) => key)).to.deep.equal([keyOf('y')]);
    });

    it('reports and removes bytes after the last record of a closed pack', async () => {
      await fill('x');
      for (const folder of ['ac', 'packs'] as const) appendFileSync(packOf(folder), 'trailing');
      const { problems } = await verified();
      expect(problems.map(({ what, name }) => `${what} ${name.replace(/pack .*/, 'pack')}`)).to.deep.equal([
        'blob trailing bytes of pack',
        'result trailing bytes of pack',
      ]);
      const again = await verified();
      expect([again.problems, again.results]).to.deep.equal([[], 1]);
    });

    it('removes a large blob that is damaged, and the results that need it', async () => {
      await fill('x');
      damage(join(cache, 'cas', digestOf(LARGE).slice(0, 2), hexOf(digestOf(LARGE))), 'large');
      const { problems } = await verified();
      expect(problems).to.deep.equal([
        { what: 'blob', name: hexOf(digestOf(LARGE)) },
        { what: 'incomplete-result', name: hexOf(keyOf('x')) },
      ]);
      expect((await verified()).problems).to.deep.equal([]);
    });

    it('does not count a large blob that is removed meanwhile as damaged', async () => {
      await fill();
      const path = join(cache, 'cas', digestOf(LARGE).slice(0, 2), hexOf(digestOf(LARGE)));
      const report = await withChangedFs(
        ({ statSync, rmSync: remove }) => ({
          statSync: (file: string, options: { readonly bigint?: true }) => {
            if (file === path && options.bigint === true) remove(path, { force: true });
            return statSync(file, options as object);
          },
        }),
        () => verified(),
      );
      expect(report.problems).to.deep.equal([]);
    });

    it('reports without removing anything if the cache is read-only', async () => {
      await fill('x', 'y');
      damage(packOf('ac'), '{"name":"x"}');
      damage(packOf('packs'), '{"kind":"y"}');
      const before = ['ac', 'packs'].map((folder) => readFileSync(packOf(folder as 'ac')));
      const report = await readOnly(() => verified());
      expect(report.problems.map(({ what }) => what)).to.deep.equal(['blob', 'result', 'incomplete-result']);
      expect(['ac', 'packs'].map((folder) => readFileSync(packOf(folder as 'ac')))).to.deep.equal(before);
    });
  });

  describe('clear', () => {
    it('names what it could not remove, and does not count it', async () => {
      await fill('x');
      const busy = join(cache, 'downloads');
      mkdirSync(busy);
      writeFileSync(join(busy, 'file'), Buffer.alloc(1000));
      symlinkSync('/etc', join(busy, 'link'));
      const { bytes, left } = await withChangedFs(
        ({ unlinkSync }) => ({
          unlinkSync: (path: string) => {
            if (String(path).endsWith('/file')) throw systemError('EBUSY');
            unlinkSync(path);
          },
        }),
        () => clearCache(cache, { also: ['downloads'] }),
      );
      expect(left.map(({ path, code }) => [path.startsWith(busy), code])).to.deep.equal([[true, 'EBUSY']]);
      expect(readdirSync(busy)).to.deep.equal(['file']);
      expect(bytes)
        .to.be.greaterThan(LARGE.length)
        .and.lessThan(LARGE.length + 5000);
      expect(await clearCache(cache, { also: ['downloads'] })).to.deep.equal({ bytes: 1000, left: [] });
    });
  });
});
