import { expect } from 'chai';
import { digestOf, makeDigest, type Digest } from '../../../src/engine/files/digest.js';
import type { BlobStore } from '../../../src/engine/trees/blob-store.js';
import {
  addDirectory,
  buildTree,
  directoriesOf,
  EMPTY_DIRECTORY,
  walk,
} from '../../../src/engine/trees/directories.js';
import { KnownLayers } from '../../../src/engine/trees/known-layers.js';
import {
  layerText,
  loadLayer,
  loadTree,
  parseLayer,
  readTree,
  storeTree,
  writeLayer,
} from '../../../src/engine/trees/layers.js';
import { encodeTree } from '../../../src/engine/trees/reapi.js';
import { splitTree, type DirectoryTable } from '../../../src/engine/trees/tree.js';

function memoryStore(): BlobStore & { readonly blobs: Map<Digest, Buffer>; put(bytes: Uint8Array): Digest } {
  const blobs = new Map<Digest, Buffer>();
  const put = (bytes: Uint8Array): Digest => {
    blobs.set(digestOf(bytes), Buffer.from(bytes));
    return digestOf(bytes);
  };
  return {
    blobs,
    put,
    has: (digest) => blobs.has(digest),
    read: (digest) => Promise.resolve(blobs.get(digest)),
    write: (_, bytes) => void put(bytes),
    writeFile: () => Promise.reject(new Error('no file is written here')),
    materialize: () => Promise.resolve(false),
  };
}

const FILE = { digest: digestOf('text'), executable: false };
const ENTRIES = [
  ['a', FILE],
  ['sub/b', { ...FILE, mode: 0o600 }],
  ['sub', { directory: true, mode: 0o700 }],
  ['sub/empty', { directory: true }],
  ['link', { target: 'a' }],
] as const;

describe('engine/trees/layers', () => {
  const written = () => {
    const store = memoryStore();
    const tree = buildTree(ENTRIES);
    return { store, tree, layer: writeLayer(store, tree.directories, tree.root, ['gone', 'also/gone']) };
  };

  it('loads the directories of a layer', async () => {
    const { store, tree, layer } = written();
    const table: DirectoryTable = new Map();
    expect(await loadLayer(store, layer, table)).to.equal(true);
    expect(layer).to.deep.include({ files: 3, bytes: 8, deleted: ['also/gone', 'gone'] });
    expect([...walk(table, layer.root)]).to.deep.equal([...walk(tree.directories, tree.root)]);
  });

  it('writes a layer that only deletes', async () => {
    const store = memoryStore();
    const layer = writeLayer(store, new Map(), EMPTY_DIRECTORY, ['gone']);
    expect(layer).to.deep.include({ root: EMPTY_DIRECTORY, files: 0, bytes: 0, deleted: ['gone'] });
    expect(await loadLayer(store, layer, new Map())).to.equal(true);
  });

  it('gives a layer the same digest whatever the order of directories in its tree', async () => {
    const { store, tree, layer } = written();
    const [root, ...others] = [...directoriesOf(tree.directories, tree.root).values()];
    const foreign = encodeTree(root!, others.toReversed());
    expect(digestOf(foreign)).not.to.equal(layer.tree);
    const table: DirectoryTable = new Map();
    expect(readTree(foreign, table)).to.equal(layer.root);
    // The local tree is in pyflow's own order, whatever a server sent.
    expect(writeLayer(store, table, layer.root, layer.deleted)).to.deep.equal(layer);
    expect(digestOf(layerText({ ...layer, tree: digestOf(foreign) } as typeof layer))).to.equal(layer.digest);
    for (const other of [{ deleted: [] }, { root: EMPTY_DIRECTORY }, { files: 4 }, { bytes: 9 }]) {
      expect(digestOf(layerText({ ...layer, ...other }))).not.to.equal(layer.digest);
    }
  });

  it('measures a tree of 2^60 files at once', () => {
    const table: DirectoryTable = new Map();
    const empty = { files: [], directories: [], symlinks: [] };
    let root = addDirectory(table, { ...empty, files: [{ name: 'x', ...FILE }] });
    for (let level = 0; level < 60; level++) {
      const directories = ['a', 'b'].map((name) => ({ name, digest: root }));
      root = addDirectory(table, { ...empty, directories });
    }
    expect(writeLayer(memoryStore(), table, root, [])).to.include({ files: 2 ** 60, bytes: 4 * 2 ** 60 });
  });

  describe('is no layer of a result', () => {
    const { layer } = written();
    it('unless it is one', () => expect(parseLayer(layer)).to.deep.equal(layer));
    for (const [what, value] of [
      ['if it is null', null],
      ['if it is a number', 7],
      ['if it has no list of deletions', { ...layer, deleted: 'gone' }],
      ['if it deletes above the app', { ...layer, deleted: ['../other'] }],
      ['if it deletes a path with an empty part', { ...layer, deleted: ['a//b'] }],
      ['if it deletes something that is no text', { ...layer, deleted: [1] }],
      ['if its own digest is none', { ...layer, digest: 'abc' }],
      ['if it has a root that is no digest', { ...layer, root: 'abc/1' }],
      ['if it has a tree that is no digest', { ...layer, tree: 3 }],
      ['if it counts a part of a file', { ...layer, files: 1.5 }],
      ['if it counts less than no bytes', { ...layer, bytes: -1 }],
    ] as const) {
      it(what, () => expect(parseLayer(value)).to.equal(undefined));
    }
  });

  describe('a layer that is not whole is missing', () => {
    const { layer } = written();

    it('if the blob of its tree is lost', async () => {
      const { store } = written();
      store.blobs.delete(layer.tree);
      expect(await loadLayer(store, layer, new Map())).to.equal(false);
    });

    it('if its tree has another root', async () => {
      const { store } = written();
      const other = { ...layer, root: makeDigest('0'.repeat(64), 10) };
      expect(await loadLayer(store, other, new Map())).to.equal(false);
    });
  });

  describe('a tree', () => {
    const load = async (bytes: Uint8Array) => {
      const store = memoryStore();
      const table: DirectoryTable = new Map();
      return { root: await loadTree(store, store.put(bytes), table), size: table.size };
    };

    it('is missing if a directory is missing from its message', async () => {
      const { directories, root } = buildTree(ENTRIES);
      const top = directories.get(root)!;
      const sub = directories.get(top.directories[0]!.digest)!;
      expect(await load(encodeTree(top, []))).to.deep.equal({ root: undefined, size: 0 });
      // An empty directory needs no message.
      expect(await load(encodeTree(top, [sub]))).to.deep.equal({ root, size: 2 });
    });

    it('is missing if its message, or a directory in it, is garbage', async () => {
      expect(await load(Buffer.from('garbage'))).to.deep.equal({ root: undefined, size: 0 });
      // Field 1, two bytes: a directory whose first field is cut off.
      expect(await load(Buffer.from([0x0a, 0x02, 0x0a, 0x05]))).to.deep.equal({ root: undefined, size: 0 });
    });

    it('is stored once, whatever the table holds besides', () => {
      const store = memoryStore();
      const { directories, root } = buildTree(ENTRIES);
      const first = storeTree(store, directories, root);
      addDirectory(directories, { files: [{ name: 'x', ...FILE }], directories: [], symlinks: [] });
      expect(storeTree(store, directories, root)).to.equal(first);
    });
  });

  it('fails loudly if a directory is missing from the table', () => {
    expect(() => [...walk(new Map(), makeDigest('0'.repeat(64), 10))]).to.throw(/no directory 0000/);
  });
});

describe('engine/trees/known-layers', () => {
  const made = () => {
    const store = memoryStore();
    const tree = buildTree(ENTRIES);
    return { store, tree, layer: writeLayer(store, tree.directories, tree.root, []), known: new KnownLayers(store) };
  };

  it('loads each layer once', async () => {
    const { store, tree, layer, known } = made();
    expect(await known.load(layer)).to.equal(true);
    expect([...walk(known.table, layer.root)]).to.deep.equal([...walk(tree.directories, tree.root)]);
    store.blobs.clear();
    expect(await known.load(layer)).to.equal(true);
    expect(await known.find(layer.digest)).to.equal(layer);
    expect(known.rootOf([layer])).to.equal(tree.root);
  });

  it('needs no store for a layer that was just made', async () => {
    const { store, tree, layer, known } = made();
    store.blobs.clear();
    known.addDirectories(tree);
    known.add(layer);
    expect(await known.find(layer.digest)).to.equal(layer);
    expect(known.rootOf([layer])).to.equal(tree.root);
  });

  it('loads a layer that was only added when something looks for it', async () => {
    const { layer, known } = made();
    known.add(layer);
    expect(known.table.size).to.equal(0);
    expect(await known.find(layer.digest)).to.equal(layer);
    expect(known.table.has(layer.root)).to.equal(true);
  });

  it('finds no layer that nothing added', async () => {
    const { layer, known } = made();
    expect(await known.find(layer.digest)).to.equal(undefined);
  });

  it('asks the store again for a layer that was missing', async () => {
    const { store, layer, known } = made();
    const tree = store.blobs.get(layer.tree)!;
    store.blobs.clear();
    expect(await known.load(layer)).to.equal(false);
    known.add(layer);
    expect(await known.find(layer.digest)).to.equal(undefined);
    store.put(tree);
    expect(await known.find(layer.digest)).to.equal(layer);
  });
});

describe('engine/trees/tree', () => {
  it('splits a tree value into its layers, base first', () => {
    const [a, b] = [digestOf('a'), digestOf('b')];
    expect(splitTree(`${a},${b}`)).to.deep.equal([a, b]);
    expect(splitTree('')).to.deep.equal([]);
  });
});
