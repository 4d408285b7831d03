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
  it('installs by the lockfile when no index is given, or the default one', () => {
    expect(planIndex(lockFrom(PYPI), undefined)).to.deep.equal({ way: 'locked', others: [] });
    expect(planIndex(lockFrom(PYPI), `${PYPI}/`)).to.deep.equal({ way: 'locked', others: [] });
  });

  it('takes what the default index has from a mirror, and the rest from where it is', () => {
    expect(planIndex(lockFrom(PYPI, 'https://own.example/simple'), MIRROR)).to.deep.equal({
      way: 'mirror',
      index: MIRROR,
      others: ['https://own.example/simple'],
    });
  });

  it('logs in to the index that the lockfile names, spelled as there', () => {
    expect(planIndex(lockFrom('https://mirror.example/simple/'), MIRROR)).to.deep.equal({
      way: 'locked',
      index: 'https://me:secret@mirror.example/simple/',
      others: [],
    });
  });

  it('leaves an app alone that has a default index of its own', () => {
    expect(planIndex(lockFrom('https://own.example/simple'), MIRROR)).to.deep.equal({ way: 'locked', others: [] });
  });

  it('gives build tools the index when the lockfile names none', () => {
    expect(planIndex(lockFrom('wheels'), MIRROR)).to.deep.equal({ way: 'locked', index: MIRROR, others: [] });
  });
});
