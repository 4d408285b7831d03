import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { digestOf } from '../../../src/engine/files/digest.js';
import { STATUS } from '../../../src/engine/remote/transport.js';
import { FaultProxy, type Fault } from '../../support/fault-proxy.js';
import type { RemoteRequest } from '../../../src/engine/request.js';
import { noticesOf, ReapiScene } from '../../support/reapi-scene.js';
import { StatusFailure } from '../../support/reapi-server.js';
import { composeWith, outputs, schemaOf, TREE, type Toy } from '../../support/toy-kinds.js';
import { outcomesOf, type Refused, type Workspace } from '../../support/workspace.js';

/** Reads what is below it, and writes a file of 100 kB. */
const link: Toy = {
  manifest: {
    config: schemaOf({ name: { type: 'string' }, fails: { type: 'boolean' } }, 'name'),
    inputs: schemaOf({ below: TREE }),
    outputs: schemaOf({ tree: TREE }),
    writes: ['${config.name}'],
  },
  run: async ({ config: { name } }, { appDir }) => {
    const { writeFile } = await import('node:fs/promises');
    await writeFile(`${appDir}/${String(name)}`, contentOf(String(name)));
    return outputs({});
  },
};
const contentOf = (name: string): string => name.padEnd(100_000, '.');

describe('engine/remote, with a server in trouble', function () {
  this.timeout(120_000);
  const scene = new ReapiScene();
  let proxy: FaultProxy | undefined;
  afterEach(async () => {
    await proxy?.stop();
    proxy = undefined;
  });

  const LENGTH = 4;
  const machine = (): Workspace => {
    const lines = Array.from({ length: LENGTH }, (_, index) => {
      const below = index === 0 ? '' : `, inputs: { below: n${index - 1}.tree }`;
      return `  n${index}: { uses: link, with: { name: f${index} }${below} }\n`;
    });
    return scene.machine(`pyflow: 1\nnodes:\n${lines.join('')}`, { link });
  };
  const counts = (outcomes: Readonly<Record<string, string>>): Readonly<Record<string, number>> => {
    const found: Record<string, number> = {};
    for (const outcome of Object.values(outcomes)) found[outcome] = (found[outcome] ?? 0) + 1;
    return found;
  };
  /** Most that a broken server may cost a run. */
  const MOST_MS = 5000;

  it('says once that a port refuses connections, and builds', async () => {
    const work = machine();
    const report = await work.run(scene.remote({ url: 'grpc://127.0.0.1:9' }));
    expect(counts(outcomesOf(report))).to.deep.equal({ executed: LENGTH });
    expect(noticesOf(work)).to.deep.equal(['remote::off']);
    expect(report.remote).to.include({ hits: 0, off: 'all' });
  });

  for (const [name, faults] of Object.entries<readonly Fault[]>({
    'accepts only': [{ kind: 'accept-only' }],
    stalls: [0, 500, 3000, 20_000, 250_000].map((afterBytes) => ({ kind: 'stall', afterBytes })),
    resets: [0, 500, 3000, 20_000, 250_000].map((afterBytes) => ({ kind: 'reset', afterBytes })),
    'closes one half': [500, 20_000].map((afterBytes) => ({ kind: 'half-close', afterBytes })),
    trickles: [500, 20_000].map((afterBytes) => ({ kind: 'trickle', afterBytes })),
  })) {
    it(`builds the same slug within ${MOST_MS / 1000} s more if the server ${name}`, async () => {
      const honest = await machine().run(scene.remote({ write: true }));
      for (const fault of faults) {
        proxy = await FaultProxy.start({
          host: '127.0.0.1',
          port: Number(new URL(scene.server.url.replace('grpc', 'http')).port),
        });
        proxy.fault = fault;
        const work = machine();
        const since = performance.now();
        const report = await work.run(scene.remote({ url: proxy.url }));
        const took = performance.now() - since;
        await proxy.stop();
        expect(report.status, JSON.stringify(fault)).to.equal('succeeded');
        expect(report.slug?.digest).to.equal(honest.slug?.digest);
        expect(took, JSON.stringify(fault)).to.be.lessThan(MOST_MS + 2 * honest.durationMs);
        const told = noticesOf(work).filter((code) => code.startsWith('remote::'));
        expect(told.length, `${JSON.stringify(fault)} ${told.join(', ')}`).to.be.at.most(1);
      }
    });
  }

  it('executes only the nodes whose files the server has lost', async () => {
    const honest = await machine().run(scene.remote({ write: true }));
    const lost = new Set([digestOf(contentOf('f1')), digestOf(contentOf('f3'))]);
    scene.server.onBlob = (digest, stored) => (lost.has(digest) ? undefined : stored);
    const work = machine();
    const report = await work.run(scene.remote());
    expect(report.slug?.digest).to.equal(honest.slug?.digest);
    const executed = Object.entries(outcomesOf(report)).flatMap(([id, how]) => (how === 'executed' ? [id] : []));
    expect(executed).to.deep.equal(['n1', 'n3']);
    expect(noticesOf(work), 'one round finds both').to.deep.equal(['cache::lost']);
  });

  it('executes all nodes whose files come in a batch with a lost one, if the server fails the batch', async () => {
    const honest = await machine().run(scene.remote({ write: true }));
    const lost = new Set([digestOf(contentOf('f1')), digestOf(contentOf('f3'))]);
    scene.server.onBlob = (digest, stored) => (lost.has(digest) ? undefined : stored);
    scene.server.failsBatches = true;
    const work = machine();
    const report = await work.run(scene.remote());
    expect(report.status).to.equal('succeeded');
    expect(report.slug?.digest).to.equal(honest.slug?.digest);
    expect(noticesOf(work), 'no blob is asked for again').to.deep.equal(['cache::lost']);
  });

  it('reads no more after two rounds of losses', async () => {
    const honest = await machine().run(scene.remote({ write: true }));
    // One file is lost in each round, so that no round finds all.
    let left = 1;
    scene.server.onBlob = (_digest, stored) => (stored.length > 50_000 && left-- <= 0 ? undefined : stored);
    const work = machine();
    const report = await work.run(scene.remote());
    expect(report.slug?.digest).to.equal(honest.slug?.digest);
    expect(noticesOf(work).filter((code) => code === 'cache::lost').length).to.be.at.most(2);
  });

  it('turns only writing off if the server refuses uploads', async () => {
    await machine().run(scene.remote({ write: true }));
    scene.server.onCall = (method) => {
      if (method.includes('Update')) throw new StatusFailure(STATUS.UNAUTHENTICATED, 'no');
    };
    const work = machine().pipeline('pyflow: 1\nnodes: { other: { uses: link, with: { name: other } } }\n');
    const report = await work.run(scene.remote({ write: true }));
    expect(noticesOf(work)).to.deep.equal(['remote::writing-off']);
    expect(report.remote).to.include({ misses: 1, uploaded: 0, notUploaded: 1, off: 'writing' });
    expect((await machine().run(scene.remote({ write: true }))).remote).to.include({ hits: LENGTH });
  });

  it('turns all off if the server refuses reads', async () => {
    scene.server.onCall = (method) => {
      if (method === 'GetActionResult') throw new StatusFailure(STATUS.PERMISSION_DENIED, 'no');
    };
    const work = machine();
    const report = await work.run(scene.remote({ write: true }));
    expect(noticesOf(work)).to.deep.equal(['remote::off']);
    expect(report.remote).to.include({ uploaded: 0, off: 'all' });
  });

  it('sends headers with every call, and keeps them out of all texts', async () => {
    const token = 'tok-4f1d9a7b3c5e8f2a6d';
    const seen = new Set<string | undefined>();
    scene.server.onCall = (_method, headers) => {
      seen.add(headers['authorization']);
      throw new StatusFailure(STATUS.UNAUTHENTICATED, `wrong: ${headers['authorization']}`);
    };
    const folder = mkdtempSync(join(tmpdir(), 'pyflow-remote-'));
    try {
      const settingsFile = join(folder, 'remote.yml');
      writeFileSync(settingsFile, 'headers: { authorization: "Bearer ${{ env.TOKEN }}" }\n');
      const work = machine();
      const report = await work.run(scene.remote({ settingsFile, env: { TOKEN: token } }));
      expect([...seen]).to.deep.equal([`Bearer ${token}`]);
      expect(JSON.stringify([report, work.events])).to.not.contain(token);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  describe('that the settings require', () => {
    const requiring = (work: Workspace): Partial<RemoteRequest> => {
      const settingsFile = join(work.root, 'remote.yml');
      writeFileSync(settingsFile, 'require: true\n');
      return { settingsFile };
    };

    it('fails the run with status 75 if the server is gone', async () => {
      const work = machine();
      const report = await work.run(scene.remote({ ...requiring(work), url: 'grpc://127.0.0.1:9' }));
      expect(report).to.include({ status: 'failed', exitCode: 75 });
      expect(report.failure?.code).to.equal('remote::unavailable');
      expect(counts(outcomesOf(report))['executed'] ?? 0).to.equal(0);
    });

    it('fails the run if the server refuses its uploads', async () => {
      scene.server.onCall = (method) => {
        if (method.includes('Update')) throw new StatusFailure(STATUS.PERMISSION_DENIED, 'no');
      };
      const work = machine();
      const report = await work.run(scene.remote({ ...requiring(work), write: true }));
      expect(report).to.include({ status: 'failed', exitCode: 75 });
    });

    it('succeeds with a miss', async () => {
      const work = machine();
      expect((await work.run(scene.remote(requiring(work)))).status).to.equal('succeeded');
    });
  });

  it('refuses to run with wrong settings', async () => {
    const work = machine();
    const refused = await work.run(scene.remote({ url: 'https://cache.example' })).catch((error: unknown) => error);
    expect((refused as Refused).refusal).to.have.nested.property('failure.code', 'remote::bad-address');
  });

  it('uploads nothing after an interrupt', async () => {
    const interrupt = new AbortController();
    const work = machine();
    work.compose = composeWith(work.compose, {
      link: {
        ...link,
        run: async (node, context) => {
          if (node.config['name'] === 'f2') interrupt.abort();
          return link.run!(node, context);
        },
      },
    });
    scene.server.onCall = (method) => {
      if (method.includes('Update')) expect(interrupt.signal.aborted).to.equal(false);
    };
    const report = await work.run({ ...scene.remote({ write: true }), signal: interrupt.signal });
    expect(report.status).to.equal('aborted');
    const calls = new Map(scene.server.calls);
    await new Promise((resolve) => setImmediate(resolve));
    expect(scene.server.calls).to.deep.equal(calls);
    expect(noticesOf(work).filter((code) => code.startsWith('remote::'))).to.deep.equal([]);
  });
});
