// Machines that share results through a remote cache, whatever server holds it.

import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { promisify } from 'node:util';
import { bundledCli } from '../support/cli-scene.js';
import { FaultProxy } from '../support/fault-proxy.js';
import { killServer, loseBlobs } from '../support/remote-rounds.js';
import { outcomesOf, RemoteScene } from '../support/remote-scene.js';
import type { CacheServer, CacheServerKind } from '../support/servers/cache-server.js';

/** Three nodes: a chain of two, and one with a log, links, modes and an empty folder. */
const pipelineOf = (tag: string): string => `pyflow: 1
nodes:
  first:
    uses: command
    with: { argv: [sh, -c, 'mkdir -p d; echo one > d/one; cat a.txt > d/a; echo said'], reads: [a.txt], writes: ['d/**'] }
  second:
    uses: command
    after: [first]
    with: { argv: [sh, -c, 'cat d/one d/a > e; chmod 755 e'], reads: ['d/**'], writes: [e] }
  third:
    uses: command
    with: { argv: [sh, -c, 'mkdir -p g/empty; ln -s ../a.txt g/link; umask 077; echo ${tag} > g/secret; head -c 300000 /dev/zero > g/big'], writes: ['g/**'] }
`;

const run = promisify(execFile);

/** Tests of the whole program with a server of this kind. */
export function testRemoteCache(kind: CacheServerKind): void {
  let server: CacheServer;
  let scene: RemoteScene;
  before(async function () {
    kind.need(this);
    server = await kind.start();
  });
  after(async () => server?.stop());
  beforeEach(() => {
    scene = new RemoteScene();
    scene.write({ 'a.txt': `${scene.tag}\n` }).pipeline(pipelineOf(scene.tag));
  });
  afterEach(() => rmSync(scene.root, { recursive: true, force: true }));

  it('gives a second machine the results of the first, and the same slug', async () => {
    const { url } = server;
    const one = await scene.on({ name: 'one', url, write: true });
    expect(outcomesOf(one.report)).to.deep.equal({ first: 'executed', second: 'executed', third: 'executed' });
    expect(one.report.remote).to.include({ hits: 0, misses: 3, uploaded: 3, notUploaded: 0 });
    const two = await scene.on({ name: 'two', url });
    const fromThere = { first: 'restored remote', second: 'restored remote', third: 'restored remote' };
    expect(outcomesOf(two.report)).to.deep.equal(fromThere);
    expect(two.report.slug?.digest).to.equal(one.report.slug?.digest);
    expect(two.report.remote).to.include({ hits: 3, misses: 0, uploaded: 0 });
    expect(two.ended.events.filter((event) => event.type === 'node-printed')).to.deep.include.members([
      { ...two.ended.events.find((event) => event.type === 'node-printed'), text: 'said', replayed: true },
    ]);
    expect(two.notices).to.deep.equal({});
    const again = await scene.on({ name: 'two', args: ['--app-id=another'] });
    expect(outcomesOf(again.report), 'the results are in the local cache now').to.deep.equal({
      first: 'restored',
      second: 'restored',
      third: 'restored',
    });
  });

  it('asks nobody if nothing changed', async () => {
    const { url } = server;
    await scene.on({ name: 'one', url });
    const { report } = await scene.on({ name: 'one', url: 'grpc://127.0.0.1:9' });
    expect(outcomesOf(report)).to.deep.equal({ first: 'up-to-date', second: 'up-to-date', third: 'up-to-date' });
    expect(report.remote).to.equal(undefined);
  });

  it('only reads unless it is told to write', async () => {
    const { url } = server;
    const { report } = await scene.on({ name: 'one', url });
    expect(report.remote).to.include({ misses: 3, uploaded: 0, notUploaded: 0 });
    expect((await scene.on({ name: 'two', url })).report.remote).to.include({ hits: 0, misses: 3 });
  });

  it('gives a result that belongs to a builder to that builder only', async () => {
    const none = `{ type: 'object', properties: {}, additionalProperties: false }`;
    const plugin = (kind: string, reads: string, more: string): string => `export const manifest = {
  kind: '${kind}', revision: 1, description: 'x', writes: [], usesBuilder: false,
  config: { type: 'object', properties: { tag: { type: 'string' } }, additionalProperties: false }, inputs: ${none}, outputs: ${none} };
export class plugin {
  manifest = manifest;
  async reads() { return { ok: true, value: {${reads}} }; }
  async run() { return { ok: true, value: { outputs: {}${more} } }; }
}
`;
    scene.write({
      'wheels.mjs': plugin('wheels', '', ''),
      'source.mjs': plugin('source', ` usesBuilder: 'maybe' `, ', usedBuilder: true'),
    });
    scene.pipeline(`pyflow: 1
plugins: [app/wheels.mjs, app/source.mjs]
nodes:
  wheels: { uses: wheels, with: { tag: '${scene.tag}' } }
  source: { uses: source, with: { tag: '${scene.tag}' } }
  command: { uses: command, with: { argv: ['true', '${scene.tag}'], writes: [] } }
`);
    const { url } = server;
    const on = async (name: string, builder: string) => {
      const env = { PYFLOW_BUILDER: builder };
      const { report, notices } = await scene.on({ name, url, write: true, env });
      expect(notices).to.deep.equal({});
      return outcomesOf(report);
    };
    const executed = { wheels: 'executed', source: 'executed', command: 'executed' };
    const restored = { wheels: 'restored remote', source: 'restored remote', command: 'restored remote' };
    expect(await on('one', 'a')).to.deep.equal(executed);
    expect(await on('two', 'b')).to.deep.equal({ ...executed, wheels: 'restored remote' });
    expect(await on('three', 'a')).to.deep.equal(restored);
    expect(await on('four', 'b')).to.deep.equal(restored);
  });

  it('costs a chain of nodes one round trip each', async () => {
    const proxy = await FaultProxy.start(server.address);
    try {
      const length = 30;
      const line = (index: number): string =>
        index === 0
          ? `  n0: { uses: command, with: { argv: [sh, -c, 'echo ${scene.tag} > f0'], writes: [f0] } }`
          : `  n${index}: { uses: command, after: [n${index - 1}], with: { argv: [cp, f${index - 1}, f${index}], reads: [f${index - 1}], writes: [f${index}] } }`;
      scene.pipeline(`pyflow: 1\nnodes:\n${Array.from({ length }, (_, index) => line(index)).join('\n')}\n`);
      await scene.on({ name: 'one', url: server.url, write: true });
      proxy.delayMs = 10;
      const { report } = await scene.on({ name: 'two', url: proxy.url });
      expect(report.remote).to.include({ hits: length, misses: 0 });
      // The first call is the greeting, and the slug's file comes last.
      expect(report.remote?.roundTrips).to.be.at.most(length + 2);
    } finally {
      await proxy.stop();
    }
  });

  it('says what a plan would restore, and asks only if the command line names the server', async () => {
    const { url } = server;
    await scene.on({ name: 'one', url, write: true });
    const plan = async (...args: readonly string[]): Promise<string> => {
      const argv = [
        'plan',
        scene.pipelineFile,
        '--app',
        scene.appDir,
        '--cache-dir',
        `${scene.root}/cache-plan`,
        ...args,
      ];
      const { stdout } = await run(process.execPath, [bundledCli(), ...argv], {
        env: { HOME: scene.root, PYFLOW_REMOTE: url },
      });
      return stdout;
    };
    expect(await plan()).to.match(/^first +command +executed/m);
    const asked = await plan('--remote', url);
    for (const id of ['first', 'second', 'third']) {
      expect(asked).to.match(new RegExp(`^${id} +command +restored +from the remote cache$`, 'm'));
    }
  });

  it('explains where a result came from, in the summary and in `why`', async () => {
    const { url } = server;
    await scene.on({ name: 'one', url, write: true });
    const places = { cacheDir: `${scene.root}/cache-two`, outDir: `${scene.root}/out-two` };
    const { stdout: log } = await scene.run({ ...places, args: [`--remote=${url}`], log: 'plain' });
    expect(log).to.match(
      /^Remote cache: 3 of 3 results; (?:saved .*; )?[\d.]+ k?B down, [\d.]+ k?B up in \d+ round trips$/m,
    );
    const argv = ['why', 'first', '--app', scene.appDir, '--cache-dir', `${scene.root}/cache-two`];
    const { stdout } = await run(process.execPath, [bundledCli(), ...argv], { env: { HOME: scene.root } });
    expect(stdout).to.match(/^first \(command\): restored \(from the remote cache; saved .*\) in run /);
  });

  it('checks a server for `pyflow cache remote status`', async () => {
    const status = (...args: readonly string[]): Promise<{ readonly stdout: string }> =>
      run(process.execPath, [bundledCli(), 'cache', 'remote', 'status', ...args], { env: { HOME: scene.root } });
    const { stdout } = await status('--remote', server.url, '--remote-write');
    expect(stdout).to.match(/^Server: +grpc:\/\/127\.0\.0\.1:\d+\nAPI: +2\.\d+ to 2\.\d+\nLatency: +[\d.]+ ms\n/);
    expect(stdout)
      .to.match(/^Reading: +works$/m)
      .and.to.match(/^Writing: +works$/m);
    expect(JSON.parse((await status('--remote', server.url, '--json')).stdout)).to.deep.include({
      url: server.url,
      instance: '',
    });
    const gone = await status('--remote', 'grpc://127.0.0.1:9').catch((error: unknown) => error);
    expect(gone).to.include({ code: 75 }).and.to.have.property('stderr').that.contains('[remote::unreachable]');
  });

  it('builds the same slug if the server is killed during a run', () => killServer(server, 4));

  it('builds the same slug if the server loses half of its blobs during a run', () => loseBlobs(server, 4));
}
