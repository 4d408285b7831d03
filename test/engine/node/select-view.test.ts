import { expect } from 'chai';
import { digestOf, type Digest } from '../../../src/engine/files/digest.js';
import type { Asked } from '../../../src/engine/node/action.js';
import type { ResolvedInputs } from '../../../src/engine/node/inputs.js';
import { selectView } from '../../../src/engine/node/select-view.js';
import { NodeStates } from '../../../src/engine/run/node-states.js';
import { Run } from '../../../src/engine/run/run.js';
import type { Source } from '../../../src/engine/app/source.js';
import type { BlobStore } from '../../../src/engine/trees/blob-store.js';
import { KnownLayers } from '../../../src/engine/trees/known-layers.js';
import { orderedNode } from '../../support/checked-pipeline.js';

const LOST = digestOf('lost') as Digest;
const EMPTY_STORE = { read: () => Promise.resolve(undefined) } as unknown as BlobStore;

describe('engine/node/select-view', () => {
  /** A run of one node whose store has nothing. */
  function run(): Run {
    const layers = new KnownLayers(EMPTY_STORE);
    const source = { entries: new Map() } as unknown as Source;
    const states = new NodeStates([orderedNode('n')], source, layers);
    return Object.assign(Object.create(Run.prototype) as object, { layers, states, request: {} }) as Run;
  }
  const asked = { plugin: { manifest: {} }, reads: {} } as unknown as Asked;
  const inputs = (more: Partial<ResolvedInputs>): ResolvedInputs => ({
    values: {},
    plain: {},
    treePorts: {},
    trees: [],
    tools: {},
    ...more,
  });

  it('names a layer that the store lost, of a tree or of a tool', async () => {
    const end = { ok: false, failure: { type: 'lost', what: 'layer', digest: LOST } };
    for (const more of [{ trees: [LOST] }, { tools: { tool: LOST } }]) {
      expect(await selectView(run(), 0, inputs(more), asked)).to.deep.equal(end);
    }
  });

  it('is empty for a node that reads nothing', async () => {
    const selected = await selectView(run(), 0, inputs({ trees: [''] }), asked);
    expect(selected.ok && [selected.value.treeLayers, selected.value.files.entries]).to.deep.equal([[], []]);
  });
});
