// A checked pipeline as a page: the drawing, search, the details of a node, and a table of all nodes.

import { succeed, type Failure, type Result } from '../failure.js';
import type { CheckedPipeline } from '../../manifests/pipeline/manifest.js';
import { cleanText } from '../files/clean-text.js';
import { GRAPH_SCRIPT, type GraphPageData } from './graph-page-script.js';
import { drawGraph, graphStyle, summaryOf, type Drawing, type Link } from './graph-svg.js';
import { escapeMarkup, inBothSchemes, plainText, renderPage, type Palette } from './page.js';

export function graphPage(pipeline: CheckedPipeline): Result<string, Failure> {
  const drawn = drawGraph(pipeline, { alone: false });
  if (!drawn.ok) return drawn;
  const name = escapeMarkup(cleanText(pipeline.name));
  const { links } = drawn.value;
  const body = `<header>
<h1>${name}</h1>
<p class="muted">${escapeMarkup(summaryOf(pipeline, links.length))}</p>
<div class="tools" role="toolbar" aria-label="View">
<label for="search">Search</label>
<input id="search" type="search" autocomplete="off" spellcheck="false" placeholder="name, kind, guard">
<output id="found" for="search" aria-live="polite"></output>
<button type="button" id="zoom-out" aria-label="Zoom out">−</button>
<button type="button" id="zoom-in" aria-label="Zoom in">+</button>
<button type="button" id="fit">Whole graph</button>
</div>
</header>
<main>
<div class="canvas panel" role="region" aria-label="Graph. Arrow keys move between nodes, plus and minus zoom.">
${drawn.value.svg}</div>
<aside id="details" class="panel" aria-live="polite" aria-label="Node"></aside>
</main>
<details class="all">
<summary>All nodes as a table</summary>
<div class="scroll">
<table>
<thead><tr><th scope="col">Node</th><th scope="col">Kind</th><th scope="col">Needs</th><th scope="col">Runs when</th><th scope="col">Description</th></tr></thead>
<tbody>
${rowsOf(pipeline, links)}
</tbody>
</table>
</div>
</details>
<script type="application/json" id="graph-data">${embed(dataOf(pipeline, drawn.value))}</script>`;
  return succeed(
    renderPage({
      title: `${cleanText(pipeline.name)} - pipeline`,
      style: `${graphStyle()}\n${STYLE}\n${inBothSchemes(colors)}`,
      body,
      script: GRAPH_SCRIPT,
    }),
  );
}

function rowsOf({ nodes }: CheckedPipeline, links: readonly Link[]): string {
  const needs = new Map<string, string[]>();
  for (const { from, to, text: carried } of links) {
    const text = `${from} (${carried})`;
    needs.set(to, [...(needs.get(to) ?? []), text]);
  }
  return nodes
    .map(({ id, kind, when, description }) => {
      const cells = [kind, (needs.get(id) ?? []).join('; '), when ?? '', description ?? ''];
      return `<tr><th scope="row" class="code">${escapeMarkup(id)}</th>${cells.map((text) => `<td>${escapeMarkup(text)}</td>`).join('')}</tr>`;
    })
    .join('\n');
}

function dataOf({ nodes }: CheckedPipeline, { layout, links }: Drawing): GraphPageData {
  const positions = new Map(nodes.map(({ id }, index) => [id as string, index]));
  return {
    nodes: nodes.map(({ id, kind, when, description }) => {
      const { x, y, width, height } = layout.nodes.get(id)!;
      return {
        id,
        kind,
        ...(when === undefined ? {} : { when: plainText(when) }),
        ...(description === undefined ? {} : { description: plainText(description) }),
        box: [x, y, width, height].map(Math.round) as unknown as readonly [number, number, number, number],
      };
    }),
    links: links.map(({ from, to, text }) => [positions.get(from)!, positions.get(to)!, text]),
  };
}

/** JSON that can't close the element around it. */
const embed = (data: unknown): string =>
  JSON.stringify(data).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

const STYLE = `
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0.3rem 1.25rem; padding: 0.9rem 1.25rem; }
header p { margin: 0; }
.tools { display: none; align-items: center; gap: 0.5rem; margin-left: auto; }
.live .tools { display: flex; flex-wrap: wrap; }
.tools input { font: inherit; padding: 0.25rem 0.6rem; border-width: 1px; border-style: solid; border-radius: 6px; width: 14rem; max-width: 50vw; }
.tools output { min-width: 4.5rem; font-variant-numeric: tabular-nums; }
button { font: inherit; padding: 0.25rem 0.7rem; border-width: 1px; border-style: solid; border-radius: 6px; cursor: pointer; }
main { padding: 0 1.25rem; }
.canvas { overflow: auto; }
#details { display: none; }
.live main { display: grid; grid-template-columns: minmax(0, 1fr) 20rem; gap: 1rem; height: calc(100vh - 8.5rem); min-height: 22rem; }
.live .canvas { overflow: hidden; cursor: grab; touch-action: none; }
.live .canvas.dragging { cursor: grabbing; }
.live .canvas > svg { display: block; width: 100%; height: 100%; user-select: none; }
.live #details { display: block; padding: 0.9rem 1.1rem; overflow: auto; }
#details h2 { margin: 0; font-size: 1.05rem; overflow-wrap: anywhere; }
#details h3 { margin: 1rem 0 0.25rem; font-size: 0.8rem; }
#details p { margin: 0.25rem 0; overflow-wrap: anywhere; white-space: pre-line; }
#details ul { list-style: none; margin: 0; padding: 0; }
#details li { margin: 0.15rem 0; overflow-wrap: anywhere; }
button.jump { background: none; border: 0; padding: 0; text-align: left; text-decoration: underline; text-underline-offset: 2px; }
.live .node { cursor: pointer; }
.node:focus { outline: none; }
.focused .node:not(.near), .searched .node:not(.match) { opacity: 0.3; }
.searched .node.selected { opacity: 1; }
.focused .link:not(.near), .focused .labels > g:not(.near), .searched .links, .searched .labels { opacity: 0.12; }
.searched.focused .near { opacity: 1; }
.focused .legend .link { opacity: 1; }
.graph .node.selected .box, .graph .node:focus-visible .box, .graph .node.match .box { stroke-width: 2.5; }
.graph .link.near path { stroke-width: 2; }
details.all { padding: 0.9rem 1.25rem 1.5rem; }
details.all td { overflow-wrap: break-word; }
details.all td:nth-child(2) { white-space: nowrap; }
.scroll { overflow-x: auto; }
@media (max-width: 52rem) {
  .live main { grid-template-columns: minmax(0, 1fr); grid-template-rows: minmax(20rem, 1fr) auto; height: auto; }
  .live .canvas { height: 65vh; }
  .tools { margin-left: 0; }
}
@media print {
  .tools, #details { display: none !important; }
  .live main { display: block; height: auto; }
}`;

const colors = ({ panel, ink, line, accent }: Palette): string => `
button, .tools input { background: ${panel}; color: ${ink}; border-color: ${line}; }
button.jump { color: ${accent}; }
.graph .paper { fill: ${panel}; }
.graph .node.selected .box, .graph .node:focus-visible .box, .graph .node.match .box { stroke: ${accent}; stroke-dasharray: none; }
.graph .link.near path { stroke: ${accent}; }`;
