// The last lines of a run: outcomes, saved time, failures, and where the slug is.

import { SURELY_PATCHED } from '../../manifests/app/patches/sure-codes.js';
import { isAmong, isSameFailure, unreachable, type Failure } from '../failure.js';
import type { Outcome, OutputReport, RunReport } from '../events.js';
import { cleanLines, cleanText } from '../files/clean-text.js';
import { someOf } from '../files/shown-path.js';
import { countOf, formatBytes, formatCount, formatDuration, formatFailure, formatOutcome } from './messages.js';
import type { Style } from './style.js';
import { unsharedLines } from './unshared.js';

const ORDER: readonly Outcome[] = ['failed', 'blocked', 'aborted', 'executed', 'restored', 'up-to-date', 'skipped'];

export function summarize(report: RunReport, style: Style): string[] {
  const nodes = Object.entries(report.nodes);
  const counts = countOutcomes(report).map(([outcome, count]) => `${count} ${formatOutcome(outcome)}`);
  const savedMs = savedTime(report);
  const saved = savedMs >= 100 ? `; saved ${formatDuration(savedMs)}` : '';
  return [
    `${headline(report, style)} in ${formatDuration(report.durationMs)}${counts.length === 0 ? '' : `: ${counts.join(', ')}`}${saved}.`,
    ...failures(report, style),
    ...fixLine(report),
    ...abortedLine(report, style),
    ...nodes.flatMap(([id, { degraded }]) =>
      degraded === undefined ? [] : [`${style.yellow('Degraded:')} ${id}: ${cleanText(degraded)}`],
    ),
    ...sandboxLine(report, style),
    ...remoteLine(report),
    ...unsharedLines(report),
    ...(report.slug === undefined
      ? []
      : [
          `Slug: ${cleanText(report.slug.path)} (${countOf(report.slug.files, 'file')}, ${formatBytes(report.slug.bytes)})`,
        ]),
    ...(report.outputs ?? []).map(outputLine),
    ...(report.partial === true ? ['Only part of the pipeline ran, so no slug was written.'] : []),
  ];
}

/** `Output oci: /srv/shop-image (web, worker; 41.2 MB, 12.1 kB of it new) sha256:...`. */
function outputLine({ form, path, bytes, digest, images, newBlobs }: OutputReport): string {
  const names = images === undefined ? '' : `${someOf(images.map(({ name }) => name))}; `;
  const fresh =
    newBlobs === undefined || [0, bytes].includes(newBlobs.bytes) ? '' : `, ${formatBytes(newBlobs.bytes)} of it new`;
  return `Output ${form}: ${cleanText(path)} (${names}${formatBytes(bytes)}${fresh}) ${digest}`;
}

const sandboxLine = ({ sandbox }: RunReport, style: Style): string[] =>
  sandbox?.mode === 'none'
    ? [
        `${style.yellow('Sandbox:')} none${sandbox.reason === undefined ? '' : `, because ${cleanText(sandbox.reason)}`}`,
      ]
    : [];

/** Nothing if the run asked and uploaded nothing. */
function remoteLine({ remote }: RunReport): string[] {
  if (remote === undefined || remote.calls === 0) return [];
  const { hits, misses, uploaded, notUploaded, bytesDown, bytesUp, roundTrips, savedMs } = remote;
  const found = [
    `${formatCount(hits)} of ${countOf(hits + misses, 'result')}`,
    ...(savedMs >= 100 ? [`saved ${formatDuration(savedMs)}`] : []),
  ];
  const sent = [
    ...(uploaded + notUploaded === 0 ? [] : [`uploaded ${countOf(uploaded, 'result')}`]),
    ...(notUploaded === 0 ? [] : [`${formatCount(notUploaded)} not uploaded`]),
  ];
  const traffic = `${formatBytes(bytesDown)} down, ${formatBytes(bytesUp)} up in ${countOf(roundTrips, 'round trip')}`;
  return [`Remote cache: ${[...found, ...sent, traffic].join('; ')}`];
}

/** The outcomes that occur, worst first. */
export function countOutcomes({ nodes }: RunReport): readonly (readonly [Outcome, number])[] {
  const all = Object.values(nodes);
  return ORDER.map((outcome) => [outcome, all.filter((node) => node.outcome === outcome).length] as const).filter(
    ([, count]) => count > 0,
  );
}

export const savedTime = ({ nodes }: RunReport): number =>
  Object.values(nodes).reduce((sum, { savedMs }) => sum + (savedMs ?? 0), 0);

/** Failures of nodes, and the run's own unless a node has the same. */
export function failuresOf(report: RunReport): readonly { readonly node?: string; readonly failure: Failure }[] {
  const ofNodes = Object.entries(report.nodes).flatMap(([node, { failure }]) =>
    failure === undefined ? [] : [{ node, failure }],
  );
  const { failure } = report;
  if (failure === undefined || report.status === 'succeeded') return ofNodes;
  const isOfNode = ofNodes.some((ofNode) => isSameFailure(ofNode.failure, failure));
  return isOfNode ? ofNodes : [...ofNodes, { failure }];
}

const fixLine = (report: RunReport): string[] =>
  failuresOf(report)
    .filter(({ failure }) => isAmong(failure, SURELY_PATCHED))
    .map(({ failure }) => `  \`pyflow fix ${failure.code}\` shows a change that fixes this.`);

const SHOWN_NODES = 5;

/** One line for all aborted nodes: those that were stopped, and those that did not start. */
function abortedLine({ nodes }: RunReport, style: Style): string[] {
  const aborted = Object.entries(nodes).filter(([, { outcome }]) => outcome === 'aborted');
  const list = (isStarted: boolean, what: string): string[] => {
    const names = aborted.filter(([, { startedAt }]) => (startedAt !== undefined) === isStarted).map(([id]) => id);
    return names.length === 0 ? [] : [`${what} ${someOf(names, SHOWN_NODES)}`];
  };
  const parts = [...list(true, 'stopped'), ...list(false, 'not started')];
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

/** The log has the details of failed nodes, so they get one line here. A failure without a node is shown in full. */
const failures = (report: RunReport, style: Style): string[] =>
  failuresOf(report).flatMap(({ node, failure }) =>
    node === undefined
      ? formatFailure(failure, style)
      : [`  ${node}: ${cleanLines(failure.title).join(' ')} [${failure.code}]`],
  );
