// Starts commands from small processes that are kept, because a process forks more slowly the more memory it has:
// measured with 50, 100 and 200 MB, a start blocked our main thread for 1, 2.5 and 5 ms.

import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { fail, succeed, type Failure, type Result } from '../../failure.js';
import { spawnCommand, type Exit } from '../command.js';
import { commandAborted, commandCannotStart } from '../failures.js';
import { MARKER_VARIABLE } from '../guardian.js';
import {
  GRACE_MS,
  groupExists,
  markedProcesses,
  signalGroup,
  signalMarked,
  signalProcess,
  waitUntilGone,
} from '../processes.js';
import { spawnWith, underFixedUmask } from '../spawn.js';
import { encodeJob, Ending, LAUNCHER, MarkedStream, PROGRAM } from './launcher-program.js';
import { processesBelow, type UsageWatch, type WatchedCommand } from './usage.js';

interface LaunchOptions {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly onLine: (stream: 'stdout' | 'stderr', text: string) => void;
  readonly signals: readonly AbortSignal[];
  readonly marker: string;
  readonly usage: UsageWatch;
}

const NONCE_BYTES = 12;

/** A pool of launchers; each runs one command at a time. */
export class Launchers {
  readonly #idle: Launcher[] = [];
  readonly #all = new Set<Launcher>();
  /** With a count it is different for each command. */
  readonly #nonce = randomBytes(NONCE_BYTES).toString('hex');
  #started = 0;

  /** Like `spawnCommand`, which also starts what a launcher can't start, or finds out why nothing can. */
  async run(argv: readonly string[], options: LaunchOptions): Promise<Result<Exit, Failure>> {
    if (options.signals.some(({ aborted }) => aborted)) return fail(commandAborted(argv));
    const nonce = `${this.#nonce}${(this.#started++).toString(36)}.`;
    const { cwd, marker, usage } = options;
    const env = { ...options.env, [MARKER_VARIABLE]: marker };
    const job = encodeJob({ nonce, argv, cwd, env, procsFile: usage.group?.procsFile });
    if (job === undefined || !canLaunch()) return spawnCommand(argv, options);
    let launcher = this.#idle.pop();
    if (launcher === undefined) {
      launcher = new Launcher();
      if (!launcher.isUsable) return spawnCommand(argv, { ...options, isExpendable: true });
      this.#all.add(launcher);
    }
    try {
      const over = usage.begin(launcher.watched);
      const result = await launcher.run({ argv, job, nonce, options }).finally(over);
      return result ?? (await spawnCommand(argv, options));
    } finally {
      if (launcher.isUsable) this.#idle.push(launcher);
      else this.#all.delete(launcher);
    }
  }

  close(): void {
    for (const launcher of this.#all) launcher.kill();
    this.#all.clear();
    this.#idle.length = 0;
  }
}

let launchable: boolean | undefined;
const canLaunch = (): boolean => (launchable ??= existsSync(LAUNCHER));

type End = Exit | 'not-started' | 'lost';

class Launcher {
  readonly #process: ChildProcessByStdio<Writable, Readable, Readable>;
  #command: LaunchedCommand | undefined;
  isUsable = true;

  constructor() {
    this.#process = spawnWith(['pipe', 'pipe', 'pipe'], { isExpendable: true }, (stdio) =>
      underFixedUmask(
        () =>
          spawn(LAUNCHER, ['-e', PROGRAM], { stdio, detached: true, env: {}, cwd: '/' }) as ChildProcessByStdio<
            Writable,
            Readable,
            Readable
          >,
      ),
    );
    const lose = (): void => {
      this.isUsable = false;
      this.finish('lost');
    };
    this.#process.on('error', lose);
    this.#process.on('exit', lose);
    // Without free descriptors the streams are missing, although the types say otherwise.
    if ((this.#process.stdin as Writable | undefined) === undefined) {
      this.isUsable = false;
      return;
    }
    // An idle launcher must not keep our process alive.
    this.#setReferenced(false);
    this.#process.stdout.on('data', (chunk: Buffer) => this.#command?.stdout.write(chunk));
    this.#process.stderr.on('data', (chunk: Buffer) => this.#command?.stderr.write(chunk));
    for (const stream of [this.#process.stdin, this.#process.stdout, this.#process.stderr])
      stream.on('error', () => {});
  }

  /** Undefined if the command could not be started. */
  run(given: GivenCommand): Promise<Result<Exit, Failure> | undefined> {
    const command = new LaunchedCommand(given, this);
    this.#command = command;
    this.#setReferenced(true);
    this.#process.stdin.write(given.job);
    return command.result;
  }

  /** The processes of its command, without the launcher itself. */
  get watched(): WatchedCommand {
    const { pid } = this.#process;
    const processes = (): readonly string[] => (pid === undefined ? [] : processesBelow(pid).slice(1));
    return {
      processes,
      kill: () => {
        // The launcher kills the group, and then everything else that became its child.
        if (pid !== undefined && this.#command !== undefined) signalProcess(pid, 'SIGUSR1');
        for (const path of processes()) signalProcess(Number(path.slice('/proc/'.length)), 'SIGKILL');
      },
    };
  }

  kill(): void {
    this.isUsable = false;
    const { pid } = this.#process;
    if (pid !== undefined) signalGroup(pid, 'SIGKILL');
    for (const stream of [this.#process.stdin, this.#process.stdout, this.#process.stderr]) stream.destroy();
  }

  /** Settles the command, once. */
  finish(end: End): void {
    const command = this.#command;
    if (command === undefined) return;
    this.#command = undefined;
    this.#setReferenced(false);
    command.finish(end);
  }

  /** Ends the command and what it started: its group, what left the group with the marker, and in the end the launcher. */
  endAll(
    { marker, group }: { readonly marker: string; readonly group: () => number | undefined },
    done: () => void,
  ): void {
    const { pid } = this.#process;
    this.isUsable = false;
    const send = (name: 'SIGTERM' | 'SIGKILL'): void => {
      // The launcher knows the group from the first moment and passes the signal on to it.
      if (pid !== undefined && this.#command !== undefined) signalProcess(pid, name === 'SIGTERM' ? name : 'SIGUSR1');
      signalMarked(marker, name);
    };
    const groupRuns = (): boolean => {
      const number = group();
      return number !== undefined && groupExists(number);
    };
    // The launcher reports the end only after all that the command printed.
    const isAlive = (): boolean => this.#command !== undefined || groupRuns() || markedProcesses(marker).length > 0;
    send('SIGTERM');
    waitUntilGone(
      isAlive,
      () => send('SIGKILL'),
      GRACE_MS,
      () => {
        this.kill();
        done();
      },
    );
  }

  #setReferenced(isReferenced: boolean): void {
    const verb = isReferenced ? 'ref' : 'unref';
    this.#process[verb]();
    // The pipes are sockets, although they are declared otherwise.
    for (const stream of [this.#process.stdin, this.#process.stdout, this.#process.stderr]) {
      (stream as unknown as { ref(): void; unref(): void })[verb]();
    }
  }
}

interface GivenCommand {
  readonly argv: readonly string[];
  readonly job: Buffer;
  readonly nonce: string;
  readonly options: LaunchOptions;
}

/** One command in a launcher, until its result is known. */
class LaunchedCommand {
  /** Rejects with what the caller's own code threw. */
  readonly result: Promise<Result<Exit, Failure> | undefined>;
  readonly stdout: MarkedStream;
  readonly stderr: MarkedStream;
  readonly #given: GivenCommand;
  readonly #launcher: Launcher;
  readonly #ending = new Ending();
  #isAborting = false;
  #stray: unknown;
  #resolve!: (result: Result<Exit, Failure> | undefined) => void;
  #reject!: (error: unknown) => void;

  constructor(given: GivenCommand, launcher: Launcher) {
    this.#given = given;
    this.#launcher = launcher;
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.stdout = this.#streamOf('stdout');
    this.stderr = this.#streamOf('stderr');
    for (const signal of given.options.signals) signal.addEventListener('abort', this.#abort, { once: true });
  }

  #streamOf(stream: 'stdout' | 'stderr'): MarkedStream {
    const onLine = (text: string): void => {
      try {
        this.#given.options.onLine(stream, text);
      } catch (error) {
        // It belongs to our caller, not to the stream's callback.
        this.#stray ??= error;
        this.#abort();
      }
    };
    return new MarkedStream(this.#given.nonce, onLine, (word) => this.#take(word));
  }

  /** What the launcher says about the end. */
  #take(word: string): void {
    const ended = this.#ending.take(word);
    if (ended === undefined) return;
    if (ended === 'not-started') return this.#launcher.finish('not-started');
    const { exit, group, hasLeft } = ended;
    if (this.#isAborting || !hasLeft) return this.#launcher.finish(exit);
    waitUntilGone(
      () => groupExists(group),
      () => signalGroup(group, 'SIGKILL'),
      0,
      () => this.#launcher.finish(exit),
    );
  }

  readonly #abort = (): void => {
    if (this.#isAborting) return;
    this.#isAborting = true;
    const { argv, options } = this.#given;
    this.#launcher.endAll({ marker: options.marker, group: () => this.#ending.group }, () =>
      this.#settle(fail(commandAborted(argv))),
    );
  };

  finish(end: End): void {
    if (this.#isAborting) return;
    if (end === 'not-started') this.#settle(undefined);
    else if (end === 'lost')
      this.#settle(fail(commandCannotStart(this.#given.argv, 'The process that should start it was killed.')));
    else this.#settle(succeed(end));
  }

  #settle(result: Result<Exit, Failure> | undefined): void {
    for (const signal of this.#given.options.signals) signal.removeEventListener('abort', this.#abort);
    if (this.#stray === undefined) this.#resolve(result);
    else this.#reject(this.#stray);
  }
}
