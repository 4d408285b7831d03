import { expect } from 'chai';
import * as fc from 'fast-check';
import picomatch from 'picomatch';
import { compilePathPattern } from '../../src/manifests/path-pattern.js';

const matches = (pattern: string, path: string): boolean | undefined => compilePathPattern(pattern)?.(path);

describe('path-pattern', () => {
  it('matches as documented', () => {
    const table: readonly (readonly [string, readonly string[], readonly string[]])[] = [
      ['a.py', ['a.py'], ['b/a.py', 'a.pyc', 'xa.py', 'axpy']],
      ['*.py', ['a.py', '.py', '.a.py'], ['b/a.py']],
      ['**', ['a', 'a/b', '.a/.b'], []],
      ['**/*.py', ['a.py', 'x/a.py', 'x/y/a.py', '.x/a.py'], ['a.pyc']],
      ['lib/**', ['lib/a', 'lib/a/b', 'lib'], ['libx', 'x/lib/a']],
      ['*/**', ['a/b', 'a/b/c'], ['a']],
      ['a/**/b', ['a/b', 'a/x/b', 'a/x/y/b'], ['ab', 'a/b/c']],
      ['a?c', ['abc', 'a.c'], ['ac', 'a/c']],
      ['{a,b/c}.x', ['a.x', 'b/c.x'], ['b.x']],
      ['{a,{b,c}d}', ['a', 'bd', 'cd'], ['b', 'ad']],
      ['{a}', ['{a}'], ['a']],
      ['[a-c]x', ['ax', 'cx'], ['dx', 'x', '[a-c]x']],
      ['[!a-c]x', ['dx', '-x'], ['ax']],
      ['[x', ['[x'], ['x']],
      ['\\*', ['*'], ['a']],
      ['\\{a,b\\}', ['{a,b}'], ['a']],
      ['src/(auth)/+page', ['src/(auth)/+page'], ['src/auth/page']],
      ['{**/a,b/**}', ['a', 'x/a', 'b/y'], ['c']],
    ];
    for (const [pattern, yes, no] of table) {
      for (const path of yes) expect(matches(pattern, path), `${pattern} ${path}`).to.equal(true);
      for (const path of no) expect(matches(pattern, path), `${pattern} ${path}`).to.equal(false);
    }
  });

  it('agrees with picomatch on the documented syntax', () => {
    const name = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*', '?', '-'), minLength: 1, maxLength: 5 });
    const piece = fc.oneof(
      { weight: 4, arbitrary: name },
      { weight: 2, arbitrary: fc.constant('**') },
      { weight: 1, arbitrary: fc.tuple(name, name).map(([a, b]) => `{${a},${b}}`) },
    );
    const pattern = fc
      .array(piece, { minLength: 1, maxLength: 4 })
      .map((pieces) => pieces.join('/'))
      // picomatch does not expand `{a,*}/**` to `*/**`, which is not every name.
      .filter((text) => !text.includes('}/**'))
      // It is also inconsistent about `{a,*}` after `**/`.
      .filter((text) => !/[{,]\*+[,}]/.test(text))
      // Several stars in a row have no meaning, except for `**` alone.
      .filter(
        (text) => !text.split(/[/{},]/).some((segment) => segment !== '**' && /\*\*|\.\.|^\.$|\*\?|\?\*/.test(segment)),
      );
    const path = fc
      .array(fc.string({ unit: fc.constantFrom('a', 'b', '.', '-'), minLength: 1, maxLength: 5 }), {
        minLength: 1,
        maxLength: 5,
      })
      // picomatch requires a character after the dot of `*.*`.
      .filter((names) => !names.some((one) => one.endsWith('.')))
      .map((names) => names.join('/'));
    fc.assert(
      fc.property(pattern, path, (glob, text) => {
        expect(matches(glob, text), `${glob} on ${text}`).to.equal(picomatch(glob, { dot: true })(text));
      }),
      { numRuns: 3000 },
    );
  });

  it('matches hostile patterns quickly, or refuses them for their size', () => {
    const long = 'a'.repeat(4000);
    const deep = 'a/'.repeat(2000);
    const hostile = [
      `${'**/'.repeat(1000)}x`,
      `${'*a'.repeat(1500)}b`,
      `${'?*'.repeat(1500)}b`,
      `${'{a,b}'.repeat(9)}*x`,
      `${'{a,b}'.repeat(400)}`,
      `${'{a,'.repeat(800)}b${'}'.repeat(800)}`,
      '{'.repeat(4000),
      '['.repeat(4000),
      `[${'a-'.repeat(1500)}]`,
      `${'+(a|'.repeat(500)}b${')'.repeat(500)}*`,
      `!(${'!('.repeat(500)}`,
      'x'.repeat(5000),
      '{{{a,b},{c,d}},{{e,f},{g,h}}}'.repeat(20),
    ];
    for (const pattern of hostile) {
      const startedAt = performance.now();
      const match = compilePathPattern(pattern);
      for (const path of [long, deep]) match?.(path);
      expect(performance.now() - startedAt, pattern.slice(0, 20)).to.be.lessThan(1000);
    }
    expect(compilePathPattern('{a,b}'.repeat(11))).to.equal(undefined);
    expect(compilePathPattern('x'.repeat(1025))).to.equal(undefined);
  });
});
