import { expect } from 'chai';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isForMemory, isNearlyFull, isSpare } from '../../../src/engine/app/view-place.js';
import { sharedFolder } from '../../support/shared-folder.js';

/** Programs that other tests start as root may make any folder outside. */
const missing = join(sharedFolder('view-place'), 'missing');
const here = { smallDir: tmpdir, largeDir: tmpdir };
const nowhere = { smallDir: () => missing, largeDir: tmpdir };
const MB = 1024 * 1024;

describe('engine/app/view-place', () => {
  it('keeps small views in memory, whatever the setting for large ones is', () => {
    expect(isForMemory({ bytes: MB, isOnce: false }, undefined, nowhere)).to.equal(true);
    expect(isForMemory({ bytes: MB, isOnce: false }, 'disk', here)).to.equal(true);
  });

  it('keeps large views on the disk if the operator wants it or memory is short', () => {
    expect(isForMemory({ bytes: 64 * MB, isOnce: false }, 'disk', here)).to.equal(false);
    expect(isForMemory({ bytes: 64 * MB, isOnce: false }, undefined, nowhere)).to.equal(false);
    expect(isForMemory({ bytes: 1e15, isOnce: false }, undefined, here)).to.equal(false);
  });

  it('uses at most a sixteenth of the free memory, and requires twice as much if there is only one try', () => {
    const GB = 1024 * MB;
    expect(isSpare({ bytes: 512 * MB, isOnce: false }, 8 * GB)).to.equal(true);
    expect(isSpare({ bytes: 513 * MB, isOnce: false }, 8 * GB)).to.equal(false);
    expect(isSpare({ bytes: 64 * MB, isOnce: false }, 8 * GB - 1)).to.equal(false);
    expect(isSpare({ bytes: 64 * MB, isOnce: true }, 16 * GB - 1)).to.equal(false);
    expect(isSpare({ bytes: 64 * MB, isOnce: true }, 16 * GB)).to.equal(true);
  });

  it('treats a missing folder as full', () => {
    expect(isNearlyFull(missing)).to.equal(true);
    expect(isNearlyFull('/')).to.equal(false);
  });
});
