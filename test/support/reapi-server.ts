// A gRPC server whose answers a test writes byte for byte, for what no honest server would send.

import { Metadata, Server, ServerCredentials, type ServiceError } from '@grpc/grpc-js';
import { promisify } from 'node:util';

/** Encoded messages to send, or a failure to end with. */
export type Answer = (request: Buffer, call: Call) => AsyncIterable<Buffer> | Iterable<Buffer>;
export interface Call {
  readonly headers: Readonly<Record<string, string>>;
  readonly isCancelled: () => boolean;
  /** All requests of an upload, which has no `request`. */
  readonly uploaded: AsyncIterable<Buffer>;
}

export class StatusFailure extends Error {
  constructor(
    readonly code: number,
    readonly details: string,
    /** An encoded google.rpc.Status. */
    readonly status?: Buffer,
  ) {
    super(details);
  }
}

export interface TlsServer {
  readonly ca: Buffer | null;
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly asksClient: boolean;
}

/** Answers by `SERVICE/METHOD`, the service without its package. Others are UNIMPLEMENTED. */
export class ReapiServer {
  private readonly server = new Server({ 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 });
  private port = 0;

  static async start(answers: Readonly<Record<string, Answer>>, tls?: TlsServer): Promise<ReapiServer> {
    const server = new ReapiServer();
    await server.listen(answers, tls);
    return server;
  }

  get url(): string {
    return `grpc://127.0.0.1:${this.port}`;
  }

  get address(): { readonly host: string; readonly port: number } {
    return { host: '127.0.0.1', port: this.port };
  }

  stop(): void {
    this.server.forceShutdown();
  }

  private async listen(answers: Readonly<Record<string, Answer>>, tls?: TlsServer): Promise<void> {
    const asIs = (bytes: Buffer): Buffer => bytes;
    for (const [name, answer] of Object.entries(answers)) {
      const [service = '', method = ''] = name.split('/');
      const path = `/${PACKAGES[service] ?? 'build.bazel.remote.execution.v2'}.${service}/${method}`;
      const isUpload = method === 'Write';
      this.server.register(
        path,
        (call: unknown) => void serve(answer, call as RawCall),
        asIs,
        asIs,
        isUpload ? 'bidi' : 'serverStream',
      );
    }
    const credentials =
      tls === undefined
        ? ServerCredentials.createInsecure()
        : ServerCredentials.createSsl(tls.ca, [{ private_key: tls.key, cert_chain: tls.cert }], tls.asksClient);
    const bind = promisify(this.server.bindAsync.bind(this.server));
    this.port = (await bind('127.0.0.1:0', credentials)) as number;
  }
}
const PACKAGES: Readonly<Record<string, string>> = {
  ByteStream: 'google.bytestream',
  Operations: 'google.longrunning',
};

interface RawCall {
  readonly request?: Buffer;
  readonly metadata: Metadata;
  readonly cancelled: boolean;
  /** Reading to the end must not end the answer. */
  iterator(options: { readonly destroyOnReturn: false }): AsyncIterable<Buffer>;
  write(message: Buffer): boolean;
  end(): void;
  once(event: string, listener: () => void): void;
  on(event: string, listener: () => void): void;
  emit(event: 'error', error: Partial<ServiceError>): void;
}

async function serve(answer: Answer, call: RawCall): Promise<void> {
  call.on('error', () => undefined);
  try {
    const headers = call.metadata.getMap() as Record<string, string>;
    const uploaded = call.request === undefined ? call.iterator({ destroyOnReturn: false }) : nothing();
    const about = { headers, isCancelled: () => call.cancelled, uploaded };
    for await (const message of answer(call.request ?? Buffer.alloc(0), about)) {
      if (call.cancelled) return;
      if (!call.write(message)) await new Promise<void>((resolve) => call.once('drain', resolve));
    }
    call.end();
  } catch (error) {
    const { code = 2, details = String(error), status } = error as Partial<StatusFailure>;
    const metadata = new Metadata();
    if (status !== undefined) metadata.set('grpc-status-details-bin', status);
    call.emit('error', { code, details, metadata });
  }
}

async function* nothing(): AsyncGenerator<Buffer> {}
