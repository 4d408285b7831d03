// The timeout of a node, and what it means that work was ended early.

import type { CheckedNode } from '../../manifests/pipeline/manifest.js';
import { FailureError, hasCode, hasSameCode, type Failure, type Result } from '../failure.js';
import { failed, stopOf, type Stop } from '../run/node-end.js';
import type { Action } from './action.js';

/** The signal that a node's own timeout joins, counted from now. */
export function timeLimit(
  { node }: Action,
  signals: readonly AbortSignal[],
): { readonly signal: AbortSignal; end(): void } {
  const { timeoutMs } = node;
  if (timeoutMs === undefined) return { signal: AbortSignal.any([...signals]), end: () => {} };
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(new FailureError(timedOut(node, timeoutMs))), timeoutMs);
  return { signal: AbortSignal.any([...signals, controller.signal]), end: () => clearTimeout(timer) };
}

/** How a node ends whose work was aborted by `signal`. A plugin that hung knows more of it than that the time was up. */
export function endedEarly(signal: AbortSignal, output: Result<unknown, Failure> | undefined): Stop {
  const stop = stopOf(signal);
  if (stop.type !== 'failed' || output === undefined || output.ok) return stop;
  const isKnown = hasCode(output.failure, 'plugin::interrupted') || hasSameCode(output.failure, stop.failure);
  return isKnown ? failed(output.failure) : stop;
}

/** Where the network is used, a host that gives no answer is the likely cause, and that is not the app's. */
const timedOut = ({ id, network }: CheckedNode, timeoutMs: number): Failure => ({
  code: 'node::timeout',
  blame: network ? 'environment' : 'app',
  title: `Node ${id} took longer than its ${timeoutMs / 1000} s`,
  detail: `Its processes were ended.${network ? ' It may use the network, where a host may have stalled.' : ''}`,
  remedy: 'Find out what it waited for, or raise the timeout of the node.',
  ...(network && { retryable: true }),
});
