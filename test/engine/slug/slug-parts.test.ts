import { expect } from 'chai';
import * as fc from 'fast-check';
import { digestOf } from '../../../src/engine/files/digest.js';
import { partsOfSlug } from '../../../src/engine/slug/slug-parts.js';
import {
  buildTree,
  EMPTY_DIRECTORY,
  mergeDirectories,
  removePaths,
  walk,
  type NewEntry,
} from '../../../src/engine/trees/directories.js';
import { applyLayers } from '../../../src/engine/trees/layers.js';
import type { DirectoryTable, Layer } from '../../../src/engine/trees/tree.js';

type Entries = readonly (readonly [string, NewEntry])[];

/** Few names, so that paths meet: below each other, and with different types. */
const path = fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
const entry: fc.Arbitrary<NewEntry> = fc.oneof(
  fc.record({ digest: fc.constantFrom('x', 'y', 'z').map(digestOf), executable: fc.boolean() }),
  fc.record({ target: fc.constantFrom('a', '/b') }),
  fc.constantFrom<NewEntry>({ directory: true }, { directory: true, mode: 0o700 }),
);
/** Without entries below a file or link, which a tree can't have. */
const entries: fc.Arbitrary<Entries> = fc.array(fc.tuple(path, entry), { maxLength: 8 }).map((given) => {
  const all = new Map(given);
  return [...all].filter(
    ([at]) => ![...all].some(([other, { ...what }]) => !('directory' in what) && at.startsWith(`${other}/`)),
  );
});
const layers = fc.array(fc.record({ entries, deleted: fc.array(path, { maxLength: 2 }) }), { maxLength: 5 });

describe('engine/slug/slug-parts', () => {
  const made = (table: DirectoryTable, given: { readonly entries: Entries; readonly deleted: readonly string[] }) =>
    ({ root: buildTree(given.entries, table).root, deleted: given.deleted, bytes: 0 }) as unknown as Layer;

  it('gives each file to one part, and all parts together are the slug', () => {
    fc.assert(
      fc.property(entries, layers, fc.array(path, { maxLength: 2 }), (source, given, ignored) => {
        const table: DirectoryTable = new Map();
        const made0 = given.map((each) => made(table, each));
        const built = applyLayers(table, buildTree(source, table).root, made0);
        const slug = removePaths(table, built, ignored);
        const parts = partsOfSlug(slug, made0, table, () => 'node');
        let sum = EMPTY_DIRECTORY;
        const files: string[] = [];
        for (const { root } of parts) {
          for (const [at, { type }] of walk(table, root)) if (type !== 'directory') files.push(at);
          sum = mergeDirectories(table, sum, root);
        }
        expect(new Map(walk(table, sum))).to.deep.equal(new Map(walk(table, slug)));
        expect(new Set(files).size, 'a file is in two parts').to.equal(files.length);
      }),
      { numRuns: 2000 },
    );
  });

  it('leaves the tree of a layer as it is if nothing of it is hidden', () => {
    const table: DirectoryTable = new Map();
    const file = (text: string): NewEntry => ({ digest: digestOf(text), executable: false });
    const runtime = made(table, { entries: [['lib/python/os.py', file('os')]], deleted: [] });
    const packages = made(table, { entries: [['lib/python/site/x.py', file('x')]], deleted: [] });
    const source = buildTree([['app.py', file('app')]], table).root;
    const parts = partsOfSlug(
      applyLayers(table, source, [runtime, packages]),
      [runtime, packages],
      table,
      () => 'node',
    );
    expect(parts.map(({ root }) => root)).to.deep.equal([runtime.root, packages.root, source]);
  });
});
