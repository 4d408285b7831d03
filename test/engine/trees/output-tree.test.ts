import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import * as fc from 'fast-check';
import { digestOf, type Digest } from '../../../src/engine/files/digest.js';
import { applyLayers, loadLayer } from '../../../src/engine/trees/layers.js';
import { EMPTY_DIRECTORY, walk } from '../../../src/engine/trees/directories.js';
import { FailureError, type Failure, type Result } from '../../../src/engine/failure.js';
import {
  captureDifference,
  copySource,
  EMPTY_RECORD,
  materializeTree,
  type CaptureOptions,
  type Changeset,
  type MaterializedRecord,
} from '../../../src/engine/trees/output-tree.js';
import type { BlobStore } from '../../../src/engine/trees/blob-store.js';
import { writeNewFile, type FileForm } from '../../../src/engine/files/new-files.js';
import type { DirectoryTable } from '../../../src/engine/trees/tree.js';
import type { OutputScanner } from '../../../src/engine/secrets/output-scanner.js';
import { systemError, withChangedFs } from '../../support/changed-fs.js';

/** Only root can, and not in every container. */
const makesDevice = (path: string): boolean =>
  spawnSync('mknod', [path, 'c', '1', '3'], { stdio: 'ignore' }).status === 0;

/** An in-memory store, because these tests must not depend on how blobs are kept. */
class MemoryStore implements BlobStore {
  readonly blobs = new Map<Digest, Buffer>();
  written: string[] = [];
  has = (digest: Digest): boolean => this.blobs.has(digest);
  read = async (digest: Digest): Promise<Buffer | undefined> => this.blobs.get(digest);
  write(digest: Digest, bytes: Uint8Array): void {
    this.blobs.set(digest, Buffer.from(bytes));
  }
  async writeFile(path: string): Promise<Digest> {
    const bytes = readFileSync(path);
    this.written.push(path);
    this.write(digestOf(bytes), bytes);
    return digestOf(bytes);
  }
  async materialize(digest: Digest, path: string, form: FileForm): Promise<boolean> {
    const bytes = this.blobs.get(digest);
    if (bytes) writeNewFile(path, bytes, form);
    return bytes !== undefined;
  }
}

describe('engine/trees/output-tree', () => {
  let root: string;
  let app: string;
  let store: MemoryStore;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pyflow-test-'));
    app = join(root, 'app');
    store = new MemoryStore();
    mkdirSync(app);
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  function put(path: string, text: string, mode = 0o644): void {
    mkdirSync(dirname(join(app, path)), { recursive: true });
    writeFileSync(join(app, path), text);
    chmodSync(join(app, path), mode);
  }
  const must = <T, F>(result: Result<T, F>): T => {
    if (!result.ok) throw new Error(JSON.stringify(result.failure));
    return result.value;
  };
  const capture = async (record = EMPTY_RECORD, options: CaptureOptions = {}): Promise<Changeset> =>
    must(await captureDifference(store, app, record, options));
  const failing = async (record = EMPTY_RECORD): Promise<Failure | undefined> => {
    const result = await captureDifference(store, app, record);
    return result.ok ? undefined : result.failure;
  };
  const pathsOf = ({ tree }: Changeset): string[] => [...walk(tree.directories, tree.root)].map(([path]) => path);
  /** Captures `app` and materializes it into a new `app`. */
  async function restart(): Promise<MaterializedRecord> {
    const { tree } = await capture();
    app = mkdtempSync(join(root, 'view-'));
    store.written = [];
    return must(await materializeTree(store, tree.directories, tree.root, app));
  }
  /** Everything that a tree keeps of a folder. */
  function snapshot(folder: string, prefix = ''): string[] {
    return readdirSync(folder).flatMap((name) => {
      const path = join(folder, name);
      const stats = lstatSync(path);
      if (stats.isSymbolicLink()) return [`${prefix}${name} -> ${readlinkSync(path)}`];
      if (stats.isDirectory())
        return [`${prefix}${name}/ ${(stats.mode & 0o777).toString(8)}`, ...snapshot(path, `${prefix}${name}/`)];
      return [`${prefix}${name} ${(stats.mode & 0o777).toString(8)} ${readFileSync(path, 'utf8')}`];
    });
  }

  it('writes back what it captured: files, modes, links, empty directories', async () => {
    put('bin/run', '#!/bin/sh', 0o755);
    put('lib/π/data', 'text', 0o600);
    mkdirSync(join(app, 'empty/inner'), { recursive: true });
    chmodSync(join(app, 'empty'), 0o2711);
    symlinkSync('../nowhere/../x', join(app, 'lib/link'));
    symlinkSync('/absolute', join(app, 'absolute'));
    const before = snapshot(app);
    await restart();
    expect(snapshot(app)).to.deep.equal(before);
  });

  it('gives every file its mode, the fixed mtime and a separate inode', async () => {
    put('a', 'same', 0o777);
    put('b', 'same', 0o640);
    await restart();
    const [a, b] = [statSync(join(app, 'a')), statSync(join(app, 'b'))];
    expect([a.mode & 0o777, b.mode & 0o777]).to.deep.equal([0o777, 0o640]);
    expect([a.mtimeMs, b.mtimeMs]).to.deep.equal([Date.UTC(1980, 0, 2), Date.UTC(1980, 0, 2)]);
    expect([a.nlink, b.nlink]).to.deep.equal([1, 1]);
  });

  it('finds no change in an untouched folder, without reading a file', async () => {
    put('a/b', 'text');
    symlinkSync('b', join(app, 'a/link'));
    mkdirSync(join(app, 'empty'));
    const record = await restart();
    const { layer, tree } = await capture(record);
    expect([layer.files, layer.bytes, layer.deleted, tree.root]).to.deep.equal([0, 0, [], EMPTY_DIRECTORY]);
    expect(store.written).to.deep.equal([]);
  });

  it('captures additions, changes, deletions and changes of the execute bit, and nothing else', async () => {
    for (const name of ['kept', 'changed', 'longer', 'deleted', 'made-runnable', 'gone/x', 'gone/y/z', 'dir/kept'])
      put(name, 'old');
    symlinkSync('kept', join(app, 'link'));
    symlinkSync('kept', join(app, 'kept-link'));
    const record = await restart();
    put('new/file', 'new');
    put('changed', 'NEW');
    put('longer', 'older');
    chmodSync(join(app, 'made-runnable'), 0o755);
    rmSync(join(app, 'deleted'));
    rmSync(join(app, 'gone'), { recursive: true });
    rmSync(join(app, 'link'));
    symlinkSync('changed', join(app, 'link'));
    mkdirSync(join(app, 'dir/empty'));
    const changeset = await capture(record);
    expect(pathsOf(changeset)).to.deep.equal([
      'changed',
      'dir',
      'dir/empty',
      'link',
      'longer',
      'made-runnable',
      'new',
      'new/file',
    ]);
    expect(changeset.layer.deleted).to.deep.equal(['deleted', 'gone']);
    expect([changeset.layer.files, changeset.layer.bytes]).to.deep.equal([5, 3 + 5 + 3 + 3]);
  });

  it('ignores files that were rewritten with the same content', async () => {
    put('rewritten', 'same');
    put('replaced', 'same');
    const record = await restart();
    put('rewritten', 'same');
    writeFileSync(join(app, 'other'), 'same');
    renameSync(join(app, 'other'), join(app, 'replaced'));
    utimesSync(join(app, 'replaced'), 1, 1);
    expect(pathsOf(await capture(record))).to.deep.equal([]);
  });

  it('notices a change that keeps size and mtime', async () => {
    put('file', 'before');
    const record = await restart();
    writeFileSync(join(app, 'file'), 'behind');
    utimesSync(join(app, 'file'), 315_619_200, 315_619_200);
    expect(pathsOf(await capture(record))).to.deep.equal(['file']);
  });

  it('captures a directory that became a file and a file that became a directory', async () => {
    put('dir/x', '1');
    put('file', '2');
    put('link-dir/x', '3');
    const record = await restart();
    rmSync(join(app, 'dir'), { recursive: true });
    put('dir', 'now a file');
    rmSync(join(app, 'file'));
    mkdirSync(join(app, 'file'));
    rmSync(join(app, 'link-dir'), { recursive: true });
    symlinkSync('dir', join(app, 'link-dir'));
    const changeset = await capture(record);
    expect(pathsOf(changeset)).to.deep.equal(['dir', 'file', 'link-dir']);
    expect(changeset.layer.deleted).to.deep.equal([]);
  });

  it('keeps a directory that lost all its files', async () => {
    put('dir/x', '1');
    const record = await restart();
    rmSync(join(app, 'dir/x'));
    const { layer, tree } = await capture(record);
    expect(layer.deleted).to.deep.equal(['dir/x']);
    const table: DirectoryTable = new Map([...record.table, ...tree.directories]);
    const after = applyLayers(table, record.root, [layer]);
    expect([...walk(table, after)].map(([path]) => path)).to.deep.equal(['dir']);
  });

  it('turns any folder into any other by applying the captured layer', async () => {
    const name = fc.constantFrom('a', 'b', 'c');
    const step = fc.record({
      path: fc.array(name, { minLength: 1, maxLength: 3 }),
      what: fc.constantFrom('file', 'other', 'run', 'link', 'directory', 'nothing', 'narrow', 'open', 'wide'),
    });
    const modes: Readonly<Record<string, readonly [number, number]>> = {
      narrow: [0o700, 0o600],
      open: [0o755, 0o644],
      wide: [0o2777, 0o664],
    };
    const act = (path: readonly string[], what: string): void => {
      const at = join(app, ...path);
      const [ofFolder, ofFile] = modes[what] ?? [];
      if (ofFolder !== undefined && ofFile !== undefined) {
        const stat = existsSync(at) ? lstatSync(at) : undefined;
        if (stat !== undefined && !stat.isSymbolicLink()) chmodSync(at, stat.isDirectory() ? ofFolder : ofFile);
        return;
      }
      for (let i = 1; i < path.length; i++) {
        const parent = join(app, ...path.slice(0, i));
        if (lstatSync(parent, { throwIfNoEntry: false })?.isDirectory()) continue;
        rmSync(parent, { force: true });
        mkdirSync(parent);
      }
      rmSync(at, { recursive: true, force: true });
      if (what === 'link') symlinkSync('a', at);
      else if (what === 'directory') mkdirSync(at);
      else if (what !== 'nothing') writeFileSync(at, what.slice(0, 3), { mode: what === 'run' ? 0o755 : 0o644 });
    };
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 8 }), fc.array(step, { maxLength: 8 }), async (first, second) => {
        app = mkdtempSync(join(root, 'app-'));
        for (const { path, what } of first) act(path, what);
        const record = await restart();
        for (const { path, what } of second) act(path, what);
        const wanted = snapshot(app);
        const { layer } = await capture(record);
        const table: DirectoryTable = new Map(record.table);
        expect(await loadLayer(store, layer, table)).to.equal(true);
        const after = applyLayers(table, record.root, [layer]);
        app = mkdtempSync(join(root, 'out-'));
        must(await materializeTree(store, table, after, app));
        expect(snapshot(app)).to.deep.equal(wanted);
      }),
      { numRuns: 150 },
    );
  });

  it('ignores excluded paths on both sides', async () => {
    put('.pyflow/old', '1');
    put('kept', '2');
    const record = await restart();
    rmSync(join(app, '.pyflow'), { recursive: true });
    put('cache/x', '3');
    put('new', '4');
    const changeset = await capture(record, { excluding: ['.pyflow', 'cache'] });
    expect([pathsOf(changeset), changeset.layer.deleted]).to.deep.equal([['new'], []]);
  });

  it('makes the same layer for the same difference', async () => {
    put('a', '1');
    const first = await capture();
    const record = await restart();
    expect((await capture()).layer).to.deep.equal(first.layer);
    put('b', '2');
    expect((await capture(record)).layer.digest).not.to.equal(first.layer.digest);
  });

  it('rejects sockets, pipes and devices, and names them', async () => {
    execFileSync('mkfifo', [join(app, 'pipe')]);
    expect(await failing()).to.include({ code: 'app::unsupported-file' });
    expect((await failing())?.title).to.contain('pipe');
    rmSync(join(app, 'pipe'));
    if (makesDevice(join(app, 'null'))) {
      expect((await failing())?.detail).to.contain('device');
      rmSync(join(app, 'null'));
    }
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(join(app, 'socket'), resolve));
    expect((await failing())?.detail).to.contain('socket');
    await new Promise((resolve) => server.close(resolve));
  });

  it('rejects names and targets that are not UTF-8, but accepts a real replacement character', async () => {
    put('\uFFFD-real', 'x');
    expect(pathsOf(await capture())).to.deep.equal(['\uFFFD-real']);
    symlinkSync(Buffer.from([0x66, 0xff]), join(app, 'link'));
    expect((await failing())?.detail).to.contain('target');
    rmSync(join(app, 'link'));
    writeFileSync(Buffer.concat([Buffer.from(`${app}/na`), Buffer.from([0xef, 0x76])]), '');
    expect((await failing())?.title).to.contain('na\\xefv');
  });

  it('rejects a file larger than 4 GiB', async () => {
    put('huge', '');
    truncateSync(join(app, 'huge'), 4 * 1024 ** 3 + 1);
    expect(await failing()).to.include({ code: 'app::file-too-large' });
  });

  it('reports a file that vanishes between listing and reading', async () => {
    for (const name of 'abcdef') put(name, '1');
    const { writeFile } = store;
    store.writeFile = async (path) => {
      rmSync(join(app, 'f'), { force: true });
      return writeFile.call(store, path);
    };
    expect(await failing()).to.include({ code: 'app::file-vanished', blame: 'app' });
  });

  describe('a folder that changes while it is captured', () => {
    /** What happens once the folder of the app was listed. */
    const afterListing = (act: () => void): Promise<Failure | undefined> =>
      withChangedFs(
        ({ readdirSync: list }) => {
          let isDone = false;
          return {
            readdirSync: (...args: Parameters<typeof list>) => {
              const found = list(...args);
              if (!isDone) act();
              isDone = true;
              return found;
            },
          };
        },
        () => failing(),
      );

    it('reports a file, a link or a folder that is gone after it was listed', async () => {
      for (const make of [
        () => put('gone', '1'),
        () => symlinkSync('x', join(app, 'gone')),
        () => mkdirSync(join(app, 'gone')),
      ]) {
        make();
        const failure = await afterListing(() => rmSync(join(app, 'gone'), { recursive: true }));
        expect(failure).to.include({ code: 'app::file-vanished', blame: 'app' });
        expect(failure!.title + failure!.detail).to.contain('gone');
      }
    });

    it('reports a folder that cannot be listed, by its path', async () => {
      put('sub/file', '1');
      const unlistable = (path: string): Promise<Failure | undefined> =>
        withChangedFs(
          ({ readdirSync: list, realpathSync }) => ({
            readdirSync: (folder: string, options: object) => {
              if (realpathSync(folder) === join(app, path)) throw systemError('EACCES');
              return list(folder, options as { withFileTypes: true });
            },
          }),
          () => failing(),
        );
      expect((await unlistable('sub'))!.title).to.contain('sub');
      expect(await unlistable('')).to.have.property('blame');
    });
  });

  it('passes on the failures of a scanner and of the store, and those of the disk as failures', async () => {
    put('file', '1');
    const failure: Failure = { code: 'test::refused', blame: 'app', title: 't', detail: 'd', remedy: 'r' };
    const refuse = (): never => {
      throw new FailureError(failure);
    };
    const scanner = { entry: refuse } as unknown as OutputScanner;
    const refused = await captureDifference(store, app, EMPTY_RECORD, { scanner });
    expect(refused).to.deep.equal({ ok: false, failure });
    const { write, writeFile } = store;
    store.writeFile = refuse;
    expect(await failing()).to.deep.equal(failure);
    store.writeFile = writeFile;
    store.write = () => {
      throw systemError('ENOSPC');
    };
    expect(await failing()).to.include({ code: 'environment::disk-full' });
    rmSync(join(app, 'file'));
    expect(await failing(), 'writing the layer').to.include({ code: 'environment::disk-full' });
    store.write = write;
    put('file', '1');
    const { tree } = await capture();
    store.materialize = () => Promise.reject(new FailureError(failure));
    const made = await materializeTree(store, tree.directories, tree.root, join(root, 'out'));
    expect(made).to.deep.equal({ ok: false, failure: { failure } });
  });

  it('shows a scanner every path, and where links lead', async () => {
    put('sub/file', '1');
    symlinkSync('file', join(app, 'sub/link'));
    const seen: string[] = [];
    const scanner = {
      entry: (path: string, target?: string) => void seen.push(target === undefined ? path : `${path} -> ${target}`),
      file: () => undefined,
    };
    await capture(EMPTY_RECORD, { scanner: scanner as unknown as OutputScanner });
    expect(seen.sort()).to.deep.equal(['sub', 'sub/file', 'sub/link -> file']);
  });

  it('names files and folders with bits that a layer does not hold', async () => {
    put('setuid', '1', 0o4755);
    mkdirSync(join(app, 'sticky'));
    chmodSync(join(app, 'sticky'), 0o1777);
    put('plain', '1');
    expect((await capture()).specialBits.toSorted()).to.deep.equal(['setuid', 'sticky']);
  });

  it('says that the folder is gone', async () => {
    rmSync(app, { recursive: true });
    const failure = await failing();
    expect([failure?.code, failure?.blame]).to.deep.equal(['app::file-vanished', 'app']);
  });

  it('keeps modes whatever the umask is', () => {
    put('open/file', '1');
    const script = join(root, 'umask.mts');
    const module = (name: string): string => new URL(`../../../src/engine/${name}`, import.meta.url).href;
    writeFileSync(
      script,
      `import { openLocalStore } from '${module('store/local-store.ts')}';
       import { captureDifference, EMPTY_RECORD, materializeTree } from '${module('trees/output-tree.ts')}';
       const store = openLocalStore(${JSON.stringify(join(root, 'cache'))}).value;
       const { tree } = (await captureDifference(store, ${JSON.stringify(app)}, EMPTY_RECORD)).value;
       await materializeTree(store, tree.directories, tree.root, ${JSON.stringify(join(root, 'out'))});
       await store.close();`,
    );
    execFileSync('sh', ['-c', 'umask 077; exec "$0" --import tsx "$1"', process.execPath, script]);
    expect(statSync(join(root, 'out/open')).mode & 0o777).to.equal(0o755);
    expect(statSync(join(root, 'out/open/file')).mode & 0o777).to.equal(0o644);
  });

  it('names the directory that is missing', async () => {
    put('sub/file', '1');
    const { tree } = await capture();
    const child = tree.directories.get(tree.root)!.directories[0]!.digest;
    const table = new Map([...tree.directories].filter(([digest]) => digest !== child));
    const result = await materializeTree(store, table, tree.root, join(root, 'out'));
    expect(result).to.deep.equal({ ok: false, failure: { missing: child } });
  });

  it('does not take a file that is in the way for a source that changed', async () => {
    for (const text of ['small', 'x'.repeat(400_000)]) {
      put('source', text);
      put('target', 'in the way');
      const form = { mode: 0o644, mtimeS: 1 };
      const copied = copySource(join(app, 'source'), join(app, 'target'), digestOf(text), form);
      expect(await copied.catch((error: NodeJS.ErrnoException) => error.code)).to.equal('EEXIST');
      expect(readFileSync(join(app, 'target'), 'utf8')).to.equal('in the way');
    }
  });

  it('names a missing blob', async () => {
    put('a', '1');
    put('b', '2');
    const { tree } = await capture();
    store.blobs.delete(digestOf('2'));
    const result = await materializeTree(store, tree.directories, tree.root, join(root, 'out'));
    expect(result).to.deep.equal({ ok: false, failure: { missing: digestOf('2') } });
  });

  it('copies files from outside the store, and notices if they changed', async () => {
    const large = 'x'.repeat(400_000);
    put('small', 'source');
    put('large', large);
    const { tree } = await capture();
    store.blobs.clear();
    const sources = new Map([
      [digestOf('source'), join(app, 'small')],
      [digestOf(large), join(app, 'large')],
    ]);
    const out = join(root, 'out');
    must(await materializeTree(store, tree.directories, tree.root, out, { sources }));
    expect(snapshot(out)).to.deep.equal(snapshot(app));
    for (const [name, text] of [
      ['small', 'SOURCE'],
      ['large', 'y'.repeat(400_000)],
    ] as const) {
      const [old] = [readFileSync(join(app, name), 'utf8')];
      put(name, text);
      const again = await materializeTree(store, tree.directories, tree.root, join(root, `out-${name}`), { sources });
      expect(again).to.deep.equal({ ok: false, failure: { missing: digestOf(old) } });
      put(name, old);
    }
    rmSync(join(app, 'small'));
    const gone = await materializeTree(store, tree.directories, tree.root, join(root, 'out-gone'), { sources });
    expect(gone).to.deep.equal({ ok: false, failure: { missing: digestOf('source') } });
  });

  it('stops when aborted', async () => {
    put('a', '1');
    const { tree } = await capture();
    const signal = AbortSignal.abort(new Error('stop'));
    const outcome = await materializeTree(store, tree.directories, tree.root, join(root, 'out'), { signal }).catch(
      (error: Error) => error.message,
    );
    expect(outcome).to.equal('stop');
  });

  it('reports an unwritable folder as a failure of the environment', async () => {
    put('a', '1');
    const { tree } = await capture();
    const result = await materializeTree(store, tree.directories, tree.root, join(app, 'a/below-a-file'));
    expect(result).to.have.nested.property('failure.failure.blame', 'environment');
  });
});
