// The timeout of a node, and how a node ends whose work was stopped early.

import type { CheckedNode } from '../../manifests/pipeline/manifest.js';
import { FailureError, hasCode, hasSameCode, type ActedOnCode, type Failure, type Result } from '../failure.js';
import { failed, stopOf, type Stop } from '../run/node-end.js';
import type { Action } from './action.js';

/**
 * A signal that aborts with one of `signals`, or when the node's timeout from now is over. Call `end` to stop the
 * timer.
 */
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

/** How a node ends whose work `signal` aborted. If a plugin hung, its failure says more than that the time was over. */
export function endedEarly(signal: AbortSignal, output: Result<unknown, Failure> | undefined): Stop {
  const stop = stopOf(signal);
  if (stop.type !== 'failed' || output === undefined || output.ok) return stop;
  const isKnown = hasCode(output.failure, 'plugin::interrupted') || hasSameCode(output.failure, stop.failure);
  return isKnown ? failed(output.failure) : stop;
}

/** If the node uses the network, the likely cause is a host that does not respond, which is not the app's fault. */
export const timedOut = ({ id, network }: CheckedNode, timeoutMs: number): Failure => ({
  code: 'node::timeout' satisfies ActedOnCode,
  blame: network ? 'environment' : 'app',
  title: `Node ${id} exceeded its timeout of ${timeoutMs / 1000} s`,
  detail: `pyflow ended its processes.${network ? ' The node uses the network, so perhaps a host did not respond.' : ''}`,
  remedy: 'Find in the log what it waited for, or raise the `timeout` of the node.',
  ...(network && { retryable: true }),
});
