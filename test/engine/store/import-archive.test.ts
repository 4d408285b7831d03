import { mkdirSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { assert, asyncProperty, integer, nat } from 'fast-check';
import type { Failure, Result } from '../../../src/engine/failure.js';
import { digestOf, EMPTY_DIGEST, hexOf, makeDigest, sha256Hex } from '../../../src/engine/files/digest.js';
import { KEY_FORMAT } from '../../../src/engine/node/key.js';
import { listResults, verifyCache } from '../../../src/engine/store/care.js';
import { importResults, type ImportReport } from '../../../src/engine/store/import-archive.js';
import { openLocalStore } from '../../../src/engine/store/local-store.js';
import { listCache } from '../../../src/engine/store/scan.js';
import type { ActionResult, Asker } from '../../../src/engine/store/store.js';
import { encodeDirectory } from '../../../src/engine/trees/reapi.js';
import type { Directory, Layer } from '../../../src/engine/trees/tree.js';
import { tarOf, withSize, withTypeFlag, type TarEntry } from '../../support/archives.js';
import { systemError, withChangedFs } from '../../support/changed-fs.js';
import {
  directory,
  field,
  fileEntry,
  ForgedArchive,
  honestArchive,
  keyOf,
  LARGE,
  RECORD,
  VERSION,
} from '../../support/forged-archive.js';

const NOW = Date.now();
const SIGNAL = new AbortController().signal;

describe('engine/store/import-archive', () => {
  let root: string;
  let cacheDir: string;
  let file: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pyflow-test-'));
    cacheDir = join(root, 'cache');
    file = join(root, 'results.tar');
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const importFile = (signal = SIGNAL): Promise<Result<ImportReport, Failure>> =>
    importResults(cacheDir, { file, keyFormat: KEY_FORMAT, now: NOW, signal });
  async function importBytes(bytes: Buffer): Promise<Result<ImportReport, Failure>> {
    writeFileSync(file, bytes);
    return importFile();
  }
  async function imported(bytes: Buffer): Promise<ImportReport> {
    const done = await importBytes(bytes);
    if (!done.ok) throw new Error(`${done.failure.code}: ${done.failure.detail}`);
    return done.value;
  }
  async function storedKeys(): Promise<readonly string[]> {
    const listed = await listResults(cacheDir);
    if (!listed.ok) throw new Error(listed.failure.title);
    return listed.value.results.map(({ key }) => key);
  }
  async function lookUp(name: string, asker: Asker = {}): Promise<ActionResult | undefined> {
    const opened = openLocalStore(cacheDir, { readOnly: true });
    if (!opened.ok) throw new Error(opened.failure.title);
    const found = await opened.value.lookUp(keyOf(name), asker);
    await opened.value.close();
    return found;
  }
  /** No damage, no results but these, nothing half written, nothing outside the cache. */
  async function expectValid(...names: readonly string[]): Promise<void> {
    expect(await storedKeys()).to.have.members(names.map(keyOf));
    const verified = await verifyCache(cacheDir);
    expect(verified.ok && verified.value.problems).to.deep.equal([]);
    expect(listCache(cacheDir).partials).to.deep.equal([]);
    expect(readdirSync(root).filter((name) => !['cache', 'results.tar'].includes(name))).to.deep.equal([]);
  }
  async function expectRefused(bytes: Buffer, code: string, detail: string | RegExp = ''): Promise<void> {
    const done = await importBytes(bytes);
    expect(done.ok, 'imported').to.equal(false);
    if (done.ok) return;
    expect(done.failure.code, done.failure.detail).to.equal(code);
    if (typeof detail === 'string') expect(done.failure.detail).to.contain(detail);
    else expect(done.failure.detail).to.match(detail);
    await expectValid();
  }

  it('imports results with layers, tools, logs and state, and finds them complete', async () => {
    const archive = honestArchive().result('other', { outputs: { a: 1 } });
    const report = await imported(await archive.tar());
    const bytes = [...archive.blobs.values()].reduce((sum, { length }) => sum + length, 0);
    expect(report).to.deep.equal({ results: 2, blobs: archive.blobs.size, bytes, known: { results: 0, blobs: 0 } });
    await expectValid('honest', 'other');
    expect((await lookUp('honest'))?.state).to.deep.equal({ a: 1 });
    expect((await lookUp('honest'))?.layer?.deleted).to.deep.equal(['gone', 'old/gone']);
  });

  it('skips what the cache has already', async () => {
    const archive = honestArchive();
    await imported(await archive.tar());
    const again = await imported(await archive.result('more').tar());
    expect(again).to.deep.include({ results: 1, blobs: 0, bytes: 0 });
    expect(again.known).to.deep.equal({ results: 1, blobs: archive.blobs.size });
    await expectValid('honest', 'more');
  });

  it('replaces a damaged blob and completes a result that lacks one', async () => {
    const archive = honestArchive();
    await imported(await archive.tar());
    const [large] = listCache(cacheDir).largeBlobs;
    truncateSync(large!.path, 10);
    expect(await imported(await archive.tar())).to.deep.include({ results: 0, blobs: 1, bytes: LARGE.length });
    await expectValid('honest');
  });

  it('adds a result for all apps beside results of single apps', async () => {
    const opened = openLocalStore(cacheDir);
    if (!opened.ok) throw new Error(opened.failure.title);
    const own = { outputs: { own: true }, durationMs: 1, storedAt: 1, appId: 'shop' };
    await opened.value.publish(keyOf('one'), own, RECORD);
    await opened.value.close();
    expect(await imported(await new ForgedArchive().result('one').tar())).to.deep.include({ results: 1 });
    expect((await lookUp('one', { appId: 'blog' }))?.outputs).to.deep.equal({});
  });

  it('keeps results of one key for several builders', async () => {
    const archive = new ForgedArchive().result('one', { builder: 'name:a' }).result('one', { builder: 'name:b' });
    expect(await imported(await archive.tar())).to.deep.include({ results: 2 });
    expect((await lookUp('one', { builder: () => 'name:a' }))?.builder).to.equal('name:a');
    expect((await lookUp('one', { builder: () => 'name:b' }))?.builder).to.equal('name:b');
    expect(await lookUp('one', { builder: () => 'name:c' })).to.equal(undefined);
    const again = await imported(await archive.result('one', { builder: 'name:c' }).tar());
    expect(again).to.deep.include({ results: 1, known: { results: 2, blobs: 1 } });
  });

  it('counts the age of a result from the import if it claims to be from the future', async () => {
    await imported(
      await new ForgedArchive()
        .result('one', { storedAt: NOW + 1e9 })
        .result('two', { storedAt: 5 })
        .tar(),
    );
    expect((await lookUp('one'))?.storedAt).to.equal(NOW);
    expect((await lookUp('two'))?.storedAt).to.equal(5);
  });

  it('imports an archive without results', async () => {
    expect(await imported(await new ForgedArchive().tar())).to.deep.include({ results: 0, blobs: 0 });
  });

  describe('files that are no archive of results', () => {
    const NOT_ONE = 'cache::import-not-an-export';
    it('refuses a missing file and a folder', async () => {
      const missing = await importFile();
      expect(!missing.ok && missing.failure.code).to.equal('cache::import-unreadable');
      mkdirSync(file);
      const folder = await importFile();
      expect(!folder.ok && folder.failure.code).to.equal('cache::import-unreadable');
    });

    const SHAPES: Readonly<Record<string, () => Promise<Buffer> | Buffer>> = {
      'an empty file': () => Buffer.alloc(0),
      'a text': () => Buffer.from('hello\n'.repeat(1000)),
      zeros: () => Buffer.alloc(4096),
      'a compressed archive': async () => gzipSync(await honestArchive().tar()),
      'an archive without a version': async () => tarOf(honestArchive().entries().slice(1)),
      'an archive with the version at the end': async () =>
        tarOf([...honestArchive().entries().slice(1), ...new ForgedArchive().entries()]),
      'a version that is not JSON': async () => tarOf([{ name: 'pyflow-cache.json', content: '{' }]),
      'a version of null': async () => tarOf(new ForgedArchive().entries(null)),
      'a version without numbers': async () => tarOf(new ForgedArchive().entries({ format: '1', keyFormat: {} })),
      'a version that is too long': async () =>
        tarOf(new ForgedArchive().entries({ ...VERSION, more: 'x'.repeat(5000) })),
    };
    for (const [what, shape] of Object.entries(SHAPES))
      it(`refuses ${what}`, async () => expectRefused(await shape(), NOT_ONE));

    it('refuses the formats of other versions', async () => {
      for (const version of [
        { ...VERSION, format: 2 },
        { ...VERSION, keyFormat: KEY_FORMAT + 1 },
      ])
        await expectRefused(await tarOf(honestArchive().entries(version)), 'cache::import-other-version');
    });
  });

  describe('hostile entries', () => {
    const REFUSED = 'cache::import-refused';
    const HASH = sha256Hex('small');
    const entries = honestArchive().entries();
    const isBlob = ({ name }: TarEntry): boolean => name.startsWith('blobs/');
    const blobs = entries.filter(isBlob);
    const results = entries.filter(({ name }) => name.startsWith('results/'));
    const before = entries.slice(0, 1);
    const withFirstBlob = (change: (content: Buffer) => Buffer): TarEntry[] =>
      entries.map((entry) => (entry === blobs[0] ? { ...entry, content: change(entry.content as Buffer) } : entry));

    const SHAPES: Readonly<Record<string, readonly TarEntry[]>> = {
      'a blob with other bytes': withFirstBlob((bytes) => Buffer.alloc(bytes.length, 'x')),
      'a blob that is too short': withFirstBlob((bytes) => bytes.subarray(1)),
      'a blob that is too long': withFirstBlob((bytes) => Buffer.concat([bytes, Buffer.from('x')])),
      'an empty blob': [...before, { name: `blobs/sha256/${hexOf(EMPTY_DIGEST)}`, content: '' }],
      'a blob twice': [...before, blobs[0]!, ...blobs, ...results],
      'a result twice': [...entries, ...results],
      'the version twice': [...before, ...entries],
      'blobs out of order': [...before, ...blobs.toReversed(), ...results],
      'a result before its blobs': [...before, ...results, ...blobs],
      'a name that climbs out': [...before, { name: 'blobs/sha256/../../../../etc/passwd', content: 'x' }],
      'an absolute name': [...before, { name: `/blobs/sha256/${HASH}`, content: 'small' }],
      'a name with a dot': [...before, { name: `./blobs/sha256/${HASH}`, content: 'small' }],
      'a hash in capitals': [...before, { name: `blobs/sha256/${HASH.toUpperCase()}`, content: 'small' }],
      'a short hash': [...before, { name: `blobs/sha256/${HASH.slice(1)}`, content: 'small' }],
      'another algorithm': [...before, { name: `blobs/sha512/${HASH}`, content: 'small' }],
      'an entry of another name': [...before, { name: 'readme.txt', content: 'x' }],
      'a name with control characters': [...before, { name: 'blobs/\u001b[31m\n', content: 'x' }],
      'a link': [...before, { name: `blobs/sha256/${HASH}`, type: 'symlink', linkname: '/etc/passwd' }],
      'a hard link': [...before, { name: `blobs/sha256/${HASH}`, type: 'link', linkname: 'pyflow-cache.json' }],
      'a folder': [...before, { name: 'blobs', type: 'directory' }],
      'a pipe': [...before, { name: `blobs/sha256/${HASH}`, type: 'fifo' }],
      'a device': [...before, { name: `blobs/sha256/${HASH}`, type: 'character-device' }],
      'a second name in attributes': [
        ...before,
        { name: `blobs/sha256/${HASH}`, content: 'small', pax: { path: '../../escaped' } },
      ],
    };
    for (const [what, shape] of Object.entries(SHAPES))
      it(`refuses ${what}`, async () => expectRefused(await tarOf(shape), REFUSED));

    /** Offset of the first header after the version. */
    const SECOND = 1024;
    it('refuses a size that no blob can have', async () => {
      const tar = await tarOf([...before, { name: `blobs/sha256/${HASH}`, content: 'small' }]);
      await expectRefused(withSize(tar, SECOND, 5 * 1024 ** 3), REFUSED, 'a name or a size');
      await expectRefused(withSize(tar, SECOND, 2 * 1024 ** 3), REFUSED, 'before its end mark');
    });

    it('refuses a result that is too large', async () => {
      const tar = await tarOf([...before, { name: `results/sha256/${HASH}`, content: Buffer.alloc(17 * 1024 ** 2) }]);
      await expectRefused(tar, REFUSED, 'a name or a size');
    });

    it('refuses a sparse file and an unknown type', async () => {
      const tar = await tarOf([...before, { name: `blobs/sha256/${HASH}`, content: 'small' }]);
      for (const flag of ['S', 'Z', 'D']) await expectRefused(withTypeFlag(tar, SECOND, flag), REFUSED);
    });

    it('refuses an archive that ends anywhere before its end', async function () {
      this.timeout(60_000);
      const tar = await honestArchive().tar();
      // The end mark is two blocks, after which the length may vary.
      await assert(
        asyncProperty(nat(tar.length - 1024 - 1), async (length) => {
          rmSync(cacheDir, { recursive: true, force: true });
          const done = await importBytes(tar.subarray(0, length));
          expect(!done.ok && done.failure.code).to.be.oneOf([REFUSED, 'cache::import-not-an-export']);
          // The result is the last entry, so it may have arrived.
          const verified = await verifyCache(cacheDir);
          expect(verified.ok && verified.value.problems).to.deep.equal([]);
          expect(listCache(cacheDir).partials).to.deep.equal([]);
        }),
        { numRuns: 40 },
      );
    });

    it('imports nothing that differs from the original if any bit is wrong', async function () {
      this.timeout(60_000);
      const tar = await honestArchive().tar();
      await imported(tar);
      const original = await lookUp('honest');
      await assert(
        asyncProperty(nat(tar.length - 1), integer({ min: 0, max: 7 }), async (at, bit) => {
          rmSync(cacheDir, { recursive: true, force: true });
          const changed = Buffer.from(tar);
          changed[at]! ^= 1 << bit;
          const done = await importBytes(changed);
          const names = await storedKeys();
          // A bit of the padding or of a file time changes nothing.
          expect(names).to.have.lengthOf(done.ok ? 1 : 0);
          if (done.ok) expect(await lookUp('honest')).to.deep.equal(original);
          const verified = await verifyCache(cacheDir);
          expect(verified.ok && verified.value.problems).to.deep.equal([]);
        }),
        { numRuns: 100 },
      );
    });
  });

  describe('hostile results', () => {
    const REFUSED = 'cache::import-refused';
    const refuses = (what: string, forge: (archive: ForgedArchive) => unknown, detail: string | RegExp): void =>
      void it(`refuses ${what}`, async () => {
        const archive = new ForgedArchive();
        forge(archive);
        await expectRefused(await archive.tar(), REFUSED, detail);
      });
    const fields = (what: string, result: object, detail = 'a missing, unknown or invalid field'): void =>
      refuses(what, (archive) => archive.result('one', result as Partial<ActionResult>), detail);
    const records = (what: string, changes: object, detail = 'the record of its key is invalid'): void =>
      refuses(what, (archive) => archive.result('one', {}, { record: archive.record(changes) }), detail);
    const raw = (what: string, change: (bytes: Buffer) => Buffer, detail = 'it is damaged'): void =>
      refuses(
        what,
        (archive) => {
          const [[hash, bytes]] = [...archive.result('one').results] as [[string, Buffer]];
          archive.results.set(hash, change(bytes));
        },
        detail,
      );

    fields('a result of one app', { appId: 'shop' });
    fields('a result with a mark of what stays on a machine', { taint: 'inherited' });
    fields('a degraded result', { degraded: { reason: 'x', host: 'h', expiresAt: NOW + 1e6 } });
    fields('an unknown field', { surprise: 1 });
    fields('outputs that are a list', { outputs: [] });
    fields('state that is a text', { state: 'x' });
    fields('a negative duration', { durationMs: -1 });
    fields('a duration that is a text', { durationMs: '1' });
    fields('a time that is no whole number', { storedAt: 1.5 });
    fields('a time beyond all dates', { storedAt: 9e15 });
    fields('a log that is a path', { log: '../../../../etc/passwd' }, 'it is damaged');
    fields('a log of huge size', { log: `${sha256Hex('x')}/9000000000000000` });
    const deep = JSON.parse(`${'['.repeat(500)}${']'.repeat(500)}`) as object;
    fields('values that are nested too deeply', { outputs: { deep } });

    records('a result made with secrets', { secrets: { TOKEN: { label: 'TOKEN', isSet: false } } }, 'may not leave');
    records('a result whose key names an app', { scope: 'shop' }, 'may not leave');
    records('a result made with app variables', { env: { A: `sha256:${sha256Hex('A=1')}` } }, 'may not leave');
    records('a key of another format', { format: KEY_FORMAT + 1 }, 'another format');
    records('a record with an unknown field', { surprise: 1 });
    records('a record without a kind', { kind: undefined });
    records('a record with files of another type', { files: { 'a.txt': 1 } });
    records('a record with trees of another type', { trees: { tree: 'x' } });
    refuses(
      'a record in another spelling',
      (archive) => archive.result('one', {}, { record: archive.blob(JSON.stringify(RECORD, undefined, 1)) }),
      'canonical',
    );
    refuses(
      'a record that is not JSON',
      (archive) => archive.result('one', {}, { record: archive.blob('{') }),
      'the record of its key is invalid',
    );
    refuses('a missing record', (archive) => archive.result('one', {}, { record: digestOf('gone') }), 'is missing');
    refuses(
      'a record that is a path',
      (archive) => archive.result('one', {}, { record: '../../../../etc/passwd' as never }),
      'names no record',
    );

    raw('a result with a wrong checksum', (bytes) => Buffer.concat([bytes, Buffer.from(' ')]));
    raw('an empty result', () => Buffer.alloc(0));
    raw('a result that states a length beyond its end', (bytes) => {
      const body = Buffer.from(bytes.subarray(40));
      body.writeUInt32LE(0xffffffff, 0);
      return Buffer.concat([bytes.subarray(0, 8), Buffer.from(sha256Hex(body), 'hex'), body]);
    });
    raw(
      'an exit status other than 0',
      (bytes) => {
        const message = Buffer.concat([bytes.subarray(44, 44 + bytes.readUInt32LE(40)), Buffer.from([4 * 8, 1])]);
        const length = Buffer.alloc(4);
        length.writeUInt32LE(message.length);
        const body = Buffer.concat([length, message, bytes.subarray(44 + bytes.readUInt32LE(40))]);
        return Buffer.concat([bytes.subarray(0, 8), Buffer.from(sha256Hex(body), 'hex'), body]);
      },
      'contradict',
    );
    refuses(
      'a result under the key of another',
      (archive) => {
        archive.result('one');
        archive.results.set(hexOf(keyOf('two')), archive.results.get(hexOf(keyOf('one')))!);
        archive.results.delete(hexOf(keyOf('one')));
      },
      'not the result of its key',
    );
    refuses(
      'a result of another builder than its name',
      (archive) => {
        archive.result('one', { builder: 'name:a' });
        const [[id, bytes]] = [...archive.results] as [[string, Buffer]];
        archive.results.delete(id);
        archive.results.set(hexOf(keyOf('one')), bytes);
      },
      'another builder',
    );
    fields('a builder that is a number', { builder: 7 });
    refuses(
      'a key with a path',
      (archive) => archive.result('one', {}, { key: `${hexOf(keyOf('one'))}/../../x` as never }),
      'invalid key',
    );
    refuses(
      'a result with what one machine knows',
      (archive) => archive.result('one', {}, { run: 'a run', sealed: true }),
      'contradict',
    );

    refuses('a missing log', (archive) => archive.result('one', { log: digestOf('gone') }), 'its log is missing');
    for (const line of ['{', '[]', '{"stream":"stdin","at":1,"text":""}', '{"stream":"stdout","at":1}', 'null'])
      refuses(
        `the log line ${line}`,
        (archive) => archive.result('one', { log: archive.blob(`${line}\n`) }),
        'its log is invalid',
      );
  });

  describe('hostile layers', () => {
    const REFUSED = 'cache::import-refused';
    interface Forged {
      readonly directories?: readonly Buffer[];
      readonly layer?: Partial<Layer>;
      /** Of the finished layer. */
      readonly claimed?: object;
    }
    const EMPTY = encodeDirectory(directory());
    const forge = (
      archive: ForgedArchive,
      { directories = [EMPTY], layer = {}, claimed = {} }: Forged,
    ): ForgedArchive => archive.result('one', { layer: { ...archive.layer({ directories, layer }), ...claimed } });
    const refuses = (what: string, make: (archive: ForgedArchive) => Forged, detail: string): void =>
      void it(`refuses ${what}`, async () => {
        const archive = new ForgedArchive();
        forge(archive, make(archive));
        await expectRefused(await archive.tar(), REFUSED, detail);
      });
    const root = (parts: Partial<Directory>): readonly Buffer[] => [encodeDirectory(directory(parts))];
    const one = (digest = digestOf('x')) => ({
      files: 1,
      bytes: 1,
      directories: root({ files: [fileEntry('a', digest)] }),
    });

    refuses('another digest of the layer', () => ({ claimed: { digest: digestOf('x') } }), 'another digest');
    refuses('an unknown field of a layer', () => ({ claimed: { surprise: 1 } }), 'unknown or invalid field');
    refuses('another root', () => ({ layer: { root: digestOf('x') } }), 'another root');
    refuses('another number of files', () => ({ layer: { files: 1 } }), 'another number of files');
    refuses('another number of bytes', () => ({ layer: { bytes: 1 } }), 'another number of files or bytes');
    refuses('a missing file', () => ({ directories: one().directories, layer: { files: 1, bytes: 1 } }), 'is missing');
    refuses('a missing tree', () => ({ layer: { tree: digestOf('gone') } }), 'its tree is missing');
    refuses(
      'a tree that is no message',
      (archive) => ({ layer: { tree: archive.blob('no message') } }),
      'not a valid message',
    );
    refuses('a tree of huge size', () => ({ layer: { tree: makeDigest(sha256Hex('x'), 2 ** 40) } }), 'too large');
    for (const path of ['../x', '/x', 'a//b', 'a/./b', '', 'a\0b', 'x'.repeat(4000)])
      refuses(`a deletion of ${JSON.stringify(path.slice(0, 10))}`, () => ({ layer: { deleted: [path] } }), '');
    refuses('deletions out of order', () => ({ layer: { deleted: ['b', 'a'] } }), 'deletes an invalid path');
    refuses('a deletion twice', () => ({ layer: { deleted: ['a', 'a'] } }), 'deletes an invalid path');
    for (const name of ['..', '.', '', 'a/b', '/etc', 'a\0b'])
      refuses(
        `a file named ${JSON.stringify(name)}`,
        (archive) => ({
          directories: root({ files: [fileEntry(name, archive.blob('x'))] }),
          layer: { files: 1, bytes: 1 },
        }),
        'an invalid folder',
      );
    refuses(
      'names out of order',
      () => ({ directories: [Buffer.concat([link('b'), link('a')])] }),
      'an invalid folder',
    );
    refuses('a name twice', () => ({ directories: [Buffer.concat([link('a'), link('a')])] }), 'an invalid folder');
    refuses(
      'a file and a link of one name',
      () => ({ directories: root({ files: [fileEntry('a', digestOf('x'))], symlinks: [{ name: 'a', target: 'b' }] }) }),
      'a name twice',
    );
    refuses(
      'a name of 256 bytes',
      () => ({ directories: root({ symlinks: [{ name: 'x'.repeat(256), target: 'b' }] }) }),
      'a name that is too long',
    );
    for (const target of ['', 'a\0b', 'x'.repeat(5000)])
      refuses(
        `a link to ${JSON.stringify(target.slice(0, 5))}`,
        () => ({ directories: root({ symlinks: [{ name: 'a', target }] }) }),
        'an invalid link',
      );
    refuses(
      'an unknown field in a folder',
      () => ({ directories: [Buffer.concat([link('a'), field(15, Buffer.from('x'))])] }),
      'another encoding',
    );
    refuses(
      'a file larger than 4 GiB',
      () => ({ directories: one(makeDigest(sha256Hex('x'), 5 * 1024 ** 3)).directories }),
      'a file that is too large',
    );
    refuses(
      'an empty file with a size',
      () => ({ directories: one(makeDigest(hexOf(EMPTY_DIGEST), 7)).directories }),
      'the wrong size',
    );
    refuses(
      'a file with the right hash and the wrong size',
      (archive) => {
        archive.blob('x');
        return { directories: one(makeDigest(sha256Hex('x'), 2)).directories, layer: { files: 1, bytes: 2 } };
      },
      'is missing',
    );
    refuses(
      'a folder that is not in the tree',
      () => ({ directories: root({ directories: [{ name: 'a', digest: digestOf('x') }] }) }),
      'incomplete',
    );
    refuses(
      'a folder that names itself',
      () => {
        // No folder can contain its own digest; the best forgery names that of an earlier version of itself.
        const inner = encodeDirectory(directory({ directories: [{ name: 'a', digest: digestOf('root') }] }));
        return { directories: [...root({ directories: [{ name: 'a', digest: digestOf(inner) }] }), inner] };
      },
      'incomplete',
    );
    refuses('a folder twice', () => ({ directories: [EMPTY, link('a'), link('a')] }), 'a folder twice');
    const pair = (): readonly Buffer[] => {
      const folders = [EMPTY, encodeDirectory(directory({ directories: [{ name: 'x', digest: digestOf(EMPTY) }] }))];
      const [a, b] = folders.map((folder) => digestOf(folder));
      const names = [
        { name: 'a', digest: a! },
        { name: 'b', digest: b! },
      ];
      return [encodeDirectory(directory({ directories: names })), ...folders];
    };
    refuses(
      'folders in another order, which would be another tree of the same layer',
      () => {
        const [top, ...others] = pair();
        return { directories: [top!, ...others.toReversed()] };
      },
      'in another order',
    );
    refuses('a folder that nothing names', () => ({ directories: [...pair(), link('a')] }), 'in another order');
    refuses('401 nested folders', () => ({ directories: nested(402, 1) }), 'too many nested folders');
    refuses(
      'a tree that unfolds to 2^40 folders',
      () => ({ directories: nested(40, 2) }),
      'too many files and folders',
    );

    it('accepts 400 nested folders', async () => {
      const archive = forge(new ForgedArchive(), { directories: nested(400, 1), layer: { files: 1 } });
      expect(await imported(await archive.tar())).to.deep.include({ results: 1 });
    });
  });

  describe('trouble of this machine', () => {
    it('fails if the cache is not writable', async () => {
      writeFileSync(file, await honestArchive().tar());
      const done = await withChangedFs(
        () => ({
          accessSync: () => {
            throw systemError('EROFS');
          },
        }),
        () => importFile(),
      );
      expect(!done.ok && done.failure.code).to.equal('cache::import-not-stored');
      expect(await storedKeys()).to.deep.equal([]);
    });

    it('fails if the disk becomes full, and leaves a valid cache', async () => {
      writeFileSync(file, await honestArchive().tar());
      for (let failing = 0; failing < 4; failing++) {
        rmSync(cacheDir, { recursive: true, force: true });
        let writes = 0;
        const done = await withChangedFs(
          ({ writeSync }) => ({
            writeSync: (...args: Parameters<typeof writeSync>) => {
              if (writes++ >= failing) throw systemError('ENOSPC');
              return writeSync(...args);
            },
          }),
          () => importFile(),
        );
        expect(!done.ok && done.failure.code, `write ${failing}`).to.equal('cache::import-not-stored');
        await expectValid();
      }
    });

    it('stops when it is interrupted, and leaves a valid cache', async () => {
      writeFileSync(file, await honestArchive().tar());
      const aborted = await importFile(AbortSignal.abort());
      expect(!aborted.ok && aborted.failure.code).to.equal('run::aborted');
      await expectValid();
    });
  });
});

/** An encoded folder with one link. */
const link = (name: string): Buffer => encodeDirectory(directory({ symlinks: [{ name, target: 'x' }] }));

/** Folders in each other, each `width` times in the one above; root first. The innermost has a link. */
function nested(depth: number, width: number): readonly Buffer[] {
  const made = [link('a')];
  for (let level = 0; level < depth; level++) {
    const digest = digestOf(made[0] as Buffer);
    const names = Array.from({ length: width }, (_, index) => ({ name: `d${index}`, digest }));
    made.unshift(encodeDirectory(directory({ directories: names })));
  }
  return made;
}
