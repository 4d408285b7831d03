// Starts a slug's web process with `pyflow exec` and the line of its Procfile, sends HTTP requests, and ends it.

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';

const CLI = resolve(import.meta.dirname, '../../dist/cli.js');
const START_LIMIT_MS = 30_000;
/** What gunicorn, uvicorn and waitress print when they are ready. */
const READY = /Listening at|Uvicorn running on|Serving on/;

export interface SlugServer {
  /** Sends a request. Does not follow redirects. */
  ask(path: string, init?: RequestInit): Promise<{ readonly status: number; readonly text: string }>;
  /** Ends the server, and returns what it printed. */
  stop(): Promise<string>;
}

export interface SlugServerOptions {
  readonly sandbox: 'required' | 'none';
  readonly env?: Readonly<Record<string, string>>;
  /** A shell command that must succeed first. */
  readonly prepare?: string;
}

export async function serveSlug(slug: string, options: SlugServerOptions): Promise<SlugServer> {
  const port = await freePort();
  const web = /^web: (.*)$/m.exec(readFileSync(join(slug, 'Procfile'), 'utf8'))?.[1] ?? 'false';
  const line = `${options.prepare === undefined ? '' : `${options.prepare} && `}exec ${web}`;
  const variables = Object.entries({ ...options.env, PORT: String(port) }).flatMap(([name, value]) => [
    '--env',
    `${name}=${value}`,
  ]);
  const argv = ['exec', '--slug', slug, '--sandbox', options.sandbox, ...variables, '--', 'sh', '-c', line];
  const server = spawn(process.execPath, [CLI, ...argv], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<void>((done) => server.once('close', () => done()));
  let printed = '';
  const deadline = setTimeout(() => server.kill('SIGTERM'), START_LIMIT_MS);
  await new Promise<void>((done, failed) => {
    const look = (chunk: Buffer): void => {
      printed += chunk.toString();
      if (READY.test(printed)) done();
    };
    server.stdout.on('data', look);
    server.stderr.on('data', look);
    server.once('close', () => failed(new Error(`the server ended before it was ready: ${printed}`)));
  }).finally(() => clearTimeout(deadline));
  return {
    async ask(path, init) {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`, { redirect: 'manual', ...init });
      return { status: answer.status, text: await answer.text() };
    },
    async stop() {
      server.kill('SIGTERM');
      await ended;
      return printed;
    },
  };
}

function freePort(): Promise<number> {
  return new Promise((done) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => done(port));
    });
  });
}
