// A pipeline file after all checks, as typed data. Frozen plain JSON, so that a checked pipeline can be stored and loaded
// again.

import type { JSONObject } from '../json-schema.js';
import type { Diagnostic } from './diagnostic.js';

declare const nodeIdBrand: unique symbol;
export type NodeId = string & { readonly [nodeIdBrand]: true };

/** `producer.port` */
export interface Reference {
  readonly node: NodeId;
  readonly port: string;
}

/** What its commands may take at most: bytes, and a number of processes. In no key. */
export interface NodeLimits {
  readonly memory?: number;
  readonly processes?: number;
  readonly disk?: number;
}

/** What a further attempt may follow: a failure that it may help, the node's timeout, a command's own status. */
export type RetryCause = 'environment' | 'timeout' | 'exit';

export type CachePolicy = 'auto' | 'never' | { readonly maxAgeMs: number };

export interface Secret {
  readonly name: string;
  readonly label: string;
  /** What the node leaves may hold the value. */
  readonly mayStore?: true;
}

/** A node after all checks. Everything is resolved: params are filled in, defaults of the config's schema too. */
export interface CheckedNode {
  readonly id: NodeId;
  readonly kind: string;
  readonly config: JSONObject;
  /** Port -> one reference, or a list of them where the port takes an array. */
  readonly inputs: Readonly<Record<string, Reference | readonly Reference[]>>;
  /** Input ports whose producers may be skipped, so that the value may be absent. */
  readonly optionalInputs: readonly string[];
  readonly after: readonly NodeId[];
  /** CEL source; its references also stand in `dependencies`. */
  readonly when?: string;
  /** The references that `when` reads. */
  readonly whenReads: readonly Reference[];
  /** Every node this one waits for (inputs, after, when): ids, without doubles, in file order. */
  readonly dependencies: readonly NodeId[];
  /** Patterns in app coordinates with the config filled in. */
  readonly writes: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Names of app variables passed as secrets: masked, never in a key; the label stands for the value's version. */
  readonly secrets: readonly Secret[];
  readonly cache: CachePolicy;
  readonly retries: number;
  /** As the node names them; without names `environment` and, with the network, `timeout`, and none after side effects. */
  readonly retryOn?: readonly RetryCause[];
  readonly timeoutMs?: number;
  readonly limits?: NodeLimits;
  readonly pool?: string;
  readonly network: boolean;
  readonly description?: string;
}

export interface CheckedPipeline {
  readonly name: string;
  readonly params: JSONObject;
  readonly pools: Readonly<Record<string, number>>;
  /** Topological order, ties by position in the file: the order in which layers enter the slug. */
  readonly nodes: readonly CheckedNode[];
  /** Problems that do not stop a run. */
  readonly warnings: readonly Diagnostic[];
}

/** `run.*` in templates and CEL. */
export interface RunFacts {
  /** `build`, or `test` under `--test`. */
  readonly mode: 'build' | 'test';
  readonly os: string;
  readonly arch: string;
}
