// Starts commands from small shells that are kept, because a process forks the slower the more memory it has: measured
// with 50, 100 and 200 MB, a start cost 1, 2.5 and 5 ms of the one thread that everything else waits for. Unaware of
// what the commands are.

import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { fail, succeed, type Failure, type Result } from '../failure.js';
import { MARKER_VARIABLE } from '../guardian.js';
import { createLineSplitter, type LineSplitter } from '../line-splitter.js';
import { groupExists, markedProcesses, signalGroup, signalMarked, waitUntilGone } from '../subprocess.js';
import { commandAborted, commandCannotStart } from './failures.js';
import type { Exit } from './sandbox.js';

export interface LaunchOptions {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly onLine: (stream: 'stdout' | 'stderr', text: string) => void;
  readonly signals: readonly AbortSignal[];
  readonly marker: string;
}

/** Stands before what the shell says of a command's end; no text has it. */
const SEPARATOR = '\x1e';
const NONCE_BYTES = 12;
/** From util-linux or BusyBox: a session of its own is a process group that can be ended whole. */
const SETSID = '/usr/bin/setsid';
const PID_WORD = 'pid';
const GRACE_MS = 5000;
/** Longer ones meet limits that differ between shells. */
const MAX_SCRIPT = 64 * 1024;
/** What a shell sets, keeps or reads itself; a command that wants one of these is started without the shell. */
const SHELL_VARIABLES =
  /^(?:PWD|OLDPWD|IFS|PPID|E?UID|GROUPS|OPTIND|OPTARG|LINENO|PS[0-9]|ENV|_|(?:BASH|DIRSTACK|FUNCNAME|HOSTNAME|SHELL(?:OPTS)?|SHLVL|RANDOM|SECONDS|EPOCH|COMP_|HIST).*)$/;
const VARIABLE_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** A pool of shells, one a command at a time. */
export class Launchers {
  readonly #idle: Shell[] = [];
  readonly #all = new Set<Shell>();
  /** Unguessable, so that no command can print another's end; the count makes it one command's own. */
  readonly #nonce = randomBytes(NONCE_BYTES).toString('hex');
  #started = 0;

  /** Undefined when this command is one for a direct start. */
  tryRun(argv: readonly string[], options: LaunchOptions): Promise<Result<Exit, Failure>> | undefined {
    if (options.signals.some(({ aborted }) => aborted)) return Promise.resolve(fail(commandAborted(argv)));
    const nonce = `${this.#nonce}${(this.#started++).toString(36)}.`;
    const script = scriptOf(argv, options, nonce);
    if (script === undefined || !canLaunch() || !canStart(argv[0]!, options)) return undefined;
    let shell = this.#idle.pop();
    if (shell === undefined) {
      shell = new Shell();
      this.#all.add(shell);
    }
    const used = shell;
    return used.run(argv, script, nonce, options).finally(() => {
      if (used.isUsable) this.#idle.push(used);
      else this.#all.delete(used);
    });
  }

  /** Ends the shells, and whatever their commands left in the background. */
  close(): void {
    for (const shell of this.#all) shell.kill();
    this.#all.clear();
    this.#idle.length = 0;
  }
}

interface Job {
  readonly nonce: string;
  readonly stdout: MarkedStream;
  readonly stderr: MarkedStream;
  readonly end: (exit: Exit | undefined) => void;
}

class Shell {
  readonly #process: ChildProcessByStdio<Writable, Readable, Readable>;
  #job: Job | undefined;
  isUsable = true;

  constructor() {
    this.#process = spawn('/bin/sh', ['-s'], { stdio: 'pipe', detached: true, env: {}, cwd: '/' });
    // An idle shell keeps nothing running.
    this.#setReferenced(false);
    this.#process.stdout.on('data', (chunk: Buffer) => this.#job?.stdout.write(chunk));
    this.#process.stderr.on('data', (chunk: Buffer) => this.#job?.stderr.write(chunk));
    for (const stream of [this.#process.stdin, this.#process.stdout, this.#process.stderr])
      stream.on('error', () => {});
    const lose = (): void => {
      this.isUsable = false;
      this.#finish(undefined);
    };
    this.#process.on('error', lose);
    this.#process.on('exit', lose);
  }

  run(argv: readonly string[], script: string, nonce: string, options: LaunchOptions): Promise<Result<Exit, Failure>> {
    return new Promise((resolve, reject) => {
      let stray: unknown;
      let aborting = false;
      const settle = (result: Result<Exit, Failure>): void => {
        for (const signal of options.signals) signal.removeEventListener('abort', abort);
        if (stray === undefined) resolve(result);
        else reject(stray);
      };
      const abort = (): void => {
        if (aborting) return;
        aborting = true;
        this.isUsable = false;
        this.#endAll(group, options.marker, () => settle(fail(commandAborted(argv))));
      };
      const onLine =
        (stream: 'stdout' | 'stderr') =>
        (text: string): void => {
          try {
            options.onLine(stream, text);
          } catch (error) {
            // It belongs to our caller, not to the stream's callback.
            stray ??= error;
            abort();
          }
        };
      let endings = 0;
      let status: string | undefined;
      let group: number | undefined;
      const marked = (text: string): void => {
        if (text.startsWith(PID_WORD)) {
          group = Number(text.slice(PID_WORD.length));
          return;
        }
        status = text === '' ? status : text;
        endings++;
        if (endings < 2) return;
        const exit = { exitCode: Number(status) };
        const left = group;
        // What it left in the background of its group; mostly there is nothing, and then the signal finds nobody.
        if (left === undefined || aborting || !signalGroup(left, 'SIGKILL')) return this.#finish(exit);
        waitUntilGone(
          () => groupExists(left),
          () => signalGroup(left, 'SIGKILL'),
          0,
          () => this.#finish(exit),
        );
      };
      this.#job = {
        nonce,
        stdout: new MarkedStream(nonce, onLine('stdout'), marked),
        stderr: new MarkedStream(nonce, onLine('stderr'), marked),
        end: (exit) => {
          if (aborting) return;
          settle(
            exit === undefined ? fail(commandCannotStart(argv, 'The shell that starts it was ended.')) : succeed(exit),
          );
        },
      };
      for (const signal of options.signals) signal.addEventListener('abort', abort, { once: true });
      this.#setReferenced(true);
      this.#process.stdin.write(script);
    });
  }

  kill(): void {
    this.isUsable = false;
    const { pid } = this.#process;
    if (pid !== undefined) signalGroup(pid, 'SIGKILL');
    for (const stream of [this.#process.stdin, this.#process.stdout, this.#process.stderr]) stream.destroy();
  }

  #finish(exit: Exit | undefined): void {
    const job = this.#job;
    if (job === undefined) return;
    this.#job = undefined;
    this.#setReferenced(false);
    job.end(exit);
  }

  /** Ends the command and what it started: its group, whatever left that with the marker, and the shell at last. */
  #endAll(group: number | undefined, marker: string, done: () => void): void {
    const send = (name: 'SIGTERM' | 'SIGKILL'): void => {
      if (group !== undefined) signalGroup(group, name);
      signalMarked(marker, name);
    };
    // The shell's word that it ended comes after all that it printed.
    const isAlive = (): boolean =>
      this.#job !== undefined || (group !== undefined && groupExists(group)) || markedProcesses(marker).length > 0;
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
    // The pipes are sockets underneath, whatever their declared type.
    for (const stream of [this.#process.stdin, this.#process.stdout, this.#process.stderr]) {
      (stream as unknown as { ref(): void; unref(): void })[verb]();
    }
  }
}

/** Passes on a command's output, and apart from it what the shell says: the command's number, and that it ended. */
class MarkedStream {
  readonly #marker: Buffer;
  readonly #splitter: LineSplitter;
  readonly #onWord: (word: string) => void;
  #held: Buffer | undefined;

  constructor(nonce: string, onLine: (text: string) => void, onWord: (word: string) => void) {
    this.#marker = Buffer.from(SEPARATOR + nonce);
    this.#splitter = createLineSplitter(onLine);
    this.#onWord = onWord;
  }

  write(chunk: Buffer): void {
    const bytes = this.#held === undefined ? chunk : Buffer.concat([this.#held, chunk]);
    this.#held = undefined;
    const at = bytes.indexOf(this.#marker);
    if (at >= 0) {
      const end = bytes.indexOf('\n', at);
      if (end < 0) {
        this.#held = bytes;
        return;
      }
      if (at > 0) this.#splitter.write(bytes.subarray(0, at));
      const word = bytes.toString('latin1', at + this.#marker.length, end).trim();
      if (!word.startsWith(PID_WORD)) this.#splitter.end();
      this.#onWord(word);
      if (end + 1 < bytes.length) this.write(bytes.subarray(end + 1));
      return;
    }
    // The marker may have been cut in two.
    const start = bytes.indexOf(SEPARATOR, Math.max(0, bytes.length - this.#marker.length + 1));
    if (start < 0) return this.#splitter.write(bytes);
    this.#held = bytes.subarray(start);
    if (start > 0) this.#splitter.write(bytes.subarray(0, start));
  }
}

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

function scriptOf(argv: readonly string[], { cwd, env, marker }: LaunchOptions, nonce: string): string | undefined {
  const assignments: string[] = [];
  for (const [name, value] of Object.entries(env)) {
    if (!VARIABLE_NAME.test(name) || SHELL_VARIABLES.test(name)) return undefined;
    assignments.push(`${name}=${quote(value)}`);
  }
  assignments.push(`${MARKER_VARIABLE}=${quote(marker)}`);
  // `exec` and `export` take words that begin with a dash for options of their own.
  if (argv[0] === undefined || argv[0] === '' || argv[0].startsWith('-')) return undefined;
  const script = [
    '(',
    `cd ${quote(cwd)} || exit 126`,
    // The subshell becomes the command, so its number is that of the command's session and process group.
    `read -r pid rest </proc/self/stat && printf '\\036%s ${PID_WORD} %d\\n' ${nonce} "$pid"`,
    'unset PWD OLDPWD pid rest',
    `export ${assignments.join(' ')}`,
    `exec ${quote(SETSID)} ${argv.map(quote).join(' ')}`,
    ') </dev/null',
    `printf '\\036%s %d\\n' ${nonce} "$?"`,
    `printf '\\036%s\\n' ${nonce} >&2`,
    '',
  ].join('\n');
  return script.length > MAX_SCRIPT || script.includes('\0') ? undefined : script;
}

let launchable: boolean | undefined;
const canLaunch = (): boolean =>
  (launchable ??= isExecutable(SETSID) && isExecutable('/bin/sh') && existsSync('/proc/self/stat'));

/** Otherwise the direct start finds out, and says why. */
function canStart(file: string, { cwd, env }: Pick<LaunchOptions, 'cwd' | 'env'>): boolean {
  try {
    if (!cwd.startsWith('/') || !statSync(cwd).isDirectory()) return false;
    const candidates = file.includes('/')
      ? [file.startsWith('/') ? file : `${cwd}/${file}`]
      : (env['PATH'] ?? '').split(':').map((folder) => `${folder}/${file}`);
    return candidates.some(isExecutable);
  } catch {
    return false;
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
