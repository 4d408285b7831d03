// The layered graph that floor and pyflow both run: about sqrt(N) layers, each node on two of the layer before, one
// input and one output file a node. The outputs are sums, so they really depend on all that lies upstream.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** One process and no other program: reads the first line of each file and writes the sum. */
const SCRIPT =
  'read -r s _ < "$1"; o=$2; shift 2; for f; do read -r n < "$f"; s=$(((s + n) % 999983)); done; echo $s > "$o"';

export const inputOf = (id) => `work/${id}.in`;
export const outputOf = (id) => `work/${id}.out`;
export const commandOf = ({ id, needs }) => [
  '/bin/sh',
  '-c',
  SCRIPT,
  'sum',
  inputOf(id),
  outputOf(id),
  ...needs.map(outputOf),
];

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

/** The number decides the output; the comment behind it does not. */
export function writeInput(app, id, number, comment = 'first') {
  writeFileSync(join(app, inputOf(id)), `${number} ${comment}\n`);
}

export function writeInputs(app, nodes) {
  mkdirSync(join(app, 'work'), { recursive: true });
  nodes.forEach(({ id }, index) => writeInput(app, id, index + 1));
}

/** The same graph as a pipeline file. */
export function pipelineOf(nodes) {
  const quote = JSON.stringify;
  const lines = ['pyflow: 1', 'name: layered', 'nodes:'];
  for (const node of nodes) {
    const { id, needs } = node;
    lines.push(
      `  ${id}:`,
      '    uses: command',
      ...(needs.length === 0 ? [] : [`    after: [${needs.join(', ')}]`]),
      '    with:',
      `      argv: [${commandOf(node).map(quote).join(', ')}]`,
      `      reads: [${[inputOf(id), ...needs.map(outputOf)].join(', ')}]`,
      `      writes: [${outputOf(id)}]`,
    );
  }
  return `${lines.join('\n')}\n`;
}
