import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { removalsEnded, removeTreeSoon } from '../../src/engine/remove-tree.js';

describe('remove-tree', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pyflow-remove-'));
    mkdirSync(join(root, 'outside'));
    writeFileSync(join(root, 'outside/kept'), '');
    mkdirSync(join(root, '-tree/folder with blank'), { recursive: true });
    for (let at = 0; at < 20; at++) writeFileSync(join(root, '-tree/folder with blank', `${at}\n`), '');
    symlinkSync('../outside', join(root, '-tree/link'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  it('removes a small tree at once', () => {
    removeTreeSoon(join(root, '-tree'), 21);
    expect(existsSync(join(root, '-tree'))).to.equal(false);
    expect(existsSync(join(root, 'outside/kept'))).to.equal(true);
  });

  it('has removed a large one when that is waited for, and follows no link', async () => {
    removeTreeSoon(join(root, '-tree'), 1_000_000);
    await removalsEnded();
    expect(existsSync(join(root, '-tree'))).to.equal(false);
    expect(existsSync(join(root, 'outside/kept'))).to.equal(true);
  });

  it('waits for nothing when nothing is removed', async () => {
    removeTreeSoon(join(root, 'nowhere'), 1_000_000);
    await removalsEnded();
    await removalsEnded();
  });
});
