import { expect } from 'chai';
import { wheelFits } from '../../../src/manifests/app/wheel-tags.js';

const LINUX = { minor: '3.12', machine: 'x86_64', glibc: '2.36' };

describe('manifests/app/wheel-tags', () => {
  for (const [tags, fits] of [
    ['py3-none-any', true],
    ['py2.py3-none-any', true],
    ['cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64', true],
    ['cp38-abi3-manylinux_2_28_x86_64', true],
    ['py3-none-manylinux1_x86_64', true],
    ['cp312-none-any', true],
    ['py2-none-any', false],
    ['cp311-cp311-manylinux_2_17_x86_64', false],
    ['cp313-abi3-manylinux_2_17_x86_64', false],
    ['cp312-cp312-manylinux_2_39_x86_64', false],
    ['cp312-cp312-manylinux_2_17_aarch64', false],
    ['cp312-cp312-musllinux_1_2_x86_64', false],
    ['cp312-cp312-win_amd64', false],
    ['cp312-cp312t-manylinux_2_17_x86_64', false],
  ] as const) {
    it(`${fits ? 'accepts' : 'refuses'} ${tags}`, () => {
      expect(wheelFits(`some_name-1.0-${tags}.whl`, LINUX)).to.equal(fits);
    });
  }

  it('accepts build numbers, and refuses files that are not wheels', () => {
    expect(wheelFits('a-1.0-1-py3-none-any.whl', LINUX)).to.equal(true);
    expect(wheelFits('a-1.0.tar.gz', LINUX)).to.equal(false);
  });

  it('accepts only pure wheels with another C library', () => {
    const musl = { minor: '3.12', machine: 'x86_64' };
    expect(wheelFits('a-1.0-py3-none-any.whl', musl)).to.equal(true);
    expect(wheelFits('a-1.0-cp312-cp312-manylinux_2_17_x86_64.whl', musl)).to.equal(false);
  });
});
