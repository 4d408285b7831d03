import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { RunReport } from '../../../src/engine/events.js';
import { hexOf, type Digest } from '../../../src/engine/files/digest.js';
import { withRecovery, type Attempt, type Attempted } from '../../../src/engine/report/recovery.js';
import type { RunRequest } from '../../../src/engine/request.js';
import { PACK_LIMIT } from '../../../src/engine/store/blobs.js';
import { openLocalStore } from '../../../src/engine/store/local-store.js';
import { rewriteBlobPacks } from '../../../src/engine/store/quota.js';
import { listCache } from '../../../src/engine/store/scan.js';
import { loadLayer } from '../../../src/engine/trees/layers.js';
import type { NodeId } from '../../../src/manifests/pipeline/manifest.js';
import { contentOf } from '../../support/cli-scene.js';
import { outcomesOf, Workspace } from '../../support/workspace.js';

const LARGE_BYTES = PACK_LIMIT + 1000;
/** Three chains of ten. */
const NODES = Array.from({ length: 30 }, (_, index) => `n${String(index).padStart(2, '0')}`);
const beforeOf = (id: string): string | undefined => {
  const index = NODES.indexOf(id);
  return index % 10 === 0 ? undefined : NODES[index - 1];
};
/** These write the same large file, each under its own name. */
const TWINS = ['n03', 'n17'];

interface Change {
  /** Nodes with another environment, so another key; their output stays the same. */
  readonly changed?: readonly string[];
  readonly nodes?: readonly string[];
}

/** Each node digests what the one before it in its chain wrote, and writes a small and a large file. */
function pipelineOf({ changed = [], nodes = NODES }: Change = {}): string {
  const lines = nodes.map((id) => {
    const before = beforeOf(id);
    const sources = ['salt', ...(before === undefined ? [] : [`out/${before}`])];
    const words = TWINS.includes(id) ? 'twin' : id;
    const script = `mkdir -p out; { echo ${id}; cat ${sources.join(' ')}; } | sha256sum > out/${id}; yes ${words} | head -c ${LARGE_BYTES} > out/${id}.large`;
    const reads = [...sources, ...(before === undefined ? [] : [`out/${before}.large`])];
    return `  ${id}: ${JSON.stringify({
      uses: 'command',
      with: { argv: ['sh', '-c', script], reads, writes: [`out/${id}`, `out/${id}.large`] },
      ...(changed.includes(id) ? { env: { CHANGED: '1' } } : {}),
      ...(before === undefined ? {} : { after: [before] }),
    })}`;
  });
  return `pyflow: 1\nname: chains\nnodes:\n${lines.join('\n')}\n`;
}

describe('a cache that lost something', function () {
  this.timeout(60_000);
  let work: Workspace;
  let first: RunReport;
  let content: Readonly<Record<string, string>>;

  beforeEach(async () => {
    work = new Workspace().pipeline(pipelineOf()).write({ salt: 'salt\n', 'app.py': 'print()\n' });
    first = await work.run();
    content = contentOf(work.outDir);
  });
  afterEach(() => work.cleanUp());

  /** Of the large file that a node writes. */
  const largeOf = (id: string): string => {
    const words = TWINS.includes(id) ? 'twin\n' : `${id}\n`;
    const bytes = words.repeat(Math.ceil(LARGE_BYTES / words.length)).slice(0, LARGE_BYTES);
    return createHash('sha256').update(bytes).digest('hex');
  };
  const largeFile = (id: string): string => join(work.cacheDir, 'cas', largeOf(id).slice(0, 2), largeOf(id));

  function losePacked(...hashes: readonly string[]): void {
    const packs = listCache(work.cacheDir).packs.map(({ name }) => name);
    rewriteBlobPacks(work.cacheDir, packs, (hash) => !hashes.includes(hash));
  }

  async function layerPartsOf(id: string): Promise<{ readonly tree: Digest; readonly small: Digest }> {
    const store = openLocalStore(work.cacheDir, { readOnly: true });
    if (!store.ok) throw new Error(store.failure.detail);
    const table = new Map();
    const { layer } = store.value.inspect(first.nodes[id]!.key!)!.result;
    expect(await loadLayer(store.value, layer!, table)).to.equal(true);
    await store.value.close();
    const files = [...table.values()].flatMap((directory) => directory.files);
    return { tree: layer!.tree, small: files.find(({ name }: { name: string }) => name === id).digest };
  }

  /** Runs without a slug to fall back on: whatever was lost has to be found or made. */
  async function expectExecuted(nodes: readonly string[], recoveries: number, overrides: Partial<RunRequest> = {}) {
    rmSync(work.outDir, { recursive: true, force: true });
    const report = await work.run(overrides);
    const outcomes = outcomesOf(report);
    expect(NODES.filter((id) => outcomes[id] === 'executed')).to.deep.equal(nodes);
    expect(NODES.filter((id) => !['executed', 'up-to-date', 'restored'].includes(outcomes[id]!))).to.deep.equal([]);
    expect([report.status, report.slug?.digest]).to.deep.equal(['succeeded', first.slug!.digest]);
    expect(contentOf(work.outDir)).to.deep.equal(content);
    const told = work.events.filter((event) => event.type === 'notice' && event.code === 'cache::lost');
    expect(told.length, 'runs that started over').to.equal(recoveries);
    return report;
  }

  async function expectHealed(): Promise<void> {
    rmSync(work.outDir, { recursive: true, force: true });
    await expectExecuted([], 0);
  }

  it('executes nothing when nothing is lost', () => expectExecuted([], 0));

  it('executes only the node of a layer whose tree is lost', async () => {
    losePacked(hexOf((await layerPartsOf('n11')).tree));
    const report = await expectExecuted(['n11'], 0);
    expect(report.nodes['n11']!.reasons).to.deep.equal([{ type: 'missing-from-cache' }]);
    await expectHealed();
  });

  it('executes only the node that wrote a large file that is lost', async () => {
    rmSync(largeFile('n15'));
    const report = await expectExecuted(['n15'], 1);
    expect(report.nodes['n15']!.reasons).to.deep.equal([{ type: 'result-lost' }]);
    await expectHealed();
  });

  it('executes only the node that wrote a small file that is lost', async () => {
    losePacked(hexOf((await layerPartsOf('n29')).small));
    await expectExecuted(['n29'], 1);
    await expectHealed();
  });

  it('executes the producer, and the consumer that has to run, when the consumer finds the loss', async () => {
    rmSync(largeFile('n21'));
    work.pipeline(pipelineOf({ changed: ['n22'] }));
    const report = await expectExecuted(['n21', 'n22'], 1);
    expect(report.nodes['n22']!.reasons).to.deep.include({ type: 'variable-added', name: 'CHANGED' });
    await expectHealed();
  });

  it('does so when the slug is still there, too', async () => {
    rmSync(largeFile('n21'));
    work.pipeline(pipelineOf({ changed: ['n22'] }));
    const report = await work.run();
    const outcomes = outcomesOf(report);
    expect(NODES.filter((id) => outcomes[id] === 'executed')).to.deep.equal(['n21', 'n22']);
    expect(report.slug?.digest).to.equal(first.slug!.digest);
  });

  it('executes one of two nodes that wrote the same file', async () => {
    expect(largeOf('n03')).to.equal(largeOf('n17'));
    rmSync(largeFile('n03'));
    await expectExecuted(['n03'], 1);
    await expectHealed();
  });

  it('starts over once for many files that are lost at the same time', async () => {
    const lost = ['n02', 'n08', 'n12', 'n20', 'n27'];
    for (const id of lost) rmSync(largeFile(id));
    await expectExecuted(lost, 1);
    await expectHealed();
  });

  it('starts over once for many files that are damaged at the same time', async () => {
    const damaged = ['n02', 'n08', 'n12', 'n20', 'n27'];
    for (const id of damaged) {
      const file = largeFile(id);
      const bytes = readFileSync(file);
      bytes[7] = bytes[7]! ^ 1;
      rmSync(file);
      writeFileSync(file, bytes);
    }
    await expectExecuted(damaged, 1);
    await expectHealed();
  });

  it('executes the nodes of a run whose pack of small files is lost, and no others', async () => {
    const fresh = new Workspace().pipeline(pipelineOf({ nodes: NODES.slice(0, 10) }));
    try {
      fresh.write({ salt: 'salt\n', 'app.py': 'print()\n' });
      await fresh.run();
      fresh.pipeline(pipelineOf());
      const before = readdirSync(join(fresh.cacheDir, 'packs'));
      await fresh.run();
      const added = readdirSync(join(fresh.cacheDir, 'packs')).filter((name) => !before.includes(name));
      for (const name of added) rmSync(join(fresh.cacheDir, 'packs', name));
      rmSync(fresh.outDir, { recursive: true });
      const report = await fresh.run();
      const outcomes = outcomesOf(report);
      expect(NODES.filter((id) => outcomes[id] === 'executed')).to.deep.equal(NODES.slice(10));
      expect(contentOf(fresh.outDir)).to.deep.equal(content);
      expect(fresh.events.some((event) => event.type === 'notice' && event.code === 'cache::lost')).to.equal(false);
    } finally {
      fresh.cleanUp();
    }
  });

  it('executes every node when the whole cache is lost but the results', async () => {
    for (const folder of ['cas', 'packs']) rmSync(join(work.cacheDir, folder), { recursive: true });
    await expectExecuted(NODES, 0);
    await expectHealed();
  });

  it('needs no file of a layer to see that nothing changed', async () => {
    rmSync(largeFile('n15'));
    const report = await work.run();
    expect(new Set(Object.values(outcomesOf(report)))).to.deep.equal(new Set(['up-to-date']));
    expect(existsSync(largeFile('n15'))).to.equal(false);
    expect(statSync(join(work.outDir, 'out/n15.large')).size).to.equal(LARGE_BYTES);
  });
});

describe('withRecovery', () => {
  const notices: string[] = [];
  const sink = { emit: (event: { readonly type: string; readonly code?: string }) => void notices.push(event.code!) };
  beforeEach(() => void notices.splice(0));

  /** Attempts that find these producers in turn, and then end. */
  async function attempts(refresh: readonly string[], ...found: readonly (readonly string[])[]) {
    const seen: { readonly forced: readonly string[]; readonly isLast: boolean }[] = [];
    const attempt = ({ forced, isLast }: Attempt): Promise<Attempted<string>> => {
      seen.push({ forced: [...forced], isLast });
      const producers = isLast ? undefined : (found[seen.length - 1] as readonly NodeId[] | undefined);
      return Promise.resolve(
        producers === undefined ? { type: 'finished', value: 'value' } : { type: 'lost', producers },
      );
    };
    expect(await withRecovery(refresh, sink, attempt)).to.equal('value');
    return seen;
  }

  it('ends with the first attempt that loses nothing', async () => {
    expect(await attempts(['a'])).to.deep.equal([{ forced: ['a'], isLast: false }]);
    expect(notices).to.deep.equal([]);
  });

  it('forces what an attempt found lost, in addition to what was forced before', async () => {
    expect((await attempts(['a'], ['b'], ['c'])).map(({ forced }) => forced)).to.deep.equal([
      ['a'],
      ['a', 'b'],
      ['a', 'b', 'c'],
    ]);
    expect(notices).to.deep.equal(['cache::lost', 'cache::lost']);
  });

  it('says which attempt is the last', async () => {
    const seen = await attempts([], ['a'], ['b'], ['c'], ['d'], ['e']);
    expect(seen.map(({ isLast }) => isLast)).to.deep.equal([false, false, false, true]);
  });
});
