import { expect } from 'chai';
import { readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { ReapiScene } from '../../support/reapi-scene.js';
import { outputs, schemaOf, TREE, type Toy } from '../../support/toy-kinds.js';

describe('engine/node/execution', () => {
  const scene = new ReapiScene();
  const JOBS = 2;

  it('lays out few views at once, however many nodes wait for the answers of workers', async () => {
    let most = 0;
    const counting: Toy = {
      manifest: {
        config: schemaOf({ name: { type: 'string' } }),
        outputs: schemaOf({ tree: TREE }),
        writes: ['${config.name}'],
      },
      run: async (_node, { appDir }) => {
        most = Math.max(most, readdirSync(dirname(dirname(appDir))).length);
        return outputs({});
      },
    };
    const nodes = Array.from(
      { length: 30 },
      (_, index) => `  n${index}: { uses: counting, with: { name: n${index} } }\n`,
    );
    const work = scene.machine(`pyflow: 1\nnodes:\n${nodes.join('')}`, { counting });
    const report = await work.run({ ...scene.remote({ execute: true }), jobs: JOBS });
    expect(report.status).to.equal('succeeded');
    expect(most)
      .to.be.greaterThan(1)
      .and.at.most(JOBS + 2);
  });
});
