import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Folder } from '../../../../src/engine/files/folder.js';
import { searchFiles } from '../../../../src/plugins/shared/relocate/search-bytes.js';

describe('plugins/shared/relocate/search-bytes', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pyflow-search-'));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  it('finds texts in small and large, text and binary files, and in links', async () => {
    writeFileSync(join(root, 'small'), Buffer.from('\0\xff/private/a\0', 'latin1'));
    // Across the boundary of two chunks.
    const large = Buffer.alloc(3 * 1024 * 1024, 0x2e);
    large.write('/private/b', 1024 * 1024 - 4);
    writeFileSync(join(root, 'large'), large);
    symlinkSync('/private/a/x', join(root, 'link'));
    writeFileSync(join(root, 'clean'), '/private/c');
    const found = await searchFiles(
      new Folder(root),
      '',
      ['small', 'large', 'link', 'clean'],
      ['/private/a', '/private/b'],
    );
    expect(found).to.deep.equal([
      { path: 'large', text: '/private/b' },
      { path: 'link', text: '/private/a' },
      { path: 'small', text: '/private/a' },
    ]);
  });

  it('finds nothing without search texts', async () => {
    expect(await searchFiles(new Folder(root), '', ['not there'], [])).to.deep.equal([]);
  });
});
