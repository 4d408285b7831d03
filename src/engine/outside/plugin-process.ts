// The calls that run in the process of one plugin: tells it what to do, takes its messages, enforces limits, and decides which
// call ended it. Nothing that comes from the process is trusted.

import { randomUUID } from 'node:crypto';
import type { Answer, CallLimits, CallServices, Death, LoadAnswer, PendingCall } from './call.js';
import { HostProcess, type HostOptions } from './host-process.js';
import { MOST_ASKS, type Said, type Thrown, type Told } from './protocol.js';

interface ProcessOptions extends HostOptions {
  /** An operator's setting; constructors may ask for settings too. */
  readonly setting: (name: string) => string | undefined;
}

/** Characters that the code of one call may print; its commands have no such limit. */
const MOST_PRINTED = 64 * 1024 * 1024;
const ANSWERED_TWICE = 'pyflow received an answer that it had not asked for, or received it twice.';
const WATCH_MS = 200;
const COMMAND_GRACE_MS = 2500;
/** A process also has memory outside its heap, mostly buffers. */
const BESIDE_HEAP_MEGABYTES = 256;
/** Node's own stack trace, which says nothing about the plugin. */
const NATIVE_TRACE = /^(?:-+ (?:Native|JavaScript) stack trace -+|FATAL ERROR|\s*\d+: 0x)[^]*/m;
const NODE_DYING = /^(<--- |FATAL ERROR: |-+ (Native|JavaScript) stack trace)/;
/** Characters of direct output to keep, in case the process dies. */
const KEPT_WORDS = 4000;
const KEPT_STRAYS = 1000;

export class PluginProcess {
  readonly #calls = new Map<string, PendingCall>();
  /** Services of ended calls, for late errors. */
  readonly #ended = new Map<string, CallServices>();
  readonly #signals = new Map<AbortSignal, { readonly ids: Set<string>; readonly onAbort: () => void }>();
  readonly #options: ProcessOptions;
  readonly #host: HostProcess;
  #onLoaded: ((answer: LoadAnswer) => void) | undefined;
  #death: Death | undefined;
  #culprit: string | undefined;
  #words = '';
  #watch: NodeJS.Timeout | undefined;
  #endWhenIdle = false;
  #isNodeDying = false;

  constructor(options: ProcessOptions) {
    this.#options = options;
    this.#host = new HostProcess(options, {
      onStartError: (message) => this.#onLoaded?.({ type: 'cannot-start', message }),
      onMessage: (message) => this.#take(message),
      onGarbage: () => this.#die({ why: 'protocol', what: 'pyflow received bytes that are not a message.' }),
      onUnread: (bytes) => this.#die({ why: 'flood', what: `did not read ${bytes / 1024 / 1024} MiB of answers` }),
      onLine: (stream, text) => this.#printedPast(stream, text),
      onExit: (code, signal) => this.#exited(code, signal),
    });
  }

  get isUsable(): boolean {
    return this.#death === undefined && !this.#endWhenIdle;
  }

  /** Starts the process and loads the plugin. Called once. */
  load(message: Extract<Told, { type: 'load' }>, deadlineMs: number): Promise<LoadAnswer> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#host.askMonitor((seen) => {
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
        this.#host.start();
      } catch (error) {
        return settle({ type: 'cannot-start', message: (error as Error).message });
      }
      this.#host.tell(message);
    });
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
      this.#host.tell({ type: 'call', id, ...message });
      if (signal?.aborted === true) this.#abort(id);
    });
  }

  /** Many calls share the signal of the run, so each signal gets one listener. */
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
    this.#host.tell({ type: 'abort', id });
    const asked = performance.now();
    const look = (): void => {
      // The call may wait for a command that is just being ended.
      const isWaiting = call.asks > 0 && performance.now() - asked < COMMAND_GRACE_MS;
      if (isWaiting) call.graceTimer = setTimeout(look, call.graceMs);
      else this.#abandon(id);
    };
    call.graceTimer = setTimeout(look, call.graceMs);
  }

  /** Accepts no further calls, and ends the process after the last one. */
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

  /** Gives up a call that ignored its signal. One that does not even receive it blocks the whole process. */
  #abandon(id: string): void {
    const call = this.#calls.get(id);
    if (call === undefined) return;
    this.#endWhenIdle = true;
    if (call.isHeard) return call.settle({ type: 'hung', isWaiting: call.asks > 0 });
    this.#host.askMonitor((seen) => {
      if (!this.#calls.has(id)) return;
      // With several calls, any of them may be the one that blocks.
      this.#culprit = seen?.id ?? (this.#calls.size === 1 ? id : undefined);
      const culprit = this.#culprit === undefined ? undefined : this.#calls.get(this.#culprit);
      const place = seen?.place === undefined ? {} : { place: seen.place };
      culprit?.settle({ type: 'hung', isWaiting: false, ...place });
      this.#die({ why: 'blocked', ...place });
    });
  }

  /** False if nothing more should be read. */
  #take(given: unknown): boolean {
    if (this.#death !== undefined) return false;
    const message = given as Said;
    if (typeof given !== 'object' || given === null || typeof message.type !== 'string') {
      this.#die({ why: 'protocol', what: 'pyflow received a message without a type.' });
      return false;
    }
    if (message.type === 'loaded' || message.type === 'not-loaded') {
      if (this.#onLoaded === undefined)
        this.#die({ why: 'protocol', what: 'pyflow was told twice that the plugin is loaded.' });
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
          // Ignore an invalid line for the log.
        }
        return;
      default:
        this.#die({ why: 'protocol', what: 'pyflow received a message of an unknown type.' });
    }
  }

  /** Reads direct output first: it was printed earlier but arrives through another pipe. */
  #settleSoon(id: string, call: PendingCall, answer: Answer): void {
    if (call.isAnswered) {
      this.#culprit = id;
      return this.#die({ why: 'protocol', what: ANSWERED_TWICE });
    }
    call.isAnswered = true;
    if (!call.isRun) return call.settle(answer);
    setImmediate(() => setImmediate(() => call.settle(answer)));
  }

  /** A message of a call that is over or that never existed. */
  #takeLate(message: Said): boolean {
    switch (message.type) {
      case 'look':
        this.#answerLook(() => {
          if (message.what === 'setting') return this.#options.setting(String(message.argument));
          throw new TypeError('the view was used after the method had returned');
        });
        return true;
      case 'ask':
        this.#host.tell({
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
        // Abandoned calls may return late; anything else is invented.
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
    // What the code left undone may affect the next node.
    this.retire();
    return this.#death === undefined;
  }

  #answerLook(look: () => unknown): void {
    try {
      const value = look();
      this.#host.answerLook(value === undefined ? {} : { value });
    } catch (error) {
      this.#host.answerLook({ error: (error as Error).message });
    }
  }

  #flooded(id: string): void {
    this.#culprit = id;
    this.#die({ why: 'flood', what: `sent more than ${MOST_ASKS} requests at once` });
  }

  #answerAsk(call: PendingCall, id: string, { request, what, argument }: Extract<Said, { type: 'ask' }>): void {
    if (++call.asks > MOST_ASKS) return this.#flooded(id);
    const onLine = (stream: 'stdout' | 'stderr', text: string): void =>
      this.#host.tell({ type: 'line', request, stream, text });
    void Promise.resolve()
      .then(() => call.services.ask(what, argument, onLine))
      .then(
        (value) => this.#host.tell({ type: 'reply', request, ...(value === undefined ? {} : { value }) }),
        (error: unknown) => this.#host.tell({ type: 'reply', request, error: (error as Error).message || 'it failed' }),
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

  /** Output that bypasses `console` and `process.stdout`: of a child, through the file descriptor, of Node itself, or at load. */
  #printedPast(stream: 'stdout' | 'stderr', text: string): void {
    this.#words = `${this.#words}${text}\n`.slice(-KEPT_WORDS);
    // What Node prints when it dies is not output of the plugin.
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
      this.#exiting?.how ?? (code === null ? `The signal ${signal} ended it.` : `It exited with status ${code}.`);
    const place = this.#exiting?.place === undefined ? {} : { place: this.#exiting.place };
    const words = this.#words.replace(NATIVE_TRACE, '').trim();
    const printed = words === '' ? {} : { printed: words };
    this.#die({ why: 'exited', how, ...place, ...printed });
  }

  /** Keeps the first reason, which is the true one. */
  #die(death: Death): void {
    if (this.#death !== undefined) return;
    this.#death = death;
    this.#host.close();
    const isOurs = death.why === 'ended';
    const isAlone = this.#calls.size === 1;
    const isCulpritKnown = isOurs || isAlone || this.#culprit !== undefined;
    for (const [id, call] of this.#calls) {
      // Its answer is already on the way.
      if (call.isAnswered && death.why !== 'protocol') continue;
      const isCulprit = !isOurs && (this.#culprit === undefined ? isAlone : id === this.#culprit);
      call.settle({ type: 'died', death, isCulprit, isCulpritKnown });
    }
    this.#onLoaded?.({ type: 'died', death });
  }

  #look(): void {
    const now = performance.now();
    for (const [id, { endsAt }] of this.#calls) if (endsAt <= now) this.#abort(id);
    const { megabytes } = this.#host;
    if (megabytes !== undefined && megabytes > this.#options.memoryMegabytes + BESIDE_HEAP_MEGABYTES)
      this.#die({ why: 'memory' });
  }
}

const textsOf = (thrown: Thrown): Thrown => ({
  text: String(thrown?.text),
  ...(typeof thrown?.place === 'string' ? { place: thrown.place } : {}),
  ...(typeof thrown?.code === 'string' ? { code: thrown.code } : {}),
});
