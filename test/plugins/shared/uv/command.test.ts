import { expect } from 'chai';
import type { UvLock } from '../../../../src/manifests/app/uv-lock.js';
import { planIndex } from '../../../../src/plugins/shared/uv/command.js';

const lockFrom = (...indexes: string[]): UvLock => ({
  packages: indexes.map((at, number) => ({
    name: `p${number}`,
    version: '1',
    source: { type: 'registry', at },
    wheels: [],
    hasSdist: false,
    needs: [],
    hashed: true,
  })),
});
const PYPI = 'https://pypi.org/simple';
const MIRROR = 'https://me:secret@mirror.example/simple';

describe('plugins/shared/uv/command', () => {
  it('installs from the lockfile without an index, or with the default one', () => {
    expect(planIndex(lockFrom(PYPI), undefined)).to.deep.equal({ way: 'locked', others: [] });
    expect(planIndex(lockFrom(PYPI), `${PYPI}/`)).to.deep.equal({ way: 'locked', others: [] });
  });

  it('installs packages of the default index from a mirror, and others from their index', () => {
    expect(planIndex(lockFrom(PYPI, 'https://own.example/simple'), MIRROR)).to.deep.equal({
      way: 'mirror',
      index: MIRROR,
      others: ['https://own.example/simple'],
    });
  });

  it('logs in to the index of the lockfile, with its spelling', () => {
    expect(planIndex(lockFrom('https://mirror.example/simple/'), MIRROR)).to.deep.equal({
      way: 'locked',
      index: 'https://me:secret@mirror.example/simple/',
      others: [],
    });
  });

  it('keeps the default index of an app that sets one', () => {
    expect(planIndex(lockFrom('https://own.example/simple'), MIRROR)).to.deep.equal({ way: 'locked', others: [] });
  });

  it('passes the index to build tools if the lockfile has none', () => {
    expect(planIndex(lockFrom('wheels'), MIRROR)).to.deep.equal({ way: 'locked', index: MIRROR, others: [] });
  });
});
