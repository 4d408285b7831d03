// A server program: starts it, waits until it listens, and ends it with everything that it started.

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { outlive } from './reaper.js';

export interface ServerProgram {
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** It is ready when it takes connections at the port, or has printed the text. Absent: when it has started. */
  readonly ready?: number | string;
  readonly startMs?: number;
}

export class ServerProcess {
  private readonly lines: string[] = [];

  private constructor(
    private readonly child: ChildProcess,
    private readonly forget: () => void,
  ) {
    for (const stream of [child.stdout, child.stderr]) {
      stream!.setEncoding('utf8').on('data', (text: string) => {
        this.lines.push(text);
        if (this.lines.length > 200) this.lines.shift();
      });
    }
  }

  static async start({ argv, env = {}, cwd, ready, startMs = 60_000 }: ServerProgram): Promise<ServerProcess> {
    const [program = '', ...args] = argv;
    const child = spawn(program, args, {
      env: { PATH: process.env['PATH'], ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group, so that what it starts ends with it.
      detached: true,
      ...(cwd === undefined ? {} : { cwd }),
    });
    await once(child, 'spawn');
    const started = new ServerProcess(child, outlive({ group: child.pid! }));
    if (ready !== undefined) await started.untilReady(ready, performance.now() + startMs);
    return started;
  }

  get pid(): number {
    return this.child.pid!;
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Resolves when it has ended, whatever the reason. */
  async exit(): Promise<void> {
    if (this.isRunning) await once(this.child, 'exit');
  }

  /** The last lines that it printed. */
  get log(): string {
    return this.lines.join('');
  }

  /** Ends it and what it started at once, as a crash would. */
  async kill(): Promise<void> {
    const ended = this.isRunning ? once(this.child, 'exit') : undefined;
    this.signal('SIGKILL');
    await ended;
    this.forget();
  }

  /** Lets it end by itself, but not for ever. */
  async end(withinMs = 10_000): Promise<void> {
    if (this.isRunning) {
      const timer = setTimeout(() => this.signal('SIGKILL'), withinMs);
      const ended = once(this.child, 'exit');
      this.signal('SIGTERM');
      await ended;
      clearTimeout(timer);
    }
    this.signal('SIGKILL');
    this.forget();
  }

  private signal(name: NodeJS.Signals): void {
    try {
      process.kill(-this.pid, name);
    } catch {
      // All of the group has ended.
    }
  }

  private async untilReady(ready: number | string, deadline: number): Promise<void> {
    const isReady = (): boolean | Promise<boolean> =>
      typeof ready === 'number' ? accepts(ready) : this.log.includes(ready);
    while (!(await isReady())) {
      await new Promise((resume) => setTimeout(resume, 50));
      if (this.isRunning && performance.now() < deadline) continue;
      await this.kill();
      throw new Error(`${this.child.spawnargs[0]} is not ready (${ready}):\n${this.log}`);
    }
  }
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  const isOpen = await new Promise<boolean>((resolve) => {
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
  });
  socket.destroy();
  return isOpen;
}

/** Different ones, so that servers that start together don't want the same. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  await Promise.all(servers.map(async (server) => once(server.listen(0, '127.0.0.1'), 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map(async (server) => once(server.close(), 'close')));
  return ports;
}
