// From a planned node to an action: inputs, guard, reads, view, key. Shared by `run` and `plan`; executes nothing.

import type { JSONObject, JSONValue } from '../../manifests/json-schema.js';
import type { CheckedNode, NodeId, Reference } from '../../manifests/pipeline/manifest.js';
import { actionKey, KEY_FORMAT } from './key.js';
import { BASE_ENVIRONMENT } from '../app/base-environment.js';
import { withoutCredentials } from '../secrets/credentials.js';
import { sha256Hex, sizeOf, type ActionKey, type Digest } from '../files/digest.js';
import { fail, succeed, type Failure, type Result } from '../failure.js';
import type { RunState } from '../run/run.js';
import type { AnyPlugin, Reads } from '../sdk.js';
import type { KeyedSecret, KeyRecord } from '../store/store.js';
import { splitTree, type Layer } from '../trees/tree.js';
import { spellMode, spellPermissions } from '../files/modes.js';
import { STOPS } from '../run/node-states.js';
import { buildTree, mergeDirectories, type NewEntry } from '../trees/directories.js';
import { searchPathFiles, searchPathVariables, type SearchPaths } from '../app/search-paths.js';
import { linkFailure, linkNotice, type LinkProblem } from '../app/links.js';
import { selectPaths } from '../app/selection.js';
import { viewReader, type MetLinks } from '../app/view.js';

/** A node whose inputs are all known. */
export interface Action {
  readonly index: number;
  readonly node: CheckedNode;
  readonly plugin: AnyPlugin;
  /** Values by port; tree ports as in `NodeState.outputs`. */
  readonly inputs: JSONObject;
  readonly reads: Reads;
  readonly isPure: boolean;
  readonly record: KeyRecord;
  readonly key: ActionKey;
  /** Root directory of the view; its directories are in the run's table. */
  readonly viewRoot: Digest;
  /** Layers of the tree inputs in plan order. */
  readonly treeLayers: readonly Layer[];
  /** Absolute paths of the selected files of the source, by digest: they are in no store. */
  readonly sources: ReadonlyMap<Digest, string>;
  readonly viewBytes: number;
  /** Root directory by input port. */
  readonly tools: Readonly<Record<string, Digest>>;
  readonly env: Readonly<Record<string, string>>;
  /** About links that were passed by, for whoever wonders why. */
  readonly passedLinks: readonly string[];
  /** App variables that the plugin looks up itself, then and while it runs. */
  readonly lookedUp: Set<string>;
}

export type Prepared =
  | { readonly type: 'action'; readonly action: Action }
  | { readonly type: 'skipped' }
  | { readonly type: 'blocked'; readonly by: readonly NodeId[] }
  | { readonly type: 'failed'; readonly failure: Failure };

/** Every dependency has a state in `run.states`. */
export async function prepareNode(run: RunState, index: number): Promise<Prepared> {
  const node = run.pipeline.nodes[index]!;
  const by = node.dependencies.filter((id) => STOPS.has(run.states.get(id)!.outcome));
  if (by.length > 0) return { type: 'blocked', by };
  if (node.when !== undefined) {
    const holds = await run.evaluateWhen(node);
    if (!holds.ok) return { type: 'failed', failure: holds.failure };
    if (!holds.value) return { type: 'skipped' };
  }
  const plugin = await run.plugin(node.kind);
  const inputs = resolveInputs(run, node);
  run.files.beginLooks(index);
  const lookedUp = new Set<string>();
  const met: MetLinks = { read: [], lookedFor: [] };
  const view = viewReader(run.files, index, run.surroundings, lookedUp, met);
  const { timeoutMs } = node;
  const read = await plugin.reads({ config: node.config as never, inputs: inputs.values as never }, view, {
    node: node.id,
    signal: run.request.signal,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  });
  const unusable = linkInTheWay(run, met, read);
  if (unusable !== undefined) return { type: 'failed', failure: unusable };
  if (!read.ok) return { type: 'failed', failure: read.failure };
  const reads = read.value;

  const treeLayers = await run.layersOf(inputs.trees);
  if (!treeLayers.ok) return { type: 'failed', failure: treeLayers.failure };
  const searchPaths = searchPathsOf(run, plugin);
  const patterns = [...(reads.files ?? []), ...searchPathFiles(searchPaths)];
  const selected = await selectFiles(run, index, patterns, treeLayers.value);
  if (!selected.ok) return { type: 'failed', failure: selected.failure };
  const tools: Record<string, Digest> = {};
  for (const [port, value] of Object.entries(inputs.tools)) {
    const layers = await run.layersOf([value]);
    if (!layers.ok) return { type: 'failed', failure: layers.failure };
    tools[port] = run.rootOf(layers.value);
  }

  const ownTree = buildTree(selected.value.entries, run.table).root;
  const viewRoot =
    treeLayers.value.length === 0 ? ownTree : mergeDirectories(run.table, run.rootOf(treeLayers.value), ownTree);
  const env = environmentOf(run, node, reads, searchPaths);
  const isPure = plugin.manifest.pure === true || reads.pure === true;
  const code = run.kinds.get(node.kind)?.codeDigest;
  const keyedEnv = withoutCredentials(env);
  const secrets = keyedSecrets(run, node);
  // What the key leaves out may be in the result all the same, so that then belongs to the app.
  const holdsUnkeyed =
    Object.values(secrets).some(({ isSet }) => isSet) ||
    [node.config, inputs.plain, reads.facts ?? null, env].some((value) => withoutCredentials(value) !== value);
  const record: KeyRecord = {
    format: KEY_FORMAT,
    kind: node.kind,
    revision: plugin.manifest.revision,
    ...(code === undefined ? {} : { code }),
    config: withoutCredentials(node.config),
    values: withoutCredentials(inputs.plain),
    facts: withoutCredentials(reads.facts ?? null),
    env: withDigests(keyedEnv, reads.env ?? [], node.env),
    secrets,
    platform: run.platform,
    files: selected.value.digests,
    exists: Object.fromEntries((reads.exists ?? []).map((path) => [path, view.exists(path)])),
    trees: Object.fromEntries(Object.entries(inputs.treePorts).map(([port, value]) => [port, splitTree(value)])),
    tools: Object.fromEntries(Object.entries(inputs.tools).map(([port, value]) => [port, splitTree(value)])),
    scope: reads.scope === 'app' || holdsUnkeyed ? run.appId : '',
  };
  const key = actionKey({ record, env: keyedEnv, app: viewRoot, tools });
  const action: Action = {
    index,
    node,
    plugin,
    inputs: inputs.values,
    reads,
    isPure,
    // Kept beside the result, and shown.
    record: run.secrets.maskValue(record),
    key,
    viewRoot,
    treeLayers: treeLayers.value,
    sources: selected.value.sources,
    viewBytes: treeLayers.value.reduce((sum, { bytes }) => sum + bytes, selected.value.bytes),
    tools,
    env,
    passedLinks: [...new Set([...met.lookedFor, ...selected.value.passed].map(linkNotice))],
    lookedUp,
  };
  return { type: 'action', action };
}

interface ResolvedInputs {
  /** What the plugin gets. */
  readonly values: JSONObject;
  /** The part that enters the key verbatim. */
  readonly plain: JSONObject;
  readonly treePorts: Readonly<Record<string, string>>;
  /** All tree values, tool trees not among them. */
  readonly trees: readonly string[];
  readonly tools: Readonly<Record<string, string>>;
}

function resolveInputs(run: RunState, node: CheckedNode): ResolvedInputs {
  const formats = run.inputFormats(node.kind);
  const values: Record<string, JSONValue> = {};
  const plain: Record<string, JSONValue> = {};
  const treePorts: Record<string, string> = {};
  const tools: Record<string, string> = {};
  for (const [port, references] of Object.entries(node.inputs)) {
    const value = Array.isArray(references)
      ? references.map((reference) => valueOf(run, reference)).filter((item) => item !== undefined)
      : valueOf(run, references as Reference);
    if (value === undefined) continue;
    values[port] = value;
    const format = formats.get(port);
    if (format === 'output-tree') treePorts[port] = Array.isArray(value) ? value.join(',') : String(value);
    else if (format === 'tool-tree') tools[port] = String(value);
    else plain[port] = value;
  }
  return { values, plain, treePorts, trees: Object.values(treePorts), tools };
}

function valueOf(run: RunState, { node, port }: Reference): JSONValue | undefined {
  const state = run.states.get(node)!;
  return state.outcome === 'skipped' ? undefined : state.outputs[port];
}

/** A file that the plugin wanted is behind a link that cannot be followed. */
function linkInTheWay(
  run: RunState,
  { read, lookedFor }: MetLinks,
  reads: Result<Reads, Failure>,
): Failure | undefined {
  const isOfApp = !reads.ok && reads.failure.blame === 'app';
  const problem: LinkProblem | undefined = read[0] ?? (isOfApp ? lookedFor[0] : undefined);
  if (problem === undefined) return undefined;
  return linkFailure(problem, run.request.appDir, reads.ok ? undefined : reads.failure);
}

/** The files that `patterns` name and what links among them lead to, but for what the tree layers bring anyway. */
async function selectFiles(run: RunState, index: number, patterns: readonly string[], treeLayers: readonly Layer[]) {
  const brought = new Set(treeLayers.map((layer) => run.writerOf(layer.digest)));
  const entries: [string, NewEntry][] = [];
  const digests: Record<string, string> = {};
  const sources = new Map<Digest, string>();
  let bytes = 0;
  const { paths, passed, problem } = selectPaths(run.files, index, patterns);
  if (problem !== undefined) return fail(linkFailure(problem, run.request.appDir));
  for (const path of paths) {
    const { writer, entry } = run.files.winner(index, path)!;
    if (brought.has(writer)) continue;
    if (entry.type === 'symlink') {
      entries.push([path, { target: entry.target }]);
      digests[path] = `-> ${entry.target}`;
    } else if (entry.type === 'file') {
      const digest = 'source' in entry ? await run.digestSource(path) : { ok: true as const, value: entry.digest };
      if (!digest.ok) return digest;
      if ('source' in entry) sources.set(digest.value, `${run.request.appDir}/${path}`);
      bytes += sizeOf(digest.value);
      const { executable, mode } = entry;
      entries.push([path, { digest: digest.value, executable, ...(mode === undefined ? {} : { mode }) }]);
      digests[path] = `${digest.value}${spellPermissions(entry)}`;
    }
  }
  for (const [path, mode] of foldersOf(run, index, entries)) {
    entries.push([path, { directory: true, mode }]);
    digests[`${path}/`] = `mode ${spellMode(mode)}`;
  }
  return succeed({ entries, digests, sources, bytes, passed });
}

/** The folders above the entries that are to have another mode than 0755. */
function foldersOf(
  run: RunState,
  index: number,
  entries: readonly (readonly [string, NewEntry])[],
): Map<string, number> {
  const found = new Map<string, number>();
  const seen = new Set<string>();
  for (const [path] of entries) {
    for (let slash = path.lastIndexOf('/'); slash > 0; slash = path.lastIndexOf('/', slash - 1)) {
      const folder = path.slice(0, slash);
      if (seen.has(folder)) break;
      seen.add(folder);
      const mode = run.files.folderMode(index, folder);
      if (mode !== undefined) found.set(folder, mode);
    }
  }
  return found;
}

function keyedSecrets(run: RunState, node: CheckedNode): Record<string, KeyedSecret> {
  const isSet = (name: string): boolean => run.surroundings.variables[name] !== undefined;
  return Object.fromEntries(node.secrets.map(({ name, ...rest }) => [name, { ...rest, isSet: isSet(name) }]));
}

/** Records are kept and shown, and a variable that is no declared secret may be one. */
function withDigests(
  env: Readonly<Record<string, string>>,
  fromApp: readonly string[],
  fromPipeline: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const digests = fromApp
    .filter((name) => env[name] !== undefined && fromPipeline[name] === undefined)
    .map((name) => [name, `sha256:${sha256Hex(`${name}=${env[name]}`)}`]);
  return digests.length === 0 ? env : { ...env, ...Object.fromEntries(digests) };
}

export const searchPathsOf = (run: RunState, plugin: AnyPlugin): SearchPaths =>
  plugin.manifest.buildsCode === true ? (run.request.searchPaths ?? {}) : {};

function environmentOf(
  run: RunState,
  node: CheckedNode,
  reads: Reads,
  searchPaths: SearchPaths,
): Readonly<Record<string, string>> {
  const env: Record<string, string> = { ...BASE_ENVIRONMENT, ...searchPathVariables(searchPaths) };
  for (const name of reads.env ?? []) {
    const value = run.surroundings.variables[name];
    if (value !== undefined) env[name] = value;
  }
  return { ...env, ...node.env };
}
