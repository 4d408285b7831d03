// A pipeline file after all checks, as typed data. Frozen plain JSON, so a checked pipeline can be stored and loaded again.

import type { JSONObject } from '../json-schema.js';
import type { Diagnostic } from './diagnostic.js';

declare const nodeIdBrand: unique symbol;
export type NodeId = string & { readonly [nodeIdBrand]: true };

/** `producer.port` */
export interface Reference {
  readonly node: NodeId;
  readonly port: string;
}

/** Limits for the node's commands: bytes, and a number of processes. Not part of any key. */
export interface NodeLimits {
  readonly memory?: number;
  readonly processes?: number;
  readonly disk?: number;
}

/** What can trigger a retry: a failure of the environment, the node's timeout, or the exit status of a command. */
export type RetryCause = 'environment' | 'timeout' | 'exit';

export type CachePolicy = 'auto' | 'never' | { readonly maxAgeMs: number };

export interface Secret {
  readonly name: string;
  readonly label: string;
  /** The node's results may contain the value. */
  readonly mayStore?: true;
}

/** A node after all checks, with params and the defaults of the config's schema filled in. */
export interface CheckedNode {
  readonly id: NodeId;
  readonly kind: string;
  readonly config: JSONObject;
  /** Port -> one reference, or a list of them where the port accepts an array. */
  readonly inputs: Readonly<Record<string, Reference | readonly Reference[]>>;
  /** Input ports whose producers may be skipped, so that the value may be absent. */
  readonly optionalInputs: readonly string[];
  readonly after: readonly NodeId[];
  /** CEL source. The nodes it reads are also in `dependencies`. */
  readonly when?: string;
  /** The references that `when` reads. */
  readonly whenReads: readonly Reference[];
  /** Every node that this one waits for (inputs, after, when), without duplicates, in file order. */
  readonly dependencies: readonly NodeId[];
  /** Patterns in app coordinates with the config filled in. */
  readonly writes: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** App variables passed as secrets: masked, never in a key. The label stands for the value's version in the key. */
  readonly secrets: readonly Secret[];
  readonly cache: CachePolicy;
  readonly retries: number;
  /** As named by the node. Default: `environment`, and `timeout` with the network; none for a kind with side effects. */
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
  /** Topological order, ties in file order. Layers enter the slug in this order. */
  readonly nodes: readonly CheckedNode[];
  /** Problems that don't stop a run. */
  readonly warnings: readonly Diagnostic[];
}

/** `run.*` in templates and CEL. */
export interface RunFacts {
  /** `build`, or `test` under `--test`. */
  readonly mode: 'build' | 'test';
  readonly os: string;
  readonly arch: string;
}
