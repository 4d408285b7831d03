// Tells a transfer that comes too slowly from one that takes its time: by what came within each of some windows, and by a
// time for the whole. Unaware of what is transferred.

interface PaceLimits {
  /** Averaged over each window. */
  readonly minBytesPerSecond: number;
  readonly windowMs: number;
  /** `performance.now()` at which the whole must be there. */
  readonly deadlineMs: number;
}

interface Pace {
  /** Bytes that came so far. */
  note(received: number): void;
  /** Why it was given up; undefined when it was not. */
  tooSlow(): string | undefined;
  end(): void;
}

/** Calls `giveUp` once when the transfer is too slow. */
export function watchPace({ minBytesPerSecond, windowMs, deadlineMs }: PaceLimits, giveUp: () => void): Pace {
  let received = 0;
  let atLastLook = 0;
  let why: string | undefined;
  const fail = (reason: string): void => {
    if (why !== undefined) return;
    why = reason;
    end();
    giveUp();
  };
  const look = (): void => {
    const came = received - atLastLook;
    atLastLook = received;
    if (came < (minBytesPerSecond * windowMs) / 1000) {
      fail(`Only ${came} bytes came within ${windowMs / 1000} s; at least ${minBytesPerSecond} a second are expected.`);
    }
  };
  const windows = setInterval(look, windowMs);
  const leftMs = Math.min(Math.max(0, deadlineMs - performance.now()), LONGEST_TIMER_MS);
  const deadline = setTimeout(() => fail('It was not complete when the time for all of it was over.'), leftMs);
  const end = (): void => {
    clearInterval(windows);
    clearTimeout(deadline);
  };
  return {
    note: (total) => {
      received = total;
    },
    tooSlow: () => why,
    end,
  };
}

/** What a timer of Node takes. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
