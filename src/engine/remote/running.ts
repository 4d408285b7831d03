// One action on its way through a scheduler: started, watched, resumed when the connection breaks, and cancelled.

import type { ActionKey } from '../files/digest.js';
import { OUTPUT_PATHS } from '../trees/output-paths.js';
import type { Calling, Connection } from './connection.js';
import { RemoteError, STATUS, type ExecutionOutcome, type ExecutionUpdate, type RemoteTransport } from './transport.js';

export interface RunningOptions {
  readonly key: ActionKey;
  /** The result must be made anew. */
  readonly skipCacheLookup: boolean;
  /** From when a worker has taken it. */
  readonly timeoutMs?: number;
  /** Aborts when the node must stop. */
  readonly signal: AbortSignal;
  /** A worker has taken it. */
  readonly onExecuting: () => void;
}

export type Ended =
  /** An encoded ActionResult, unchecked. */
  | { readonly type: 'ended'; readonly result: Uint8Array; readonly isCached: boolean }
  | { readonly type: 'missing-input' }
  | { readonly type: 'timeout' }
  | { readonly type: 'aborted' }
  | { readonly type: 'error'; readonly error: RemoteError };

/** No worker has taken the action for so long that none will. */
const QUEUED_MS = 10 * 60 * 1000;
const EXECUTION_MS = 24 * 60 * 60 * 1000;
const CANCEL_MS = 2000;
const MOST_ATTEMPTS = 3;
/** What another attempt can mend: a worker or a scheduler was lost. */
const TRANSIENT: ReadonlySet<number> = new Set([STATUS.UNAVAILABLE, STATUS.ABORTED, STATUS.INTERNAL]);

export class Running {
  readonly #stop = new AbortController();
  #why: 'timeout' | 'aborted' | 'queued' | undefined;
  #operation: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isExecuting = false;

  constructor(
    private readonly connection: Connection,
    private readonly instance: string,
    private readonly options: RunningOptions,
  ) {}

  async end(): Promise<Ended> {
    const { signal } = this.options;
    const abort = (): void => this.#end('aborted');
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    this.#limit(QUEUED_MS, 'queued');
    try {
      return await this.#attempts();
    } finally {
      clearTimeout(this.#timer);
      signal.removeEventListener('abort', abort);
    }
  }

  #end(why: 'timeout' | 'aborted' | 'queued'): void {
    this.#why ??= why;
    this.#stop.abort();
  }

  #limit(ms: number, why: 'timeout' | 'queued'): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#end(why), ms);
  }

  async #attempts(): Promise<Ended> {
    for (let attempt = 1; ; attempt++) {
      const called = await this.connection.stream('read', EXECUTION_MS, (calling) => this.#follow(calling));
      if (this.#why === 'queued') return failedWith(noWorker);
      if (this.#why !== undefined) return { type: this.#why };
      const ended = called.ok ? endOf(called.value) : ({ type: 'error', error: called.failure } as const);
      if (ended.type !== 'error') return ended;
      const { error } = ended;
      if (isMissingInput(error)) return { type: 'missing-input' };
      if (attempt === MOST_ATTEMPTS || !TRANSIENT.has(error.status) || this.connection.isOff('read')) return ended;
      if (called.ok) this.#operation = undefined;
    }
  }

  async #follow({ transport, progress, ...limits }: Calling): Promise<ExecutionOutcome> {
    const at = transport.forInstance(this.instance);
    const signal = AbortSignal.any([limits.signal, this.#stop.signal]);
    try {
      for await (const update of this.#updates(at, { ...limits, signal })) {
        progress();
        this.#operation = update.operation === '' ? this.#operation : update.operation;
        this.#take(update);
        if (update.outcome !== undefined) return update.outcome;
      }
      throw new RemoteError(STATUS.UNAVAILABLE, 'Execute', 'the server ended the stream before the execution');
    } catch (error) {
      if (this.#stop.signal.aborted || limits.signal.aborted) await this.#cancel(at);
      else if (error instanceof RemoteError && LOST_OPERATION.has(error.status)) this.#operation = undefined;
      throw error;
    }
  }

  #updates(at: RemoteTransport, limits: Omit<Calling, 'transport' | 'progress'>): AsyncIterable<ExecutionUpdate> {
    const { key: action, skipCacheLookup } = this.options;
    if (this.#operation !== undefined) return at.waitExecution(this.#operation, limits);
    return at.execute({ action, skipCacheLookup, inlineOutputFiles: [OUTPUT_PATHS.result] }, limits);
  }

  #take({ stage }: ExecutionUpdate): void {
    const { timeoutMs, onExecuting } = this.options;
    // Servers that tell no stages count as executing from the first word on.
    if (this.#isExecuting || stage === 'queued' || stage === 'cache-check' || stage === 'completed') return;
    this.#isExecuting = true;
    onExecuting();
    clearTimeout(this.#timer);
    if (timeoutMs !== undefined) this.#limit(timeoutMs, 'timeout');
  }

  /** Best effort, and over before the connection is closed. */
  async #cancel(transport: RemoteTransport): Promise<void> {
    if (this.#operation === undefined) return;
    const signal = AbortSignal.timeout(CANCEL_MS);
    await transport.cancel(this.#operation, { signal, deadlineMs: CANCEL_MS }).catch(() => {});
  }
}

/** The scheduler was started anew, or can't resume. */
const LOST_OPERATION: ReadonlySet<number> = new Set([STATUS.NOT_FOUND, STATUS.UNIMPLEMENTED, STATUS.INVALID_ARGUMENT]);

function endOf({ result, error, isCached }: ExecutionOutcome): Ended {
  if (error !== undefined) return failedWith(error);
  return result === undefined ? failedWith(noResult) : { type: 'ended', result, isCached };
}

const failedWith = (error: RemoteError): Ended => ({ type: 'error', error });
const noResult = new RemoteError(STATUS.INTERNAL, 'Execute', 'the server sent no result');
const noWorker = new RemoteError(STATUS.DEADLINE_EXCEEDED, 'Execute', 'no worker took the action within 10 minutes');

/** buildbox-casd says NOT_FOUND for a missing blob, but also for a program that the worker lacks. */
const isMissingInput = ({ status, detail }: RemoteError): boolean =>
  status === STATUS.FAILED_PRECONDITION || (status === STATUS.NOT_FOUND && !detail.startsWith('Unable to execute'));
