import { expect } from 'chai';
import { acceptsWheel, wheelFits, wheelTags, type WheelMachine } from '../../../src/manifests/app/wheel-tags.js';
import { askTags } from '../../support/pip-packaging.js';

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

const GLIBC: WheelMachine = { os: 'linux', machine: 'x86_64', libc: { name: 'glibc', version: '2.36' } };
const MUSL: WheelMachine = { os: 'linux', machine: 'x86_64', libc: { name: 'musl', version: '1.2' } };
const MAC: WheelMachine = { os: 'darwin', machine: 'aarch64' };
const accepts = (tags: string, machine = GLIBC, minor = '3.12'): boolean => {
  const parsed = wheelTags(`a-1.0-${tags}.whl`);
  return parsed !== undefined && acceptsWheel(parsed, minor, machine);
};

describe('acceptsWheel', () => {
  for (const [tags, answer, machine] of [
    ['py3-none-any', true],
    ['py311-none-any', true],
    ['py313-none-any', false],
    ['cp312-cp312-linux_x86_64', true],
    ['cp312-abi3-manylinux_2_17_x86_64', true],
    ['cp39-abi3-manylinux2014_x86_64', true],
    ['cp313-abi3-manylinux_2_17_x86_64', false],
    ['cp39.cp310-abi3-manylinux_2_17_x86_64', true],
    ['cp311-none-any', false],
    ['cp312-cp312t-manylinux_2_17_x86_64', false],
    ['cp313-cp313t-manylinux_2_17_x86_64', false],
    ['pp310-pypy310_pp73-manylinux_2_17_x86_64', false],
    ['py2-none-any', false],
    ['cp312-cp312-manylinux_2_36_x86_64', true],
    ['cp312-cp312-manylinux_2_37_x86_64', false],
    ['cp312-cp312-musllinux_1_2_x86_64', false],
    ['cp312-cp312-musllinux_1_2_x86_64', true, MUSL],
    ['cp312-cp312-musllinux_1_3_x86_64', false, MUSL],
    ['cp312-cp312-manylinux_2_17_x86_64', false, MUSL],
    ['cp312-cp312-macosx_11_0_arm64', true, MAC],
    ['cp312-cp312-macosx_10_9_universal2', true, MAC],
    ['cp312-cp312-macosx_10_9_x86_64', false, MAC],
    ['cp312-cp312-win_amd64', false],
  ] as const) {
    it(`${answer ? 'accepts' : 'refuses'} ${tags}${machine === undefined ? '' : ` on ${machine.libc?.name ?? machine.os}`}`, () => {
      expect(accepts(tags, machine)).to.equal(answer);
    });
  }

  it('accepts every wheel for the machine if the C library is unknown', () => {
    const machine: WheelMachine = { os: 'linux', machine: 'x86_64' };
    expect(accepts('cp312-cp312-manylinux_2_99_x86_64', machine)).to.equal(true);
    expect(accepts('cp312-cp312-musllinux_1_9_x86_64', machine)).to.equal(true);
    expect(accepts('cp312-cp312-manylinux_2_17_aarch64', machine)).to.equal(false);
  });

  it('reads no tags from other names', () => {
    for (const name of [
      'a-1.0.tar.gz',
      'a-1.0.whl',
      `a-1.0-py3-none-${'x'.repeat(600)}.whl`,
      'a-b-1-py3-none-any-x.whl',
    ]) {
      expect(wheelTags(name), name.slice(0, 40)).to.equal(undefined);
    }
  });

  it('agrees with pip about which Pythons a wheel is for', function () {
    const platforms = ['manylinux_2_17_x86_64', 'manylinux2014_x86_64', 'linux_x86_64'];
    for (const own of [10, 12, 14]) {
      const told = new Set(askTags(this, own, platforms));
      const pythons = [
        'py3',
        'py2',
        ...[2, 9, 10, 11, 12, 13, 14, 15].flatMap((minor) => [`cp3${minor}`, `py3${minor}`]),
      ];
      const abis = ['none', 'abi3', ...[9, 10, 12, 14].flatMap((minor) => [`cp3${minor}`, `cp3${minor}t`])];
      for (const python of pythons) {
        for (const abi of abis) {
          // No tool builds a wheel with an ABI for every platform.
          for (const platform of [...platforms, 'win_amd64', ...(abi === 'none' ? ['any'] : [])]) {
            const tag = `${python}-${abi}-${platform}`;
            expect(accepts(tag, GLIBC, `3.${own}`), `${tag} for 3.${own}`).to.equal(told.has(tag));
          }
        }
      }
    }
  });
});
