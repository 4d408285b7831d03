import { expect } from 'chai';
import { checkPipeline } from '../../../src/manifests/pipeline/check.js';
import { evaluateWhen } from '../../../src/manifests/pipeline/when.js';
import { parsePipeline } from '../../../src/manifests/pipeline/load.js';
import { compilePattern, loadPatternEngine, patternsIn } from '../../../src/manifests/text-pattern.js';
import { shippedKinds } from '../../../src/plugins/index.js';
import { testKinds } from '../../support/kinds.js';

const RUN = { mode: 'build', os: 'linux', arch: 'amd64' } as const;
/** What each answer may take: an engine that backtracks would take years. */
const WITHIN_MS = 1000;
const HOSTILE = `${'a'.repeat(50_000)}!`;

const PATTERNS = [
  '^(a+)+$',
  '^(a|a)*$',
  '^(a|aa)+$',
  '^(([a-z])+.)+[A-Z]([a-z])+$',
  '(a*)*b',
  '^(a?){40}a{40}$',
  '(.*.*)*x',
  '^((a+)+)+$',
  '(?:a+){20}b',
  '(a|b|ab)*c',
  '^(\\w+\\s?)*$',
  '(x+x+)+y',
];

/** Lists in each other, eight and more deep. */
const nested = (inner: string, deep: number, macro: string): string => {
  let text = inner;
  for (let level = 0; level < deep; level++) text = `[0,1,2,3,4,5,6,7,8,9].${macro}(v${level}, ${text})`;
  return text;
};
const bound = (deep: number, value: string): string => {
  let text = `size(b${deep}) > 0`;
  for (let level = deep; level > 0; level--) text = `cel.bind(b${level}, b${level - 1} + b${level - 1}, ${text})`;
  return `cel.bind(b0, ${value}, ${text})`;
};
const EXPRESSIONS = [
  `size(${nested('0', 8, 'map')}) == 10`,
  nested('true', 12, 'all'),
  nested('false', 12, 'exists'),
  `size(${nested('true', 9, 'filter')}) == 10`,
  nested('true', 10, 'exists_one'),
  `true || ${nested('true', 10, 'all')} && ${nested('true', 12, 'all')}`,
  bound(40, '"aaaa"'),
  bound(30, '[1, 2, 3, 4]'),
  `cel.bind(l, ${nested('0', 3, 'map')}, [0,1,2,3,4,5,6,7,8,9].all(x, [0,1,2,3,4,5,6,7,8,9].all(y, [0,1,2,3,4,5,6,7,8,9].all(z, l == l))))`,
  'params.text.matches("^(a+)+$")',
  'params.text.matches("(" + "a*)*" + "b")',
  'params.text.split("").all(x, params.text.split("").all(y, x == y))',
  'params.text.split("").map(x, params.text).join("") == ""',
];

describe('hostile expressions', () => {
  before(loadPatternEngine);

  for (const pattern of PATTERNS) {
    it(`answers ${pattern} within a second`, () => {
      const startedAt = performance.now();
      expect(compilePattern(pattern)?.test(HOSTILE)).to.be.a('boolean');
      expect(performance.now() - startedAt).to.be.lessThan(WITHIN_MS);
    });
  }

  for (const expression of EXPRESSIONS) {
    it(`answers ${expression.slice(0, 50)}... within a second`, async () => {
      const startedAt = performance.now();
      const result = await evaluateWhen(expression, {}, { text: HOSTILE }, RUN);
      expect(performance.now() - startedAt).to.be.lessThan(WITHIN_MS);
      if (!result.ok) expect(result.failure.detail).to.include(expression.slice(0, 100));
    });
  }

  it('names the expression that needs too many steps, even if a term would swallow the error', async () => {
    const expression = `true || ${nested('true', 12, 'all')}`;
    // A term that needs no evaluation costs nothing.
    expect(await evaluateWhen(expression, {}, {}, RUN)).to.deep.equal({ ok: true, value: true });
    for (const costly of [`${nested('true', 12, 'all')} || true`, `[1].exists(x, ${nested('true', 12, 'all')})`]) {
      const result = await evaluateWhen(costly, {}, {}, RUN);
      expect(!result.ok && result.failure).to.include({ code: 'pipeline::when-failed', blame: 'pipeline' });
      expect(!result.ok && result.failure.detail).to.include('more than 500000 steps');
    }
  });

  it('evaluates ordinary expressions as before', async () => {
    const given = { a: { list: ['x', 'y'], text: 'v1.2' } };
    const holds = async (expression: string): Promise<unknown> => {
      const result = await evaluateWhen(expression, given, {}, RUN);
      return result.ok ? result.value : result.failure.detail;
    };
    expect(await holds('a.list.exists(x, x == "y") && a.text.matches("^v[0-9]+[.]")')).to.equal(true);
    expect(await holds('a.list.map(x, x + "1") == ["x1", "y1"]')).to.equal(true);
    expect(await holds('a.text.matches("^w")')).to.equal(false);
    expect(await holds('has(a.text) ? size(a.list.filter(x, x != "x")) == 1 : false')).to.equal(true);
  });

  it('refuses a pattern that RE2 does not support, with its position', async () => {
    const refused = async (text: string): Promise<readonly string[]> => {
      const loaded = await parsePipeline('p.yml', text);
      if (!loaded.ok) throw new Error('not loaded');
      const checked = await checkPipeline(loaded.value, {
        kinds: await testKinds(),
        params: {},
        run: RUN,
        paramsMayMiss: true,
      });
      return checked.ok ? [] : checked.failure.diagnostics.map(({ message, start }) => `${start.line}: ${message}`);
    };
    const param = (pattern: string): string =>
      `pyflow: 1\nparams:\n  p: { type: string, pattern: '${pattern}' }\nnodes:\n  a: { uses: command, with: { argv: [echo, "\${params.p}"] } }\n`;
    const guard = (pattern: string): string =>
      `pyflow: 1\nparams:\n  p: { type: string }\nnodes:\n  a: { uses: command, when: 'params.p.matches("${pattern}")', with: { argv: [echo] } }\n`;
    for (const pattern of ['^(?=a)b', '(a)\\1', '(?<!a)b', 'a{2000}']) {
      expect((await refused(param(pattern))).join()).to.match(/^3: .*linear time/);
    }
    expect(await refused(param('('))).to.include('3: The pattern is not a valid regular expression.');
    expect((await refused(guard('^(?=a)b')))[0]).to.match(/^5: .*linear time/);
    expect(await refused(param('^(a+)+$'))).to.deep.equal([]);
  });

  it('refuses a deeply nested param, and accepts a string with many brackets', async () => {
    const text =
      'pyflow: 1\nparams:\n  p: { type: array }\nnodes:\n  a: { uses: command, when: "size(params.p) > 0", with: { argv: [echo] } }\n';
    const loaded = await parsePipeline('p.yml', text);
    if (!loaded.ok) throw new Error('not loaded');
    const check = async (p: string) => {
      const checked = await checkPipeline(loaded.value, { kinds: await testKinds(), params: { p }, run: RUN });
      return checked.ok ? [] : checked.failure.diagnostics.map(({ code }) => code);
    };
    expect(await check(`${'['.repeat(50_000)}${']'.repeat(50_000)}`)).to.deep.equal(['pipeline::bad-param']);
    expect(await check(`["${'['.repeat(50_000)}", "\\"[[["]`)).to.deep.equal([]);
  });

  it('matches the patterns of shipped manifests within a second, whatever the text', () => {
    const texts = ['a', '1', '.', '/', '-', ' ', 'a/', '../', 'a.', '1.', 'a-', '@', '+', 'é'].flatMap((part) => [
      part.repeat(20_000),
      `${part.repeat(20_000)}\n`,
      `${part.repeat(20_000)}!`,
    ]);
    let tried = 0;
    for (const { manifest } of shippedKinds.values()) {
      for (const pattern of patternsIn([manifest.config, manifest.inputs, manifest.outputs])) {
        const compiled = new RegExp(pattern, 'u');
        const startedAt = performance.now();
        for (const text of texts) compiled.test(text);
        expect(performance.now() - startedAt, pattern).to.be.lessThan(WITHIN_MS);
        tried++;
      }
    }
    expect(tried).to.be.greaterThan(10);
  });
});
