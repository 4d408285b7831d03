// The layered graph that floor and pyflow both run: about sqrt(N) layers, each node after two of the layer before, with one input
// and one output file per node. The outputs are sums, so they depend on everything upstream.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A single process: reads the first word of each file and writes the sum. */
const SCRIPT =
  'read -r s _ < "w/$0.in"; for id; do read -r n < "w/$id.out"; s=$(((s + n) % 999983)); done; echo $s > "w/$0.out"';

export const FOLDER = 'w';
export const inputOf = (id) => `w/${id}.in`;
export const outputOf = (id) => `w/${id}.out`;
export const commandOf = ({ id, needs }) => ['/bin/sh', '-c', SCRIPT, id, ...needs];

/** Nodes in topological order: `{ id, needs }`. */
export function layered(count) {
  const width = Math.max(2, Math.round(Math.sqrt(count)));
  return Array.from({ length: count }, (_, index) => {
    const layer = Math.floor(index / width);
    const column = index % width;
    const above = (layer - 1) * width;
    const needs = layer === 0 ? [] : [`n${above + column}`, `n${above + ((column + 1) % width)}`];
    return { id: `n${index}`, needs };
  });
}

/** Only the number changes the output, not the comment after it. */
export function writeInput(app, id, number, comment = 'first') {
  writeFileSync(join(app, inputOf(id)), `${number} ${comment}\n`);
}

export function writeInputs(app, nodes) {
  mkdirSync(join(app, FOLDER), { recursive: true });
  nodes.forEach(({ id }, index) => writeInput(app, id, index + 1));
}

/** The same graph as a pipeline file; terse, because a file may have at most 2 MB. */
export function pipelineOf(nodes) {
  const lines = [
    'pyflow: 1',
    'name: layered',
    'params:',
    `  sum: { type: string, default: ${JSON.stringify(SCRIPT)} }`,
  ];
  lines.push('nodes:');
  for (const { id, needs } of nodes) {
    const after = needs.length === 0 ? '' : `after: [${needs.join(', ')}], `;
    const argv = ['/bin/sh', '-c', '"${{ params.sum }}"', id, ...needs].join(', ');
    const reads = [inputOf(id), ...needs.map(outputOf)].join(', ');
    lines.push(
      `  ${id}: {uses: command, ${after}with: {argv: [${argv}], reads: [${reads}], writes: [${outputOf(id)}]}}`,
    );
  }
  return `${lines.join('\n')}\n`;
}
