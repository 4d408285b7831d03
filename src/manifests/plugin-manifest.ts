// What a plugin declares, as serializable data, so that the checks and stored plans need no plugin code.

import type { JSONSchema } from './json-schema.js';

export interface PluginManifest {
  readonly kind: string;
  /** Part of every action key. Raise it when existing action results are wrong. */
  readonly revision: number;
  /** One sentence, shown by `plugins ls` and in editors. */
  readonly description: string;
  readonly config: JSONSchema;
  readonly inputs: JSONSchema;
  readonly outputs: JSONSchema;
  /**
   * Patterns of the paths that a run may write, in app coordinates. `${config.NAME}` is replaced with the config's value.
   * An entry that is only the placeholder of an array stands for all its items.
   */
  readonly writes: readonly string[];
  /**
   * Patterns of the paths that `reads` will ask for, as far as the config says; spelled as in `writes`. With them, `check`
   * finds unordered nodes that write what this one reads.
   */
  readonly reads?: readonly string[];
  /** Computes only values: writes no files, starts no process, uses no network. `plan` runs it too. */
  readonly pure?: true;
  /** Runs in every build, because it has effects outside the slug. `reads` can declare this too, or that nothing needs doing. */
  readonly sideEffects?: true;
  /** Commands of this kind may use the network unless the node says otherwise. */
  readonly network?: true;
  /**
   * Builds the app or its packages. It sees what earlier buildpacks put into the app for builds, and finds it by PATH and
   * similar variables. It may write into folders of the app that it reads as a whole, because builds generate code there.
   */
  readonly buildsCode?: true;
  /**
   * Its commands are package managers. If the operator wants the package gateway, they use it, and the network of the node can be
   * closed. Only for shipped kinds.
   */
  readonly installsPackages?: true;
  /**
   * Runs programs of the machine that can change what it makes, so its keys contain the builder. Default: true for a plugin
   * from outside, false for a shipped kind. Never applies to a node that only computes values.
   */
  readonly usesBuilder?: boolean;
  /** The pool a node of this kind claims unless it names another. */
  readonly pool?: string;
  /** Milliseconds; a node's own `timeout` wins. */
  readonly timeoutMs?: number;
  /** Expected duration of a first run in milliseconds; orders the schedule until real durations are known. */
  readonly expectedMs?: number;
  /**
   * Name in the report's build data for the total seconds that nodes of this kind took. `${config.NAME}` is replaced with
   * the config's value, `${config.NAME:file}` with the part after its last slash.
   */
  readonly buildDataDuration?: string;
}

/** The name becomes part of file names and node names. */
export const isKindName = (text: string): boolean => text.length <= 60 && /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(text);

/** A manifest with the validators of its schemas. */
export interface KnownKind {
  readonly manifest: PluginManifest;
  readonly validateConfig: Validate;
  readonly validateInputs: Validate;
  readonly validateOutputs: Validate;
  /** Digest of the files of a plugin from outside; absent for shipped kinds. */
  readonly codeDigest?: string;
  /** Those files, with the SHA-256 of each. */
  readonly codeFiles?: ReadonlyMap<string, string>;
}

/** The shape of a compiled ajv validator. May fill defaults into `data`. */
export interface Validate {
  (data: unknown): boolean;
  errors?: readonly SchemaError[] | null;
}

export interface SchemaError {
  readonly instancePath: string;
  readonly schemaPath: string;
  readonly keyword: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly message?: string;
}
