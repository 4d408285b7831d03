import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { removalsEnded, removeTreeGently, removeTreeSoon } from '../../../src/engine/files/removals.js';
import { removeTree } from '../../../src/engine/files/remove-tree.js';
import { asOrdinaryUser, NOBODY } from '../../support/ordinary-user.js';
import { skipBecause } from '../../support/skip.js';

const isRoot = process.getuid?.() === 0;

describe('engine/files/remove-tree', () => {
  let root: string;
  let tree: string;
  beforeEach(() => {
    root = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'pyflow-remove-'));
    tree = join(root, '-tree');
    if (isRoot) chownSync(root, NOBODY, NOBODY);
    asOrdinaryUser(() => {
      mkdirSync(join(root, 'outside'));
      writeFileSync(join(root, 'outside/kept'), '');
      mkdirSync(join(tree, 'folder with blank'), { recursive: true });
      for (let at = 0; at < 20; at++) writeFileSync(join(tree, 'folder with blank', `${at}\n`), '');
      symlinkSync('../outside', join(tree, 'link'));
    });
  });
  afterEach(() => {
    expect(existsSync(join(root, 'outside/kept'))).to.equal(true);
    rmSync(root, { recursive: true, force: true });
  });

  const nest = (depth: number): void => {
    const script = `for (let at = 0; at < ${depth}; at++) { fs.mkdirSync('deep'); process.chdir('deep'); }`;
    const made = asOrdinaryUser(() => spawnSync(process.execPath, ['-e', script], { cwd: tree }));
    expect(made.status, made.stderr.toString()).to.equal(0);
  };

  it('removes a small tree at once', () => {
    removeTreeSoon(tree, 21);
    expect(existsSync(tree)).to.equal(false);
  });

  it('removes a large tree in the background and follows no link', async () => {
    removeTreeSoon(tree, 1_000_000);
    expect(await removalsEnded()).to.deep.equal([]);
    expect(existsSync(tree)).to.equal(false);
  });

  it('does not wait if nothing is being removed', async () => {
    removeTreeSoon(join(root, 'nowhere'), 1_000_000);
    await removalsEnded();
    expect(await removalsEnded()).to.deep.equal([]);
  });

  it('removes a link and a file, and accepts a missing path', () => {
    symlinkSync('outside', join(root, 'link'));
    writeFileSync(join(root, 'file'), '');
    for (const name of ['link', 'file', 'nowhere']) expect(removeTree(join(root, name))).to.equal(undefined);
    expect(readdirSync(root).sort()).to.deep.equal(['-tree', 'outside']);
  });

  it('opens folders that are closed to their owner', () => {
    asOrdinaryUser(() => {
      mkdirSync(join(tree, 'closed/inner/innermost'), { recursive: true });
      writeFileSync(join(tree, 'closed/inner/file'), '');
      chmodSync(join(tree, 'closed/inner/innermost'), 0);
      chmodSync(join(tree, 'closed/inner'), 0o500);
      chmodSync(join(tree, 'closed'), 0);
      chmodSync(tree, 0o111);
      expect(removeTree(tree)).to.equal(undefined);
    });
    expect(existsSync(tree)).to.equal(false);
  });

  for (const depth of [500, 9_000, 100_000]) {
    it(`removes ${depth} nested folders`, function () {
      this.timeout(120_000);
      nest(depth);
      expect(asOrdinaryUser(() => removeTree(tree))).to.equal(undefined);
      expect(existsSync(tree)).to.equal(false);
    });
  }

  it('removes deep closed folders', () => {
    const script = `for (let at = 0; at < 300; at++) { fs.mkdirSync('deep'); process.chdir('deep'); fs.writeFileSync('f', ''); }
      for (let at = 0; at < 300; at++) { fs.chmodSync('.', 0o555); process.chdir('..'); }`;
    asOrdinaryUser(() => spawnSync(process.execPath, ['-e', script], { cwd: tree }));
    expect(asOrdinaryUser(() => removeTree(tree))).to.equal(undefined);
    expect(existsSync(tree)).to.equal(false);
  });

  it('removes very many entries, and names of any bytes and any length', async () => {
    const names = ['x'.repeat(255), '\uFFFD', '-rf', ' ', '\\', '*'].map((name) => Buffer.from(name));
    names.push(Buffer.from([0xff, 0xfe]), Buffer.from([0x80]));
    for (const name of names) writeFileSync(Buffer.concat([Buffer.from(`${tree}/`), name]), '');
    mkdirSync(Buffer.concat([Buffer.from(`${tree}/`), Buffer.from([0xfd, 0x2e])]));
    for (let at = 0; at < 30_000; at++) writeFileSync(`${tree}/${at}`, '');
    expect(await removeTreeGently(tree)).to.equal(undefined);
    expect(existsSync(tree)).to.equal(false);
  });

  it('reports what it could not remove, and removes the rest', function () {
    if (!isRoot) skipBecause(this, 'needs root');
    mkdirSync(join(tree, 'of-root/inner'), { recursive: true });
    writeFileSync(join(tree, 'of-root/inner/file'), '');
    const left = asOrdinaryUser(() => removeTree(tree));
    expect(left?.code).to.equal('EACCES');
    expect(left?.path).to.match(/-tree\/.*file$/);
    expect(readdirSync(tree)).to.deep.equal(['of-root']);
    expect(removeTree(tree)).to.equal(undefined);
  });

  it('removes a tree while another process writes to it', async () => {
    const script = `const until = Date.now() + 300; console.log('on');
      for (let at = 0; Date.now() < until; at++) try { fs.mkdirSync(dir + '/busy' + at); fs.writeFileSync(dir + '/busy/' + at, ''); } catch {}`;
    const writer = spawn(process.execPath, ['-e', `const dir = ${JSON.stringify(tree)}; ${script}`]);
    const ended = new Promise((resolve) => writer.once('close', resolve));
    await new Promise((resolve) => writer.stdout.once('data', resolve));
    await removeTreeGently(tree);
    await ended;
    expect(await removeTreeGently(tree)).to.equal(undefined);
    expect(existsSync(tree)).to.equal(false);
  });
});
