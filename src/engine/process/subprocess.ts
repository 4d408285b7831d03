// Starts processes and sees to it that none is left. The only importer of execa; unaware of sandboxes and nodes.

import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { isMainThread } from 'node:worker_threads';
import { fail, FailureError, succeed, type Failure, type Result } from '../failure.js';
import { MARKER_VARIABLE } from './guardian.js';
import { createLineSplitter } from '../files/line-splitter.js';
import {
  argumentsTooLarge,
  commandAborted,
  commandCannotStart,
  commandNotExecutable,
  commandNotFound,
  commandTimedOut,
} from './sandbox/failures.js';
import type { Exit } from './sandbox/sandbox.js';
import { scarcityFailure } from '../files/system-failures.js';

type Signal = NodeJS.Signals;
type StdioOption = Extract<StdioOptions, readonly unknown[]>[number];

export const STATUS_DESCRIPTOR = 3;
export const FIRST_FILE_DESCRIPTOR = 4;

export interface SpawnOptions {
  readonly cwd: string;
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly onLine: (stream: 'stdout' | 'stderr', text: string) => void;
  /** Any of them ends the command. */
  readonly signals: readonly AbortSignal[];
  /** Value of PYFLOW_RUN_NODE in `env`, unlike that of any other command. */
  readonly marker?: string;
  /** Gets what the program writes to descriptor 3; without it there is no such descriptor. */
  readonly onStatus?: (text: string) => void;
  /** Opened for the program to read, from descriptor 4 on. */
  readonly files?: readonly string[];
  /** When the machine is out of memory, this one ends before us and before all that is none of ours. */
  readonly isExpendable?: boolean;
  /** Sends a signal in place of the process group, where the group does not hold the command itself. */
  readonly sendSignal?: (pid: number, signal: Signal) => void;
  /** Takes the process as soon as it is there. */
  readonly group?: { add(pid: number): void };
  /** Something besides the process group still runs. */
  readonly isAlive?: () => boolean;
  /** From TERM to KILL. Default 5,000. */
  readonly graceMs?: number;
}

const GRACE_MS = 5000;
/** How long output may stay open after the command ended before its holders are looked for. */
const LINGER_MS = 200;
const MAX_POLL_MS = 20;
/** KILL cannot be refused, but a process in uninterruptible sleep takes it late: no waiting for ever. */
const GIVE_UP_MS = 10_000;

/** Modes are part of what a command leaves, so those of new files must not depend on who runs pyflow. */
export function underFixedUmask<T>(start: () => T): T {
  // A worker has no umask of its own, and must not change everybody's.
  if (!isMainThread) return start();
  const before = process.umask(0o022);
  try {
    return start();
  } finally {
    process.umask(before);
  }
}

/**
 * Runs a program in a process group of its own and streams its lines. Resolves when the command and all that it
 * started are gone. A failure only when it could not be started or was aborted.
 */
export function spawnCommand(argv: readonly string[], options: SpawnOptions): Promise<Result<Exit, Failure>> {
  const { cwd, env, signals, marker } = options;
  const graceMs = options.graceMs ?? GRACE_MS;
  const file = argv[0];
  if (signals.some(({ aborted }) => aborted)) return Promise.resolve(fail(commandAborted(argv)));
  if (file === undefined || file === '')
    return Promise.resolve(fail(commandCannotStart(argv, 'The command is empty.')));

  let child: ChildProcess;
  try {
    child = spawnWith(['ignore', 'pipe', 'pipe'], options, (stdio) =>
      underFixedUmask(() =>
        spawn(file, argv.slice(1), {
          cwd,
          env: marker === undefined ? env : { ...env, [MARKER_VARIABLE]: marker },
          stdio,
          detached: true,
        }),
      ),
    );
  } catch (error) {
    // Node throws for some start errors (E2BIG, ENOTDIR, a NUL in an argument) and emits others.
    return Promise.resolve(fail(startFailure(argv, options, error)));
  }
  if (child.pid !== undefined) options.group?.add(child.pid);
  return new Promise((resolve, reject) => {
    const pid = child.pid;
    let exit: Exit = {};
    let aborted = false;
    let stray: unknown;
    let killTimer: NodeJS.Timeout | undefined;
    let lingerTimer: NodeJS.Timeout | undefined;

    const send = (name: Signal): void => {
      if (pid === undefined) return;
      if (options.sendSignal === undefined) signalGroup(pid, name);
      else options.sendSignal(pid, name);
      if (marker !== undefined) signalMarked(marker, name);
    };
    const end = (): void => {
      if (killTimer !== undefined) return;
      send('SIGTERM');
      killTimer = setTimeout(() => send('SIGKILL'), graceMs);
    };
    const onAbort = (): void => {
      aborted = true;
      end();
    };
    // A throw inside a stream's callback would take the whole process down; it belongs to our caller.
    const guarded =
      <T>(handle: (value: T) => void) =>
      (value: T): void => {
        try {
          handle(value);
        } catch (error) {
          stray ??= error;
          end();
        }
      };
    const stdout = streamLines(
      child.stdout,
      guarded((text: string) => options.onLine('stdout', text)),
    );
    const stderr = streamLines(
      child.stderr,
      guarded((text: string) => options.onLine('stderr', text)),
    );
    if (options.onStatus !== undefined)
      (child.stdio?.[3] as Readable | undefined)?.setEncoding('utf8').on('data', options.onStatus);

    const settle = (result: Result<Exit, Failure>): void => {
      for (const signal of signals) signal.removeEventListener('abort', onAbort);
      clearTimeout(killTimer);
      clearTimeout(lingerTimer);
      if (stray === undefined) resolve(result);
      else reject(stray);
    };
    child.on('error', (error) => {
      // Also emitted when a signal could not be sent; only a process that never was ends here.
      if (pid === undefined) settle(fail(startFailure(argv, options, error)));
    });
    child.on('exit', (code, name) => {
      exit = code === null ? { signal: name ?? 'SIGKILL' } : { exitCode: code };
      if (killTimer === undefined && pid !== undefined) signalGroup(pid, 'SIGKILL');
      // A process that left the group may hold our pipes open for as long as it likes.
      lingerTimer = setTimeout(() => {
        const isEnding = killTimer !== undefined;
        if (marker !== undefined && !isEnding) signalMarked(marker, 'SIGKILL');
        lingerTimer = setTimeout(() => destroyPipes(child), LINGER_MS + (isEnding ? graceMs : 0));
      }, LINGER_MS);
    });
    child.on('close', () => {
      stdout();
      stderr();
      if (pid === undefined) return;
      // What left the group may still write where we are about to look.
      if (marker !== undefined && killTimer === undefined) signalMarked(marker, 'SIGKILL');
      const isAlive = (): boolean =>
        (options.isAlive?.() ?? false) ||
        (marker !== undefined && markedProcesses(marker).length > 0) ||
        (killTimer !== undefined && groupExists(pid));
      const finish = (): void => settle(aborted ? fail(commandAborted(argv)) : succeed(exit));
      if (isAlive()) waitUntilGone(isAlive, () => send('SIGKILL'), graceMs, finish);
      else finish();
    });
    for (const signal of signals) signal.addEventListener('abort', onAbort, { once: true });
  });
}

/**
 * Starts with these descriptors, those of the options, and no other: what whoever started us left open (a log, a lock, a
 * socket) is /dev/null for the program.
 */
export function spawnWith<C extends ChildProcess>(
  standard: readonly StdioOption[],
  { onStatus, files = [], isExpendable = false }: Pick<SpawnOptions, 'onStatus' | 'files' | 'isExpendable'>,
  start: (stdio: StdioOption[]) => C,
): C {
  const stdio: StdioOption[] = [...standard];
  const opened: number[] = [];
  const open = (path: string): number => {
    const descriptor = openSync(path, 'r');
    opened.push(descriptor);
    return descriptor;
  };
  try {
    if (onStatus !== undefined) stdio[STATUS_DESCRIPTOR] = 'pipe';
    files.forEach((path, index) => {
      stdio[FIRST_FILE_DESCRIPTOR + index] = open(path);
    });
    for (const descriptor of inheritedDescriptors())
      if (stdio[descriptor] === undefined) stdio[descriptor] = open('/dev/null');
    // A hole would be a pipe or stay what it is, by its number.
    const all = Array.from(stdio, (option) => option ?? 'ignore');
    return isExpendable ? asExpendable(() => start(all)) : start(all);
  } finally {
    for (const descriptor of opened) closeSync(descriptor);
  }
}

const OOM_SCORE = '/proc/self/oom_score_adj';
let oomScore: string | undefined | null;

/** A child starts with what we have at that moment, and may not lower it; we may go back to where we were. */
function asExpendable<T>(start: () => T): T {
  if (oomScore === null) return start();
  try {
    oomScore ??= readFileSync(OOM_SCORE, 'latin1');
    writeFileSync(OOM_SCORE, '1000');
  } catch {
    // No such file here, or it is not ours to write.
    oomScore = null;
    return start();
  }
  try {
    return start();
  } finally {
    writeFileSync(OOM_SCORE, oomScore);
  }
}

const CLOSED_ON_EXEC = 0o2000000;
let inherited: readonly number[] | undefined;

/** What was open when we were started and would be open in our children: Node closes only what it opened. */
function inheritedDescriptors(): readonly number[] {
  if (inherited !== undefined) return inherited;
  try {
    inherited = readdirSync('/proc/self/fd')
      .map(Number)
      .filter((descriptor) => descriptor > 2 && staysOpen(descriptor))
      .sort((one, other) => one - other);
  } catch {
    inherited = [];
  }
  return inherited;
}

function staysOpen(descriptor: number): boolean {
  try {
    const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, 'latin1'))?.[1];
    return flags !== undefined && (parseInt(flags, 8) & CLOSED_ON_EXEC) === 0;
  } catch {
    // The one that listed the folder.
    return false;
  }
}

/** Polls, ever more slowly, since a process that is not our child tells nobody that it ended. */
export function waitUntilGone(isAlive: () => boolean, kill: () => void, graceMs: number, finish: () => void): void {
  const started = performance.now();
  const poll = (pauseMs: number): void => {
    const waitedMs = performance.now() - started;
    if (!isAlive() || waitedMs > graceMs + GIVE_UP_MS) return finish();
    if (waitedMs > graceMs) kill();
    setTimeout(poll, pauseMs, Math.min(pauseMs * 2, MAX_POLL_MS));
  };
  poll(1);
}

function destroyPipes(child: ChildProcess): void {
  for (const stream of child.stdio) stream?.destroy();
}

export function signalProcess(pid: number, name: Signal | 0): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}
export const signalGroup = (pid: number, name: Signal): boolean => signalProcess(-pid, name);

/** True while a member is more than a zombie that nobody fetched yet. */
export function processRuns(pid: number): boolean {
  if (!signalProcess(pid, 0)) return false;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.charAt(stat.lastIndexOf(')') + 2) !== 'Z';
  } catch {
    return !existsSync('/proc/self/stat');
  }
}

export function groupExists(group: number): boolean {
  if (!signalProcess(-group, 0)) return false;
  // Only zombies may be left, and in a container without an init they stay for ever.
  const stats = processStats();
  return stats === undefined || stats.some(({ processGroup, state }) => processGroup === group && state !== 'Z');
}

function processStats(): { readonly processGroup: number; readonly state: string }[] | undefined {
  const stats: { processGroup: number; state: string }[] = [];
  const pids = processIds();
  if (pids.length === 0) return undefined;
  for (const pid of pids) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
      const [state = '', , processGroup = ''] = stat.slice(stat.lastIndexOf(')') + 2).split(' ', 3);
      stats.push({ processGroup: Number(processGroup), state });
    } catch {
      // Gone meanwhile.
    }
  }
  return stats;
}

function processIds(): readonly number[] {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
}

/** Processes with our marker in their environment, however far they moved away. Empty where there is no /proc. */
export function markedProcesses(marker: string): readonly number[] {
  const entry = Buffer.from(`${MARKER_VARIABLE}=${marker}\0`, 'latin1');
  return processIds().filter((pid) => {
    try {
      // A zombie's environment is empty, so it does not count.
      return readFileSync(`/proc/${pid}/environ`).includes(entry);
    } catch {
      return false;
    }
  });
}

export function signalMarked(marker: string, name: Signal): void {
  for (const pid of markedProcesses(marker)) signalProcess(pid, name);
}

function startFailure(argv: readonly string[], options: Pick<SpawnOptions, 'cwd' | 'env'>, error: unknown): Failure {
  const { code, message } = error as NodeJS.ErrnoException;
  // A missing working folder gives ENOENT too, and then the command is not to blame.
  if (code === 'ENOENT' && existsSync(options.cwd)) return commandNotFound(argv, options.env['PATH']);
  if (code === 'ENOENT') return commandCannotStart(argv, `Its working folder ${options.cwd} does not exist.`);
  if (code === 'E2BIG') return argumentsTooLarge(argv, options.env);
  const scarcity = scarcityFailure(error);
  if (scarcity !== undefined) return { ...scarcity, retryable: true };
  if (code === 'EACCES')
    return commandNotExecutable(argv, 'It is not executable, or its working folder may not be entered.');
  if (code === 'ENOTDIR')
    return commandNotExecutable(argv, 'A part of its path, or of its working folder, is not a folder.');
  return commandCannotStart(argv, `The system says: ${message}`);
}

/** Cuts a stream into lines; what is returned flushes the last one. */
function streamLines(stream: Readable | null | undefined, onLine: (text: string) => void): () => void {
  // Undefined where the system had no descriptors left for a pipe.
  if (stream === null || stream === undefined) return () => {};
  const splitter = createLineSplitter(onLine);
  stream.on('data', splitter.write);
  // A reset by a dying child is the end of its output, nothing more.
  stream.on('error', () => {});
  return splitter.end;
}

export interface AttachedOptions {
  readonly cwd: string;
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Standard input, output and error of the command. Default: our own. */
  readonly stdio?: readonly ['inherit' | 'ignore' | number, 'inherit' | number, 'inherit' | number];
  /** Not to kill but to pass on: its reason may name the signal (`{ signal: 'SIGINT' }`), else it is TERM. */
  readonly signal: AbortSignal;
  readonly onStatus?: NonNullable<SpawnOptions['onStatus']>;
  readonly files?: readonly string[];
  readonly sendSignal?: SpawnOptions['sendSignal'];
}

/**
 * Runs a program in our own terminal and waits for it, however long it takes to heed a signal. It is killed when this
 * process exits before it.
 */
export function runAttached(argv: readonly string[], options: AttachedOptions): Promise<Result<Exit, Failure>> {
  const { cwd, env, signal, onStatus, sendSignal, stdio = ['inherit', 'inherit', 'inherit'] } = options;
  const [file = '', ...args] = argv;
  if (signal.aborted) return Promise.resolve(fail(commandAborted(argv)));
  let child: ChildProcess;
  try {
    // Of a session of its own: the terminal's signals reach us alone, and we decide who else gets them.
    child = spawnWith(stdio, options, (all) => spawn(file, args, { cwd, env, detached: true, stdio: all }));
  } catch (error) {
    return Promise.resolve(fail(startFailure(argv, options, error)));
  }
  return new Promise((resolve) => {
    const { pid } = child;
    const send = (name: Signal): void => {
      if (pid !== undefined) (sendSignal ?? signalGroup)(pid, name);
    };
    const passOn = (): void => send((signal.reason as { readonly signal?: Signal } | undefined)?.signal ?? 'SIGTERM');
    const kill = (): void => send('SIGKILL');
    const settle = (result: Result<Exit, Failure>): void => {
      signal.removeEventListener('abort', passOn);
      process.removeListener('exit', kill);
      resolve(result);
    };
    if (onStatus !== undefined) (child.stdio[3] as Readable).setEncoding('utf8').on('data', onStatus);
    child.on('error', (error) => {
      if (pid === undefined) settle(fail(startFailure(argv, options, error)));
    });
    child.on('exit', () => {
      // What the command left in its group; a process namespace ends by itself.
      if (pid !== undefined) signalGroup(pid, 'SIGKILL');
    });
    child.on('close', (code, name) =>
      settle(succeed(code === null ? { signal: name ?? 'SIGKILL' } : { exitCode: code })),
    );
    signal.addEventListener('abort', passOn, { once: true });
    process.on('exit', kill);
  });
}

export interface ToolOptions {
  readonly timeoutMs: number;
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly input?: string;
  readonly signal?: AbortSignal;
}
export interface ToolOutput {
  /** Absent when a signal ended it. */
  readonly exitCode?: number;
  readonly signal?: string;
  /** Without the last line end. */
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a short command outside any sandbox and captures what it prints; a non-zero exit is a value. */
export async function runTool(
  file: string,
  args: readonly string[],
  options: ToolOptions,
): Promise<Result<ToolOutput, Failure>> {
  const { timeoutMs, env, cwd, input, signal } = options;
  const argv = [file, ...args];
  if (signal?.aborted === true) return fail(commandAborted(argv));
  const { execa } = await import('execa');
  const result = await execa(file, args, {
    env,
    extendEnv: false,
    reject: false,
    timeout: timeoutMs,
    forceKillAfterDelay: GRACE_MS,
    maxBuffer: 16 * 1024 * 1024,
    ...(input === undefined ? { stdin: 'ignore' as const } : { input }),
    ...(cwd === undefined ? {} : { cwd }),
    ...(signal === undefined ? {} : { cancelSignal: signal }),
  });
  if (result.isCanceled) return fail(commandAborted(argv));
  if (result.timedOut) return fail(commandTimedOut(argv, timeoutMs));
  const { exitCode, signal: endedBy, stdout, stderr } = result;
  if (exitCode === undefined && endedBy === undefined)
    return fail(startFailure(argv, { cwd: cwd ?? '.', env }, result.cause ?? result));
  return succeed({
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(endedBy === undefined ? {} : { signal: endedBy }),
    stdout,
    stderr,
  });
}

/**
 * What a program prints, in chunks. Throws a FailureError when it cannot be started, and an error with its last words
 * when it fails; ends the program when the reader stops early.
 */
export async function* streamTool(
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): AsyncGenerator<Buffer> {
  const child = spawn(file, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let words = '';
  child.stderr.on('data', (chunk: Buffer) => {
    words = `${words}${chunk.toString('utf8')}`.slice(-1000);
  });
  const ended = new Promise<number | undefined>((resolve, reject) => {
    child.on('error', (error) => {
      if (child.pid === undefined) reject(new FailureError(startFailure([file], { cwd: '.', env }, error)));
    });
    child.on('close', (code) => resolve(code ?? undefined));
  });
  // Looked at only after the output has ended.
  ended.catch(() => {});
  try {
    for await (const chunk of child.stdout) yield chunk as Buffer;
    const exitCode = await ended;
    if (exitCode !== 0) throw new Error(`${file} failed: ${words.trim()}`);
  } finally {
    child.kill('SIGKILL');
  }
}
