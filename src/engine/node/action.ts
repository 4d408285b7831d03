// Makes an action: a node whose inputs are all known, with its key and the record that the key is made from.

import type { JSONObject } from '../../manifests/json-schema.js';
import type { CheckedNode } from '../../manifests/pipeline/manifest.js';
import { BASE_ENVIRONMENT } from '../app/base-environment.js';
import { linkNotice, type LinkProblem } from '../app/links.js';
import { searchPathVariables, type SearchPaths } from '../app/search-paths.js';
import type { MetLinks } from '../app/view.js';
import { sha256Hex, type ActionKey, type Digest } from '../files/digest.js';
import type { Taint } from '../run/node-end.js';
import { parsePackagesMode } from '../packages/mode.js';
import type { Run } from '../run/run.js';
import { inheritedTaint } from '../run/taint.js';
import type { AnyPlugin, Reads, ViewReader } from '../sdk.js';
import { withoutCredentials } from '../secrets/credentials.js';
import type { KeyedSecret, KeyRecord } from '../store/store.js';
import type { NewEntry } from '../trees/directories.js';
import { splitTree, type Layer } from '../trees/tree.js';
import type { ResolvedInputs } from './inputs.js';
import { actionMessages, KEY_FORMAT, type ActionMessages, type ActionVariant, type InputRoot } from './key.js';

/** A node whose inputs are all known. */
export interface Action {
  readonly index: number;
  readonly node: CheckedNode;
  readonly plugin: AnyPlugin;
  /** Values by port. Tree ports are spelled as in `Done.outputs`. */
  readonly inputs: JSONObject;
  readonly reads: Reads;
  readonly isPure: boolean;
  readonly record: KeyRecord;
  readonly key: ActionKey;
  /** The action as a server knows it. Made anew by each call, because local runs don't need it. */
  readonly messages: (variant?: ActionVariant) => ActionMessages;
  /** Root directory of the view; its directories are in the run's table. */
  readonly viewRoot: Digest;
  /** Layers of the tree inputs in plan order. */
  readonly treeLayers: readonly Layer[];
  /** Absolute paths of the selected files of the source, by digest. The store does not hold them. */
  readonly sources: ReadonlyMap<Digest, string>;
  readonly viewBytes: number;
  /** Root directory of each tool, by input port. */
  readonly tools: Readonly<Record<string, Digest>>;
  readonly env: Readonly<Record<string, string>>;
  /** Notices about links that pyflow doesn't follow. */
  readonly passedLinks: readonly string[];
  /** The key leaves out a secret or login that the node has, so only this app can use the result. */
  readonly holdsUnkeyed: boolean;
  /** The node sees what was made from app variables or secrets. Absent if it does not. */
  readonly inherited?: Taint;
  /** Names of app variables that the plugin has looked up in the view. Grows while it runs. */
  readonly lookedUp: Set<string>;
}

/** The plugin's answer to `reads`, and what it looked up for it. */
export interface Asked {
  readonly plugin: AnyPlugin;
  readonly reads: Reads;
  readonly view: ViewReader;
  readonly met: MetLinks;
  readonly lookedUp: Set<string>;
}

export interface SelectedFiles {
  readonly entries: readonly (readonly [string, NewEntry])[];
  /** Digest and permissions, or link target, by path, as the key record spells them. */
  readonly digests: Readonly<Record<string, string>>;
  readonly sources: ReadonlyMap<Digest, string>;
  readonly bytes: number;
  /** Links that are broken or point outside the app. */
  readonly passed: readonly LinkProblem[];
}

/** What the node will see: the layers of its tree inputs, the files that it reads, its tools. */
export interface SelectedView {
  readonly treeLayers: readonly Layer[];
  readonly files: SelectedFiles;
  readonly tools: Readonly<Record<string, Digest>>;
  readonly root: Digest;
}

export function makeAction(run: Run, index: number, inputs: ResolvedInputs, asked: Asked, view: SelectedView): Action {
  const node = run.pipeline.nodes[index]!;
  const { plugin, reads, met, lookedUp } = asked;
  const { treeLayers, files, tools, root } = view;
  const env = environmentOf(run, node, reads, searchPathsOf(run, plugin));
  const isPure = plugin.manifest.pure === true || reads.pure === true;
  const secrets = keyedSecrets(run, node);
  // The result can contain a value that the key leaves out, and then only this app may use it.
  const holdsUnkeyed =
    Object.values(secrets).some(({ isSet }) => isSet) ||
    [node.config, inputs.plain, reads.facts ?? null, env].some((value) => withoutCredentials(value) !== value);
  const record = keyRecord(run, index, inputs, { ...asked, env, files, isPure, secrets, holdsUnkeyed });
  const inherited = inheritedTaint(run, index);
  const inputRoot: InputRoot = { record, env: withoutCredentials(env), app: root, tools };
  return {
    index,
    node,
    plugin,
    inputs: inputs.values,
    reads,
    isPure,
    // The record is stored next to the result and shown to users, so secrets in it are masked.
    record: run.secrets.maskValue(record),
    key: actionMessages(inputRoot).key,
    messages: (variant) => actionMessages(inputRoot, variant),
    viewRoot: root,
    treeLayers,
    sources: files.sources,
    viewBytes: treeLayers.reduce((sum, { bytes }) => sum + bytes, files.bytes),
    tools,
    env,
    holdsUnkeyed,
    ...(inherited === undefined ? {} : { inherited }),
    passedLinks: [...new Set([...met.lookedFor, ...files.passed].map(linkNotice))],
    lookedUp,
  };
}

interface Keyed extends Asked {
  readonly env: Readonly<Record<string, string>>;
  readonly files: SelectedFiles;
  readonly isPure: boolean;
  readonly secrets: KeyRecord['secrets'];
  readonly holdsUnkeyed: boolean;
}

function keyRecord(
  run: Run,
  index: number,
  inputs: ResolvedInputs,
  { plugin, reads, view, env, files, isPure, secrets, holdsUnkeyed }: Keyed,
): KeyRecord {
  const node = run.pipeline.nodes[index]!;
  const code = run.kinds.get(node.kind)?.codeDigest;
  // Nobody knows which programs a plugin from outside starts.
  const usesBuilder = !isPure && (reads.usesBuilder === true || (plugin.manifest.usesBuilder ?? code !== undefined));
  const facts = reads.facts ?? null;
  return {
    format: KEY_FORMAT,
    kind: node.kind,
    revision: plugin.manifest.revision,
    ...(code === undefined ? {} : { code }),
    config: withoutCredentials(node.config),
    values: withoutCredentials(inputs.plain),
    facts: withoutCredentials(facts),
    env: withDigests(withoutCredentials(env), reads.env ?? [], node.env),
    secrets,
    platform: {
      ...run.platform,
      ...(node.network && { network: '1' }),
      // What an install finds then is another result.
      ...(plugin.manifest.buildsCode === true &&
        plugin.manifest.installsPackages === true &&
        seenAsOf(run.request.settings['PACKAGES'])),
    },
    files: files.digests,
    exists: Object.fromEntries((reads.exists ?? []).map((path) => [path, view.exists(path)])),
    ...(usesBuilder ? { builder: run.builder.id } : {}),
    trees: mapValues(inputs.treePorts, splitTree),
    tools: mapValues(inputs.tools, splitTree),
    scope: reads.scope === 'app' || holdsUnkeyed ? run.appId : '',
  };
}

function seenAsOf(setting: string | undefined): Readonly<Record<string, string>> {
  const mode = setting === undefined ? undefined : parsePackagesMode(setting);
  return mode?.ok === true && mode.value.type === 'as-of'
    ? { 'packages-as-of': new Date(mode.value.at).toISOString() }
    : {};
}

const mapValues = <A, B>(values: Readonly<Record<string, A>>, change: (value: A) => B): Record<string, B> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, change(value)]));

function keyedSecrets(run: Run, node: CheckedNode): Record<string, KeyedSecret> {
  const isSet = (name: string): boolean => run.surroundings.variables[name] !== undefined;
  return Object.fromEntries(node.secrets.map(({ name, ...rest }) => [name, { ...rest, isSet: isSet(name) }]));
}

/**
 * Replaces values of app variables with digests: records are stored and shown, and an undeclared variable can be a
 * secret.
 */
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

export const searchPathsOf = (run: Run, plugin: AnyPlugin): SearchPaths =>
  plugin.manifest.buildsCode === true ? (run.request.searchPaths ?? {}) : {};

function environmentOf(
  run: Run,
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
