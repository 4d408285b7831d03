// Makes the report of a run from the states of its nodes: status, exit status, failure, slug.

import { REPORT_SCHEMA, type NodeReport, type RunReport, type RunStatus } from '../events.js';
import { EXIT_STATUS, type Failure } from '../failure.js';
import { lostFailure } from '../run/node-end.js';
import { isBlocking } from '../run/node-states.js';
import type { Run } from '../run/run.js';
import type { OutputsEnd } from '../slug/outputs.js';
import type { Slug, SlugEnd } from '../slug/write.js';
import { buildDataOf } from './build-data.js';

export interface ReportParts {
  readonly runId: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly durationMs: number;
  /** Undefined if the run was not to write a slug. */
  readonly slug: SlugEnd | undefined;
  /** Undefined if there was no slug, or nothing else to write. */
  readonly outputs: OutputsEnd | undefined;
  readonly sandbox: RunReport['sandbox'];
  readonly remote: RunReport['remote'];
}

export function makeReport(run: Run, parts: ReportParts): RunReport {
  const { runId, startedAt, durationMs, slug, outputs, sandbox, remote } = parts;
  const { signal } = run.request;
  const ended = slug?.ok !== false && outputs?.ok !== false ? statusOf(run) : signal.aborted ? 'aborted' : 'failed';
  // With `require: true`, a run whose nodes all succeeded without the server has failed.
  const status = ended === 'succeeded' && run.remote?.failure !== undefined ? 'failed' : ended;
  const nodes: Record<string, NodeReport> = Object.fromEntries(run.states.reports());
  const failure =
    failureOfWriting(run, slug) ??
    failureOfWriting(run, outputs) ??
    worstFailure(Object.values(nodes)) ??
    run.remote?.failure;
  const exitCode = status === 'succeeded' ? 0 : failure === undefined ? 1 : EXIT_STATUS[failure.blame];
  return {
    schema: REPORT_SCHEMA,
    runId,
    pipeline: run.pipeline.name,
    appId: run.appId,
    status,
    exitCode: status === 'aborted' ? exitStatusOfAbort(signal) : exitCode,
    startedAt: new Date(startedAt).toISOString(),
    durationMs,
    ...(slug?.ok !== true && status === 'succeeded' ? { partial: true as const } : {}),
    nodes,
    buildData: buildDataOf(run, nodes, failure, durationMs),
    ...(sandbox === undefined ? {} : { sandbox }),
    ...(slug?.ok === true ? { slug: slugReportOf(slug.value.slug, slug.value.durationMs) } : {}),
    ...(outputs?.ok === true ? { outputs: outputs.value.reports } : {}),
    ...(remote === undefined ? {} : { remote }),
    ...(failure === undefined ? {} : { failure }),
  };
}

/** Status by the nodes alone, without the slug. */
export function statusOf({ states, request }: Run): RunStatus {
  if (request.signal.aborted) return 'aborted';
  for (const [, end] of states.ends()) if (isBlocking(end)) return 'failed';
  return 'succeeded';
}

function failureOfWriting({ secrets }: Run, end: SlugEnd | OutputsEnd | undefined): Failure | undefined {
  if (end === undefined || end.ok) return undefined;
  const { failure: stop } = end;
  return secrets.maskFailure(stop.type === 'lost' ? lostFailure(stop) : stop.failure);
}

const slugReportOf = (
  { path, digest, files, bytes }: Slug,
  durationMs: number | undefined,
): NonNullable<RunReport['slug']> => ({
  path,
  digest,
  files,
  bytes,
  ...(durationMs === undefined ? {} : { durationMs }),
});

/** 128 plus the number of the signal that stopped the run. The command line passes it in the abort reason. */
const exitStatusOfAbort = ({ reason }: AbortSignal): number =>
  (reason as { exitStatus?: number } | undefined)?.exitStatus ?? 130;

/** The failure that decides the exit status: internal first, then pipeline, app and environment. */
function worstFailure(nodes: readonly NodeReport[]): Failure | undefined {
  const order = ['internal', 'pipeline', 'app', 'environment'];
  const failures = nodes.flatMap(({ failure }) => (failure === undefined ? [] : [failure]));
  return failures.sort((a, b) => order.indexOf(a.blame) - order.indexOf(b.blame))[0];
}
