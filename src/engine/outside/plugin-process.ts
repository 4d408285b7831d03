// One process with the code of one plugin: started, told what to do, listened to, and ended with all that it started.
// Nothing that comes from it is believed. Unaware of manifests and of what answers should look like.

import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { MARKER_VARIABLE, nextMarker } from '../process/guardian.js';
import { createLineSplitter } from '../files/line-splitter.js';
import { signalGroup, signalMarked } from '../process/processes.js';
import { spawnWith, underFixedUmask } from '../process/spawn.js';
import { encodeFrame, FrameReader } from './frames.js';
import {
  MOST_ASKS,
  MOST_SAID_BYTES,
  type Ask,
  type Look,
  type Said,
  type Seen,
  type Tell,
  type Thrown,
  type Told,
} from './protocol.js';

export interface ProcessOptions {
  /** The program that runs in the process. */
  readonly program: string;
  readonly env: Readonly<Record<string, string>>;
  readonly memoryMegabytes: number;
  /** An operator's setting, which a constructor may ask for too. */
  readonly setting: (name: string) => string | undefined;
}

/** How a call ended; `failed` carries a failure that plugin code let through. */
export type Answer =
  | { readonly type: 'returned'; readonly value: unknown }
  | { readonly type: 'failed'; readonly failure: unknown }
  | { readonly type: 'threw'; readonly thrown: Thrown }
  | { readonly type: 'unsendable'; readonly where: string; readonly what: string }
  | { readonly type: 'died'; readonly death: Death; readonly isCulprit: boolean; readonly isCulpritKnown: boolean }
  | { readonly type: 'hung'; readonly isWaiting: boolean; readonly place?: string };

export type Death =
  | { readonly why: 'exited'; readonly how: string; readonly place?: string; readonly printed?: string }
  | { readonly why: 'memory' }
  | { readonly why: 'flood'; readonly what: string }
  | { readonly why: 'protocol'; readonly what: string }
  | { readonly why: 'blocked'; readonly place?: string }
  | { readonly why: 'ended' };

/** What a call asks of pyflow while it runs. Whatever is thrown becomes an error in the plugin. */
export interface CallServices {
  look(what: Look, argument: unknown): unknown;
  ask(what: Ask, argument: unknown, onLine: (stream: 'stdout' | 'stderr', text: string) => void): Promise<unknown>;
  tell(what: Tell, given: readonly unknown[]): void;
  printed(stream: 'stdout' | 'stderr', text: string): void;
  /** An error that came after the method had returned. */
  strayed(thrown: Thrown): void;
}

interface PendingCall {
  readonly services: CallServices;
  readonly settle: (answer: Answer) => void;
  asks: number;
  printedCharacters: number;
  isHeard: boolean;
  isAnswered: boolean;
  readonly isRun: boolean;
  /** By the clock of `performance`. */
  readonly endsAt: number;
  readonly graceMs: number;
  graceTimer?: NodeJS.Timeout;
}

export interface CallLimits {
  readonly signal?: AbortSignal | undefined;
  /** Looked at now and then. */
  readonly deadlineMs?: number;
  /** From the signal or the deadline to the end of the process. */
  readonly graceMs: number;
}

type Loaded = Extract<Said, { type: 'loaded' | 'not-loaded' }>;
export type LoadAnswer =
  | Loaded
  | { readonly type: 'died'; readonly death: Death }
  | { readonly type: 'hung'; readonly place?: string }
  | { readonly type: 'cannot-start'; readonly message: string };

/** Characters that one call may print by itself; commands have no such limit. */
const MOST_PRINTED = 64 * 1024 * 1024;
/** Bytes for the process that it has not taken yet. */
const MOST_UNTAKEN = 256 * 1024 * 1024;
const ANSWERED_TWICE = 'pyflow received an answer to a question that it had not asked, or twice.';
const WATCH_MS = 200;
const LAST_WORDS_MS = 300;
const MONITOR_MS = 500;
const COMMAND_GRACE_MS = 2500;
/** A process has memory beside its heap, and may use as much again for buffers. */
const BESIDE_HEAP_MEGABYTES = 256;
/** Of Node itself, which says nothing about the plugin. */
const NATIVE_TRACE = /^(?:-+ (?:Native|JavaScript) stack trace -+|FATAL ERROR|\s*\d+: 0x)[^]*/m;
const NODE_DYING = /^(<--- |FATAL ERROR: |-+ (Native|JavaScript) stack trace)/;
/** What is printed past pyflow's way, for the case that the process dies. */
const KEPT_WORDS = 4000;
const KEPT_STRAYS = 1000;

export class PluginProcess {
  readonly #calls = new Map<string, PendingCall>();
  /** For errors that come late. */
  readonly #ended = new Map<string, CallServices>();
  readonly #signals = new Map<AbortSignal, { readonly ids: Set<string>; readonly onAbort: () => void }>();
  readonly #options: ProcessOptions;
  #child: ChildProcess | undefined;
  #told: Duplex | undefined;
  #said: Duplex | undefined;
  #monitor: Duplex | undefined;
  readonly #marker: string;
  #onLoaded: ((answer: LoadAnswer) => void) | undefined;
  #death: Death | undefined;
  #culprit: string | undefined;
  #words = '';
  #watch: NodeJS.Timeout | undefined;
  #endWhenIdle = false;
  #isCorked = false;
  #isNodeDying = false;
  readonly #kill = (): void => this.#killAll();

  constructor(options: ProcessOptions) {
    this.#options = options;
    this.#marker = nextMarker();
  }

  get isUsable(): boolean {
    return this.#death === undefined && !this.#endWhenIdle;
  }

  get openCalls(): number {
    return this.#calls.size;
  }

  /** The process with the plugin in it, or why there is none. Called once. */
  load(message: Extract<Told, { type: 'load' }>, deadlineMs: number): Promise<LoadAnswer> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#askMonitor((seen) => {
          settle({ type: 'hung', ...(seen?.place === undefined ? {} : { place: seen.place }) });
          this.end();
        });
      }, deadlineMs);
      const settle = (answer: LoadAnswer): void => {
        clearTimeout(timer);
        this.#onLoaded = undefined;
        resolve(answer);
      };
      this.#onLoaded = settle;
      try {
        this.#start();
      } catch (error) {
        return settle({ type: 'cannot-start', message: (error as Error).message });
      }
      this.#tell(message);
    });
  }

  #start(): void {
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
      if (child.pid === undefined) this.#onLoaded?.({ type: 'cannot-start', message: error.message });
    });
    // What it said before is still on its way; what it started may hold the pipes open.
    child.on('exit', (code, signal) => {
      const ends = [stderr, said].map((stream) => new Promise((resolve) => void stream?.on('close', resolve)));
      const late = new Promise((resolve) => setTimeout(resolve, LAST_WORDS_MS));
      void Promise.race([Promise.all(ends), late]).then(() => this.#exited(code, signal));
    });
    if (told === undefined || said === undefined) return;
    this.#told = told;
    this.#said = said;
    this.#monitor = monitor;
    const reader = new FrameReader(MOST_SAID_BYTES);
    for (const stream of [told, said, monitor, stdout, stderr]) stream?.on('error', () => {});
    said.on('data', (chunk: Buffer) => {
      try {
        reader.push(chunk, (message) => this.#take(message));
      } catch {
        this.#die({ why: 'protocol', what: 'pyflow received what is no message of its own.' });
      }
    });
    for (const [name, stream] of [
      ['stdout', stdout],
      ['stderr', stderr],
    ] as const) {
      const splitter = createLineSplitter((text) => this.#printedPast(name, text));
      stream?.on('data', splitter.write);
      stream?.on('end', splitter.end);
    }
    process.on('exit', this.#kill);
    // What still runs is held by the timer of whoever waits for it.
    child.unref();
    for (const stream of [stdout, stderr, told, said, monitor])
      (stream as unknown as { unref(): void } | undefined)?.unref();
  }

  call(
    message: Omit<Extract<Told, { type: 'call' }>, 'type' | 'id'>,
    services: CallServices,
    { signal, deadlineMs, graceMs }: CallLimits,
  ): Promise<Answer> {
    const id = randomUUID();
    return new Promise((resolve) => {
      if (this.#death !== undefined)
        return resolve({ type: 'died', death: this.#death, isCulprit: false, isCulpritKnown: true });
      const settle = (answer: Answer): void => {
        if (!this.#calls.has(id)) return;
        this.#listen(signal, id, false);
        clearTimeout(this.#calls.get(id)?.graceTimer);
        this.#calls.delete(id);
        this.#ended.set(id, services);
        if (this.#ended.size > KEPT_STRAYS) this.#ended.delete(this.#ended.keys().next().value!);
        if (this.#calls.size === 0) this.#rest();
        resolve(answer);
      };
      const endsAt = performance.now() + (deadlineMs ?? Number.POSITIVE_INFINITY);
      const isRun = message.method === 'run';
      const state = { asks: 0, printedCharacters: 0, isHeard: false, isAnswered: false };
      this.#calls.set(id, { services, settle, ...state, isRun, endsAt, graceMs });
      this.#watch ??= setInterval(() => this.#look(), WATCH_MS);
      this.#listen(signal, id, true);
      this.#tell({ type: 'call', id, ...message });
      if (signal?.aborted === true) this.#abort(id);
    });
  }

  /** Many calls have the signal of the run: one listener serves them. */
  #listen(signal: AbortSignal | undefined, id: string, isOn: boolean): void {
    if (signal === undefined) return;
    const known = this.#signals.get(signal);
    if (isOn && known !== undefined) known.ids.add(id);
    else if (isOn) {
      const ids = new Set([id]);
      const onAbort = (): void => ids.forEach((one) => this.#abort(one));
      this.#signals.set(signal, { ids, onAbort });
      signal.addEventListener('abort', onAbort, { once: true });
    } else if (known !== undefined) {
      known.ids.delete(id);
      if (known.ids.size > 0) return;
      signal.removeEventListener('abort', known.onAbort);
      this.#signals.delete(signal);
    }
  }

  #abort(id: string): void {
    const call = this.#calls.get(id);
    if (call === undefined || call.graceTimer !== undefined) return;
    this.#tell({ type: 'abort', id });
    const asked = performance.now();
    const look = (): void => {
      // A command that is being ended takes its time.
      const isWaiting = call.asks > 0 && performance.now() - asked < COMMAND_GRACE_MS;
      if (isWaiting) call.graceTimer = setTimeout(look, call.graceMs);
      else this.#abandon(id);
    };
    call.graceTimer = setTimeout(look, call.graceMs);
  }

  /** No further calls; ended when the last one is over. */
  retire(): void {
    this.#endWhenIdle = true;
    if (this.#calls.size === 0) this.end();
  }

  end(): void {
    this.#die({ why: 'ended' });
  }

  #rest(): void {
    clearInterval(this.#watch);
    this.#watch = undefined;
    if (this.#endWhenIdle) this.end();
  }

  /** A call that did not heed its signal. One that does not even hear it holds up the whole process. */
  #abandon(id: string): void {
    const call = this.#calls.get(id);
    if (call === undefined) return;
    this.#endWhenIdle = true;
    if (call.isHeard) return call.settle({ type: 'hung', isWaiting: call.asks > 0 });
    this.#askMonitor((seen) => {
      if (!this.#calls.has(id)) return;
      // Any of several may be the one that blocks all.
      this.#culprit = seen?.id ?? (this.#calls.size === 1 ? id : undefined);
      const culprit = this.#culprit === undefined ? undefined : this.#calls.get(this.#culprit);
      const place = seen?.place === undefined ? {} : { place: seen.place };
      culprit?.settle({ type: 'hung', isWaiting: false, ...place });
      this.#die({ why: 'blocked', ...place });
    });
  }

  /** Also when there is no answer. */
  #askMonitor(take: (seen: Seen | undefined) => void): void {
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

  #tell(message: Told): void {
    this.#write(this.#told, message);
  }

  #write(stream: Duplex | undefined, message: unknown): void {
    if (this.#death !== undefined || stream === undefined || stream.destroyed) return;
    if (stream.writableLength > MOST_UNTAKEN)
      return this.#die({ why: 'flood', what: `did not take ${MOST_UNTAKEN / 1024 / 1024} MiB of answers` });
    if (stream === this.#told && !this.#isCorked) {
      // Calls of one turn go together.
      this.#isCorked = true;
      stream.cork();
      process.nextTick(() => {
        this.#isCorked = false;
        stream.uncork();
      });
    }
    stream.write(encodeFrame(message));
  }

  /** False when nothing more is to be read. */
  #take(given: unknown): boolean {
    if (this.#death !== undefined) return false;
    const message = given as Said;
    if (typeof given !== 'object' || given === null || typeof message.type !== 'string') {
      this.#die({ why: 'protocol', what: 'pyflow received a message without a type.' });
      return false;
    }
    if (message.type === 'loaded' || message.type === 'not-loaded') {
      if (this.#onLoaded === undefined) this.#die({ why: 'protocol', what: 'The plugin was said to be loaded twice.' });
      else this.#onLoaded(message);
      return this.#death === undefined;
    }
    if (message.type === 'exiting') {
      this.#noteExit(message);
      return true;
    }
    if (message.type === 'printed') {
      if (message.id === undefined) this.#printedPast(message.stream, String(message.text));
      else this.#printed(this.#calls.get(message.id), message);
      return this.#death === undefined;
    }
    if (message.type === 'threw' && message.late === true) return this.#strayed(message);
    const call = this.#calls.get(message.id);
    if (call === undefined) return this.#takeLate(message);
    this.#takeOf(call, message);
    return this.#death === undefined;
  }

  #takeOf(call: PendingCall, message: Exclude<Said, { type: 'loaded' | 'not-loaded' | 'exiting' | 'printed' }>): void {
    switch (message.type) {
      case 'returned':
        return this.#settleSoon(message.id, call, { type: 'returned', value: message.value });
      case 'failed':
        return this.#settleSoon(message.id, call, { type: 'failed', failure: message.failure });
      case 'threw':
        return call.settle({ type: 'threw', thrown: textsOf(message.thrown) });
      case 'unsendable':
        return call.settle({ type: 'unsendable', where: String(message.where), what: String(message.what) });
      case 'heard':
        call.isHeard = true;
        return;
      case 'flooding':
        return this.#flooded(message.id);
      case 'look':
        return this.#answerLook(() => call.services.look(message.what, message.argument));
      case 'ask':
        return this.#answerAsk(call, message.id, message);
      case 'tell':
        try {
          if (Array.isArray(message.arguments)) call.services.tell(message.what, message.arguments);
        } catch {
          // A line for the log of the wrong form is no line.
        }
        return;
      default:
        this.#die({ why: 'protocol', what: 'pyflow received a message of an unknown type.' });
    }
  }

  /** What was printed past us before is read first: it lies in another pipe. */
  #settleSoon(id: string, call: PendingCall, answer: Answer): void {
    if (call.isAnswered) {
      this.#culprit = id;
      return this.#die({ why: 'protocol', what: ANSWERED_TWICE });
    }
    call.isAnswered = true;
    if (!call.isRun) return call.settle(answer);
    setImmediate(() => setImmediate(() => call.settle(answer)));
  }

  /** Of a call that is over, or of none. */
  #takeLate(message: Said): boolean {
    switch (message.type) {
      case 'look':
        this.#answerLook(() => {
          if (message.what === 'setting') return this.#options.setting(String(message.argument));
          throw new TypeError('the view was asked after the method had returned');
        });
        return true;
      case 'ask':
        this.#tell({
          type: 'reply',
          request: message.request,
          error: 'a service was used after the method had returned',
        });
        return true;
      case 'tell':
      case 'heard':
      case 'flooding':
        return true;
      case 'returned':
      case 'failed':
      case 'unsendable':
      case 'threw':
        // Abandoned calls may return late; all else is made up.
        if (this.#ended.has(message.id) && this.#endWhenIdle) return true;
        this.#die({ why: 'protocol', what: ANSWERED_TWICE });
        return false;
      default:
        this.#die({ why: 'protocol', what: 'pyflow received a message of an unknown type.' });
        return false;
    }
  }

  #strayed({ id, thrown }: Extract<Said, { type: 'threw' }>): boolean {
    const call = this.#calls.get(id);
    const told = textsOf(thrown);
    if (call?.isAnswered === false) call.settle({ type: 'threw', thrown: told });
    else if (this.#onLoaded !== undefined) this.#onLoaded({ type: 'not-loaded', why: 'import', thrown: told });
    else (call?.services ?? this.#ended.get(id))?.strayed(told);
    // What it left undone may sway the next node.
    this.retire();
    return this.#death === undefined;
  }

  #answerLook(look: () => unknown): void {
    try {
      const value = look();
      this.#write(this.#said, value === undefined ? {} : { value });
    } catch (error) {
      this.#write(this.#said, { error: (error as Error).message });
    }
  }

  #flooded(id: string): void {
    this.#culprit = id;
    this.#die({ why: 'flood', what: `has more than ${MOST_ASKS} requests waiting` });
  }

  #answerAsk(call: PendingCall, id: string, { request, what, argument }: Extract<Said, { type: 'ask' }>): void {
    if (++call.asks > MOST_ASKS) return this.#flooded(id);
    const onLine = (stream: 'stdout' | 'stderr', text: string): void =>
      this.#tell({ type: 'line', request, stream, text });
    void Promise.resolve()
      .then(() => call.services.ask(what, argument, onLine))
      .then(
        (value) => this.#tell({ type: 'reply', request, ...(value === undefined ? {} : { value }) }),
        (error: unknown) => this.#tell({ type: 'reply', request, error: (error as Error).message || 'it failed' }),
      )
      .finally(() => (call.asks -= 1));
  }

  #printed(call: PendingCall | undefined, { id, stream, text }: Extract<Said, { type: 'printed' }>): void {
    if (call === undefined || typeof text !== 'string') return;
    call.printedCharacters += text.length + 1;
    if (call.printedCharacters > MOST_PRINTED) {
      this.#culprit = id;
      return this.#die({ why: 'flood', what: `printed more than ${MOST_PRINTED / 1024 / 1024} MiB` });
    }
    call.services.printed(stream === 'stderr' ? 'stderr' : 'stdout', text);
  }

  /** Not by way of `console` or `process.stdout`: by a child, by the file descriptor, by Node itself, or at load. */
  #printedPast(stream: 'stdout' | 'stderr', text: string): void {
    this.#words = `${this.#words}${text}\n`.slice(-KEPT_WORDS);
    // What Node says of its own end is about Node.
    this.#isNodeDying ||= stream === 'stderr' && NODE_DYING.test(text);
    if (this.#isNodeDying || this.#calls.size !== 1) return;
    for (const [id, call] of this.#calls) this.#printed(call, { type: 'printed', id, stream, text });
  }

  #exiting: { readonly how: string; readonly place?: string } | undefined;

  #noteExit({ id, how, place }: Extract<Said, { type: 'exiting' }>): void {
    this.#culprit = typeof id === 'string' ? id : undefined;
    this.#exiting = { how: String(how), ...(typeof place === 'string' ? { place } : {}) };
  }

  #exited(code: number | null, signal: NodeJS.Signals | null): void {
    if (this.#death !== undefined) return;
    if (signal === 'SIGABRT' && /out of memory|allocation failed/i.test(this.#words))
      return this.#die({ why: 'memory' });
    const how =
      this.#exiting?.how ?? (code === null ? `A signal ended it: ${signal}.` : `It exited with status ${code}.`);
    const place = this.#exiting?.place === undefined ? {} : { place: this.#exiting.place };
    const words = this.#words.replace(NATIVE_TRACE, '').trim();
    const printed = words === '' ? {} : { printed: words };
    this.#die({ why: 'exited', how, ...place, ...printed });
  }

  /** The first reason is the true one. */
  #die(death: Death): void {
    if (this.#death !== undefined) return;
    this.#death = death;
    process.removeListener('exit', this.#kill);
    this.#killAll();
    this.#told?.destroy();
    this.#said?.destroy();
    this.#monitor?.destroy();
    const isOurs = death.why === 'ended';
    const isAlone = this.#calls.size === 1;
    const isCulpritKnown = isOurs || isAlone || this.#culprit !== undefined;
    for (const [id, call] of this.#calls) {
      // Its answer is under way.
      if (call.isAnswered && death.why !== 'protocol') continue;
      const isCulprit = !isOurs && (this.#culprit === undefined ? isAlone : id === this.#culprit);
      call.settle({ type: 'died', death, isCulprit, isCulpritKnown });
    }
    this.#onLoaded?.({ type: 'died', death });
  }

  #killAll(): void {
    const pid = this.#child?.pid;
    if (pid === undefined) return;
    signalGroup(pid, 'SIGKILL');
    // What left the group.
    signalMarked(this.#marker, 'SIGKILL');
  }

  #look(): void {
    const now = performance.now();
    for (const [id, { endsAt }] of this.#calls) if (endsAt <= now) this.#abort(id);
    const pid = this.#child?.pid;
    if (pid === undefined) return;
    let pages: number;
    try {
      pages = Number(readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ')[1]);
    } catch {
      return;
    }
    const megabytes = (pages * 4096) / 1024 / 1024;
    if (megabytes > this.#options.memoryMegabytes + BESIDE_HEAP_MEGABYTES) this.#die({ why: 'memory' });
  }
}

const textsOf = (thrown: Thrown): Thrown => ({
  text: String(thrown?.text),
  ...(typeof thrown?.place === 'string' ? { place: thrown.place } : {}),
  ...(typeof thrown?.code === 'string' ? { code: thrown.code } : {}),
});
