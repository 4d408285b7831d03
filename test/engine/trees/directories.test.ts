import { expect } from 'chai';
import * as fc from 'fast-check';
import { digestOf, type Digest } from '../../../src/engine/files/digest.js';
import {
  buildTree,
  directoriesOf,
  EMPTY_DIRECTORY,
  findEntry,
  mergeDirectories,
  placeTree,
  removePath,
  removePaths,
  walk,
  type NewEntry,
} from '../../../src/engine/trees/directories.js';
import { applyLayers } from '../../../src/engine/trees/layers.js';
import { encodeDirectory } from '../../../src/engine/trees/reapi.js';
import type { DirectoryEntry, DirectoryTable, Layer } from '../../../src/engine/trees/tree.js';

const file = (text: string, executable = false): NewEntry => ({ digest: digestOf(text), executable });
const build = (table: DirectoryTable, entries: Readonly<Record<string, NewEntry>>): Digest =>
  buildTree(Object.entries(entries), table).root;
const paths = (table: DirectoryTable, root: Digest): string[] => [...walk(table, root)].map(([path]) => path);

/** A few names, so that trees meet in the same places. */
const path = fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
const entry: fc.Arbitrary<NewEntry> = fc.oneof(
  fc.record({ digest: fc.constantFrom('x', 'y').map(digestOf), executable: fc.boolean() }),
  fc.record({ target: fc.constantFrom('t', 'u') }),
  fc.constant<NewEntry>({ directory: true }),
);
/** Paths, none of which is below a path that is not a directory. */
const anyTree = fc.dictionary(path, entry, { maxKeys: 6 }).map((entries) => {
  const kept = new Map<string, NewEntry>();
  for (const name of Object.keys(entries).sort()) {
    const parents = name.split('/').map((_, i, parts) => parts.slice(0, i).join('/'));
    if (parents.every((parent) => !kept.has(parent) || 'directory' in kept.get(parent)!))
      kept.set(name, entries[name]!);
  }
  return kept;
});

/** The plain model: a map of all paths, directories included. */
function modelOf(table: DirectoryTable, root: Digest): Map<string, string> {
  return new Map(
    [...walk(table, root)].map(([path, found]) => [
      path,
      found.type === 'directory' ? 'directory' : JSON.stringify(found),
    ]),
  );
}
function overlay(base: Map<string, string>, above: Map<string, string>): Map<string, string> {
  const merged = new Map(base);
  for (const [path, value] of above) {
    if (value !== 'directory' || merged.get(path) !== 'directory') {
      for (const below of merged.keys()) if (below.startsWith(`${path}/`)) merged.delete(below);
    }
    merged.set(path, value);
  }
  return merged;
}

describe('engine/trees/directories', () => {
  it('lists a tree with directories before their content, in the order of UTF-8 bytes', () => {
    const table: DirectoryTable = new Map();
    const root = build(table, { 'b/x': file('1'), a: file('2'), '\u{1F40D}': file('3'), '\uFF5E': { target: 'a' } });
    expect(paths(table, root)).to.deep.equal(['a', 'b', 'b/x', '\uFF5E', '\u{1F40D}']);
  });

  it('keeps directories under the digest of their encoding', () => {
    const table: DirectoryTable = new Map();
    const root = build(table, { 'a/b/c': file('1'), 'a/d': { directory: true } });
    for (const [digest, directory] of directoriesOf(table, root)) {
      expect(digestOf(encodeDirectory(directory))).to.equal(digest);
    }
    expect([...directoriesOf(table, root).keys()][0]).to.equal(root);
  });

  it('lists the directories of a tree that is deeper than the stack', () => {
    const table: DirectoryTable = new Map();
    let below: readonly DirectoryEntry[] = [];
    let root = EMPTY_DIRECTORY;
    for (let depth = 0; depth < 100_000; depth++) {
      const directory = { files: [], directories: below, symlinks: [] };
      root = digestOf(encodeDirectory(directory));
      table.set(root, directory);
      below = [{ name: 'd', digest: root }];
    }
    expect(directoriesOf(table, root).size).to.equal(100_000);
  });

  it('finds entries of every kind and nothing below files or links', () => {
    const table: DirectoryTable = new Map();
    const root = build(table, { 'a/f': file('1', true), 'a/l': { target: '../x' }, e: { directory: true } });
    expect(findEntry(table, root, 'a/f')).to.deep.equal({ type: 'file', digest: digestOf('1'), executable: true });
    expect(findEntry(table, root, 'a/l')).to.deep.equal({ type: 'symlink', target: '../x' });
    expect(findEntry(table, root, 'e')).to.deep.equal({ type: 'directory', digest: EMPTY_DIRECTORY });
    expect(findEntry(table, root, '')).to.deep.equal({ type: 'directory', digest: root });
    for (const path of ['a/f/x', 'a/l/x', 'b', 'a/g']) expect(findEntry(table, root, path)).to.equal(undefined);
  });

  it('merges like copying one folder over another', () => {
    fc.assert(
      fc.property(anyTree, anyTree, (base, above) => {
        const table: DirectoryTable = new Map();
        const [below, over] = [buildTree(base, table).root, buildTree(above, table).root];
        const merged = mergeDirectories(table, below, over);
        const expected = overlay(modelOf(table, below), modelOf(table, over));
        expect([...modelOf(table, merged)].sort()).to.deep.equal([...expected].sort());
        expect(digestOf(encodeDirectory(table.get(merged) ?? { files: [], directories: [], symlinks: [] }))).to.equal(
          merged,
        );
      }),
      { numRuns: 500 },
    );
  });

  it('lets the overlay replace a directory with a file and a file with a directory', () => {
    const table: DirectoryTable = new Map();
    const base = build(table, { 'd/x': file('1'), f: file('2'), 'same/y': file('3') });
    const merged = mergeDirectories(table, base, build(table, { d: file('4'), 'f/z': file('5') }));
    expect(paths(table, merged)).to.deep.equal(['d', 'f', 'f/z', 'same', 'same/y']);
    expect(findEntry(table, merged, 'same')).to.deep.equal(findEntry(table, base, 'same'));
  });

  it('removes paths, keeps their parents, and ignores missing paths', () => {
    const table: DirectoryTable = new Map();
    const root = build(table, { 'a/b/x': file('1'), 'a/b/y': file('2'), 'c/d': { target: 'x' }, e: file('3') });
    expect(removePath(table, root, 'nothing/here')).to.equal(root);
    expect(removePath(table, root, 'e/below-a-file')).to.equal(root);
    expect(paths(table, removePaths(table, root, ['a/b/x', 'a/b/y', 'e']))).to.deep.equal(['a', 'a/b', 'c', 'c/d']);
    expect(paths(table, removePaths(table, root, ['a', 'a/b/x', 'c/d']))).to.deep.equal(['c', 'e']);
    expect(paths(table, removePaths(table, root, ['a/b/x', 'a', 'c/d']))).to.deep.equal(['c', 'e']);
  });

  it('gives the same tree if paths are removed together or one by one', () => {
    fc.assert(
      fc.property(anyTree, fc.array(path, { maxLength: 5 }), (entries, removed) => {
        const table: DirectoryTable = new Map();
        const { root } = buildTree(entries, table);
        const oneByOne = removed.reduce<Digest>((at, path) => removePath(table, at, path), root);
        expect(removePaths(table, root, removed)).to.equal(oneByOne);
      }),
    );
  });

  it('removes thousands of paths of one directory in one pass', () => {
    const table: DirectoryTable = new Map();
    const names = Array.from({ length: 20_000 }, (_, i) => `d/file-${i}`);
    const { root } = buildTree(
      names.map((name) => [name, file('x')] as const),
      table,
    );
    const before = table.size;
    expect(paths(table, removePaths(table, root, names))).to.deep.equal(['d']);
    expect(table.size - before).to.be.lessThan(4);
  });

  it('places a tree at a path and replaces what is there', () => {
    const table: DirectoryTable = new Map();
    const subtree = build(table, { x: file('1') });
    const root = build(table, { app: file('2'), other: file('3') });
    const placed = placeTree(table, placeTree(table, root, 'app', subtree), 'tools/uv', subtree);
    expect(paths(table, placed)).to.deep.equal(['app', 'app/x', 'other', 'tools', 'tools/uv', 'tools/uv/x']);
    const other = build(table, { y: file('4') });
    const replaced = placeTree(table, placed, 'tools/uv', other);
    expect(paths(table, replaced)).to.deep.equal(['app', 'app/x', 'other', 'tools', 'tools/uv', 'tools/uv/y']);
  });

  it('applies layers base first, and the deletions of each before its additions', () => {
    const table: DirectoryTable = new Map();
    const layer = (entries: Readonly<Record<string, NewEntry>>, deleted: readonly string[] = []): Layer => ({
      digest: digestOf(JSON.stringify([entries, deleted])),
      root: build(table, entries),
      tree: digestOf(''),
      deleted,
      files: 0,
      bytes: 0,
    });
    const root = applyLayers(table, EMPTY_DIRECTORY, [
      layer({ 'lib/old': file('1'), 'lib/kept': file('2'), top: file('3') }),
      layer({ 'lib/new': file('4') }, ['lib/old', 'top']),
      layer({ top: file('5') }),
    ]);
    expect(paths(table, root)).to.deep.equal(['lib', 'lib/kept', 'lib/new', 'top']);
  });
});
