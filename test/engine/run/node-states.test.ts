import { expect } from 'chai';
import type { Source } from '../../../src/engine/app/source.js';
import { digestOf, type ActionKey, type Digest } from '../../../src/engine/files/digest.js';
import { ABORTED, failed, lost, type Done, type NodeEnd } from '../../../src/engine/run/node-end.js';
import { isBlocking, NodeStates } from '../../../src/engine/run/node-states.js';
import type { BlobStore } from '../../../src/engine/trees/blob-store.js';
import { buildTree, type NewEntry } from '../../../src/engine/trees/directories.js';
import { KnownLayers } from '../../../src/engine/trees/known-layers.js';
import type { Layer } from '../../../src/engine/trees/tree.js';
import { idOf, orderedNode } from '../../support/checked-pipeline.js';
import { nodeReport } from '../../support/events.js';

const FILE = { digest: digestOf('text'), executable: false };
const NO_STORE = {} as BlobStore;
const failure = { code: 'test::failed', blame: 'app', title: 't', detail: 'd', remedy: 'r' } as const;

/** `a`, then `b` and `c`, then `d`. */
const NODES = [orderedNode('a'), orderedNode('b', 'a'), orderedNode('c', 'a'), orderedNode('d', 'b', 'c')];

describe('engine/run/node-states', () => {
  const statesOf = (...paths: readonly string[]) => {
    const entries = new Map(paths.map((path) => [path, { type: 'file', executable: false }]));
    return new NodeStates(NODES, { entries } as unknown as Source, new KnownLayers(NO_STORE));
  };
  const done = (about: Partial<Done> = {}): Done => ({
    type: 'done',
    outcome: 'executed',
    key: digestOf('key') as ActionKey,
    outputs: { n: 1 },
    expiresAt: Number.POSITIVE_INFINITY,
    isStored: true,
    ...about,
  });
  /** A layer whose directories are known, as after a capture. */
  function layer(
    states: NodeStates,
    entries: Readonly<Record<string, NewEntry>>,
    deleted: readonly string[] = [],
  ): Layer {
    const { root } = buildTree(Object.entries(entries), states.layers.table);
    const digest = digestOf(JSON.stringify([entries, deleted]));
    return { digest, root, tree: digestOf(''), deleted, files: 0, bytes: 0 };
  }

  it('knows nothing of a node until it has ended', () => {
    const states = statesOf();
    expect([
      states.endOf(idOf('a')),
      states.doneOf(idOf('a')),
      [...states.ends()],
      [...states.reports()],
    ]).to.deep.equal([undefined, undefined, [], []]);
  });

  it('tells how nodes ended in plan order, whatever the order in which they ended', () => {
    const states = statesOf();
    const ends: readonly (readonly [number, NodeEnd])[] = [
      [3, { type: 'blocked', by: [idOf('b')] }],
      [1, failed(failure)],
      [0, done()],
    ];
    for (const [index, end] of ends)
      states.settle(index, { end, report: nodeReport({ outcome: 'executed', durationMs: index }) });
    expect([...states.ends()].map(([id, { type }]) => [id, type])).to.deep.equal([
      ['a', 'done'],
      ['b', 'failed'],
      ['d', 'blocked'],
    ]);
    expect([...states.reports()].map(([id, { durationMs }]) => [id, durationMs])).to.deep.equal([
      ['a', 0],
      ['b', 1],
      ['d', 3],
    ]);
    expect([states.doneOf(idOf('a'))?.outputs, states.doneOf(idOf('b'))]).to.deep.equal([{ n: 1 }, undefined]);
  });

  it('settles each node once', () => {
    const states = statesOf();
    states.settle(0, { end: done() });
    for (const end of [done(), ABORTED]) expect(() => states.settle(0, { end })).to.throw('node a ended twice');
    expect(states.endOf(idOf('a'))).to.deep.equal(done());
  });

  it('has no reports in a plan', () => {
    const states = statesOf();
    states.settle(0, { end: done() });
    expect([...states.reports()]).to.deep.equal([]);
  });

  it('shows what a node left to the nodes that depend on it, and to no others', () => {
    const states = statesOf('kept', 'gone');
    const made = layer(states, { 'sub/file': FILE, link: { target: 'kept' } }, ['gone']);
    states.settle(1, { end: done({ layer: made }) });
    const seenBy = (index: number): readonly (string | undefined)[] =>
      ['kept', 'gone', 'sub/file', 'link', 'sub'].map((path) => states.files.winner(index, path)?.entry.type);
    expect(seenBy(3)).to.deep.equal(['file', undefined, 'file', 'symlink', 'directory']);
    expect(seenBy(2)).to.deep.equal(['file', 'file', undefined, undefined, undefined]);
  });

  it('shows the modes of folders that a node changed', () => {
    const states = statesOf();
    const made = layer(states, { closed: { directory: true, mode: 0o700 }, open: { directory: true } });
    states.settle(0, { end: done({ layer: made }) });
    expect([states.files.folderMode(1, 'closed'), states.files.folderMode(1, 'open')]).to.deep.equal([
      0o700,
      undefined,
    ]);
  });

  it('knows the first node of a layer that several made, and no node of a tool', async () => {
    const states = statesOf();
    const [shared, tool] = [layer(states, { file: FILE }), layer(states, { tool: FILE })];
    states.settle(1, { end: done({ layer: shared }) });
    states.settle(2, { end: done({ layer: shared, tool }) });
    expect([shared, tool].map(({ digest }) => states.writerOf(digest))).to.deep.equal([1, -1]);
    expect(states.writerOf(digestOf('other'))).to.equal(-1);
    // Both are known without asking the store.
    for (const one of [shared, tool]) expect(await states.layers.find(one.digest)).to.equal(one);
  });

  it('collects the state that nodes leave for the next run; a later node wins', () => {
    const states = statesOf();
    states.settle(0, { end: done({ state: { version: 1, kept: true } }) });
    states.settle(1, { end: done() });
    states.settle(2, { end: done({ state: { version: 2 } }) });
    expect(states.state).to.deep.equal({ version: 2, kept: true });
  });

  it('lasts as long as the result that expires first', () => {
    const states = statesOf();
    expect(states.expiresAt).to.equal(Number.POSITIVE_INFINITY);
    for (const [index, expiresAt] of [9000, 5000, 7000].entries()) states.settle(index, { end: done({ expiresAt }) });
    expect(states.expiresAt).to.equal(5000);
  });

  it('is all stored until one result is not, and stays so', () => {
    const states = statesOf();
    states.settle(0, { end: done() });
    states.settle(1, { end: { type: 'skipped' } });
    expect(states.isAllStored).to.equal(true);
    states.settle(2, { end: done({ isStored: false }) });
    states.settle(3, { end: done() });
    expect(states.isAllStored).to.equal(false);
  });

  it('blocks the nodes behind every end but done and skipped', () => {
    const ends: readonly NodeEnd[] = [
      done(),
      { type: 'skipped' },
      { type: 'blocked', by: [] },
      ABORTED,
      failed(failure),
      lost('blob', digestOf('x') as Digest),
    ];
    expect(ends.map(isBlocking)).to.deep.equal([false, false, true, true, true, true]);
  });
});
