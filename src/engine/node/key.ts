// Encodes an action as canonical REAPI messages. The digest of the Action message is the key.

import { canonicalJSON, type JSONObject } from '../../manifests/json-schema.js';
import { digestOf, type ActionKey, type Digest } from '../files/digest.js';
import { encodeAction, encodeCommand, encodeDirectory } from '../trees/reapi.js';
import type { KeyRecord } from '../store/store.js';
import type { Directory } from '../trees/tree.js';

/** Raise it when a change affects what a key covers or how a result is stored. History: 1: first format. */
export const KEY_FORMAT = 1;

/**
 * Version of the protocol between pyflow and the plugin. Not pyflow's version, because a release must not change every
 * key.
 */
const RUNNER_PROTOCOL = '1';
const ARGUMENTS = ['pyflow-node', RUNNER_PROTOCOL] as const;
const OUTPUT_PATHS = ['out'] as const;

export interface InputRoot {
  readonly record: KeyRecord;
  /** Environment with the real values; the record has digests of some. */
  readonly env: KeyRecord['env'];
  /** Root directory of the view. */
  readonly app: Digest;
  /** Root directories of tool trees, by the name under which they are mounted. */
  readonly tools: Readonly<Record<string, Digest>>;
}

export function actionKey({ record, env, app, tools }: InputRoot): ActionKey {
  // Destructured, so that a new field of the record that is not in the key does not compile.
  const {
    format,
    kind,
    revision,
    code,
    config,
    values,
    facts,
    env: _withDigests,
    secrets,
    platform,
    exists,
    scope,
    files: _inTheView,
    trees: _belowTheView,
    tools: _besideTheView,
    ...rest
  } = record;
  rest satisfies Record<string, never>;
  const spec: JSONObject = {
    kind,
    revision,
    ...(code === undefined ? {} : { code }),
    config,
    values,
    facts,
    secrets,
    exists,
  };
  const specDigest = digestOf(canonicalJSON(spec));
  const command = encodeCommand({
    arguments: ARGUMENTS,
    environment: toProperties(env),
    outputPaths: OUTPUT_PATHS,
    workingDirectory: 'app',
  });
  const action = encodeAction({
    command: digestOf(command),
    inputRoot: digestOf(encodeDirectory(inputRoot(app, tools, specDigest))),
    salt: Buffer.from(`${format}\n${scope}`),
    platform: toProperties({ ...platform, 'pyflow-runner': RUNNER_PROTOCOL }),
  });
  return digestOf(action) as ActionKey;
}

const toProperties = (values: Readonly<Record<string, string>>) =>
  Object.entries(values).map(([name, value]) => ({ name, value }));

function inputRoot(app: Digest, tools: Readonly<Record<string, Digest>>, spec: Digest): Directory {
  const names = Object.keys(tools).sort();
  const toolRoot: Directory = {
    files: [],
    directories: names.map((name) => ({ name, digest: tools[name]! })),
    symlinks: [],
  };
  return {
    files: [{ name: 'spec.json', digest: spec, executable: false }],
    directories: [
      { name: 'app', digest: app },
      ...(names.length === 0 ? [] : [{ name: 'tools', digest: digestOf(encodeDirectory(toolRoot)) }]),
    ],
    symlinks: [],
  };
}
