import { mkdtempSync, openSync, closeSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { digestOf, hexOf, sha256Hex, type ActionKey } from '../../../src/engine/files/digest.js';
import { KeyTimes } from '../../../src/engine/store/key-times.js';
import {
  decodeResult,
  encodeResult,
  isIntact,
  newestOf,
  ResultFolder,
  type StoredResult,
} from '../../../src/engine/store/results.js';
import { TrustLedger } from '../../../src/engine/store/trust.js';
import { encodeActionResult } from '../../../src/engine/trees/reapi-result.js';

const KEY = digestOf('key') as ActionKey;
const HASH = hexOf(KEY);
const layer = {
  digest: digestOf('layer'),
  deleted: ['gone'],
  root: digestOf('root'),
  tree: digestOf('tree'),
  files: 1,
  bytes: 2,
};
const stored = (about: Partial<StoredResult> = {}): StoredResult => ({
  key: KEY,
  result: { outputs: { n: 1 }, layer, tool: layer, log: digestOf('log'), durationMs: 1, storedAt: 1 },
  record: digestOf('record'),
  boot: 'boot',
  sealed: false,
  run: 'run',
  writtenAt: 5,
  ...about,
});

describe('engine/store/results', () => {
  it('decodes what it encoded, with or without layers and a log', () => {
    const plain = stored({ result: { outputs: {}, durationMs: 1, storedAt: 1 } });
    for (const one of [stored(), plain]) expect(decodeResult(HASH, encodeResult(one))).to.deep.equal(one);
  });

  it('decodes nothing that is damaged, or of another key', () => {
    const bytes = encodeResult(stored());
    expect(decodeResult(hexOf(digestOf('other')), bytes)).to.equal(undefined);
    expect([isIntact(bytes), isIntact(bytes.subarray(0, 20)), isIntact(Buffer.alloc(100))]).to.deep.equal([
      true,
      false,
      false,
    ]);
    expect(decodeResult(HASH, bytes.subarray(0, -1))).to.equal(undefined);
  });

  it('decodes no result of another writer that lacks the content, or has a layer that leads out of the app', () => {
    const message = encodeActionResult({ outputFiles: [], outputDirectories: [], outputSymlinks: [], exitCode: 0 });
    const length = Buffer.alloc(4);
    length.writeUInt32LE(message.length);
    const { result: _, ...rest } = stored();
    const body = Buffer.concat([length, message, Buffer.from(JSON.stringify(rest))]);
    const bytes = Buffer.concat([Buffer.from('pyfres-1'), Buffer.from(sha256Hex(body), 'hex'), body]);
    expect([isIntact(bytes), decodeResult(HASH, bytes)]).to.deep.equal([true, undefined]);
    const outside = { ...layer, deleted: ['../other'] };
    for (const part of ['layer', 'tool']) {
      const result = { ...stored().result, [part]: outside };
      expect(decodeResult(HASH, encodeResult(stored({ result })))).to.equal(undefined);
    }
  });

  it('takes the newest of several results, and the sealed one of two that are the same', () => {
    const [old, young, sealed] = [stored(), stored({ writtenAt: 6 }), stored({ writtenAt: 6, sealed: true })];
    for (const all of [
      [old, young, sealed],
      [sealed, young, old],
    ]) {
      expect(newestOf(all)).to.equal(sealed);
    }
    expect(newestOf([])).to.equal(undefined);
  });

  describe('in a folder', () => {
    let root: string;
    beforeEach(() => {
      root = mkdtempSync(join(tmpdir(), 'pyflow-test-'));
    });
    afterEach(() => rmSync(root, { recursive: true, force: true }));

    it('is damaged, missing or found', () => {
      const folder = new ResultFolder(root, 'run', false);
      expect(folder.read(HASH)).to.deep.equal({ type: 'missing' });
      folder.write(HASH, stored());
      expect(folder.read(HASH)).to.deep.equal({ type: 'found', stored: stored() });
      expect(folder.read(HASH, () => false)).to.deep.equal({ type: 'missing' });
      folder.close(0);
      const fd = openSync(join(root, 'ac/run.pack'), 'r+');
      writeSync(fd, 'damage', 300);
      closeSync(fd);
      const damaged = new ResultFolder(root, 'latest', true);
      expect(damaged.read(HASH).type).to.equal('damaged');
    });

    it('loses only the time of a use if nothing can be written', () => {
      writeFileSync(join(root, 'file'), '');
      const times = new KeyTimes(join(root, 'file/below-a-file'));
      times.append([HASH], 7);
      expect(times.timeOf(HASH)).to.equal(7);
      expect(new KeyTimes(join(root, 'file/below-a-file')).timeOf(HASH)).to.equal(undefined);
      times.append([], 8);
      times.appendBounded([], 8);
      expect(times.timeOf(HASH)).to.equal(7);
    });

    it("trusts what it hashed for one run only if the ledger can't be written", () => {
      writeFileSync(join(root, 'file'), 'bytes');
      const stats = statSync(join(root, 'file'), { bigint: true });
      for (const [path, isReadOnly] of [
        [join(root, 'trust'), true],
        [join(root, 'file/below-a-file'), false],
      ] as const) {
        const ledger = new TrustLedger(path, 'boot', isReadOnly);
        ledger.trust(HASH, stats);
        expect(ledger.isTrusted(HASH, stats)).to.equal(true);
        ledger.close();
        expect(new TrustLedger(path, 'boot', isReadOnly).isTrusted(HASH, stats)).to.equal(false);
      }
    });
  });
});
