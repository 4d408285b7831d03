import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { composeFor } from '../../../src/composition.js';
import type { Failure } from '../../../src/engine/failure.js';
import { FailureError, succeed } from '../../../src/engine/failure.js';
import { digestOf, hexOf } from '../../../src/engine/files/digest.js';
import { createRunDir } from '../../../src/engine/files/private-folders.js';
import { nodeLogService, subprocessService } from '../../../src/engine/node/node-handle.js';
import type { JSONObject, Reads } from '../../../src/engine/sdk.js';
import { rewriteBlobPacks } from '../../../src/engine/store/quota.js';
import { listCache } from '../../../src/engine/store/scan.js';
import { openLocalStore } from '../../../src/engine/store/local-store.js';
import { systemError, withChangedFs } from '../../support/changed-fs.js';
import { hasNamespaces } from '../../support/namespaces.js';
import { pluginHost } from '../../support/plugin-host.js';
import { composeWith, failing, outputs, schemaOf, TOOL, toyFailure, TREE, type Toy } from '../../support/toy-kinds.js';
import { outcomesOf, Workspace } from '../../support/workspace.js';
import { skipBecause } from '../../support/skip.js';

/** A promise, and what ends it. */
function door(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open: () => open() };
}
const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => (signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve())));

describe('engine/node/execute', () => {
  let work: Workspace;
  beforeEach(() => {
    work = new Workspace().write({ 'app.py': 'print()\n' });
  });
  afterEach(() => work.cleanUp());

  let revision = 0;
  /** `nodes`: lines of YAML. Results of other toys are not found, unless a toy keeps its revision. */
  function use(toys: Readonly<Record<string, Toy>>, ...nodes: readonly string[]): void {
    revision++;
    const revised = Object.entries(toys).map(([kind, toy]) => [
      kind,
      { ...toy, manifest: { revision, ...toy.manifest } },
    ]);
    work.pipeline(`pyflow: 1\nname: toys ${revision}\nnodes:\n${nodes.map((node) => `  ${node}\n`).join('')}`);
    work.compose = composeWith(work.compose, Object.fromEntries(revised) as typeof toys);
  }
  const notices = (code: string): readonly string[] =>
    work.events.flatMap((event) => (event.type === 'notice' && event.code === code ? [event.text] : []));
  const printed = (node: string): readonly string[] =>
    work.events.flatMap((event) => (event.type === 'node-printed' && event.node === node ? [event.text] : []));
  /** The failure of the only node. */
  async function failureOf(toy: Toy, overrides: Parameters<Workspace['run']>[0] = {}): Promise<Failure | undefined> {
    use({ toy }, 'n: { uses: toy }');
    return (await work.run(overrides)).nodes['n']?.failure;
  }
  const throwing = (error: unknown) => () => {
    throw error;
  };

  describe('an error that a node throws', () => {
    it('is the failure that it carries', async () => {
      const failure = toyFailure();
      const thrown = throwing(new FailureError(failure));
      expect(await failureOf({ reads: thrown }), 'in reads').to.deep.equal(failure);
      expect(await failureOf({ run: thrown }), 'in run').to.deep.equal(failure);
    });

    it('is a problem of the machine if the system reports one', async () => {
      for (const toy of [{ reads: throwing(systemError('ENOSPC')) }, { run: throwing(systemError('ENOSPC')) }]) {
        expect(await failureOf(toy)).to.include({ code: 'environment::disk-full', blame: 'environment' });
      }
    });

    it('is a bug otherwise, with its stack if asked for', async () => {
      for (const toy of [
        { reads: throwing(new TypeError('x is not a function')) },
        { run: throwing(new TypeError('x is not a function')) },
      ]) {
        const failure = await failureOf(toy);
        expect(failure).to.include({ code: 'internal-error::unhandled', blame: 'internal' });
        expect(failure!.detail).to.equal('TypeError: x is not a function');
        const debugged = await failureOf(toy, { settings: { DEBUG: '1' } });
        expect(debugged!.detail).to.match(/^TypeError: x is not a function\n[^]*at /);
      }
      expect((await failureOf({ reads: throwing('a text') }))!.detail).to.equal('a text');
    });

    it('does not count once another node failed', async () => {
      const started = door();
      use(
        {
          waits: {
            run: async (_, { signal }) => {
              started.open();
              await aborted(signal);
              throw new TypeError('late');
            },
          },
          fails: {
            run: async () => {
              await started.opened;
              return failing();
            },
          },
        },
        'waits: { uses: waits }',
        'fails: { uses: fails }',
      );
      expect(outcomesOf(await work.run({ jobs: 2 }))).to.deep.equal({ waits: 'aborted', fails: 'failed' });
    });
  });

  describe('after a failure', () => {
    /** Fails once `others` have begun. */
    const failsAfter = (...begun: readonly Promise<void>[]): Toy => ({
      run: async () => {
        await Promise.all(begun);
        return failing();
      },
    });

    it('a node that waits for its turn is not started', async () => {
      work.pipeline(`
pyflow: 1
pools: { narrow: 1 }
nodes:
  first: { uses: first, pool: narrow }
  second: { uses: never, pool: narrow }
  fails: { uses: fails }
`);
      const begun = door();
      const first: Toy = {
        run: async (_, { signal }) => {
          begun.open();
          await aborted(signal);
          return outputs({});
        },
      };
      let isStarted = false;
      const never: Toy = {
        run: async () => {
          isStarted = true;
          return outputs({});
        },
      };
      work.compose = composeWith(work.compose, { first, never, fails: failsAfter(begun.opened) });
      const report = await work.run({ jobs: 3 });
      expect([report.nodes['second']?.outcome, isStarted]).to.deep.equal(['aborted', false]);
    });

    it('a node whose `reads` waits for a host is given up', async function () {
      this.timeout(30_000);
      const begun = door();
      const hangs: Toy = {
        manifest: { network: true },
        reads: () => {
          begun.open();
          return new Promise(() => undefined);
        },
      };
      use({ hangs, fails: failsAfter(begun.opened) }, 'hangs: { uses: hangs }', 'fails: { uses: fails }');
      expect(outcomesOf(await work.run())).to.deep.equal({ hangs: 'aborted', fails: 'failed' });
    });

    it('other nodes go on if the run keeps going', async () => {
      use({ ok: {}, fails: { run: async () => failing() } }, 'fails: { uses: fails }', 'ok: { uses: ok }');
      expect(outcomesOf(await work.run({ keepGoing: true }))).to.deep.equal({ fails: 'failed', ok: 'executed' });
    });
  });

  describe('an interrupted run', () => {
    for (const [what, reads, node, why] of [
      ['has side effects', { sideEffects: true }, 'n: { uses: toy }', /side effects/],
      ['is never cached', {}, 'n: { uses: toy, cache: never }', /never/],
    ] as const) {
      it(`says that a node was stopped that ${what}`, async () => {
        const interrupt = new AbortController();
        const toy: Toy = {
          reads: () => ({ ok: true, value: reads }),
          run: async (_, { signal }) => {
            interrupt.abort();
            await aborted(signal);
            return failing({ retryable: true });
          },
        };
        use({ toy }, node);
        const report = await work.run({ signal: interrupt.signal });
        expect([report.status, report.nodes['n']?.outcome]).to.deep.equal(['aborted', 'aborted']);
        expect(notices('node::stopped')).to.have.length(1);
        expect(notices('node::stopped')[0]).to.match(why);
      });
    }

    it('says nothing of a node that can be executed again', async () => {
      const interrupt = new AbortController();
      const toy: Toy = {
        run: async (_, { signal }) => {
          interrupt.abort();
          await aborted(signal);
          return failing();
        },
      };
      use({ toy }, 'n: { uses: toy, retries: { times: 3, on: [exit] } }');
      const report = await work.run({ signal: interrupt.signal });
      expect(report.nodes['n']?.outcome).to.equal('aborted');
      expect(notices('node::stopped')).to.deep.equal([]);
    });

    it('does not start a pure node that hangs again, and ends it', async () => {
      const interrupt = new AbortController();
      const toy: Toy = {
        manifest: { pure: true },
        run: async (_, { signal }) => {
          interrupt.abort();
          await aborted(signal);
          return outputs({});
        },
      };
      use({ toy }, 'n: { uses: toy }');
      expect(outcomesOf(await work.run({ signal: interrupt.signal }))).to.deep.equal({ n: 'aborted' });
    });
  });

  describe('a result', () => {
    const n = { manifest: { outputs: schemaOf({ n: { type: 'number' } }, 'n') } } satisfies Toy;

    it('is not stored if the plugin says why', async () => {
      use(
        { toy: { ...n, run: async () => outputs({ n: 1 }, { uncacheable: 'it holds a private path' }) } },
        'n: { uses: toy }',
      );
      await work.run();
      expect(notices('node::not-stored')).to.have.length(1);
      expect(notices('node::not-stored')[0]).to.match(/it holds a private path$/);
      expect(outcomesOf(await work.run())).to.deep.equal({ n: 'executed' });
    });

    it('belongs to the app if the plugin says so', async () => {
      use({ toy: { ...n, run: async () => outputs({ n: 1 }, { scope: 'app' }) } }, 'n: { uses: toy }');
      await work.run({ appId: 'one' });
      expect(outcomesOf(await work.run({ appId: 'two' }))).to.deep.equal({ n: 'executed' });
      expect(outcomesOf(await work.run({ appId: 'one' }))).to.deep.equal({ n: 'up-to-date' });
    });

    it('that is second best stays so in the next run', async () => {
      const degraded = { reason: 'a substitute', maxAgeMs: 1e9 };
      use({ toy: { ...n, run: async () => outputs({ n: 1 }, { degraded }) } }, 'n: { uses: toy }');
      expect((await work.run()).nodes['n']).to.include({ outcome: 'executed', degraded: 'a substitute' });
      expect((await work.run()).nodes['n']).to.include({ outcome: 'up-to-date', degraded: 'a substitute' });
    });

    it('with a secret in its outputs is shown masked, and the node runs through the store again', async () => {
      const toy: Toy = {
        manifest: { outputs: schemaOf({ token: { type: 'string' } }, 'token') },
        run: async (_, { env }) => outputs({ token: env['TOKEN']! }),
      };
      use({ toy }, 'n: { uses: toy, secrets: [{ name: TOKEN, mayStore: true }] }');
      const variables = { TOKEN: 'hunter2-hunter2' };
      const { outputs: shown } = (await work.run({ variables })).nodes['n']!;
      expect(shown!['token']).not.to.contain('hunter2');
      expect((await work.run({ variables })).nodes['n']!.outputs).to.deep.equal(shown);
    });

    it('is restored without its log if that is lost', async () => {
      const toy: Toy = { run: async (_, context) => (nodeLogService.info(context, 'working'), outputs({})) };
      use({ toy }, 'n: { uses: toy }');
      const { key } = (await work.run({ appId: 'one' })).nodes['n']!;
      expect(printed('n')).to.deep.equal(['working']);
      await work.run({ appId: 'two' });
      expect(printed('n')).to.deep.equal(['working']);
      const store = openLocalStore(work.cacheDir, { readOnly: true });
      const log = store.ok ? hexOf(store.value.inspect(key!)!.result.log!) : '';
      rewriteBlobPacks(
        work.cacheDir,
        listCache(work.cacheDir).packs.map(({ name }) => name),
        (hash) => hash !== log,
      );
      expect(outcomesOf(await work.run({ appId: 'three' }))).to.deep.equal({ n: 'restored' });
      expect(printed('n')).to.deep.equal([]);
    });

    it('is missing if its outputs are not those that the kind declares', async () => {
      for (const [values, problem] of [
        [{}, /`outputs` is missing `n`/],
        [{ n: 1, m: 2 }, /`outputs` has `m`, which/],
        [{ n: 'one' }, /`outputs\.n` does not match its schema \(type: "number"\)/],
        [undefined, /is missing `n`/],
      ] as const) {
        const failure = await failureOf({ ...n, run: async () => outputs(values as unknown as JSONObject) });
        expect(failure).to.include({ code: 'internal-error::outputs', blame: 'internal' });
        expect(failure!.detail).to.match(problem);
      }
    });
  });

  describe('a tool', () => {
    const maker: Toy = {
      manifest: { revision: 1, outputs: schemaOf({ tool: TOOL }, 'tool') },
      run: async (_, { toolDir }) => {
        writeFileSync(`${toolDir!}/program`, 'a program');
        return outputs({});
      },
    };
    const user: Toy = {
      manifest: { inputs: schemaOf({ tool: TOOL }, 'tool'), outputs: schemaOf({ found: { type: 'string' } }, 'found') },
      run: async (_, { toolDirs, paths }) => {
        expect(Object.keys(paths.tools)).to.deep.equal(['tool']);
        return outputs({ found: readFileSync(`${toolDirs['tool']!}/program`, 'utf8') });
      },
    };
    const NODES = ['make: { uses: maker }', 'use: { uses: user, inputs: { tool: make.tool } }'] as const;

    it('reaches the nodes that take it, and stays out of the slug', async () => {
      use({ maker, user }, ...NODES);
      const report = await work.run();
      expect(report.nodes['use']?.outputs).to.deep.equal({ found: 'a program' });
      expect(work.slugNames()).to.include('app.py').and.not.include('program');
      expect(outcomesOf(await work.run())).to.deep.equal({ make: 'up-to-date', use: 'up-to-date' });
    });

    it('that changed is a reason that names the node that made it', async () => {
      use({ maker, user }, ...NODES);
      await work.run();
      const run: Toy['run'] = async (_, { toolDir }) => {
        writeFileSync(`${toolDir!}/program`, 'another program');
        return outputs({});
      };
      const { revision: _, ...manifest } = maker.manifest!;
      use({ maker: { manifest, run }, user: { ...user, manifest: { revision: 1, ...user.manifest } } }, ...NODES);
      expect((await work.run()).nodes['use']!.reasons).to.deep.include({
        type: 'tool-changed',
        port: 'tool',
        nodes: ['make'],
      });
    });

    it('is made again if the cache lost its file', async () => {
      use({ maker, user }, ...NODES);
      const { nodes } = await work.run();
      rewriteBlobPacks(
        work.cacheDir,
        listCache(work.cacheDir).packs.map(({ name }) => name),
        (hash) => hash !== hexOf(digestOf('a program')),
      );
      use({ maker, user }, ...NODES);
      const report = await work.run();
      expect(outcomesOf(report)).to.deep.equal({ make: 'executed', use: 'executed' });
      expect(report.nodes['use']?.outputs).to.deep.equal(nodes['use']?.outputs);
      expect(notices('cache::lost')).to.have.length(1);
    });

    it('is made again alone if only a node behind it changed', async () => {
      const reading: Toy = { ...user, reads: () => succeed({ files: ['app.py'] }) };
      const others = ['a', 'b'].map((id) => `${id}: { uses: echo }`);
      const toys = { maker, user: reading, echo: { run: async () => outputs({}) } };
      use(toys, ...NODES, ...others);
      expect((await work.run()).status).to.equal('succeeded');
      rewriteBlobPacks(
        work.cacheDir,
        listCache(work.cacheDir).packs.map(({ name }) => name),
        (hash) => hash !== hexOf(digestOf('a program')),
      );
      work.write({ 'app.py': 'edited' });
      const expected = { make: 'executed', use: 'executed', a: 'up-to-date', b: 'up-to-date' };
      expect(outcomesOf(await work.run())).to.deep.equal(expected);
    });

    it('can be empty, and is checked as the app is', async () => {
      const { revision: _, ...manifest } = maker.manifest!;
      use({ maker: { manifest, run: async () => outputs({}) } }, 'make: { uses: maker }');
      expect((await work.run()).nodes['make']?.outputs)
        .to.have.property('tool')
        .that.matches(/^[0-9a-f]{64}/);
      const hostile: Toy = {
        manifest,
        run: async (_, { toolDir }) => {
          symlinkSync(Buffer.from([0x66, 0xff]), `${toolDir!}/link`);
          return outputs({});
        },
      };
      use({ maker: hostile }, 'make: { uses: maker }');
      expect((await work.run()).nodes['make']?.failure?.code).to.equal('app::unsupported-file');
    });
  });

  describe('inputs', () => {
    it('without a value are left out, and lists hold what there is', async () => {
      const seen: JSONObject[] = [];
      const value: Toy = {
        manifest: { pure: true, outputs: schemaOf({ n: { type: 'number' } }, 'n') },
        run: async () => outputs({ n: 1 }),
      };
      const taker: Toy = {
        manifest: {
          inputs: schemaOf({
            one: { type: 'number', 'x-may-be-absent': true },
            many: { type: 'array', items: { type: 'number' }, 'x-may-be-absent': true },
          }),
        },
        run: async ({ inputs }) => {
          seen.push(inputs);
          return outputs({});
        },
      };
      use(
        { value, taker },
        'made: { uses: value }',
        'skipped: { uses: value, when: "false" }',
        'take: { uses: taker, inputs: { one: skipped.n, many: [made.n, skipped.n] } }',
      );
      expect(outcomesOf(await work.run())).to.include({ skipped: 'skipped', take: 'executed' });
      expect(seen).to.deep.equal([{ many: [1] }]);
    });

    it('can be several trees at one port', async () => {
      const writer = (name: string): Toy => ({
        manifest: { outputs: schemaOf({ tree: TREE }, 'tree'), writes: [name] },
        run: async (_, { appDir }) => {
          writeFileSync(`${appDir}/${name}`, name);
          return outputs({});
        },
      });
      const both: Toy = {
        manifest: {
          inputs: schemaOf({ trees: { type: 'array', items: TREE } }, 'trees'),
          outputs: schemaOf({ names: { type: 'array', items: { type: 'string' } } }, 'names'),
        },
        run: async (_, { appDir }) => {
          return outputs({ names: readdirSync(appDir).sort() });
        },
      };
      use(
        { a: writer('a'), b: writer('b'), both },
        'a: { uses: a }',
        'b: { uses: b }',
        'both: { uses: both, inputs: { trees: [a.tree, b.tree] } }',
      );
      expect((await work.run()).nodes['both']?.outputs).to.deep.equal({ names: ['a', 'b'] });
    });

    it('bring files of a tree, which patterns then need not bring again', async () => {
      const writer: Toy = {
        manifest: { outputs: schemaOf({ tree: TREE }, 'tree'), writes: ['made/**'] },
        run: async (_, { appDir }) => {
          mkdirSync(`${appDir}/made`);
          writeFileSync(`${appDir}/made/file`, 'x');
          return outputs({});
        },
      };
      const reader: Toy = {
        manifest: {
          inputs: schemaOf({ tree: TREE }, 'tree'),
          outputs: schemaOf({ found: { type: 'boolean' } }, 'found'),
        },
        reads: () => ({ ok: true, value: { files: ['**'] } }),
        run: async (_, { appDir }) => {
          return outputs({ found: existsSync(`${appDir}/made/file`) && existsSync(`${appDir}/app.py`) });
        },
      };
      use({ writer, reader }, 'write: { uses: writer }', 'read: { uses: reader, inputs: { tree: write.tree } }');
      expect((await work.run()).nodes['read']?.outputs).to.deep.equal({ found: true });
    });
  });

  it('fails a node whose guard cannot be evaluated, by its name', async () => {
    const value: Toy = {
      manifest: { pure: true, outputs: schemaOf({ n: { type: 'integer' } }, 'n') },
      run: async () => outputs({ n: 0 }),
    };
    use({ value, ok: {} }, 'made: { uses: value }', 'guarded: { uses: ok, when: "1 / made.n == 1" }');
    const { failure, outcome } = (await work.run()).nodes['guarded']!;
    expect([outcome, failure?.code]).to.deep.equal(['failed', 'pipeline::when-failed']);
    expect(failure!.title).to.contain('guarded');
  });

  it('fails a node if a file of the app is gone when it is needed', async () => {
    const remover: Toy = {
      run: async () => {
        rmSync(join(work.appDir, 'app.py'));
        return outputs({});
      },
    };
    const reader: Toy = { reads: () => ({ ok: true, value: { files: ['app.py'] } }) };
    use({ remover, reader }, 'remove: { uses: remover }', 'read: { uses: reader, after: [remove] }');
    const { failure } = (await work.run()).nodes['read']!;
    expect(failure?.blame).to.equal('app');
    expect(failure!.title + failure!.detail).to.contain('app.py');
  });

  it('names the node whose layer changed, and says if no layer is connected any more', async () => {
    const writer: Toy = {
      manifest: { outputs: schemaOf({ tree: TREE }, 'tree'), writes: ['copy'] },
      reads: () => ({ ok: true, value: { files: ['app.py'] } }),
      run: async (_, { appDir }) => {
        copyFileSync(`${appDir}/app.py`, `${appDir}/copy`);
        return outputs({});
      },
    };
    const taker: Toy = { manifest: { inputs: schemaOf({ tree: { ...TREE, 'x-may-be-absent': true } }) } };
    use({ writer, taker }, 'write: { uses: writer }', 'take: { uses: taker, inputs: { tree: write.tree } }');
    await work.run();
    work.write({ 'app.py': 'print(1)\n' });
    expect((await work.run()).nodes['take']!.reasons).to.deep.equal([
      { type: 'layer-changed', port: 'tree', nodes: ['write'] },
    ]);
    use({ writer, taker }, 'write: { uses: writer }', 'take: { uses: taker, after: [write] }');
    const { reasons } = (await work.run()).nodes['take']!;
    expect(reasons).to.deep.include({ type: 'layer-removed', port: 'tree' });
  });

  describe('retries', () => {
    it('end when an attempt fails for a cause that they do not cover', async () => {
      let attempts = 0;
      const toy: Toy = {
        run: async () => (
          ++attempts,
          failing({ title: `Attempt ${attempts}`, ...(attempts === 1 && { retryable: true }) })
        ),
      };
      use({ toy }, 'n: { uses: toy, retries: { times: 3, on: [environment] }, network: true }');
      const { failure, attempts: told } = (await work.run()).nodes['n']!;
      expect([attempts, told, failure?.title]).to.deep.equal([2, 2, 'Attempt 2']);
    });

    it('are not for a file that the cache lost', async () => {
      const writer: Toy = {
        manifest: { revision: 1, outputs: schemaOf({ tree: TREE }, 'tree'), writes: ['made'] },
        run: async (_, { appDir }) => {
          writeFileSync(`${appDir}/made`, 'made by a node');
          return outputs({});
        },
      };
      const taker: Toy = { manifest: { inputs: schemaOf({ tree: TREE }, 'tree') } };
      const nodes = [
        'write: { uses: writer }',
        'take: { uses: taker, inputs: { tree: write.tree }, retries: { times: 3, on: [exit] } }',
      ];
      use({ writer, taker }, ...nodes);
      await work.run();
      rewriteBlobPacks(
        work.cacheDir,
        listCache(work.cacheDir).packs.map(({ name }) => name),
        (hash) => hash !== hexOf(digestOf('made by a node')),
      );
      use({ writer, taker }, ...nodes);
      expect(outcomesOf(await work.run())).to.deep.equal({ write: 'executed', take: 'executed' });
      expect(work.events.some(({ type }) => type === 'node-retried')).to.equal(false);
    });
  });

  describe('a full file system in memory', () => {
    let isFull: boolean;
    beforeEach(async function () {
      isFull = false;
      const runDir = createRunDir(work.cacheDir);
      const hasMemory = runDir.smallDir !== runDir.largeDir;
      await runDir.remove();
      if (!hasMemory) skipBecause(this, 'this machine has no folder in memory');
    });
    const run = () =>
      withChangedFs(
        ({ statfsSync }) => ({
          statfsSync: (path: string) => Object.assign(statfsSync(path), isFull && { bavail: 0 }),
        }),
        () => work.run(),
      );

    it('makes a node run again on disk', async () => {
      const folders: string[] = [];
      const toy: Toy = {
        run: async (_, { appDir }) => {
          folders.push(appDir);
          isFull = folders.length === 1;
          return isFull ? failing() : outputs({});
        },
      };
      use({ toy }, 'n: { uses: toy }');
      expect(outcomesOf(await run())).to.deep.equal({ n: 'executed' });
      expect(folders.map((folder) => folder.startsWith('/dev/shm/'))).to.deep.equal([true, false]);
      expect(notices('node::memory-full')[0]).to.match(/runs it again/);
    });

    it('makes no node run again that has side effects', async () => {
      let attempts = 0;
      const toy: Toy = {
        reads: () => ({ ok: true, value: { sideEffects: true } }),
        run: async () => {
          attempts++;
          isFull = true;
          return failing();
        },
      };
      use({ toy }, 'n: { uses: toy }');
      expect(outcomesOf(await run())).to.deep.equal({ n: 'failed' });
      expect(attempts).to.equal(1);
      expect(notices('node::memory-full')[0]).to.match(/PYFLOW_VIEWS=disk/);
    });

    it('is not why a node exceeded its limits', async () => {
      let attempts = 0;
      const toy: Toy = {
        run: async () => {
          attempts++;
          isFull = true;
          return failing({ code: 'node::limit' });
        },
      };
      use({ toy }, 'n: { uses: toy }');
      expect([(await run()).nodes['n']!.failure?.code, attempts]).to.deep.equal(['node::limit', 1]);
    });
  });

  it('keeps large views on disk if asked to', async () => {
    const folders: string[] = [];
    const toy: Toy = {
      reads: () => ({ ok: true, value: { files: ['large'] } }),
      run: async (_, { appDir }) => (folders.push(appDir), outputs({})),
    };
    work.write({ large: 'x'.repeat(17 * 1024 * 1024) });
    use({ toy }, 'n: { uses: toy }');
    await work.run({ settings: { VIEWS: 'disk' } });
    expect(folders[0]).to.match(new RegExp(`^${work.cacheDir}/tmp/`));
  });

  describe('commands', () => {
    const shell = (script: string, more: Partial<Parameters<typeof subprocessService.run>[1]> = {}): Toy => ({
      manifest: {
        outputs: schemaOf(
          { code: { type: 'number' }, lines: { type: 'array', items: { type: 'string' } } },
          'code',
          'lines',
        ),
      },
      run: async (_, context) => {
        const ended = await subprocessService.run(context, { argv: ['sh', '-c', script], ...more });
        return ended.ok ? outputs({ code: ended.value.exitCode, lines: [...ended.value.lines] }) : ended;
      },
    });
    const endOf = async (toy: Toy): Promise<unknown> => {
      use({ toy }, 'n: { uses: toy }');
      return (await work.run()).nodes['n']!.outputs;
    };

    it('end with a status or with a signal', async () => {
      expect(await endOf(shell('exit 3'))).to.deep.equal({ code: 3, lines: [] });
      expect(await endOf(shell('kill -KILL $$'))).to.deep.equal({ code: 137, lines: [] });
      expect(await endOf(shell('kill -USR1 $$'))).to.deep.equal({ code: 138, lines: [] });
    });

    it('print through a filter, which changes or drops lines', async () => {
      const filter = (stream: 'stdout' | 'stderr', text: string): string | undefined =>
        text === 'drop' ? undefined : text === 'change' ? `${stream} changed` : text;
      expect(await endOf(shell('echo keep; echo drop; echo change >&2', { filter })))
        .to.have.deep.property('lines')
        .that.has.members(['keep', 'stderr changed']);
      expect(printed('n')).to.have.members(['keep', 'stderr changed']);
    });

    it('keep their last lines', async () => {
      expect(await endOf(shell('seq 100', { keepLines: 3 }))).to.deep.equal({ code: 0, lines: ['98', '99', '100'] });
    });

    it('are no way for a pure node', async () => {
      const failure = await failureOf({ ...shell('true'), manifest: { ...shell('true').manifest, pure: true } });
      expect(failure).to.include({ code: 'internal-error::unhandled' });
      expect(failure!.detail).to.match(/pure node ran a command: sh/);
    });
  });

  it('tells how far a node is, with or without a total', async () => {
    const toy: Toy = {
      run: async (_, context) => {
        nodeLogService.progress(context, 'download', 1, 10, 'bytes');
        nodeLogService.progress(context, 'files', 2, undefined, 'items');
        return outputs({});
      },
    };
    use({ toy }, 'n: { uses: toy }');
    await work.run();
    const progress = work.events.flatMap((event) => (event.type === 'node-progress' ? [event] : []));
    expect(progress.map(({ what, done, total, unit }) => [what, done, total, unit])).to.deep.equal([
      ['download', 1, 10, 'bytes'],
      ['files', 2, undefined, 'items'],
    ]);
  });

  describe('writes', () => {
    const writing = (
      names: readonly string[],
      manifest: NonNullable<Toy['manifest']> = {},
      reads: Reads = { files: ['**'] },
    ): Toy => ({
      manifest: { writes: ['declared'], ...manifest },
      reads: () => ({ ok: true, value: reads }),
      run: async (_, { appDir }) => {
        for (const name of names) writeFileSync(`${appDir}/${name}`, '1');
        return outputs({});
      },
    });
    const names = Array.from({ length: 7 }, (_, index) => `undeclared-${index}`);

    it('that are not declared fail the node, which names the first of them', async () => {
      const failure = await failureOf(writing(['declared', ...names]));
      expect(failure).to.include({ code: 'node::undeclared-write', blame: 'app' });
      expect(failure!.detail).to.match(/undeclared-4 and 2 more\nDeclared: declared$/);
    });

    it('fail a node that declares none, and delete nothing of that', async () => {
      const failure = await failureOf(writing(['made'], { writes: [], buildsCode: true, reads: [] }, {}));
      expect(failure!.detail).to.match(/^Written: made\nDeclared: nothing$/);
    });

    it('of a kind that builds code may be in folders that it reads as a whole', async () => {
      expect(await failureOf(writing(names, { buildsCode: true }))).to.equal(undefined);
    });
  });

  it('blames the pipeline for a command that is too long because of the pipeline', async () => {
    const tooLarge = async (config: string): Promise<string | undefined> => {
      const toy: Toy = {
        manifest: { config: schemaOf({ text: { type: 'string' } }) },
        run: async () => failing({ code: 'command::arguments-too-large' }),
      };
      use({ toy }, `n: { uses: toy, with: { text: "${config}" } }`);
      return (await work.run()).nodes['n']!.failure?.blame;
    };
    expect([await tooLarge('short'), await tooLarge('x'.repeat(70_000))]).to.deep.equal(['app', 'pipeline']);
  });

  it('names the first five of many patterns that match nothing', async () => {
    const names = Array.from({ length: 7 }, (_, index) => `absent-${index}`);
    const command = { argv: ['true'], reads: names, writes: names };
    use({}, `n: { uses: command, with: ${JSON.stringify(command)} }`);
    await work.run();
    const told = printed('n').filter((text) => text.startsWith('[node::nothing-'));
    expect(told.map((text) => /absent-4 and 2 more/.test(text))).to.deep.equal([true, true]);
  });

  it('says that there is no room for the files that a node is to see', async () => {
    const toy: Toy = { reads: () => ({ ok: true, value: { files: ['app.py'] } }) };
    use({ toy }, 'n: { uses: toy }');
    const report = await withChangedFs(
      ({ openSync }) => ({
        openSync: (path: string, flags: string, mode: number) => {
          if (flags === 'wx' && path.endsWith('/app/app.py')) throw systemError('ENOSPC');
          return openSync(path, flags, mode);
        },
      }),
      () => work.run(),
    );
    expect(report.nodes['n']!.failure?.code).to.equal('environment::disk-full');
  });

  describe('the sandbox', () => {
    const echo: Toy = {
      run: async (_, context) => {
        await subprocessService.run(context, {
          argv: ['sh', '-c', 'echo "curl: (6) Could not resolve host: x"; exit 6'],
        });
        return failing();
      },
    };
    /** As if the operator's PATH held these programs only. */
    function onlyWith(...programs: readonly string[]): void {
      const bin = join(work.root, 'bin');
      mkdirSync(bin);
      for (const program of programs)
        symlinkSync(execFileSync('which', [program], { encoding: 'utf8' }).trim(), join(bin, program));
      work.compose = composeFor({ PATH: bin, HOME: work.root }, pluginHost);
    }

    it('is not used if the machine has none, unless it is required', async () => {
      onlyWith();
      use({ ok: {} }, 'n: { uses: ok }');
      const report = await work.run({ sandbox: 'auto' });
      expect(report.sandbox).to.deep.equal({ mode: 'none', reason: 'bubblewrap (bwrap) is not in PATH' });
      expect(notices('sandbox::none')).to.have.length(1);
      use({ ok: {} }, 'n: { uses: ok }');
      const required = await work.run({ sandbox: 'required' });
      expect(required.nodes['n']!.failure?.code).to.equal('sandbox::unavailable');
      expect(required).not.to.have.property('sandbox');
    });

    it('has its files elsewhere if the cache has no place for them', async function () {
      if (!(await hasNamespaces())) skipBecause(this, 'this machine has no namespaces');
      mkdirSync(work.cacheDir);
      writeFileSync(join(work.cacheDir, 'state'), '');
      use({ ok: {} }, 'n: { uses: ok }');
      expect((await work.run({ sandbox: 'required' })).sandbox).to.deep.equal({ mode: 'namespaces' });
    });

    it('says that commands share the network of the machine if it can make none', async function () {
      if (!(await hasNamespaces())) skipBecause(this, 'this machine has no namespaces');
      onlyWith('bwrap', 'sh');
      use({ echo }, 'n: { uses: echo, network: true }');
      await work.run({ sandbox: 'required' });
      expect(notices('sandbox::shared-network')).to.have.length(1);
    });

    it('is why a command without a network fails that looks for a host', async function () {
      if (!(await hasNamespaces())) skipBecause(this, 'this machine has no namespaces');
      use({ echo }, 'n: { uses: echo }');
      expect((await work.run({ sandbox: 'required' })).nodes['n']!.failure?.remedy).to.match(/network: true/);
    });
  });

  it('gives no reason of the network to a command that has one', async () => {
    const unreachable: Toy = {
      run: async (_, context) => {
        await subprocessService.run(context, {
          argv: ['sh', '-c', 'echo "curl: (6) Could not resolve host: x"; exit 6'],
        });
        return failing();
      },
    };
    use({ unreachable }, 'n: { uses: unreachable }');
    expect((await work.run({ sandbox: 'none' })).nodes['n']!.failure?.remedy).not.to.match(/network: true/);
  });
});
