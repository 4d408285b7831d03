// Notices a server that takes calls and no longer answers, long before their deadlines, which allow for large transfers: if no
// call has made progress for a while, a small one must be answered quickly. That also keeps the connection while calls wait for
// minutes, because servers of common libraries end one after three pings without an answer in between.

import type { RemoteError } from './transport.js';

export interface StallGuardOptions {
  /** Asks the server for something small. Resolves with the failure, or undefined if the server answered. */
  readonly probe: () => Promise<RemoteError | undefined>;
  readonly onStall: (error: RemoteError) => void;
  /** Time without progress before a probe, in milliseconds. */
  readonly quietMs?: number;
}

const QUIET_MS = 1500;
/** Checks without progress before a probe. Counted, because time also passes while this process computes and reads nothing. */
const MOST_QUIET = 3;

export class StallGuard {
  #running = 0;
  #quiet = 0;
  #timer: NodeJS.Timeout | undefined;
  #isProbing = false;

  constructor(private readonly options: StallGuardOptions) {}

  /** Watches until the work ends. Only its success is progress: after a call that ended by its deadline, doubt remains. */
  async watch<T>(work: Promise<T>): Promise<T> {
    if (this.#running++ === 0) this.#start();
    try {
      const value = await work;
      this.progress();
      return value;
    } finally {
      if (--this.#running === 0) this.#stop();
    }
  }

  /** A part of a long call has arrived. */
  progress(): void {
    this.#quiet = 0;
  }

  #start(): void {
    this.#timer = setInterval(() => this.#check(), (this.options.quietMs ?? QUIET_MS) / MOST_QUIET);
    this.#timer.unref();
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #check(): void {
    this.#quiet++;
    if (this.#isProbing || this.#quiet < MOST_QUIET) return;
    this.#isProbing = true;
    void this.options.probe().then((error) => {
      this.#isProbing = false;
      // An answer to a call meanwhile is as good as an answer to the probe.
      if (error === undefined) this.progress();
      else if (this.#quiet >= MOST_QUIET) this.options.onStall(error);
    });
  }
}
