// Encodes an action as canonical REAPI messages. The digest of the Action message is the key.

import { canonicalJSON, type JSONObject } from '../../manifests/json-schema.js';
import { digestOf, type ActionKey, type Digest } from '../files/digest.js';
import type { KeyRecord } from '../store/store.js';
import { OUTPUT_PATHS } from '../trees/output-paths.js';
import { encodeAction, encodeCommand, encodeDirectory } from '../trees/reapi.js';
import type { Directory } from '../trees/tree.js';

/**
 * Raise it when a change affects what a key covers or how a result is stored. History:
 *
 * 1. The first format.
 * 2. Any worker can run the action: no working directory, one output path for each part of a result, platform names of
 *    REAPI's lexicon, the network as a property, the builder. The digest of a layer doesn't cover the order of its
 *    directories.
 */
export const KEY_FORMAT = 2;

/**
 * Version of the protocol between pyflow and the plugin. Not pyflow's version, because a release must not change every
 * key.
 */
export const RUNNER_PROTOCOL = '1';
const ARGUMENTS = ['pyflow-node', RUNNER_PROTOCOL] as const;

export interface InputRoot {
  readonly record: KeyRecord;
  /** Environment with the real values; the record has digests of some. */
  readonly env: KeyRecord['env'];
  /** Root directory of the view. */
  readonly app: Digest;
  /** Root directories of tool trees, by the name under which they are mounted. */
  readonly tools: Readonly<Record<string, Digest>>;
}

/** How a server's action differs from the local one, whose key it then doesn't have. */
export interface ActionVariant {
  /** The only builder that can use the result. Locally the result says so, and several lie under one key. */
  readonly builder?: string;
  /** Name of the part of a shared cache that the action belongs to. */
  readonly branch?: string;
  /** Further properties that a worker must have. */
  readonly platform?: Readonly<Record<string, string>>;
}

/** An action as another machine needs it. */
export interface ActionMessages {
  /** Digest of the Action message. */
  readonly key: ActionKey;
  /** The Action, its Command, spec.json, the input root and the folder of tools. The directories below are in the run's table. */
  readonly blobs: ReadonlyMap<Digest, Buffer>;
}

export function actionMessages(
  { record, env, app, tools }: InputRoot,
  { builder, branch, platform }: ActionVariant = {},
): ActionMessages {
  const blobs = new Map<Digest, Buffer>();
  const add = (bytes: Buffer): Digest => {
    const digest = digestOf(bytes);
    blobs.set(digest, bytes);
    return digest;
  };
  const command = encodeCommand({
    arguments: ARGUMENTS,
    environment: toProperties(env),
    outputPaths: Object.values(OUTPUT_PATHS),
  });
  const names = Object.keys(tools).sort();
  const toolRoot = directoryOf(names.map((name) => ({ name, digest: tools[name]! })));
  const spec = add(Buffer.from(canonicalJSON(specOf(builder === undefined ? record : { ...record, builder }))));
  const inputRoot: Directory = {
    ...directoryOf([
      { name: 'app', digest: app },
      ...(names.length === 0 ? [] : [{ name: 'tools', digest: add(encodeDirectory(toolRoot)) }]),
    ]),
    files: [{ name: 'spec.json', digest: spec, executable: false }],
  };
  const action = encodeAction({
    command: add(command),
    inputRoot: add(encodeDirectory(inputRoot)),
    salt: Buffer.from([record.format, record.scope, ...(branch === undefined ? [] : [branch])].join('\n')),
    platform: toProperties({ ...platform, ...record.platform, 'pyflow-runner': RUNNER_PROTOCOL }),
  });
  return { key: add(action) as ActionKey, blobs };
}

/** The part of the key that is neither a file nor a variable. */
function specOf(record: KeyRecord): JSONObject {
  // Destructured, so that a new field of the record that is not in the key does not compile.
  const {
    kind,
    revision,
    code,
    config,
    values,
    facts,
    secrets,
    exists,
    builder,
    format: _inTheSalt,
    scope: _inTheSaltToo,
    env: _inTheCommand,
    platform: _inTheAction,
    files: _inTheView,
    trees: _belowTheView,
    tools: _besideTheView,
    ...rest
  } = record;
  rest satisfies Record<string, never>;
  const some = { ...(code === undefined ? {} : { code }), ...(builder === undefined ? {} : { builder }) };
  return { kind, revision, ...some, config, values, facts, secrets, exists };
}

const toProperties = (values: Readonly<Record<string, string>>) =>
  Object.entries(values).map(([name, value]) => ({ name, value }));

const directoryOf = (directories: Directory['directories']): Directory => ({ files: [], directories, symlinks: [] });
