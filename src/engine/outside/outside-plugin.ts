// An outside plugin file as the engine uses it: loaded into a separate process and called there, with every answer checked.
// One process serves all its nodes; a node that may have ended that process runs alone in another one.

import type { KnownKind, PluginManifest } from '../../manifests/plugin-manifest.js';
import { closest } from '../../manifests/closest.js';
import { fail, FailureError, hasCode, succeed, type Failure, type Result } from '../failure.js';
import type { AnyPlugin, ReadsCall, Reads, RunContext, RunOutput, ViewReader } from '../sdk.js';
import { checkedFailure, checkedOutput, checkedReads, isWrong, manifestProblems, type Wrong } from './answers.js';
import { callServices, type EngineServices } from './call-services.js';
import { readPluginCode, UnreadableImport, type PluginCode } from './code-digest.js';
import * as failures from './failures.js';
import type { Culprit } from './failures.js';
import { explainImport } from './import-failure.js';
import type { Answer, CallLimits, Death, LoadAnswer } from './call.js';
import { PluginProcess } from './plugin-process.js';
import type { ContextData, HostFacts, Method, Places } from './protocol.js';

export interface OutsideSurroundings {
  /** The program of the process; absent if outside plugins can't run. */
  readonly program: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly host: HostFacts;
  readonly memoryMegabytes: number;
  /** For loading the plugin and making its class. */
  readonly loadMs: number;
  readonly services: EngineServices;
  /** Names that `inject` may contain. */
  readonly serviceNames: readonly string[];
}

/** For `reads`, which should be quick, unless the node's own timeout is shorter. */
const READS_MS = 60_000;
/** For `run`, if neither the node nor the manifest has a timeout. */
const RUN_MS = 60 * 60_000;
/** From the signal until the process is killed. */
const GRACE_MS = 500;
const KEPT_PRINTED_LINES = 1000;
/** Processes for calls that run alone. */
const MOST_LANES = 4;
/** After this many interruptions a node runs alone, even if other nodes caused them. */
const MOST_INTERRUPTIONS = 3;

/** A process that runs one call at a time. */
interface Lane {
  isBusy: boolean;
  process: PluginProcess | undefined;
}

interface Loaded {
  readonly process: PluginProcess;
  readonly manifest: PluginManifest;
  readonly places: Places;
}

type Call = {
  readonly method: Method;
  readonly node: { readonly config: unknown; readonly inputs: unknown };
  readonly view: ViewReader;
  readonly context?: RunContext;
  readonly print: (stream: 'stdout' | 'stderr', text: string) => void;
  readonly limits: Omit<CallLimits, 'graceMs'>;
};

export class OutsidePlugin implements AnyPlugin {
  manifest!: PluginManifest;
  #places: Places = {};
  #process: Promise<Result<Loaded, Failure>> | undefined;
  readonly #all = new Set<PluginProcess>();
  /** Nodes that run alone in a process. */
  readonly #alone = new Set<string>();
  /** Node -> how often another node ended its process. */
  readonly #interruptions = new Map<string, number>();
  readonly #lanes: Lane[] = [];
  readonly #waiting: (() => void)[] = [];
  /** What `reads` printed, by node; the log of `run` begins with it. */
  readonly #printed = new Map<string, (readonly ['stdout' | 'stderr', string])[]>();

  private constructor(
    readonly file: string,
    readonly code: PluginCode,
    readonly around: OutsideSurroundings,
  ) {}

  static async load(file: string, around: OutsideSurroundings): Promise<Result<OutsidePlugin, Failure>> {
    let code: PluginCode;
    try {
      code = readPluginCode(file);
    } catch (error) {
      if (!(error instanceof UnreadableImport)) throw error;
      const what = error.place === undefined ? '' : `It imports ${error.file}, which can't be read. `;
      return fail(failures.cannotLoad(file, `${what}${error.message}`, error.place));
    }
    const plugin = new OutsidePlugin(file, code, around);
    plugin.#process = plugin.#load();
    const loaded = await plugin.#process;
    if (!loaded.ok) return loaded;
    plugin.manifest = loaded.value.manifest;
    plugin.#places = loaded.value.places;
    return succeed(plugin);
  }

  get kind(): string {
    return this.manifest.kind;
  }

  /** Ends the processes with everything that they started. */
  close(): void {
    for (const one of this.#all) one.end();
    this.#all.clear();
    this.#process = undefined;
  }

  async reads(
    node: { readonly config: never; readonly inputs: never },
    view: ViewReader,
    call?: ReadsCall,
  ): Promise<Result<Reads, Failure>> {
    const printed: (readonly ['stdout' | 'stderr', string])[] = [];
    const print = (stream: 'stdout' | 'stderr', text: string): void => {
      if (printed.length < KEPT_PRINTED_LINES) printed.push([stream, text]);
    };
    const limitMs = Math.min(call?.timeoutMs ?? READS_MS, READS_MS);
    let isSuspect = false;
    const work = async (alone: boolean): Promise<Result<Reads, Failure>> => {
      const limits = { signal: call?.signal, deadlineMs: limitMs };
      const answer = await this.#perform({ method: 'reads', node, view, print, limits }, alone);
      if (!answer.ok) return answer;
      isSuspect = mayBeToBlame(answer.value);
      if (answer.value.type === 'hung' && call?.signal?.aborted !== true)
        return fail(failures.hung(this.#by('reads'), limitMs, answer.value.place));
      return this.#checked(answer.value, 'reads', checkedReads);
    };
    let done = await work(false);
    for (
      let tries = 1;
      isInterrupted(done) && call?.signal?.aborted !== true && tries <= MOST_INTERRUPTIONS + 1;
      tries++
    )
      done = await work(isSuspect || tries > MOST_INTERRUPTIONS);
    if (call !== undefined && printed.length > 0) this.#printed.set(call.node, printed);
    if (done.ok && done.value.sideEffects === true && call !== undefined) this.#alone.add(call.node);
    return done;
  }

  async run(
    node: { readonly config: never; readonly inputs: never },
    context: RunContext,
  ): Promise<Result<RunOutput<unknown>, Failure>> {
    const { signal, view } = context;
    const { log } = this.around.services;
    const print = (stream: 'stdout' | 'stderr', text: string): void => log.printed(context, stream, text);
    for (const [stream, text] of this.#printed.get(context.node) ?? []) print(stream, text);
    this.#printed.delete(context.node);
    const alone = this.#alone.has(context.node);
    const answer = await this.#perform(
      { method: 'run', node, view, context, print, limits: { signal, deadlineMs: RUN_MS } },
      alone,
    );
    if (!answer.ok) return answer;
    if (answer.value.type === 'hung') {
      const { isWaiting, place } = answer.value;
      if (!signal.aborted) return fail(failures.hung(this.#by('run'), RUN_MS, place));
      if (!isTimeout(signal)) return fail(failures.abandoned(this.#by('run')));
      const timeout = (signal.reason as { readonly failure: Failure }).failure;
      return fail(isWaiting ? timeout : failures.hungInRun(this.#by('run'), timeout, place));
    }
    const done = this.#checked(answer.value, 'run', checkedOutput);
    if (isInterrupted(done)) {
      const times = (this.#interruptions.get(context.node) ?? 0) + 1;
      this.#interruptions.set(context.node, times);
      if (mayBeToBlame(answer.value) || times >= MOST_INTERRUPTIONS) this.#alone.add(context.node);
    }
    return done;
  }

  wrongOutputs(problems: readonly string[]): Failure {
    return failures.wrongAnswer(this.#by('run'), problems);
  }

  async #perform(call: Call, alone: boolean): Promise<Result<Answer, Failure>> {
    if (!alone) return this.#performIn(await this.#shared(), call);
    const lane = await this.#freeLane();
    try {
      if (lane.process?.isUsable !== true) {
        const loaded = await this.#load();
        if (!loaded.ok) return loaded;
        lane.process = loaded.value.process;
      }
      return await this.#performIn(succeed({ process: lane.process }), call);
    } finally {
      lane.isBusy = false;
      this.#waiting.shift()?.();
    }
  }

  async #freeLane(): Promise<Lane> {
    for (;;) {
      const lane = this.#lanes.find(({ isBusy }) => !isBusy);
      if (lane !== undefined) {
        lane.isBusy = true;
        return lane;
      }
      if (this.#lanes.length < MOST_LANES) this.#lanes.push({ isBusy: false, process: undefined });
      else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  async #performIn(
    loaded: Result<{ readonly process: PluginProcess }, Failure>,
    call: Call,
  ): Promise<Result<Answer, Failure>> {
    if (!loaded.ok) return loaded;
    const { process } = loaded.value;
    const { method, node, view, context, print, limits } = call;
    const message = { method, node, run: view.run, ...(context === undefined ? {} : { context: dataOf(context) }) };
    const services = callServices(this.around.services, view, context, print);
    const answer = await process.call(message, services, { ...limits, graceMs: GRACE_MS });
    return succeed(answer);
  }

  /** The first caller that finds the process dead starts the next one. */
  async #shared(): Promise<Result<Loaded, Failure>> {
    for (;;) {
      const current = (this.#process ??= this.#load());
      const loaded = await current;
      if (loaded.ok && loaded.value.process.isUsable) return loaded;
      if (this.#process === current) this.#process = undefined;
      if (!loaded.ok) return loaded;
    }
  }

  async #load(): Promise<Result<Loaded, Failure>> {
    const { file, around } = this;
    const { program, env, memoryMegabytes, serviceNames, host } = around;
    if (program === undefined)
      return fail(failures.cannotStart(file, 'This build of pyflow does not include the program for outside plugins.'));
    const { setting } = around.services;
    const process = new PluginProcess({ program, env, memoryMegabytes, setting });
    this.#all.add(process);
    const answer = await process.load({ type: 'load', file, services: serviceNames, host }, around.loadMs);
    const checked = await this.#checkedLoad(process, answer);
    if (!checked.ok) {
      process.end();
      this.#all.delete(process);
    }
    return checked;
  }

  async #checkedLoad(process: PluginProcess, answer: LoadAnswer): Promise<Result<Loaded, Failure>> {
    const { file } = this;
    const by: Culprit = { file };
    switch (answer.type) {
      case 'hung':
        return fail(failures.hung(by, this.around.loadMs, answer.place));
      case 'cannot-start':
        return fail(failures.cannotStart(file, answer.message));
      case 'died':
        return fail(this.#ofDeath(answer.death, by));
      case 'not-loaded':
        return fail(await explainImport(file, [...this.code.files.keys()], answer));
      case 'loaded': {
        const wrong = injectProblem(answer.inject, this.around.serviceNames);
        if (wrong !== undefined) return fail(failures.badManifest(by, [wrong]));
        const problems = manifestProblems(answer.manifest);
        if (problems.length > 0) return fail(failures.badManifest(by, problems));
        return succeed({ process, manifest: answer.manifest as PluginManifest, places: placesOf(answer.places) });
      }
      default:
        return fail(failures.brokeProtocol(by, 'pyflow received an unknown answer when it loaded the plugin.'));
    }
  }

  #checked<T>(
    answer: Answer,
    method: Method,
    check: (value: unknown) => Result<T, Failure | Wrong>,
  ): Result<T, Failure> {
    const by = this.#by(method);
    switch (answer.type) {
      case 'returned':
        return this.#orWrong(check(answer.value), by);
      case 'failed':
        return this.#orWrong(checkedFailure(answer.failure, method), by);
      case 'threw':
        return fail(failures.threw(by, answer.thrown));
      case 'unsendable':
        return fail(failures.unsendable(by, answer.where, answer.what));
      case 'hung':
        return fail(failures.abandoned(by));
      case 'died':
        if (answer.death.why === 'ended') return fail(failures.abandoned(by));
        return fail(answer.isCulprit ? this.#ofDeath(answer.death, by) : failures.interrupted(by));
    }
  }

  #orWrong<T>(checked: Result<T, Failure | Wrong>, by: Culprit): Result<T, Failure> {
    if (checked.ok) return checked;
    const { failure } = checked;
    return fail(isWrong(failure) ? failures.wrongAnswer(by, failure.problems, failure.said) : failure);
  }

  #ofDeath(death: Death, by: Culprit): Failure {
    switch (death.why) {
      case 'exited':
        return failures.exited(by, death.how, death.place, death.printed);
      case 'memory':
        return failures.outOfMemory(by, this.around.memoryMegabytes);
      case 'flood':
        return failures.flooded(by, death.what);
      case 'protocol':
        return failures.brokeProtocol(by, death.what);
      case 'blocked':
      case 'ended':
        return failures.abandoned(by);
    }
  }

  #by(method: Method): Culprit {
    const methodPlace = this.#places[method];
    return { file: this.file, kind: this.kind, method, ...(methodPlace === undefined ? {} : { methodPlace }) };
  }
}

/** The kind with its validators; fails if a schema is invalid. */
export async function knownKind(plugin: OutsidePlugin): Promise<Result<KnownKind, Failure>> {
  const { compileKind } = await import('../../manifests/pipeline/compile-kind.js');
  try {
    const { digest, files } = plugin.code;
    return succeed({ ...(await compileKind(plugin.manifest, digest)), codeFiles: files });
  } catch (error) {
    return fail(badSchema(plugin.file, (error as Error).message));
  }
}

const isInterrupted = (done: Result<unknown, Failure>): boolean =>
  !done.ok && hasCode(done.failure, 'plugin::interrupted');

/** Whether this call may have ended the process: which of several calls did is unknown. */
const mayBeToBlame = (answer: Answer): boolean => answer.type === 'died' && !answer.isCulpritKnown;

const isTimeout = ({ reason }: AbortSignal): boolean =>
  reason instanceof FailureError && hasCode(reason.failure, 'node::timeout');

function dataOf(context: RunContext): ContextData {
  const { node, appDir, toolDir, scratchDir, cacheDir, keptCache, givenDir, paths } = context;
  const { toolDirs, env, facts } = context;
  return {
    node,
    appDir,
    ...(toolDir === undefined ? {} : { toolDir }),
    scratchDir,
    cacheDir,
    keptCache,
    givenDir,
    paths,
    toolDirs,
    env,
    facts,
  };
}

function placesOf(given: unknown): Places {
  const places = (typeof given === 'object' && given !== null ? given : {}) as Readonly<Record<string, unknown>>;
  const methods: readonly Method[] = ['reads', 'run'];
  return Object.fromEntries(
    methods.flatMap((method) => (typeof places[method] === 'string' ? [[method, places[method]]] : [])),
  );
}

function injectProblem(inject: unknown, known: readonly string[]): string | undefined {
  if (!Array.isArray(inject) || !inject.every((name) => typeof name === 'string'))
    return 'The static field `inject` of the class must be a list of names of services.';
  const wrong = (inject as readonly string[]).find((name) => !known.includes(name));
  if (wrong === undefined) return undefined;
  const likely = closest(wrong, known);
  const hint = likely === undefined ? `The services are ${known.join(', ')}.` : `Did you mean \`${likely}\`?`;
  return `\`inject\` names the unknown service \`${wrong}\`. ${hint}`;
}

const badSchema = (file: string, detail: string): Failure => ({
  code: 'plugin::bad-schema',
  blame: 'pipeline',
  title: `A schema in the manifest of ${file} is not valid`,
  detail,
  remedy: 'Fix the schema. docs/writing-plugins.md lists the keywords that ports may use.',
});
