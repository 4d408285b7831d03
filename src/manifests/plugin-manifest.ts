// What a plugin says of itself, as data: serializable, so that a compiled plan and the checks need no plugin code.

import type { JSONSchema } from './json-schema.js';

export interface PluginManifest {
  readonly kind: string;
  /** Part of every action key: raise it when old action results became wrong. */
  readonly revision: number;
  /** One sentence, shown by `plugins ls` and in editors. */
  readonly description: string;
  readonly config: JSONSchema;
  readonly inputs: JSONSchema;
  readonly outputs: JSONSchema;
  /**
   * Patterns in app coordinates of what a run may write. `${config.NAME}` is replaced by the config's value; an entry
   * that is nothing but the placeholder of an array stands for all its items.
   */
  readonly writes: readonly string[];
  /**
   * Patterns of what `reads` asks for as far as the config tells, spelled as in `writes`: `check` finds nodes that write the same
   * and are in no order with this one.
   */
  readonly reads?: readonly string[];
  /** Only values: no files written, no subprocess, no network. Evaluated by `plan` too. */
  readonly pure?: true;
  /** Runs in every build, for what it does elsewhere. Said by `reads` as well, which may see that there is nothing to do. */
  readonly sideEffects?: true;
  /** Commands of this kind may use the network unless the node says otherwise. */
  readonly network?: true;
  /**
   * Runs builds of the app or of its packages: sees what buildpacks before this one put into the app for that, and finds
   * it by PATH and its like. May write into folders of the app that it reads whole, where builds generate code.
   */
  readonly buildsCode?: true;
  /** The pool a node of this kind claims unless it names another. */
  readonly pool?: string;
  /** Milliseconds; a node's own `timeout` wins. */
  readonly timeoutMs?: number;
  /** Milliseconds a first run is expected to take; orders the schedule until real durations are known. */
  readonly expectedMs?: number;
  /**
   * The report's build data tells under this name how many seconds nodes of this kind took, added up. `${config.NAME}` is
   * replaced by the config's value, `${config.NAME:file}` by what comes after its last slash.
   */
  readonly buildDataDuration?: string;
}

/** A manifest with the validators of its schemas, as the checks use it. */
export interface KnownKind {
  readonly manifest: PluginManifest;
  readonly validateConfig: Validate;
  readonly validateInputs: Validate;
  readonly validateOutputs: Validate;
  /** Digest of the files of a plugin from outside; absent for the kinds shipped with pyflow. */
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
