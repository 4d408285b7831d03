import { expect } from 'chai';
import * as fc from 'fast-check';
import picomatch from 'picomatch';
import { topologicalOrder } from '../../../src/manifests/pipeline/graph.js';
import { patternsOverlap } from '../../../src/manifests/pipeline/pattern-overlap.js';
import { findConflicts } from '../../../src/manifests/pipeline/writes.js';

describe('write conflicts', () => {
  const never = (): boolean => false;

  it('detects patterns that can match the same path', () => {
    const overlapping = [
      ['a', 'a'],
      ['**', 'a/b'],
      ['a/**', 'a/b/c'],
      ['a/*.txt', 'a/b.txt'],
      ['a/*.txt', 'a/b*'],
      ['*/x', 'a/*'],
      ['a/{b,c}/d', 'a/c/*'],
      ['a', 'a/b'],
      ['a/**/z', 'a/z'],
      ['**/*.py', 'x/y.py'],
      ['a?c', 'abc'],
      ['[ab]', 'a'],
      ['./a/b', 'a//b'],
    ] as const;
    const apart = [
      ['a', 'b'],
      ['a/b', 'a/c'],
      ['a/*.txt', 'a/b.md'],
      ['a/*', 'b/*'],
      ['out/{a,b}', 'out/c'],
      ['**/*.py', 'requirements.txt'],
      ['a/**/x', 'a/y'],
      ['ab*', 'b*'],
      ['a?', 'a'],
    ] as const;
    for (const [a, b] of overlapping)
      expect(patternsOverlap(a, b) && patternsOverlap(b, a), `${a} ${b}`).to.equal(true);
    for (const [a, b] of apart) expect(patternsOverlap(a, b) || patternsOverlap(b, a), `${a} ${b}`).to.equal(false);
  });

  it('never misses a path that both patterns match', () => {
    const segment = fc
      .array(fc.constantFrom('a', 'b', '*', '?'), { minLength: 1, maxLength: 3 })
      .map((parts) => parts.join('').replace(/\*+/g, '*'));
    const pattern = fc
      .array(fc.oneof(segment, fc.constant('**'), fc.constant('{a,ab}')), { minLength: 1, maxLength: 4 })
      .map((parts) => parts.join('/'));
    const path = fc
      .array(
        fc.array(fc.constantFrom('a', 'b'), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('')),
        { minLength: 1, maxLength: 4 },
      )
      .map((parts) => parts.join('/'));
    fc.assert(
      fc.property(pattern, pattern, fc.array(path, { minLength: 30, maxLength: 30 }), (a, b, paths) => {
        const [inA, inB] = [picomatch(a, { dot: true }), picomatch(b, { dot: true })];
        if (paths.some((item) => inA(item) && inB(item))) expect(patternsOverlap(a, b)).to.equal(true);
      }),
      { numRuns: 2000 },
    );
  });

  it('finds unordered pairs, and no others', () => {
    const graph = [[], [0], [], [1, 2]];
    const writes = [['x/**'], ['x/a'], ['x/*'], ['x/a', 'y']];
    const { conflicts } = findConflicts(graph, topologicalOrder(graph), writes, never);
    expect(conflicts).to.deep.equal([{ earlier: 0, later: 2, patterns: ['x/**', 'x/*'], others: 1 }]);
    expect(findConflicts(graph, topologicalOrder(graph), writes, () => true).conflicts).to.deep.equal([]);
  });

  it('agrees with comparing every pair', () => {
    const patterns = ['a', 'a/*', 'a/b', 'a/b/c', '**', '*/b', 'b/**', 'c'];
    const graphs = fc.array(fc.tuple(fc.array(fc.nat({ max: 11 })), fc.subarray(patterns, { maxLength: 2 })), {
      maxLength: 12,
    });
    fc.assert(
      fc.property(graphs, (nodes) => {
        const graph = nodes.map(([needs], vertex) => [...new Set(needs)].filter((needed) => needed < vertex));
        const writes = nodes.map(([, own]) => own);
        const waits = (vertex: number, on: number): boolean =>
          (graph[vertex] ?? []).some((needed) => needed === on || waits(needed, on));
        const slow = new Set<number>();
        for (let later = 0; later < nodes.length; later++) {
          for (let earlier = 0; earlier < later; earlier++) {
            const meet = writes[later]?.some((mine) =>
              writes[earlier]?.some((theirs) => patternsOverlap(mine, theirs)),
            );
            if (meet && !waits(later, earlier)) slow.add(later);
          }
        }
        const order = nodes.map((_, index) => index);
        const { conflicts } = findConflicts(graph, order, writes, never);
        expect(conflicts.map(({ later }) => later)).to.have.members([...slow]);
      }),
      { numRuns: 500 },
    );
  });

  it('gives up, and says so, on thousands of patterns that begin with a wildcard', () => {
    const writes = Array.from({ length: 4000 }, (_, index) => [`*/x${index}`]);
    const { conflicts, gaveUp } = findConflicts(
      writes.map(() => []),
      [...writes.keys()],
      writes,
      never,
    );
    expect(conflicts).to.deep.equal([]);
    expect(gaveUp).to.equal(true);
  });
});
