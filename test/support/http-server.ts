// Real servers on the loopback for tests of downloads: one with scripted answers, and one that accepts no connection.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { spawn } from 'node:child_process';

export interface TestServer {
  /** `http://127.0.0.1:PORT` */
  readonly origin: string;
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** Method and URL of each request, in order. */
  readonly requests: string[];
  readonly headers: IncomingMessage['headers'][];
  readonly server: Server;
  close(): Promise<void>;
}

export type Answer = (request: IncomingMessage, response: ServerResponse, count: number) => void;

/** `answer` gets the number of the request, from 1. */
export async function startServer(answer: Answer, port = 0): Promise<TestServer> {
  const requests: string[] = [];
  const headers: IncomingMessage['headers'][] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    headers.push(request.headers);
    answer(request, response, requests.length);
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    origin: `http://${host}`,
    host,
    requests,
    headers,
    server,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** A port of the loopback on which nothing listens. */
export async function closedPort(): Promise<number> {
  const server = await startServer(() => {});
  const { port } = server.server.address() as AddressInfo;
  await server.close();
  return port;
}

export interface DeadListener {
  readonly port: number;
  close(): void;
}

const LISTENER = `
import socket, sys
listener = socket.socket()
listener.bind(('127.0.0.1', 0))
listener.listen(0)
print(listener.getsockname()[1], flush=True)
sys.stdin.read()
`;

/**
 * Listens with a full backlog and never accepts, so it looks like a host that is switched off. Undefined without
 * Python, because Node always accepts.
 */
export async function startDeadListener(): Promise<DeadListener | undefined> {
  const child = spawn('python3', ['-c', LISTENER], { stdio: ['pipe', 'pipe', 'ignore'] });
  const port = await new Promise<number | undefined>((resolve) => {
    child.on('error', () => resolve(undefined));
    child.on('exit', () => resolve(undefined));
    child.stdout.once('data', (chunk: Buffer) => resolve(Number(chunk)));
  });
  if (port === undefined) return undefined;
  const fillers: Socket[] = [];
  // Connections succeed until the backlog is full. The first one that hangs shows that it is.
  for (let isFull = false; !isFull;) {
    const filler = connect(port, '127.0.0.1');
    filler.on('error', () => {});
    fillers.push(filler);
    isFull = await new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(true), 200);
      filler.once('connect', () => {
        clearTimeout(timer);
        resolve(false);
      });
    });
  }
  return {
    port,
    close() {
      for (const filler of fillers) filler.destroy();
      child.stdin.end();
      child.kill('SIGKILL');
    },
  };
}
