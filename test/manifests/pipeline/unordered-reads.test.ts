import { expect } from 'chai';
import * as fc from 'fast-check';
import { findUnorderedReads } from '../../../src/manifests/pipeline/reads.js';
import { topologicalOrder } from '../../../src/manifests/pipeline/graph.js';
import { patternsOverlap } from '../../../src/manifests/pipeline/pattern-overlap.js';
import { checkText } from '../../support/check-text.js';

const GEN = 'gen: { uses: command, with: { argv: [x], writes: [gen/w.txt] } }';

describe('unordered reads', () => {
  const told = async (...nodes: readonly string[]): Promise<readonly string[]> =>
    (await checkText(`pyflow: 1\nparams: { a: { type: boolean, default: true } }\nnodes:\n  ${nodes.join('\n  ')}\n`))
      .filter(({ code }) => code !== 'pipeline::unused-param')
      .map(({ severity, code, message }) => `${severity} ${code}: ${message}`);
  const ERROR = 'error pipeline::unordered-read';

  for (const [what, node, message] of [
    [
      'a literal path',
      'z: { uses: command, with: { argv: [x], reads: [gen/w.txt] } }',
      '`z` reads `gen/w.txt`, which `gen` writes, but does not wait for `gen`.',
    ],
    [
      'a pattern',
      "z: { uses: command, with: { argv: [x], reads: ['gen/*.txt'] } }",
      '`z` reads `gen/*.txt` and `gen` writes `gen/w.txt`, but `z` does not wait for `gen`.',
    ],
    [
      'a folder',
      'z: { uses: command, with: { argv: [x], reads: [gen] } }',
      '`z` reads `gen` and `gen` writes `gen/w.txt`, but `z` does not wait for `gen`.',
    ],
    [
      'the presence of a path',
      'z: { uses: command, with: { argv: [x], exists: [gen/w.txt] } }',
      '`z` reads `gen/w.txt`, which `gen` writes, but does not wait for `gen`.',
    ],
    ['the requirements of an installer', 'z: { uses: package-manager, with: { root: gen } }', undefined],
    [
      'the version file of the app',
      'z: { uses: version-resolve, with: { root: gen, stack: host, providers: [system] }, inputs: { manager: m.name } }',
      undefined,
    ],
  ] as const) {
    it(`are an error for ${what}`, async () => {
      const writer =
        message === undefined ? 'gen: { uses: command, with: { argv: [x], writes: [gen/Pipfile.lock] } }' : GEN;
      const manager = node.includes('m.name') ? ['m: { uses: package-manager }'] : [];
      const found = await told(writer, ...manager, node);
      expect(found).to.have.length(1);
      expect(found[0]).to.match(new RegExp(`^${ERROR}`));
      if (message !== undefined) expect(found[0]).to.equal(`${ERROR}: ${message}`);
    });
  }

  it('are reported at the entry of `reads`, with the line to add', async () => {
    const [problem] = await checkText(
      `pyflow: 1\nnodes:\n  ${GEN}\n  z: { uses: command, with: { argv: [x], reads: [a, gen/w.txt] } }\n`,
    );
    expect([problem?.start.line, problem?.remedy]).to.deep.equal([
      4,
      'Add `after: [gen]` to `z`. If `z` must not see that file, narrow its `reads`, or add `after: [z]` to `gen`.',
    ]);
  });

  it('are found for guards that can both be true, and not for those that exclude each other', async () => {
    const guarded = (when: string): string =>
      `z: { uses: command, when: "${when}", with: { argv: [x], reads: [gen/w.txt] } }`;
    const writer = 'gen: { uses: command, when: params.a, with: { argv: [x], writes: [gen/w.txt] } }';
    expect(await told(writer, guarded("run.mode == 'test'"))).to.have.length(1);
    expect(await told(writer, guarded('!params.a'))).to.deep.equal([]);
  });

  it('are not reported between ordered nodes, in either direction, even through other nodes', async () => {
    const via = 'm: { uses: command, with: { argv: [x] }, after: [gen] }';
    const reader = (more: string): string => `z: { uses: command, with: { argv: [x], reads: [gen/w.txt] }${more} }`;
    expect(await told(GEN, reader(', after: [gen]'))).to.deep.equal([]);
    expect(await told(GEN, via, reader(', after: [m]'))).to.deep.equal([]);
    expect(await told(GEN, via, reader(', inputs: { tree: m.tree }'))).to.deep.equal([]);
    expect(
      await told(reader(''), 'gen: { uses: command, with: { argv: [x], writes: [gen/w.txt] }, after: [z] }'),
    ).to.deep.equal([]);
  });

  it('are a warning for a node that reads the whole app', async () => {
    expect(await told(GEN, "z: { uses: command, with: { argv: [x], reads: ['**'] } }")).to.deep.equal([
      'warning pipeline::unordered-read: `z` reads `**` and `gen` writes `gen/w.txt`, but `z` does not wait for `gen`.',
    ]);
  });

  it('are a warning for a hook, which may write anything', async () => {
    const hook = 'h: { uses: hook, with: { script: bin/h } }';
    const found = await told(hook, 'z: { uses: command, with: { argv: [x], reads: [src/a] } }');
    expect(found.map((text) => text.split(':')[0])).to.deep.equal(['warning pipeline']);
  });

  it('are found in random graphs exactly as by a simple search', () => {
    const PATTERNS = ['a', 'b', 'd/x', 'd/*', 'd', '**/x', 'e/{x,y}'];
    const patterns = fc.subarray(PATTERNS, { maxLength: 2 });
    const vertex = fc.record({ reads: patterns, writes: patterns, needs: fc.array(fc.nat(20), { maxLength: 2 }) });
    fc.assert(
      fc.property(fc.array(vertex, { minLength: 2, maxLength: 9 }), (vertices) => {
        const graph = vertices.map(({ needs }, index) => needs.filter((need) => need < index));
        const waits = (from: number, to: number): boolean =>
          graph[from]!.some((need) => need === to || waits(need, to));
        const expected = new Set<number>();
        for (const [reader, { reads }] of vertices.entries())
          for (const [writer, { writes }] of vertices.entries()) {
            if (reader === writer || waits(reader, writer) || waits(writer, reader)) continue;
            if (reads.some((read) => writes.some((written) => patternsOverlap(read, written)))) expected.add(reader);
          }
        const { found } = findUnorderedReads(
          graph,
          topologicalOrder(graph),
          vertices.map(({ reads }) => reads),
          vertices.map(({ writes }) => writes),
          () => false,
        );
        expect(new Set(found.map(({ reader }) => reader))).to.deep.equal(expected);
      }),
      { numRuns: 500 },
    );
  });
});
