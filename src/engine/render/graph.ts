// A checked pipeline as text for other tools: Mermaid, Graphviz, JSON. graph-svg.ts makes pyflow's own drawings.

import { unreachable } from '../failure.js';
import type { CheckedNode, CheckedPipeline, Reference } from '../../manifests/pipeline/manifest.js';

export type GraphFormat = 'mermaid' | 'dot' | 'json';

export interface Edge {
  readonly from: string;
  readonly to: string;
  /** `input` carries a value or tree, `when` decides, `after` only orders. */
  readonly type: 'input' | 'when' | 'after';
  /** The producer's port. */
  readonly port?: string;
  /** The consumer's port. */
  readonly into?: string;
}

export function renderGraph(pipeline: CheckedPipeline, format: GraphFormat): string {
  switch (format) {
    case 'mermaid':
      return mermaid(pipeline);
    case 'dot':
      return dot(pipeline);
    case 'json':
      return `${JSON.stringify(graphOf(pipeline), undefined, 2)}\n`;
    default:
      return unreachable(format);
  }
}

export function edgesOf(node: CheckedNode): Edge[] {
  const edges: Edge[] = [];
  for (const [into, source] of Object.entries(node.inputs)) {
    for (const reference of isMany(source) ? source : [source]) {
      edges.push({ from: reference.node, to: node.id, type: 'input', port: reference.port, into });
    }
  }
  for (const reference of node.whenReads)
    edges.push({ from: reference.node, to: node.id, type: 'when', port: reference.port });
  for (const before of node.after) edges.push({ from: before, to: node.id, type: 'after' });
  return edges;
}

const isMany = (source: Reference | readonly Reference[]): source is readonly Reference[] => Array.isArray(source);

const graphOf = (pipeline: CheckedPipeline) => ({
  pipeline: pipeline.name,
  nodes: pipeline.nodes.map(({ id, kind, when, description }) => ({ id, kind, when, description })),
  edges: pipeline.nodes.flatMap(edgesOf),
});

function mermaid(pipeline: CheckedPipeline): string {
  // Numbers stand for the names, because a node can have a name that Mermaid reserves: `end`, `graph`.
  const ids = numbered(pipeline);
  const arrow = { input: '-->', when: '-.->', after: '-.->' };
  const lines = pipeline.nodes.map((node) => {
    const kind = node.kind === node.id ? '' : `<br/>${mermaidText(node.kind)}`;
    const shape = node.when === undefined ? ['["', '"]'] : ['{{"', '"}}'];
    return `  ${ids.get(node.id)}${shape[0]}${mermaidText(node.id)}${kind}${shape[1]}`;
  });
  for (const edge of pipeline.nodes.flatMap(edgesOf)) {
    lines.push(`  ${ids.get(edge.from)} ${arrow[edge.type]}|"${mermaidText(labelOf(edge))}"| ${ids.get(edge.to)}`);
  }
  return `${['flowchart TD', ...lines].join('\n')}\n`;
}

const mermaidText = (text: string): string =>
  text.replace(/[#"<>&|\n]/g, (character) => `#${character.codePointAt(0)};`);

function dot(pipeline: CheckedPipeline): string {
  const style = { input: 'solid', when: 'dashed', after: 'dotted' };
  const lines = pipeline.nodes.map(
    (node) =>
      `  ${quote(node.id)} [label=${quote(node.kind === node.id ? node.id : `${node.id}\n${node.kind}`)}, shape=${node.when === undefined ? 'box' : 'hexagon'}];`,
  );
  for (const edge of pipeline.nodes.flatMap(edgesOf)) {
    lines.push(
      `  ${quote(edge.from)} -> ${quote(edge.to)} [label=${quote(labelOf(edge))}, style=${style[edge.type]}];`,
    );
  }
  return `${[`digraph ${quote(pipeline.name)} {`, '  rankdir=TB;', ...lines, '}'].join('\n')}\n`;
}

const quote = (text: string): string =>
  `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;

export const labelOf = ({ type, port, into }: Edge): string =>
  type === 'input' && port !== into ? `${port} as ${into}` : (port ?? type);

const numbered = (pipeline: CheckedPipeline): Map<string, string> =>
  new Map(pipeline.nodes.map(({ id }, index) => [id, `n${index}`]));
