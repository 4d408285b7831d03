// Decides when a run goes on without its server: after three failures in a row, or when the server refuses this client.

import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fail, succeed, type Result } from '../failure.js';
import { RemoteError, STATUS } from './transport.js';

/** What no longer happens in this run. */
export type Off = 'all' | 'writing';
export type CallKind = 'read' | 'write';

/** Failures that say something about the server or the way to it. All others are answers. */
const TROUBLE: ReadonlySet<number> = new Set([
  STATUS.UNAVAILABLE,
  STATUS.DEADLINE_EXCEEDED,
  STATUS.RESOURCE_EXHAUSTED,
  STATUS.INTERNAL,
  STATUS.UNKNOWN,
]);
const REFUSAL: ReadonlySet<number> = new Set([STATUS.UNAUTHENTICATED, STATUS.PERMISSION_DENIED]);

const MOST_IN_A_ROW = 3;
const RETRY_AFTER_MS = 100;

export interface BreakerOptions {
  /** Ends all calls without a word: the run was interrupted. */
  readonly signal: AbortSignal;
  /** Called when something goes off, at most once for each. */
  readonly onOff: (what: Off, error: RemoteError) => void;
}

export class Breaker {
  readonly #signals: Readonly<Record<CallKind, AbortController>> = {
    read: new AbortController(),
    write: new AbortController(),
  };
  #inARow = 0;

  constructor(private readonly options: BreakerOptions) {
    for (const { signal } of Object.values(this.#signals)) setMaxListeners(0, signal);
    const { signal } = options;
    if (signal.aborted) this.#abort();
    else signal.addEventListener('abort', () => this.#abort(), { once: true });
  }

  isOff(kind: CallKind): boolean {
    return this.#signals[kind].signal.aborted;
  }

  /** Aborts when calls of this kind go off. */
  signalOf(kind: CallKind): AbortSignal {
    return this.#signals[kind].signal;
  }

  /** Makes a call, once more if the server was unavailable. Counts how it ends. Throws what is not a `RemoteError`. */
  async call<T>(kind: CallKind, work: (signal: AbortSignal) => Promise<T>): Promise<Result<T, RemoteError>> {
    const first = await this.#attempt(kind, work);
    if (first.ok || first.failure.status !== STATUS.UNAVAILABLE || this.isOff(kind)) return this.#counted(kind, first);
    await sleep(RETRY_AFTER_MS, undefined, { signal: this.signalOf(kind) }).catch(() => undefined);
    return this.#counted(kind, await this.#attempt(kind, work));
  }

  async #attempt<T>(kind: CallKind, work: (signal: AbortSignal) => Promise<T>): Promise<Result<T, RemoteError>> {
    const signal = this.signalOf(kind);
    if (signal.aborted) return fail(new RemoteError(STATUS.CANCELLED, 'call', 'the remote cache is off'));
    try {
      return succeed(await work(signal));
    } catch (error) {
      if (error instanceof RemoteError) return fail(error);
      throw error;
    }
  }

  #counted<T>(kind: CallKind, result: Result<T, RemoteError>): Result<T, RemoteError> {
    if (result.ok) this.#inARow = 0;
    else this.#count(kind, result.failure);
    return result;
  }

  #count(kind: CallKind, error: RemoteError): void {
    // What was cancelled here says nothing about the server.
    if (this.isOff(kind) || error.status === STATUS.CANCELLED) return;
    if (REFUSAL.has(error.status)) return this.open(kind === 'read' ? 'all' : 'writing', error);
    this.#inARow = TROUBLE.has(error.status) ? this.#inARow + 1 : 0;
    if (this.#inARow >= MOST_IN_A_ROW) this.open('all', error);
  }

  /** Turns something off for the rest of the run, and cancels its calls in flight. */
  open(what: Off, error: RemoteError): void {
    const isNews = what === 'all' ? !this.isOff('read') : !this.isOff('write');
    if (what === 'all') this.#abort();
    else this.#signals.write.abort();
    if (isNews) this.options.onOff(what, error);
  }

  #abort(): void {
    for (const controller of Object.values(this.#signals)) controller.abort();
  }
}
