import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { type Line, screenOf, steadied, svgOf, textOf } from '../../scripts/terminal-svg.js';
import { liveRenderer } from '../../src/engine/render/live.js';
import { Workspace } from '../support/workspace.js';

const picture = readFileSync(fileURLToPath(new URL('../../docs/terminal.svg', import.meta.url)), 'utf8');

describe('terminal picture', () => {
  describe('screenOf', () => {
    it('keeps the styles of a line', () => {
      expect(
        screenOf('\u001b[1mpip\u001b[22m: \u001b[32mexecuted\u001b[39m \u001b[2min 1 s\u001b[22m\r\n'),
      ).to.deep.equal([
        [
          { text: 'pip', bold: true },
          { text: ': ' },
          { text: 'executed', color: 'green' },
          { text: ' ' },
          { text: 'in 1 s', dim: true },
        ],
      ]);
    });

    it('leaves out frames that were drawn over', () => {
      const output = '\u001b[?25lone\r\n1 running\r\n  pip  0 s\r\u001b[1A\u001b[0Jtwo\r\n\u001b[?25h';
      expect(screenOf(output).map(textOf)).to.deep.equal(['one', 'two']);
    });

    it('overwrites after a carriage return', () => {
      expect(screenOf('abc\rx').map(textOf)).to.deep.equal(['xbc']);
    });

    it('throws for escape sequences that it does not know', () => {
      expect(() => screenOf('\u001b[2K')).to.throw('unknown escape sequence');
      expect(() => screenOf('\u001b[95mx')).to.throw('unknown style: 95');
    });
  });

  it('rounds times and shortens the path of the app', () => {
    expect(steadied('in 0 ms, 38 ms, 910 ms, 1.4 s, 14.7 s: /tmp/x/flask-pip/.pyflow', '/tmp/x/flask-pip')).to.equal(
      'in 1 ms, 50 ms, 1 s, 1 s, 10 s: ~/flask-pip/.pyflow',
    );
  });

  it('escapes text, and draws the same lines to the same bytes', () => {
    const lines: readonly Line[] = [[{ text: 'a < b && c > d' }], [], [{ text: 'red', color: 'red' }]];
    const svg = svgOf(lines, 'A & B');
    expect(svg).to.contain('<title>A &amp; B</title>').and.contain('a &lt; b &amp;&amp; c &gt; d');
    expect(svgOf(lines, 'A & B')).to.equal(svg);
    expect(linesIn(svg)).to.deep.equal(['a < b && c > d', 'red']);
  });

  it('holds text alone: no script, no link, no font from elsewhere', () => {
    expect(picture).not.to.match(/<script|href|url\(|@import|@font-face|on\w+=/);
    expect(picture).to.contain('prefers-color-scheme: dark');
  });

  it('shows what the live log writes today (else: npm run picture)', async () => {
    const workspace = new Workspace().write({ 'requirements.txt': 'one\n' }).pipeline(PIPELINE);
    try {
      const written = [];
      for (const text of ['one\n', 'two\n', 'two\n']) {
        workspace.write({ 'requirements.txt': text });
        await workspace.run();
        written.push(...screenOf(liveOutput(workspace)).map(textOf));
      }
      const shapes = new Set(written.map(shapeOf));
      const shown = linesIn(picture).filter((line) => !line.startsWith('$ '));
      expect(shown.length).to.be.greaterThan(10);
      expect(shown.filter((line) => !shapes.has(shapeOf(line)))).to.deep.equal([]);
    } finally {
      workspace.cleanUp();
    }
  });
});

/** Its first node always executes, the second has a file that changes, and the third is skipped. */
const PIPELINE = JSON.stringify({
  pyflow: 1,
  name: 'words',
  nodes: {
    a: { uses: 'command', with: { argv: ['true'] } },
    b: { uses: 'command', with: { argv: ['true'], reads: ['requirements.txt'] } },
    c: { uses: 'command', when: 'false', with: { argv: ['true'] } },
  },
});

function liveOutput({ events }: Workspace): string {
  let output = '';
  const renderer = liveRenderer((text) => void (output += text.replaceAll('\n', '\r\n')), {
    verbose: false,
    color: true,
    now: () => 0,
    later: () => () => undefined,
    size: () => ({ columns: 100, rows: 40 }),
  });
  for (const event of events) renderer.consume(event);
  renderer.close();
  return output;
}

/** A line without what differs from run to run. */
const shapeOf = (line: string): string =>
  line
    .replace(/^[a-z-]+:/, 'NODE:')
    .replace(/^(Slug: ).+ \(/, '$1PATH (')
    .replace(/\d[\d,.]* m?s\b/g, 'TIME')
    .replace(/\d[\d,.]* [kM]?B\b/g, 'SIZE')
    .replace(/\d[\d,]*/g, 'N')
    .replace(/\bfile\b/, 'files')
    .replace('; saved TIME', '');

const linesIn = (svg: string): readonly string[] =>
  [...svg.matchAll(/<text[^>]*>(.*)<\/text>/g)].map(([, line = '']) =>
    line
      .replace(/<[^>]+>/g, '')
      .replaceAll('&lt;', '<')
      .replaceAll('&gt;', '>')
      .replaceAll('&amp;', '&'),
  );
