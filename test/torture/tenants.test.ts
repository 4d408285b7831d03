import { expect } from 'chai';
import { tryTenants } from '../support/tenants.js';

const SEED = Number(process.env['PYFLOW_SEED'] ?? Date.now() % 1_000_000);

describe('two tenants on one cache', () => {
  it('get the same as with an empty cache: 200 random pairs', async () => {
    const restored = await tryTenants({ pairs: 200, seed: SEED });
    console.log(`      (seed ${SEED}, ${restored} results of the other tenant that were restored)`);
    expect(restored).to.be.greaterThan(200);
  });
});
