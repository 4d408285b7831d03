// Deadlines that a busy program doesn't miss by itself. While this process computes, timers expire and answers wait unread, so
// time passes here only in small steps, each of which leaves room to read what has arrived.

import { sizeOf, type Digest } from '../files/digest.js';
import { RemoteError, STATUS } from './transport.js';

/** For calls with little content. */
export const SMALL_CALL_MS = 10_000;
/** For a stream, without any progress. */
export const IDLE_STREAM_MS = 30_000;

/** 10 s, and a second for each megabyte. */
export const batchDeadline = (digests: readonly Digest[]): number =>
  SMALL_CALL_MS + digests.reduce((sum, digest) => sum + sizeOf(digest), 0) / 1000;

const STEPS = 10;

/**
 * Runs the work with a signal that aborts after this time, or with `signal`. If the time is up, throws `DEADLINE_EXCEEDED` for
 * what the abort made of the call.
 */
export async function withinTime<T>(
  ms: number,
  signal: AbortSignal,
  work: (limited: AbortSignal) => Promise<T>,
): Promise<T> {
  const limit = new AbortController();
  const end = (): void => limit.abort();
  signal.addEventListener('abort', end, { once: true });
  if (signal.aborted) end();
  let left = STEPS;
  let isLate = false;
  const timer = setInterval(() => {
    left--;
    if (left > 0) return;
    isLate = true;
    end();
  }, ms / STEPS);
  try {
    return await work(limit.signal);
  } catch (error) {
    if (isLate && error instanceof RemoteError && error.status === STATUS.CANCELLED)
      throw new RemoteError(STATUS.DEADLINE_EXCEEDED, error.method, `no answer within ${ms / 1000} s`);
    throw error;
  } finally {
    clearInterval(timer);
    signal.removeEventListener('abort', end);
  }
}
