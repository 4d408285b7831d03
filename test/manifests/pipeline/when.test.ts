import { expect } from 'chai';
import * as fc from 'fast-check';
import { evaluateCEL } from '../../../src/manifests/pipeline/cel.js';
import { parsePlain, type NodeValues } from '../../../src/manifests/pipeline/plain-guard.js';
import { evaluateWhen } from '../../../src/manifests/pipeline/when.js';

const RUN = { mode: 'build', os: 'linux', arch: 'x64' } as const;

describe('evaluateWhen', () => {
  const value = async (expression: string, values: NodeValues = {}, params = {}): Promise<boolean | string> => {
    const result = await evaluateWhen(expression, values, params, RUN);
    return result.ok ? result.value : result.failure.code;
  };

  it('compares ports, params and facts of the run', async () => {
    const values = {
      manager: { name: 'pip', count: 3, ok: true, groups: ['a', 'b'], share: 2 },
      'pre-compile': { ran: false },
    };
    const params = { stack: 'x', limit: 5, tags: ['t'], strict: false };
    expect(await value('manager.name == "pip"', values)).to.equal(true);
    expect(await value("manager.name != 'pip'", values)).to.equal(false);
    expect(await value('manager.ok && !nodes["pre-compile"].ran', values)).to.equal(true);
    expect(await value('manager.count > 2 && manager.count < 3', values)).to.equal(false);
    expect(await value('manager.share + 0.5 > 2.4', values)).to.equal(true);
    expect(await value('"b" in manager.groups', values)).to.equal(true);
    expect(await value('manager.groups.exists(g, g == "b")', values)).to.equal(true);
    expect(await value('params.stack == "x" && run.mode == "build"', values, params)).to.equal(true);
    expect(await value('params.limit >= 5 && !params.strict && params.tags.size() == 1', values, params)).to.equal(
      true,
    );
    expect(await value('manager.name == "pip" ? manager.ok : false', values)).to.equal(true);
  });

  it('is false when it depends on an output of a skipped node', async () => {
    for (const absent of [{}, { a: undefined }, { a: {} }, { a: { x: undefined } }]) {
      expect(await value('a.x == "1"', absent)).to.equal(false);
      expect(await value('a.x != "1"', absent)).to.equal(false);
      expect(await value('!a.x', absent)).to.equal(false);
      expect(await value('!(a.x == "1")', absent)).to.equal(false);
      expect(await value('a.x.size() == 0', absent)).to.equal(false);
      expect(await value('has(a.x)', absent)).to.equal(false);
      expect(await value('!has(a.x)', absent)).to.equal(true);
      expect(await value('a.x == "1" || b.x == "1"', { ...absent, b: { x: '1' } })).to.equal(true);
    }
    expect(await value('has(nodes["a-b"].x)', { 'a-b': { x: '' } })).to.equal(true);
  });

  it('fails on values of different types when none is absent', async () => {
    expect(await value('a.x > 3', { a: { x: 'text' } })).to.equal('pipeline::when-failed');
    expect(await value('a.x', { a: { x: 'text' } })).to.equal('pipeline::when-failed');
    expect(await value('a.x ==', { a: { x: 'text' } })).to.equal('pipeline::when-failed');
  });

  it('ignores names that objects inherit', async () => {
    expect(await value('tostring.x == "1"', { tostring: { x: '1' } })).to.equal(true);
    expect(await value('a.toString == "1"', { a: {} })).to.equal(false);
    expect(await value('a.constructor.name == "Object"', { a: {} })).to.equal(false);
  });

  it('evaluates the plain form without CEL, with the same result', async () => {
    const port = fc.constantFrom('x', 'y');
    const reference = fc
      .tuple(fc.constantFrom('a', 'bb', 'nodes["c-d"]', 'nodes["a"]', 'params', 'run'), port)
      .map(([node, name]) => {
        if (node === 'run') return `run.${name === 'x' ? 'mode' : 'os'}`;
        return `${node}.${name}`;
      });
    const literal = fc.constantFrom('""', '"p"', "'p'", '"build"', "'q q'");
    const term = fc.oneof(
      fc.tuple(reference, fc.constantFrom('==', ' == ', '!='), literal).map((parts) => parts.join('')),
      fc.tuple(fc.constantFrom('', '!'), reference).map((parts) => parts.join('')),
    );
    const expression = fc.array(term, { minLength: 1, maxLength: 3 }).map((terms) => terms.join(' && '));
    const ports = fc.record(
      { x: fc.constantFrom('p', 'build', true, false, ''), y: fc.constantFrom('q q', 'p', true) },
      { requiredKeys: [] },
    );
    const values = fc.record({ a: ports, bb: ports, 'c-d': ports }, { requiredKeys: [] });
    let plain = 0;
    await fc.assert(
      fc.asyncProperty(expression, values, async (guard, nodes) => {
        const params = { x: 'p', y: true };
        expect(parsePlain(guard), guard).to.not.equal(undefined);
        const quick = await evaluateWhen(guard, nodes, params, RUN);
        const slow = await evaluateCEL(guard, nodes, params, RUN);
        expect(quick.ok, guard).to.equal(slow.ok);
        if (!quick.ok || !slow.ok) return;
        plain++;
        expect(quick.value, guard).to.equal(slow.value);
      }),
      { numRuns: 2000 },
    );
    expect(plain).to.be.greaterThan(200);
  });

  it('leaves everything else to CEL', () => {
    for (const guard of ['a.x', '!a.x', 'a.x == "b"', ' a.x=="b"&&nodes["c-d"].y != \'z\' '])
      expect(parsePlain(guard), guard).to.not.equal(undefined);
    for (const guard of [
      '',
      'a',
      'a.x == 3',
      'a.x == "b" || a.y',
      'a.x == "\\n"',
      'a.x.y',
      'type.x',
      '!a.x == "b"',
      'a.x &&',
      '"b" == a.x',
      'a-b.x',
    ])
      expect(parsePlain(guard), guard).to.equal(undefined);
  });

  it('never throws for any expression', async () => {
    const piece = fc.constantFrom(
      'a',
      '.x',
      '"',
      "'",
      '(',
      ')',
      '[',
      ']',
      ' == ',
      '&&',
      '||',
      '!',
      '-',
      '1',
      '"s"',
      'nodes',
      'has',
      '?',
      ':',
      '{',
      '}',
      '\\',
      ',',
      ' in ',
      'params.p',
      '\n',
      'cel.bind(',
      '.exists(',
    );
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.array(piece).map((parts) => parts.join('')),
        ),
        async (expression) => {
          await evaluateWhen(expression, { a: { x: 's' } }, { p: 1 }, RUN);
        },
      ),
      { numRuns: 2000 },
    );
    const deep = await evaluateWhen(`${'('.repeat(20_000)}a.x${')'.repeat(20_000)}`, {}, {}, RUN);
    expect(deep.ok).to.equal(false);
  });
});
