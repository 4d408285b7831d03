import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { digestOf, type ActionKey } from '../../../src/engine/files/digest.js';
import type { Action } from '../../../src/engine/node/action.js';
import { doneWith, expiryOf, isForced, isRestorable, lookUp, outcomeOfHit } from '../../../src/engine/node/look-up.js';
import type { Run } from '../../../src/engine/run/run.js';
import type { Reads } from '../../../src/engine/sdk.js';
import { openLocalStore, type LocalStore } from '../../../src/engine/store/local-store.js';
import type { ActionResult, KeyRecord } from '../../../src/engine/store/store.js';
import { buildTree } from '../../../src/engine/trees/directories.js';
import { KnownLayers } from '../../../src/engine/trees/known-layers.js';
import { writeLayer } from '../../../src/engine/trees/layers.js';
import type { Layer } from '../../../src/engine/trees/tree.js';
import type { CheckedNode } from '../../../src/manifests/pipeline/manifest.js';
import { checkedNode } from '../../support/checked-pipeline.js';
import { TREE } from '../../support/toy-kinds.js';

const MANIFEST = { outputs: { properties: { n: {}, tree: TREE } } };
const KEY = digestOf('key') as ActionKey;
const NOW = 1_000_000;
const NEVER = Number.POSITIVE_INFINITY;

const action = (node: Partial<CheckedNode> = {}, reads: Reads = {}, isPure = false): Action =>
  ({
    node: checkedNode('n', node),
    plugin: { manifest: MANIFEST },
    treeLayers: [],
    reads,
    isPure,
    key: KEY,
  }) as unknown as Action;
const result = (about: Partial<ActionResult> = {}): ActionResult => ({
  outputs: { n: 1 },
  durationMs: 1,
  storedAt: NOW - 100,
  ...about,
});
const aged = (maxAgeMs: number): Partial<CheckedNode> => ({ cache: { maxAgeMs } });

/** Every kind has a number as its output. */
const KINDS = { get: () => ({ validateOutputs: ({ n }: { n: unknown }) => typeof n === 'number' }) };

describe('engine/node/look-up', () => {
  let root: string;
  let store: LocalStore;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pyflow-test-'));
    const opened = openLocalStore(join(root, 'cache'), { clock: { now: () => NOW } });
    if (!opened.ok) throw new Error(opened.failure.detail);
    store = opened.value;
  });
  afterEach(async () => {
    await store.close();
    rmSync(root, { recursive: true, force: true });
  });

  /** What `lookUp` uses of a run. */
  const run = (lastKey?: ActionKey): Run => {
    const layers = new KnownLayers(store);
    const composition = { clock: { now: () => NOW } };
    const states = { hasTaint: false, files: { looksOf: () => undefined } };
    const about = { store, layers, composition, kinds: KINDS, states };
    return { ...about, asker: { appId: 'shop' }, lastKeyOf: () => lastKey } as unknown as Run;
  };
  const publish = (stored: ActionResult): Promise<void> => store.publish(KEY, stored, {} as KeyRecord);
  const NONE: ReadonlySet<string> = new Set();

  function storedLayer(name: string): Layer {
    const bytes = Buffer.from(name);
    store.write(digestOf(bytes), bytes);
    const { directories, root: top } = buildTree([[name, { digest: digestOf(bytes), executable: false }]]);
    return writeLayer(store, directories, top, []);
  }

  it('finds a stored result, and loads its layers', async () => {
    const stored = result({ layer: storedLayer('file'), tool: storedLayer('tool') });
    await publish(stored);
    const found = run();
    const outputs = { n: 1, tree: stored.layer!.digest };
    expect(await lookUp(found, action(), NONE)).to.deep.equal({ ...stored, outputs });
    for (const layer of [stored.layer!, stored.tool!]) expect(found.layers.table.has(layer.root)).to.equal(true);
  });

  it('names the layers of this run, not those that made the same tree when the result was stored', async () => {
    const [below, own] = [storedLayer('below'), storedLayer('file')];
    const stored = result({ outputs: { n: 1, tree: `${digestOf('other')},${own.digest}` }, layer: own });
    await publish(stored);
    const found = await lookUp(run(), { ...action(), treeLayers: [below] }, NONE);
    expect(found).to.deep.equal({ ...stored, outputs: { n: 1, tree: `${below.digest},${own.digest}` } });
  });

  it('misses if nothing is stored, or only for another app', async () => {
    expect(await lookUp(run(), action(), NONE)).to.equal(undefined);
    await publish(result({ appId: 'other' }));
    expect(await lookUp(run(), action(), NONE)).to.equal(undefined);
    await publish(result({ appId: 'shop' }));
    expect(await lookUp(run(), action(), NONE)).to.have.property('appId', 'shop');
  });

  for (const part of ['layer', 'tool'] as const) {
    it(`misses if the ${part} can't be loaded, so that the node can still run`, async () => {
      const lost = { ...storedLayer('x'), tree: digestOf('lost') };
      await publish(result({ [part]: lost }));
      expect(await lookUp(run(), action(), NONE)).to.equal(undefined);
    });
  }

  it('misses if the outputs are none that the kind can have', async () => {
    await publish(result({ outputs: { n: 'text' } }));
    expect(await lookUp(run(), action(), NONE)).to.equal(undefined);
  });

  it('does not restore a node that this run must execute', async () => {
    await publish(result());
    for (const forced of [['n'], ['all'], ['other', 'n']]) {
      expect(isForced(new Set(forced), action())).to.equal(true);
      expect(await lookUp(run(), action(), new Set(forced)), forced.join()).to.equal(undefined);
    }
    expect(isForced(new Set(['other']), action())).to.equal(false);
    expect(await lookUp(run(), action(), new Set(['other']))).not.to.equal(undefined);
  });

  it('restores no node with side effects, or whose cache is set to never', async () => {
    await publish(result());
    for (const never of [action({ cache: 'never' }), action({}, { sideEffects: true })]) {
      expect(isRestorable(never)).to.equal(false);
      expect(await lookUp(run(), never, NONE)).to.equal(undefined);
    }
    expect(isRestorable(action({ cache: { maxAgeMs: 1 } }))).to.equal(true);
  });

  it('does not restore a result that is older than the node allows', async () => {
    await publish(result());
    expect(await lookUp(run(), action(aged(101)), NONE)).not.to.equal(undefined);
    expect(await lookUp(run(), action(aged(100)), NONE)).to.equal(undefined);
    // Values that follow from the key alone don't age.
    expect(await lookUp(run(), action(aged(1), {}, true), NONE)).not.to.equal(undefined);
  });

  it('knows when a result expires: by its age, or because it is second best', () => {
    const degraded = { reason: 'fallback', host: 'here', expiresAt: NOW + 50 };
    expect([
      expiryOf(action(), result()),
      expiryOf(action(aged(500)), result()),
      expiryOf(action(), result({ degraded })),
      expiryOf(action(aged(500)), result({ degraded })),
      expiryOf(action(aged(120)), result({ degraded })),
    ]).to.deep.equal([NEVER, NOW + 400, NOW + 50, NOW + 50, NOW + 20]);
  });

  it('calls a hit up to date if the last run had the same key', () => {
    const keys = [KEY, digestOf('other') as ActionKey, undefined];
    expect(keys.map((key) => outcomeOfHit(run(key), action()))).to.deep.equal(['up-to-date', 'restored', 'restored']);
  });

  it('ends a node with all that its result holds', () => {
    const [layer, tool] = [storedLayer('file'), storedLayer('tool')];
    const degraded = { reason: 'fallback', host: 'here', expiresAt: NOW };
    const whole = result({ layer, tool, state: { version: 2 }, degraded });
    const outcome = { outcome: 'restored', isStored: true } as const;
    const end = { type: 'done', ...outcome, key: KEY, outputs: { n: 1 } };
    expect(doneWith(run(), action(), whole, outcome)).to.deep.equal({
      ...end,
      layer,
      tool,
      state: { version: 2 },
      degraded: 'fallback',
      expiresAt: NOW,
    });
    expect(doneWith(run(), action(), result(), outcome)).to.deep.equal({ ...end, expiresAt: NEVER });
  });
});
