import { expect } from 'chai';
import * as fc from 'fast-check';
import { parseRuntimeTxt } from '../../../src/manifests/app/runtime-txt.js';

const parse = (content: string) => parseRuntimeTxt(Buffer.from(content));

describe('runtime-txt', () => {
  it('[pyver.runtime-txt-format] accepts python- with a minor or an exact version', () => {
    expect(parse('python-3.12.1\n')).to.deep.equal({
      ok: true,
      value: { text: '3.12.1', minor: '3.12', version: '3.12.1' },
    });
    expect(parse('# why\n\n  python-3.12  \r\n')).to.deep.equal({ ok: true, value: { text: '3.12', minor: '3.12' } });
  });

  for (const content of [
    '',
    '# only a comment',
    '3.12',
    'python-3',
    'python 3.12',
    'Python-3.12',
    'python-3.12\npython-3.13',
    'python-3.012',
    '\uFEFFpython-3.12',
    'pypy3.6-7.3.2',
  ]) {
    it(`[pyver.runtime-txt-invalid] refuses ${JSON.stringify(content)}`, () => {
      expect(parse(content)).to.deep.equal({ ok: false, failure: { type: 'invalid-version' } });
    });
  }

  it('never throws for any bytes', () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void parseRuntimeTxt(bytes)));
  });
});
