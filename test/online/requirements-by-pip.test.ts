// Compares the reader of requirements files with the parser of the pinned pip.

import { join } from 'node:path';
import { randomInt } from 'node:crypto';
import { expect } from 'chai';
import { compareWithPip } from '../support/compare-with-pip.js';
import { prepareRuntime, prepareTool, type PreparedRuntime } from '../support/runtimes.js';

describe('requirements files, read as pip reads them', function () {
  this.timeout(600_000);
  let runtime: PreparedRuntime;
  let pip: string;
  before(async function () {
    runtime = await prepareRuntime(this);
    pip = await prepareTool(runtime, 'pip');
  });

  it('have the same files, lines, options and includes', async () => {
    const python = join(runtime.appDir, '.scalingo/python/bin/python3');
    const seed = Number(process.env['PYFLOW_SEED'] ?? randomInt(1_000_000));
    const { read, refused } = await compareWithPip(python, pip, { runs: 800, seed });
    console.log(`      seed ${seed}: ${read} read alike, ${refused} refused by pip`);
    expect(read).to.be.greaterThan(refused);
  });
});
