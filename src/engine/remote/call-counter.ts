// Counts calls and bytes, and how often their latency was paid.

import type { TransportCounters } from './transport.js';

export class CallCounter {
  private calls = 0;
  private bytesUp = 0;
  private bytesDown = 0;
  /** Length of the longest chain of calls that each began after another had ended. */
  private longest = 0;
  /** The same, of calls that have ended. */
  private ended = 0;

  /** Returns what to call when the call has ended. */
  begin(): () => void {
    this.calls++;
    const length = this.ended + 1;
    this.longest = Math.max(this.longest, length);
    return () => void (this.ended = Math.max(this.ended, length));
  }

  sent(bytes: number): void {
    this.bytesUp += bytes;
  }

  received(bytes: number): void {
    this.bytesDown += bytes;
  }

  get counters(): TransportCounters {
    return { calls: this.calls, roundTrips: this.longest, bytesUp: this.bytesUp, bytesDown: this.bytesDown };
  }
}
