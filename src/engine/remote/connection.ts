// The connection of a run to its remote server: opened by the first call, and watched by the breaker and the stall guard.

import { fail, type Result } from '../failure.js';
import { Breaker, type CallKind, type Off } from './breaker.js';
import { withinTime } from './patience.js';
import type { RemoteSettings } from './settings.js';
import { StallGuard } from './stall-guard.js';
import { RemoteError, STATUS, type CallLimits, type RemoteTransport, type TransportCounters } from './transport.js';

export type OpenTransport = (settings: RemoteSettings) => Promise<RemoteTransport>;

export interface ConnectionOptions {
  readonly settings: RemoteSettings;
  readonly open: OpenTransport;
  /** Aborts when the run is interrupted. */
  readonly signal: AbortSignal;
  readonly onOff: (what: Off, error: RemoteError) => void;
}

export const CAPABILITIES_MS = 2000;
/** For calls that end by their signal. */
const NEVER_MS = 10 * 60 * 1000;
const NO_CALLS: TransportCounters = { calls: 0, roundTrips: 0, bytesUp: 0, bytesDown: 0 };

/** What a call may do. */
export interface Calling extends CallLimits {
  readonly transport: RemoteTransport;
  /** Tells that a part of a stream has arrived. */
  readonly progress: () => void;
}

/** The same chunks. Each one that arrives is progress. */
export async function* watched<Chunk>(chunks: AsyncIterable<Chunk>, progress: () => void): AsyncGenerator<Chunk> {
  for await (const chunk of chunks) {
    progress();
    yield chunk;
  }
}

export class Connection {
  readonly #breaker: Breaker;
  readonly #guard: StallGuard;
  #opening: Promise<RemoteTransport | undefined> | undefined;
  #transport: RemoteTransport | undefined;
  #ready: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(private readonly options: ConnectionOptions) {
    const { signal } = options;
    const onOff = (what: Off, error: RemoteError): void => {
      // Closing cancels what is on its way, and nobody listens any more.
      if (!this.#isClosed) options.onOff(what, error);
    };
    this.#breaker = new Breaker({ signal, onOff });
    this.#guard = new StallGuard({
      probe: () => this.#probe(),
      onStall: (error) => this.#breaker.open('all', error),
    });
  }

  isOff(kind: CallKind): boolean {
    return this.#breaker.isOff(kind);
  }

  signalOf(kind: CallKind): AbortSignal {
    return this.#breaker.signalOf(kind);
  }

  get counters(): TransportCounters {
    return this.#transport?.counters ?? NO_CALLS;
  }

  /** Most bytes of a batch. */
  get batchBytes(): number {
    return this.#transport?.batchBytes ?? 0;
  }

  /** Resolves when the server has said what it can do, or is off. Until then batches could be too large for it. */
  async whenReady(): Promise<void> {
    await this.#open();
    await this.#ready;
  }

  /** Makes a call within this time. Failures of calls count, and can turn the server off. */
  call<T>(kind: CallKind, ms: number, work: (calling: Calling) => Promise<T>): Promise<Result<T, RemoteError>> {
    return this.#call(kind, (calling) =>
      withinTime(ms, calling.signal, (signal) => work({ ...calling, signal, deadlineMs: NEVER_MS })),
    );
  }

  /** The same for a stream, which may take any time, but not this long without any progress. */
  stream<T>(kind: CallKind, idleMs: number, work: (calling: Calling) => Promise<T>): Promise<Result<T, RemoteError>> {
    return this.#call(kind, (calling) => work({ ...calling, deadlineMs: idleMs }));
  }

  async #call<T>(
    kind: CallKind,
    work: (calling: Omit<Calling, 'deadlineMs'>) => Promise<T>,
  ): Promise<Result<T, RemoteError>> {
    const transport = await this.#open();
    if (transport === undefined) return fail(new RemoteError(STATUS.CANCELLED, 'call', 'the remote cache is off'));
    const progress = (): void => this.#guard.progress();
    return this.#breaker.call(kind, (signal) => this.#guard.watch(work({ transport, signal, progress })));
  }

  /** Turns the server off for the rest of the run. */
  giveUp(error: RemoteError): void {
    this.#breaker.open('all', error);
  }

  close(): void {
    this.#isClosed = true;
    this.#transport?.close();
  }

  /** Undefined if the server is off. */
  async #open(): Promise<RemoteTransport | undefined> {
    if (this.isOff('read')) return undefined;
    return (this.#opening ??= this.#start());
  }

  async #start(): Promise<RemoteTransport | undefined> {
    const { settings, open } = this.options;
    try {
      this.#transport = await open(settings);
    } catch (error) {
      if (!(error instanceof RemoteError)) throw error;
      this.#breaker.open('all', error);
      return undefined;
    }
    // Look-ups don't wait for the answer: this saves a round trip.
    this.#ready = this.#greet(this.#transport);
    return this.#transport;
  }

  /** Asks what the server can do. A server that doesn't answer this quickly is off. */
  async #greet(transport: RemoteTransport): Promise<void> {
    const asked = await this.#breaker.call('read', (signal) =>
      withinTime(CAPABILITIES_MS, signal, (limited) =>
        transport.capabilities({ signal: limited, deadlineMs: NEVER_MS }),
      ),
    );
    if (!asked.ok) {
      if (asked.failure.status !== STATUS.CANCELLED) this.#breaker.open('all', asked.failure);
      return;
    }
    const lacks = (status: number, detail: string): RemoteError => new RemoteError(status, 'GetCapabilities', detail);
    if (!asked.value.cache)
      this.#breaker.open('all', lacks(STATUS.UNIMPLEMENTED, 'the server has no cache for SHA-256'));
    else if (this.options.settings.write && !asked.value.updatesResults)
      this.#breaker.open('writing', lacks(STATUS.PERMISSION_DENIED, 'the server takes no results from this client'));
  }

  async #probe(): Promise<RemoteError | undefined> {
    try {
      await withinTime(CAPABILITIES_MS, this.signalOf('read'), async (signal) =>
        this.#transport?.probe({ signal, deadlineMs: NEVER_MS }),
      );
      return undefined;
    } catch (error) {
      if (error instanceof RemoteError) return error;
      throw error;
    }
  }
}
