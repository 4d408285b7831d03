import { expect } from 'chai';
import * as fc from 'fast-check';
import { findCycles, reachability, topologicalOrder } from '../../../src/manifests/pipeline/graph.js';

const acyclic = fc.integer({ min: 1, max: 40 }).chain((count) =>
  fc
    .tuple(
      fc.array(fc.array(fc.nat({ max: count - 1 }), { maxLength: 4 }), { minLength: count, maxLength: count }),
      fc.shuffledSubarray([...Array(count).keys()], { minLength: count, maxLength: count }),
    )
    // Keeps only edges that agree with a hidden order.
    .map(([edges, hidden]) =>
      edges.map((needs, vertex) =>
        [...new Set(needs)].filter((needed) => (hidden[needed] ?? 0) < (hidden[vertex] ?? 0)),
      ),
    ),
);

describe('graph', () => {
  it('orders prerequisites first, ties in file order', () => {
    expect(topologicalOrder([[2], [], [], [0, 1]])).to.deep.equal([1, 2, 0, 3]);
    expect(topologicalOrder([[], [], []])).to.deep.equal([0, 1, 2]);
    fc.assert(
      fc.property(acyclic, (graph) => {
        const order = topologicalOrder(graph);
        const rank = new Map(order.map((vertex, index) => [vertex, index]));
        expect(new Set(order).size).to.equal(graph.length);
        for (const [vertex, needs] of graph.entries()) {
          for (const needed of needs) expect(rank.get(needed)).to.be.lessThan(rank.get(vertex) ?? -1);
        }
        // No vertex could swap with a neighbour that has a later position.
        for (let at = 1; at < order.length; at++) {
          const [before = 0, here = 0] = [order[at - 1], order[at]];
          if (before > here) expect(graph[here]).to.include(before);
        }
        expect(findCycles(graph)).to.deep.equal([]);
      }),
    );
  });

  it('finds a shortest cycle per knot, and leaves its dependents out of the order', () => {
    expect(findCycles([[1], [2], [0], [3], [0]])).to.deep.equal([
      [0, 2, 1, 0],
      [3, 3],
    ]);
    expect(findCycles([[1, 2], [2], [0]])).to.deep.equal([[0, 2, 0]]);
    expect(topologicalOrder([[1], [0], [0], []])).to.deep.equal([3]);
  });

  it('reports only real cycles, and at least one when the order is incomplete', () => {
    const any = fc.array(fc.uniqueArray(fc.nat({ max: 9 }), { maxLength: 3 }), { minLength: 10, maxLength: 10 });
    fc.assert(
      fc.property(any, (graph) => {
        const cycles = findCycles(graph);
        expect(cycles.length > 0).to.equal(topologicalOrder(graph).length < graph.length);
        for (const cycle of cycles) {
          expect(cycle[0]).to.equal(cycle.at(-1));
          for (let at = 1; at < cycle.length; at++) expect(graph[cycle[at] ?? -1]).to.include(cycle[at - 1]);
        }
      }),
    );
  });

  it('knows which targets a vertex waits for', () => {
    fc.assert(
      fc.property(acyclic, fc.array(fc.nat({ max: 39 })), (graph, some) => {
        const targets = [...new Set(some)].filter((vertex) => vertex < graph.length);
        const { row } = reachability(graph, topologicalOrder(graph), targets);
        const slowly = (vertex: number): Set<number> =>
          new Set((graph[vertex] ?? []).flatMap((needed) => [needed, ...slowly(needed)]));
        for (let vertex = 0; vertex < graph.length; vertex++) {
          const bits = row(vertex);
          const found = targets.filter((_, index) => ((bits[index >> 5] ?? 0) & (1 << (index & 31))) !== 0);
          const expected = slowly(vertex);
          expect(found).to.have.members(targets.filter((target) => expected.has(target)));
        }
      }),
      { numRuns: 50 },
    );
  });

  it('handles a chain of twenty thousand vertices', () => {
    const chain = Array.from({ length: 20_000 }, (_, vertex) => (vertex === 0 ? [] : [vertex - 1]));
    expect(topologicalOrder(chain).at(-1)).to.equal(19_999);
    expect(findCycles(chain.map((needs, vertex) => (vertex === 0 ? [19_999] : needs)))[0]).to.have.length(20_001);
  });
});
