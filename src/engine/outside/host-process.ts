// The system's process in which the code of one plugin runs: its pipes, what comes out of them, and its end.

import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { createLineSplitter } from '../files/line-splitter.js';
import { MARKER_VARIABLE, nextMarker } from '../process/guardian.js';
import { signalGroup, signalMarked } from '../process/processes.js';
import { spawnWith, underFixedUmask } from '../process/spawn.js';
import { encodeFrame, FrameReader } from './frames.js';
import { MOST_SAID_BYTES, type Seen, type Told } from './protocol.js';

export interface HostOptions {
  /** The program that runs in the process. */
  readonly program: string;
  readonly env: Readonly<Record<string, string>>;
  readonly memoryMegabytes: number;
}

interface HostEvents {
  readonly onStartError: (message: string) => void;
  /** Returns false when nothing more is to be read. */
  readonly onMessage: (message: unknown) => boolean;
  /** The process wrote bytes that are not a message. */
  readonly onGarbage: () => void;
  /** The process does not read what it is sent: so many bytes wait. */
  readonly onUnread: (bytes: number) => void;
  /** A line that did not come as a message: from a child, the file descriptor, or Node itself. */
  readonly onLine: (stream: 'stdout' | 'stderr', text: string) => void;
  /** After the last messages and lines. */
  readonly onExit: (code: number | null, signal: NodeJS.Signals | null) => void;
}

/** Bytes that may wait for the process to read them. */
const MOST_UNREAD = 256 * 1024 * 1024;
const LAST_WORDS_MS = 300;
const MONITOR_MS = 500;

export class HostProcess {
  readonly #options: HostOptions;
  readonly #events: HostEvents;
  readonly #marker = nextMarker();
  #child: ChildProcess | undefined;
  #told: Duplex | undefined;
  #said: Duplex | undefined;
  #monitor: Duplex | undefined;
  #isCorked = false;
  #isClosed = false;
  readonly #kill = (): void => this.#killAll();

  constructor(options: HostOptions, events: HostEvents) {
    this.#options = options;
    this.#events = events;
  }

  /** Called once. Throws if the system refuses at once. */
  start(): void {
    const { program, env, memoryMegabytes } = this.#options;
    const child = spawnWith(['ignore', 'pipe', 'pipe', 'pipe', 'pipe', 'pipe'], {}, (stdio) =>
      underFixedUmask(() =>
        spawn(process.execPath, [`--max-old-space-size=${memoryMegabytes}`, program], {
          cwd: '/',
          env: { ...env, [MARKER_VARIABLE]: this.#marker },
          stdio,
          detached: true,
        }),
      ),
    );
    this.#child = child;
    const [, stdout, stderr, told, said, monitor] = child.stdio as unknown as readonly Duplex[];
    child.on('error', (error) => {
      if (child.pid === undefined) this.#events.onStartError(error.message);
    });
    // What it wrote before is still on its way; what it started may hold the pipes open.
    child.on('exit', (code, signal) => {
      const ends = [stderr, said].map((stream) => new Promise((resolve) => void stream?.on('close', resolve)));
      const late = new Promise((resolve) => setTimeout(resolve, LAST_WORDS_MS));
      void Promise.race([Promise.all(ends), late]).then(() => this.#events.onExit(code, signal));
    });
    if (told === undefined || said === undefined) return;
    this.#told = told;
    this.#said = said;
    this.#monitor = monitor;
    for (const stream of [told, said, monitor, stdout, stderr]) stream?.on('error', () => {});
    this.#readMessages(said);
    this.#readLines('stdout', stdout);
    this.#readLines('stderr', stderr);
    process.on('exit', this.#kill);
    // The timer of the caller that waits for a call keeps our process alive, not the pipes.
    child.unref();
    for (const stream of [stdout, stderr, told, said, monitor])
      (stream as unknown as { unref(): void } | undefined)?.unref();
  }

  #readMessages(said: Duplex): void {
    const reader = new FrameReader(MOST_SAID_BYTES);
    said.on('data', (chunk: Buffer) => {
      try {
        reader.push(chunk, this.#events.onMessage);
      } catch {
        this.#events.onGarbage();
      }
    });
  }

  #readLines(name: 'stdout' | 'stderr', stream: Duplex | undefined): void {
    const splitter = createLineSplitter((text) => this.#events.onLine(name, text));
    stream?.on('data', splitter.write);
    stream?.on('end', splitter.end);
  }

  tell(message: Told): void {
    this.#write(this.#told, message);
  }

  /** To the question that the process waits for. */
  answerLook(answer: { readonly value?: unknown; readonly error?: string }): void {
    this.#write(this.#said, answer);
  }

  /** Calls `take` once, with undefined if the monitor does not answer in time. */
  askMonitor(take: (seen: Seen | undefined) => void): void {
    let isTaken = false;
    const takeOnce = (seen: Seen | undefined): void => {
      if (!isTaken) take(seen);
      isTaken = true;
    };
    setTimeout(() => takeOnce(undefined), MONITOR_MS);
    const reader = new FrameReader(64 * 1024);
    this.#monitor?.on('data', (chunk: Buffer) => {
      try {
        reader.push(chunk, (given) => {
          const { id, place } = given as Seen;
          takeOnce({ ...(typeof id === 'string' ? { id } : {}), ...(typeof place === 'string' ? { place } : {}) });
          return false;
        });
      } catch {
        takeOnce(undefined);
      }
    });
    this.#write(this.#monitor, {});
  }

  #write(stream: Duplex | undefined, message: unknown): void {
    if (this.#isClosed || stream === undefined || stream.destroyed) return;
    if (stream.writableLength > MOST_UNREAD) return this.#events.onUnread(MOST_UNREAD);
    if (stream === this.#told && !this.#isCorked) {
      // Messages of one turn of the event loop are sent together.
      this.#isCorked = true;
      stream.cork();
      process.nextTick(() => {
        this.#isCorked = false;
        stream.uncork();
      });
    }
    stream.write(encodeFrame(message));
  }

  /** Resident memory; undefined if the system doesn't say. */
  get megabytes(): number | undefined {
    const pid = this.#child?.pid;
    if (pid === undefined) return undefined;
    try {
      const pages = Number(readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ')[1]);
      return (pages * 4096) / 1024 / 1024;
    } catch {
      return undefined;
    }
  }

  /** Ends the process with all that it started. */
  close(): void {
    this.#isClosed = true;
    process.removeListener('exit', this.#kill);
    this.#killAll();
    this.#told?.destroy();
    this.#said?.destroy();
    this.#monitor?.destroy();
  }

  #killAll(): void {
    const pid = this.#child?.pid;
    if (pid === undefined) return;
    signalGroup(pid, 'SIGKILL');
    // What left the group.
    signalMarked(this.#marker, 'SIGKILL');
  }
}
