import { expect } from 'chai';
import * as fc from 'fast-check';
import { RunFiles, type LayerEntry } from '../../../src/engine/app/run-files.js';
import type { Layer } from '../../../src/engine/trees/tree.js';
import { digestOf } from '../../../src/engine/files/digest.js';

const FILE: LayerEntry = { type: 'file', digest: digestOf(Buffer.from('x')), executable: false };
const FOLDER: LayerEntry = { type: 'directory' };
const NODES = 4;
/** Sees the layers of all others but node 1. */
const READER = NODES;

const path = fc.constantFrom('a', 'a/b', 'a/b/c', 'a/d', 'e', 'e/f.py', 'g.py');
const layer = fc.record({
  node: fc.nat(NODES - 1),
  entries: fc.dictionary(path, fc.constantFrom(FILE, FOLDER)),
  deleted: fc.array(path, { maxLength: 2 }),
});
const look = fc.oneof(
  fc.record({ how: fc.constant('winner' as const), at: path }),
  fc.record({ how: fc.constant('list' as const), at: fc.constantFrom('', 'a', 'a/b', 'e') }),
  fc.record({ how: fc.constant('match' as const), at: fc.constantFrom('**', 'a/**', '*.py', 'e/*', 'a', 'a/*/c') }),
);

describe('engine/app/run-files', () => {
  it('knows from which nodes one has seen something, and finds the same by what it looked at', () => {
    const layers = fc.uniqueArray(layer, { selector: ({ node }) => node, maxLength: NODES });
    fc.assert(
      fc.property(layers, fc.array(look, { maxLength: 4 }), (given, looks) => {
        const files = new RunFiles({ entries: new Map([['g.py', FILE]]) } as never, () => ({
          has: (node) => node !== 1,
        }));
        for (const { node, entries, deleted } of given)
          files.addLayer(node, { deleted } as unknown as Layer, Object.entries(entries));
        expect(files.writersSeenBy(READER)).to.equal(undefined);
        files.beginLooks(READER);
        for (const { how, at } of looks) files[how](READER, at);
        const seen = [...files.writersSeenBy(READER)!].sort();
        const found = Array.from({ length: NODES }, (_, node) => node).filter(
          (node) => files.writerAmong(READER, files.looksOf(READER)!, (each) => each === node) !== undefined,
        );
        expect(seen).to.deep.equal(found);
        expect(seen).to.not.include(1);
      }),
    );
  });

  it('counts neither the source nor what a node did not look at', () => {
    const files = new RunFiles({ entries: new Map([['g.py', FILE]]) } as never, () => ({ has: () => true }));
    files.addLayer(0, { deleted: ['e'] } as unknown as Layer, [['a/b', FILE]]);
    files.beginLooks(READER);
    files.match(READER, '*.py');
    files.winner(READER, 'a');
    files.winner(READER, 'e');
    expect([...files.writersSeenBy(READER)!]).to.deep.equal([]);
    files.list(READER, 'a');
    expect([...files.writersSeenBy(READER)!]).to.deep.equal([0]);
  });
});
