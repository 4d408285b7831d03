// Rounds of "kill -9 at a random moment, then run again" on one cache. Deterministic except for the machine's timing.

import { expect } from 'chai';
import { bundledCli, CliScene, commandLineOf, contentOf } from './cli-scene.js';
import { syntheticApp, syntheticContent, syntheticDigest, syntheticPipeline } from './synthetic.js';

/** A small seeded random generator. A failure prints the seed. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface KillRounds {
  readonly rounds: number;
  readonly sandbox: 'none' | 'required';
  readonly seed: number;
}

/** How many runs were still alive when they were killed. */
export async function killAtRandom({ rounds, sandbox, seed }: KillRounds): Promise<number> {
  const scene = new CliScene();
  const next = random(seed);
  let killed = 0;
  try {
    scene.pipeline(syntheticPipeline({ env: { SCENE: scene.tag } }));
    bundledCli();
    let wholeMs = 0;
    for (let round = 0; round < rounds; round++) {
      const context = `round ${round} of seed ${seed}`;
      const salt = `salt ${seed} ${round}`;
      scene.write(syntheticApp(salt));
      if (round > 0) {
        const doomed = scene.start({ sandbox });
        const timer = setTimeout(() => doomed.child.kill('SIGKILL'), next() * wholeMs);
        const { signal } = await doomed.ended;
        clearTimeout(timer);
        if (signal === 'SIGKILL') killed++;
        const survivors = (await scene.survivors()).map(commandLineOf);
        expect(survivors, `${context}: processes left behind`).to.deep.equal([]);
      }
      const startedAt = performance.now();
      const { status, report, stderr } = await scene.run({ sandbox });
      wholeMs = performance.now() - startedAt;
      expect(status, `${context}: ${stderr}${JSON.stringify(report?.failure)}`).to.equal(0);
      expect(report?.slug?.digest, context).to.equal(syntheticDigest(salt));
      expect(contentOf(scene.outDir), context).to.deep.equal(syntheticContent(salt));
    }
    // An up-to-date run removes no leftovers, and a run can be killed when only the removal of its folders is left.
    await scene.run({ sandbox, env: { PYFLOW_NO_FAST_PATH: '1' } });
    expect(scene.leftovers(), `seed ${seed}: private folders of killed runs`).to.deep.equal([]);
    return killed;
  } finally {
    scene.cleanUp();
  }
}
