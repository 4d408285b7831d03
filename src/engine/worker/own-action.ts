// An action as the worker runs it: a run of one node, whose app is the view that the client sent.

import { expandWrites } from '../../manifests/pipeline/nodes.js';
import type { CheckedNode, CheckedPipeline, NodeId } from '../../manifests/pipeline/manifest.js';
import type { JSONObject } from '../../manifests/json-schema.js';
import type { KnownKind } from '../../manifests/plugin-manifest.js';
import type { Composition } from '../composition.js';
import type { ActionKey, Digest } from '../files/digest.js';
import type { Action } from '../node/action.js';
import { KEY_FORMAT } from '../node/key.js';
import { UNNAMED } from '../remote/worker-message.js';
import { Run } from '../run/run.js';
import type { AnyPlugin, RunContext } from '../sdk.js';
import type { LocalStore } from '../store/local-store.js';
import { EMPTY_DIRECTORY } from '../trees/directories.js';
import type { DirectoryTable } from '../trees/tree.js';
import type { InputFolder } from './input-root.js';
import type { Spec } from './spec.js';

/** What the client sent. */
export interface Received {
  readonly spec: Spec;
  readonly env: Readonly<Record<string, string>>;
  readonly app: InputFolder;
  /** Absolute path of `app`. */
  readonly appPath: string;
  readonly tools: Readonly<Record<string, InputFolder>>;
  /** Absolute paths of all files, by digest. */
  readonly sources: ReadonlyMap<Digest, string>;
  /** The directories of all folders. */
  readonly table: DirectoryTable;
}

export interface Around {
  readonly composition: Composition;
  readonly kind: KnownKind;
  readonly store: LocalStore;
  /** Private, and gone after the action. */
  readonly cacheDir: string;
  /** The operator's name for the builder. */
  readonly builder: string | undefined;
  readonly signal: AbortSignal;
}

export function openOwnRun({ spec, app, appPath, table }: Received, around: Around): Run {
  const { composition, kind, store, cacheDir, builder, signal } = around;
  const pipeline: CheckedPipeline = { name: '', params: {}, pools: {}, warnings: [], nodes: [nodeOf(spec, kind)] };
  const run = new Run({
    request: {
      pipelineFile: '',
      appDir: appPath,
      outDir: '',
      force: false,
      cacheDir,
      params: {},
      only: [],
      refresh: [],
      keepGoing: false,
      mode: 'build',
      sandbox: 'auto',
      settings: builder === undefined ? {} : { BUILDER: builder },
      signal,
    },
    composition,
    checked: { pipeline, pipelineDigest: '', kinds: new Map([[spec.kind, kind]]), pluginFiles: [] },
    appId: '',
    store,
    source: {
      directory: appPath,
      entries: app.entries,
      rootStat: app.stat,
      listedAt: composition.clock.now(),
      hidden: [],
      caches: [],
    },
    surroundings: { blobs: store, variables: {}, state: {}, mode: 'build', appId: '' },
    lastRun: undefined,
    remote: undefined,
  });
  for (const [digest, directory] of table) run.layers.table.set(digest, directory);
  return run;
}

/** Timeout and limits are the client's business. */
const nodeOf = ({ kind, config }: Spec, { manifest }: KnownKind): CheckedNode => ({
  id: UNNAMED as NodeId,
  kind,
  config,
  inputs: {},
  optionalInputs: [],
  after: [],
  whenReads: [],
  dependencies: [],
  writes: expandWrites(manifest.writes, config),
  env: {},
  secrets: [],
  cache: 'auto',
  retries: 0,
  network: false,
});

export function ownAction(run: Run, plugin: AnyPlugin, received: Received): Action {
  const { spec, env, app, tools, sources } = received;
  const { kind, revision, config, values, facts, exists } = spec;
  const [node] = run.pipeline.nodes;
  return {
    index: 0,
    node: node!,
    plugin: knowing(plugin, exists),
    inputs: { ...portsOf(run, spec.kind), ...mapValues(tools, toolValue), ...values },
    // The client has selected the files, and compares what was written with what may be written.
    reads: { files: ['**'], facts },
    isPure: false,
    record: {
      format: KEY_FORMAT,
      kind,
      revision,
      config,
      values,
      facts,
      env,
      secrets: {},
      platform: {},
      files: {},
      exists,
      trees: {},
      tools: {},
      scope: '',
    },
    holdsUnkeyed: false,
    key: '' as ActionKey,
    messages: () => ({ key: '' as ActionKey, blobs: new Map() }),
    viewRoot: app.root,
    treeLayers: [],
    sources,
    viewBytes: app.bytes,
    tools: mapValues(tools, ({ root }) => root),
    env,
    passedLinks: [],
    lookedUp: new Set(),
  };
}

/** Kinds only ask whether there is a tool; an empty one is spelled as none. */
const toolValue = ({ root }: InputFolder): string => (root === EMPTY_DIRECTORY ? '' : root);

/** Required tree ports: their files are in the view already. */
function portsOf(run: Run, kind: string): JSONObject {
  const required = (run.kinds.get(kind)!.manifest.inputs as { required?: readonly string[] }).required ?? [];
  const formats = run.inputFormats(kind);
  return Object.fromEntries(
    required.flatMap((port) => (formats.get(port) === 'output-tree' ? [[port, ''] as const] : [])),
  );
}

/** The plugin, for which also those files exist that the client only looked for. Their content is not here. */
const knowing = (plugin: AnyPlugin, exists: Spec['exists']): AnyPlugin => ({
  manifest: plugin.manifest,
  reads: (node, view, call) => plugin.reads(node, view, call),
  run(node, context: RunContext) {
    const view = Object.create(context.view) as RunContext['view'];
    const known = (path: string): boolean => (Object.hasOwn(exists, path) && exists[path]) === true;
    Object.assign(view, { exists: (path: string) => known(path) || context.view.exists(path) });
    return plugin.run(node, { ...context, view });
  },
});

const mapValues = <A, B>(values: Readonly<Record<string, A>>, change: (value: A) => B): Record<string, B> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, change(value)]));
