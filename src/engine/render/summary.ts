// The last lines of a run: what ran, what that saved, what went wrong, where the slug is.

import { unreachable } from '../failure.js';
import type { NodeReport, Outcome, RunReport } from '../events.js';
import { cleanLines, cleanText } from './clean-text.js';
import { countOf, formatBytes, formatDuration, formatFailure, formatOutcome } from './messages.js';
import type { Style } from './style.js';

const ORDER: readonly Outcome[] = ['failed', 'blocked', 'aborted', 'executed', 'restored', 'up-to-date', 'skipped'];

export function summarize(report: RunReport, style: Style): string[] {
  const nodes = Object.entries(report.nodes);
  const counts = new Map<Outcome, number>();
  let savedMs = 0;
  for (const [, node] of nodes) {
    counts.set(node.outcome, (counts.get(node.outcome) ?? 0) + 1);
    savedMs += node.savedMs ?? 0;
  }
  const told = ORDER.flatMap((outcome) => {
    const count = counts.get(outcome);
    return count === undefined ? [] : [`${count} ${formatOutcome(outcome)}`];
  });
  const saved = savedMs >= 100 ? `; saved ${formatDuration(savedMs)}` : '';
  return [
    `${headline(report, style)} in ${formatDuration(report.durationMs)}${told.length === 0 ? '' : `: ${told.join(', ')}`}${saved}.`,
    ...failures(report, nodes, style),
    ...nodes.flatMap(([id, { degraded }]) =>
      degraded === undefined ? [] : [`${style.yellow('Degraded:')} ${id}: ${cleanText(degraded)}`],
    ),
    ...(report.slug === undefined
      ? []
      : [
          `Slug: ${cleanText(report.slug.path)} (${countOf(report.slug.files, 'file')}, ${formatBytes(report.slug.bytes)})`,
        ]),
    ...(report.partial === true ? ['Only a part of the pipeline was asked for, so no slug was written.'] : []),
  ];
}

function headline({ status }: RunReport, style: Style): string {
  switch (status) {
    case 'succeeded':
      return style.green('Done');
    case 'failed':
      return style.red('Failed');
    case 'aborted':
      return style.yellow('Interrupted');
    default:
      return unreachable(status);
  }
}

/** Failed nodes were explained where they failed; here they are found again. A failure of no node is told in full. */
function failures(report: RunReport, nodes: readonly (readonly [string, NodeReport])[], style: Style): string[] {
  const ofNodes = nodes.flatMap(([id, { failure }]) =>
    failure === undefined ? [] : [`  ${id}: ${cleanLines(failure.title).join(' ')} [${failure.code}]`],
  );
  const { failure } = report;
  if (failure === undefined || report.status === 'succeeded') return ofNodes;
  const isOfNode = nodes.some(
    ([, node]) => node.failure?.code === failure.code && node.failure.title === failure.title,
  );
  return isOfNode ? ofNodes : [...ofNodes, ...formatFailure(failure, style)];
}
