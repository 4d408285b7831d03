// Nodes that run on the workers of a real cluster: the same layers as here, also while workers die.

import { rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect } from 'chai';
import { RemoteScene, type EndedRun, type Machine } from '../support/remote-scene.js';
import { Cluster, needCluster } from '../support/servers/cluster.js';
import { BUILDER, workerFolder } from '../support/workers.js';

const COUNT = 60;
const each = <T>({ report }: EndedRun, what: (node: EndedRun['report']['nodes'][string]) => T): Record<string, T> =>
  Object.fromEntries(Object.entries(report.nodes).map(([id, node]) => [id, what(node)]));

/** A wide graph, every fourth node of which needs the one before it. */
const pipelineOf = (tag: string): string =>
  `pyflow: 1\nnodes:\n${Array.from({ length: COUNT }, (_, index) => {
    const before = index % 4 === 3 ? `after: [n${index - 1}],` : '';
    const reads = before === '' ? 'src/a.txt' : `'d${index - 1}/**', src/a.txt`;
    const script = `mkdir d${index}; cat src/a.txt ${before === '' ? '' : `d${index - 1}/x`} > d${index}/x; ln -s x d${index}/l; echo ${tag}`;
    return `  n${index}: { uses: command, ${before} with: { argv: [sh, -c, '${script}'], reads: [${reads}], writes: ['d${index}/**'] } }\n`;
  }).join('')}`;

describe('remote execution on a cluster', function () {
  this.timeout(300_000);
  let cluster: Cluster;
  let scene: RemoteScene;
  let folder: string;
  before(async function () {
    needCluster(this);
    folder = workerFolder();
    cluster = await Cluster.start({
      mounts: [`${folder}/bin:/usr/local/bin`, `${dirname(process.execPath)}:/opt/node`],
    });
  });
  after(async () => {
    await cluster?.stop();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(() => {
    scene = new RemoteScene();
    scene.write({ 'src/a.txt': scene.tag }).pipeline(pipelineOf(scene.tag));
  });
  afterEach(() => scene.cleanUp());

  const there = (more: Partial<Machine> = {}): Promise<EndedRun> =>
    scene.on({
      name: 'there',
      url: cluster.url,
      ...more,
      env: { PYFLOW_BUILDER: BUILDER, PYFLOW_REMOTE_EXECUTE: '1' },
    });
  const here = (): Promise<EndedRun> => scene.on({ name: 'here', sandbox: 'auto', env: { PYFLOW_BUILDER: BUILDER } });

  it(`gives ${COUNT} of ${COUNT} nodes the layers that they have here`, async () => {
    const [remote, local] = [await there(), await here()];
    expect(remote.notices).to.deep.equal({});
    expect(new Set(Object.values(each(remote, ({ executedOn }) => executedOn)))).to.deep.equal(new Set(['remote']));
    expect(each(remote, ({ layer }) => layer?.digest)).to.deep.equal(each(local, ({ layer }) => layer?.digest));
    expect(remote.report.slug?.digest).to.equal(local.report.slug?.digest);
  });

  it('builds the same while one worker after the other is killed', async () => {
    const state = { isDone: false };
    const remote = there().finally(() => (state.isDone = true));
    for (let index = 0; !state.isDone; index = (index + 1) % cluster.workerCount) {
      await new Promise((resume) => setTimeout(resume, 3000));
      if (state.isDone) break;
      await cluster.killWorker(index);
      await cluster.startWorker(index);
    }
    const [ended, local] = [await remote, await here()];
    expect(ended.report.status).to.equal('succeeded');
    expect(each(ended, ({ layer }) => layer?.digest)).to.deep.equal(each(local, ({ layer }) => layer?.digest));
    expect(ended.report.slug?.digest).to.equal(local.report.slug?.digest);
  });
});
