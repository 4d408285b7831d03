import { expect } from 'chai';
import { PGraph } from 'p-graph';
import { Admission } from '../../../src/engine/plan/admission.js';
import { criticalPaths, schedule, type ScheduledNode } from '../../../src/engine/plan/schedule.js';

const node = (id: string, dependencies: readonly string[] = [], expectedMs = 1): ScheduledNode => ({
  id,
  dependencies,
  expectedMs,
});

describe('engine/plan/schedule', () => {
  it('visits every node once, after all its dependencies', async () => {
    const seen: string[] = [];
    await schedule([node('a'), node('b', ['a']), node('c', ['a']), node('d', ['b', 'c'])], async (id) => {
      seen.push(id);
    });
    expect(seen).to.have.members(['a', 'b', 'c', 'd']);
    expect(seen.indexOf('a')).to.equal(0);
    expect(seen.indexOf('d')).to.equal(3);
  });

  it('finishes at once for an empty graph', async () => {
    await schedule([], async () => expect.fail('nothing to visit'));
  });

  it('runs a chain of 20,000 nodes', async () => {
    const chain = Array.from({ length: 20_000 }, (_, index) => node(`n${index}`, index === 0 ? [] : [`n${index - 1}`]));
    let visits = 0;
    await schedule(chain, async () => void visits++);
    expect(visits).to.equal(20_000);
  });

  it('ranks a node by its longest chain of dependents', () => {
    const ranks = criticalPaths([node('a', [], 1), node('b', ['a'], 10), node('c', ['a'], 2), node('d', ['c'], 3)]);
    expect(Object.fromEntries(ranks)).to.deep.equal({ a: 11, b: 10, c: 5, d: 3 });
  });
});

describe('p-graph, as schedule relies on it', () => {
  it('reads edges as [prerequisite, dependent] and can run a graph again', async () => {
    const seen: string[] = [];
    const run = (id: string) => ({ run: async () => void seen.push(id) });
    const graph = new PGraph({ first: run('first'), second: run('second') }, [['first', 'second']]);
    await graph.run();
    await graph.run();
    expect(seen).to.deep.equal(['first', 'second', 'first', 'second']);
  });

  it('continues with nodes that do not depend on a rejected one if `continue` is set', async () => {
    const seen: string[] = [];
    const graph = new PGraph(
      {
        bad: { run: () => Promise.reject(new Error('no')) },
        behind: { run: async () => void seen.push('behind') },
        beside: { run: async () => void seen.push('beside') },
      },
      [['bad', 'behind']],
    );
    const outcome = await graph.run({ continue: true }).catch((error: unknown) => error);
    expect(outcome).to.be.instanceOf(Error);
    expect(seen).to.deep.equal(['beside']);
  });

  it('refuses a concurrency of zero', async () => {
    const graph = new PGraph({ only: { run: () => Promise.resolve() } }, []);
    // It throws synchronously or asynchronously, depending on whether run() has become asynchronous yet.
    const outcome = await Promise.resolve()
      .then(() => graph.run({ concurrency: 0 }))
      .catch(() => 'refused');
    expect(outcome).to.equal('refused');
  });
});

describe('engine/plan/admission', () => {
  const settled = () => new Promise((resolve) => setImmediate(resolve));

  it('admits as many nodes as there are jobs, the longest critical path first', async () => {
    const admission = new Admission(1, {});
    const order: string[] = [];
    const claims = new Map<string, () => void>();
    for (const [id, rank] of [
      ['held', 0],
      ['short', 1],
      ['long', 9],
      ['middle', 5],
    ] as const) {
      void admission.admit({ rank }).then((release) => {
        order.push(id);
        claims.set(id, release);
      });
    }
    for (const id of ['held', 'long', 'middle', 'short']) {
      await settled();
      claims.get(id)!();
    }
    expect(order).to.deep.equal(['held', 'long', 'middle', 'short']);
  });

  it('gives no job to a node that waits for a pool', async () => {
    const admission = new Admission(2, { network: 1 });
    const first = await admission.admit({ rank: 3, pool: 'network' });
    let second: (() => void) | undefined;
    void admission.admit({ rank: 2, pool: 'network' }).then((release) => (second = release));
    const other = await admission.admit({ rank: 1 });
    expect(second).to.equal(undefined);
    other();
    await settled();
    expect(second).to.equal(undefined);
    first();
    await settled();
    expect(second).to.be.a('function');
  });

  it('returns a token only once', async () => {
    const admission = new Admission(1, {});
    const release = await admission.admit({ rank: 0 });
    release();
    release();
    await admission.admit({ rank: 0 });
    let third = false;
    void admission.admit({ rank: 0 }).then(() => (third = true));
    await settled();
    expect(third).to.equal(false);
  });
});
