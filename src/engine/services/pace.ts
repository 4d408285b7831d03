// Gives up a transfer that is too slow: by the bytes that arrive within each window of time, and by a deadline for the whole.

interface PaceLimits {
  /** Averaged over each window. */
  readonly minBytesPerSecond: number;
  readonly windowMs: number;
  /** By `performance.now()`, for the whole. */
  readonly deadlineMs: number;
}

interface Pace {
  /** Call it with the number of bytes so far. */
  note(received: number): void;
  /** Why the transfer was given up, or undefined. */
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
      fail(
        `Only ${came} bytes arrived within ${windowMs / 1000} s; pyflow expects at least ${minBytesPerSecond} bytes a second.`,
      );
    }
  };
  const windows = setInterval(look, windowMs);
  const leftMs = Math.min(Math.max(0, deadlineMs - performance.now()), LONGEST_TIMER_MS);
  const deadline = setTimeout(() => fail('It was not complete within the time limit for the whole file.'), leftMs);
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

/** The longest time that a timer of Node accepts. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
