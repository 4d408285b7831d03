import { expect } from 'chai';
import * as fc from 'fast-check';
import { createLineSplitter, MAX_LINE_LENGTH } from '../../../src/engine/files/line-splitter.js';

describe('engine/files/line-splitter', () => {
  const split = (chunks: readonly Buffer[]): readonly string[] => {
    const lines: string[] = [];
    const splitter = createLineSplitter((text) => lines.push(text));
    for (const chunk of chunks) splitter.write(chunk);
    splitter.end();
    return lines;
  };
  const cases: readonly [string, string, readonly string[]][] = [
    ['keeps blank lines', 'a\n\nb\n', ['a', '', 'b']],
    ['passes on a last line without an end', 'a\nb', ['a', 'b']],
    ['treats \\r\\n as one line end', 'a\r\n\r\nb\r\n', ['a', '', 'b']],
    ['shows every state of a progress bar', '\r10%\r20%\r\r100%\n', ['10%', '20%', '100%']],
  ];
  for (const [what, text, lines] of cases) {
    it(what, () => {
      expect(split([Buffer.from(text)])).to.deep.equal(lines);
      expect(split([...Buffer.from(text)].map((byte) => Buffer.from([byte])))).to.deep.equal(lines);
    });
  }

  it('replaces bytes that are not text', () => {
    expect(split([Buffer.from([0x61, 0xff, 0x62, 0x0a])])).to.deep.equal(['a\u{fffd}b']);
  });

  it('cuts an endless line into pieces and never through a character', () => {
    const text = `${'x'.repeat(MAX_LINE_LENGTH - 1)}😀${'y'.repeat(MAX_LINE_LENGTH)}`;
    const lines = split([Buffer.from(text)]);
    expect(lines.join('')).to.equal(text);
    expect(lines.map((line) => line.length)).to.deep.equal([MAX_LINE_LENGTH - 1, MAX_LINE_LENGTH, 2]);
    expect(split([Buffer.from(`${'x'.repeat(MAX_LINE_LENGTH)}\n`)])).to.have.length(1);
  });

  it('does not depend on how the bytes are cut into chunks', () => {
    const bytes = fc
      .array(fc.constantFrom('a', 'ü', '😀', '\n', '\r', '\r\n', 'line'), { maxLength: 40 })
      .map((parts) => Buffer.from(parts.join('')));
    fc.assert(
      fc.property(bytes, fc.array(fc.nat(60), { maxLength: 6 }), (whole, cuts) => {
        const edges = [0, ...cuts.map((cut) => Math.min(cut, whole.length)).sort((a, b) => a - b), whole.length];
        const chunks = edges.slice(1).map((edge, index) => whole.subarray(edges[index], edge));
        expect(split(chunks)).to.deep.equal(split([whole]));
      }),
    );
  });
});
