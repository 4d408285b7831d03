// Ends what still runs after a failure, as an interrupt does: asked, then killed.

import { setMaxListeners } from 'node:events';
import { GRACE_MS } from './processes.js';

/** A killed command takes a moment to be gone. */
const GIVE_UP_MS = GRACE_MS + 1000;

export interface Stopping {
  /** Of the whole run: the caller's, or the first failure's when the run does not keep going. */
  readonly signal: AbortSignal;
  /** As `signal`, but after a failure only `GRACE_MS` later: for the end of work that is done already. */
  readonly late: AbortSignal;
  readonly isStopped: () => boolean;
  /** A node failed. */
  stop(): void;
}

export function stoppingOf(interrupted: AbortSignal): Stopping {
  const failed = new AbortController();
  const late = new AbortController();
  const signal = AbortSignal.any([interrupted, failed.signal]);
  // Each node that is prepared listens, and Node would warn of a leak.
  setMaxListeners(0, signal, interrupted);
  return {
    signal,
    late: AbortSignal.any([interrupted, late.signal]),
    isStopped: () => failed.signal.aborted,
    stop() {
      if (failed.signal.aborted) return;
      failed.abort();
      setTimeout(() => late.abort(), GRACE_MS).unref();
    },
  };
}

/** What the work gives; undefined when it has been told to stop and does not. Such work is left to itself. */
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
    // Whatever comes of it later has no one to tell.
    work.catch(() => {});
  }
}
