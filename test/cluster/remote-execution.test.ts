// Nodes that run on the workers of a real cluster: the same layers as here, also while workers and the scheduler die.

import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Event, RunReport } from '../../src/engine/events.js';
import { decodeCommand } from '../../src/engine/trees/reapi.js';
import { processesOf } from '../support/cli-scene.js';
import { layersOf, ranRemotely, RemoteScene, type EndedRun, type Machine } from '../support/remote-scene.js';
import { Cluster, needCluster } from '../support/servers/cluster.js';
import { BUILDER, workerFolder, workerMounts } from '../support/workers.js';

const COUNT = 300;
const MINUTE_MS = 60_000;
const KILL_EVERY_MS = 3000;

/** A wide graph, every fourth node of which needs the one before it. */
const pipelineOf = (tag: string, count = COUNT): string =>
  `pyflow: 1\nnodes:\n${Array.from({ length: count }, (_, index) => {
    const before = index % 4 === 3 ? `after: [n${index - 1}],` : '';
    const reads = before === '' ? 'src/a.txt' : `'d${index - 1}/**', src/a.txt`;
    const script = `mkdir d${index}; cat src/a.txt ${before === '' ? '' : `d${index - 1}/x`} > d${index}/x; ln -s x d${index}/l; echo ${tag}`;
    return `  n${index}: { uses: command, ${before} with: { argv: [sh, -c, '${script}'], reads: [${reads}], writes: ['d${index}/**'] } }\n`;
  }).join('')}`;

describe('remote execution on a cluster', function () {
  this.timeout(600_000);
  let cluster: Cluster;
  let scene: RemoteScene;
  let folder: string;
  before(async function () {
    needCluster(this);
    folder = workerFolder();
    cluster = await Cluster.start({ mounts: workerMounts(folder) });
  });
  after(async () => {
    await cluster?.stop();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(() => {
    scene = new RemoteScene();
  });
  afterEach(() => scene.cleanUp());

  /** Nothing that was built before is of use for what is built next. */
  const prepare = (round: number, count?: number): void => {
    const tag = `${scene.tag}-${round}`;
    scene.write({ 'src/a.txt': tag }).pipeline(pipelineOf(tag, count));
  };
  const env = { PYFLOW_BUILDER: BUILDER, PYFLOW_REMOTE_EXECUTE: '1' };
  const there = (more: Partial<Machine> = {}): Promise<EndedRun> =>
    scene.on({ name: 'there', url: cluster.url, ...more, env: { ...env, ...more.env } });
  const here = (): Promise<EndedRun> => scene.on({ name: 'here', sandbox: 'auto', env: { PYFLOW_BUILDER: BUILDER } });
  const expectSame = (remote: RunReport, local: RunReport): void => {
    expect(remote.status).to.equal('succeeded');
    expect(layersOf(remote)).to.deep.equal(layersOf(local));
    expect(remote.slug?.digest).to.equal(local.slug?.digest);
  };

  it(`gives ${COUNT} of ${COUNT} nodes the layers that they have here`, async () => {
    prepare(0);
    const [remote, local] = [await there(), await here()];
    expect(remote.notices).to.deep.equal({});
    expect(ranRemotely(remote.report)).to.have.length(COUNT);
    expect(Object.values(layersOf(local.report)).filter(Boolean)).to.have.length(COUNT);
    expectSame(remote.report, local.report);
  });

  it('builds the same again and again while a worker is killed every 3 s, for a minute', async () => {
    const end = performance.now() + MINUTE_MS;
    let builds = 0;
    let ran = 0;
    const isOver = (): boolean => performance.now() > end;
    const killing = killWorkers(cluster, isOver);
    while (!isOver()) {
      prepare((builds += 1), 40);
      const [remote, local] = [await there(), await here()];
      ran += ranRemotely(remote.report).length;
      expectSame(remote.report, local.report);
    }
    const kills = await killing;
    console.log(`      (${kills} workers killed, ${builds} builds, ${ran} nodes on workers)`);
    expect(kills).to.be.at.least(15);
    expect(ran).to.be.at.least(builds * 20);
  });

  it('sends a command again that the cache has lost between two nodes, and BuildGrid misses', async () => {
    // Both nodes have the same Command: what differs is in their inputs.
    const script = (id: string): string => `echo ${scene.tag} > ${id}`;
    const sleeping = `sleep 5 # ${scene.tag}`;
    scene.pipeline(`pyflow: 1
nodes:
  one: { uses: command, with: { argv: [sh, -c, '${script('one')}; ${sleeping}'], writes: [one] } }
  two: { uses: command, after: [one], with: { argv: [sh, -c, '${script('two')}'], writes: [two] } }
`);
    const cacheDir = `${scene.root}/cache-there`;
    const running = scene.start({ args: [`--remote=${cluster.url}`], env, sandbox: 'auto', cacheDir });
    while (processesOf(sleeping).length === 0 && running.child.exitCode === null)
      await new Promise((resume) => setTimeout(resume, 20));
    await cluster.cache.kill();
    expect(removeCommands(cluster.cache.folder)).to.be.at.least(1);
    await cluster.cache.resume();
    const { report, events } = await running.ended;
    expect(events.filter(({ type }) => type === 'notice')).to.deep.equal([]);
    expect(ranRemotely(report!)).to.deep.equal(['one', 'two']);
    expectSame(report!, (await here()).report);
  });

  describe('whose scheduler is killed in the middle of a build, and started again', () => {
    const SMALL = 60;
    /** The build goes on meanwhile. */
    const interrupted = async (args: readonly string[]): Promise<RunReport | undefined> => {
      const running = scene.start({ args, env, sandbox: 'auto', cacheDir: `${scene.root}/cache-there` });
      await running.untilEvents(8, isFinished);
      await cluster.killScheduler();
      await cluster.startScheduler();
      const { report } = await running.ended;
      return report;
    };

    for (const round of [1, 2, 3]) {
      it(`builds the same (${round})`, async () => {
        prepare(round, SMALL);
        const report = await interrupted([`--remote=${cluster.url}`]);
        const local = await here();
        console.log(`      (${ranRemotely(report!).length} of ${SMALL} nodes on workers)`);
        expectSame(report!, local.report);
      });
    }

    it('builds the same or fails as documented if the settings require the server, and succeeds later', async () => {
      prepare(4, SMALL);
      scene.write({ 'remote.yml': `url: ${cluster.url}\nexecute: true\nrequire: true\n` }, scene.root);
      const args = [`--remote-settings=${scene.root}/remote.yml`];
      const report = await interrupted(args);
      const local = await here();
      if (report?.status === 'succeeded') expectSame(report, local.report);
      else {
        expect(report?.exitCode).to.equal(75);
        const codes = Object.values(report!.nodes).flatMap(({ failure }) => failure?.code ?? []);
        expect(codes).to.not.deep.equal([]);
        expect(['remote::not-executed', 'remote::unavailable']).to.include.members(codes);
      }
      const right = layersOf(local.report);
      for (const [id, layer] of Object.entries(layersOf(report!)))
        if (layer !== undefined) expect(layer, id).to.equal(right[id]);
      expectSame((await there({ args })).report, local.report);
    });
  });
});

const isFinished = ({ type }: Event): boolean => type === 'node-finished';

/** Removes the messages that say what a worker has to run. Returns how many there were. */
function removeCommands(folder: string): number {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const commands = files
    .map(({ parentPath, name }) => join(parentPath, name))
    .filter((path) => decodeCommand(readFileSync(path))?.arguments[0] === 'pyflow-node');
  for (const path of commands) rmSync(path);
  return commands.length;
}

/** Kills one after the other and starts it again. Resolves with how many it has killed. */
async function killWorkers(cluster: Cluster, isOver: () => boolean): Promise<number> {
  for (let kills = 0; ; kills++) {
    await new Promise((resume) => setTimeout(resume, KILL_EVERY_MS));
    if (isOver()) return kills;
    const index = kills % cluster.workerCount;
    await cluster.killWorker(index);
    await cluster.startWorker(index);
  }
}
