// Runs the whole suite with its files in random order over the workers, because no test may depend on an earlier one.
// Prints the seed; PYFLOW_SEED repeats an order.

import { spawnSync } from 'node:child_process';
import { createHash, randomInt } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const root = fileURLToPath(new URL('../..', import.meta.url));

describe('random order', () => {
  it('passes whichever worker gets which file', function () {
    this.timeout(3_600_000);
    const seed = process.env['PYFLOW_SEED'] ?? String(randomInt(1_000_000));
    const rank = (file: string): string => createHash('sha256').update(`${seed} ${file}`).digest('hex');
    const files = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.test.ts') && !file.startsWith('torture/'))
      .sort((a, b) => (rank(a) < rank(b) ? -1 : 1))
      .map((file) => `test/${file}`);
    const folder = mkdtempSync(join(tmpdir(), 'pyflow-order-'));
    try {
      const config = join(folder, 'mocharc.json');
      writeFileSync(
        config,
        JSON.stringify({
          'node-option': ['import=tsx', 'enable-source-maps'],
          require: 'test/support/shared-folder.ts',
          reporter: 'test/support/reporter.cjs',
          timeout: 600_000,
          parallel: true,
          jobs: 2,
          spec: files,
        }),
      );
      console.log(`      seed ${seed}, ${files.length} files`);
      const run = spawnSync('npx', ['mocha', '--config', config], { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 28 });
      expect(run.status, `PYFLOW_SEED=${seed}\n${run.stdout.slice(-8000)}`).to.equal(0);
      console.log(`      ${run.stdout.trim().split('\n').at(-1)}`);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
