// What `runPipeline` does before and after the nodes: which of them, with what expectations, and what is kept of them.

import { accessSync, constants, lstatSync, unlinkSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { canonicalJSON, type JSONObject, type JSONValue } from '../../manifests/json-schema.js';
import { Admission } from '../plan/admission.js';
import { REPORT_SCHEMA, type EventSink, type NodeReport, type RunReport, type RunStatus } from '../events.js';
import type { Execution } from '../node/execution.js';
import { EXIT_STATUS, fail, failureData, succeed, type Failure, type Result } from '../failure.js';
import type { RunDir } from '../files/private-folders.js';
import type { RunOptions, RunRequest } from '../request.js';
import { BLOB_LOST, someOf } from '../node/run-action.js';
import { writeFastRecord } from '../up-to-date/fast-path.js';
import { dropFastRecord, writeLastRun, writeReport, writeState, type LastNode } from '../run/run-record.js';
import { LAYER_LOST, type RunState } from '../run/run.js';
import { parseLimits } from '../process/sandbox/limits.js';
import { loopbackPorts } from '../process/sandbox/own-network.js';
import { probeSandbox } from '../process/sandbox/probe.js';
import type { Sandbox } from '../process/sandbox/sandbox.js';
import { criticalPaths, type ScheduledNode } from '../plan/schedule.js';
import { writeSlug, type Slug } from '../slug/write.js';
import { stoppingOf } from '../process/stopping.js';
import type { Layer } from '../trees/tree.js';
import { Unchanged, writeLooks } from '../up-to-date/unchanged.js';
import { walk } from '../trees/directories.js';
import { didYouMean } from '../../manifests/closest.js';
import { makePrivateFolder } from '../files/private-files.js';

/** A node that was never run and whose kind says nothing. */
const DEFAULT_EXPECTED_MS = 1000;
/** Nodes beyond the working ones that may have their views laid out. */
const STAGED = 2;
/** Facts may depend on the day (ends of life), so an unopened record is believed for a day at the most. */
const FAST_RECORD_MS = 24 * 60 * 60 * 1000;

/** The nodes of this run: all, or those asked for with everything they wait for. Positions, ascending. */
export function selectNodes(
  run: RunState,
  { only, until, refresh }: Pick<RunRequest, 'only' | 'until' | 'refresh'>,
): Result<ReadonlySet<number>, Failure> {
  const { nodes } = run.pipeline;
  const ids = nodes.map(({ id }) => id);
  const targets = [...only, ...(until === undefined ? [] : [until])];
  const unknown = refresh.find((id) => id !== 'all' && run.positionOf(id) < 0);
  if (unknown !== undefined) return fail(unknownNode(unknown, ids));
  if (targets.length === 0) return succeed(new Set(nodes.keys()));
  const selected = new Set<number>();
  const visit = (id: string): void => {
    const position = run.positionOf(id);
    if (selected.has(position)) return;
    selected.add(position);
    nodes[position]!.dependencies.forEach(visit);
  };
  for (const target of targets) {
    if (run.positionOf(target) < 0)
      return fail(
        unknownNode(
          target,
          nodes.map(({ id }) => id),
        ),
      );
    visit(target);
  }
  return succeed(new Set([...selected].sort((a, b) => a - b)));
}

export function scheduledNodes(run: RunState, selection: ReadonlySet<number>): readonly ScheduledNode[] {
  return [...selection].map((position) => {
    const { id, dependencies, kind } = run.pipeline.nodes[position]!;
    return { id, dependencies, expectedMs: expectedMs(run, id, kind) };
  });
}

const expectedMs = (run: RunState, id: string, kind: string): number =>
  run.lastRun?.nodes[id]?.durationMs ?? run.kinds.get(kind)?.manifest.expectedMs ?? DEFAULT_EXPECTED_MS;

export function startExecution(
  run: RunState,
  given: EventSink,
  runDir: RunDir,
  forced: ReadonlySet<string>,
  selection: ReadonlySet<number>,
  version: string,
): Execution {
  const { request, composition } = run;
  const secretNames = new Set(run.pipeline.nodes.flatMap(({ secrets }) => secrets.map(({ name }) => name)));
  const secrets: Record<string, string> = {};
  for (const name of secretNames) {
    const value = run.surroundings.variables[name];
    if (value !== undefined) secrets[name] = value;
  }
  const jobs = request.jobs ?? availableParallelism();
  const ranks = criticalPaths(scheduledNodes(run, selection));
  const limits = parseLimits(request.settings['LIMITS']);
  let sandbox: Promise<Result<Sandbox, Failure>> | undefined;
  const cacheDirs = new Map<string, string>();
  // With a refresh, or only part of the nodes, what was is no measure.
  const isPlain = forced.size === 0 && selection.size === run.pipeline.nodes.length;
  const unchanged = isPlain ? Unchanged.open(run, version) : undefined;
  const sink = maskingSink(run, given);
  const execution: Execution = {
    ...(unchanged === undefined ? {} : { unchanged }),
    run,
    sink,
    secrets,
    limits: limits.ok ? limits.value : {},
    sandbox: () =>
      (sandbox ??= !limits.ok
        ? Promise.resolve(limits)
        : probeSandbox(request.sandbox, {
            searchPath: composition.host.searchPath,
            passThrough: request.passThrough ?? {},
            hostPorts: loopbackPorts([
              ...Object.values(request.settings),
              ...(request.settings['HOST_PORTS'] ?? '').split(',').map((port) => `http://localhost:${port.trim()}`),
            ]),
            stateDir: usable(`${request.cacheDir}/state/sandbox`) ?? `${runDir.largeDir}/sandbox`,
          }).then((probed) => {
            if (probed.ok && probed.value.fallbackReason !== undefined) {
              const text = `Nodes run without a sandbox: ${probed.value.fallbackReason}`;
              sink.emit({ type: 'notice', code: 'sandbox::none', text });
            }
            if (probed.ok) {
              const { mode, fallbackReason } = probed.value;
              execution.sandboxUsed = { mode, ...(fallbackReason === undefined ? {} : { reason: fallbackReason }) };
            }
            return probed;
          })),
    async closeSandbox() {
      const probed = await sandbox;
      if (probed?.ok !== true) return;
      probed.value.close?.();
      const why = probed.value.whyNetworkIsShared?.();
      if (why === undefined) return;
      const text = `Commands with a network shared that of the machine, with what listens on its loopback: ${why}.`;
      sink.emit({ type: 'notice', code: 'sandbox::shared-network', text });
    },
    smallDir: () => runDir.smallDir,
    largeDir: () => runDir.largeDir,
    cacheDirOf(kind) {
      let folder = cacheDirs.get(kind);
      if (folder === undefined) {
        folder = usable(`${request.cacheDir}/apps/${run.appId}/${kind}`);
        if (folder === undefined) {
          folder = `${runDir.largeDir}/cache/${kind}`;
          makePrivateFolder(folder);
        }
        cacheDirs.set(kind, folder);
      }
      return folder;
    },
    admission: new Admission(jobs + STAGED, run.pipeline.pools),
    working: new Admission(jobs, {}),
    rankOf: (node) => ranks.get(node) ?? 0,
    reports: new Map(),
    forced,
    keepGoing: request.keepGoing,
    signal: request.signal,
    unstored: new Set(),
    newState: {},
    stopping: stoppingOf(request.signal),
  };
  return execution;
}

/** The folder, made if need be; undefined when it cannot be written. What a build put in its place is removed. */
function usable(folder: string): string | undefined {
  try {
    if (lstatSync(folder, { throwIfNoEntry: false })?.isDirectory() === false) unlinkSync(folder);
    makePrivateFolder(folder);
    accessSync(folder, constants.W_OK);
    return folder;
  } catch {
    return undefined;
  }
}

/** What commands printed is masked line by line where it comes from; a stored log is of a run with other secrets. */
const maskingSink = (run: RunState, sink: EventSink): EventSink => ({
  emit(event) {
    const { secrets } = run;
    if (event.type === 'notice' || (event.type === 'node-printed' && event.replayed)) {
      sink.emit({ ...event, text: secrets.mask(event.text) });
    } else if (event.type === 'node-progress') sink.emit({ ...event, what: secrets.mask(event.what) });
    else if (event.type === 'node-started') sink.emit({ ...event, reasons: secrets.maskReasons(event.reasons) });
    else if (event.type === 'node-retried') sink.emit({ ...event, failure: secrets.maskFailure(event.failure) });
    // Reports are masked when they are made.
    else sink.emit(event);
  },
});

export function announce(run: RunState, sink: EventSink, runId: string, selection: ReadonlySet<number>): void {
  sink.emit({
    type: 'run-started',
    runId,
    pipeline: run.pipeline.name,
    appId: run.appId,
    nodes: [...selection].map((position) => {
      const { id, kind } = run.pipeline.nodes[position]!;
      return { id, kind, expectedMs: expectedMs(run, id, kind) };
    }),
  });
  for (const { file, start, message, code } of run.pipeline.warnings) {
    const text = `${file}:${start.line}:${start.column}: ${message} [${code}]`;
    sink.emit({ type: 'notice', code: 'pipeline::warning', text });
  }
}

export interface SlugOutcome {
  readonly slug?: Slug;
  readonly durationMs?: number;
  readonly failure?: Failure;
}

/** Writes the slug when every node of a whole run succeeded. */
export async function finishSlug(
  execution: Execution,
  selection: ReadonlySet<number>,
): Promise<SlugOutcome | undefined> {
  const { run, sink, reports, signal } = execution;
  const isWhole = selection.size === run.pipeline.nodes.length;
  if (!isWhole || signal.aborted || statusOf(execution) !== 'succeeded' || reports.size === 0) return undefined;
  const layers: Layer[] = [];
  for (const { id } of run.pipeline.nodes) {
    const layer = run.states.get(id)?.layer;
    if (layer !== undefined && !layers.includes(layer)) layers.push(layer);
  }
  const started = performance.now();
  const written = await writeSlug(run, layers, signal);
  if (!written.ok) return { failure: written.failure };
  const { path, digest, files, bytes, changed, kept } = written.value;
  if (kept.length > 0) sink.emit({ type: 'notice', code: 'slug::sources-kept', text: sourcesKept(kept) });
  if (!changed) return { slug: written.value };
  const durationMs = Math.round(performance.now() - started);
  sink.emit({ type: 'slug-written', path, digest, files, bytes, durationMs });
  return { slug: written.value, durationMs };
}

const sourcesKept = (paths: readonly string[]): string =>
  `The build removed files of the app, and pyflow leaves them in its folder, since --out is that folder: ${someOf(paths, 30)}. ` +
  'Name another folder with --out for a slug without them.';

export const isLost = (failure: Failure | undefined): boolean =>
  failure?.code === BLOB_LOST || failure?.code === LAYER_LOST;

/** The nodes whose results name a blob that is gone. */
export async function producersOfLost(
  execution: Execution,
  slugFailure: Failure | undefined,
): Promise<readonly string[]> {
  const { run, reports } = execution;
  const failures = [slugFailure, ...[...reports.values()].map(({ failure }) => failure)].filter(isLost);
  const lost = new Set(failures.map((failure) => failure!.detail));
  const producers: string[] = [];
  for (const [id, { key }] of run.states) {
    const result = key === undefined ? undefined : await run.store.lookUp(key, run.appId);
    const layers = [result?.layer, result?.tool].filter((layer) => layer !== undefined);
    if (layers.some((layer) => namesAny(run, layer, lost))) producers.push(id);
  }
  return producers.length > 0 ? producers : ['all'];
}

function namesAny(run: RunState, layer: Layer, lost: ReadonlySet<string>): boolean {
  if (lost.has(layer.digest) || lost.has(layer.tree)) return true;
  for (const [, entry] of walk(run.table, layer.root)) if (entry.type === 'file' && lost.has(entry.digest)) return true;
  return false;
}

const statusOf = ({ reports, signal }: Execution): RunStatus => {
  if (signal.aborted) return 'aborted';
  for (const { outcome } of reports.values()) {
    if (outcome === 'failed' || outcome === 'blocked' || outcome === 'aborted') return 'failed';
  }
  return 'succeeded';
};

export function makeReport(
  execution: Execution,
  runId: string,
  startedAt: number,
  slug: SlugOutcome | undefined,
): RunReport {
  const { run, reports, signal } = execution;
  const status = slug?.failure === undefined ? statusOf(execution) : signal.aborted ? 'aborted' : 'failed';
  const nodes: Record<string, NodeReport> = {};
  for (const { id } of run.pipeline.nodes) {
    const report = reports.get(id);
    if (report !== undefined) nodes[id] = report;
  }
  const ofSlug = slug?.failure === undefined ? undefined : run.secrets.maskFailure(slug.failure);
  const failure = ofSlug ?? worstFailure(Object.values(nodes));
  const exitCode = status === 'succeeded' ? 0 : failure === undefined ? 1 : EXIT_STATUS[failure.blame];
  return {
    schema: REPORT_SCHEMA,
    runId,
    pipeline: run.pipeline.name,
    appId: run.appId,
    status,
    exitCode: status === 'aborted' ? exitStatusOfAbort(signal) : exitCode,
    startedAt: new Date(startedAt).toISOString(),
    durationMs: Date.now() - startedAt,
    ...(slug?.slug === undefined && status === 'succeeded' ? { partial: true as const } : {}),
    nodes,
    buildData: buildDataOf(run, nodes, failure, Date.now() - startedAt),
    ...(execution.sandboxUsed === undefined ? {} : { sandbox: execution.sandboxUsed }),
    ...(slug?.slug === undefined ? {} : { slug: slugReportOf(slug.slug, slug.durationMs) }),
    ...(failure === undefined ? {} : { failure }),
  };
}

const slugReportOf = (
  { path, digest, files, bytes }: Slug,
  durationMs: number | undefined,
): NonNullable<RunReport['slug']> => ({
  path,
  digest,
  files,
  bytes,
  ...(durationMs === undefined ? {} : { durationMs }),
});

/** 128 and the number of the signal that asked to stop, as the command line passes it on. */
const exitStatusOfAbort = ({ reason }: AbortSignal): number =>
  (reason as { exitStatus?: number } | undefined)?.exitStatus ?? 130;

/** The one that decides the exit status: a bug before the file, the file before the app, the environment last. */
function worstFailure(nodes: readonly NodeReport[]): Failure | undefined {
  const order = ['internal', 'pipeline', 'app', 'environment'];
  const failures = nodes.flatMap(({ failure }) => (failure === undefined ? [] : [failure]));
  return failures.sort((a, b) => order.indexOf(a.blame) - order.indexOf(b.blame))[0];
}

/** The flat facts of the platform's report: outputs and durations whose kind names them, and what became of it. */
function buildDataOf(
  run: RunState,
  nodes: Readonly<Record<string, NodeReport>>,
  failure: Failure | undefined,
  durationMs: number,
): JSONObject {
  const data: Record<string, JSONValue> = {};
  const durations: Record<string, number> = {};
  let isReused = false;
  for (const [id, report] of Object.entries(nodes)) {
    const { kind, outputs, outcome, failure: own } = report;
    const { config } = run.pipeline.nodes[run.positionOf(id)]!;
    const { manifest } = run.kinds.get(kind)!;
    isReused ||= outcome === 'restored' || outcome === 'up-to-date';
    const named = Object.entries((manifest.outputs as PortSchemas).properties ?? {}).flatMap(([port, schema]) => {
      const name = schema['x-build-data'];
      const value = outcome === 'failed' ? (own?.known?.[port] ?? schema['x-build-data-failed']) : outputs?.[port];
      return name === undefined || value === undefined || value === ''
        ? []
        : ([[nameWith(config, name), value]] as const);
    });
    for (const [name, value] of named) data[name] = value;
    // A node that says that it had nothing to do took no time worth telling.
    if (manifest.buildDataDuration === undefined || outputs === undefined) continue;
    if (outcome === 'skipped' || named.some(([, value]) => value === false)) continue;
    const name = nameWith(config, manifest.buildDataDuration);
    durations[name] = (durations[name] ?? 0) + report.durationMs;
  }
  if (failure === undefined) durations['total_duration'] = durationMs;
  for (const [name, ms] of Object.entries(durations)) data[name] = ms / 1000;
  data['cache_status'] = isReused ? 'reused' : 'empty';
  return failure === undefined ? data : { ...data, ...failureData(failure) };
}

const nameWith = (config: JSONObject, name: string): string =>
  name.replace(/\$\{config\.(\w+)(:file)?\}/g, (_, field: string, isFile: string | undefined) => {
    const value = String(config[field] ?? '');
    return isFile === undefined ? value : value.slice(value.lastIndexOf('/') + 1);
  });

interface PortSchemas {
  readonly properties?: Readonly<
    Record<string, { readonly 'x-build-data'?: string; readonly 'x-build-data-failed'?: JSONValue }>
  >;
}

/** Writes what the next run reads: the report always, the rest after a complete run. */
export async function record(
  execution: Execution,
  report: RunReport,
  outcome: SlugOutcome | undefined,
  { version }: RunOptions,
): Promise<void> {
  const { run, unstored, newState } = execution;
  const { request, appId } = run;
  run.statCache.save();
  writeReport(request.cacheDir, report);
  if (report.status !== 'succeeded' || outcome?.slug === undefined) return dropFastRecord(request.cacheDir, appId);
  const nodes: Record<string, LastNode> = {};
  for (const [id, node] of Object.entries(report.nodes)) {
    nodes[id] = {
      ...(node.key === undefined ? {} : { key: node.key }),
      outputs: node.outputs ?? {},
      ...(node.layer === undefined ? {} : { layer: node.layer.digest }),
      durationMs: node.outcome === 'executed' ? node.durationMs : (node.savedMs ?? node.durationMs),
    };
  }
  writeLastRun(request.cacheDir, appId, { runId: report.runId, nodes });
  const state = { ...run.surroundings.state, ...(newState as Record<string, JSONValue>) };
  const isStateNew = request.appId !== undefined && canonicalJSON(state) !== canonicalJSON(run.surroundings.state);
  if (isStateNew) writeState(request.cacheDir, appId, state);
  // What was not stored runs again, and a new state may sway the next run.
  if (unstored.size > 0 || isStateNew || request.oneTime === true) return dropFastRecord(request.cacheDir, appId);
  writeLooks(run, report.runId);
  writeFastRecord({
    request,
    version,
    report,
    variables: run.surroundings.variables,
    source: run.files.source,
    sourceDigests: run.sourceDigests,
    pipelineDigest: run.pipelineDigest,
    pluginFiles: new Map([...run.kinds.values()].flatMap(({ codeFiles }) => [...(codeFiles ?? [])])),
    slugTraces: outcome.slug.traces,
    slugNames: outcome.slug.names,
    expiresAt: expiryOf(execution),
  });
}

function expiryOf({ run, unchanged }: Execution): number {
  const expiresAt = run.composition.clock.now() + FAST_RECORD_MS;
  // Of nodes that were not asked only the last record knows how long their results last.
  return Math.min(expiresAt, run.validUntil, unchanged?.last.expiresAt ?? expiresAt);
}

/** Makes room when this run wrote much, or nobody looked for a while. */
export async function keepQuota({ request, store }: RunState): Promise<void> {
  if (store.bytesWritten === 0) return;
  const { collectGarbageIfDue } = await import('../store/quota.js');
  const maxBytes = Number(request.settings['CACHE_MAX_BYTES']);
  await collectGarbageIfDue(request.cacheDir, store.bytesWritten, maxBytes > 0 ? { maxBytes } : {});
}

const unknownNode = (id: string, known: readonly string[]): Failure => ({
  code: 'run::unknown-node',
  blame: 'pipeline',
  title: `There is no node ${JSON.stringify(id)} in this pipeline`,
  detail: `Its nodes are ${known.slice(0, 20).join(', ')}${known.length > 20 ? ', ...' : ''}.`,
  remedy: didYouMean(id, known) ?? 'Name one of them.',
});
