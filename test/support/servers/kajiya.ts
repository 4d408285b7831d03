// A cache that is strict about what it takes: kajiya, built once per machine from its Go module.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Context } from 'mocha';
import { skipBecause } from '../skip.js';
import { bringOrSkip } from './bring.js';
import type { CacheServer, CacheServerKind } from './cache-server.js';
import { outlive } from './reaper.js';
import { freePorts, ServerProcess } from './server-process.js';

let program: string | undefined;

function needKajiya(mocha: Context): void {
  if (spawnSync('go', ['version']).status !== 0) skipBecause(mocha, 'needs Go, to build kajiya');
  program = bringOrSkip(mocha, 'kajiya');
}

class Kajiya implements CacheServer {
  private process: ServerProcess | undefined;
  readonly socketUrls = [];

  private constructor(
    private readonly port: number,
    readonly folder: string,
  ) {}

  static async start(): Promise<Kajiya> {
    const [port = 0] = await freePorts(1);
    const server = new Kajiya(port, mkdtempSync(join(tmpdir(), 'pyflow-kajiya-')));
    outlive({ folder: server.folder });
    await server.resume();
    return server;
  }

  get url(): string {
    return `grpc://127.0.0.1:${this.port}`;
  }

  get address(): { readonly host: string; readonly port: number } {
    return { host: '127.0.0.1', port: this.port };
  }

  async resume(): Promise<void> {
    if (program === undefined) throw new Error('it was not brought');
    const argv = [program, '-listen', `127.0.0.1:${this.port}`, '-dir', this.folder, '-execution=false'];
    this.process = await ServerProcess.start({ argv, ready: this.port });
  }

  async kill(): Promise<void> {
    await this.process?.kill();
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export const kajiya: CacheServerKind = { name: 'kajiya', need: needKajiya, start: () => Kajiya.start() };
