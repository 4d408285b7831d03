// An app, a pipeline file and a cache in a temporary folder, and real processes of the bundled program that use them.
// The scene's tag finds everything that such a process leaves behind.

import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Event, RunReport } from '../../src/engine/events.js';
import { processRuns } from '../../src/engine/process/processes.js';
import { sharedFolder } from './shared-folder.js';

const project = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

let bundle: string | undefined;
/** The program, bundled from the current sources once per test process. */
export function bundledCli(): string {
  if (bundle === undefined) {
    const folder = sharedFolder('pyflow-bundle');
    // Tests also run it as other users.
    chmodSync(folder, 0o755);
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
    const dist = join(folder, 'dist');
    execFileSync(process.execPath, [join(project, 'scripts/build.mjs'), dist], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    bundle = join(dist, 'cli.js');
  }
  return bundle;
}

export interface StartOptions {
  readonly pipelineFile?: string;
  readonly appDir?: string;
  readonly outDir?: string;
  readonly cacheDir?: string;
  readonly sandbox?: 'auto' | 'required' | 'none';
  /** More arguments of `pyflow run`. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Program and arguments to prepend to the command line, such as `setpriv`. */
  readonly through?: readonly string[];
  readonly log?: 'ndjson' | 'plain';
}

export interface Ended {
  /** Exit status; absent if a signal ended it. */
  readonly status?: number;
  readonly signal?: NodeJS.Signals;
  readonly stdout: string;
  readonly stderr: string;
  readonly events: readonly Event[];
  /** Report of the `run-finished` event. */
  readonly report?: RunReport;
}

export class CliScene {
  /** Part of every path, and of the environment of every command that the scene's nodes run. */
  readonly tag = `scene${randomBytes(6).toString('hex')}`;
  readonly root = join(tmpdir(), `pyflow-${this.tag}`);
  readonly appDir = join(this.root, 'app');
  readonly cacheDir = join(this.root, 'cache');
  readonly outDir = join(this.root, 'slug');
  readonly pipelineFile = join(this.root, 'pipeline.yml');
  readonly #started: RunningCli[] = [];

  constructor() {
    mkdirSync(this.appDir, { recursive: true });
  }

  pipeline(text: string): this {
    writeFileSync(this.pipelineFile, text);
    return this;
  }

  write(files: Readonly<Record<string, string | Buffer>>, folder = this.appDir): this {
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), content);
    }
    return this;
  }

  start(options: StartOptions = {}): RunningCli {
    const argv = [
      ...(options.through ?? []),
      process.execPath,
      bundledCli(),
      'run',
      options.pipelineFile ?? this.pipelineFile,
      `--app=${options.appDir ?? this.appDir}`,
      `--out=${options.outDir ?? this.outDir}`,
      `--cache-dir=${options.cacheDir ?? this.cacheDir}`,
      `--sandbox=${options.sandbox ?? 'none'}`,
      `--log=${options.log ?? 'ndjson'}`,
      ...(options.args ?? []),
    ];
    const running = new RunningCli(argv, { PATH: process.env['PATH'] ?? '', HOME: this.root, ...options.env });
    this.#started.push(running);
    return running;
  }

  run(options: StartOptions = {}): Promise<Ended> {
    return this.start(options).ended;
  }

  /** Live processes that this scene's runs started, including the runs themselves. */
  processes(): readonly number[] {
    return processesOf(this.tag);
  }

  /** Resolves when no process of the scene is left, or after the time, with those that remain. */
  async survivors(withinMs = 2000): Promise<readonly number[]> {
    const deadline = performance.now() + withinMs;
    for (;;) {
      const found = this.processes();
      if (found.length === 0 || performance.now() > deadline) return found;
      await new Promise((wake) => setTimeout(wake, 5));
    }
  }

  /** Private folders and locks that processes of this scene left behind. */
  leftovers(): readonly string[] {
    const pids = new Set(this.#started.map(({ pid }) => pid));
    const owns = (pid: number | undefined): boolean => pid !== undefined && pids.has(pid);
    const found = names(`${this.cacheDir}/tmp`).map((name) => `${this.cacheDir}/tmp/${name}`);
    for (const parent of ['/dev/shm', tmpdir()]) {
      for (const name of names(parent)) {
        if (/^pyflow-(?:run|blobs)-/.test(name) && owns(pidIn(`${parent}/${name}/owner`)))
          found.push(`${parent}/${name}`);
      }
    }
    const locks = [`/dev/shm/pyflow-locks-${process.getuid?.()}`, `${this.cacheDir}/locks`];
    for (const folder of locks) {
      for (const name of names(folder)) if (owns(pidIn(`${folder}/${name}`))) found.push(`${folder}/${name}`);
    }
    return found;
  }

  cleanUp(): void {
    for (const { child } of this.#started) child.kill('SIGKILL');
    for (const pid of this.processes()) process.kill(pid, 'SIGKILL');
    for (const folder of this.leftovers()) rmSync(folder, { recursive: true, force: true });
    rmSync(this.root, { recursive: true, force: true });
  }
}

const names = (folder: string): readonly string[] => (existsSync(folder) ? readdirSync(folder) : []);

function pidIn(claim: string): number | undefined {
  try {
    return (JSON.parse(readFileSync(claim, 'utf8')) as { pid: number }).pid;
  } catch {
    return undefined;
  }
}

/** Live processes with the text in their command line or environment, also in nested namespaces. */
export function processesOf(text: string): readonly number[] {
  const found: number[] = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!/^\d+$/.test(name) || pid === process.pid) continue;
    try {
      const isOurs = ['cmdline', 'environ'].some((file) =>
        readFileSync(`/proc/${pid}/${file}`, 'latin1').includes(text),
      );
      if (isOurs && processRuns(pid)) found.push(pid);
    } catch {
      // The process has ended, or belongs to another user.
    }
  }
  return found;
}

export function commandLineOf(pid: number): string {
  try {
    return `${pid}: ${readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ')}`;
  } catch {
    return `${pid}: gone`;
  }
}

export class RunningCli {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  readonly #events: Event[] = [];
  readonly #waiting = new Set<() => void>();
  #stdout = '';
  #stderr = '';
  #rest = '';

  constructor(argv: readonly string[], env: Readonly<Record<string, string>>) {
    // A separate process group, like a job of a shell, because Ctrl-C goes to the group.
    this.child = spawn(argv[0]!, argv.slice(1), { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => this.#take(text));
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text));
    this.ended = new Promise((finish, reject) => {
      this.child.on('error', reject);
      // 'exit', not 'close': a grandchild that holds the pipe may delay the text, but not the result.
      this.child.on('close', (code, signal) => {
        for (const wake of this.#waiting) wake();
        const report = this.#events.flatMap((event) => (event.type === 'run-finished' ? [event.report] : []))[0];
        finish({
          ...(code === null ? {} : { status: code }),
          ...(signal === null ? {} : { signal }),
          stdout: this.#stdout,
          stderr: this.#stderr,
          events: this.#events,
          ...(report === undefined ? {} : { report }),
        });
      });
    });
  }

  get pid(): number {
    return this.child.pid!;
  }

  #take(text: string): void {
    this.#stdout += text;
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line.startsWith('{')) this.#events.push(JSON.parse(line) as Event);
    }
    for (const wake of this.#waiting) wake();
  }

  /** Resolves with the first matching event; rejects if the program ends without one. */
  until(fits: (event: Event) => boolean): Promise<Event> {
    return this.#when(() => this.#events.find(fits));
  }

  /** Resolves when this many matching events have arrived. */
  untilEvents(count: number, fits: (event: Event) => boolean = () => true): Promise<Event> {
    return this.#when(() => this.#events.filter(fits)[count - 1]);
  }

  #when(find: () => Event | undefined): Promise<Event> {
    return new Promise((found, reject) => {
      const look = (): void => {
        const event = find();
        if (event === undefined && this.child.exitCode === null && this.child.signalCode === null) return;
        this.#waiting.delete(look);
        if (event === undefined) reject(new Error(`the program ended first:\n${this.#stdout}${this.#stderr}`));
        else found(event);
      };
      this.#waiting.add(look);
      look();
    });
  }

  untilPrinted(text: string): Promise<Event> {
    return this.until((event) => event.type === 'node-printed' && event.text.includes(text));
  }
}

/** Content of a folder by path: `d`, `l TARGET`, or `f|x SHA256`. Leaves out the slug's marker. */
export function contentOf(folder: string): Readonly<Record<string, string>> {
  const content: Record<string, string> = {};
  const visit = (prefix: string): void => {
    for (const name of readdirSync(join(folder, prefix)).sort()) {
      const path = prefix + name;
      if (path === '.pyflow-slug.json') continue;
      const stat = lstatSync(join(folder, path));
      if (stat.isSymbolicLink()) content[path] = `l ${readlinkSync(join(folder, path))}`;
      else if (stat.isDirectory()) {
        content[path] = 'd';
        visit(`${path}/`);
      } else {
        const kind = (stat.mode & 0o100) === 0 ? 'f' : 'x';
        content[path] = `${kind} ${createHash('sha256')
          .update(readFileSync(join(folder, path)))
          .digest('hex')}`;
      }
    }
  };
  visit('');
  return content;
}

/** Matches a stack trace, which must never reach a user. */
export const STACK_TRACE = /^\s+at .+:\d+:\d+|\[pyflow::bug\]|internal-error/m;
