// Deadlines that a busy program doesn't miss by itself. While this process computes, timers expire and answers wait unread, so
// time passes here only in small steps, each of which leaves room to read what has arrived.

import { RemoteError, STATUS } from './transport.js';

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
