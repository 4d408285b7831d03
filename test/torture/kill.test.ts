// 200 kills of a synthetic pipeline and 5 of a real pip build, each followed by a run that must be correct.

import { expect } from 'chai';
import { cpSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { bundledCli, CliScene, commandLineOf, contentOf } from '../support/cli-scene.js';
import { killAtRandom, random } from '../support/kill-rounds.js';
import { hasNamespaces } from '../support/namespaces.js';
import { pyenvVersions } from '../support/runtimes.js';
import { skipBecause } from '../support/skip.js';

const ROOT = resolve(import.meta.dirname, '../..');
const SEED = Number(process.env['PYFLOW_SEED'] ?? Date.now() % 1_000_000);
/** Number of runs that ended before the kill. */
const MOST_TOO_LATE = 0.6;

describe('kill -9, many times', () => {
  before(() => void bundledCli());

  it('leaves the cache intact in a hundred runs without a sandbox', async () => {
    const killed = await killAtRandom({ rounds: 101, sandbox: 'none', seed: SEED });
    expect(killed).to.be.greaterThan(100 * (1 - MOST_TOO_LATE));
  });

  it('leaves the cache intact in a hundred runs with namespaces', async function () {
    if (!(await hasNamespaces())) skipBecause(this, 'this machine has no namespaces');
    const killed = await killAtRandom({ rounds: 101, sandbox: 'required', seed: SEED + 1 });
    expect(killed).to.be.greaterThan(100 * (1 - MOST_TOO_LATE));
  });

  it('leaves the cache intact in five builds of the example with pip', async function () {
    if (pyenvVersions().length === 0) {
      return skipBecause(this, 'needs a CPython of pyenv');
    }
    const scene = new CliScene();
    const next = random(SEED + 2);
    const env = Object.fromEntries(
      Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined),
    );
    const args = ['--param=providers=["system"]'];
    const options = {
      pipelineFile: join(ROOT, 'pipelines/python.yml'),
      sandbox: 'auto' as const,
      env: { ...env, SCENE: scene.tag },
    };
    try {
      cpSync(join(ROOT, 'examples/flask-pip'), scene.appDir, {
        recursive: true,
        filter: (path) => !path.includes('.pyflow'),
      });
      const golden = await scene.run({ ...options, args, cacheDir: join(scene.root, 'golden') });
      expect(golden.status, golden.stdout + golden.stderr).to.equal(0);
      const content = contentOf(scene.outDir);
      rmSync(scene.outDir, { recursive: true });
      for (let round = 0; round < 5; round++) {
        const context = `round ${round} of seed ${SEED}`;
        // The first run finds an empty cache; the others make everything again over its content.
        const doomed = scene.start({ ...options, args: round === 0 ? args : [...args, '--refresh=all'] });
        // Timed by events, because many steps take no time and some take seconds.
        await doomed.untilEvents(1 + Math.floor(next() * 0.9 * golden.events.length));
        const timer = setTimeout(() => doomed.child.kill('SIGKILL'), next() * 50);
        const { signal } = await doomed.ended;
        clearTimeout(timer);
        expect(signal, context).to.equal('SIGKILL');
        expect((await scene.survivors()).map(commandLineOf), context).to.deep.equal([]);
        const after = await scene.run({ ...options, args });
        expect(after.status, context + after.stdout + after.stderr).to.equal(0);
        expect(after.report?.slug?.digest, context).to.equal(golden.report?.slug?.digest);
        expect(contentOf(scene.outDir), context).to.deep.equal(content);
      }
      // A run that the fast path finds up to date removes no leftovers.
      const last = await scene.run({ ...options, args, env: { ...options.env, PYFLOW_NO_FAST_PATH: '1' } });
      expect(last.status).to.equal(0);
      expect(scene.leftovers()).to.deep.equal([]);
    } finally {
      scene.cleanUp();
    }
  });
});
