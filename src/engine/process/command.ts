// Runs one command until it and all that it started are gone.

import { spawn, type ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';
import { constants } from 'node:os';
import { fail, succeed, type Failure, type Result } from '../failure.js';
import { createLineSplitter } from '../files/line-splitter.js';
import { commandAborted, commandCannotStart, startFailure } from './failures.js';
import { MARKER_VARIABLE } from './guardian.js';
import { GRACE_MS, groupExists, markedProcesses, signalGroup, signalMarked, waitUntilGone } from './processes.js';
import { spawnWith, underFixedUmask, type GivenDescriptors } from './spawn.js';

type Signal = NodeJS.Signals;

export interface SpawnOptions extends GivenDescriptors {
  readonly cwd: string;
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly onLine: (stream: 'stdout' | 'stderr', text: string) => void;
  /** Any of them ends the command. */
  readonly signals: readonly AbortSignal[];
  /** Value of PYFLOW_RUN_NODE in `env`, different for each command. */
  readonly marker?: string;
  /** When the machine runs out of memory, the kernel ends this command before us and before other programs. */
  readonly isExpendable?: boolean;
  /** Sends a signal instead of `signalGroup`, if the group does not hold the command itself. */
  readonly sendSignal?: (pid: number, signal: Signal) => void;
  /** Gets the process as soon as it exists. */
  readonly group?: { add(pid: number): void };
  /** Whether something besides the process group still runs. */
  readonly isAlive?: () => boolean;
  /** From TERM to KILL. Default 5,000. */
  readonly graceMs?: number;
}

export interface Exit {
  /** Absent when a signal ended it. */
  readonly exitCode?: number;
  readonly signal?: string;
}

/** As shells report it: 128 and the number of the signal that ended it. */
export const exitStatusOf = ({ exitCode, signal }: Exit): number =>
  exitCode ?? 128 + (constants.signals[signal as keyof typeof constants.signals] ?? 0);

/** How long output may stay open after the command ended before we look for the processes that hold it. */
const LINGER_MS = 200;

/**
 * Runs a program in its own process group and streams its lines. Resolves when the command and all that it started are
 * gone. Fails only when the command could not be started or was aborted; rejects with what `onLine` threw.
 */
export function spawnCommand(argv: readonly string[], options: SpawnOptions): Promise<Result<Exit, Failure>> {
  const [file] = argv;
  if (options.signals.some(({ aborted }) => aborted)) return Promise.resolve(fail(commandAborted(argv)));
  if (file === undefined || file === '')
    return Promise.resolve(fail(commandCannotStart(argv, 'The command is empty.')));
  let child: ChildProcess;
  try {
    child = start(file, argv.slice(1), options);
  } catch (error) {
    // Node throws some start errors (E2BIG, ENOTDIR, a NUL in an argument) and emits others.
    return Promise.resolve(fail(startFailure(argv, options, error)));
  }
  if (child.pid !== undefined) options.group?.add(child.pid);
  return new RunningCommand(argv, options, child).ended();
}

function start(file: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  const { cwd, env, marker } = options;
  return spawnWith(['ignore', 'pipe', 'pipe'], options, (stdio) =>
    underFixedUmask(() =>
      spawn(file, args, {
        cwd,
        env: marker === undefined ? env : { ...env, [MARKER_VARIABLE]: marker },
        stdio,
        detached: true,
      }),
    ),
  );
}

class RunningCommand {
  readonly #argv: readonly string[];
  readonly #options: SpawnOptions;
  readonly #child: ChildProcess;
  /** Absent if there never was a process. */
  readonly #pid: number | undefined;
  readonly #graceMs: number;
  #exit: Exit = {};
  #isAborted = false;
  #stray: unknown;
  /** Present once the command was told to end. */
  #killTimer: NodeJS.Timeout | undefined;
  #lingerTimer: NodeJS.Timeout | undefined;

  constructor(argv: readonly string[], options: SpawnOptions, child: ChildProcess) {
    this.#argv = argv;
    this.#options = options;
    this.#child = child;
    this.#pid = child.pid;
    this.#graceMs = options.graceMs ?? GRACE_MS;
  }

  ended(): Promise<Result<Exit, Failure>> {
    const child = this.#child;
    const { signals, onStatus } = this.#options;
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#isAborted = true;
        this.#end();
      };
      const settle = (result: Result<Exit, Failure>): void => {
        for (const signal of signals) signal.removeEventListener('abort', onAbort);
        clearTimeout(this.#killTimer);
        clearTimeout(this.#lingerTimer);
        if (this.#stray === undefined) resolve(result);
        else reject(this.#stray);
      };
      const flushes = [this.#streamLines('stdout'), this.#streamLines('stderr')];
      if (onStatus !== undefined) (child.stdio?.[3] as Readable | undefined)?.setEncoding('utf8').on('data', onStatus);
      child.on('error', (error) => {
        // Node also emits this when a signal could not be sent; only a process that never existed ends here.
        if (this.#pid === undefined) settle(fail(startFailure(this.#argv, this.#options, error)));
      });
      child.on('exit', (code, name) => this.#onExit(code, name));
      child.on('close', () => {
        for (const flush of flushes) flush();
        this.#whenGone(() => settle(this.#isAborted ? fail(commandAborted(this.#argv)) : succeed(this.#exit)));
      });
      for (const signal of signals) signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Hands on the lines of a stream; the result flushes the last one. */
  #streamLines(name: 'stdout' | 'stderr'): () => void {
    const stream = this.#child[name];
    // Undefined if the system had no descriptors left for a pipe.
    if (stream === null || stream === undefined) return () => {};
    const splitter = createLineSplitter((text) => {
      try {
        this.#options.onLine(name, text);
      } catch (error) {
        // A throw inside a stream's callback would take the whole process down; it belongs to our caller.
        this.#stray ??= error;
        this.#end();
      }
    });
    stream.on('data', splitter.write);
    // A reset by a dying child only means the end of its output.
    stream.on('error', () => {});
    return splitter.end;
  }

  get #isEnding(): boolean {
    return this.#killTimer !== undefined;
  }

  #end(): void {
    if (this.#isEnding) return;
    this.#send('SIGTERM');
    this.#killTimer = setTimeout(() => this.#send('SIGKILL'), this.#graceMs);
  }

  #send(name: Signal): void {
    if (this.#pid === undefined) return;
    const { sendSignal, marker } = this.#options;
    if (sendSignal === undefined) signalGroup(this.#pid, name);
    else sendSignal(this.#pid, name);
    if (marker !== undefined) signalMarked(marker, name);
  }

  #onExit(code: number | null, name: Signal | null): void {
    const { marker } = this.#options;
    this.#exit = code === null ? { signal: name ?? 'SIGKILL' } : { exitCode: code };
    if (!this.#isEnding && this.#pid !== undefined) signalGroup(this.#pid, 'SIGKILL');
    // A process that left the group may hold our pipes open for as long as it likes.
    this.#lingerTimer = setTimeout(() => {
      const isEnding = this.#isEnding;
      if (marker !== undefined && !isEnding) signalMarked(marker, 'SIGKILL');
      const leftMs = LINGER_MS + (isEnding ? this.#graceMs : 0);
      this.#lingerTimer = setTimeout(() => this.#destroyPipes(), leftMs);
    }, LINGER_MS);
  }

  #destroyPipes(): void {
    for (const stream of this.#child.stdio) stream?.destroy();
  }

  /** The command and its output ended: calls `finish` once nothing that it started is left. */
  #whenGone(finish: () => void): void {
    const pid = this.#pid;
    if (pid === undefined) return;
    const { marker } = this.#options;
    // A process that left the group may still write to the folders that we are about to read.
    if (marker !== undefined && !this.#isEnding) signalMarked(marker, 'SIGKILL');
    const isAlive = (): boolean =>
      (this.#options.isAlive?.() ?? false) ||
      (marker !== undefined && markedProcesses(marker).length > 0) ||
      (this.#isEnding && groupExists(pid));
    if (isAlive()) waitUntilGone(isAlive, () => this.#send('SIGKILL'), this.#graceMs, finish);
    else finish();
  }
}
