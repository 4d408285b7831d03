import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Folder } from '../../../../src/engine/files/folder.js';
import { cleanCache } from '../../../../src/plugins/shared/install/clean-cache.js';

describe('plugins/shared/install/clean-cache', () => {
  let root: string;
  let outside: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pyflow-clean-'));
    outside = join(root, 'outside');
    for (const folder of ['outside', 'cache/tool/sdists-v9/path', 'cache/tool/files']) {
      mkdirSync(join(root, folder), { recursive: true });
    }
    writeFileSync(join(outside, 'kept'), 'kept');
    writeFileSync(join(root, 'cache/tool/CACHEDIR.TAG'), '');
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));
  const at = (path: string): string => join(root, 'cache', path);
  const put = (path: string, plant: (path: string) => void): void => {
    rmSync(at(path), { recursive: true, force: true });
    plant(at(path));
  };
  const clean = (folder = 'tool'): boolean => {
    let isCleaned = false;
    cleanCache(new Folder(join(root, 'cache')), folder, () => void (isCleaned = true));
    return isCleaned;
  };

  it('cleans a folder of files and folders, and accepts a missing one', () => {
    expect([clean(), clean('none'), clean('none/below')]).to.deep.equal([true, true, true]);
    expect(existsSync(at('tool/CACHEDIR.TAG'))).to.equal(true);
  });

  const plants: Readonly<Record<string, (path: string) => void>> = {
    'a link to a folder': (path) => symlinkSync(outside, path),
    'a link to a file': (path) => symlinkSync(join(outside, 'kept'), path),
    'a link to nowhere': (path) => symlinkSync(join(outside, 'none'), path),
    'a pipe': (path) => void execFileSync('mkfifo', [path]),
    'a file': (path) => writeFileSync(path, ''),
  };
  for (const [name, plant] of Object.entries(plants)) {
    for (const path of ['tool', 'tool/sdists-v9']) {
      it(`discards the manager's cache if ${path} was replaced with ${name}`, () => {
        put(path, plant);
        expect(clean()).to.equal(false);
        expect(existsSync(at('tool'))).to.equal(false);
        expect(readFileSync(join(outside, 'kept'), 'utf8')).to.equal('kept');
      });
    }

    it(`discards it if a folder above the one to clean was replaced with ${name}`, () => {
      put('tool', plant);
      expect(clean('tool/artifacts')).to.equal(false);
      expect(existsSync(at('tool'))).to.equal(false);
      expect(readFileSync(join(outside, 'kept'), 'utf8')).to.equal('kept');
    });
  }
});
