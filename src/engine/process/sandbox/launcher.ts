// Starts commands from small processes that are kept, because a process forks the slower the more memory it has:
// measured with 50, 100 and 200 MB, a start cost 1, 2.5 and 5 ms of the one thread that everything else waits for.
// Unaware of what the commands are.

import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { fail, succeed, type Failure, type Result } from '../../failure.js';
import { MARKER_VARIABLE } from '../guardian.js';
import { createLineSplitter, type LineSplitter } from '../../files/line-splitter.js';
import {
  groupExists,
  markedProcesses,
  signalGroup,
  signalMarked,
  signalProcess,
  spawnCommand,
  spawnWith,
  waitUntilGone,
  underFixedUmask,
} from '../subprocess.js';
import { commandAborted, commandCannotStart } from './failures.js';
import type { Exit } from './sandbox.js';
import { processesBelow, type UsageWatch, type WatchedCommand } from './usage.js';

export interface LaunchOptions {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly onLine: (stream: 'stdout' | 'stderr', text: string) => void;
  readonly signals: readonly AbortSignal[];
  readonly marker: string;
  readonly usage: UsageWatch;
}

/** Stands before what the launcher says of a command's end; no text has it. */
const SEPARATOR = '\x1e';
const NONCE_BYTES = 12;
const GRACE_MS = 5000;
const LENGTH_DIGITS = 10;

/*
 * Perl is part of the smallest Debian and Ubuntu, starts in a millisecond and forks in a tenth of that. It runs one
 * command after the other, each in a process group of its own. A job is its length in ten digits and then fields, each
 * ended by a NUL: nonce, working folder, file of a control group, number of arguments, arguments, NAME=VALUE... Of the two words at its end, the
 * one on stdout has the status, the group and whether something is left, or is `n`: no process could be had. A
 * process that could not become the command says `x` before that.
 */
const LAUNCHER = '/usr/bin/perl';
/** prctl, by processor; 0 where it is not known, and then only what stays in the group is ended with the command. */
const SUBREAPER_CALL = { x64: 157, arm64: 167 }[process.arch as string] ?? 0;
const PR_SET_CHILD_SUBREAPER = 36;
const REAP_SECONDS = 5;
const PROGRAM = String.raw`
my ($child, $stop) = (0, 0);
sub forward { $stop = 1; kill $_[0], -$child if $child }
$SIG{TERM} = sub { forward('TERM') };
$SIG{USR1} = sub { forward('KILL') };
# Whatever a command starts and leaves, however it detaches itself, becomes our child when its parent ends.
my $adopts = ${SUBREAPER_CALL} && syscall(${SUBREAPER_CALL}, ${PR_SET_CHILD_SUBREAPER}, 1, 0, 0, 0) == 0;
sub children {
  my @found;
  if (open my $list, '<', "/proc/$$/task/$$/children") {
    @found = split ' ', <$list> // '';
  } else {
    for my $stat (glob '/proc/[0-9]*/stat') {
      open my $file, '<', $stat or next;
      push @found, $1 if (<$file> // '') =~ /^([0-9]+) .*\) \S ([0-9]+) /s && $2 == $$;
    }
  }
  return @found;
}
sub reap {
  # Not for ever, since another user's process cannot be killed.
  my $end = time + ${REAP_SECONDS};
  for (;;) {
    my $ended = waitpid -1, 1;
    next if $ended > 0;
    return 0 if $ended < 0;
    return 1 if time > $end;
    kill 'KILL', $_, -$_ for children;
    select undef, undef, undef, 0.001;
  }
}
sub take {
  my ($wanted, $bytes) = ($_[0], '');
  while (length $bytes < $wanted) {
    my $count = sysread STDIN, $bytes, $wanted - length $bytes, length $bytes;
    exit 0 if defined $count && $count == 0;
    exit 1 if !defined $count && $! != 4;
  }
  return $bytes;
}
for (;;) {
  my ($nonce, $folder, $group, $count, @fields) = split /\0/, take(take(${LENGTH_DIGITS})), -1;
  pop @fields;
  my @argv = splice @fields, 0, $count;
  my $pid = $stop ? undef : fork;
  if (!defined $pid) {
    syswrite STDERR, "\x1e$nonce\n";
    syswrite STDOUT, "\x1e$nonce n\n";
    next;
  }
  if ($pid == 0) {
    $SIG{TERM} = $SIG{USR1} = 'DEFAULT';
    kill 'KILL', $$ if $stop;
    setpgrp 0, 0;
    if (length $group and open my $procs, '>', $group) { syswrite $procs, $$; close $procs }
    %ENV = map { split /=/, $_, 2 } @fields;
    open STDIN, '<', '/dev/null' and chdir $folder and exec { $argv[0] } @argv;
    syswrite STDOUT, "\x1e$nonce x\n";
    kill 'KILL', $$;
  }
  setpgrp $pid, $pid;
  $child = $pid;
  kill 'TERM', -$pid if $stop;
  1 until waitpid($adopts ? -1 : $pid, 0) == $pid;
  my $status = $? & 127 ? 128 + ($? & 127) : $? >> 8;
  my $left = kill 'KILL', -$pid;
  $left = reap if $adopts;
  $child = 0;
  syswrite STDERR, "\x1e$nonce\n";
  syswrite STDOUT, "\x1e$nonce $status $pid $left\n";
}
`;

/** A pool of launchers, one a command at a time. */
export class Launchers {
  readonly #idle: Launcher[] = [];
  readonly #all = new Set<Launcher>();
  /** Unguessable, so that no command can print another's end; the count makes it one command's own. */
  readonly #nonce = randomBytes(NONCE_BYTES).toString('hex');
  #started = 0;

  /** As `spawnCommand`, which also starts what a launcher cannot, or finds out why nothing can. */
  async run(argv: readonly string[], options: LaunchOptions): Promise<Result<Exit, Failure>> {
    if (options.signals.some(({ aborted }) => aborted)) return fail(commandAborted(argv));
    const nonce = `${this.#nonce}${(this.#started++).toString(36)}.`;
    const job = jobOf(argv, options, nonce);
    if (job === undefined || !canLaunch()) return spawnCommand(argv, options);
    let launcher = this.#idle.pop();
    if (launcher === undefined) {
      launcher = new Launcher();
      if (!launcher.isUsable) return spawnCommand(argv, { ...options, isExpendable: true });
      this.#all.add(launcher);
    }
    try {
      const over = options.usage.begin(launcher.watched);
      return (await launcher.run(argv, job, nonce, options).finally(over)) ?? (await spawnCommand(argv, options));
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

interface Job {
  readonly stdout: MarkedStream;
  readonly stderr: MarkedStream;
  readonly end: (exit: Exit | 'not-started' | 'lost') => void;
}

class Launcher {
  readonly #process: ChildProcessByStdio<Writable, Readable, Readable>;
  #job: Job | undefined;
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
      this.#finish('lost');
    };
    this.#process.on('error', lose);
    this.#process.on('exit', lose);
    // Without free descriptors there are no streams, whatever the types say.
    if ((this.#process.stdin as Writable | undefined) === undefined) {
      this.isUsable = false;
      return;
    }
    // An idle one keeps nothing running.
    this.#setReferenced(false);
    this.#process.stdout.on('data', (chunk: Buffer) => this.#job?.stdout.write(chunk));
    this.#process.stderr.on('data', (chunk: Buffer) => this.#job?.stderr.write(chunk));
    for (const stream of [this.#process.stdin, this.#process.stdout, this.#process.stderr])
      stream.on('error', () => {});
  }

  /** Undefined when the command could not be started. */
  run(
    argv: readonly string[],
    job: Buffer,
    nonce: string,
    options: LaunchOptions,
  ): Promise<Result<Exit, Failure> | undefined> {
    return new Promise((resolve, reject) => {
      let stray: unknown;
      let aborting = false;
      let group: number | undefined;
      const settle = (result: Result<Exit, Failure> | undefined): void => {
        for (const signal of options.signals) signal.removeEventListener('abort', abort);
        if (stray === undefined) resolve(result);
        else reject(stray);
      };
      const abort = (): void => {
        if (aborting) return;
        aborting = true;
        this.isUsable = false;
        this.#endAll(
          () => group,
          options.marker,
          () => settle(fail(commandAborted(argv))),
        );
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
      let isStarted = true;
      let exit: Exit = {};
      let hasLeft = false;
      const marked = (word: string): void => {
        if (word === 'x' || word === 'n') isStarted = false;
        else if (word !== '') {
          const [status, pid, left] = word.split(' ').map(Number);
          exit = { exitCode: status! };
          group = pid;
          hasLeft = left! > 0;
        }
        if (word === 'x' || ++endings < 2) return;
        if (!isStarted) return this.#finish('not-started');
        const mine = group!;
        if (aborting || !hasLeft) return this.#finish(exit);
        waitUntilGone(
          () => groupExists(mine),
          () => signalGroup(mine, 'SIGKILL'),
          0,
          () => this.#finish(exit),
        );
      };
      this.#job = {
        stdout: new MarkedStream(nonce, onLine('stdout'), marked),
        stderr: new MarkedStream(nonce, onLine('stderr'), marked),
        end: (end) => {
          if (aborting) return;
          if (end === 'not-started') settle(undefined);
          else if (end === 'lost') settle(fail(commandCannotStart(argv, 'The process that starts it was ended.')));
          else settle(succeed(end));
        },
      };
      for (const signal of options.signals) signal.addEventListener('abort', abort, { once: true });
      this.#setReferenced(true);
      this.#process.stdin.write(job);
    });
  }

  /** What its command takes, without the launcher itself. */
  get watched(): WatchedCommand {
    const { pid } = this.#process;
    const processes = (): readonly string[] => (pid === undefined ? [] : processesBelow(pid).slice(1));
    return {
      processes,
      kill: () => {
        // The launcher kills the group, and then whatever else became its child.
        if (pid !== undefined && this.#job !== undefined) signalProcess(pid, 'SIGUSR1');
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

  #finish(end: Exit | 'not-started' | 'lost'): void {
    const job = this.#job;
    if (job === undefined) return;
    this.#job = undefined;
    this.#setReferenced(false);
    job.end(end);
  }

  /** Ends the command and what it started: its group, whatever left that with the marker, and the launcher at last. */
  #endAll(groupOf: () => number | undefined, marker: string, done: () => void): void {
    const { pid } = this.#process;
    const send = (name: 'SIGTERM' | 'SIGKILL'): void => {
      // The launcher knows the group from the first moment and passes the signal on to it.
      if (pid !== undefined && this.#job !== undefined) signalProcess(pid, name === 'SIGTERM' ? name : 'SIGUSR1');
      signalMarked(marker, name);
    };
    const groupRuns = (): boolean => {
      const group = groupOf();
      return group !== undefined && groupExists(group);
    };
    // The launcher's word that it ended comes after all that it printed.
    const isAlive = (): boolean => this.#job !== undefined || groupRuns() || markedProcesses(marker).length > 0;
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

/** Passes on a command's output, and apart from it what the launcher says of its end. */
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
      this.#splitter.end();
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

/** Undefined when the launcher's format cannot hold it. */
function jobOf(argv: readonly string[], { cwd, env, marker, usage }: LaunchOptions, nonce: string): Buffer | undefined {
  const fields = [nonce, cwd, usage.group?.procsFile ?? '', String(argv.length), ...argv];
  for (const [name, value] of Object.entries(env)) {
    if (name === '' || name.includes('=')) return undefined;
    fields.push(`${name}=${value}`);
  }
  fields.push(`${MARKER_VARIABLE}=${marker}`);
  // An empty program or a relative folder is told apart from other trouble by a direct start.
  if (argv[0] === undefined || argv[0] === '' || !cwd.startsWith('/')) return undefined;
  const text = `${fields.join('\0')}\0`;
  if (text.split('\0').length !== fields.length + 1) return undefined;
  const length = String(Buffer.byteLength(text));
  return Buffer.from(length.padStart(LENGTH_DIGITS, '0') + text);
}

let launchable: boolean | undefined;
const canLaunch = (): boolean => (launchable ??= existsSync(LAUNCHER));
