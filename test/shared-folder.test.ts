import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { mochaHooks, protectShared, sharedFolder } from './support/shared-folder.js';
import { skipBecause } from './support/skip.js';

describe('folders that tests share', () => {
  it('report the test that wrote into one of them, once', () => {
    const folder = sharedFolder('pyflow-shared-trial');
    mkdirSync(join(folder, 'deep'));
    protectShared(folder);
    mochaHooks.afterEach();
    // Root can write in spite of the mode.
    rmSync(join(folder, 'deep'), { recursive: true });
    expect(() => mochaHooks.afterEach()).to.throw(`The test wrote into a folder that tests share: ${folder}`);
    mochaHooks.afterEach();
  });

  it('cannot be written by an ordinary user', function () {
    if (process.getuid?.() === 0) {
      return skipBecause(this, 'root may write anywhere');
    }
    const folder = sharedFolder('pyflow-shared-trial');
    protectShared(folder);
    expect(() => writeFileSync(join(folder, 'new'), '')).to.throw('EACCES');
  });
});
