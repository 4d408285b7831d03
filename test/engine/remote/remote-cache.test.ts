import { expect } from 'chai';
import { succeed } from '../../../src/engine/failure.js';
import type { ActionKey } from '../../../src/engine/files/digest.js';
import { grpcTransport } from '../../../src/engine/remote/open.js';
import { RemoteCache } from '../../../src/engine/remote/remote-cache.js';
import { readRemoteSettings } from '../../../src/engine/remote/settings.js';
import { openLocalStore } from '../../../src/engine/store/local-store.js';
import { RECORD } from '../../support/forged-archive.js';
import { ReapiScene } from '../../support/reapi-scene.js';
import { outputs, schemaOf, TOOL, TREE, type Toy } from '../../support/toy-kinds.js';
import type { Workspace } from '../../support/workspace.js';

const write = async (folder: string, name: string, text: string): Promise<void> => {
  const { writeFile } = await import('node:fs/promises');
  await writeFile(`${folder}/${name}`, text);
};
const LARGE = 2 * 1024 ** 2;

const kinds: Readonly<Record<string, Toy>> = {
  value: {
    manifest: { pure: true, outputs: schemaOf({ text: { type: 'string' } }) },
    run: async () => outputs({ text: 'x' }),
  },
  /** Makes a tool that is too large to be fetched without need. */
  maker: {
    manifest: { outputs: schemaOf({ tool: TOOL }, 'tool') },
    run: async (_, { toolDir }) => (await write(toolDir!, 'tool', 'tool'.repeat(LARGE / 4)), outputs({})),
  },
  base: {
    manifest: { outputs: schemaOf({ tree: TREE }, 'tree'), writes: ['base*'] },
    run: async (_, { appDir }) => {
      for (let index = 0; index < 20; index++) await write(appDir, `base${index}`, `${index}`.repeat(1000));
      return outputs({});
    },
  },
  user: {
    manifest: {
      config: schemaOf({ name: { type: 'string' } }, 'name'),
      inputs: schemaOf({ tool: TOOL, tree: TREE }, 'tool', 'tree'),
      outputs: schemaOf({ tree: TREE }),
      writes: ['${config.name}'],
    },
    run: async ({ config: { name } }, { appDir }) => (await write(appDir, String(name), String(name)), outputs({})),
  },
};

const pipelineOf = (name: string): string => `pyflow: 1
nodes:
  value: { uses: value }
  maker: { uses: maker }
  base: { uses: base }
  user: { uses: user, with: { name: ${name} }, inputs: { tool: maker.tool, tree: base.tree } }
`;

describe('engine/remote, a run with a remote cache', function () {
  this.timeout(60_000);
  const scene = new ReapiScene();
  const machine = (name = 'first'): Workspace => scene.machine(pipelineOf(name), kinds);
  /** Calls since the last time. */
  const calls = (): Readonly<Record<string, number>> => {
    const made = Object.fromEntries(scene.server.calls);
    scene.server.calls.clear();
    return made;
  };
  const places = ({ nodes }: { readonly nodes: object }): Readonly<Record<string, unknown>> =>
    Object.fromEntries(Object.entries(nodes).map(([id, { outcome, restoredFrom }]) => [id, restoredFrom ?? outcome]));

  it('asks once for each node that is not pure and not in the local cache', async () => {
    const work = machine();
    await work.run(scene.remote());
    expect(calls()).to.deep.equal({ GetCapabilities: 1, GetActionResult: 3 });
    const again = await work.run({ ...scene.remote(), appId: 'another' });
    expect(calls()).to.deep.equal({});
    expect(again.remote).to.include({ hits: 0, misses: 0, calls: 0 });
  });

  it('asks for both keys at once if only a run can say whether it used the builder', async () => {
    const kinds: Record<string, Toy> = {
      wheels: { reads: () => succeed({ usesBuilder: 'maybe' }), run: async () => outputs({}) },
      source: { reads: () => succeed({ usesBuilder: 'maybe' }), run: async () => outputs({}, { usedBuilder: true }) },
      known: { reads: () => succeed({ usesBuilder: true }), run: async () => outputs({}) },
    };
    const on = async (builder: string, write: boolean) => {
      const nodes = Object.keys(kinds).map((kind) => `  ${kind}: { uses: ${kind} }\n`);
      const work = scene.machine(`pyflow: 1\nnodes:\n${nodes.join('')}`, kinds);
      const report = await work.run({ ...scene.remote({ write }), settings: { BUILDER: builder } });
      return { remote: report.remote, places: places(report) };
    };
    const executed = { wheels: 'executed', source: 'executed', known: 'executed' };
    const restored = { wheels: 'remote', source: 'remote', known: 'remote' };
    expect(await on('a', true))
      .to.have.property('places')
      .that.deep.equals(executed);
    calls();
    const second = await on('a', false);
    expect(second.places).to.deep.equal(restored);
    expect(second.remote, 'one look-up of a node, whatever its keys').to.include({ hits: 3, misses: 0 });
    expect(calls()['GetActionResult'], 'of two nodes, two keys').to.equal(5);
    expect((await on('b', false)).places).to.deep.equal({ ...executed, wheels: 'remote' });
  });

  it('does not ask for nodes that the request refreshes, and uploads what they make', async () => {
    const work = machine();
    const report = await work.run({ ...scene.remote({ write: true }), refresh: ['all'] });
    expect(calls()['GetActionResult']).to.equal(undefined);
    expect(report.remote).to.include({ misses: 0, uploaded: 3 });
  });

  it('fetches all files that are needed at once, and no tool that nothing needs', async () => {
    const one = await machine().run(scene.remote({ write: true }));
    calls();
    const work = machine();
    const report = await work.run(scene.remote());
    expect(places(report)).to.deep.equal({ value: 'executed', maker: 'remote', base: 'remote', user: 'remote' });
    expect(report.slug?.digest).to.equal(one.slug?.digest);
    expect(calls(), 'one batch for the slug').to.deep.equal({
      GetCapabilities: 1,
      GetActionResult: 3,
      BatchReadBlobs: 1,
    });
    expect(report.remote!.bytesDown).to.be.lessThan(LARGE / 10);
  });

  it('fetches a tool for a node that runs', async () => {
    await machine().run(scene.remote({ write: true }));
    const report = await machine('second').run(scene.remote());
    expect(places(report)).to.deep.equal({ value: 'executed', maker: 'remote', base: 'remote', user: 'executed' });
    expect(report.remote!.bytesDown).to.be.greaterThan(LARGE);
  });

  it('keeps complete results in the local cache, and asks again for others', async () => {
    await machine().run(scene.remote({ write: true }));
    const work = machine();
    await work.run(scene.remote());
    calls();
    const later = await work.run({ ...scene.remote(), appId: 'another' });
    expect(places(later)).to.deep.equal({ value: 'restored', maker: 'remote', base: 'restored', user: 'restored' });
    expect(calls()).to.deep.equal({ GetCapabilities: 1, GetActionResult: 1 });
  });

  it('holds no blobs in memory once the store has them', async () => {
    await machine().run(scene.remote({ write: true }));
    const work = machine();
    const { signal } = new AbortController();
    const settings = await readRemoteSettings(scene.remote().remote, {});
    const store = openLocalStore(work.cacheDir);
    if (!settings.ok || !store.ok) throw new Error('no settings, or no store');
    const options = { settings: settings.value, open: grpcTransport('1'), clock: Date, signal };
    const remote = new RemoteCache({ ...options, onNotice: () => undefined });
    remote.attach(store.value);
    const keys = [...scene.server.results.keys()] as ActionKey[];
    const ask = (key: ActionKey) =>
      remote.lookUp(key, { keyIn: () => key, hasValidOutputs: () => true, isFresh: () => true, record: RECORD });
    for (const key of keys) {
      const { blobs = new Map() } = (await ask(key)) ?? {};
      expect(blobs.size).to.be.greaterThan(0);
      expect((await ask(key))?.blobs, 'asked again, because the store lacks them').to.deep.equal(blobs);
      for (const [digest, bytes] of blobs) store.value.write(digest, bytes);
      expect((await ask(key))?.blobs.size).to.equal(0);
    }
    expect(calls()['GetActionResult'], 'with those of the first run').to.equal(3 * keys.length);
    remote.close();
    await store.value.close();
  });

  it('keeps tools after a one-time build, because later buildpacks may need them', async () => {
    await machine().run(scene.remote({ write: true }));
    const work = machine();
    await work.run({ ...scene.remote(), oneTime: true, outDir: work.appDir });
    scene.server.stop();
    const later = await work.run({ appId: 'another' });
    expect(places(later)['maker']).to.equal('restored');
  });

  it('uploads together what is made together, each result after its blobs', async () => {
    const order: string[] = [];
    scene.server.onCall = (method) => void order.push(method);
    const { remote: told } = await machine().run(scene.remote({ write: true }));
    expect(told).to.include({ uploaded: 3, notUploaded: 0 });
    const sent = order.filter((method) => !['GetCapabilities', 'GetActionResult'].includes(method));
    expect(sent.filter((method) => method === 'FindMissingBlobs').length).to.be.at.most(3);
    expect(sent[0]).to.equal('FindMissingBlobs');
    expect(sent.indexOf('UpdateActionResult')).to.be.greaterThan(sent.indexOf('BatchUpdateBlobs'));
    const again = await machine().run({ ...scene.remote({ write: true }), refresh: ['all'] });
    expect(again.remote!.bytesUp, 'only what the server lacks').to.be.lessThan(LARGE / 10);
  });

  it('has every blob of a result, also each folder, before the result', async () => {
    await machine().run(scene.remote({ write: true }));
    const named = [...scene.server.results.values()].length;
    expect(named).to.equal(3);
    // What servers look for before they hand out a result; see findMissing of kajiya and buildbox-casd.
    const { decodeActionResult } = await import('../../../src/engine/trees/reapi-result.js');
    const { decodeTree, decodeAction } = await import('../../../src/engine/trees/reapi.js');
    const { digestOf } = await import('../../../src/engine/files/digest.js');
    for (const [key, bytes] of scene.server.results) {
      const message = decodeActionResult(bytes)!;
      const action = decodeAction(scene.server.blobs.get(key as never)!)!;
      const needed = [action.command, ...message.outputFiles.map(({ digest }) => digest)];
      for (const { tree, root } of message.outputDirectories) {
        const { root: top, children } = decodeTree(scene.server.blobs.get(tree)!)!;
        needed.push(tree, root!, ...[top, ...children].map((directory) => digestOf(directory)));
      }
      for (const digest of needed) expect(scene.server.blobs.has(digest), digest).to.equal(true);
    }
  });

  it('waits for uploads no longer than the run took, and says what was left', async () => {
    scene.server.onCall = (method) => (method === 'FindMissingBlobs' ? new Promise(() => undefined) : undefined);
    const work = machine();
    const since = performance.now();
    const report = await work.run(scene.remote({ write: true }));
    expect(performance.now() - since).to.be.lessThan(3 * report.durationMs);
    expect(report.status).to.equal('succeeded');
    expect(report.remote).to.include({ uploaded: 0, notUploaded: 3 });
    const codes = work.events.flatMap((event) => (event.type === 'notice' ? [event.code] : []));
    expect(codes).to.deep.equal(['remote::not-uploaded']);
  });

  it('uploads nothing that came from the server', async () => {
    await machine().run(scene.remote({ write: true }));
    calls();
    const report = await machine().run(scene.remote({ write: true }));
    expect(report.remote).to.include({ hits: 3, uploaded: 0, notUploaded: 0 });
    expect(calls()).to.not.have.any.keys('FindMissingBlobs', 'UpdateActionResult');
  });

  it('asks for a plan, and says what the run will restore', async () => {
    await machine().run(scene.remote({ write: true }));
    const { lines } = await machine().plan(scene.remote());
    const told = lines.map(({ id, outcome, restoredFrom }) => [id, restoredFrom ?? outcome]);
    expect(Object.fromEntries(told)).to.deep.equal({
      value: 'executed',
      maker: 'remote',
      base: 'remote',
      user: 'remote',
    });
  });
});
