// A report as text: a row for each node, then the failures in full and the summary.

import type { NodeReport, RunReport } from '../events.js';
import { formatBytes, formatDuration, formatFailure, formatOutcome, table } from './messages.js';
import { formatReasons } from './reasons.js';
import { styleOf } from './style.js';
import { summarize } from './summary.js';

export function reportText(report: RunReport, color: boolean): string {
  const style = styleOf(color);
  const rows = Object.entries(report.nodes).map(([id, node]) => [
    id,
    node.kind,
    formatOutcome(node.outcome),
    node.outcome === 'executed' || node.outcome === 'failed' ? timeOf(node) : '',
    node.savedMs === undefined || node.savedMs < 1 ? '' : formatDuration(node.savedMs),
    node.layer === undefined || node.layer.files === 0 ? '' : formatBytes(node.layer.bytes),
    formatReasons(node.reasons, 3),
  ]);
  return [
    `Run ${report.runId} of ${report.pipeline} for ${report.appId}, started ${report.startedAt}`,
    '',
    ...table([['NODE', 'KIND', 'OUTCOME', 'TIME', 'SAVED', 'LAYER', 'WHY'], ...rows]),
    '',
    ...Object.entries(report.nodes).flatMap(([id, { failure }]) =>
      failure === undefined ? [] : [`${id}:`, ...formatFailure(failure, style), ''],
    ),
    ...summarize(report, style),
    '',
  ].join('\n');
}

const timeOf = ({ durationMs, attempts }: NodeReport): string =>
  `${formatDuration(durationMs)}${attempts === undefined ? '' : ` (${attempts} attempts)`}`;
