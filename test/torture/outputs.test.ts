// Kills runs that write an image and an archive. What is there afterwards is always whole, and the next run completes it.

import { expect } from 'chai';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SLUG_MARKERS } from '../../src/engine/app/source-names.js';
import { removeTree } from '../../src/engine/files/remove-tree.js';
import { bundledCli, CliScene } from '../support/cli-scene.js';
import { random } from '../support/kill-rounds.js';
import { contentOf, decompressed, layerTars, readImages, unpack, unpackImage } from '../support/oci.js';

const SEED = Number(process.env['PYFLOW_SEED'] ?? Date.now() % 1_000_000);
const ROUNDS = 60;
const pipeline = (salt: number): string => `pyflow: 1
name: killed
nodes:
  steady: { uses: command, with: { argv: [sh, -ec, "mkdir -p lib; seq 300000 > lib/numbers"], writes: [lib/**] } }
  other: { uses: command, with: { argv: [sh, -ec, "mkdir -p more; for i in $(seq 60); do seq ${salt} 20000 > more/$i; done"], writes: [more/**] } }
`;

describe('kill -9 while outputs are written', () => {
  before(() => void bundledCli());

  it('leaves an image and an archive that are whole', async () => {
    const scene = new CliScene();
    const next = random(SEED);
    const [image, archive] = [join(scene.root, 'image'), join(scene.root, 'a.tar.zst')];
    const args = [`--output=oci=${image}`, `--output=tar=${archive}`];
    const check = (context: string): void => {
      if (existsSync(join(image, 'index.json'))) {
        const found = readImages(image).get('web');
        expect(found, context).not.to.equal(undefined);
        layerTars(image, found!);
      }
      if (existsSync(archive)) decompressed(readFileSync(archive), 'zstd');
    };
    let killed = 0;
    let wholeMs = 0;
    try {
      for (let round = 0; round < ROUNDS; round++) {
        const context = `round ${round} of seed ${SEED}`;
        // Every third round only the source changes.
        scene.pipeline(pipeline(Math.floor(round / 3))).write({ 'app.py': `${round}\n`, Procfile: 'web: true\n' });
        if (round > 0) {
          const doomed = scene.start({ args });
          const timer = setTimeout(() => doomed.child.kill('SIGKILL'), (0.3 + 0.7 * next()) * wholeMs);
          const { signal } = await doomed.ended;
          clearTimeout(timer);
          if (signal === 'SIGKILL') killed++;
          check(context);
        }
        const startedAt = performance.now();
        const { status, stderr } = await scene.run({ args });
        wholeMs = performance.now() - startedAt;
        expect(status, `${context}: ${stderr}`).to.equal(0);
        const expected = contentOf(scene.outDir, SLUG_MARKERS);
        const root = join(scene.root, 'root');
        unpackImage(image, readImages(image).get('web')!, root);
        expect(contentOf(join(root, 'app')), context).to.deep.equal(expected);
        removeTree(root);
        unpack(decompressed(readFileSync(archive), 'zstd'), root);
        expect(contentOf(join(root, 'app')), context).to.deep.equal(expected);
        removeTree(root);
      }
      expect(killed).to.be.greaterThan(ROUNDS * 0.3);
    } finally {
      scene.cleanUp();
    }
  });
});
