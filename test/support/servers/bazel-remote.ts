// A real cache that is nothing but a cache: bazel-remote, built once per machine from its Go module.

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

/** Builds it if no run has before, which takes minutes. Skips the suite where there is no Go, or no such module. */
export function needBazelRemote(mocha: Context): void {
  if (spawnSync('go', ['version']).status !== 0) skipBecause(mocha, 'needs Go, to build bazel-remote');
  program = bringOrSkip(mocha, 'bazel-remote');
}

export interface BazelRemoteOptions {
  /** Clients need a login of this file of Apache's. */
  readonly logins?: string;
  /** Speaks TLS with `server.pem` and `server.key` of this folder. Clients need a certificate of its `ca.pem`. */
  readonly certificates?: string;
  /** Clients may read without either. */
  readonly anyoneReads?: true;
}

export class BazelRemote implements CacheServer {
  private process: ServerProcess | undefined;

  private constructor(
    private readonly options: BazelRemoteOptions,
    private readonly port: number,
    /** Blobs as they are, not compressed, so that a test can search them. */
    readonly folder: string,
  ) {}

  /** `needBazelRemote` comes first. */
  static async start(options: BazelRemoteOptions = {}): Promise<BazelRemote> {
    const [port = 0] = await freePorts(1);
    const server = new BazelRemote(options, port, mkdtempSync(join(tmpdir(), 'pyflow-bazel-remote-')));
    outlive({ folder: server.folder });
    await server.resume();
    return server;
  }

  get url(): string {
    return this.options.certificates === undefined ? `grpc://127.0.0.1:${this.port}` : `grpcs://localhost:${this.port}`;
  }

  get socketUrls(): readonly string[] {
    return [];
  }

  get address(): { readonly host: string; readonly port: number } {
    return { host: '127.0.0.1', port: this.port };
  }

  async resume(): Promise<void> {
    if (program === undefined) throw new Error('needBazelRemote was not called');
    const { logins, certificates, anyoneReads } = this.options;
    const tls = certificates && [
      `--tls_cert_file=${certificates}/server.pem`,
      `--tls_key_file=${certificates}/server.key`,
      `--tls_ca_file=${certificates}/ca.pem`,
    ];
    const argv = [
      program,
      `--dir=${join(this.folder, 'data')}`,
      '--max_size=5',
      '--storage_mode=uncompressed',
      `--grpc_address=127.0.0.1:${this.port}`,
      `--http_address=unix://${join(this.folder, 'http')}`,
      ...(logins === undefined ? [] : [`--htpasswd_file=${logins}`]),
      ...(tls ?? []),
      ...(anyoneReads === true ? ['--allow_unauthenticated_reads'] : []),
    ];
    rmSync(join(this.folder, 'http'), { force: true });
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

export const bazelRemote: CacheServerKind = {
  name: 'bazel-remote',
  need: needBazelRemote,
  start: () => BazelRemote.start(),
};
