// What the stages of one run share. Opened once and frozen; only `states` changes while nodes run.

import type { JSONObject, JSONValue } from '../../manifests/json-schema.js';
import type { CheckedNode, NodeId } from '../../manifests/pipeline/manifest.js';
import { readAppVariables } from '../app/app-variables.js';
import { BASE_ENVIRONMENT } from '../app/base-environment.js';
import { ignoreFolders, isAppliedBeforeBuild } from '../app/slug-ignore.js';
import { oursInPlace } from '../app/slug-marker.js';
import { SourceDigests } from '../app/source-digests.js';
import { listSource, pathBelow, realPath, type Source } from '../app/source.js';
import type { ViewSurroundings } from '../app/view.js';
import type { Composition } from '../composition.js';
import { fail, succeed, type Failure, type Result } from '../failure.js';
import type { ActionKey, Digest } from '../files/digest.js';
import { openStatCache } from '../files/file-digest.js';
import { shownPath } from '../files/shown-path.js';
import type { CheckedRequest } from '../plan/checked-pipeline.js';
import type { Refusal, RunRequest } from '../request.js';
import type { RemoteCache } from '../remote/remote-cache.js';
import type { AnyPlugin } from '../sdk.js';
import { KnownSecrets } from '../secrets/known-secrets.js';
import { AppValues, type ValueTracer } from '../secrets/app-values.js';
import type { OutputScanner } from '../secrets/output-scanner.js';
import { Builder } from '../services/builder.js';
import { openLocalStore, type LocalStore } from '../store/local-store.js';
import type { Asker } from '../store/store.js';
import { KnownLayers } from '../trees/known-layers.js';
import type { Layer } from '../trees/tree.js';
import { lost, type Stop } from './node-end.js';
import { NodeStates } from './node-states.js';
import { platformOf } from './platform.js';
import { appIdOf, readLastRun, readState, type LastRun } from './run-record.js';

/** What `openRun` has read. */
interface RunParts {
  readonly request: RunRequest;
  readonly composition: Composition;
  readonly checked: CheckedRequest;
  readonly appId: string;
  readonly store: LocalStore;
  readonly source: Source;
  readonly surroundings: ViewSurroundings;
  readonly lastRun: LastRun | undefined;
  readonly remote: RemoteCache | undefined;
}

export class Run {
  readonly request: RunRequest;
  readonly composition: Composition;
  readonly pipeline: CheckedRequest['pipeline'];
  /** SHA-256 of the pipeline file's bytes, in hex. */
  readonly pipelineDigest: string;
  readonly pluginFiles: readonly string[];
  readonly kinds: CheckedRequest['kinds'];
  readonly appId: string;
  readonly store: LocalStore;
  /** Undefined without a remote cache. */
  readonly remote: RemoteCache | undefined;
  /** What nodes that compile or run programs of the machine depend on. Described when first asked. */
  readonly builder: Builder;
  /** Who looks up results. */
  readonly asker: Asker;
  readonly source: Source;
  readonly sourceDigests: SourceDigests;
  readonly surroundings: ViewSurroundings;
  /** The last complete run of this app; undefined if there is none. */
  readonly lastRun: LastRun | undefined;
  readonly platform: Readonly<Record<string, string>>;
  readonly layers: KnownLayers;
  readonly states: NodeStates;
  readonly #positions: ReadonlyMap<string, number>;
  // These are computed when first needed, always with the same result.
  readonly #plugins = new Map<string, Promise<AnyPlugin>>();
  readonly #formats = new Map<string, ReadonlyMap<string, string>>();
  #secrets: KnownSecrets | undefined;
  #appValues: AppValues | undefined;
  #storableSecrets: readonly { readonly name: string; readonly position: number }[] | undefined;

  constructor({ request, composition, checked, appId, store, source, surroundings, lastRun, remote }: RunParts) {
    const { pipeline, pipelineDigest, pluginFiles, kinds } = checked;
    this.request = request;
    this.composition = composition;
    this.pipeline = pipeline;
    this.pipelineDigest = pipelineDigest;
    this.pluginFiles = pluginFiles;
    this.kinds = kinds;
    this.appId = appId;
    this.store = store;
    this.remote = remote;
    const { cacheDir, settings } = request;
    const { clock, builderRoot: root } = composition;
    this.builder = new Builder({ cacheDir, name: settings['BUILDER'], root, now: clock.now() });
    this.asker = { appId, builder: () => this.builder.id };
    this.source = source;
    const statCache = openStatCache(`${request.cacheDir}/state/${appId}.stat-cache`, {});
    this.sourceDigests = new SourceDigests(request.appDir, statCache);
    this.surroundings = surroundings;
    this.lastRun = lastRun;
    this.platform = platformOf(composition.host);
    this.layers = new KnownLayers(store);
    this.states = new NodeStates(pipeline.nodes, source, this.layers);
    this.#positions = new Map(pipeline.nodes.map(({ id }, position) => [id as string, position]));
    Object.freeze(this);
  }

  /** Position of a node in the pipeline; -1 if no node has this id. */
  positionOf(id: string): number {
    return this.#positions.get(id) ?? -1;
  }

  /** Finds secrets in what a node produced, except those that it is allowed to store. */
  scannerFor(index: number, env: readonly string[], tracer?: ValueTracer): OutputScanner {
    const { id } = this.pipeline.nodes[index]!;
    return this.secrets.outputs.for({ node: id, mayStore: this.storableSecretsOf(index), env: new Set(env) }, tracer);
  }

  /** Finds values of app variables in what a node produced. */
  get appValues(): AppValues {
    return (this.#appValues ??= new AppValues(this.surroundings.variables, () => openValues(this.pipeline)));
  }

  /** Names of the secrets that a node, or a node it depends on, is allowed to store. */
  storableSecretsOf(index: number): ReadonlySet<string> {
    this.#storableSecrets ??= this.pipeline.nodes.flatMap(({ secrets }, position) =>
      secrets.flatMap(({ name, mayStore }) => (mayStore === true ? [{ name, position }] : [])),
    );
    const storable = this.#storableSecrets;
    const isBefore = storable.length === 0 ? undefined : this.states.files.ancestorsOf(index);
    const allowed = storable.filter(({ position }) => position === index || isBefore?.has(position) === true);
    return new Set(allowed.map(({ name }) => name));
  }

  /** Made when first needed, because an up-to-date run has nothing to mask. */
  get secrets(): KnownSecrets {
    const { settings, passThrough = {} } = this.request;
    return (this.#secrets ??= new KnownSecrets({
      declared: new Set(this.pipeline.nodes.flatMap(({ secrets }) => secrets.map(({ name }) => name))),
      variables: this.surroundings.variables,
      ofOperator: { ...settings, ...passThrough },
      ...(this.remote === undefined ? {} : { headers: this.remote.settings.headers }),
    }));
  }

  plugin(kind: string): Promise<AnyPlugin> {
    let plugin = this.#plugins.get(kind);
    if (plugin === undefined) this.#plugins.set(kind, (plugin = this.composition.plugin(kind)));
    return plugin;
  }

  /** Format of each input port that has one; for an array, the format of its items. */
  inputFormats(kind: string): ReadonlyMap<string, string> {
    let formats = this.#formats.get(kind);
    if (formats === undefined) {
      formats = formatsOf(this.kinds.get(kind)!.manifest.inputs);
      this.#formats.set(kind, formats);
    }
    return formats;
  }

  /** Whether the node's guard is true. All nodes that it reads must have ended. */
  async evaluateWhen(node: CheckedNode): Promise<Result<boolean, Failure>> {
    const { evaluateWhen } = await import('../../manifests/pipeline/when.js');
    const values: Record<string, JSONObject | undefined> = {};
    for (const { node: id } of node.whenReads) {
      const end = this.states.endOf(id);
      if (end !== undefined && end.type !== 'skipped') values[id] = end.type === 'done' ? end.outputs : {};
    }
    const { request, composition } = this;
    const run = { mode: request.mode, os: composition.host.os, arch: composition.host.arch };
    const result = await evaluateWhen(node.when!, values, this.pipeline.params, run);
    if (result.ok) return result;
    return fail({ ...result.failure, title: `pyflow can't evaluate the guard of node ${node.id}` });
  }

  /** The layers of some tree values, each once, in plan order, with their directories loaded. */
  async layersOf(values: readonly string[]): Promise<Result<readonly Layer[], Stop>> {
    const layers = new Map<string, Layer>();
    for (const digest of values.flatMap((value) => (value === '' ? [] : value.split(',')))) {
      if (layers.has(digest)) continue;
      const layer = await this.layers.find(digest as Digest);
      if (layer === undefined) return fail(lost('layer', digest as Digest));
      layers.set(digest, layer);
    }
    const { states } = this;
    return succeed([...layers.values()].sort((a, b) => states.writerOf(a.digest) - states.writerOf(b.digest)));
  }

  /** Key of the node in the last complete run; undefined if it had none. A node with the same key is up to date. */
  lastKeyOf(id: NodeId): ActionKey | undefined {
    return this.lastRun?.nodes[id]?.key;
  }
}

/** All strings of the pipeline's variables, params and config, and what every node gets. */
function openValues({ nodes, params }: CheckedRequest['pipeline']): ReadonlySet<string> {
  const values = new Set<string>(Object.values(BASE_ENVIRONMENT));
  const collect = (value: JSONValue): void => {
    if (typeof value === 'string') values.add(value.trim());
    else if (typeof value === 'object' && value !== null) for (const item of Object.values(value)) collect(item);
  };
  collect(params);
  for (const { config, env } of nodes) for (const value of [config, env]) collect(value);
  return values;
}

function formatsOf(schema: JSONObject | object): ReadonlyMap<string, string> {
  const formats = new Map<string, string>();
  const properties = (schema as { properties?: Record<string, { format?: string; items?: { format?: string } }> })
    .properties;
  for (const [port, { format, items }] of Object.entries(properties ?? {})) {
    const found = format ?? items?.format;
    if (found !== undefined) formats.set(port, found);
  }
  return formats;
}

export interface Opening {
  readonly request: RunRequest;
  readonly composition: Composition;
  readonly checked: CheckedRequest;
  readonly onWarning: (code: string, text: string) => void;
  /** Absent without a remote cache. */
  readonly remote?: RemoteCache | undefined;
}

/** Reads what a run needs besides its pipeline: the app's files and variables, the store, the last run. */
export async function openRun({
  request,
  composition,
  checked,
  onWarning,
  remote,
}: Opening): Promise<Result<Run, Refusal>> {
  const refuse = (failure: Failure) => fail<Refusal>({ type: 'failure', failure });
  const variables = await readAppVariables(request.envDir, request.variables);
  if (!variables.ok) return refuse(variables.failure);
  const source = sourceOf(request, checked);
  if (!source.ok) return refuse(source.failure);
  for (const folder of source.value.caches) {
    const text = `${shownPath(folder)} contains CACHEDIR.TAG, which marks it as a cache, so pyflow leaves it out of the app.`;
    onWarning('app::cache-left-out', text);
  }
  const supplier = remote === undefined ? {} : { supplier: remote };
  const store = openLocalStore(request.cacheDir, { onWarning, clock: composition.clock, ...supplier });
  if (!store.ok) return refuse(store.failure);
  remote?.attach(store.value);
  const appId = appIdOf(request);
  const state: Readonly<Record<string, JSONValue>> =
    request.appId === undefined ? {} : readState(request.cacheDir, appId);
  return succeed(
    new Run({
      request,
      composition,
      checked,
      appId,
      store: store.value,
      source: source.value,
      surroundings: { blobs: store.value, variables: variables.value, state, mode: request.mode, appId },
      lastRun: readLastRun(request.cacheDir, appId),
      remote,
    }),
  );
}

function sourceOf(request: RunRequest, { pipeline }: CheckedRequest): Result<Source, Failure> {
  const inPlace = request.outDir === request.appDir;
  const appDir = realPath(request.appDir);
  const outputs = (request.outputs ?? []).map(({ path }) => path);
  const inside = [...(inPlace ? [] : [request.outDir]), ...outputs, request.cacheDir].map((path) =>
    pathBelow(appDir, realPath(path)),
  );
  return listSource(request.appDir, {
    skip: inside.filter((path) => path !== undefined),
    ignoring: { folders: ignoreFolders(pipeline.params), isHidden: isAppliedBeforeBuild(pipeline.params) },
    ...(inPlace && request.oneTime !== true ? { isOurs: oursInPlace(request.outDir) } : {}),
  });
}
