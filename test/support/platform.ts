// The parts of a platform with classic buildpacks that a build and a boot need: folders, the adapter's scripts, a
// shell.

import { spawn, spawnSync, type ChildProcessByStdio } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import type { Readable } from 'node:stream';
import { join, resolve } from 'node:path';
import { passThroughOf } from '../../src/engine/app/pass-through.js';

const ROOT = resolve(import.meta.dirname, '../..');
/** The folder in which a platform builds or boots. Tests use it only if they can create it and it does not exist. */
export const APP = '/app';
export const mayMakeApp = (): boolean => process.getuid?.() === 0 && !existsSync(APP);

export interface Build {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Platform {
  readonly root = mkdtempSync(join(tmpdir(), 'pyflow-platform-'));
  readonly cacheDir = join(this.root, 'cache');
  readonly envDir = join(this.root, 'env');
  /** A copy of the adapter, because a platform fetches one for each build, and `export` is written into it. */
  readonly home = join(this.root, 'pyflow/buildpack');

  constructor() {
    mkdirSync(this.envDir);
    for (const name of ['bin', 'lib'])
      cpSync(join(ROOT, 'buildpack', name), join(this.home, name), { recursive: true });
    for (const name of ['dist', 'pipelines', 'package.json']) {
      spawnSync('ln', ['-s', join(ROOT, name), join(this.home, '..', name)]);
    }
  }

  push(example: string, buildDir = join(this.root, `build_${Math.random().toString(16).slice(2)}`)): string {
    cpSync(join(ROOT, 'examples', example), buildDir, { recursive: true, filter: (path) => !path.includes('.pyflow') });
    return buildDir;
  }

  step(name: string, folders: readonly string[], env: Readonly<Record<string, string>> = {}): Build {
    const { status, stdout, stderr } = spawnSync(join(this.home, 'bin', name), folders, {
      encoding: 'utf8',
      env: { ...this.env(), ...env },
    });
    return { status, stdout, stderr };
  }

  /** Starts the step without waiting for its end. */
  start(name: string, folders: readonly string[]): ChildProcessByStdio<null, Readable, null> {
    return spawn(join(this.home, 'bin', name), folders, { env: this.env(), stdio: ['ignore', 'pipe', 'ignore'] });
  }

  env(): Record<string, string> {
    return {
      ...passThroughOf(process.env),
      PATH: process.env['PATH'] ?? '',
      HOME: process.env['HOME'] ?? '',
      STACK: 'scalingo-24',
      PYFLOW_PARAMS: 'providers=["system"]',
    };
  }

  compile(buildDir: string, env: Readonly<Record<string, string>> = {}): Build {
    return this.step('compile', [buildDir, this.cacheDir, this.envDir], env);
  }

  /** Output of bin/report. */
  data(buildDir: string): Record<string, unknown> {
    return JSON.parse(this.step('report', [buildDir, this.cacheDir, this.envDir]).stdout) as Record<string, unknown>;
  }

  emptyCache(): void {
    rmSync(this.cacheDir, { recursive: true });
  }

  cleanUp(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

function freePort(): Promise<number> {
  return new Promise((done) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => done(port));
    });
  });
}

export interface AskOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** A shell command that must succeed first. */
  readonly prepare?: string;
}
/** What gunicorn, uvicorn and waitress print when they are ready. */
const READY = /Listening at|Uvicorn running on|Serving on/;

/** Boots the app in a folder like a platform: sources its profile scripts, then runs the line of the Procfile. */
export async function ask(
  home: string,
  path = '/',
  options: AskOptions = {},
): Promise<{ readonly status: number; readonly text: string }> {
  const PORT = String(await freePort());
  const line = /^web: (.*)$/m.exec(readFileSync(join(home, 'Procfile'), 'utf8'))?.[1] ?? '';
  const prepare = options.prepare === undefined ? '' : `${options.prepare} >&2 && `;
  const boot = `cd "$HOME"; for f in "$HOME"/.profile.d/*.sh; do . "$f"; done; ${prepare}exec ${line}`;
  const env = { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: home, PORT, CONTAINER: 'web-1', ...options.env };
  const server = spawn('bash', ['--norc', '-c', boot], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  const ended = new Promise<void>((done) => server.once('close', () => done()));
  const listening = new Promise<void>((done, failed) => {
    for (const stream of [server.stdout, server.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        printed += chunk.toString();
        if (READY.test(printed)) done();
      });
    }
    server.once('close', () => failed(new Error(`the app ended: ${printed}`)));
  });
  try {
    await listening;
    const answer = await fetch(`http://127.0.0.1:${PORT}${path}`);
    return { status: answer.status, text: await answer.text() };
  } finally {
    server.kill('SIGTERM');
    await ended;
  }
}
