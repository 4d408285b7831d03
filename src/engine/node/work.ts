// Executes one action in private folders: writes the view, runs the plugin, captures changes, removes the folders.

import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { changedDuringRun } from '../app/source-digests.js';
import { SLUG_MARKERS } from '../app/source-names.js';
import { fail, FailureError, hasCode, succeed, type Failure, type Result } from '../failure.js';
import type { Digest } from '../files/digest.js';
import { removeTreeSoon } from '../files/removals.js';
import { someOf } from '../files/shown-path.js';
import { systemFailure, unreadableBelow } from '../files/system-failures.js';
import type { NodePackages } from '../packages/node-packages.js';
import { limitExceeded } from '../process/sandbox/limits.js';
import type { Sandbox, SandboxSession } from '../process/sandbox/sandbox.js';
import { endedOrGivenUp } from '../process/stopping.js';
import { failed, lost, stopOf, stopWith, type Stop } from '../run/node-end.js';
import type { RunOutput } from '../sdk.js';
import type { ValueTracer } from '../secrets/app-values.js';
import { KeptFolder } from '../secrets/kept-folder.js';
import { filesService } from '../services/files.js';
import { captureDifference, EMPTY_RECORD, materializeTree, type MaterializedRecord } from '../trees/output-tree.js';
import type { Layer } from '../trees/tree.js';
import type { Action } from './action.js';
import { contextOf, type Folders } from './context.js';
import type { Execution } from './execution.js';
import { NodeHandle } from './node-handle.js';
import { hasToolPort, resultOf, type Executed } from './outputs.js';
import { withoutRunPaths } from './run-paths.js';
import { tracerFor } from './taint.js';
import { endedEarly, timeLimit } from './time-limit.js';
import { unusedPatterns } from './unused-patterns.js';
import { changedPaths, undeclaredWrite } from './written-paths.js';

/** Callbacks while an action runs. */
export interface Watch {
  /** The plugin is about to start. */
  onWork(): void;
  /** The plugin has ended. `status` is the exit code of its last command. */
  onStatus(status: number): void;
}

export interface WorkOptions {
  readonly watch: Watch;
  /** The folder in which the action's folders are made. */
  readonly parent: string;
  readonly beforeRemoval?: () => void;
}

export async function runInFolder(
  execution: Execution,
  action: Action,
  { watch, parent, beforeRemoval }: WorkOptions,
): Promise<Result<Executed, Stop>> {
  const { staging, stopping, rankOf } = execution;
  const sandbox = await execution.sandbox.open();
  if (!sandbox.ok) return stopWith(sandbox.failure);
  const leave = await staging.admit({ rank: rankOf(action.node.id) });
  try {
    if (stopping.signal.aborted) return fail(stopOf(stopping.signal));
    const work = new Work(execution, action, sandbox.value, parent);
    return await wholeWork(work, watch).finally(() => work.end(beforeRemoval));
  } finally {
    leave();
  }
}

async function wholeWork(work: Work, watch: Watch): Promise<Result<Executed, Stop>> {
  try {
    const view = await work.layOut();
    if (!view.ok) return view;
    const output = await work.work(watch);
    if (!output.ok) return output;
    const captured = await work.capture(view.value);
    if (!captured.ok) return captured;
    return work.finish(output.value, captured.value);
  } catch (error) {
    if (error instanceof FailureError) return stopWith(error.failure);
    const failure = unreadableBelow(work.root, error) ?? systemFailure(error);
    if (failure !== undefined) return stopWith(failure);
    throw error;
  }
}

interface Captured {
  readonly layer: Layer;
  readonly tool?: Layer;
}

/** What the content of a cache depends on besides the kind. A tool takes packages from there without asking the gateway. */
function fillerOfCache({ run }: Execution, action: Action): string | undefined {
  const builder = mayCompile(action) ? run.builder.id : undefined;
  const policy = run.request.settings['POLICY'];
  if (policy === undefined || action.plugin.manifest.buildsCode !== true) return builder;
  return `${builder ?? ''} ${policy}`;
}

class Work {
  /** Contains all private folders of the action. */
  readonly root: string;
  readonly #folders: Folders;
  /** The folder for what is kept, if no other node can write to it. */
  readonly #newCache: string | undefined;
  #hasSucceeded = false;
  readonly #exceeding = new AbortController();
  #session: SandboxSession | undefined;
  #handle!: NodeHandle;
  #kept: KeptFolder | undefined;
  #tracer: ValueTracer | undefined;
  /** Number of files written and captured so far. Decides how the folders are removed. */
  #files = 0;
  /** By `performance.now()`; waiting for a turn is not counted. */
  #startedAt = performance.now();

  constructor(
    private readonly execution: Execution,
    private readonly action: Action,
    private readonly sandbox: Sandbox,
    private readonly parent: string,
  ) {
    // A random name, so that runs don't all start in the part of the disk where the last one removed its files.
    this.root = `${parent}/${action.index}-${randomBytes(4).toString('hex')}`;
    const { folders } = execution;
    const { kind } = action.node;
    const builder = fillerOfCache(execution, action);
    // Without a sandbox, other nodes can find any folder.
    if (sandbox.mode === 'namespaces' && mayShare(action)) {
      // Who shares results with other machines gets one that they can use, at the price of downloads. The gateway has them.
      const isShipped = action.record.code === undefined;
      const isCheap = execution.run.remote?.isWriting === true || execution.packages.mode.type !== 'direct';
      const mustBeNew = isShipped && action.reads.usesBuilder === undefined && isCheap;
      this.#newCache = folders.newCacheFor(kind, { builder, mustBeNew });
    }
    this.#folders = {
      app: execution.appDir ?? `${this.root}/app`,
      scratch: `${this.root}/tmp`,
      cache: this.#newCache ?? folders.cacheOf(kind, builder),
      given: `${this.root}/given`,
      ...(hasToolPort(action) ? { tool: `${this.root}/tool` } : {}),
      tools: Object.fromEntries(Object.keys(action.tools).map((port) => [port, `${this.root}/tools/${port}`])),
    };
  }

  /** Makes the folders and writes the view and the tools to them. */
  async layOut(): Promise<Result<MaterializedRecord, Stop>> {
    const { run, stopping } = this.execution;
    const { signal } = stopping;
    const { action } = this;
    const { app, scratch, tool, tools } = this.#folders;
    mkdirSync(this.root);
    mkdirSync(scratch);
    if (tool !== undefined) mkdirSync(tool);
    const view = await materializeTree(run.store, run.layers.table, action.viewRoot, app, {
      signal,
      sources: action.sources,
      // Its result is not stored, and the node may compare file times with those that it keeps between builds.
      ...(action.reads.sideEffects === true ? { mtimeS: run.source.listedAt / 1000 } : {}),
    });
    if (!view.ok) return fail(this.#stopOf(view.failure));
    this.#files += view.value.files.size;
    for (const [port, toolRoot] of Object.entries(action.tools)) {
      mkdirSync(`${this.root}/tools`, { recursive: true });
      const made = await materializeTree(run.store, run.layers.table, toolRoot, tools[port]!, {
        signal,
        sources: action.sources,
      });
      if (!made.ok) return fail(this.#stopOf(made.failure));
      this.#files += made.value.files.size;
    }
    return view;
  }

  #stopOf(problem: { readonly missing: Digest } | { readonly failure: Failure }): Stop {
    if ('failure' in problem) return failed(problem.failure);
    const source = this.action.sources.get(problem.missing);
    return source === undefined ? lost('blob', problem.missing) : failed(changedDuringRun(source));
  }

  /** Waits for a turn, then runs the plugin. */
  async work(watch: Watch): Promise<Result<RunOutput<unknown>, Stop>> {
    const { execution, action } = this;
    const { signal } = execution.stopping;
    const session = this.#openSession();
    const { node, plugin } = action;
    const packages = plugin.manifest.installsPackages === true ? this.#packages() : succeed(undefined);
    if (!packages.ok) return stopWith(packages.failure);
    this.#handle = new NodeHandle({
      node: node.id,
      session,
      network: node.network,
      sink: execution.sink,
      secrets: execution.run.secrets,
      packages: packages.value,
      passThrough: execution.run.request.passThrough ?? {},
    });
    const waitedSince = performance.now();
    const release = await execution.working.admit({ rank: execution.rankOf(node.id) });
    this.#startedAt += performance.now() - waitedSince;
    if (signal.aborted) {
      release();
      return fail(stopOf(signal));
    }
    const limit = timeLimit(action, [signal, this.#exceeding.signal]);
    const folders = this.#folders;
    const context = contextOf(execution, action, {
      handle: this.#handle,
      signal: limit.signal,
      folders,
      paths: session.paths,
      keptCache: this.sandbox.mode === 'none' ? 'open' : this.#newCache === undefined ? 'used' : 'new',
    });
    watch.onWork();
    this.#kept = new KeptFolder(folders.cache, execution.run.scannerFor(action.index, action.reads.env ?? []));
    const work = plugin.run({ config: node.config as never, inputs: action.inputs as never }, context);
    const output = await endedOrGivenUp(work, limit.signal).finally(() => {
      limit.end();
      release();
      watch.onStatus(this.#handle.lastStatus);
    });
    await this.#closeSession();
    if (output === undefined || limit.signal.aborted) return fail(endedEarly(limit.signal, output));
    if (!output.ok) return fail(this.#stopOfPlugin(output.failure));
    const refusal = await packages.value?.judgeInstalled(filesService.of(context).app, (text) =>
      this.#handle.print('notice', `[packages::warned] ${text}`),
    );
    if (refusal !== undefined) return stopWith(refusal);
    this.#hasSucceeded = true;
    return output;
  }

  /** Other kinds have the network that their pipeline file gives them. */
  #packages(): Result<NodePackages | undefined, Failure> {
    return this.execution.packages.forNode(this.action.key, this.sandbox.mode === 'namespaces');
  }

  #openSession(): SandboxSession {
    const { execution, action } = this;
    const { app, scratch, cache, given, tool, tools } = this.#folders;
    this.#session = this.sandbox.open({
      appDir: app,
      scratchDir: scratch,
      cacheDir: cache,
      givenDir: given,
      ...(tool === undefined ? {} : { toolDir: tool }),
      tools,
      limits: { ...execution.limits, ...action.node.limits },
      onExcess: (excess) => this.#exceeding.abort(new FailureError(limitExceeded(action.node.id, excess))),
    });
    return this.#session;
  }

  async #closeSession(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    await session?.close();
  }

  #stopOfPlugin(given: Failure): Stop {
    const { action } = this;
    const failure = withoutRunPaths(blamedRightly(given, action), { root: this.root, app: this.#folders.app });
    const isCutOff = this.#handle.lacksNetwork && this.sandbox.mode === 'namespaces' && !action.node.network;
    return failed(isCutOff ? withNetworkHint(failure) : failure);
  }

  /** Stores what changed in the folders. */
  async capture(view: MaterializedRecord): Promise<Result<Captured, Stop>> {
    const { run, stopping, sink } = this.execution;
    const { action } = this;
    const { app, tool: toolDir } = this.#folders;
    this.#tracer = tracerFor(run, action);
    const scanner = run.scannerFor(action.index, action.reads.env ?? [], this.#tracer);
    const options = { signal: stopping.late, scanner };
    const captured = await captureDifference(run.store, app, view, { ...options, excluding: [...SLUG_MARKERS] });
    if (!captured.ok) return stopWith(captured.failure);
    const { layer, tree, specialBits } = captured.value;
    run.layers.addDirectories(tree);
    this.#files += layer.files;
    const undeclared = undeclaredWrite(run, action, layer);
    if (undeclared !== undefined) return stopWith(undeclared);
    let tool: Layer | undefined;
    if (toolDir !== undefined) {
      const made = await captureDifference(run.store, toolDir, EMPTY_RECORD, options);
      if (!made.ok) return stopWith(made.failure);
      run.layers.addDirectories(made.value.tree);
      tool = made.value.layer;
      this.#files += tool.files;
    }
    if (specialBits.length > 0) {
      const text = lostBits(specialBits);
      sink.emit({ type: 'notice', code: 'node::special-bits', node: action.node.id, text });
    }
    for (const text of scanner.notices) this.#handle.print('notice', `[node::secret-in-output] ${text}`);
    for (const { code, text } of unusedPatterns(run, action, () => changedPaths(run, layer))) {
      this.#handle.print('notice', `[${code}] ${text}`);
    }
    return succeed({ layer, ...(tool === undefined ? {} : { tool }) });
  }

  finish(output: RunOutput<unknown>, captured: Captured): Result<Executed, Stop> {
    const work = { handle: this.#handle, output, ...captured, tracer: this.#tracer, startedAt: this.#startedAt };
    return resultOf(this.execution.run, this.action, work);
  }

  #keepCache(): void {
    const { folders } = this.execution;
    // A node that failed in memory may run once more on disk, which also needs a new folder.
    const mayRepeat = !this.#hasSucceeded && this.parent === folders.smallDir();
    if (this.#newCache !== undefined && !mayRepeat) folders.keep(this.action.node.kind, this.#newCache);
  }

  /** Ends all processes that still run, and removes the folders. */
  async end(beforeRemoval: (() => void) | undefined): Promise<void> {
    await this.#closeSession();
    this.#handle?.packages?.end(this.#hasSucceeded);
    await this.#kept?.clean();
    this.#keepCache();
    beforeRemoval?.();
    // Removed at once, so that the next node can reuse the memory.
    removeTreeSoon(this.root, this.#files);
  }
}

const mayCompile = ({ plugin, record }: Action): boolean =>
  plugin.manifest.buildsCode === true || record.builder !== undefined;

/** Whether its results can be for other apps although it may run their code. */
const mayShare = ({ plugin, record }: Action): boolean =>
  plugin.manifest.buildsCode === true && plugin.manifest.usesBuilder !== true && record.scope === '';

/** Up to this size in characters, the node's config can't be the reason why a command's arguments are too large. */
const LARGE_CONFIG = 64 * 1024;

/** Blames the pipeline if the arguments come from it and not from the app. */
function blamedRightly(failure: Failure, { node }: Action): Failure {
  if (!hasCode(failure, 'command::arguments-too-large')) return failure;
  const isOfPipeline = JSON.stringify([node.config, node.env]).length > LARGE_CONFIG;
  return isOfPipeline ? { ...failure, blame: 'pipeline' } : failure;
}

/** For a node whose commands printed a network error. */
const withNetworkHint = (failure: Failure): Failure => ({
  ...failure,
  remedy: `${failure.remedy}\nThis node has no network access. If it needs it, add \`network: true\` to the node.`,
});

const lostBits = (paths: readonly string[]): string =>
  `A slug can't store setuid, setgid and sticky bits, so pyflow dropped them from: ${someOf(paths)}. If the app needs the ` +
  'bits, set them when it boots, for example in .profile.d.';
