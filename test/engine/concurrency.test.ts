import { expect } from 'chai';
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundledCli, CliScene, contentOf, STACK_TRACE, type Ended } from '../support/cli-scene.js';
import { uniqueSleep } from '../support/processes.js';
import { NODES, syntheticApp, syntheticContent, syntheticDigest, syntheticPipeline } from '../support/synthetic.js';

const succeeded = (ended: Ended): Ended => {
  expect(ended.status, ended.stdout + ended.stderr).to.equal(0);
  expect(ended.stderr).not.to.match(STACK_TRACE);
  return ended;
};

describe('runs at the same time', () => {
  before(() => void bundledCli());
  let scene: CliScene;
  beforeEach(() => {
    scene = new CliScene();
  });
  afterEach(() => scene.cleanUp());

  it('execute each key once in sixteen processes on one cache', async function () {
    this.timeout(60_000);
    const counter = join(scene.root, 'counter');
    scene.pipeline(syntheticPipeline({ env: { COUNTER: counter }, first: 'echo NODE >> "$COUNTER"' }));
    const apps = Array.from({ length: 16 }, (_, index) => join(scene.root, `app${index}`));
    for (const app of apps) scene.write(syntheticApp('sixteen'), app);
    const runs = await Promise.all(apps.map((appDir) => scene.run({ appDir, outDir: `${appDir}-slug` })));
    for (const [index, run] of runs.entries()) {
      expect(succeeded(run).report?.slug?.digest).to.equal(syntheticDigest('sixteen'));
      expect(contentOf(`${apps[index]}-slug`)).to.deep.equal(syntheticContent('sixteen'));
    }
    expect(readFileSync(counter, 'utf8').trim().split('\n').sort()).to.deep.equal([...NODES].sort());
    expect(scene.leftovers()).to.deep.equal([]);
  });

  it('write the same slug at the same time, into an empty folder and over an older slug', async function () {
    this.timeout(60_000);
    scene.pipeline(syntheticPipeline());
    for (const salt of ['first', 'second']) {
      scene.write(syntheticApp(salt));
      for (const run of await Promise.all([1, 2, 3, 4].map(() => scene.run()))) {
        expect(succeeded(run).report?.slug?.digest).to.equal(syntheticDigest(salt));
      }
      expect(contentOf(scene.outDir)).to.deep.equal(syntheticContent(salt));
    }
  });

  it('leave the slug of one app, never a mixture, if two apps are written to one folder', async function () {
    this.timeout(60_000);
    scene.pipeline(syntheticPipeline());
    const salts = ['this app', 'that app'];
    const apps = salts.map((salt, index) => {
      const app = join(scene.root, `app${index}`);
      scene.write(syntheticApp(salt), app);
      return app;
    });
    for (let round = 0; round < 4; round++) {
      (await Promise.all(apps.map((appDir) => scene.run({ appDir })))).forEach(succeeded);
      expect(contentOf(scene.outDir)).to.be.deep.oneOf(salts.map(syntheticContent));
      // Neither assumes that the folder still holds its slug.
      for (const [index, appDir] of apps.entries()) {
        succeeded(await scene.run({ appDir }));
        expect(contentOf(scene.outDir), `round ${round}`).to.deep.equal(syntheticContent(salts[index]!));
      }
    }
  });

  it('continue when the process that holds a key is killed', async () => {
    const sleep = uniqueSleep();
    const flag = join(scene.root, 'flag');
    scene.pipeline(`
pyflow: 1
name: waiting
nodes:
  slow: { uses: command, env: { FLAG: "${flag}" }, with: { argv: [sh, -c, "mkdir $FLAG 2>/dev/null && exec sleep ${sleep}; echo done > made"], writes: [made] } }
`);
    const holder = scene.start();
    await holder.until(({ type }) => type === 'node-started');
    await until(() => existsSync(flag));
    const waiter = scene.start({ outDir: join(scene.root, 'other') });
    await waiter.until(({ type }) => type === 'run-started');
    holder.child.kill('SIGKILL');
    const ended = succeeded(await waiter.ended);
    expect(ended.report?.nodes['slow']?.outcome).to.equal('executed');
    expect(readFileSync(join(scene.root, 'other/made'), 'utf8')).to.equal('done\n');
    await holder.ended;
    expect(await scene.survivors()).to.deep.equal([]);
  });

  it('continue when the whole cache is removed', async () => {
    const gate = join(scene.root, 'gate');
    scene.pipeline(
      syntheticPipeline({
        env: { GATE: gate },
        first: 'while [ NODE = joined ] && [ ! -e "$GATE" ]; do sleep 0.01; done',
      }),
    );
    scene.write(syntheticApp('cleared'));
    const run = scene.start();
    await run.until((event) => event.type === 'node-started' && event.node === 'joined');
    rmSync(scene.cacheDir, { recursive: true, force: true });
    writeFileSync(gate, '');
    expect(succeeded(await run.ended).report?.slug?.digest).to.equal(syntheticDigest('cleared'));
    expect(contentOf(scene.outDir)).to.deep.equal(syntheticContent('cleared'));
    rmSync(scene.outDir, { recursive: true });
    succeeded(await scene.run());
    expect(contentOf(scene.outDir)).to.deep.equal(syntheticContent('cleared'));
  });

  it('work after the app was copied to another place, with its slug and record', async () => {
    scene.pipeline(syntheticPipeline()).write(syntheticApp('copied'));
    const outDir = join(scene.appDir, '.pyflow/slug');
    succeeded(await scene.run({ outDir }));
    const appDir = join(scene.root, 'copy');
    cpSync(scene.appDir, appDir, { recursive: true, preserveTimestamps: true });
    const copy = succeeded(await scene.run({ appDir, outDir: join(appDir, '.pyflow/slug') }));
    expect(copy.report?.slug?.digest).to.equal(syntheticDigest('copied'));
    expect(contentOf(join(appDir, '.pyflow/slug'))).to.deep.equal(syntheticContent('copied'));
  });
});

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((look) => setImmediate(look));
}
