// Retries an action if its node allows it after a failure of this cause.

import { setTimeout as sleep } from 'node:timers/promises';
import { defaultRetryCauses } from '../../manifests/pipeline/retries.js';
import type { RetryCause } from '../../manifests/pipeline/manifest.js';
import type { Execution } from './execution.js';
import { hasCode, type Failure, type Result } from '../failure.js';
import type { Stop } from '../run/node-end.js';
import type { Action } from './action.js';
import type { Executed } from './outputs.js';
import { runAction } from './run-action.js';

const FIRST_DELAY_MS = 1000;
const MAX_DELAY_MS = 30_000;

export interface Tried {
  /** Result of the last attempt. */
  readonly done: Result<Executed, Stop>;
  readonly attempts: number;
}

export async function withRetries(execution: Execution, action: Action, onWork: () => void): Promise<Tried> {
  const { sink, stopping } = execution;
  const { id, retries } = action.node;
  for (let attempt = 1; ; attempt++) {
    let status = 0;
    const watch = { onWork, onStatus: (last: number) => void (status = last) };
    const done = await runAction(execution, action, watch);
    if (done.ok || attempt > retries || stopping.signal.aborted) return { done, attempts: attempt };
    if (done.failure.type !== 'failed') return { done, attempts: attempt };
    const { failure } = done.failure;
    const causes = causesOf(failure, status);
    if (!coveredBy(action).some((cause) => causes.has(cause))) {
      if (attempt === 1) tellNotRetried(execution, action, causes);
      return { done, attempts: attempt };
    }
    const delayMs = Math.min(FIRST_DELAY_MS * 2 ** (attempt - 1), MAX_DELAY_MS);
    sink.emit({ type: 'node-retried', node: id, attempt: attempt + 1, attempts: retries + 1, delayMs, failure });
    await sleep(delayMs, undefined, { signal: stopping.signal }).catch(() => undefined);
    if (stopping.signal.aborted) return { done, attempts: attempt };
  }
}

function causesOf(failure: Failure, status: number): ReadonlySet<RetryCause> {
  if (hasCode(failure, 'node::timeout')) return new Set<RetryCause>(['timeout']);
  const causes = new Set<RetryCause>();
  if (failure.retryable === true) causes.add('environment');
  if (status !== 0) causes.add('exit');
  return causes;
}

/** A node with side effects is retried only after causes that it names. */
const coveredBy = ({ node, reads }: Action): readonly RetryCause[] =>
  node.retryOn ?? (reads.sideEffects === true ? [] : defaultRetryCauses(node.network));

function tellNotRetried({ sink }: Execution, { node, reads }: Action, causes: ReadonlySet<RetryCause>): void {
  const isForEffects =
    reads.sideEffects === true && defaultRetryCauses(node.network).some((cause) => causes.has(cause));
  if (node.retryOn !== undefined || !isForEffects) return;
  const text = `pyflow does not retry node ${node.id}, because it has side effects. If it is safe to run twice, write \`retries: { times: ${node.retries}, on: [${[...causes].join(', ')}] }\`.`;
  sink.emit({ type: 'notice', code: 'node::not-retried', node: node.id, text });
}
