import { expect } from 'chai';
import * as fc from 'fast-check';
import { AppValues, type ValueTracer } from '../../../src/engine/secrets/app-values.js';
import { SPELLINGS } from '../../support/secret-spellings.js';

const NONE = (): ReadonlySet<string> => new Set();
const tracerOf = (value: string, open = NONE): ValueTracer | undefined =>
  new AppValues({ NAME: value }, open).tracerFor(['NAME']);
const isFound = (value: string, text: string): boolean => {
  const tracer = tracerOf(value);
  tracer?.text(text);
  return tracer?.hasFound === true;
};

describe('engine/secrets/app-values', () => {
  it('finds a value in any spelling, however its bytes arrive', () => {
    const value = fc.string({ unit: 'grapheme-ascii', minLength: 12, maxLength: 40 }).filter((text) => {
      const trimmed = text.trim();
      return trimmed.length >= 12 && !trimmed.includes('@') && !/^[[{]/.test(trimmed);
    });
    const spelling = fc.constantFrom('raw', 'json', 'url, every sign', 'base64', 'hex');
    const cuts = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(value, spelling, cuts, (text, name, sizes) => {
        const trimmed = text.trim();
        const tracer = tracerOf(trimmed)!;
        const watch = tracer.watch();
        const bytes = Buffer.from(`before ${SPELLINGS[name]!(trimmed)} after`);
        for (let at = 0, cut = 0; at < bytes.length; cut++) {
          const size = sizes[cut % sizes.length]!;
          watch(bytes.subarray(at, at + size));
          at += size;
        }
        expect(tracer.hasFound, `${name}: ${JSON.stringify(trimmed)}`).to.equal(true);
      }),
      { numRuns: 300 },
    );
  });

  it('searches for nothing if a node had no variable, or only values that it cannot search for', () => {
    const values = new AppValues({ PORT: '8080', STAGE: 'prod', EMPTY: '', OPEN: 'proj.settings' }, () => {
      return new Set(['proj.settings']);
    });
    expect(values.tracerFor([])).to.equal(undefined);
    expect(values.tracerFor(['MISSING'])).to.equal(undefined);
    expect(values.tracerFor(['PORT', 'STAGE', 'EMPTY', 'OPEN'])).to.equal(undefined);
  });

  it('finds plain words, the password in a URL, and a line of several that looks random', () => {
    expect(isFound('proj.settings', 'DJANGO = "proj.settings"')).to.equal(true);
    const url = 'postgres://shop:Blue-Heron_2291@db.example:5432/shop';
    expect(isFound(url, 'password=Blue-Heron_2291')).to.equal(true);
    expect(isFound(url, 'host=db.example user=shop')).to.equal(false);
    const lines = 'the first line\nq8Zr5tWm2LxK9vB4nJ7c\n';
    expect(isFound(lines, 'key: q8Zr5tWm2LxK9vB4nJ7c')).to.equal(true);
    expect(isFound(lines, 'the first line')).to.equal(false);
  });

  it('does not search for variables that the node did not have', () => {
    const values = new AppValues({ ONE: 'Blue-Heron_2291', TWO: 'Grey-Heron_7410' }, NONE);
    const tracer = values.tracerFor(['ONE'])!;
    tracer.text('Grey-Heron_7410');
    expect(tracer.hasFound).to.equal(false);
    tracer.text('Blue-Heron_2291');
    expect(tracer.hasFound).to.equal(true);
    expect(values.tracerFor(['ONE'])?.hasFound, 'each node begins anew').to.equal(false);
  });
});
