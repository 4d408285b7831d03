// The last lines of a run: what ran, what that saved, what went wrong, where the slug is.

import { isSameFailure, unreachable, type Failure } from '../failure.js';
import type { Outcome, RunReport } from '../events.js';
import { cleanLines, cleanText } from '../files/clean-text.js';
import { countOf, formatBytes, formatDuration, formatFailure, formatOutcome } from './messages.js';
import type { Style } from './style.js';

const ORDER: readonly Outcome[] = ['failed', 'blocked', 'aborted', 'executed', 'restored', 'up-to-date', 'skipped'];

export function summarize(report: RunReport, style: Style): string[] {
  const nodes = Object.entries(report.nodes);
  const told = countOutcomes(report).map(([outcome, count]) => `${count} ${formatOutcome(outcome)}`);
  const savedMs = savedTime(report);
  const saved = savedMs >= 100 ? `; saved ${formatDuration(savedMs)}` : '';
  return [
    `${headline(report, style)} in ${formatDuration(report.durationMs)}${told.length === 0 ? '' : `: ${told.join(', ')}`}${saved}.`,
    ...failures(report, style),
    ...abortedLine(report, style),
    ...nodes.flatMap(([id, { degraded }]) =>
      degraded === undefined ? [] : [`${style.yellow('Degraded:')} ${id}: ${cleanText(degraded)}`],
    ),
    ...sandboxLine(report, style),
    ...(report.slug === undefined
      ? []
      : [
          `Slug: ${cleanText(report.slug.path)} (${countOf(report.slug.files, 'file')}, ${formatBytes(report.slug.bytes)})`,
        ]),
    ...(report.partial === true ? ['Only a part of the pipeline was asked for, so no slug was written.'] : []),
  ];
}

const sandboxLine = ({ sandbox }: RunReport, style: Style): string[] =>
  sandbox?.mode === 'none'
    ? [
        `${style.yellow('Sandbox:')} none${sandbox.reason === undefined ? '' : `, because ${cleanText(sandbox.reason)}`}`,
      ]
    : [];

/** Those that there are, the worst first. */
export function countOutcomes({ nodes }: RunReport): readonly (readonly [Outcome, number])[] {
  const all = Object.values(nodes);
  return ORDER.map((outcome) => [outcome, all.filter((node) => node.outcome === outcome).length] as const).filter(
    ([, count]) => count > 0,
  );
}

export const savedTime = ({ nodes }: RunReport): number =>
  Object.values(nodes).reduce((sum, { savedMs }) => sum + (savedMs ?? 0), 0);

/** Those of nodes, and the run's own unless it is one of them. */
export function failuresOf(report: RunReport): readonly { readonly node?: string; readonly failure: Failure }[] {
  const ofNodes = Object.entries(report.nodes).flatMap(([node, { failure }]) =>
    failure === undefined ? [] : [{ node, failure }],
  );
  const { failure } = report;
  if (failure === undefined || report.status === 'succeeded') return ofNodes;
  const isOfNode = ofNodes.some((ofNode) => isSameFailure(ofNode.failure, failure));
  return isOfNode ? ofNodes : [...ofNodes, { failure }];
}

const SHOWN_NODES = 5;

/** One line for all: which were stopped at work, and which never began. */
function abortedLine({ nodes }: RunReport, style: Style): string[] {
  const aborted = Object.entries(nodes).filter(([, { outcome }]) => outcome === 'aborted');
  const told = (isStarted: boolean, what: string): string[] => {
    const names = aborted.filter(([, { startedAt }]) => (startedAt !== undefined) === isStarted).map(([id]) => id);
    if (names.length === 0) return [];
    const more = names.length > SHOWN_NODES ? ` and ${names.length - SHOWN_NODES} more` : '';
    return [`${what} ${names.slice(0, SHOWN_NODES).join(', ')}${more}`];
  };
  const parts = [...told(true, 'stopped'), ...told(false, 'not started')];
  return parts.length === 0 ? [] : [`${style.yellow('Aborted:')} ${parts.join('; ')}`];
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
const failures = (report: RunReport, style: Style): string[] =>
  failuresOf(report).flatMap(({ node, failure }) =>
    node === undefined
      ? formatFailure(failure, style)
      : [`  ${node}: ${cleanLines(failure.title).join(' ')} [${failure.code}]`],
  );
