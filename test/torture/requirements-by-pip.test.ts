// Compares the reader of requirements files with the parser of the pinned pip, over 10,000 files. PYFLOW_SEED repeats
// them.

import { join } from 'node:path';
import { randomInt } from 'node:crypto';
import { expect } from 'chai';
import { compareWithPip } from '../support/compare-with-pip.js';
import { prepareRuntime, prepareTool } from '../support/runtimes.js';

describe('10,000 requirements files', () => {
  it('are read as pip reads them', async function () {
    this.timeout(1_800_000);
    const runtime = await prepareRuntime(this);
    const pip = await prepareTool(runtime, 'pip');
    const python = join(runtime.appDir, '.scalingo/python/bin/python3');
    const seed = Number(process.env['PYFLOW_SEED'] ?? randomInt(1_000_000));
    let read = 0;
    for (let round = 0; round < 10; round++) {
      read += (await compareWithPip(python, pip, { runs: 1000, seed: seed + round })).read;
    }
    console.log(`      seed ${seed}: ${read} of 10,000 read alike, the others refused by pip`);
    expect(read).to.be.greaterThan(5000);
  });
});
