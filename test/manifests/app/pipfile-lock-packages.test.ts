import { expect } from 'chai';
import { readPipfileLock } from '../../../src/manifests/app/pipfile-lock-packages.js';

const read = (lock: unknown, develop = false) => readPipfileLock(Buffer.from(JSON.stringify(lock)), { develop });
const hashes = [`sha256:${'0'.repeat(64)}`];

describe('manifests/app/pipfile-lock-packages', () => {
  it('lists locked packages with normalized name and version, sorted', () => {
    const lock = {
      _meta: { sources: [{ url: 'https://pypi.org/simple', name: 'pypi' }] },
      default: { Flask_Login: { version: '==0.6.3', hashes }, click: { version: '==8.5.1', hashes } },
    };
    expect(read(lock)).to.deep.equal({
      packages: [
        { name: 'click', version: '8.5.1', isHashed: true },
        { name: 'flask-login', version: '0.6.3', isHashed: true },
      ],
      sources: ['https://pypi.org/simple'],
    });
  });

  it('adds development packages on request', () => {
    const lock = { _meta: {}, default: {}, develop: { pytest: { version: '==9.0', hashes } } };
    expect(read(lock)?.packages).to.deep.equal([]);
    expect(read(lock, true)?.packages.map(({ name }) => name)).to.deep.equal(['pytest']);
  });

  it('marks packages without digests, and those from the app', () => {
    const lock = {
      _meta: {},
      default: {
        a: { git: 'https://example.com/a.git', ref: 'c0ffee' },
        b: { path: './libs/b', editable: true },
        c: { file: 'vendor/c-1.0-py3-none-any.whl' },
        d: { file: 'https://example.com/d-1.0.zip', hashes },
        e: { file: 'file:///tmp/e.whl' },
        f: { version: '==1.0', hashes: [] },
      },
    };
    expect(read(lock)?.packages).to.deep.equal([
      { name: 'a', version: 'c0ffee', isHashed: false },
      { name: 'b', version: './libs/b', isHashed: false, localPath: './libs/b' },
      {
        name: 'c',
        version: 'vendor/c-1.0-py3-none-any.whl',
        isHashed: false,
        localPath: 'vendor/c-1.0-py3-none-any.whl',
      },
      { name: 'd', version: 'https://example.com/d-1.0.zip', isHashed: true },
      { name: 'e', version: 'file:///tmp/e.whl', isHashed: false, localPath: '/tmp/e.whl' },
      { name: 'f', version: '1.0', isHashed: false },
    ]);
  });

  it('rejects files that are not a lock', () => {
    for (const text of ['', '{', '[]', 'null', '{"default": {}}', '{"_meta": []}']) {
      expect(readPipfileLock(Buffer.from(text), { develop: false }), text).to.equal(undefined);
    }
    expect(read({ _meta: { sources: 3 }, default: [], develop: 'x' }, true)).to.deep.equal({
      packages: [],
      sources: [],
    });
    expect(read({ _meta: { sources: [null, { url: 1 }] }, default: { a: 1 } })).to.deep.equal({
      packages: [{ name: 'a', version: '', isHashed: false }],
      sources: [],
    });
  });
});
