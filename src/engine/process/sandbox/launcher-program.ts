// The program of the processes that start commands, and how to talk to it: jobs go in, output and the ends of commands
// come out.

import type { Exit } from '../command.js';
import { createLineSplitter, type LineSplitter } from '../../files/line-splitter.js';

/** Precedes what the launcher says about a command's end; text does not contain it. */
const SEPARATOR = '\x1e';
const LENGTH_DIGITS = 10;

/*
 * Perl is part of the smallest Debian and Ubuntu, starts in a millisecond and forks in a tenth of that. The program runs
 * one command after the other, each in its own process group. A job is its length in ten digits and then fields, each
 * ended by a NUL: nonce, working folder, file of a control group, number of arguments, arguments, NAME=VALUE... At the
 * end of a command the program prints a separator, the nonce and a word on each stream: nothing more on stderr; on stdout
 * the status, the group and whether something is left, or `n` if it could not fork. If the new process could not become
 * the command, that process prints `x` first.
 */
export const LAUNCHER = '/usr/bin/perl';
/** Number of prctl by processor; if it is unknown (0), only processes that stay in the group end with the command. */
const SUBREAPER_CALL = { x64: 157, arm64: 167 }[process.arch as string] ?? 0;
const PR_SET_CHILD_SUBREAPER = 36;
const REAP_SECONDS = 5;
export const PROGRAM = String.raw`
my ($child, $stop) = (0, 0);
sub forward { $stop = 1; kill $_[0], -$child if $child }
$SIG{TERM} = sub { forward('TERM') };
$SIG{USR1} = sub { forward('KILL') };
# What a command starts and leaves running becomes our child when its parent ends, however it detached itself.
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
  # With an end, since another user's process cannot be killed.
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

interface Job {
  /** Unguessable, so that no command can print the end of another. */
  readonly nonce: string;
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Where the command's process writes its number to join a control group. */
  readonly procsFile?: string | undefined;
}

/** Undefined if the format can't hold the job. */
export function encodeJob({ nonce, argv, cwd, env, procsFile = '' }: Job): Buffer | undefined {
  const fields = [nonce, cwd, procsFile, String(argv.length), ...argv];
  for (const [name, value] of Object.entries(env)) {
    if (name === '' || name.includes('=')) return undefined;
    fields.push(`${name}=${value}`);
  }
  // A direct start explains what is wrong with an empty program or a relative folder.
  if (argv[0] === undefined || argv[0] === '' || !cwd.startsWith('/')) return undefined;
  const text = `${fields.join('\0')}\0`;
  if (text.split('\0').length !== fields.length + 1) return undefined;
  const length = String(Buffer.byteLength(text));
  return Buffer.from(length.padStart(LENGTH_DIGITS, '0') + text);
}

/** Passes on a command's output, and separately what the launcher says about its end. */
export class MarkedStream {
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
    // A chunk may end in the middle of the marker.
    const start = bytes.indexOf(SEPARATOR, Math.max(0, bytes.length - this.#marker.length + 1));
    if (start < 0) return this.#splitter.write(bytes);
    this.#held = bytes.subarray(start);
    if (start > 0) this.#splitter.write(bytes.subarray(0, start));
  }
}

export interface Ended {
  readonly exit: Exit;
  /** Process group of the command. */
  readonly group: number;
  /** Something in the group could not be ended. */
  readonly hasLeft: boolean;
}

/** Combines what the launcher says about a command's end on its two streams. */
export class Ending {
  #ended: Ended | undefined;
  #isStarted = true;
  #words = 0;

  get group(): number | undefined {
    return this.#ended?.group;
  }

  /** Gives the end after the words of both streams. */
  take(word: string): Ended | 'not-started' | undefined {
    if (word === 'x' || word === 'n') this.#isStarted = false;
    else if (word !== '') {
      const [status, group, left] = word.split(' ').map(Number);
      this.#ended = { exit: { exitCode: status! }, group: group!, hasLeft: left! > 0 };
    }
    // The word of the end still follows an `x`.
    if (word === 'x' || ++this.#words < 2) return undefined;
    return this.#isStarted ? this.#ended! : 'not-started';
  }
}
