import { expect } from 'chai';
import * as fc from 'fast-check';
import {
  nameMatcher,
  PackageTable,
  parsePackageSpec,
  type PackageSpec,
} from '../../../src/manifests/packages/package-spec.js';

const spec = (text: string): PackageSpec => parsePackageSpec(text) as PackageSpec;

describe('names of packages in a policy', () => {
  it('count in their normalized spelling', () => {
    expect(spec('Zope._Interface >= 5 , <6')).to.deep.equal({ pattern: 'zope-interface', specifiers: '>= 5,<6' });
    expect(spec('acme-*')).to.deep.equal({ pattern: 'acme-*', specifiers: '' });
  });

  it('match with stars as a regular expression would', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', '-'), maxLength: 10 });
    const patterns = fc.string({ unit: fc.constantFrom('a', 'b', '-', '*'), maxLength: 8 });
    fc.assert(
      fc.property(patterns, letters, (pattern, name) => {
        const expected = new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(name);
        expect(nameMatcher(pattern)(name)).to.equal(expected);
      }),
      { numRuns: 2000 },
    );
  });

  it('take no time that a name could blow up', () => {
    const fits = nameMatcher(`${'*a'.repeat(140)}*b`);
    const started = performance.now();
    for (let count = 0; count < 100; count++) expect(fits('a'.repeat(10_000))).to.equal(false);
    expect(performance.now() - started).to.be.below(2000);
  });

  it('find the entry that covers a version', () => {
    const table = new PackageTable([
      { spec: spec('a <2'), value: 1 },
      { spec: spec('a*'), value: 2 },
    ]);
    expect(table.find('a', '1.9', false)?.value).to.equal(1);
    expect(table.find('a', '2.0', false)?.value).to.equal(2);
    expect(table.find('a', undefined, true)?.value).to.equal(1);
    expect(table.find('b', '1', true)).to.equal(undefined);
  });
});
