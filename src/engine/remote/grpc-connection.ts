// One gRPC connection: calls with encoded messages, their deadlines, cancellation, back-pressure, and errors without secrets.

import { setMaxListeners } from 'node:events';
import type { RemoteAddress } from './address.js';
import { CallCounter } from './call-counter.js';
import type * as Library from './grpc-library.js';
import type { ClientWritableStream, Metadata, ServiceError } from './grpc-library.js';
import type { TlsFiles } from './key-files.js';
import { oneLine } from './status.js';
import { RemoteError, STATUS, type CallLimits } from './transport.js';

export interface ConnectionSettings {
  readonly address: RemoteAddress;
  /** Contents of PEM files. `ca` is trusted instead of the authorities that Node knows. */
  readonly tls?: TlsFiles;
  /** Sent with each call, so they can hold credentials. Never shown. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly binaryHeaders?: Readonly<Record<string, Buffer>>;
  readonly userAgent?: string;
  /** How often the connection is tested while calls wait; 30 s. */
  readonly keepaliveMs?: number;
}

/** `/SERVICE/METHOD`, as HTTP/2 has it. */
export type MethodPath = `/${string}/${string}`;

const MIB = 1024 * 1024;
/** A stream that is slower than this, after its deadline, is as good as dead. */
const SLOWEST_BYTES_A_SECOND = 32 * 1024;

const OPTIONS = {
  // The default of 64 KiB is paid with a round trip for each 64 KiB.
  'grpc-node.flow_control_window': 16 * MIB,
  // Four times what servers send by default. A hostile server can't make pyflow hold more for a message.
  'grpc.max_receive_message_length': 16 * MIB,
  'grpc.max_send_message_length': 16 * MIB,
  'grpc.keepalive_timeout_ms': 10_000,
  // Callers decide what is repeated. Settings of the library don't come from the DNS.
  'grpc.enable_retries': 0,
  'grpc.service_config_disable_resolution': 1,
  'grpc.enable_channelz': 0,
  'grpc.use_local_subchannel_pool': 1,
};

const asIs = (bytes: Buffer): Buffer => bytes;

/** Ends a call at its limits. */
interface Guard {
  /** Why, if it did. */
  reason(): RemoteError | undefined;
  /** Starts or stops the clock of the deadline. */
  expectProgress(isExpected: boolean): void;
  stop(): void;
}

export class GrpcConnection {
  private readonly client: Library.Client;
  private readonly metadata: Metadata;
  private readonly secrets: readonly string[];
  private readonly cancels = new Set<() => void>();
  private isClosed = false;
  readonly counter = new CallCounter();

  /** Connects with the first call. Throws a `RemoteError` for certificates and headers that can't be used. */
  constructor(
    library: typeof Library,
    { address, tls, headers = {}, binaryHeaders = {}, userAgent, keepaliveMs = 30_000 }: ConnectionSettings,
  ) {
    // The library's own errors would show what is wrong, and with it the secret.
    const credentials = usable('a certificate or key is not valid', () =>
      address.tls ? library.credentials.createSsl(...pemOf(tls)) : library.credentials.createInsecure(),
    );
    this.metadata = new library.Metadata();
    for (const [name, value] of Object.entries({ ...headers, ...binaryHeaders })) {
      usable('a header is not valid', () => this.metadata.set(name, value));
    }
    this.secrets = Object.values(headers).flatMap((value) =>
      [value, ...value.split(/\s+/)].filter((part) => part.length > 7),
    );
    this.client = new library.Client(address.target, credentials, {
      ...OPTIONS,
      'grpc.keepalive_time_ms': keepaliveMs,
      ...(userAgent !== undefined && { 'grpc.primary_user_agent': userAgent }),
      // Proxies of the environment are for other machines.
      'grpc.enable_http_proxy': address.isLocal ? 0 : 1,
    });
  }

  /** `isCounted`: as a call of the run. */
  async unary(path: MethodPath, request: Buffer, limits: CallLimits, isCounted = true): Promise<Buffer> {
    const ended = this.begin(path, limits, isCounted);
    this.counter.sent(request.length);
    const { call, answer } = this.answered((done) =>
      this.client.makeUnaryRequest(path, asIs, asIs, request, this.metadata, this.until(limits), done),
    );
    const guard = this.guard(path, call, limits);
    try {
      return await answer;
    } catch (error) {
      throw guard.reason() ?? this.toRemoteError(path, error);
    } finally {
      guard.stop();
      ended();
    }
  }

  /** With `bytes`, the number that is expected, the deadline is for each message. */
  async *serverStream(
    path: MethodPath,
    request: Buffer,
    limits: CallLimits,
    bytes?: number,
  ): AsyncGenerator<Buffer, void, undefined> {
    const ended = this.begin(path, limits);
    this.counter.sent(request.length);
    const call = this.client.makeServerStreamRequest(
      path,
      asIs,
      asIs,
      request,
      this.metadata,
      this.until(limits, bytes),
    );
    // The library can emit an error of a cancelled call when nobody listens any more.
    call.on('error', () => undefined);
    const guard = this.guard(path, call, limits);
    const messages = call[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>;
    const next = async (): Promise<Buffer | undefined> => {
      if (bytes !== undefined) guard.expectProgress(true);
      try {
        const { value } = await messages.next();
        return value;
      } catch (error) {
        throw guard.reason() ?? this.toRemoteError(path, error);
      } finally {
        guard.expectProgress(false);
      }
    };
    try {
      for (let message = await next(); message !== undefined; message = await next()) {
        this.counter.received(message.length);
        yield message;
      }
    } finally {
      guard.stop();
      call.cancel();
      ended();
    }
  }

  /**
   * Sends messages no faster than the server takes them, and returns its answer. The server may answer before the last one;
   * the rest is not sent then. Errors of `messages` are thrown as they are.
   */
  async clientStream(
    path: MethodPath,
    messages: AsyncIterable<Buffer>,
    limits: CallLimits,
    bytes: number,
  ): Promise<Buffer> {
    const ended = this.begin(path, limits);
    const { call, answer } = this.answered<ClientWritableStream<Buffer>>((done) =>
      this.client.makeClientStreamRequest(path, asIs, asIs, this.metadata, this.until(limits, bytes), done),
    );
    call.on('error', () => undefined);
    const guard = this.guard(path, call, limits);
    try {
      await this.send(call, messages, answer, guard);
      guard.expectProgress(true);
      return await answer.catch((error: unknown) => {
        throw guard.reason() ?? this.toRemoteError(path, error);
      });
    } finally {
      guard.stop();
      call.cancel();
      ended();
    }
  }

  /** Ends when all is sent or the call has ended, whatever its end. */
  private async send(
    call: ClientWritableStream<Buffer>,
    messages: AsyncIterable<Buffer>,
    answer: Promise<Buffer>,
    guard: Guard,
  ): Promise<void> {
    const over = answer.then(
      () => undefined,
      () => undefined,
    );
    const source = messages[Symbol.asyncIterator]();
    let flushed: Promise<unknown> = Promise.resolve();
    let isOver = false;
    void over.then(() => (isOver = true));
    for (;;) {
      const next = await Promise.race([source.next(), over]);
      if (next === undefined || isOver) break;
      if (next.done === true) {
        call.end();
        return;
      }
      this.counter.sent(next.value.length);
      const before = flushed;
      // One message is on its way while the next one is made.
      flushed = new Promise<void>((resolve) => call.write(next.value, () => resolve()));
      guard.expectProgress(true);
      await Promise.race([before, over]);
      guard.expectProgress(false);
    }
    // The source may be waiting for something that never comes.
    void source.return?.().catch(() => undefined);
  }

  close(): void {
    this.isClosed = true;
    for (const cancel of this.cancels) cancel();
    this.client.close();
  }

  private begin(path: MethodPath, { signal }: CallLimits, isCounted = true): () => void {
    if (this.isClosed || signal.aborted) throw cancelled(path);
    return isCounted ? this.counter.begin() : () => undefined;
  }

  private until({ deadlineMs }: CallLimits, bytes = 0): { readonly deadline: number } {
    return { deadline: Date.now() + deadlineMs + (bytes / SLOWEST_BYTES_A_SECOND) * 1000 };
  }

  /** Starts a call that has one answer. */
  private answered<C>(start: (done: (error: unknown, value?: Buffer) => void) => C): {
    readonly call: C;
    readonly answer: Promise<Buffer>;
  } {
    let done!: (error: unknown, value?: Buffer) => void;
    const answer = new Promise<Buffer>((resolve, reject) => {
      done = (error, value) => {
        if (value === undefined) return reject(error as Error);
        this.counter.received(value.length);
        resolve(value);
      };
    });
    // The caller may await it later.
    answer.catch(() => undefined);
    return { call: start(done), answer };
  }

  private guard(path: MethodPath, call: { cancel(): void }, { signal, deadlineMs }: CallLimits): Guard {
    let reason: RemoteError | undefined;
    let timer: NodeJS.Timeout | undefined;
    const cancel = (): void => {
      reason ??= cancelled(path);
      call.cancel();
    };
    // Hundreds of calls may share the signal of a run.
    setMaxListeners(0, signal);
    signal.addEventListener('abort', cancel, { once: true });
    this.cancels.add(cancel);
    const expectProgress = (isExpected: boolean): void => {
      clearTimeout(timer);
      if (!isExpected) return;
      timer = setTimeout(() => {
        reason ??= new RemoteError(STATUS.DEADLINE_EXCEEDED, methodOf(path), `nothing happened for ${deadlineMs} ms`);
        call.cancel();
      }, deadlineMs);
    };
    const stop = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', cancel);
      this.cancels.delete(cancel);
    };
    return { reason: () => reason, expectProgress, stop };
  }

  /** An error of the library, without the values of headers if the server repeated them. Other errors are bugs. */
  private toRemoteError(path: MethodPath, error: unknown): unknown {
    const { code, details } = error as Partial<ServiceError>;
    return typeof code === 'number' ? new RemoteError(code, methodOf(path), this.withoutSecrets(details ?? '')) : error;
  }

  /** For texts of the server. */
  withoutSecrets(text: string): string {
    return oneLine(this.secrets.reduce((rest, secret) => rest.replaceAll(secret, '***'), text));
  }
}

function usable<T>(problem: string, make: () => T): T {
  try {
    return make();
  } catch {
    throw new RemoteError(STATUS.INVALID_ARGUMENT, 'Connect', problem);
  }
}

/** Authorities, key and certificate, in the order of the library. */
const pemOf = ({ ca, key, cert }: TlsFiles = {}): readonly [Buffer | null, Buffer | null, Buffer | null] => [
  pem(ca),
  pem(key),
  pem(cert),
];
const pem = (text: string | undefined): Buffer | null => (text === undefined ? null : Buffer.from(text));

const cancelled = (path: MethodPath): RemoteError => new RemoteError(STATUS.CANCELLED, methodOf(path), '');
export const methodOf = (path: MethodPath): string => path.slice(path.lastIndexOf('/') + 1);
