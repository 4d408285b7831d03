// Which lines about a node a log for people shows, and how a retry reads.

import type { NodeReport, Outcome } from '../events.js';
import type { Printed } from './grouping.js';
import { formatDuration } from './messages.js';
import type { EventOf } from './renderer.js';

/** The log of a restored node was shown when the node was executed; its notices still apply. */
export const isShown = ({ replayed, stream }: Printed, verbose: boolean): boolean =>
  verbose || !replayed || stream === 'notice';

/** Nothing was done for these nodes; the summary counts or names them. */
const ONLY_IN_SUMMARY: ReadonlySet<Outcome> = new Set<Outcome>(['up-to-date', 'skipped', 'aborted']);

/** Whether a finished node gets a line with its outcome. */
export const isWorthALine = ({ outcome }: NodeReport, verbose: boolean): boolean =>
  verbose || !ONLY_IN_SUMMARY.has(outcome);

export const retryText = ({ attempt, attempts, delayMs, failure }: EventOf<'node-retried'>): string =>
  `attempt ${attempt - 1} of ${attempts} failed: ${failure.title} [${failure.code}]; retrying in ${formatDuration(delayMs)}`;

/** A retry as a line of the node's own log. */
export const retryLine = (event: EventOf<'node-retried'>): Printed => ({
  at: event.at,
  type: 'node-printed',
  node: event.node,
  replayed: false,
  stream: 'notice',
  text: retryText(event),
});
