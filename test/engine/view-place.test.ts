import { expect } from 'chai';
import { tmpdir } from 'node:os';
import { isForMemory, isNearlyFull } from '../../src/engine/view-place.js';

const here = { smallDir: tmpdir, largeDir: tmpdir };
const nowhere = { smallDir: () => '/nonexistent', largeDir: tmpdir };
const MB = 1024 * 1024;

describe('view-place', () => {
  it('keeps small views in memory, whatever the operator says of large ones', () => {
    expect(isForMemory(MB, undefined, nowhere)).to.equal(true);
    expect(isForMemory(MB, 'disk', here)).to.equal(true);
  });

  it('keeps large views on the disk where the operator wants it, or memory has no room', () => {
    expect(isForMemory(64 * MB, 'disk', here)).to.equal(false);
    expect(isForMemory(64 * MB, undefined, nowhere)).to.equal(false);
    expect(isForMemory(1e15, undefined, here)).to.equal(false);
  });

  it('takes a folder that is not there for a full one', () => {
    expect(isNearlyFull('/nonexistent')).to.equal(true);
    expect(isNearlyFull('/')).to.equal(false);
  });
});
