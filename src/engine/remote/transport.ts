// What pyflow asks of a remote server, whatever the protocol below: blobs, results, executions, and how a call can fail.

import type { ActionKey, Digest } from '../files/digest.js';
import { sizeOf } from '../files/digest.js';

/** Numbers of gRPC's status codes. A server can send others; those count as `UNKNOWN`. */
export const STATUS = {
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

const NAMES = new Map<number, string>(Object.entries(STATUS).map(([name, status]) => [status, name]));

/** A failed call, or the failed part of a batch. Its message has no headers and no credentials, so it may be shown. */
export class RemoteError extends Error {
  override readonly name = 'RemoteError';
  readonly status: number;

  constructor(
    status: number,
    /** Which call failed, such as `GetActionResult`. */
    readonly method: string,
    /** What the server or the library said: one short line of printable text. */
    readonly detail: string,
  ) {
    const known = NAMES.has(status) ? status : STATUS.UNKNOWN;
    super(`${method}: ${NAMES.get(known)}${detail === '' ? '' : `, ${detail}`}`);
    this.status = known;
  }
}

/** How long a call may take, and what ends it early. */
export interface CallLimits {
  readonly signal: AbortSignal;
  /**
   * From the start of the call. For `readStream` and `writeStream`, the longest time without a message; a whole stream may take
   * this and a second for each 32 KiB.
   */
  readonly deadlineMs: number;
}

/** What a server can do. Numbers are undefined if the server sets no limit. */
export interface RemoteCapabilities {
  /** Whether the server stores blobs and results by SHA-256. */
  readonly cache: boolean;
  /** Whether this client may write results. A server with access control can still refuse the write. */
  readonly updatesResults: boolean;
  readonly maxBatchBytes?: number;
  readonly maxBlobBytes?: number;
  readonly executes: boolean;
  /** Versions of the API, such as `2.0` and `2.3`. */
  readonly lowVersion?: string;
  readonly highVersion?: string;
}

export interface RemoteBlob {
  readonly digest: Digest;
  readonly bytes: Uint8Array;
}

/** Every digest that was asked for is in exactly one of the two maps. */
export interface BatchRead {
  /** Bytes that match their digest. Views into one message: copy what is kept for long. */
  readonly blobs: ReadonlyMap<Digest, Buffer>;
  /** `NOT_FOUND` for a missing blob, `DATA_LOSS` for one whose bytes don't match. */
  readonly failed: ReadonlyMap<Digest, RemoteError>;
}

export interface ResultQuery {
  readonly key: ActionKey;
  /** Output files whose contents the server should put into the result. */
  readonly inlineOutputFiles?: readonly string[];
}

export interface ExecutionRequest {
  /** Digest of the Action. The Action and all it names must be on the server. */
  readonly action: Digest;
  readonly skipCacheLookup?: boolean;
  readonly inlineOutputFiles?: readonly string[];
}

export type ExecutionStage = 'unknown' | 'cache-check' | 'queued' | 'executing' | 'completed';

/** One message of a running execution. The last one has `outcome`. */
export interface ExecutionUpdate {
  /** Name of the operation, for `waitExecution` and `cancel`. */
  readonly operation: string;
  readonly stage: ExecutionStage;
  readonly outcome?: ExecutionOutcome;
}

export interface ExecutionOutcome {
  /** An encoded ActionResult. Can be there beside `error`, such as after a timeout. */
  readonly result?: Uint8Array;
  readonly isCached: boolean;
  /** Why there is no valid result. A command that ended with an exit code is no error. */
  readonly error?: RemoteError;
}

export interface TransportCounters {
  readonly calls: number;
  /** The longest chain of calls that each began after another had ended: how often latency was paid. */
  readonly roundTrips: number;
  /** Bytes of messages, without the overhead of HTTP/2 and TLS. */
  readonly bytesUp: number;
  readonly bytesDown: number;
}

/**
 * One connection to a server. Calls may overlap. Each call either returns or throws a `RemoteError`; an aborted one throws
 * `CANCELLED`. None is repeated by the transport.
 */
export interface RemoteTransport {
  /** A snapshot. Transports of other instances on the same connection count together. */
  readonly counters: TransportCounters;
  /** Most bytes of one batch, counted as `batchCost`. Follows what `capabilities` told. */
  readonly batchBytes: number;

  /** The same connection, with another `instance_name`. */
  forInstance(instance: string): RemoteTransport;

  capabilities(limits: CallLimits): Promise<RemoteCapabilities>;

  /** Resolves when the server has answered anything. Not counted as a call. */
  probe(limits: CallLimits): Promise<void>;

  /** Takes any number of digests. The empty blob is never missing. */
  findMissing(digests: readonly Digest[], limits: CallLimits): Promise<ReadonlySet<Digest>>;

  /** One call. The blobs must fit `batchBytes`; see `splitBatches`. */
  readBatch(digests: readonly Digest[], limits: CallLimits): Promise<BatchRead>;

  /** The bytes of one blob. After the last chunk, throws `DATA_LOSS` if they didn't match the digest. */
  readStream(digest: Digest, limits: CallLimits): AsyncIterable<Buffer>;

  /** One call. Returns the blobs that the server refused. They must fit `batchBytes`. */
  writeBatch(blobs: readonly RemoteBlob[], limits: CallLimits): Promise<ReadonlyMap<Digest, RemoteError>>;

  writeStream(digest: Digest, chunks: AsyncIterable<Uint8Array>, limits: CallLimits): Promise<void>;

  /** The encoded ActionResult as it came, unchecked; undefined if the server has none. */
  getResult(query: ResultQuery, limits: CallLimits): Promise<Buffer | undefined>;

  /** Takes an encoded ActionResult. */
  putResult(key: ActionKey, result: Uint8Array, limits: CallLimits): Promise<void>;

  /** Ends after the update with an outcome. If the stream breaks before, `waitExecution` resumes it. */
  execute(request: ExecutionRequest, limits: CallLimits): AsyncIterable<ExecutionUpdate>;
  waitExecution(operation: string, limits: CallLimits): AsyncIterable<ExecutionUpdate>;
  /** Asks the server to stop an execution. Servers may not support it. */
  cancel(operation: string, limits: CallLimits): Promise<void>;

  /** Ends every call in flight with `CANCELLED`. */
  close(): void;
}

/** What a blob costs in a batch: its bytes, and room for its digest and status. */
export const batchCost = (digest: Digest): number => sizeOf(digest) + 128;

export interface Batches {
  readonly batches: readonly (readonly Digest[])[];
  /** Blobs that are too large for a batch. */
  readonly streams: readonly Digest[];
}

/** Splits digests, in their order, into batches that fit, and blobs that need a stream. */
export function splitBatches(digests: Iterable<Digest>, batchBytes: number): Batches {
  const batches: Digest[][] = [];
  const streams: Digest[] = [];
  let used = Infinity;
  for (const digest of digests) {
    const cost = batchCost(digest);
    if (cost > batchBytes) {
      streams.push(digest);
      continue;
    }
    if (used + cost > batchBytes) {
      batches.push([]);
      used = 0;
    }
    used += cost;
    batches.at(-1)?.push(digest);
  }
  return { batches, streams };
}
