import { expect } from 'chai';
import { meetsSpecifiers, nearestPython, newestVersion } from '../../../src/manifests/app/package-version.js';

describe('manifests/app/package-version', () => {
  it('compares versions according to PEP 440', () => {
    const met: readonly (readonly [string, string])[] = [
      ['1.0', '==1'],
      ['1.0.0', '==1.0.*'],
      ['1.10', '>1.9'],
      ['2.0rc1', '<2.0.1'],
      ['2.0rc1', '<2.0rc2'],
      ['2.0rc1.post1', '>=2.0rc1,<2.0rc2'],
      ['2.0.1.post1', '>2.0'],
      ['2.0.dev1', '<2.0a1'],
      ['2.0.post1', '>=2.0'],
      ['1.4.5', '~=1.4.2'],
      ['1.9', '~=1.4'],
      ['1!1.0', '>2024.1'],
      ['1.0', '!=1.1,!=2.*'],
      ['1.0', ''],
      ['1.0', '===1.0'],
    ];
    for (const [version, specifiers] of met)
      expect(meetsSpecifiers(version, specifiers), `${version} ${specifiers}`).to.equal(true);
    const unmet: readonly (readonly [string, string])[] = [
      ['1.1', '==1'],
      ['1.5', '~=1.4.2'],
      ['2.0', '>=1,<2'],
      ['1.0', '!=1.0'],
      // Exclusive comparisons leave out what belongs to the release that they name.
      ['2.0rc1', '<2.0'],
      ['2.0.post1', '>2.0'],
      ['1!2.0', '==2.*'],
      ['1!2.1', '~=2.0'],
      ['2.0rc1.post1', '>=2.0'],
      ['what', '>=1'],
      ['1.0', '>=what'],
      ['1.0', 'gibberish'],
    ];
    for (const [version, specifiers] of unmet)
      expect(meetsSpecifiers(version, specifiers), `${version} ${specifiers}`).to.equal(false);
  });

  it('prefers a final version to a pre-release', () => {
    expect(newestVersion(['1.9', '1.10', '2.0b1', 'x'])).to.equal('1.10');
    expect(newestVersion(['2.0a1', '2.0b1'])).to.equal('2.0b1');
    expect(newestVersion(['x'])).to.equal(undefined);
  });

  it('finds the nearest allowed Python', () => {
    expect(nearestPython('3.11', '>=3.12')).to.equal('3.12');
    expect(nearestPython('3.13', '>=3.8,<3.12')).to.equal('3.11');
    expect(nearestPython('3.11', '>3.12.4')).to.equal('3.12');
    expect(nearestPython('3.11', '!=3.12.*,>=3.12')).to.equal('3.13');
    expect(nearestPython('3.11', '<3')).to.equal(undefined);
  });
});
