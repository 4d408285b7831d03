// Failures, outcomes, durations, sizes and tables as people read them.

import { hasCode, isOfArea, unreachable, type Failure } from '../failure.js';
import type { NodeReport, Outcome } from '../events.js';
import { cleanLines } from '../files/clean-text.js';
import { formatReasons } from './reasons.js';
import { styleOf, type Style } from './style.js';

export function formatDuration(ms: number): string {
  if (ms < 999.5) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${twoDigits(seconds % 60)} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${twoDigits(minutes % 60)} min`;
}

const twoDigits = (value: number): string => String(value).padStart(2, '0');

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/** Decimal units, which download sizes usually have. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

/** Digits in groups of three. */
export const formatCount = (value: number): string => String(value).replace(/\B(?=(\d{3})+$)/g, ',');

export const countOf = (value: number, one: string, many = `${one}s`): string =>
  `${formatCount(value)} ${value === 1 ? one : many}`;

export function formatOutcome(outcome: Outcome): string {
  switch (outcome) {
    case 'up-to-date':
      return 'up to date';
    case 'executed':
    case 'restored':
    case 'skipped':
    case 'failed':
    case 'blocked':
    case 'aborted':
      return outcome;
    default:
      return unreachable(outcome);
  }
}

export function paintOutcome(outcome: Outcome, text: string, style: Style): string {
  if (outcome === 'failed') return style.red(text);
  if (outcome === 'blocked' || outcome === 'aborted') return style.yellow(text);
  return outcome === 'executed' ? style.green(text) : style.dim(text);
}

/** Where the result of a node came from, if not from this machine. */
export const placesOf = ({
  restoredFrom,
  executedOn,
}: Pick<NodeReport, 'restoredFrom' | 'executedOn'>): readonly string[] => [
  ...(restoredFrom === 'remote' ? ['from the remote cache'] : []),
  ...(executedOn === 'remote' ? ['on a worker'] : []),
];

/** What follows the outcome of a finished node: time, saved time, reasons. */
export function formatFinish(report: NodeReport): string {
  const { outcome, durationMs, attempts, savedMs, reasons } = report;
  const hasRun = outcome === 'executed' || outcome === 'failed';
  const asides = [
    ...placesOf(report),
    ...(outcome === 'restored' && savedMs !== undefined && savedMs >= 1 ? [`saved ${formatDuration(savedMs)}`] : []),
    ...(outcome === 'up-to-date' || reasons.length === 0 ? [] : [formatReasons(reasons)]),
  ].join('; ');
  const tries = attempts === undefined ? '' : ` after ${attempts} attempts`;
  return [hasRun ? `in ${formatDuration(durationMs)}${tries}` : '', asides === '' ? '' : `(${asides})`]
    .filter((text) => text !== '')
    .join(' ');
}

const ADVICE: Readonly<Record<Failure['blame'], string>> = {
  app: '',
  pipeline: '',
  internal: 'This is a bug in pyflow, not in your app. Please report it.',
  environment: '',
};

/** A fault in a plugin outside pyflow is not a bug in pyflow. */
const isOfPlugin = (failure: Failure): boolean => isOfArea(failure, 'plugin') || hasCode(failure, 'node::timeout');

/** What to do next, as lines; empty when nothing is known. */
export const remedyOf = (failure: Failure): string =>
  [
    failure.remedy,
    isOfPlugin(failure) ? '' : ADVICE[failure.blame],
    failure.retryable === true ? 'Trying again may help.' : '',
  ]
    .filter((text) => text !== '')
    .join('\n');

/** Title with code, then detail and remedy, indented. `node` comes before the title. */
export function formatFailure(failure: Failure, style: Style = styleOf(false), node?: string): string[] {
  const where = node === undefined ? '' : `${node}: `;
  const remedy = remedyOf(failure);
  return [
    `${style.red('error:')} ${where}${style.bold(cleanLines(failure.title).join(' '))} [${failure.code}]`,
    ...(failure.detail === '' ? [] : cleanLines(failure.detail.trimEnd()).map((line) => `  ${line}`)),
    ...(remedy === '' ? [] : cleanLines(remedy).map((line, index) => (index === 0 ? `  -> ${line}` : `     ${line}`))),
  ];
}

/** Pads columns to their widest cell, except the last one. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, cell.length);
  }
  return rows.map((row) =>
    row
      .map((cell, index) => (index === row.length - 1 ? cell : cell.padEnd(widths[index] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}
