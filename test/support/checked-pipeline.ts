// Checked pipelines without a file, for tests that draw and print graphs.

import type { CheckedNode, CheckedPipeline } from '../../src/manifests/pipeline/manifest.js';

export const checkedNode = (id: string, more: Partial<CheckedNode> = {}): CheckedNode => ({
  id: id as CheckedNode['id'],
  kind: 'command',
  config: {},
  inputs: {},
  optionalInputs: [],
  after: [],
  whenReads: [],
  dependencies: [],
  writes: [],
  env: {},
  secrets: [],
  cache: 'auto',
  retries: 0,
  network: false,
  ...more,
});

export const idOf = (name: string): CheckedNode['id'] => name as CheckedNode['id'];
export const refOf = (name: string, port: string) => ({ node: idOf(name), port });

/** A pipeline whose only edges are `after`. */
export const orderedNode = (id: string, ...after: readonly string[]): CheckedNode =>
  checkedNode(id, { after: after.map(idOf), dependencies: after.map(idOf) });

export const pipelineOf = (nodes: readonly CheckedNode[], name = 'test'): CheckedPipeline => ({
  name,
  params: {},
  pools: {},
  warnings: [],
  nodes,
});

/** Text that would be markup, a script or the end of a script if it were not escaped. */
export const HOSTILE = `</script></title></svg><script>alert(1)</script><img src=x onerror="alert('2')">&amp;]]>\u0007\ud800`;
export const HOSTILE_SHOWN = `</script></title></svg><script>alert(1)</script><img src=x onerror="alert('2')">&amp;]]>\ufffd\ufffd`;

/** A pipeline with guards, a `first-of`, redundant edges, and text that must be escaped in pages. */
export const branching: CheckedPipeline = pipelineOf(
  [
    checkedNode('pick', { kind: 'package-manager', description: HOSTILE }),
    orderedNode('early', 'pick'),
    checkedNode('left', {
      when: 'pick.name == "left"',
      whenReads: [refOf('pick', 'name')],
      after: [idOf('early'), idOf('pick')],
      dependencies: [idOf('early'), idOf('pick')],
    }),
    checkedNode('right', {
      when: `pick.name == "</script>"`,
      whenReads: [refOf('pick', 'name')],
      dependencies: [idOf('pick')],
    }),
    checkedNode('join', {
      kind: 'alias',
      inputs: { candidates: [refOf('left', 'tree'), refOf('right', 'tree')] },
      optionalInputs: ['candidates'],
      dependencies: [idOf('left'), idOf('right')],
    }),
    checkedNode('end', {
      inputs: { runtime: refOf('join', 'tree') },
      after: [idOf('pick')],
      dependencies: [idOf('join'), idOf('pick')],
    }),
  ],
  `branching ${HOSTILE}`,
);

/** About as many layers as nodes per layer. Each node depends on two nodes of the layer above. */
export function layered(count: number): CheckedPipeline {
  const width = Math.round(Math.sqrt(count));
  return pipelineOf(
    Array.from({ length: count }, (_, index) => {
      const above = (Math.floor(index / width) - 1) * width;
      const column = index % width;
      return above < 0
        ? orderedNode(`n${index}`)
        : orderedNode(`n${index}`, `n${above + column}`, `n${above + ((column + 1) % width)}`);
    }),
  );
}
