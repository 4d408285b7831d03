// A report as a page: what failed and what to do, where the time went, and every node with its reasons.

import { unreachable, type Failure } from '../failure.js';
import type { NodeReport, Outcome, RunReport } from '../events.js';
import { countOf, formatBytes, formatDuration, formatOutcome, placesOf, remedyOf } from './messages.js';
import { reasonLines } from './reasons.js';
import { escapeReported, inBothSchemes, renderPage, type Palette } from './page.js';
import { countOutcomes, failuresOf, savedTime } from './summary.js';
import { formatUnshared } from './unshared.js';

export function reportPage(report: RunReport): string {
  const { runId, pipeline, appId, status, startedAt } = report;
  const started = Number.isNaN(Date.parse(startedAt)) ? startedAt : startedAt.replace(/T(.*?)(\.\d+)?Z$/, ' $1 UTC');
  const body = [
    '<header>',
    `<h1>${escapeReported(pipeline)} <span class="badge ${toneOf(status)}">${escapeReported(status)}</span></h1>`,
    `<p class="muted">Run <span class="code">${escapeReported(runId)}</span> for <span class="code">${escapeReported(appId)}</span>, started <time datetime="${escapeReported(startedAt)}">${escapeReported(started)}</time></p>`,
    '</header>',
    '<main>',
    tiles(report),
    failures(report),
    timeline(report),
    nodes(report),
    buildData(report),
    '</main>',
  ];
  return renderPage({
    title: `${pipeline} for ${appId}: ${status}`,
    style: `${STYLE}\n${inBothSchemes(colors)}`,
    body: body.filter((part) => part !== '').join('\n'),
  });
}

type Tone = 'good' | 'bad' | 'warn' | 'plain' | 'quiet';

function toneOf(outcome: Outcome | RunReport['status']): Tone {
  switch (outcome) {
    case 'succeeded':
    case 'executed':
      return 'good';
    case 'failed':
      return 'bad';
    case 'blocked':
    case 'aborted':
      return 'warn';
    case 'restored':
      return 'plain';
    case 'up-to-date':
    case 'skipped':
      return 'quiet';
    default:
      return unreachable(outcome);
  }
}

function tiles(report: RunReport): string {
  const { durationMs, exitCode, slug, outputs = [], partial, remote } = report;
  const outcomes = countOutcomes(report).map(([outcome, count]) => `${count} ${formatOutcome(outcome)}`);
  const savedMs = savedTime(report);
  const tile = (name: string, value: string, aside = ''): string =>
    `<div class="panel tile"><dt class="muted">${name}</dt><dd>${escapeReported(value)}${aside === '' ? '' : `<span class="muted">${escapeReported(aside)}</span>`}</dd></div>`;
  return [
    '<dl class="tiles">',
    tile('Duration', formatDuration(durationMs), `exit status ${exitCode}`),
    tile('Time saved', savedMs >= 1 ? formatDuration(savedMs) : 'none', 'with results of earlier runs'),
    tile('Nodes', String(Object.keys(report.nodes).length), outcomes.join(', ')),
    slug === undefined
      ? tile('Slug', 'none', partial === true ? 'only part of the pipeline ran' : 'not written')
      : tile('Slug', formatBytes(slug.bytes), `${countOf(slug.files, 'file')} in ${slug.path}`),
    ...outputs.map(({ form, bytes, path }) => tile(`Output ${form}`, formatBytes(bytes), path)),
    ...(remote === undefined
      ? []
      : [tile('Remote cache', `${remote.hits} of ${remote.hits + remote.misses}`, remote.url)]),
    '</dl>',
  ].join('\n');
}

const BLAME: Readonly<Record<Failure['blame'], string>> = {
  app: 'The app is at fault.',
  pipeline: 'The pipeline file or the command line is at fault.',
  internal: 'pyflow is at fault.',
  environment: 'The environment is at fault.',
};

function failures(report: RunReport): string {
  const all = failuresOf(report);
  if (all.length === 0) return '';
  const cards = all.map(({ node, failure }) => {
    const { code, blame, title, detail } = failure;
    const remedy = remedyOf(failure);
    return [
      '<article class="panel failure">',
      `<h3>${node === undefined ? '' : `${nodeLink(node)}: `}${escapeReported(title)}</h3>`,
      `<p class="muted"><code>${escapeReported(code)}</code> · ${escapeReported(BLAME[blame])}</p>`,
      ...(detail === ''
        ? []
        : [`<pre class="detail" tabindex="0" aria-label="Detail">${escapeReported(detail.trimEnd())}</pre>`]),
      ...(remedy === '' ? [] : [`<p class="remedy"><b>What to do:</b> ${escapeReported(remedy)}</p>`]),
      '</article>',
    ].join('\n');
  });
  return ['<section aria-labelledby="failures">', '<h2 id="failures">What failed</h2>', ...cards, '</section>'].join(
    '\n',
  );
}

const nodeLink = (id: string): string => `<a href="#node-${escapeReported(id)}" class="code">${escapeReported(id)}</a>`;

interface Span {
  /** As markup. */
  readonly name: string;
  readonly tone: Tone;
  readonly fromMs: number;
  readonly tookMs: number;
}

/** Nodes that ran, sorted by start, the slug and the outputs. Restoring a node takes too little time for a bar. */
function spansOf({ nodes, startedAt, durationMs, slug, outputs = [] }: RunReport): readonly Span[] {
  const start = Date.parse(startedAt);
  const ofNodes = Object.entries(nodes).flatMap(([id, node]): readonly Span[] => {
    const fromMs = Math.max(0, Date.parse(node.startedAt ?? '') - start);
    const tookMs = node.durationMs;
    return Number.isNaN(fromMs) ? [] : [{ name: nodeLink(id), tone: toneOf(node.outcome), fromMs, tookMs }];
  });
  // One after the other, up to the end of the run.
  const written = [
    { name: 'writing the slug', tookMs: slug?.durationMs ?? 0 },
    ...outputs.map(({ form, durationMs: tookMs = 0 }) => ({ name: `writing ${form}`, tookMs })),
  ];
  let fromMs = durationMs - written.reduce((sum, { tookMs }) => sum + tookMs, 0);
  const ofSlug = written.map(({ name, tookMs }): Span => {
    const span: Span = { name, tone: 'plain', fromMs: Math.max(0, fromMs), tookMs };
    fromMs += tookMs;
    return span;
  });
  return [...ofNodes.sort((a, b) => a.fromMs - b.fromMs), ...ofSlug.filter(({ tookMs }) => tookMs > 0)];
}

function timeline(report: RunReport): string {
  const spans = spansOf(report);
  if (spans.length === 0) return '';
  const totalMs = spans.reduce(
    (most, { fromMs, tookMs }) => Math.max(most, fromMs + tookMs),
    Math.max(report.durationMs, 1),
  );
  const percent = (ms: number): string => `${Math.round((ms / totalMs) * 10_000) / 100}%`;
  const ticks = ticksOf(totalMs);
  const grid = ticks
    .map((ms) => `<line class="tick" x1="${percent(ms)}" x2="${percent(ms)}" y1="0" y2="100%"/>`)
    .join('');
  // A label at the end of the lane would not fit.
  const scale = ticks
    .filter((ms) => ms < totalMs * 0.93)
    .map(
      (ms) => `<text x="${percent(ms)}" dx="${ms === 0 ? 0 : 3}" y="12">${escapeReported(formatDuration(ms))}</text>`,
    )
    .join('');
  const rows = spans.map(
    ({ name, tone, fromMs, tookMs }) =>
      `<tr><th scope="row">${name}</th><td class="lane"><svg width="100%" height="18" aria-hidden="true">${grid}<rect class="${tone}" x="${percent(fromMs)}" y="3" width="${percent(Math.max(tookMs, totalMs / 1000))}" height="12" rx="2"/></svg></td><td class="number">${escapeReported(formatDuration(fromMs))}</td><td class="number">${escapeReported(formatDuration(tookMs))}</td></tr>`,
  );
  return `<section aria-labelledby="timeline">
<h2 id="timeline">Where the time went</h2>
<div class="panel scroll" role="region" aria-labelledby="timeline" tabindex="0">
<table class="timeline">
<thead><tr><th scope="col">Node</th><th class="lane"><svg width="100%" height="18" aria-hidden="true">${scale}</svg></th><th scope="col" class="number">Start</th><th scope="col" class="number">Took</th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
</table>
</div>
</section>`;
}

/** Four to eight round times, starting at 0. */
function ticksOf(totalMs: number): readonly number[] {
  const steps = [1, 2, 5].flatMap((base) => [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((power) => base * 10 ** power));
  const minutes = [15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 1_800_000, 3_600_000];
  const candidates = totalMs < 60_000 ? steps : [...minutes, ...steps.filter((step) => step > 3_600_000)];
  const step = candidates.sort((a, b) => a - b).find((ms) => totalMs / ms <= 7) ?? totalMs;
  return Array.from({ length: Math.floor(totalMs / step) + 1 }, (_, index) => index * step);
}

function nodes(report: RunReport): string {
  const entries = Object.entries(report.nodes);
  if (entries.length === 0) return '';
  return `<section aria-labelledby="nodes">
<h2 id="nodes">Nodes</h2>
<div class="panel scroll" role="region" aria-labelledby="nodes" tabindex="0">
<table>
<thead><tr><th scope="col">Node</th><th scope="col">Outcome</th><th scope="col" class="number">Took</th><th scope="col" class="number">Saved</th><th scope="col" class="number">Layer</th><th scope="col">Why</th></tr></thead>
<tbody>
${entries.map(([id, node]) => nodeRow(id, node)).join('\n')}
</tbody>
</table>
</div>
</section>`;
}

function nodeRow(id: string, node: NodeReport): string {
  const { kind, outcome, durationMs, savedMs = 0, layer } = node;
  const hasRun = outcome === 'executed' || outcome === 'failed' || node.startedAt !== undefined;
  const cells = [
    `<th scope="row" id="node-${escapeReported(id)}"><span class="code name">${escapeReported(id)}</span>${kind === id ? '' : `<br><span class="muted kind">${escapeReported(kind)}</span>`}</th>`,
    `<td><span class="badge ${toneOf(outcome)}">${escapeReported(formatOutcome(outcome))}</span></td>`,
    `<td class="number">${hasRun ? escapeReported(formatDuration(durationMs)) : ''}</td>`,
    `<td class="number">${savedMs >= 1 ? escapeReported(formatDuration(savedMs)) : ''}</td>`,
    `<td class="number">${layer === undefined || layer.files === 0 ? '' : escapeReported(`${formatBytes(layer.bytes)}, ${countOf(layer.files, 'file')}`)}</td>`,
    `<td class="why">${why(node)}</td>`,
  ];
  return `<tr>${cells.join('')}</tr>`;
}

const SHOWN_REASONS = 3;

function why(report: NodeReport): string {
  const { reasons, degraded, unshared, failure } = report;
  const stays = unshared === undefined ? [] : [`not shared, because ${formatUnshared(unshared)}`];
  const lines = [...placesOf(report), ...stays, ...reasonLines(reasons)];
  const items = lines.map((line) => `<li>${escapeReported(line)}</li>`);
  // Hiding a single line is not worth a click.
  const shown = items.length > SHOWN_REASONS + 1 ? SHOWN_REASONS : items.length;
  const rest = items.slice(shown);
  return [
    ...(failure === undefined ? [] : [`<p><code>${escapeReported(failure.code)}</code></p>`]),
    ...(degraded === undefined ? [] : [`<p class="warn-text">Degraded: ${escapeReported(degraded)}</p>`]),
    ...(shown === 0 ? [] : [`<ul>${items.slice(0, shown).join('')}</ul>`]),
    ...(rest.length === 0
      ? []
      : [`<details><summary>and ${rest.length} more</summary><ul>${rest.join('')}</ul></details>`]),
  ].join('');
}

/** Facts that platforms collect. */
function buildData({ buildData: data }: RunReport): string {
  const rows = Object.entries(data).map(
    ([name, value]) =>
      `<tr><th scope="row" class="code">${escapeReported(name)}</th><td class="code">${escapeReported(typeof value === 'string' ? value : JSON.stringify(value))}</td></tr>`,
  );
  if (rows.length === 0) return '';
  return `<section>
<details class="data">
<summary>Build data</summary>
<div class="panel scroll"><table><tbody>
${rows.join('\n')}
</tbody></table></div>
</details>
</section>`;
}

const STYLE = `
header, main { max-width: 76rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 1.6rem; }
header p { margin: 0.35rem 0 1.1rem; overflow-wrap: anywhere; }
main { padding-bottom: 3rem; }
.badge { display: inline-block; padding: 0.05rem 0.55rem; border-width: 1px; border-style: solid; border-radius: 999px; font-size: 0.8rem; font-weight: 600; line-height: 1.5; white-space: nowrap; }
h1 .badge { vertical-align: 0.15em; margin-left: 0.35rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: 0.8rem; margin: 0; }
.tile { padding: 0.75rem 1rem; }
.tile dt { font-size: 0.8rem; font-weight: 600; }
.tile dd { margin: 0; font-size: 1.3rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.tile dd span { display: block; font-size: 0.85rem; font-weight: 400; overflow-wrap: anywhere; }
.failure { padding: 0.9rem 1.1rem; margin-bottom: 0.8rem; border-left-width: 4px; }
.failure h3 { margin: 0; font-size: 1rem; overflow-wrap: anywhere; }
.failure p { margin: 0.4rem 0 0; white-space: pre-line; overflow-wrap: anywhere; }
.detail { margin-top: 0.6rem; padding: 0.6rem 0.8rem; border-radius: 6px; max-height: 24rem; overflow: auto; }
.scroll { overflow-x: auto; }
.scroll tr:last-child > * { border-bottom: 0; }
thead th { padding-top: 0.6rem; }
tbody th { color: inherit; font-weight: 400; }
tbody .name { font-weight: 600; font-size: 0.85rem; }
.kind { font-size: 0.8rem; }
.why { min-width: 14rem; font-size: 0.87rem; overflow-wrap: anywhere; }
.why ul { margin: 0; padding: 0; list-style: none; }
.why p { margin: 0; }
.timeline td, .timeline th { padding-top: 0.15rem; padding-bottom: 0.15rem; }
.timeline thead th { padding-top: 0.5rem; vertical-align: bottom; }
.timeline th[scope=row] { width: 1%; font-size: 0.87rem; }
.lane { min-width: 18rem; width: 80%; }
.lane svg { display: block; overflow: visible; }
.lane text { font-size: 11px; font-weight: 400; }
.lane rect { stroke-width: 1.5; }
tr:target > * { font-weight: 600; }
.data { margin-top: 2rem; }
.data .panel { margin-top: 0.6rem; }
.data td { overflow-wrap: anywhere; }
@media print { .detail { max-height: none; } details > * { display: revert; } }`;

const colors = ({ back, muted, line, accent, good, bad, warn }: Palette): string => `
.badge.good { color: ${good}; border-color: ${good}; }
.badge.bad { color: ${bad}; border-color: ${bad}; }
.badge.warn { color: ${warn}; border-color: ${warn}; }
.badge.plain { color: ${accent}; border-color: ${accent}; }
.badge.quiet { color: ${muted}; border-color: ${line}; }
.warn-text { color: ${warn}; }
.failure { border-left-color: ${bad}; }
.detail { background: ${back}; }
.lane .tick { stroke: ${line}; }
.lane text { fill: ${muted}; }
.lane rect.good { fill: ${good}; stroke: ${good}; }
.lane rect.bad { fill: ${bad}; stroke: ${bad}; }
.lane rect.warn { fill: ${warn}; stroke: ${warn}; }
.lane rect.plain { fill: ${accent}; stroke: ${accent}; }
.lane rect.quiet { fill: ${muted}; stroke: ${muted}; }`;
