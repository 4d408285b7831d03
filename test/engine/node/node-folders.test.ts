import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { RunDir } from '../../../src/engine/files/private-folders.js';
import { NodeFolders } from '../../../src/engine/node/node-folders.js';

describe('engine/node/node-folders', () => {
  let root: string;
  let folders: NodeFolders;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pyflow-test-'));
    mkdirSync(join(root, 'large'));
    const runDir: RunDir = {
      runId: 'run',
      smallDir: join(root, 'small'),
      largeDir: join(root, 'large'),
      remove: () => Promise.resolve(),
    };
    folders = new NodeFolders(runDir, join(root, 'kept'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  it('has a place in memory and one on disk', () => {
    expect([folders.smallDir(), folders.largeDir()]).to.deep.equal([join(root, 'small'), join(root, 'large')]);
  });

  it('gives a node a new folder while nothing is kept, and keeps that of the first node', () => {
    const choice = { mustBeNew: false };
    const [first, second] = [folders.newCacheFor('uv', choice)!, folders.newCacheFor('uv', choice)!];
    expect(first).not.to.equal(second);
    writeFileSync(join(first, 'wheel'), 'first');
    writeFileSync(join(second, 'wheel'), 'second');
    folders.keep('uv', first);
    folders.keep('uv', second);
    expect(readFileSync(join(root, 'kept/uv/wheel'), 'utf8')).to.equal('first');
    expect(folders.newCacheFor('uv', choice)).to.equal(undefined);
    expect(existsSync(join(folders.newCacheFor('uv', { mustBeNew: true })!, 'wheel'))).to.equal(false);
  });

  it('keeps one folder per kind', () => {
    expect(folders.cacheOf('hook')).to.equal(join(root, 'kept/hook'));
    expect(folders.cacheOf('command')).to.equal(join(root, 'kept/command'));
    rmSync(join(root, 'kept'), { recursive: true });
    expect(folders.cacheOf('hook'), 'the same folder during a run').to.equal(join(root, 'kept/hook'));
    expect(existsSync(join(root, 'kept'))).to.equal(false);
  });

  it('replaces a link or a file that a build put in its place', () => {
    mkdirSync(join(root, 'kept'));
    mkdirSync(join(root, 'elsewhere'));
    symlinkSync(join(root, 'elsewhere'), join(root, 'kept/hook'));
    writeFileSync(join(root, 'kept/command'), '');
    for (const kind of ['hook', 'command']) {
      writeFileSync(join(folders.cacheOf(kind), 'file'), kind);
      expect(existsSync(join(root, 'kept', kind, 'file'))).to.equal(true);
    }
    expect(existsSync(join(root, 'elsewhere/file'))).to.equal(false);
  });

  it('keeps what is compiled for one builder only', () => {
    const file = (builder: string | undefined): string => {
      const fresh = new NodeFolders({ largeDir: join(root, 'large') } as RunDir, join(root, 'kept'));
      return join(fresh.cacheOf('install-deps-pip', builder), 'wheel');
    };
    writeFileSync(file('a'), '');
    expect(existsSync(file('a'))).to.equal(true);
    expect(existsSync(file('b'))).to.equal(false);
    writeFileSync(file('b'), '');
    expect(existsSync(file('a')), 'by then it is of b').to.equal(false);
    writeFileSync(file('a'), '');
    expect(existsSync(file(undefined)), 'a kind that compiles nothing').to.equal(true);
  });

  it('uses no folder of unknown origin for what is compiled', () => {
    mkdirSync(join(root, 'kept/hook'), { recursive: true });
    writeFileSync(join(root, 'kept/hook/wheel'), '');
    expect(existsSync(join(folders.cacheOf('hook', 'a'), 'wheel'))).to.equal(false);
  });

  it('falls back to a folder of the run if the cache is not writable', () => {
    writeFileSync(join(root, 'kept'), 'a file');
    expect(folders.usable(join(root, 'kept/hook'))).to.equal(undefined);
    expect(folders.cacheOf('hook')).to.equal(join(root, 'large/cache/hook'));
    expect(existsSync(join(root, 'large/cache/hook'))).to.equal(true);
  });
});
