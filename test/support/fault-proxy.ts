// A TCP proxy in the test's process that is slow or broken, as the test wants. It knows nothing of what it carries.

import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** What goes wrong with a connection. Numbers of bytes count what the server sent over that connection. */
export type Fault =
  | { readonly kind: 'none' }
  /** Takes connections and bytes, and passes nothing on. */
  | { readonly kind: 'accept-only' }
  /** Passes on so many bytes, then nothing more, and leaves the connection open. */
  | { readonly kind: 'stall'; readonly afterBytes: number }
  | { readonly kind: 'reset'; readonly afterBytes: number }
  /** Ends the direction from the server to the client, and still takes bytes of the client. */
  | { readonly kind: 'half-close'; readonly afterBytes: number }
  /** Passes on so many bytes, then one byte a second. */
  | { readonly kind: 'trickle'; readonly afterBytes: number };

export class FaultProxy {
  /** For connections that begin from now on. */
  fault: Fault = { kind: 'none' };
  /** Each way. Applies to bytes that arrive from now on; they travel together, as on a real line. */
  delayMs = 0;
  connections = 0;
  bytesUp = 0;
  bytesDown = 0;
  private server: Server | undefined;
  private readonly sockets = new Set<Socket>();
  private port = 0;

  private constructor(private readonly to: { readonly host: string; readonly port: number }) {}

  static async start(to: { readonly host: string; readonly port: number }): Promise<FaultProxy> {
    const proxy = new FaultProxy(to);
    await proxy.accept();
    return proxy;
  }

  get url(): string {
    return `grpc://127.0.0.1:${this.port}`;
  }

  /** Refuses new connections, and breaks the existing ones. */
  async refuse(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    server?.close();
    for (const socket of this.sockets) socket.resetAndDestroy();
    if (server?.listening === true) await once(server, 'close');
  }

  /** Accepts connections again, at the same port. */
  async accept(): Promise<void> {
    this.server = createServer({ allowHalfOpen: true }, (client) => this.carry(client));
    this.server.listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = (this.server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    await this.refuse();
  }

  private carry(client: Socket): void {
    this.connections++;
    const { fault } = this;
    this.hold(client);
    if (fault.kind === 'accept-only') {
      client.resume();
      return;
    }
    const server = connect({ ...this.to, allowHalfOpen: true });
    this.hold(server);
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      one.once('close', () => other.destroy());
    }
    this.delayed(client, server, (bytes) => {
      this.bytesUp += bytes.length;
      server.write(bytes);
    });
    const down = this.withFault(fault, client);
    this.delayed(server, client, (bytes) => {
      this.bytesDown += bytes.length;
      down(bytes);
    });
  }

  private hold(socket: Socket): void {
    this.sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.once('close', () => this.sockets.delete(socket));
  }

  /** Passes each chunk on when its time has come, without waiting for the one before. */
  private delayed(from: Socket, to: Socket, pass: (bytes: Buffer) => void): void {
    const line: { readonly at: number; readonly bytes: Buffer | undefined }[] = [];
    let timer: NodeJS.Timeout | undefined;
    const deliver = (): void => {
      timer = undefined;
      const now = performance.now();
      while (line.length > 0 && line[0]!.at <= now) {
        const { bytes } = line.shift()!;
        if (bytes === undefined) to.end();
        else if (!to.destroyed) pass(bytes);
      }
      if (line.length > 0) timer = setTimeout(deliver, Math.ceil(line[0]!.at - now));
    };
    const take = (bytes: Buffer | undefined): void => {
      line.push({ at: performance.now() + this.delayMs, bytes });
      if (timer === undefined) deliver();
    };
    from.on('data', take);
    from.on('end', () => take(undefined));
    to.once('close', () => clearTimeout(timer));
  }

  /** What carries bytes to the client. */
  private withFault(fault: Fault, client: Socket): (bytes: Buffer) => void {
    if (fault.kind === 'none' || fault.kind === 'accept-only') return (bytes) => void client.write(bytes);
    let left = fault.afterBytes;
    const rest: Buffer[] = [];
    let clock: NodeJS.Timeout | undefined;
    const trickle = (): void => {
      const [first] = rest;
      if (first === undefined) return;
      client.write(first.subarray(0, 1));
      if (first.length > 1) rest[0] = first.subarray(1);
      else rest.shift();
    };
    client.once('close', () => clearInterval(clock));
    return (bytes) => {
      const good = bytes.subarray(0, left);
      left -= good.length;
      if (good.length > 0) client.write(good);
      if (left > 0) return;
      if (fault.kind === 'reset') client.resetAndDestroy();
      else if (fault.kind === 'half-close' && !client.writableEnded) client.end();
      else if (fault.kind === 'trickle') {
        if (good.length < bytes.length) rest.push(bytes.subarray(good.length));
        clock ??= setInterval(trickle, 1000);
      }
    };
  }
}
