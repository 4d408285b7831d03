// Runs one action that was not found in the store: view on disk, sandbox, plugin, difference, result. Unaware of the
// schedule and of why the action runs.

import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { hostname } from 'node:os';
import type { JSONObject, JSONValue } from '../../manifests/json-schema.js';
import type { SchemaError } from '../../manifests/plugin-manifest.js';
import type { CheckedNode, NodeLimits } from '../../manifests/pipeline/manifest.js';
import type { Admission } from '../plan/admission.js';
import { digestOf, type Digest } from '../files/digest.js';
import type { EventSink } from '../events.js';
import { fail, FailureError, succeed, type Failure, type Result } from '../failure.js';
import { matcherOf } from '../files/pattern.js';
import { shownPath } from '../files/shown-path.js';
import { NodeHandle } from './node-handle.js';
import { INTERRUPTED } from '../outside/failures.js';
import { captureDifference, EMPTY_RECORD, materializeTree } from '../trees/output-tree.js';
import { searchPathsOf, type Action } from './prepare.js';
import { withoutRunPaths } from './run-paths.js';
import { spellSearchPaths } from '../app/search-paths.js';
import { removeTreeSoon } from '../files/removals.js';
import type { RunState } from '../run/run.js';
import { LIMIT, limitExceeded } from '../process/sandbox/limits.js';
import type { Sandbox, SandboxSession } from '../process/sandbox/sandbox.js';
import type { RunContext, RunOutput } from '../sdk.js';
import { endedOrGivenUp, type Stopping } from '../process/stopping.js';
import { SLUG_MARKERS } from '../app/source-names.js';
import type { ActionResult } from '../store/store.js';
import type { Layer } from '../trees/tree.js';
import { unusedPatterns } from './unused-patterns.js';
import { usedUnkeyed } from '../secrets/app-credentials.js';
import { KeptFolder } from '../secrets/kept-folder.js';
import { viewReader } from '../app/view.js';
import { isForMemory, isNearlyFull } from '../app/view-place.js';
import { systemFailure, unreadableBelow } from '../files/system-failures.js';
import { ARGUMENTS_TOO_LARGE } from '../process/failures.js';

export interface Workplace {
  readonly run: RunState;
  readonly sink: EventSink;
  readonly secrets: Readonly<Record<string, string>>;
  /** The operator's; a node's own come first. */
  readonly limits: NodeLimits;
  /** Probed when the first node must run. */
  readonly sandbox: () => Promise<Result<Sandbox, Failure>>;
  /** After the last node. */
  readonly closeSandbox: () => Promise<void>;
  /** Private folders of this run: in memory where the machine has a tmpfs, and on the disk of the cache. */
  readonly smallDir: () => string;
  readonly largeDir: () => string;
  /** Held while a plugin works: the next node's view is laid out and the last one's writes are stored meanwhile. */
  readonly working: Admission;
  readonly rankOf: (node: string) => number;
  /** How it ends early: interrupted, or after a failure when it does not keep going. */
  readonly stopping: Stopping;
  /** Per app and kind. */
  readonly cacheDirOf: (kind: string) => string;
}

export interface Executed {
  readonly result: ActionResult;
  /** Why the result must not be stored. */
  readonly uncacheable?: string;
}

/** A blob of an upstream layer is gone: its producer has to run again. */
export const BLOB_LOST = 'cache::blob-lost';

/** What the largest of the tools take, about. */
const TOOL_BYTES = 64 * 1024 * 1024;

/** What the caller is told while an action runs. */
export interface Watch {
  /** The plugin is about to work: its turn has come. */
  onWork(): void;
  /** The status of the last command, once the plugin has ended. */
  onStatus(status: number): void;
}

export async function runAction(
  place: Workplace,
  action: Action,
  signal: AbortSignal,
  watch: Watch,
): Promise<Result<Executed, Failure>> {
  for (let attempt = 1; ; attempt++) {
    const done = await runOnce(place, action, signal, watch);
    // Another node ended the process of its plugin. In the end it has one for itself.
    const isOthersFault = !done.ok && done.failure.code === INTERRUPTED;
    if (!isOthersFault || signal.aborted || attempt === MOST_INTERRUPTIONS) return done;
  }
}

/** More than a plugin lets happen. */
const MOST_INTERRUPTIONS = 6;

async function runOnce(
  place: Workplace,
  action: Action,
  signal: AbortSignal,
  watch: Watch,
): Promise<Result<Executed, Failure>> {
  if (action.isPure) {
    watch.onWork();
    return runPure(place, action, signal);
  }
  const bytes = action.viewBytes + Object.keys(action.tools).length * TOOL_BYTES;
  // What it did elsewhere cannot be done twice, so there is no second try for it.
  const isOnce = action.reads.sideEffects === true;
  if (!isForMemory({ bytes, isOnce }, place.run.request.settings['VIEWS'], place)) {
    return runInFolder(place, action, signal, watch, place.largeDir());
  }
  const memory = place.smallDir();
  let isFull = false;
  const done = await runInFolder(place, action, signal, watch, memory, () => {
    isFull = isNearlyFull(memory);
  });
  if (done.ok || !isFull || done.failure.code === LIMIT || signal.aborted || memory === place.largeDir()) return done;
  const next = isOnce
    ? 'It has side effects, so it is not run twice; PYFLOW_VIEWS=disk gives it the disk of the cache.'
    : 'It runs again on the disk of the cache.';
  const text = `The node filled the memory that its files lay in. ${next}`;
  place.sink.emit({ type: 'notice', code: 'node::memory-full', node: action.node.id, text });
  return isOnce ? done : runInFolder(place, action, signal, watch, place.largeDir());
}

async function runPure(place: Workplace, action: Action, signal: AbortSignal): Promise<Result<Executed, Failure>> {
  const startedAt = performance.now();
  const handle = new NodeHandle(action.node.id, undefined, false, place.sink, place.run.secrets);
  const paths = { app: '', scratch: '', cache: '', given: '', tools: {} };
  const limit = timeLimit(action, [signal]);
  const context = contextOf(place, action, handle, limit.signal, paths, paths);
  const work = action.plugin.run({ config: action.node.config as never, inputs: action.inputs as never }, context);
  const output = await endedOrGivenUp(work, limit.signal).finally(() => limit.end());
  if (output === undefined || limit.signal.aborted) return fail(endOf(limit.signal, output));
  if (!output.ok) return output;
  return finish(place, action, handle, output.value, {}, startedAt);
}

/** The signal that a node's own timeout joins, counted from now. */
function timeLimit({ node }: Action, signals: readonly AbortSignal[]): { readonly signal: AbortSignal; end(): void } {
  const { timeoutMs } = node;
  if (timeoutMs === undefined) return { signal: AbortSignal.any([...signals]), end: () => {} };
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(new FailureError(timedOut(node, timeoutMs))), timeoutMs);
  return { signal: AbortSignal.any([...signals, controller.signal]), end: () => clearTimeout(timer) };
}

interface Folders {
  readonly app: string;
  readonly scratch: string;
  readonly cache: string;
  readonly given: string;
  readonly tool?: string;
  readonly tools: Readonly<Record<string, string>>;
}

async function runInFolder(
  place: Workplace,
  action: Action,
  signal: AbortSignal,
  watch: Watch,
  parent: string,
  beforeRemoval: () => void = () => {},
): Promise<Result<Executed, Failure>> {
  let startedAt = performance.now();
  const { run } = place;
  const { late } = place.stopping;
  const sandbox = await place.sandbox();
  if (!sandbox.ok) return sandbox;
  // By chance, so that not each run begins in the same part of the disk, where the last one removed its files.
  const root = `${parent}/${action.index}-${randomBytes(4).toString('hex')}`;
  const makesTool = hasToolPort(action);
  const folders: Folders = {
    app: `${root}/app`,
    scratch: `${root}/tmp`,
    cache: place.cacheDirOf(action.node.kind),
    given: `${root}/given`,
    ...(makesTool ? { tool: `${root}/tool` } : {}),
    tools: Object.fromEntries(Object.keys(action.tools).map((port) => [port, `${root}/tools/${port}`])),
  };
  let session: SandboxSession | undefined;
  let kept: KeptFolder | undefined;
  const exceeding = new AbortController();
  let files = 0;
  try {
    mkdirSync(root);
    mkdirSync(folders.scratch);
    if (folders.tool !== undefined) mkdirSync(folders.tool);
    const view = await materializeTree(run.store, run.table, action.viewRoot, folders.app, {
      signal,
      sources: action.sources,
      // What it leaves is not stored, and it may compare times with what it keeps from build to build.
      ...(action.reads.sideEffects === true ? { mtimeS: run.files.source.listedAt / 1000 } : {}),
    });
    if (!view.ok)
      return fail('missing' in view.failure ? viewLost(action, view.failure.missing) : view.failure.failure);
    files += view.value.files.size;
    for (const [port, toolRoot] of Object.entries(action.tools)) {
      mkdirSync(`${root}/tools`, { recursive: true });
      const tool = await materializeTree(run.store, run.table, toolRoot, folders.tools[port]!, { signal });
      if (!tool.ok) return fail('missing' in tool.failure ? blobLost(tool.failure.missing) : tool.failure.failure);
      files += tool.value.files.size;
    }
    session = sandbox.value.open({
      appDir: folders.app,
      scratchDir: folders.scratch,
      cacheDir: folders.cache,
      givenDir: folders.given,
      ...(folders.tool === undefined ? {} : { toolDir: folders.tool }),
      tools: folders.tools,
      limits: { ...place.limits, ...action.node.limits },
      onExcess: (excess) => exceeding.abort(new FailureError(limitExceeded(action.node.id, excess))),
    });
    const handle = new NodeHandle(action.node.id, session, action.node.network, place.sink, place.run.secrets);
    const waitedSince = performance.now();
    const release = await place.working.admit({ rank: place.rankOf(action.node.id) });
    startedAt += performance.now() - waitedSince;
    if (signal.aborted) {
      release();
      return fail(abortFailure(signal));
    }
    const limit = timeLimit(action, [signal, exceeding.signal]);
    const context = contextOf(place, action, handle, limit.signal, folders, session.paths);
    watch.onWork();
    kept = new KeptFolder(folders.cache, run.scannerFor(action.index, action.reads.env ?? []));
    const work = action.plugin.run({ config: action.node.config as never, inputs: action.inputs as never }, context);
    const output = await endedOrGivenUp(work, limit.signal).finally(() => {
      limit.end();
      release();
      watch.onStatus(handle.lastStatus);
    });
    await session.close();
    session = undefined;
    if (output === undefined || limit.signal.aborted) return fail(endOf(limit.signal, output));
    if (!output.ok) {
      const failure = withoutRunPaths(blamedRightly(output.failure, action), { root, app: folders.app });
      const isCutOff = handle.lacksNetwork && sandbox.value.mode === 'namespaces' && !action.node.network;
      return fail(isCutOff ? withNetworkHint(failure) : failure);
    }
    const scanner = run.scannerFor(action.index, action.reads.env ?? []);
    const captured = await captureDifference(run.store, folders.app, view.value, {
      signal: late,
      scanner,
      excluding: [...SLUG_MARKERS],
    });
    if (!captured.ok) return captured;
    for (const [digest, directory] of captured.value.tree.directories) run.table.set(digest, directory);
    files += captured.value.layer.files;
    const undeclared = undeclaredWrites(action, captured.value.layer, run);
    if (undeclared.length > 0) return fail(undeclaredWrite(action, undeclared, run));
    let tool: Layer | undefined;
    if (folders.tool !== undefined) {
      const made = await captureDifference(run.store, folders.tool, EMPTY_RECORD, { signal: late, scanner });
      if (!made.ok) return made;
      for (const [digest, directory] of made.value.tree.directories) run.table.set(digest, directory);
      tool = made.value.layer;
      files += tool.files;
    }
    const layers = { layer: captured.value.layer, ...(tool === undefined ? {} : { tool }) };
    const special = captured.value.specialBits;
    if (special.length > 0) {
      place.sink.emit({ type: 'notice', code: 'node::special-bits', node: action.node.id, text: specialBits(special) });
    }
    for (const text of scanner.notices) handle.print('notice', `[node::secret-in-output] ${text}`);
    for (const { code, text } of unusedPatterns(run, action, () => changedPaths(run, layers.layer)))
      handle.print('notice', `[${code}] ${text}`);
    return finish(place, action, handle, output.value, layers, startedAt);
  } catch (error) {
    if (error instanceof FailureError) return fail(error.failure);
    const failure = unreadableBelow(root, error) ?? systemFailure(error);
    if (failure !== undefined) return fail(failure);
    throw error;
  } finally {
    await session?.close();
    await kept?.clean();
    beforeRemoval();
    // At once: the next node's files then take the memory that these had.
    removeTreeSoon(root, files);
  }
}

/** Below this size the node's own lines cannot be why a command did not fit. */
const LARGE_CONFIG = 64 * 1024;

/** What the pipeline itself gives is not the app's fault. */
/** What a command printed looks as if it wanted to reach a host. */
const withNetworkHint = (failure: Failure): Failure => ({
  ...failure,
  remedy: `${failure.remedy}\nThis node has no network. If it needs one, add \`network: true\` to it.`,
});

function blamedRightly(failure: Failure, { node }: Action): Failure {
  if (failure.code !== ARGUMENTS_TOO_LARGE) return failure;
  const isOfPipeline = JSON.stringify([node.config, node.env]).length > LARGE_CONFIG;
  return isOfPipeline ? { ...failure, blame: 'pipeline' } : failure;
}

function contextOf(
  place: Workplace,
  action: Action,
  handle: NodeHandle,
  signal: AbortSignal,
  folders: Folders,
  paths: RunContext['paths'],
): RunContext {
  const secrets: Record<string, string> = {};
  for (const { name } of action.node.secrets)
    if (place.secrets[name] !== undefined) secrets[name] = place.secrets[name];
  const env = spellSearchPaths(action.env, searchPathsOf(place.run, action.plugin), paths.app);
  return {
    node: action.node.id,
    appDir: folders.app,
    ...(folders.tool === undefined ? {} : { toolDir: folders.tool }),
    scratchDir: folders.scratch,
    cacheDir: folders.cache,
    givenDir: folders.given,
    paths,
    toolDirs: folders.tools,
    env: { ...env, HOME: paths.scratch, TMPDIR: paths.scratch, ...secrets, ...action.node.env },
    facts: action.reads.facts ?? null,
    view: viewReader(place.run.files, action.index, place.run.surroundings, action.lookedUp),
    signal,
    handle,
  };
}

function finish(
  { run }: Workplace,
  action: Action,
  handle: NodeHandle,
  output: RunOutput<unknown>,
  { layer, tool }: { readonly layer?: Layer; readonly tool?: Layer },
  startedAt: number,
): Result<Executed, Failure> {
  const values = run.scannerFor(action.index, action.reads.env ?? []);
  values.value((output.outputs ?? null) as JSONValue, 'an output value');
  values.value(output.state ?? null, 'the state that it keeps for the next run');
  const outputs = completeOutputs(action, output.outputs as JSONObject, layer, tool);
  const validate = run.kinds.get(action.node.kind)!.validateOutputs;
  if (!validate(outputs)) return fail(wrongOutputs(action, validate.errors ?? []));
  const log = storeLog(run, handle);
  const isEmpty = layer === undefined || (layer.files === 0 && layer.deleted.length === 0 && isEmptyTree(run, layer));
  const { degraded } = output;
  const now = run.composition.clock.now();
  const result: ActionResult = {
    outputs,
    ...(isEmpty ? {} : { layer }),
    ...(tool === undefined ? {} : { tool }),
    ...(log === undefined ? {} : { log }),
    durationMs: Math.round(performance.now() - startedAt),
    ...(output.state === undefined ? {} : { state: output.state }),
    ...(output.scope !== undefined || usesUnkeyed(run, action) ? { appId: run.appId } : {}),
    ...(degraded === undefined
      ? {}
      : { degraded: { reason: degraded.reason, host: hostname(), expiresAt: now + degraded.maxAgeMs } }),
    storedAt: now,
  };
  return succeed({ result, ...(output.uncacheable === undefined ? {} : { uncacheable: output.uncacheable }) });
}

/** A result of a key that names an app needs no name of its own. */
const usesUnkeyed = (run: RunState, { lookedUp, reads, record }: Action): boolean =>
  record.scope === '' &&
  usedUnkeyed(lookedUp, { env: reads.env ?? [], facts: reads.facts ?? null }, run.surroundings.variables);

function isEmptyTree(run: RunState, layer: Layer): boolean {
  const root = run.table.get(layer.root);
  return root === undefined || (root.directories.length === 0 && root.symlinks.length === 0 && root.files.length === 0);
}

/** Tree ports are the engine's: the layers of the tree inputs, base first, and the node's own on top. */
function completeOutputs(
  action: Action,
  given: JSONObject,
  layer: Layer | undefined,
  tool: Layer | undefined,
): JSONObject {
  const outputs: Record<string, JSONValue> = { ...given };
  const below = action.treeLayers.map(({ digest }) => digest);
  for (const [port, format] of outputFormats(action)) {
    if (format === 'tool-tree') outputs[port] = tool?.digest ?? '';
    else
      outputs[port] = (
        layer === undefined || layer.files + layer.deleted.length === 0 ? below : [...below, layer.digest]
      ).join(',');
  }
  return outputs;
}

function outputFormats(action: Action): readonly (readonly [string, string])[] {
  const { properties } = action.plugin.manifest.outputs as { properties?: Record<string, { format?: string }> };
  return Object.entries(properties ?? {}).flatMap(([port, { format }]) =>
    format === 'output-tree' || format === 'tool-tree' ? [[port, format] as const] : [],
  );
}

const hasToolPort = (action: Action): boolean => outputFormats(action).some(([, format]) => format === 'tool-tree');

function storeLog(run: RunState, handle: NodeHandle): Digest | undefined {
  if (handle.log.length === 0) return undefined;
  const bytes = Buffer.from(handle.log.map((line) => `${JSON.stringify(line)}\n`).join(''));
  const digest = digestOf(bytes);
  run.store.write(digest, bytes);
  return digest;
}

/** What the kind says; and where it builds code, as that generates code, what lies beside the sources that it reads whole. */
function mayWrite({ node, plugin, reads }: Action): readonly string[] {
  if (plugin.manifest.buildsCode !== true) return node.writes;
  return [...node.writes, ...(reads.files ?? []).filter((pattern) => /(^|\/)\*\*$/.test(pattern))];
}

function undeclaredWrites(action: Action, layer: Layer, run: RunState): readonly string[] {
  if (layer.files === 0 && layer.deleted.length === 0) return [];
  const writes = mayWrite(action);
  if (writes.includes('**')) return [];
  const literal = new Set(writes);
  // Most nodes name their files; a matcher is made for the others only.
  let isDeclared: ((path: string) => boolean) | undefined;
  const found: string[] = [];
  const check = (path: string): void => {
    if (literal.has(path)) return;
    isDeclared ??= writes.length === 0 ? () => false : matcherOf(writes);
    if (!isDeclared(path)) found.push(path);
  };
  for (const path of changedPaths(run, layer)) check(path);
  return found;
}

function* changedPaths(run: RunState, layer: Layer): Generator<string> {
  yield* filesOf(run, layer.root, '');
  yield* layer.deleted;
}

function* filesOf(run: RunState, root: Digest, prefix: string): Generator<string> {
  const directory = run.table.get(root);
  if (directory === undefined) return;
  for (const { name } of directory.files) yield prefix + name;
  for (const { name } of directory.symlinks) yield prefix + name;
  for (const { name, digest } of directory.directories) yield* filesOf(run, digest, `${prefix}${name}/`);
}

/** A plugin that hung knows more of it than that the time was up. */
const endOf = (signal: AbortSignal, output: Result<unknown, Failure> | undefined): Failure => {
  const failure = abortFailure(signal);
  const isKnown = output?.ok === false && [failure.code, INTERRUPTED].includes(output.failure.code);
  return isKnown ? output.failure : failure;
};

export const ABORTED = 'run::aborted';
export const abortFailure = (signal: AbortSignal): Failure =>
  signal.reason instanceof FailureError
    ? signal.reason.failure
    : {
        code: 'run::aborted',
        blame: 'environment',
        title: 'The run was interrupted',
        detail: 'A signal asked pyflow to stop.',
        remedy: 'Run again; what had finished is restored.',
      };

const specialBits = (paths: readonly string[]): string =>
  `Slugs hold no setuid, setgid or sticky bits, so these lost theirs: ${someOf(paths)}. If the app needs them, set them ` +
  'when it boots, for example in .profile.d.';
export const someOf = (paths: readonly string[], most = 10): string =>
  paths.length > most ? `${paths.slice(0, most).join(', ')} and ${paths.length - most} more` : paths.join(', ');

const viewLost = (action: Action, missing: Digest): Failure => {
  const source = action.sources.get(missing);
  return source === undefined ? blobLost(missing) : changedDuringRun(source);
};

const blobLost = (digest: Digest): Failure => ({
  code: BLOB_LOST,
  blame: 'internal',
  title: 'A file is missing from the cache',
  detail: digest,
  remedy: 'Run again; the node that made it is executed anew.',
});
export const changedDuringRun = (path: string): Failure => ({
  code: 'app::changed-during-run',
  blame: 'environment',
  title: `A file of the app changed while it was built: ${shownPath(path)}`,
  detail: 'Its content no longer is what keys and digests were made from, so the result would be filed wrongly.',
  remedy: 'Run again, and leave the app alone while it is built.',
});
/** Who could have prevented it: the pipeline names the places itself, an outside plugin declares them, else code of the app wrote. */
function undeclaredWrite(action: Action, paths: readonly string[], run: RunState): Failure {
  const { node, plugin } = action;
  const isNamed = plugin.manifest.writes.some((pattern) => /^\$\{config\.\w+\}$/.test(pattern));
  const isOutside = run.kinds.get(node.kind)?.codeDigest !== undefined;
  const more = paths.length > 5 ? ` and ${paths.length - 5} more` : '';
  return {
    code: 'node::undeclared-write',
    blame: isNamed || isOutside ? 'pipeline' : 'app',
    title: `Node ${node.id} wrote where it did not say it would`,
    detail: `Written: ${paths.slice(0, 5).map(shownPath).join(', ')}${more}\nDeclared: ${mayWrite(action).join(', ') || 'nothing'}`,
    remedy:
      isNamed || isOutside
        ? 'Add the paths to the writes of the node, or let it write into its scratch folder.'
        : 'Find the package or build script that writes there, and make it write into its own folder.',
  };
}
function wrongOutputs({ node, plugin }: Action, errors: readonly SchemaError[]): Failure {
  const problems = errors.map(outputProblem);
  return (
    plugin.wrongOutputs?.(problems) ?? {
      code: 'internal-error::outputs',
      blame: 'internal',
      title: `The plugin ${node.kind} returned outputs that its own schema refuses`,
      detail: problems.join('\n'),
      remedy: 'This is a mistake in the plugin: report it to its author.',
    }
  );
}

function outputProblem({ instancePath, keyword, params }: SchemaError): string {
  const where = `outputs${instancePath.replaceAll('/', '.')}`;
  if (keyword === 'required') return `\`${where}\` lacks \`${String(params['missingProperty'])}\`.`;
  if (keyword === 'additionalProperties')
    return `\`${where}\` has \`${String(params['additionalProperty'])}\`, which the schema does not know.`;
  return `\`${where}\` does not match its schema (${keyword}: ${JSON.stringify(Object.values(params)[0] ?? null)}).`;
}

export const TIMED_OUT = 'node::timeout';
/** Where the network is used, a host that gives no answer is the likely cause, and that is not the app's. */
const timedOut = ({ id, network }: CheckedNode, timeoutMs: number): Failure => ({
  code: TIMED_OUT,
  blame: network ? 'environment' : 'app',
  title: `Node ${id} took longer than its ${timeoutMs / 1000} s`,
  detail: `Its processes were ended.${network ? ' It may use the network, where a host may have stalled.' : ''}`,
  remedy: 'Find out what it waited for, or raise the timeout of the node.',
  ...(network && { retryable: true }),
});
