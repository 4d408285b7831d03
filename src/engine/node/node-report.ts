// Makes the report of a node that has ended, with secrets masked.

import type { NodeReport, Outcome } from '../events.js';
import { unreachable, type Failure } from '../failure.js';
import { someOf } from '../files/shown-path.js';
import { lostFailure, type NodeEnd } from '../run/node-end.js';
import type { Run } from '../run/run.js';

/** What happened on the way to a node's end. */
export type Trail = Pick<
  NodeReport,
  'key' | 'startedAt' | 'attempts' | 'savedMs' | 'restoredFrom' | 'executedOn' | 'unshared'
> &
  Partial<Pick<NodeReport, 'reasons' | 'durationMs'>>;

export interface Ended {
  readonly end: NodeEnd;
  readonly trail?: Trail;
}

/** Without masking: a report that leaves this process goes through `masked`. */
export function reportOf(run: Run, kind: string, { end, trail = {} }: Ended): NodeReport {
  const failure = failureOf(end);
  const { reasons = reasonsOf(end), durationMs = 0, ...rest } = trail;
  return {
    kind,
    outcome: outcomeOf(end),
    ...rest,
    reasons,
    durationMs,
    ...(end.type === 'done' && resultOf(end)),
    ...(failure !== undefined && { failure: withHiddenFiles(run, failure) }),
  };
}

function outcomeOf(end: NodeEnd): Outcome {
  switch (end.type) {
    case 'done':
      return end.outcome;
    case 'lost':
      return 'failed';
    case 'skipped':
    case 'blocked':
    case 'aborted':
    case 'failed':
      return end.type;
    default:
      return unreachable(end);
  }
}

const reasonsOf = (end: NodeEnd): NodeReport['reasons'] =>
  end.type === 'blocked' ? end.by.map((node) => ({ type: 'needs-node', node })) : [];

function failureOf(end: NodeEnd): Failure | undefined {
  if (end.type === 'failed') return end.failure;
  return end.type === 'lost' ? lostFailure(end) : undefined;
}

function resultOf({
  key,
  outputs,
  layer,
  degraded,
}: Extract<NodeEnd, { type: 'done' }>): Pick<NodeReport, 'key' | 'outputs' | 'layer' | 'degraded'> {
  return {
    key,
    outputs,
    ...(layer === undefined ? {} : { layer: { digest: layer.digest, files: layer.files, bytes: layer.bytes } }),
    ...(degraded === undefined ? {} : { degraded }),
  };
}

/** Some stacks apply `.slugignore` before the build. Then a hidden file can be the reason why the build fails. */
function withHiddenFiles({ source }: Run, failure: Failure): Failure {
  const { hidden } = source;
  if (failure.blame !== 'app' || hidden.length === 0) return failure;
  const told = `${failure.title}\n${failure.detail}`;
  const isTold = (path: string): boolean => told.includes(path) || told.includes(path.slice(path.lastIndexOf('/') + 1));
  const shown = [...hidden.filter(isTold), ...hidden.filter((path) => !isTold(path))];
  const note = `On this stack, .slugignore hides files from the build: ${someOf(shown)}`;
  const remedy = `${failure.remedy}\nIf the build needs one of the files that .slugignore hides, remove its line from .slugignore.`;
  return { ...failure, detail: `${failure.detail}\n${note}`.trim(), remedy };
}

export function masked({ secrets }: Run, report: NodeReport): NodeReport {
  const { failure, outputs, degraded } = report;
  return {
    ...report,
    reasons: secrets.maskReasons(report.reasons),
    ...(failure === undefined ? {} : { failure: secrets.maskFailure(failure) }),
    ...(outputs === undefined ? {} : { outputs: secrets.maskValue(outputs) }),
    ...(degraded === undefined ? {} : { degraded: secrets.mask(degraded) }),
  };
}
