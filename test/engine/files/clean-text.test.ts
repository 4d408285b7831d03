/* oxlint-disable no-control-regex -- control characters are what is looked for */

import { expect } from 'chai';
import * as fc from 'fast-check';
import { cleanColoredText, cleanText, cutText, textWidth } from '../../../src/engine/files/clean-text.js';
import { cpuMs } from '../../support/cpu-time.js';

/** Text full of the starts and ends of sequences. */
const hostileText = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'binary', maxLength: 4 }),
      fc.constantFrom('\u001b', '\u001b[', '\u001b]', '31m', '\u0007', '\u009b', ';', '\u001b\\'),
    ),
  )
  .map((parts) => parts.join(''));
const CONTROL = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;

describe('engine/files/clean-text', () => {
  it('leaves ordinary text unchanged', () => {
    expect(cleanText('tab\tgrüße 日本 🎉')).to.equal('tab\tgrüße 日本 🎉');
  });

  it('removes colours, cursor movements, titles and links', () => {
    expect(
      cleanText(
        '\u001b[31mred\u001b[0m \u001b[2J\u001b[10;3Hx \u001b]0;title\u0007y \u001b]8;;u\u001b\\z\u001b]8;;\u001b\\',
      ),
    ).to.equal('red x y z');
  });

  it('removes an unterminated title up to the end of the line', () => {
    expect(cleanText('a \u001b]0;rest')).to.equal('a ');
  });

  it('shows other control characters and reordering marks as replacement characters', () => {
    expect(cleanText('a\rb\u0007c\u202ed')).to.equal('a\ufffdb\ufffdc\ufffdd');
  });

  it('keeps colours on request and ends them with the line', () => {
    expect(cleanColoredText('\u001b[31mred\u001b[2K')).to.equal('\u001b[31mred\u001b[0m');
  });

  it('lets no control character through for any text', () => {
    fc.assert(fc.property(hostileText, (text) => !CONTROL.test(cleanText(text))));
  });

  it('lets only colours through when it keeps them', () => {
    fc.assert(
      fc.property(hostileText, (text) => !CONTROL.test(cleanColoredText(text).replace(/\u001b\[[0-9;:]*m/g, ''))),
    );
  });

  it('needs linear time for a flood of unfinished sequences', async () => {
    const flood = `${'\u001b['.repeat(50_000)}${'0'.repeat(100_000)}${'\u001b]'.repeat(50_000)}`;
    expect(await cpuMs(() => cleanText(flood))).to.be.lessThan(1000);
  });

  it('cuts by columns and never inside a character', () => {
    expect(cutText('short', 10)).to.equal('short');
    expect(cutText('abcdef', 4)).to.equal('abc…');
    expect(cutText('日本語', 4)).to.equal('日…');
    expect(cutText('🎉🎉🎉', 5)).to.equal('🎉🎉…');
    expect(cutText('abc', 0)).to.equal('');
  });

  it('never returns more columns than requested', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 1, max: 40 }), (text, columns) => {
        expect(textWidth(cutText(text, columns))).to.be.at.most(columns);
      }),
    );
  });
});
