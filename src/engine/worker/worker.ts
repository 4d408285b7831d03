// Runs one action for a remote executor: reads spec.json and the folders beside it, runs the kind, writes out/.

import { existsSync, mkdtempSync, renameSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EXIT_STATUS, FailureError, isOfArea, type Failure } from '../failure.js';
import type { Compose, Composition } from '../composition.js';
import type { EventSink } from '../events.js';
import { digestOf, type Digest } from '../files/digest.js';
import { removalsEnded } from '../files/removals.js';
import { removeTree } from '../files/remove-tree.js';
import { createRunDir } from '../files/private-folders.js';
import { startExecution } from '../node/execution.js';
import { RUNNER_PROTOCOL } from '../node/key.js';
import { runAction } from '../node/run-action.js';
import { isWorkersOwn, KEPT_BACK_STATUS, REFUSED_STATUS, type WorkerMessage } from '../remote/worker-message.js';
import type { Run } from '../run/run.js';
import { Builder } from '../services/builder.js';
import type { ActionResult, LogLine } from '../store/store.js';
import { openLocalStore } from '../store/local-store.js';
import type { DirectoryTable } from '../trees/tree.js';
import { wrongProtocol } from './failures.js';
import { foldersIn, readInputFolder, type InputFolder } from './input-root.js';
import { hasUnusualModes, writeOutputs } from './output-folder.js';
import { openOwnRun, ownAction, type Received } from './own-action.js';
import { checkSpec, readSpecFile } from './spec.js';

export interface WorkerOptions {
  /** As the action's command names it. */
  readonly protocol: string;
  /** The folder in which the executor runs the action: its input root. */
  readonly root: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly compose: Compose;
  readonly version: string;
  readonly signal: AbortSignal;
  /** Gets the node's log, one line of JSON at a time. */
  readonly print: (line: string) => void;
}

export interface WorkerEnd {
  readonly status: number;
  readonly message?: WorkerMessage;
}

const MOST_LOG_CHARACTERS = 16 * 1024 ** 2;
const TERMINATED = 143;

export async function runWorker(options: WorkerOptions): Promise<WorkerEnd> {
  // Before anything else looks for a temporary folder.
  const cacheDir = mkdtempSync(join(tmpdir(), 'pyflow-node-'));
  try {
    return await runIn(cacheDir, options);
  } catch (error) {
    if (error instanceof FailureError) return failedEnd(error.failure, 0);
    throw error;
  } finally {
    await removalsEnded();
    removeTree(cacheDir);
  }
}

async function runIn(cacheDir: string, options: WorkerOptions): Promise<WorkerEnd> {
  const { protocol, root, compose } = options;
  if (protocol !== RUNNER_PROTOCOL) return refused(wrongProtocol(protocol, RUNNER_PROTOCOL));
  const spec = readSpecFile(`${root}/spec.json`);
  if (!spec.ok) return refused(spec.failure);
  const composition = await compose({ cacheDir, settings: {} });
  try {
    const kinds = await composition.kinds([]);
    if (!kinds.ok) return refused(kinds.failure);
    const kind = kinds.value.get(spec.value.kind);
    const builder = new Builder({ cacheDir, name: options.env['PYFLOW_BUILDER'], now: composition.clock.now() });
    const problem = checkSpec(spec.value, kind, () => builder.id);
    if (problem !== undefined) return refused(problem);
    const received = await receive(spec.value, options).catch(lostInput);
    if ('status' in received) return received;
    return await perform(received, { composition, kind: kind!, cacheDir }, options);
  } finally {
    composition.close();
  }
}

async function receive(spec: Received['spec'], { root, env }: WorkerOptions): Promise<Received> {
  const sources = new Map<Digest, string>();
  const table: DirectoryTable = new Map();
  const tools: Record<string, InputFolder> = {};
  const base = root === '/' ? '' : root;
  const appPath = inputFolderOf(base);
  const app = await readInputFolder(appPath, table, sources);
  for (const port of foldersIn(`${base}/tools`))
    tools[port] = await readInputFolder(`${base}/tools/${port}`, table, sources);
  const given = Object.entries(env).filter(([name, value]) => !isWorkersOwn(name) && value !== undefined);
  return { spec, env: Object.fromEntries(given) as Received['env'], app, appPath, tools, sources, table };
}

/**
 * Where the input root is `/`, the view can be at /app, where the finished app will be. The files of the worker may be shared
 * with its cache, so the view is a copy of them, and they make room for it.
 */
function inputFolderOf(base: string): string {
  if (base !== '') return `${base}/app`;
  if (existsSync(MOVED)) return MOVED;
  try {
    renameSync('/app', MOVED);
    return MOVED;
  } catch {
    return '/app';
  }
}
const MOVED = '/app.input';

interface Ready {
  readonly composition: Composition;
  readonly kind: Parameters<typeof openOwnRun>[1]['kind'];
  readonly cacheDir: string;
}

async function perform(received: Received, { composition, kind, cacheDir }: Ready, options: WorkerOptions) {
  const { root, env, version, signal } = options;
  const store = openLocalStore(cacheDir, { clock: composition.clock });
  if (!store.ok) return refused(store.failure);
  const run = openOwnRun(received, {
    composition,
    kind,
    store: store.value,
    cacheDir,
    signal,
    builder: env['PYFLOW_BUILDER'],
  });
  const runDir = createRunDir(cacheDir);
  const log = new WorkerLog(options.print);
  const nodes = run.pipeline.nodes.map((node) => ({ ...node, expectedMs: 0 }));
  const execution = {
    ...startExecution(run, { sink: log, runDir, forced: new Set(['all']), nodes, version }),
    ...(received.appPath === MOVED ? { appDir: '/app' } : {}),
  };
  try {
    let status = 0;
    const watch = { onWork: () => log.begin(), onStatus: (last: number) => void (status = last) };
    const action = ownAction(run, await run.plugin(received.spec.kind), received);
    const done = await runAction(execution, action, watch);
    if (!done.ok) {
      const stop = done.failure;
      if (stop.type === 'failed') return failedEnd(stop.failure, status);
      return stop.type === 'aborted' ? { status: TERMINATED } : lostInput(stop.digest);
    }
    return await told(run, root, { ...done.value, log: log.digest });
  } finally {
    await execution.sandbox.close();
    await execution.packages.close();
    await runDir.remove();
    await store.value.close();
  }
}

interface Told {
  readonly result: ActionResult;
  readonly uncacheable?: string;
  readonly log: Digest | undefined;
}

/** Writes the outputs, unless another machine could not use them. */
async function told(run: Run, root: string, { result: made, uncacheable, log }: Told): Promise<WorkerEnd> {
  const { log: _own, ...rest } = made;
  const result: ActionResult = { ...rest, ...(log === undefined ? {} : { log }) };
  const untellable = whyUntellable(run, result);
  if (untellable !== undefined)
    return { status: KEPT_BACK_STATUS, message: { type: 'untellable', reason: untellable } };
  await writeOutputs(root === '/' ? '' : root, result, { store: run.store, table: run.layers.table });
  // The server has one result for a key, and this one is not for all who have the key.
  if (uncacheable === undefined && result.builder === undefined) return { status: 0 };
  const why = uncacheable === undefined ? {} : { uncacheable };
  return { status: KEPT_BACK_STATUS, message: { type: 'kept-back', ...why } };
}

function whyUntellable(run: Run, { appId, degraded, layer, tool }: ActionResult): string | undefined {
  if (appId !== undefined) return 'only one app may use the result';
  if (degraded !== undefined) return 'the result is a fallback for one machine';
  const isUnusual = [layer, tool].some((one) => one !== undefined && hasUnusualModes(run.layers.table, one));
  return isUnusual ? 'files have permissions that workers do not keep' : undefined;
}

function lostInput(error: unknown): WorkerEnd {
  if (error instanceof FailureError && isOfArea(error.failure, 'worker')) return refused(error.failure);
  const reason = error instanceof FailureError ? error.failure.detail : String(error);
  return { status: REFUSED_STATUS, message: { type: 'lost-input', reason } };
}

const refused = (failure: Failure): WorkerEnd => ({ status: REFUSED_STATUS, message: { type: 'refused', failure } });

const failedEnd = (failure: Failure, status: number): WorkerEnd => ({
  status: EXIT_STATUS[failure.blame],
  message: { type: 'failed', failure, status },
});

/** What is printed is the log of the result, byte for byte. */
class WorkerLog implements EventSink {
  #startedAt = performance.now();
  readonly #lines: string[] = [];
  #characters = 0;

  constructor(private readonly print: (line: string) => void) {}

  begin(): void {
    this.#startedAt = performance.now();
  }

  emit(event: Parameters<EventSink['emit']>[0]): void {
    if (event.type === 'node-printed') this.#add({ stream: event.stream, text: event.text });
    else if (event.type === 'notice' && event.node !== undefined)
      this.#add({ stream: 'notice', text: `[${event.code}] ${event.text}` });
  }

  #add({ stream, text }: Omit<LogLine, 'at'>): void {
    const at = Math.round(performance.now() - this.#startedAt);
    const line = `${JSON.stringify({ stream, at, text })}\n`;
    this.#characters += line.length;
    if (this.#characters > MOST_LOG_CHARACTERS) return;
    this.#lines.push(line);
    this.print(line);
  }

  get digest(): Digest | undefined {
    return this.#lines.length === 0 ? undefined : digestOf(Buffer.from(this.#lines.join('')));
  }
}
