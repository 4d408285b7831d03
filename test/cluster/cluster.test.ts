// The cluster itself, by a client that is not ours, and as a cache.

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { processesWith } from '../support/processes.js';
import { outcomesOf, RemoteScene } from '../support/remote-scene.js';
import { bringOrSkip } from '../support/servers/bring.js';
import { Cluster, needCluster } from '../support/servers/cluster.js';

const run = promisify(execFile);

describe('a cluster of BuildGrid, buildbox and bazel-remote', function () {
  this.timeout(300_000);
  let cluster: Cluster;
  let trexe: string;
  let folder: string;
  before(async function () {
    needCluster(this);
    trexe = join(bringOrSkip(this, 'buildbox'), 'trexe');
    folder = mkdtempSync(join(tmpdir(), 'pyflow-trexe-'));
    cluster = await Cluster.start();
  });
  after(async () => {
    await cluster?.stop();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  /** Runs a shell script there and returns the name of the worker, with buildbox's own client. */
  async function execute(name: string, script: string): Promise<string> {
    const result = join(folder, `${name}.json`);
    const remote = cluster.url.replace('grpc:', 'http:');
    const args = [
      ...['exec', 'cas', 'ac'].map((service) => `--${service}-remote=${remote}`),
      '--platform-properties=OSFamily=linux,pyflow-runner=1',
      '--env=PATH=/usr/bin:/bin',
      '--output-path=out',
      '--wait',
      `--action-result-json=${result}`,
      `--d=${join(folder, name)}`,
      '--',
      'sh',
      '-c',
      script,
    ];
    await run(trexe, args, { timeout: 120_000, env: { PATH: process.env['PATH'], HOME: folder } });
    expect(readFileSync(join(folder, name, 'out'), 'utf8')).to.equal(`${name}\n`);
    return /worker-\d/.exec(readFileSync(result, 'utf8'))?.[0] ?? '';
  }

  it('runs 20 actions, on all workers', async () => {
    const names = Array.from({ length: 20 }, (_, index) => `a${index}`);
    const start = performance.now();
    const workers = await Promise.all(names.map((name) => execute(name, `sleep 0.5; echo ${name} > out`)));
    console.log(`      (20 x sleep 0.5: ${((performance.now() - start) / 1000).toFixed(1)} s)`);
    expect(new Set(workers)).to.deep.equal(new Set(['worker-1', 'worker-2', 'worker-3']));
    expect(cluster.ended).to.deep.equal([]);
  });

  it('runs the action of a worker that is killed on another', async () => {
    const names = Array.from({ length: cluster.workerCount }, (_, index) => `k${index}`);
    // The shell keeps its command line, in which the action can be found.
    const actions = names.map((name) => execute(name, `sleep 3; echo ${name} > out`));
    await until(() => names.every((name) => processesWith(`sleep 3; echo ${name} > out`).some((pid) => isShell(pid))));
    await cluster.killWorker(0);
    const workers = await Promise.all(actions);
    expect(workers).to.have.length(cluster.workerCount).and.to.not.include('worker-1');
    await cluster.startWorker(0);
  });

  it('runs actions again when the scheduler has been killed and started again', async () => {
    await cluster.killScheduler();
    await cluster.startScheduler();
    const names = Array.from({ length: 2 * cluster.workerCount }, (_, index) => `s${index}`);
    await Promise.all(names.map((name) => execute(name, `echo ${name} > out`)));
    expect(cluster.ended).to.deep.equal([]);
  });

  it('is a cache for pyflow', async () => {
    const scene = new RemoteScene();
    try {
      scene.pipeline(`pyflow: 1
nodes:
  first: { uses: command, with: { argv: [sh, -c, 'echo ${scene.tag} > first'], writes: [first] } }
  second: { uses: command, after: [first], with: { argv: [sh, -c, 'cat first > second'], reads: [first], writes: [second] } }
`);
      const { url } = cluster;
      const one = await scene.on({ name: 'one', url, write: true });
      expect(one.report.remote).to.include({ uploaded: 2, notUploaded: 0 });
      const two = await scene.on({ name: 'two', url });
      expect(outcomesOf(two.report)).to.deep.equal({ first: 'restored remote', second: 'restored remote' });
      expect(two.report.slug?.digest).to.equal(one.report.slug?.digest);
      expect({ ...one.notices, ...two.notices }).to.deep.equal({});
    } finally {
      scene.cleanUp();
    }
  });
});

/** Not a part of buildbox that has the action in its command line. */
const isShell = (pid: number): boolean => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').startsWith('sh\0-c\0');
  } catch {
    return false;
  }
};

async function until(isTrue: () => boolean): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!isTrue()) {
    if (performance.now() > deadline) throw new Error('it did not happen within 60 s');
    await new Promise((resume) => setTimeout(resume, 20));
  }
}
