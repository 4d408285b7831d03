import { expect } from 'chai';
import * as fc from 'fast-check';
import { parsePipfileLock } from '../../../src/manifests/app/pipfile-lock.js';

const parse = (value: unknown) => parsePipfileLock(Buffer.from(JSON.stringify(value)));
const requires = (fields: object) => parse({ _meta: { requires: fields }, default: {} });

describe('pipfile-lock', () => {
  it('[pyver.pipfile-lock-fields] prefers the full version', () => {
    expect(requires({ python_version: '3.11', python_full_version: '3.12.3' })).to.have.nested.property(
      'value.text',
      '3.12.3',
    );
    expect(requires({ python_version: '3.11' })).to.deep.equal({ ok: true, value: { text: '3.11', minor: '3.11' } });
  });

  it('[pyver.pipfile-lock-absent] returns nothing when no field is present', () => {
    for (const lock of [
      {},
      { _meta: {} },
      { _meta: { requires: {} } },
      { _meta: null },
      { _meta: { requires: { python_version: null } } },
    ]) {
      expect(parse(lock), JSON.stringify(lock)).to.deep.equal({ ok: true, value: undefined });
    }
  });

  it('[pyver.pipfile-lock-invalid-version] refuses wildcards, ranges and numbers, and shows 50 characters', () => {
    expect(requires({ python_version: '*' })).to.deep.equal({
      ok: false,
      failure: { type: 'invalid-version', field: 'python_version', found: '*' },
    });
    expect(requires({ python_version: 3.1 })).to.have.nested.property('failure.found', '3.1');
    expect(requires({ python_full_version: `>=${'3'.repeat(80)}` }))
      .to.have.nested.property('failure.found')
      .with.length(50);
  });

  it('[pyver.pipfile-lock-invalid-json] reports the message of the parser', () => {
    const result = parsePipfileLock(Buffer.from('{"_meta": <<<<<<< HEAD'));
    expect(result).to.have.nested.property('failure.type', 'invalid-json');
    expect(result).to.have.nested.property('failure.message').that.includes('<');
  });

  it('[pyver.pipfile-lock-invalid-json] reports a file that does not have the shape of a lockfile', () => {
    for (const lock of [[], 'text', 3, null, { _meta: [] }, { _meta: { requires: 'x' } }]) {
      expect(parse(lock), JSON.stringify(lock)).to.have.nested.property('failure.type', 'invalid-json');
    }
  });

  it('never throws for any bytes or JSON', () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void parsePipfileLock(bytes)));
    fc.assert(fc.property(fc.json(), (text) => void parsePipfileLock(Buffer.from(text))));
    fc.assert(fc.property(fc.jsonValue(), (value) => void requires({ python_version: value })));
  });
});
