// A real cluster for remote execution on this machine: BuildGrid schedules, bazel-remote stores, and workers run actions in bubblewrap, each
// with a casd of its own. PostgreSQL keeps the queue.

import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Context } from 'mocha';
import { skipBecause } from '../skip.js';
import { BazelRemote, needBazelRemote } from './bazel-remote.js';
import { bringOrSkip } from './bring.js';
import { outlive } from './reaper.js';
import { freePorts, ServerProcess } from './server-process.js';

interface Programs {
  /** Folder of the programs of buildbox. */
  readonly buildbox: string;
  readonly bgd: string;
  /** Folder of the programs of PostgreSQL. */
  readonly postgres: string;
}

let programs: Programs | undefined;

/** Brings what it consists of, which takes minutes for the first time. Skips the suite where a part is not to be had. */
export function needCluster(mocha: Context): Programs {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    skipBecause(mocha, 'the packages of the cluster are for Linux on x86-64 only');
  if (process.getuid?.() !== 0) skipBecause(mocha, 'only root can start PostgreSQL as its own user and mount inputs');
  needBazelRemote(mocha);
  programs = {
    buildbox: bringOrSkip(mocha, 'buildbox'),
    bgd: bringOrSkip(mocha, 'buildgrid'),
    postgres: bringOrSkip(mocha, 'postgres'),
  };
  return programs;
}

export interface ClusterOptions {
  /** 3 if absent. Each runs one action at a time. */
  readonly workers?: number;
  /** More folders that actions see, as `FOLDER:PATH`. They are read-only. */
  readonly mounts?: readonly string[];
}

/** What actions see of the machine. Where `/bin` is a link, its target has to be named. */
const MACHINE = [
  '/usr:/usr',
  '/usr/bin:/bin',
  '/usr/lib:/lib',
  '/usr/lib64:/lib64',
  '/etc/alternatives:/etc/alternatives',
];
/** A worker that is silent for so long is lost. */
const KEEPALIVE_SECONDS = 5;

export class Cluster {
  private database: ServerProcess | undefined;
  private scheduler: ServerProcess | undefined;
  private readonly casds: ServerProcess[] = [];
  private readonly workers: ServerProcess[] = [];
  /** Workers that end by themselves are started again, as any service manager does. */
  private readonly kept = new Set<ServerProcess>();

  private constructor(
    private readonly used: Programs,
    private readonly options: Required<ClusterOptions>,
    /** What its programs keep. */
    readonly folder: string,
    private readonly ports: {
      readonly database: number;
      readonly scheduler: number;
      readonly casds: readonly number[];
    },
    readonly cache: BazelRemote,
  ) {}

  /** `needCluster` comes first. */
  static async start({ workers = 3, mounts = [] }: ClusterOptions = {}): Promise<Cluster> {
    if (programs === undefined) throw new Error('needCluster was not called');
    const folder = mkdtempSync(join(tmpdir(), 'pyflow-cluster-'));
    outlive({ folder });
    // PostgreSQL runs as another user.
    chmodSync(folder, 0o755);
    const [database = 0, scheduler = 0, ...casds] = await freePorts(2 + workers);
    const cache = await BazelRemote.start();
    const ports = { database, scheduler, casds };
    const cluster = new Cluster(programs, { workers, mounts }, folder, ports, cache);
    try {
      await cluster.startDatabase();
      await cluster.startScheduler();
      await Promise.all(casds.map(async (_, index) => cluster.startWorker(index)));
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  /** For results, blobs and execution. */
  get url(): string {
    return `grpc://127.0.0.1:${this.ports.scheduler}`;
  }

  get workerCount(): number {
    return this.options.workers;
  }

  /** The end of what programs printed that have ended by themselves. Workers don't count: they are started again. */
  get ended(): readonly string[] {
    return [this.database, this.scheduler, ...this.casds].flatMap((one) =>
      one === undefined || one.isRunning ? [] : [one.log.slice(-1000)],
    );
  }

  /** Ends a worker and the action that it runs at once. The casd beside it goes on. */
  async killWorker(index: number): Promise<void> {
    const worker = this.workers[index];
    if (worker === undefined) return;
    this.kept.delete(worker);
    await worker.kill();
  }

  async killScheduler(): Promise<void> {
    await this.scheduler?.kill();
  }

  async startScheduler(): Promise<void> {
    const { scheduler } = this.ports;
    const argv = [this.used.bgd, 'server', 'start', join(this.folder, 'bgd.yml')];
    this.scheduler = await ServerProcess.start({
      argv,
      env: { HOME: this.folder },
      ready: scheduler,
      startMs: 120_000,
    });
  }

  /** Also after `killWorker`. */
  async startWorker(index: number): Promise<void> {
    const port = this.ports.casds[index]!;
    const own = join(this.folder, `worker-${index + 1}`);
    const { buildbox } = this.used;
    // The programs find each other, and bubblewrap, by PATH.
    const env = { PATH: `${buildbox}:${process.env['PATH']}`, HOME: own, TMPDIR: join(own, 'tmp') };
    mkdirSync(env.TMPDIR, { recursive: true });
    if (this.casds[index]?.isRunning !== true) {
      const remote = `--cas-remote=http://127.0.0.1:${this.cache.address.port}`;
      const argv = [join(buildbox, 'buildbox-casd'), remote, `--bind=127.0.0.1:${port}`, join(own, 'casd')];
      this.casds[index] = await ServerProcess.start({ argv, env, ready: port });
    }
    const mounts = [...MACHINE.filter((mount) => existsSync(mount.split(':')[1]!)), ...this.options.mounts];
    const properties = ['OSFamily=linux', 'ISA=x86-64', 'pyflow-runner=1'];
    const argv = [
      join(buildbox, 'buildbox-worker'),
      `--bots-remote=http://127.0.0.1:${this.ports.scheduler}`,
      `--cas-remote=http://127.0.0.1:${port}`,
      `--buildbox-run=${join(buildbox, 'buildbox-run-bubblewrap')}`,
      ...mounts.map((mount) => `--runner-arg=--ro-bind-mount=${mount}`),
      ...properties.flatMap((property) => ['--platform', property]),
      '--concurrent-jobs=1',
      `worker-${index + 1}`,
    ];
    const start = async (): Promise<void> => {
      const worker = await ServerProcess.start({ argv, env });
      this.workers[index] = worker;
      this.kept.add(worker);
      // It ends after some seconds without a scheduler.
      void worker.exit().then(() => (this.kept.delete(worker) ? start() : undefined));
    };
    await start();
  }

  async stop(): Promise<void> {
    this.kept.clear();
    // Workers that can't reach the scheduler take long to end by themselves.
    await Promise.all([...this.workers, ...this.casds].map((one) => one.kill()));
    await this.scheduler?.kill();
    await this.database?.kill();
    await this.cache.stop();
    unmountBelow(this.folder);
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async startDatabase(): Promise<void> {
    const data = join(this.folder, 'database');
    const { database, scheduler } = this.ports;
    // It refuses to run as root.
    const asPostgres = ['setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups'];
    mkdirSync(data);
    execFileSync('chown', ['postgres:', data]);
    const [program = '', ...args] = [...asPostgres, join(this.used.postgres, 'initdb')];
    const trusting = ['-D', data, '-A', 'trust', '-U', 'postgres', '-N', '-E', 'UTF8', '--locale=C'];
    execFileSync(program, [...args, ...trusting], { cwd: data, stdio: 'pipe' });
    const settings = ['listen_addresses=127.0.0.1', `port=${database}`, `unix_socket_directories=${data}`, 'fsync=off'];
    this.database = await ServerProcess.start({
      argv: [
        ...asPostgres,
        join(this.used.postgres, 'postgres'),
        '-D',
        data,
        ...settings.flatMap((setting) => ['-c', setting]),
      ],
      cwd: data,
      ready: 'ready to accept connections',
    });
    const url = `postgresql+psycopg://postgres@127.0.0.1:${database}/postgres`;
    execFileSync(this.used.bgd, ['migrate', 'apply', url], { stdio: 'pipe', env: { PATH: process.env['PATH'] } });
    writeFileSync(join(this.folder, 'bgd.yml'), schedulerSettings(url, scheduler, this.cache.address.port));
  }
}

/** The inputs of actions that were running are mounted below a worker's folder. */
function unmountBelow(folder: string): void {
  const mounts = execFileSync('cat', ['/proc/mounts'], { encoding: 'utf8' });
  for (const line of mounts.split('\n')) {
    const [, path = ''] = line.split(' ');
    if (path.startsWith(`${folder}/`)) execFileSync('umount', ['--lazy', path]);
  }
}

const schedulerSettings = (database: string, port: number, cache: number): string => `
server: [!channel { address: '127.0.0.1:${port}', insecure-mode: true }]
authorization: { method: none }
monitoring: { enabled: false }
# Each action that waits for its result has a thread.
thread-pool-size: 400
instances:
  - name: ''
    connections: [!sql-connection &sql { connection-string: '${database}' }]
    storages: [!remote-storage &cas { url: 'http://127.0.0.1:${cache}', instance-name: '' }]
    caches: [!remote-action-cache &ac { url: 'http://127.0.0.1:${cache}', instance-name: '' }]
    schedulers:
      - !sql-scheduler &scheduler
        sql: *sql
        storage: *cas
        action-cache: *ac
        bot-session-keepalive-timeout: ${KEEPALIVE_SECONDS}
        property-set: !static-property-set
          property-labels: [{ label: unknown, properties: [[OSFamily, linux], [ISA, x86-64]] }]
          wildcard-property-keys: [pyflow-runner, libc, os-release, network, unixUID, unixGID]
        assigners: [!priority-age-assigner { count: 1, interval: 0.05, priority-assignment-percentage: 95 }]
    services:
      - !execution { scheduler: *scheduler }
      - !bots { scheduler: *scheduler }
      - !cas { storage: *cas }
      - !bytestream { storage: *cas }
      - !action-cache { cache: *ac }
`;
