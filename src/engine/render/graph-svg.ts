// A checked pipeline as a layered drawing in SVG. All text from the pipeline file is escaped.

import { ancestorsOf } from '../plan/ancestors.js';
import { fail, succeed, type Failure, type Result } from '../failure.js';
import type { CheckedNode, CheckedPipeline } from '../../manifests/pipeline/manifest.js';
import { cleanText, cutText, textWidth } from '../files/clean-text.js';
import { edgesOf, labelOf, type Edge } from './graph.js';
import { layOut, type Box, type Layout, type Point } from './graph-layout.js';
import { countOf } from './messages.js';
import { escapeMarkup, inBothSchemes, GROUP_COUNT, MONOSPACE, type Palette } from './page.js';

/** In a larger drawing, nothing can be found sooner than by searching the text. */
const MAX_NODES = 2000;
const MAX_LINKS = 10_000;
/** With more links, ports appear only when the pointer is on an edge. */
const MAX_LABELLED = 250;
const MAX_COLUMNS = 40;

/** All edges from one node to another, drawn as one. */
export interface Link {
  readonly from: string;
  readonly to: string;
  readonly edges: readonly Edge[];
  readonly labels: readonly string[];
  /** The ports and guards it stands for. */
  readonly text: string;
}
interface DrawnLine {
  readonly text: string;
  readonly style: 'name' | 'kind' | 'guard';
}

export interface Drawing {
  readonly svg: string;
  readonly layout: Layout;
  /** All links, including those that are not drawn. */
  readonly links: readonly Link[];
}

/** `alone`: for a file that includes the style. Otherwise for a page that has `graphStyle`. */
export function drawGraph(pipeline: CheckedPipeline, { alone }: { readonly alone: boolean }): Result<Drawing, Failure> {
  const all = linksOf(pipeline);
  if (pipeline.nodes.length > MAX_NODES || all.length > MAX_LINKS) return fail(tooLarge(pipeline, all.length));
  const links = withoutImplied(pipeline, all);
  const isLabelled = links.length <= MAX_LABELLED;
  const lines = new Map(pipeline.nodes.map((node) => [node.id as string, linesOf(node)]));
  const layout = layOut(
    new Map([...lines].map(([id, of]) => [id, sizeOf(of)])),
    links.map((link) => ({ from: link.from, to: link.to, ...(isLabelled ? labelSize(link) : NO_LABEL) })),
  );
  if (layout === undefined) return fail(tooLarge(pipeline, all.length));
  const guards = guardsOf(pipeline);
  const legend = legendOf(guards, layout);
  const width = Math.ceil(Math.max(layout.width, legend.width));
  const height = Math.ceil(layout.height + legend.height);
  const drawnNodes = pipeline.nodes.map((node) => nodeMarkup(node, lines.get(node.id) ?? [], layout, guards));
  const drawnLinks = links.map((link, index) => linkMarkup(link, layout.links[index]!));
  const labels = isLabelled ? links.map((link, index) => labelMarkup(link, layout.links[index]!.label)) : [];
  const svg = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" class="graph" aria-labelledby="graph-title graph-desc"${alone ? ' role="img"' : ' role="group"'}>`,
    `<title id="graph-title">${escapeMarkup(`Pipeline ${pipeline.name}`)}</title>`,
    `<desc id="graph-desc">${escapeMarkup(summaryOf(pipeline, all.length))}</desc>`,
    ...(alone ? [`<style>${graphStyle()}\n</style>`] : []),
    ...(alone ? ['<rect class="paper" width="100%" height="100%"/>'] : []),
    `<defs>${['input', 'when', 'after'].map(arrowMarkup).join('')}</defs>`,
    `<g class="links">${drawnLinks.join('\n')}</g>`,
    `<g class="labels">${labels.join('\n')}</g>`,
    `<g class="nodes">${drawnNodes.join('\n')}</g>`,
    legend.markup,
    '</svg>\n',
  ].join('\n');
  return succeed({ svg, layout, links: all });
}

const tooLarge = ({ nodes }: CheckedPipeline, links: number): Failure => ({
  code: 'graph::too-large',
  blame: 'pipeline',
  title: `The graph is too large to draw: ${countOf(nodes.length, 'node')}, ${countOf(links, 'edge')}`,
  detail: `pyflow draws at most ${countOf(MAX_NODES, 'node')} and ${countOf(MAX_LINKS, 'edge')}, and chains of about 1,000 nodes.`,
  remedy: 'Print the graph for another tool: `pyflow graph PIPELINE --format dot`, or `--format json`.',
});

export const summaryOf = ({ nodes }: CheckedPipeline, links: number): string =>
  `${countOf(nodes.length, 'node')} and ${countOf(links, 'edge')} between them. Each node is below the nodes that it needs.`;

function linksOf(pipeline: CheckedPipeline): readonly Link[] {
  const found = new Map<string, Edge[]>();
  for (const edge of pipeline.nodes.flatMap(edgesOf)) {
    const pair = `${edge.from} ${edge.to}`;
    const known = found.get(pair);
    if (known === undefined) found.set(pair, [edge]);
    else known.push(edge);
  }
  return [...found.values()].map((edges) => {
    const texts = new Set(edges.filter(({ type }) => type !== 'after').map(edgeText));
    const shown = [...texts].slice(0, texts.size > 3 ? 2 : 3).map((text) => cutText(cleanText(text), MAX_COLUMNS));
    const labels = texts.size > 3 ? [...shown, `and ${texts.size - 2} more`] : shown;
    const text = [...new Set(edges.map(edgeText))].join(', ');
    return { from: edges[0]!.from, to: edges[0]!.to, edges, labels, text };
  });
}

/** Without `after` edges that a longer path implies: many pipelines have more `after` than they need. */
function withoutImplied({ nodes }: CheckedPipeline, links: readonly Link[]): readonly Link[] {
  const positions = new Map(nodes.map(({ id }, index) => [id as string, index]));
  const ancestors = ancestorsOf(nodes);
  return links.filter((link) => {
    if (typeOf(link) !== 'after') return true;
    const from = positions.get(link.from)!;
    const { dependencies } = nodes[positions.get(link.to)!]!;
    return !dependencies.some((needed) => ancestors(positions.get(needed)!).has(from));
  });
}

const edgeText = (edge: Edge): string => (edge.type === 'when' ? `when ${edge.port}` : labelOf(edge));

/** The strongest type: an edge that carries a value also orders. */
const typeOf = ({ edges }: Link): Edge['type'] =>
  (['input', 'when'] as const).find((type) => edges.some((edge) => edge.type === type)) ?? 'after';

/** The number of nodes of which the node uses one that ran: a list of producers that can be skipped. */
const choicesOf = ({ inputs, optionalInputs }: CheckedNode): number =>
  optionalInputs.reduce((most, port) => {
    const source = inputs[port];
    return Array.isArray(source) ? Math.max(most, source.length) : most;
  }, 0);

function linesOf(node: CheckedNode): readonly DrawnLine[] {
  const choices = choicesOf(node);
  const asides = [...(node.kind === node.id ? [] : [node.kind]), ...(choices > 1 ? [`one of ${choices}`] : [])];
  return [
    { text: cutText(cleanText(node.id), MAX_COLUMNS), style: 'name' },
    ...(asides.length === 0
      ? []
      : [{ text: cutText(cleanText(asides.join(', ')), MAX_COLUMNS), style: 'kind' } as const]),
    ...(node.when === undefined
      ? []
      : [{ text: cutText(`when ${cleanText(node.when)}`, MAX_COLUMNS), style: 'guard' } as const]),
  ];
}

/** Pixels. Text is not measured, so widths are those of the widest common font. */
const FONT = { name: 13, kind: 11, guard: 10.5, label: 10.5 } as const;
const widthOf = (text: string, style: keyof typeof FONT): number => Math.ceil(textWidth(text) * FONT[style] * 0.61);
const LINE = 16;
const PAD_X = 16;
const PAD_Y = 9;

const sizeOf = (lines: readonly DrawnLine[]): Pick<Box, 'width' | 'height'> => ({
  width: Math.max(64, ...lines.map(({ text, style }) => widthOf(text, style))) + 2 * PAD_X,
  height: lines.length * LINE + 2 * PAD_Y,
});

const NO_LABEL = { width: 0, height: 0 };
const LABEL_LINE = 13;
const labelSize = ({ labels }: Link): Pick<Box, 'width' | 'height'> =>
  labels.length === 0
    ? NO_LABEL
    : { width: Math.max(...labels.map((text) => widthOf(text, 'label'))) + 8, height: labels.length * LABEL_LINE + 4 };

/** Nodes with the same guard run together. The number picks a color, while there are enough. */
function guardsOf({ nodes }: CheckedPipeline): ReadonlyMap<string, number> {
  const guards = new Map<string, number>();
  for (const { when } of nodes) if (when !== undefined && !guards.has(when)) guards.set(when, guards.size);
  return guards;
}

function nodeMarkup(
  node: CheckedNode,
  lines: readonly DrawnLine[],
  { nodes }: Layout,
  guards: ReadonlyMap<string, number>,
): string {
  const { x, y, width, height } = nodes.get(node.id)!;
  const guard = node.when === undefined ? undefined : guards.get(node.when)!;
  const group = guard !== undefined && guard < GROUP_COUNT ? guard : undefined;
  const isChoice = choicesOf(node) > 1;
  const classes = [
    'node',
    ...(guard === undefined ? [] : ['guarded']),
    ...(group === undefined ? [] : [`group${group}`]),
    ...(isChoice ? ['choice'] : []),
  ];
  const left = round(x - width / 2);
  const top = round(y - height / 2);
  const box = `width="${round(width)}" height="${round(height)}" rx="${isChoice ? round(height / 2) : 6}"`;
  const title = [
    `${node.id} (${node.kind})`,
    ...(node.when === undefined ? [] : [`when ${node.when}`]),
    ...(node.description === undefined ? [] : [node.description]),
  ];
  const texts = lines.map(
    ({ text, style }, index) =>
      `<text class="${style}" x="${round(width / 2)}" y="${PAD_Y + index * LINE + 12}">${escapeMarkup(text)}</text>`,
  );
  return [
    `<g class="${classes.join(' ')}" data-id="${escapeMarkup(node.id)}" transform="translate(${left} ${top})">`,
    `<title>${escapeMarkup(title.join('\n'))}</title>`,
    `<rect class="box" ${box}/>`,
    ...(group === undefined
      ? []
      : [`<rect class="stripe" x="5" y="8" width="4" height="${round(height - 16)}" rx="2"/>`]),
    ...texts,
    '</g>',
  ].join('');
}

function linkMarkup(link: Link, { points }: Layout['links'][number]): string {
  const type = typeOf(link);
  const title = `${link.from} to ${link.to}: ${link.text}`;
  return [
    `<g class="link ${type}" data-from="${escapeMarkup(link.from)}" data-to="${escapeMarkup(link.to)}">`,
    `<title>${escapeMarkup(title)}</title>`,
    `<path d="${curve(points)}" marker-end="url(#arrow-${type})"/>`,
    '</g>',
  ].join('');
}

function labelMarkup(link: Link, { x, y }: Point): string {
  if (link.labels.length === 0) return '';
  const { width, height } = labelSize(link);
  const texts = link.labels.map(
    (text, index) =>
      `<text x="${round(x)}" y="${round(y - height / 2 + 12 + index * LABEL_LINE)}">${escapeMarkup(text)}</text>`,
  );
  return [
    `<g class="label" data-from="${escapeMarkup(link.from)}" data-to="${escapeMarkup(link.to)}">`,
    `<rect class="paper" x="${round(x - width / 2)}" y="${round(y - height / 2)}" width="${round(width)}" height="${round(height)}" rx="3"/>`,
    ...texts,
    '</g>',
  ].join('');
}

const arrowMarkup = (type: string): string =>
  `<marker id="arrow-${type}" class="arrow ${type}" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="8" markerHeight="8" orient="auto" markerUnits="userSpaceOnUse"><path d="M0 0.5L8 4L0 7.5z"/></marker>`;

/** Runs through the middles of the segments with the bends as control points, so it has no corners and no overshoot. */
function curve(points: readonly Point[]): string {
  const at = ({ x, y }: Point): string => `${round(x)} ${round(y)}`;
  const first = points[0]!;
  const last = points[points.length - 1]!;
  const bends = points.slice(1, -1).map((bend, index, inner) => {
    const next = inner[index + 1];
    return `Q${at(bend)} ${at(next === undefined ? last : { x: (bend.x + next.x) / 2, y: (bend.y + next.y) / 2 })}`;
  });
  return bends.length === 0 ? `M${at(first)}L${at(last)}` : `M${at(first)}${bends.join('')}`;
}

const round = (value: number): number => Math.round(value * 10) / 10;

/** Explains the lines and the colors of guards, below the drawing. */
function legendOf(guards: ReadonlyMap<string, number>, { width, height }: Layout) {
  const items = [
    ...(['input', 'when', 'after'] as const).map((type) => ({
      mark: `<path class="link ${type}" d="M0 8H28" marker-end="url(#arrow-${type})"/>`,
      text: {
        input: 'a value or tree',
        when: 'decides whether it runs',
        after: 'only sets the order',
      }[type],
    })),
    ...[...guards].slice(0, GROUP_COUNT).map(([when, index]) => ({
      mark: `<g class="group${index}"><rect class="stripe" x="12" y="1" width="4" height="14" rx="2"/></g>`,
      text: `when ${cutText(cleanText(when), 2 * MAX_COLUMNS)}`,
    })),
  ];
  const room = Math.max(width - 40, 320);
  let x = 0;
  let y = 0;
  const drawn = items.map(({ mark, text }) => {
    const wide = 36 + widthOf(text, 'kind') + 24;
    if (x > 0 && x + wide > room) {
      x = 0;
      y += 22;
    }
    const item = `<g transform="translate(${x} ${y})">${mark}<text class="kind" x="36" y="12">${escapeMarkup(text)}</text></g>`;
    x += wide;
    return { item, right: x };
  });
  return {
    markup: `<g class="legend" transform="translate(20 ${round(height + 8)})">${drawn.map(({ item }) => item).join('')}</g>`,
    width: Math.max(...drawn.map(({ right }) => right)) + 40,
    height: y + 44,
  };
}

export const graphStyle = (): string => `
${inBothSchemes(graphRules)}
.graph text { font-family: ${MONOSPACE}; text-anchor: middle; stroke: none; }
.graph .name { font-size: ${FONT.name}px; font-weight: 600; }
.graph .kind { font-size: ${FONT.kind}px; }
.graph .guard { font-size: ${FONT.guard}px; font-style: italic; }
.graph .label text { font-size: ${FONT.label}px; }
.graph .legend text { text-anchor: start; }
.graph .box { stroke-width: 1.25; }
.graph .guarded .box { stroke-dasharray: 5 3; }
.graph .link path, .graph path.link { fill: none; stroke-width: 1.3; }
.graph .when path, .graph path.when { stroke-dasharray: 6 4; }
.graph .after path, .graph path.after { stroke-dasharray: 1.5 4; stroke-linecap: round; }
.graph .arrow path { stroke: none; }`;

const graphRules = ({ back, panel, ink, muted, accent, warn, groups }: Palette): string => `
.graph .paper { fill: ${back}; }
.graph .box { fill: ${panel}; stroke: ${muted}; }
.graph .choice .box { stroke: ${accent}; }
.graph .name { fill: ${ink}; }
.graph .kind, .graph .guard, .graph .label text { fill: ${muted}; }
.graph .input path, .graph path.input { stroke: ${muted}; }
.graph .when path, .graph path.when { stroke: ${warn}; }
.graph .after path, .graph path.after { stroke: ${muted}; }
.graph .arrow.input path, .graph .arrow.after path { fill: ${muted}; }
.graph .arrow.when path { fill: ${warn}; }
${groups.map((color, index) => `.graph .group${index} .stripe { fill: ${color}; }`).join('\n')}`;
