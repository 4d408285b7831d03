import { expect } from 'chai';
import * as fc from 'fast-check';
import { matcherOf } from '../../../src/engine/files/pattern.js';
import { escapeUnsafe, shownPath } from '../../../src/engine/files/shown-path.js';
import { Workspace } from '../../support/workspace.js';

const LINE_ENDS = ['\r', '\n', '\u2028', '\u2029'];

describe('engine/files/pattern', () => {
  it('matches every character of a name except the slash', () => {
    const character = fc.oneof(fc.constantFrom(...LINE_ENDS, '\u0085', ' ', '.', '\\'), fc.string({ unit: 'binary' }));
    fc.assert(
      fc.property(character, character, (before, after) => {
        const name = `a${before}b${after}`.replaceAll('/', '');
        for (const pattern of ['**', '*', 'a*', 'o/**', '**/a*', 'o/*']) {
          const path = pattern.startsWith('o/') ? `o/${name}` : name;
          expect(matcherOf(pattern)(path), `${pattern} on ${JSON.stringify(path)}`).to.equal(true);
        }
        expect(matcherOf('*')(`o/${name}`)).to.equal(false);
      }),
    );
    for (const end of LINE_ENDS) {
      expect(matcherOf('Icon?')(`Icon${end}`)).to.equal(true);
      expect(matcherOf('Icon[^a]')(`Icon${end}`)).to.equal(true);
      expect(matcherOf('*.py')(`a.py${end}`)).to.equal(false);
    }
  });

  for (const end of LINE_ENDS) {
    const name = `Icon${end}`;
    const shown = JSON.stringify(end);
    it(`selects, keys and accepts a file whose name ends with ${shown}`, async () => {
      const work = new Workspace();
      try {
        work.write({ [`src/${name}`]: 'first', '.slugignore': 'left?out/\n', [`left${end}out/x`]: 'x' }).pipeline(`
pyflow: 1
nodes:
  reads: { uses: command, with: { argv: [sh, -c, "mkdir out; cat src/* > out/all; cp src/* out/"], reads: ['src/**'], writes: ['out/*'] } }
`);
        expect((await work.run()).status).to.equal('succeeded');
        expect(work.slugFile('out/all')).to.equal('first');
        expect(work.slugFile(`out/${name}`)).to.equal('first');
        expect(work.slugNames().some((path) => path.startsWith('left'))).to.equal(false);
        work.write({ [`src/${name}`]: 'second' });
        expect((await work.run()).nodes['reads']?.outcome).to.equal('executed');
        expect(work.slugFile('out/all')).to.equal('second');
      } finally {
        work.cleanUp();
      }
    });
  }

  it('names files that were written elsewhere on one line, escaped', async () => {
    const work = new Workspace();
    try {
      work.pipeline(`
pyflow: 1
nodes:
  stray: { uses: command, with: { argv: [sh, -c, 'touch "$(printf ''a\\r'')" "$(printf ''b\\nforged: line'')"'] } }
`);
      const { failure } = await work.run();
      expect(failure?.code).to.equal('node::undeclared-write');
      expect(failure?.detail.split('\n')[0]).to.equal('Written: "a\\r", "b\\nforged: line"');
    } finally {
      work.cleanUp();
    }
  });
});

describe('engine/files/shown-path', () => {
  it('keeps a harmless path unchanged', () => {
    for (const path of ['src/app.py', 'naïve/日本.txt', 'a b', "it's", '\u{1f469}\u200d\u{1f4bb}.png'])
      expect(shownPath(path)).to.equal(path);
  });

  it('escapes control characters, line ends and marks that change the direction', () => {
    expect(shownPath('o/Icon\r')).to.equal('"o/Icon\\r"');
    expect(shownPath('a"\n')).to.equal('"a\\"\\n"');
    expect(shownPath('x\u202etxt.exe')).to.equal('"x\\u202etxt.exe"');
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (path) => {
        const shown = shownPath(path);
        expect(shown).not.to.match(/[\p{Cc}\p{Zl}\p{Zp}\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]/u);
        if (shown !== path) expect(JSON.parse(shown)).to.equal(path);
        expect(JSON.parse(escapeUnsafe(JSON.stringify(path)))).to.equal(path);
      }),
    );
  });
});
