import { expect } from 'chai';
import { digestOf, makeDigest, type Digest } from '../../../src/engine/files/digest.js';
import type { BlobStore } from '../../../src/engine/trees/blob-store.js';
import { addDirectory, buildTree, EMPTY_DIRECTORY, walk } from '../../../src/engine/trees/directories.js';
import { KnownLayers } from '../../../src/engine/trees/known-layers.js';
import { loadLayer, loadTree, storeTree, writeLayer } from '../../../src/engine/trees/layers.js';
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

  it('reads back a layer with its directories', async () => {
    const { store, tree, layer } = written();
    const table: DirectoryTable = new Map();
    expect(await loadLayer(store, layer.digest, table)).to.deep.equal(layer);
    expect(layer).to.deep.include({ files: 3, bytes: 8, deleted: ['also/gone', 'gone'] });
    expect([...walk(table, layer.root)]).to.deep.equal([...walk(tree.directories, tree.root)]);
  });

  it('writes a layer that only deletes', async () => {
    const store = memoryStore();
    const layer = writeLayer(store, new Map(), EMPTY_DIRECTORY, ['gone']);
    expect(layer).to.deep.include({ root: EMPTY_DIRECTORY, files: 0, bytes: 0, deleted: ['gone'] });
    expect(await loadLayer(store, layer.digest, new Map())).to.deep.equal(layer);
  });

  describe('a layer that is not whole is missing', () => {
    const layer = written().layer;
    const { deleted, root, tree, files, bytes } = layer;
    const content = { deleted, root, tree, files, bytes };
    for (const [what, text] of [
      ['is no JSON', '{"deleted":'],
      ['is null', 'null'],
      ['is a number', '7'],
      ['has no list of deletions', JSON.stringify({ ...content, deleted: 'gone' })],
      ['deletes above the app', JSON.stringify({ ...content, deleted: ['../other'] })],
      ['deletes a path with an empty part', JSON.stringify({ ...content, deleted: ['a//b'] })],
      ['deletes something that is no text', JSON.stringify({ ...content, deleted: [1] })],
      ['has a root that is no digest', JSON.stringify({ ...content, root: 'abc/1' })],
      ['has a tree that is no digest', JSON.stringify({ ...content, tree: 3 })],
      ['counts a part of a file', JSON.stringify({ ...content, files: 1.5 })],
      ['counts less than no bytes', JSON.stringify({ ...content, bytes: -1 })],
    ] as const) {
      it(`if it ${what}`, async () => {
        const { store } = written();
        expect(await loadLayer(store, store.put(Buffer.from(text)), new Map())).to.equal(undefined);
      });
    }

    it('if its blob or the blob of its tree is lost', async () => {
      for (const lost of [layer.digest, layer.tree]) {
        const { store } = written();
        store.blobs.delete(lost);
        expect(await loadLayer(store, layer.digest, new Map())).to.equal(undefined);
      }
    });

    it('if its tree has another root', async () => {
      const { store } = written();
      const other = makeDigest('0'.repeat(64), 10);
      const digest = store.put(Buffer.from(JSON.stringify({ ...content, root: other })));
      expect(await loadLayer(store, digest, new Map())).to.equal(undefined);
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
  it('loads each layer once', async () => {
    const store = memoryStore();
    const { directories, root } = buildTree(ENTRIES);
    const layer = writeLayer(store, directories, root, []);
    const known = new KnownLayers(store);
    expect(await known.load(layer.digest)).to.deep.equal(layer);
    expect([...walk(known.table, layer.root)]).to.deep.equal([...walk(directories, root)]);
    store.blobs.clear();
    expect(await known.load(layer.digest)).to.deep.equal(layer);
    expect(known.rootOf([layer])).to.equal(root);
  });

  it('needs no store for a layer that was just made', async () => {
    const { directories, root } = buildTree(ENTRIES);
    const layer = writeLayer(memoryStore(), directories, root, []);
    const known = new KnownLayers(memoryStore());
    known.addDirectories({ directories, root });
    known.add(layer);
    expect(await known.load(layer.digest)).to.equal(layer);
    expect(known.rootOf([layer])).to.equal(root);
  });

  it('asks the store again for a layer that was missing', async () => {
    const store = memoryStore();
    const known = new KnownLayers(store);
    const { directories, root } = buildTree(ENTRIES);
    const elsewhere = memoryStore();
    const layer = writeLayer(elsewhere, directories, root, []);
    expect(await known.load(layer.digest)).to.equal(undefined);
    for (const bytes of elsewhere.blobs.values()) store.put(bytes);
    expect(await known.load(layer.digest)).to.deep.equal(layer);
  });
});

describe('engine/trees/tree', () => {
  it('splits a tree value into its layers, base first', () => {
    const [a, b] = [digestOf('a'), digestOf('b')];
    expect(splitTree(`${a},${b}`)).to.deep.equal([a, b]);
    expect(splitTree('')).to.deep.equal([]);
  });
});
