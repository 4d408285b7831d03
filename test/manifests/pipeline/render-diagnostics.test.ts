import { expect } from 'chai';
import * as fc from 'fast-check';
import type { Diagnostic } from '../../../src/manifests/pipeline/diagnostic.js';
import { renderDiagnostics } from '../../../src/manifests/pipeline/render-diagnostics.js';

const at = (line: number, column: number, width = 1, more: Partial<Diagnostic> = {}): Diagnostic => ({
  code: 'pipeline::sample',
  severity: 'error',
  file: 'a.yml',
  start: { line, column },
  end: { line, column: column + width },
  message: 'It is wrong.',
  remedy: 'Correct it.',
  ...more,
});
const render = (diagnostic: Diagnostic, text: string): string =>
  renderDiagnostics([diagnostic], text, { color: false });

describe('renderDiagnostics', () => {
  it('shows place, code, excerpt, reason and remedy', () => {
    expect(render(at(2, 4, 3, { reason: 'Because.' }), 'one\nab cde\n')).to.equal(
      [
        'a.yml:2:4: error: It is wrong. [pipeline::sample]',
        '  |',
        '2 | ab cde',
        '  |    ^~~',
        '  = why: Because.',
        '  = fix: Correct it.',
        '',
      ].join('\n'),
    );
  });

  it('underlines the rest of the line when the place spans several lines', () => {
    const shown = render(at(1, 2, 1, { end: { line: 3, column: 2 } }), 'abcd\nef\ng');
    expect(shown).to.include('1 | abcd\n  |  ^~~\n');
  });

  it('leaves out the excerpt when there is no line', () => {
    expect(render(at(1, 1), '')).to.equal('a.yml:1:1: error: It is wrong. [pipeline::sample]\n  = fix: Correct it.\n');
    expect(render(at(9, 1), 'x\n')).to.not.include('|');
  });

  it('cuts a window out of a long line', () => {
    const line = `${'a'.repeat(5000)}HERE${'b'.repeat(5000)}`;
    const shown = render(at(1, 5001, 4), line).split('\n');
    expect(shown[2]).to.have.length.below(130);
    expect(shown[2]).to.match(/^1 \| \.\.\. a+HEREb+ \.\.\.$/);
    expect(shown[2]?.indexOf('HERE')).to.equal(shown[3]?.indexOf('^~~~'));
  });

  it('counts wide characters like a terminal', () => {
    const shown = render(at(1, 4, 1), '日本x語').split('\n');
    expect(shown[3]).to.equal(`  | ${' '.repeat(5)}^~`);
  });

  it('writes colors only on request', () => {
    const coloured = renderDiagnostics([at(1, 1)], 'x', { color: true });
    expect(coloured).to.include('\u001b[1;31merror\u001b[0m');
    // oxlint-disable-next-line no-control-regex
    expect(coloured.replaceAll(/\u001b\[[0-9;]*m/g, '')).to.equal(render(at(1, 1), 'x'));
  });

  it('removes characters that control a terminal or reorder text', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.string({ unit: 'binary' }),
        fc.nat({ max: 60 }),
        (line, words, column) => {
          const text = line.replaceAll(/[\r\n]/g, '');
          const shown = render(
            at(1, column + 1, 3, { message: words, file: words, reason: words, remedy: words }),
            text,
          );
          expect(shown).to.not.match(/[^\P{C}\n\p{Co}\p{Cn}]/u);
        },
      ),
      { numRuns: 1000 },
    );
  });
});
