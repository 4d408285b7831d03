// Everything the stages of one run share. Opened once; `run`, `plan` and `why` start from it.

import { lstatSync } from 'node:fs';
import type { JSONObject, JSONValue } from '../../manifests/json-schema.js';
import type { CheckedNode, CheckedPipeline, NodeId } from '../../manifests/pipeline/manifest.js';
import type { KnownKind } from '../../manifests/plugin-manifest.js';
import { ancestorsOf } from '../plan/ancestors.js';
import { readAppVariables } from '../app/app-variables.js';
import type { Composition } from '../composition.js';
import type { Digest } from '../files/digest.js';
import { EMPTY_DIRECTORY, walk } from '../trees/directories.js';
import { fail, succeed, type Failure, type Result } from '../failure.js';
import { digestFileSync, openStatCache, type StatCache } from '../files/file-digest.js';
import { shownPath } from '../files/shown-path.js';
import { applyLayers, loadLayer } from '../trees/layers.js';
import { openLocalStore, type LocalStore } from '../store/local-store.js';
import type { Refusal, RunRequest } from '../request.js';
import { loadCheckedPipeline } from '../plan/checked-pipeline.js';
import type { NodeState } from './node-states.js';
import { noteCacheRoot } from '../files/private-files.js';
import { appIdOf, readLastRun, readState, type LastRun } from './run-record.js';
import type { AnyPlugin } from '../sdk.js';
import { KnownSecrets } from '../secrets/known-secrets.js';
import type { OutputScanner } from '../secrets/output-scanner.js';
import { ignoreFolders, isAppliedBeforeBuild } from '../app/slug-ignore.js';
import { oursInPlace } from '../app/slug-marker.js';
import { listSource, pathBelow, realPath } from '../app/source.js';
import type { DirectoryTable, Layer } from '../trees/tree.js';
import { type ViewSurroundings } from '../app/view.js';
import { RunFiles, type LayerEntry } from '../app/run-files.js';

export class RunState {
  readonly table: DirectoryTable = new Map();
  readonly states = new Map<NodeId, NodeState>();
  /** Of the bytes that this run read. */
  readonly sourceDigests = new Map<string, Digest>();
  readonly #layers = new Map<string, Layer>();
  readonly #writers = new Map<string, number>();
  readonly #formats = new Map<string, ReadonlyMap<string, string>>();
  readonly #plugins = new Map<string, Promise<AnyPlugin>>();

  constructor(
    readonly request: RunRequest,
    readonly composition: Composition,
    readonly pipeline: CheckedPipeline,
    /** SHA-256 of the file's bytes. */
    readonly pipelineDigest: string,
    readonly pluginFiles: readonly string[],
    readonly kinds: ReadonlyMap<string, KnownKind>,
    readonly appId: string,
    readonly store: LocalStore,
    readonly files: RunFiles,
    readonly statCache: StatCache,
    readonly surroundings: ViewSurroundings,
    readonly lastRun: LastRun | undefined,
  ) {
    this.platform = platformOf(composition);
    this.#positions = new Map(pipeline.nodes.map(({ id }, position) => [id as string, position]));
  }

  readonly platform: Readonly<Record<string, string>>;
  /** What nodes looked at in the last complete run, when that can be compared with this one. */
  oldLooks: Readonly<Record<string, readonly string[]>> | undefined;
  /** When the first result of this run expires that does not last; milliseconds since the epoch. */
  validUntil = Number.POSITIVE_INFINITY;
  #secrets: KnownSecrets | undefined;
  /** Secrets that may be stored, with the node that says so. */
  #allowing: readonly { readonly name: string; readonly position: number }[] | undefined;
  readonly #positions: ReadonlyMap<string, number>;

  /** Place of a node in the plan; -1 for a name that is none. */
  /** Looks at what a node leaves. Allowed are secrets that the node, or one before it, may store. */
  scannerFor(index: number, env: readonly string[]): OutputScanner {
    const { nodes } = this.pipeline;
    this.#allowing ??= nodes.flatMap(({ secrets }, position) =>
      secrets.flatMap(({ name, mayStore }) => (mayStore === true ? [{ name, position }] : [])),
    );
    const isBefore = this.#allowing.length === 0 ? undefined : this.files.ancestorsOf(index);
    const allowed = this.#allowing.filter(({ position }) => position === index || isBefore?.has(position) === true);
    const mayStore = new Set(allowed.map(({ name }) => name));
    return this.secrets.outputs.for({ node: nodes[index]!.id, mayStore, env: new Set(env) });
  }

  /** Made when first asked for: a run that is up to date hides nothing. */
  get secrets(): KnownSecrets {
    const { settings, passThrough = {} } = this.request;
    return (this.#secrets ??= new KnownSecrets({
      declared: new Set(this.pipeline.nodes.flatMap(({ secrets }) => secrets.map(({ name }) => name))),
      variables: this.surroundings.variables,
      ofOperator: { ...settings, ...passThrough },
    }));
  }

  positionOf(id: string): number {
    return this.#positions.get(id) ?? -1;
  }

  plugin(kind: string): Promise<AnyPlugin> {
    let plugin = this.#plugins.get(kind);
    if (plugin === undefined) this.#plugins.set(kind, (plugin = this.composition.plugin(kind)));
    return plugin;
  }

  /** Format of each input port that has one; of its items where the port takes an array. */
  inputFormats(kind: string): ReadonlyMap<string, string> {
    let formats = this.#formats.get(kind);
    if (formats === undefined) {
      formats = formatsOf(this.kinds.get(kind)!.manifest.inputs);
      this.#formats.set(kind, formats);
    }
    return formats;
  }

  async evaluateWhen(node: CheckedNode): Promise<Result<boolean, Failure>> {
    const { evaluateWhen } = await import('../../manifests/pipeline/when.js');
    const values: Record<string, JSONObject | undefined> = {};
    for (const { node: id } of node.whenReads) {
      const state = this.states.get(id);
      if (state !== undefined && state.outcome !== 'skipped') values[id] = state.outputs;
    }
    const { request, composition } = this;
    const run = { mode: request.mode, os: composition.host.os, arch: composition.host.arch };
    const result = await evaluateWhen(node.when!, values, this.pipeline.params, run);
    if (result.ok) return result;
    return fail({ ...result.failure, title: `The guard of node ${node.id} cannot be evaluated` });
  }

  /** The layers of some tree values, each once, in plan order; loaded with their directories. */
  async layersOf(values: readonly string[]): Promise<Result<readonly Layer[], Failure>> {
    const layers = new Map<string, Layer>();
    for (const digest of values.flatMap((value) => (value === '' ? [] : value.split(',')))) {
      if (layers.has(digest)) continue;
      const layer = await this.layer(digest);
      if (layer === undefined) return fail(layerLost(digest));
      layers.set(digest, layer);
    }
    return succeed([...layers.values()].sort((a, b) => this.writerOf(a.digest) - this.writerOf(b.digest)));
  }

  async layer(digest: string): Promise<Layer | undefined> {
    const known = this.#layers.get(digest);
    if (known !== undefined) return known;
    const layer = await loadLayer(this.store, digest as Digest, this.table);
    if (layer !== undefined) this.#layers.set(digest, layer);
    return layer;
  }

  /** Makes a finished node's layer known; `directories` of it must be in the table. */
  addLayer(index: number, layer: Layer): void {
    this.#layers.set(layer.digest, layer);
    if (!this.#writers.has(layer.digest)) this.#writers.set(layer.digest, index);
    this.files.addLayer(index, layer, this.#entriesOf(layer));
  }

  addTool(layer: Layer): void {
    this.#layers.set(layer.digest, layer);
  }

  *#entriesOf(layer: Layer): Generator<[string, LayerEntry]> {
    for (const [path, entry] of walk(this.table, layer.root)) {
      if (entry.type !== 'directory') yield [path, entry];
      else yield [path, entry.mode === undefined ? { type: 'directory' } : { type: 'directory', mode: entry.mode }];
    }
  }

  /** Position of the node whose layer this is; tool layers have none. */
  writerOf(layer: string): number {
    return this.#writers.get(layer) ?? -1;
  }

  /** Root directory of some layers put over each other. */
  rootOf(layers: readonly Layer[]): Digest {
    return applyLayers(this.table, EMPTY_DIRECTORY, layers);
  }

  async digestSource(path: string): Promise<Result<Digest, Failure>> {
    const known = this.sourceDigests.get(path);
    if (known !== undefined) return succeed(known);
    const absolute = `${this.request.appDir}/${path}`;
    try {
      const digest = digestFileSync(absolute, lstatSync(absolute, { bigint: true }), this.statCache);
      this.sourceDigests.set(path, digest);
      return succeed(digest);
    } catch (error) {
      return fail({
        code: 'app::unreadable-file',
        blame: 'app',
        title: `A file of the app cannot be read: ${shownPath(path)}`,
        detail: (error as Error).message,
        remedy: 'Make it readable for the user that runs pyflow, and leave the app alone while it is built.',
      });
    }
  }
}

/** A layer that a result names is gone: the caller makes the result a miss and starts over. */
export const LAYER_LOST = 'cache::layer-lost';
const layerLost = (digest: string): Failure => ({
  code: LAYER_LOST,
  blame: 'internal',
  title: 'A layer is missing from the cache',
  detail: `The layer ${digest} is named by a result, but its bytes are gone or wrong.`,
  remedy: 'Run again; the node is executed anew.',
});

function platformOf({ host }: Composition): Readonly<Record<string, string>> {
  return {
    OSFamily: host.os,
    ISA: host.arch,
    libc: `${host.libc.name}-${host.libc.version}`,
    'os-release': `${host.release.id}-${host.release.version}`,
  };
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

/** Loads what a run needs: the checked pipeline, the store, the app's listing and variables, the last run. */
export async function openRun(
  request: RunRequest,
  composition: Composition,
  onWarning: (code: string, text: string) => void,
): Promise<Result<RunState, Refusal>> {
  const refuse = (failure: Failure) => fail<Refusal>({ type: 'failure', failure });
  noteCacheRoot(request.cacheDir);
  const loaded = await loadCheckedPipeline(request, composition);
  if (!loaded.ok) return loaded;
  const { pipeline, pipelineDigest, kinds, pluginFiles } = loaded.value;
  const variables = await readAppVariables(request.envDir, request.variables);
  if (!variables.ok) return refuse(variables.failure);
  const inPlace = request.outDir === request.appDir;
  const appDir = realPath(request.appDir);
  const inside = [...(inPlace ? [] : [request.outDir]), request.cacheDir].map((folder) =>
    pathBelow(appDir, realPath(folder)),
  );
  const source = listSource(request.appDir, {
    skip: inside.filter((path) => path !== undefined),
    ignoring: {
      folders: ignoreFolders(pipeline.params),
      isHidden: isAppliedBeforeBuild(pipeline.params),
    },
    ...(inPlace && request.oneTime !== true ? { isOurs: oursInPlace(request.outDir) } : {}),
  });
  if (!source.ok) return refuse(source.failure);
  for (const folder of source.value.caches) {
    const text = `${shownPath(folder)} says that it is a cache (CACHEDIR.TAG), so it is no part of the app.`;
    onWarning('app::cache-left-out', text);
  }
  const store = openLocalStore(request.cacheDir, { onWarning, clock: composition.clock });
  if (!store.ok) return refuse(store.failure);
  const appId = appIdOf(request);
  const state: Readonly<Record<string, JSONValue>> =
    request.appId === undefined ? {} : readState(request.cacheDir, appId);
  return succeed(
    new RunState(
      request,
      composition,
      pipeline,
      pipelineDigest,
      pluginFiles,
      kinds,
      appId,
      store.value,
      new RunFiles(source.value, ancestorsOf(pipeline.nodes)),
      openStatCache(`${request.cacheDir}/state/${appId}.stat-cache`, {}),
      { blobs: store.value, variables: variables.value, state, mode: request.mode, appId },
      readLastRun(request.cacheDir, appId),
    ),
  );
}
