import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { cpSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Failure } from '../../src/engine/failure.js';
import { digestOf, type ActionKey } from '../../src/engine/files/digest.js';
import { OUTPUT_PATHS } from '../../src/engine/trees/output-paths.js';
import { decodeActionResult, encodeActionResult } from '../../src/engine/trees/reapi-result.js';
import { limits, transportTo } from '../servers/remote-transport.js';
import type { Casd } from '../support/casd.js';
import { needCasd } from '../support/casd.js';
import { bundledCli, processesOf } from '../support/cli-scene.js';
import { DERIVED, derivingPipeline, madeOf, VALUE } from '../support/derived-nodes.js';
import { pyenvVersions } from '../support/runtimes.js';
import { skipBecause } from '../support/skip.js';
import { RemoteScene, type EndedRun, type Machine } from '../support/remote-scene.js';
import { BUILDER, startWorkers, workerFolder } from '../support/workers.js';

const WORKING = { PYFLOW_BUILDER: BUILDER, PYFLOW_REMOTE_EXECUTE: '1' };
const NODES = 100;
const root = fileURLToPath(new URL('../..', import.meta.url));

const each = <T>({ report }: EndedRun, what: (node: EndedRun['report']['nodes'][string]) => T): Record<string, T> =>
  Object.fromEntries(Object.entries(report.nodes).map(([id, node]) => [id, what(node)]));
const layersOf = (run: EndedRun) => each(run, ({ layer }) => layer?.digest);
const keysOf = (run: EndedRun) => each(run, ({ key }) => key);
const placesOf = (run: EndedRun) =>
  each(run, ({ outcome, executedOn }) => [outcome, executedOn].filter(Boolean).join(' '));
const linesOf = ({ ended }: EndedRun): readonly string[] =>
  ended.events.flatMap((event) => (event.type === 'node-printed' ? [`${event.stream}: ${event.text}`] : []));
const failureOf = ({ report }: EndedRun, id: string): Failure | undefined => report.nodes[id]?.failure;

/** A node that writes all that a layer can hold and a worker can tell. */
const nodeOf = (id: string): string => `
  ${id}:
    uses: command
    with:
      argv: [sh, -c, 'pwd; mkdir -p gen/${id}/empty; cat src/a.txt > gen/${id}/x; echo ${id} >> gen/${id}/x; ln -s x gen/${id}/link; chmod 755 gen/${id}/x; head -c 40000 /dev/zero > gen/${id}/zeros; echo said; echo to >&2']
      reads: [src/a.txt, 'src/c*']
      writes: ['gen/${id}/**']`;
const deleting = `
  deletes:
    uses: command
    with: { argv: [sh, -c, 'rm b/b.txt; cat src/a.txt'], reads: ['b/**', src/a.txt], writes: [b/b.txt] }`;

describe('remote execution', function () {
  this.timeout(240_000);
  let casd: Casd;
  let scene: RemoteScene;
  let folder: string;
  before(async function () {
    needCasd(this);
    folder = workerFolder();
    casd = await startWorkers(folder);
  });
  after(async () => {
    await casd?.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(() => {
    scene = new RemoteScene();
    scene.write({ 'src/a.txt': scene.tag, 'b/b.txt': 'b' });
  });
  afterEach(() => rmSync(scene.root, { recursive: true, force: true }));

  const there = (more: Partial<Machine> = {}): Promise<EndedRun> =>
    scene.on({ name: 'there', url: casd.url, ...more, env: { ...WORKING, ...more.env } });
  const here = (more: Partial<Machine> = {}): Promise<EndedRun> =>
    scene.on({ name: 'here', sandbox: 'auto', ...more, env: { PYFLOW_BUILDER: BUILDER, ...more.env } });
  const pipeline = (...nodes: readonly string[]): RemoteScene => scene.pipeline(`pyflow: 1\nnodes:${nodes.join('')}\n`);

  it(`gives ${NODES} nodes the keys, layers and logs that they have here`, async () => {
    const ids = Array.from({ length: NODES - 1 }, (_, index) => `n${index}`);
    pipeline(deleting, ...ids.map(nodeOf));
    const remote = await there();
    expect(remote.notices).to.deep.equal({});
    expect(new Set(Object.values(placesOf(remote)))).to.deep.equal(new Set(['executed remote']));
    // Those that start together share what sends their inputs.
    expect(remote.report.remote?.calls).to.be.below(5 * NODES);
    const local = await here();
    expect(layersOf(remote)).to.deep.equal(layersOf(local));
    expect(keysOf(remote)).to.deep.equal(keysOf(local));
    expect([...linesOf(remote)].sort()).to.deep.equal([...linesOf(local)].sort());
    expect(linesOf(remote)).to.include('stdout: /app');
    expect(remote.report.slug?.digest).to.equal(local.report.slug?.digest);
    const again = await there({ args: ['--app-id=other'] });
    expect(new Set(Object.values(placesOf(again))), 'the results are in the local cache').to.deep.equal(
      new Set(['restored']),
    );
  });

  it('hands layers and values from node to node', async () => {
    pipeline(
      nodeOf('one'),
      `
  two:
    uses: command
    inputs: { tree: one.tree }
    with: { argv: [sh, -c, 'cat gen/one/x gen/one/link; rm gen/one/x; ls -A gen/one > gen/list'], capture: true, writes: ['gen/**'] }`,
    );
    const remote = await there();
    expect(placesOf(remote)).to.deep.equal({ one: 'executed remote', two: 'executed remote' });
    const local = await here();
    expect(layersOf(remote)).to.deep.equal(layersOf(local));
    expect(each(remote, ({ outputs }) => outputs)).to.deep.equal(each(local, ({ outputs }) => outputs));
  });

  it('gives what workers have made to a machine that only reads', async () => {
    pipeline(nodeOf('one'));
    const first = await there();
    const reader = await scene.on({ name: 'reader', url: casd.url, env: { PYFLOW_BUILDER: BUILDER } });
    expect(reader.notices).to.deep.equal({});
    expect(reader.report.nodes['one']).to.include({ outcome: 'restored', restoredFrom: 'remote' });
    expect(layersOf(reader)).to.deep.equal(layersOf(first));
    expect(linesOf(reader)).to.deep.equal(linesOf(first));
  });

  it('runs what was made from an app variable here', async () => {
    const made = madeOf(VALUE);
    scene.write({ 'env/NAME': VALUE }, scene.root);
    scene.pipeline(derivingPipeline(scene.tag));
    const local = Object.fromEntries([...DERIVED, 'source'].map((id) => [id, 'executed']));
    const first = await there({ args: [`--env-dir=${scene.root}/env`] });
    expect(placesOf(first)).to.deep.equal({ ...local, open: 'executed remote' });
    expect(made.filesBelow(casd.folder)).to.deep.equal([]);
    const args = [`--env-dir=${scene.root}/env`, ...DERIVED.map((id) => `--refresh=${id}`)];
    const again = await there({ args });
    expect(placesOf(again)).to.deep.equal({ ...local, source: 'up-to-date', open: 'up-to-date' });
    expect(made.filesBelow(casd.folder)).to.deep.equal([]);
    const whyArgs = ['why', 'behind', `--app=${scene.appDir}`, `--cache-dir=${scene.root}/cache-there`];
    const why = execFileSync(process.execPath, [bundledCli(), ...whyArgs], { encoding: 'utf8' });
    expect(why).to.contain('not shared, because it is made from what source wrote');
    const without = await there();
    expect(placesOf(without)).to.deep.equal({
      ...Object.fromEntries(DERIVED.map((id) => [id, 'executed remote'])),
      source: 'executed',
      open: 'up-to-date',
    });
  });

  describe('with results on the server that the look-up refuses', () => {
    const writing = (id: string, more = ''): string => `
  ${id}:
    uses: command
    with: { argv: [sh, -c, 'mkdir -p gen; cat src/a.txt > gen/${id}'], reads: [src/a.txt], writes: ['gen/**'] }${more}`;

    it('has them made anew by a worker if it trusts only signed ones', async () => {
      pipeline(writing('one'), writing('two', '\n    after: [one]'));
      const first = await there();
      const [one, two] = ['one', 'two'].map((id) => first.report.nodes[id]!.key as ActionKey);
      // As someone would who may write results: a right result under the wrong key.
      const transport = await transportTo(casd.url);
      const stored = await transport.getResult({ key: two!, inlineOutputFiles: [OUTPUT_PATHS.result] }, limits());
      await transport.putResult(one!, stored!, limits());
      transport.close();
      const trust = [generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }).toString()];
      scene.write({ 'trust.json': JSON.stringify({ url: casd.url, execute: true, trust }) }, scene.root);
      const args = [`--remote-settings=${scene.root}/trust.json`];
      const careful = await scene.on({ name: 'careful', args, env: WORKING });
      expect(placesOf(careful)).to.deep.equal({ one: 'executed remote', two: 'executed remote' });
      expect(layersOf(careful)).to.deep.equal(layersOf(first));
    });

    it('has them made anew by a worker if they are too old for the node', async () => {
      pipeline(writing('one', '\n    cache: { maxAge: 1h }'));
      const key = (await there()).report.nodes['one']!.key as ActionKey;
      const transport = await transportTo(casd.url);
      const stored = async () => {
        const message = decodeActionResult((await transport.getResult({ key }, limits()))!)!;
        const file = message.outputFiles.find(({ path }) => path === OUTPUT_PATHS.result)!;
        const contents = (await transport.readBatch([file.digest], limits())).blobs.get(file.digest)!;
        return { message, file, result: JSON.parse(contents.toString()) as { storedAt: number } };
      };
      const { message, file, result } = await stored();
      const bytes = Buffer.from(JSON.stringify({ ...result, storedAt: result.storedAt - 7_200_000 }));
      const old = { ...file, digest: digestOf(bytes), contents: bytes };
      await transport.writeBatch([{ digest: old.digest, bytes }], limits());
      const outputFiles = message.outputFiles.map((each) => (each === file ? old : each));
      await transport.putResult(key, encodeActionResult({ ...message, outputFiles }), limits());
      expect(placesOf(await there({ name: 'later' }))).to.deep.equal({ one: 'executed remote' });
      expect((await stored()).result.storedAt).to.be.at.least(result.storedAt);
      transport.close();
    });
  });

  it('gives the kinds of a Python app the layers that they have here', async function () {
    const version = pyenvVersions().find((one) => one.startsWith('3.13.'));
    if (version === undefined) skipBecause(this, 'no CPython 3.13 under pyenv');
    cpSync(join(root, 'examples/flask-pip'), scene.appDir, { recursive: true });
    scene.pipeline(readFileSync(join(root, 'pipelines/python.yml'), 'utf8'));
    const args = ['-p', 'providers=["system"]', '-p', 'runtimeTools=true'];
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('PYFLOW_')));
    const machine = { sandbox: 'auto', args, env: env as Record<string, string> } as const;
    const remote = await there(machine);
    const local = await here(machine);
    const places = Object.entries(placesOf(remote)).filter(([, place]) => place === 'executed remote');
    expect(places.map(([id]) => id)).to.have.members(['runtime-tools', 'concurrency', 'environment']);
    expect(keysOf(remote)).to.deep.equal(keysOf(local));
    expect(layersOf(remote)).to.deep.equal(layersOf(local));
    expect(remote.report.slug?.digest).to.equal(local.report.slug?.digest);
  });

  it('reports a failure with its log in the words of a local run, and caches none', async () => {
    pipeline(`
  one:
    uses: command
    with: { argv: [sh, -c, 'echo before; echo wrong >&2; exit 3'], reads: ['src/**'] }`);
    const remote = await there();
    const local = await here();
    expect(failureOf(remote, 'one')).to.deep.equal(failureOf(local, 'one'));
    expect(failureOf(remote, 'one')?.code).to.equal('command::failed');
    expect(linesOf(remote)).to.deep.equal(linesOf(local));
    const again = await there();
    expect(linesOf(again), 'it ran again').to.deep.equal(linesOf(local));
    expect(remote.notices).to.deep.equal({});
  });

  it('refuses a write that the node does not declare', async () => {
    pipeline(`
  one:
    uses: command
    with: { argv: [sh, -c, 'echo x > elsewhere'], writes: ['gen/**'] }`);
    const remote = await there();
    expect(failureOf(remote, 'one')).to.deep.equal(failureOf(await here(), 'one'));
    expect(failureOf(remote, 'one')?.code).to.equal('node::undeclared-write');
  });

  it('keeps nodes here that a worker can not run: network, variables, secrets, limits, odd permissions', async () => {
    pipeline(
      `
  network:
    uses: command
    network: true
    with: { argv: ['true'] }
  variable:
    uses: command
    with: { argv: ['true'], appEnv: [A] }
  secret:
    uses: command
    secrets: [B]
    with: { argv: ['true'] }
  limits:
    uses: command
    limits: { memory: 1g }
    with: { argv: ['true'] }
  home:
    uses: command
    env: { HOME: /app/home }
    with: { argv: ['true'] }
  never:
    uses: command
    cache: never
    with: { argv: ['true'] }
  odd:
    uses: command
    with: { argv: [sh, -c, 'echo x > private; chmod 600 private'], writes: [private] }`,
    );
    scene.write({ A: `variable-${scene.tag}`, B: `secret-${scene.tag}` }, `${scene.root}/env`);
    const remote = await there({ args: [`--env-dir=${scene.root}/env`] });
    expect(new Set(Object.values(placesOf(remote)))).to.deep.equal(new Set(['executed']));
    expect(remote.notices).to.deep.equal({});
    expect(layersOf(remote)['odd']).to.equal(layersOf(await here({ args: ['--only=odd'] }))['odd']);
  });

  it('ends a node at its timeout, and the processes on the worker', async () => {
    pipeline(`
  one:
    uses: command
    timeout: 3s
    with: { argv: [sh, -c, 'sleep 100 # ${scene.tag}'] }`);
    const remote = await there();
    expect(failureOf(remote, 'one')).to.deep.equal(failureOf(await here(), 'one'));
    expect(failureOf(remote, 'one')?.code).to.equal('node::timeout');
    expect(await scene.survivors(10_000)).to.deep.equal([]);
  });

  it('cancels what runs on workers when the run is interrupted', async () => {
    pipeline(`
  one:
    uses: command
    with: { argv: [sh, -c, 'sleep 100 # ${scene.tag}'] }`);
    const running = scene.start({ args: [`--remote=${casd.url}`], env: WORKING });
    const isThere = (): boolean => processesOf(`sleep 100 # ${scene.tag}`).length > 0;
    const deadline = performance.now() + 60_000;
    while (!isThere() && performance.now() < deadline) await new Promise((wake) => setTimeout(wake, 20));
    expect(isThere()).to.equal(true);
    running.child.kill('SIGINT');
    expect((await running.ended).status).to.equal(130);
    expect(await scene.survivors(10_000)).to.deep.equal([]);
  });
});

describe('remote execution with workers that do not fit', function () {
  this.timeout(240_000);
  let scene: RemoteScene;
  before(function () {
    needCasd(this);
  });
  beforeEach(() => {
    scene = new RemoteScene();
    scene.write({ 'src/a.txt': scene.tag, 'b/b.txt': 'b' });
    scene.pipeline(`pyflow: 1\nnodes:${nodeOf('one')}${nodeOf('two')}\n`);
  });
  afterEach(() => rmSync(scene.root, { recursive: true, force: true }));

  const CASES: readonly (readonly [what: string, options: Parameters<typeof workerFolder>[0], says: RegExp])[] = [
    ['another builder', { builder: 'another' }, /other programs/],
    ['another protocol', { program: 'exec /opt/node/node /usr/local/bin/pyflow-node.cjs 2' }, /protocol/],
    [
      'another revision of the kind',
      {
        program: `sed -i 's/"revision":1/"revision":7/' spec.json; exec /opt/node/node /usr/local/bin/pyflow-node.cjs 1`,
      },
      /revision/,
    ],
    ['a program that prints nonsense', { program: 'echo nonsense; exit 1' }, /did not run pyflow-node/],
    ['a program that makes no result', { program: 'exit 0' }, /result\.json/],
    [
      'a result of another action',
      { program: `mkdir -p out; echo '{"outputs":{},"durationMs":1,"storedAt":1}' > out/result.json` },
      /schema/,
    ],
  ];
  for (const [what, options, says] of CASES) {
    it(`runs the nodes here, with one notice: ${what}`, async () => {
      const folder = workerFolder(options);
      const casd = await startWorkers(folder);
      try {
        const remote = await scene.on({ name: 'there', url: casd.url, sandbox: 'auto', env: WORKING });
        expect(placesOf(remote)).to.deep.equal({ one: 'executed', two: 'executed' });
        expect(Object.keys(remote.notices)).to.deep.equal(['remote::ran-here']);
        expect(remote.notices['remote::ran-here']).to.have.length(1);
        expect(remote.notices['remote::ran-here']?.[0]).to.match(says);
        const local = await scene.on({ name: 'here', sandbox: 'auto', env: { PYFLOW_BUILDER: BUILDER } });
        expect(layersOf(remote)).to.deep.equal(layersOf(local));
      } finally {
        await casd.stop();
        rmSync(folder, { recursive: true, force: true });
      }
    });
  }

  it('runs the nodes here when the executor is gone, or fails with `require`', async () => {
    const folder = workerFolder({ program: 'sleep 100' });
    const casd = await startWorkers(folder);
    try {
      const running = scene.start({ sandbox: 'auto', args: [`--remote=${casd.url}`], env: WORKING });
      await running.until((event) => event.type === 'node-started');
      await casd.kill();
      const { report, events } = await running.ended;
      expect(report?.status).to.equal('succeeded');
      const codes = events.flatMap((event) => (event.type === 'notice' ? [event.code] : []));
      expect(codes.filter((code) => code === 'remote::execution-off')).to.have.length(1);
      const settings = `${scene.root}/remote.yml`;
      scene.write({ 'remote.yml': `url: ${casd.url}\nexecute: true\nrequire: true\n` }, scene.root);
      const required = await scene.on({ name: 'required', args: [`--remote-settings=${settings}`], env: WORKING });
      expect(required.report.exitCode).to.equal(75);
    } finally {
      await casd.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('sends inputs again that the server has lost', async () => {
    const folder = workerFolder();
    const casd = await startWorkers(folder);
    try {
      scene.pipeline(`pyflow: 1
nodes:
  one: { uses: command, with: { argv: [sh, -c, 'cat src/a.txt; sleep 3 # ${scene.tag}'], reads: ['src/**'] } }
  two: { uses: command, after: [one], with: { argv: [sh, -c, 'cat src/a.txt b/b.txt'], reads: ['src/**', 'b/**'] } }
`);
      const running = scene.start({ args: [`--remote=${casd.url}`], env: WORKING });
      while (processesOf(`sleep 3 # ${scene.tag}`).length === 0 && running.child.exitCode === null)
        await new Promise((wake) => setTimeout(wake, 20));
      // The client knows that the server has this file.
      const hash = createHash('sha256').update(scene.tag).digest('hex');
      rmSync(`${casd.folder}/cas/objects/${hash.slice(0, 2)}/${hash.slice(2)}`);
      const { report, events } = await running.ended;
      expect(Object.values(report?.nodes ?? {}).map(({ executedOn }) => executedOn)).to.deep.equal([
        'remote',
        'remote',
      ]);
      expect(events.filter((event) => event.type === 'notice')).to.deep.equal([]);
    } finally {
      await casd.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
