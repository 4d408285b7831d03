import { execFileSync } from 'node:child_process';
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import * as fc from 'fast-check';
import { FailureError } from '../../../src/engine/failure.js';
import { Folder } from '../../../src/engine/files/folder.js';
import { pathBeneath } from '../../../src/engine/files/path-beneath.js';

describe('engine/files/folder', () => {
  let root: string;
  let victim: string;
  let folder: Folder;
  const put = (path: string, text = ''): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  const codeOf = (act: () => unknown): string | undefined => {
    try {
      act();
      return undefined;
    } catch (error) {
      if (error instanceof FailureError) return error.failure.code;
      throw error;
    }
  };

  beforeEach(() => {
    const scene = mkdtempSync(join(tmpdir(), 'pyflow-folder-'));
    root = join(scene, 'app');
    victim = join(scene, 'victim');
    mkdirSync(root);
    mkdirSync(join(victim, 'folder'), { recursive: true });
    writeFileSync(join(victim, 'file'), 'precious', { mode: 0o600 });
    writeFileSync(join(victim, 'folder/file'), 'precious');
    folder = new Folder(root);
  });
  afterEach(() => rmSync(dirname(root), { recursive: true, force: true }));

  it('writes, reads, lists, renames and removes', async () => {
    folder.write('a/b/text', 'one');
    folder.write('a/b/text', 'two', 0o755);
    folder.symlink('text', 'a/b/link');
    expect(folder.readText('a/b/text')).to.equal('two');
    expect(lstatSync(join(root, 'a/b/text')).mode & 0o777).to.equal(0o755);
    expect(folder.list('a/b')).to.deep.equal([
      { name: 'link', kind: 'symlink' },
      { name: 'text', kind: 'file' },
    ]);
    expect(folder.readLink('a/b/link')).to.equal('text');
    folder.rename('a/b/text', 'a/moved');
    expect(await folder.walk()).to.deep.equal([
      { path: 'a/b/link', kind: 'symlink' },
      { path: 'a/moved', kind: 'file' },
    ]);
    expect(folder.removeEmptyFolder('a/b')).to.equal(false);
    folder.remove('a');
    expect(readdirSync(root)).to.deep.equal([]);
  });

  it('removes empty folders, and folders that contain only such folders', async () => {
    mkdirSync(join(root, 'a/empty/deep'), { recursive: true });
    folder.write('a/kept/file', '');
    await folder.removeEmptyFolders('a');
    expect(folder.names('a')).to.deep.equal(['kept']);
  });

  it('returns nothing for missing paths and paths below a file', () => {
    put('file');
    for (const path of ['none', 'none/below', 'file/below']) {
      expect(folder.read(path), path).to.equal(undefined);
      expect(folder.kindOf(path), path).to.equal(undefined);
      expect(folder.names(path), path).to.deep.equal([]);
    }
    folder.remove('none/below');
    expect(folder.removeEmptyFolder('none')).to.equal(true);
    expect(new Folder(join(root, 'none')).exists()).to.equal(false);
  });

  /** What a hostile build may put at `path`. */
  const PLANTS: Readonly<Record<string, (path: string) => void>> = {
    'a link to a file': (path) => symlinkSync(join(victim, 'file'), path),
    'a link to a folder': (path) => symlinkSync(join(victim, 'folder'), path),
    'a dangling link': (path) => symlinkSync(join(victim, 'made'), path),
    'a link to itself': (path) => symlinkSync(path, path),
    'a link to /dev/zero': (path) => symlinkSync('/dev/zero', path),
    'a named pipe': (path) => execFileSync('mkfifo', [path]),
    'a hard link': (path) => linkSync(join(victim, 'file'), path),
    'a folder': (path) => mkdirSync(path),
  };
  const ACTS: Readonly<Record<string, (path: string) => unknown>> = {
    read: (path) => folder.read(path),
    readStart: (path) => folder.readStart(path, 4),
    write: (path) => folder.write(path, 'new'),
    symlink: (path) => folder.symlink('elsewhere', path),
    chmod: (path) => folder.chmod(path, 0o777),
    remove: (path) => folder.remove(path),
    removeEmptyFolder: (path) => folder.removeEmptyFolder(path),
    makeFolders: (path) => folder.makeFolders(path),
    'makeFolders below': (path) => folder.makeFolders(`${path}/below`),
    'write below': (path) => folder.write(`${path}/file`, 'new'),
    'read below': (path) => folder.read(`${path}/file`),
    'remove below': (path) => folder.remove(`${path}/file`),
    'rename from': (path) => folder.rename(path, 'renamed'),
    'rename below': (path) => folder.rename('mine', `${path}/file`),
    'list it': (path) => folder.list(path),
    'stat below': (path) => folder.stat(`${path}/file`),
  };
  for (const [what, plant] of Object.entries(PLANTS)) {
    it(`neither follows nor waits for ${what}, at the end or in the middle of a path`, () => {
      for (const [act, work] of Object.entries(ACTS)) {
        const name = act.replaceAll(' ', '-');
        put('mine', 'mine');
        plant(join(root, name));
        try {
          work(name);
        } catch (error) {
          // Refused by Folder, or by the system (for a folder instead of a file, say): never an act elsewhere.
          const { code } = error as NodeJS.ErrnoException;
          const isKnown =
            error instanceof FailureError || ['ENOENT', 'EISDIR', 'ENOTDIR', 'EINVAL'].includes(code ?? '');
          expect(isKnown, `${act}: ${String(error)}`).to.equal(true);
          if (error instanceof FailureError) expect(error.failure.blame).to.equal('app');
        }
        expect(readFileSync(join(victim, 'file'), 'utf8'), act).to.equal('precious');
        expect(statSync(join(victim, 'file')).mode & 0o777, act).to.equal(0o600);
        expect(readdirSync(victim), act).to.deep.equal(['file', 'folder']);
        expect(readFileSync(join(victim, 'folder/file'), 'utf8'), act).to.equal('precious');
        expect(readdirSync(join(victim, 'folder')), act).to.deep.equal(['file']);
      }
    });
  }

  it('refuses a link and says where it is, what it is and what is expected', () => {
    symlinkSync(join(victim, 'file'), join(root, 'link'));
    expect(codeOf(() => folder.read('link'))).to.equal('app::unsafe-file');
    try {
      folder.read('link');
    } catch (error) {
      expect((error as FailureError).failure).to.deep.include({
        blame: 'app',
        title: 'pyflow refuses to use link',
      });
      expect((error as FailureError).failure.detail).to.match(
        /^It is a symbolic link, but pyflow expects a regular file/,
      );
    }
    const named = new Folder(root, '$TMPDIR');
    expect(() => named.read('link')).to.throw('pyflow refuses to use $TMPDIR/link');
  });

  it('does not exist if a link replaces the folder itself', () => {
    rmSync(root, { recursive: true });
    symlinkSync(victim, root);
    expect(folder.exists()).to.equal(false);
    expect(codeOf(() => folder.read('file'))).to.equal('app::file-vanished');
    expect(codeOf(() => folder.write('new', ''))).to.equal('app::file-vanished');
    expect(readdirSync(victim)).to.deep.equal(['file', 'folder']);
  });

  it('sees what a command replaced a folder with after its first use', async () => {
    put('a/b/file', 'mine');
    expect(folder.readText('a/b/file')).to.equal('mine');
    await nextTurn();
    rmSync(join(root, 'a/b'), { recursive: true });
    symlinkSync(join(victim, 'folder'), join(root, 'a/b'));
    expect(codeOf(() => folder.read('a/b/file'))).to.equal('app::unsafe-file');
  });

  it('sees a folder that was removed and recreated in the same turn', () => {
    put('a/file', 'old');
    expect(folder.readText('a/file')).to.equal('old');
    rmSync(root, { recursive: true });
    put('a/file', 'new');
    expect(folder.readText('a/file')).to.equal('new');
  });

  it('leaves nothing open', async () => {
    const count = (): number => readdirSync('/proc/self/fd').length;
    const before = count();
    for (let depth = 1; depth < 30; depth++) folder.write(`${'d/'.repeat(depth)}file`, '');
    await folder.walk();
    await nextTurn();
    await nextTurn();
    expect(count()).to.equal(before);
  });

  it('refuses a file larger than requested, before reading it', () => {
    put('large', 'x'.repeat(100));
    expect(codeOf(() => folder.read('large', 99))).to.equal('app::file-too-large');
    expect(folder.read('large', 100)?.length).to.equal(100);
  });

  it('refuses paths that are too long for a slug', async function () {
    this.timeout(60_000);
    execFileSync('python3', [
      '-c',
      'import os, sys\nos.chdir(sys.argv[1])\nfor _ in range(9000):\n    os.mkdir("d")\n    os.chdir("d")\n',
      root,
    ]);
    try {
      await folder.walk();
      expect.fail('it walked');
    } catch (error) {
      expect((error as FailureError).failure?.code).to.equal('app::path-too-long');
    } finally {
      execFileSync('rm', ['-rf', root]);
    }
  });

  it('accepts only plain relative paths', () => {
    for (const path of ['/etc/passwd', '../victim/file', 'a/../../victim/file', 'a//b', './a', 'a\0b'])
      expect(() => folder.read(path), path).to.throw('not a path below a folder');
  });

  it('resolves links inside the folder, but none to outside, to nothing or in circles', () => {
    put('tools/run');
    symlinkSync('tools', join(root, 'bin'));
    symlinkSync('bin/run', join(root, 'chain'));
    symlinkSync('../victim/file', join(root, 'out'));
    symlinkSync('/app/tools/run', join(root, 'absolute'));
    symlinkSync('circle', join(root, 'circle'));
    expect(folder.resolve('bin/run')).to.equal('tools/run');
    expect(folder.resolve('chain')).to.equal('tools/run');
    for (const path of ['out', 'absolute', 'circle', 'none']) expect(folder.resolve(path), path).to.equal(undefined);
  });

  it('never reaches a file outside, for any calls in any order', () => {
    const name = fc.constantFrom('a', 'b', 'c');
    const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
    const target = fc.constantFrom('../victim', '../../victim', '../victim/file', 'a', 'b/c', '..', '/etc');
    const step = fc.oneof(
      fc.record({ act: fc.constant('link' as const), path, target }),
      fc.record({
        act: fc.constantFrom('write', 'read', 'remove', 'makeFolders', 'chmod', 'list', 'walk', 'rename' as const),
        path,
        target: path,
      }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        for (const { act, path: at, target: to } of steps) {
          try {
            if (act === 'link') {
              // As a build would do, in its own folders.
              if (existsSync(dirname(join(root, at))) && !isBeneathLink(root, at)) symlinkSync(to, join(root, at));
            } else if (act === 'write') folder.write(at, 'mine');
            else if (act === 'rename') folder.rename(at, to);
            else if (act === 'chmod') folder.chmod(at, 0o777);
            else folder[act as 'read' | 'remove' | 'makeFolders' | 'list'](at);
          } catch {
            // Refused.
          }
        }
        expect(readFileSync(join(victim, 'file'), 'utf8')).to.equal('precious');
        expect(statSync(join(victim, 'file')).mode & 0o777).to.equal(0o600);
        expect(readdirSync(victim)).to.deep.equal(['file', 'folder']);
        expect(readdirSync(join(victim, 'folder'))).to.deep.equal(['file']);
        expect(readdirSync(dirname(root)).sort()).to.deep.equal(['app', 'victim']);
        rmSync(root, { recursive: true });
        mkdirSync(root);
      }),
      { numRuns: 300 },
    );
  });
});

const isBeneathLink = (root: string, path: string): boolean => {
  let at = root;
  for (const part of path.split('/').slice(0, -1)) {
    at = join(at, part);
    if (lstatSync(at, { throwIfNoEntry: false })?.isSymbolicLink() === true) return readlinkSync(at) !== '';
  }
  return false;
};

describe('engine/files/path-beneath', () => {
  it('resolves paths below a folder and no others', () => {
    expect(pathBeneath('lib/site', '../../bin/x')).to.equal('bin/x');
    expect(pathBeneath('', 'a/./b/')).to.equal('a/b');
    expect(pathBeneath('a', '..')).to.equal('');
    for (const path of ['../../..', '/etc', '', 'a\0', '../../../x'])
      expect(pathBeneath('a/b', path), path).to.equal(undefined);
  });
});
