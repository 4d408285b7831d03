// Stops what still runs after a failure, as an interrupt does: TERM first, then KILL.

import { setMaxListeners } from 'node:events';
import { GRACE_MS } from './processes.js';

/** A killed command needs a moment to end. */
const GIVE_UP_MS = GRACE_MS + 1000;

export interface Stopping {
  /** Aborts the whole run: on the caller's signal, or on the first failure if the run does not keep going. */
  readonly signal: AbortSignal;
  /** Like `signal`, but `GRACE_MS` after a failure: for finishing work that is already done. */
  readonly late: AbortSignal;
  /** Called when a node failed. */
  stop(): void;
}

export function stoppingOf(interrupted: AbortSignal): Stopping {
  const failed = new AbortController();
  const late = new AbortController();
  const signal = AbortSignal.any([interrupted, failed.signal]);
  // Every prepared node listens, and Node would warn about a leak.
  setMaxListeners(0, signal, interrupted);
  return {
    signal,
    late: AbortSignal.any([interrupted, late.signal]),
    stop() {
      if (failed.signal.aborted) return;
      failed.abort();
      setTimeout(() => late.abort(), GRACE_MS).unref();
    },
  };
}

/** The result of the work; undefined if it was told to stop and does not. Such work is abandoned. */
export async function endedOrGivenUp<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  let giveUp = (): void => {};
  const givenUp = new Promise<undefined>((resolve) => {
    giveUp = () => {
      timer = setTimeout(() => resolve(undefined), GIVE_UP_MS);
    };
    if (signal.aborted) giveUp();
    else signal.addEventListener('abort', giveUp, { once: true });
  });
  try {
    return await Promise.race([work, givenUp]);
  } finally {
    signal.removeEventListener('abort', giveUp);
    clearTimeout(timer);
    // Nobody waits for its result any more.
    work.catch(() => {});
  }
}
