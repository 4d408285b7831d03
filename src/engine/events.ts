// One typed stream tells everything that happened. Adding a type is free, renaming or removing goes into the changelog.

import type { JSONObject } from '../manifests/json-schema.js';
import type { NodeId } from '../manifests/pipeline/manifest.js';
import type { ActionKey } from './files/digest.js';
import type { Failure } from './failure.js';
import type { LogLine } from './store/store.js';

export type Outcome = 'executed' | 'restored' | 'up-to-date' | 'skipped' | 'failed' | 'blocked' | 'aborted';

/** Why a node has the outcome it has. `what` names a field: `file requirements.txt`, `config timeout`, `evicted`. */
export interface Reason {
  readonly what: string;
  readonly from?: string;
  readonly to?: string;
  /** Whose layer changed, where `what` names a port for trees. */
  readonly nodes?: readonly string[];
}

export interface NodeReport {
  readonly kind: string;
  readonly outcome: Outcome;
  readonly key?: ActionKey;
  readonly reasons: readonly Reason[];
  /** ISO 8601, UTC. Absent when the node never started. */
  readonly startedAt?: string;
  readonly durationMs: number;
  /** How often it was tried; absent when once. */
  readonly attempts?: number;
  /** What the result took when it was made; with `restored` and `up-to-date` the time saved. */
  readonly savedMs?: number;
  readonly outputs?: JSONObject;
  readonly layer?: { readonly digest: string; readonly files: number; readonly bytes: number };
  readonly degraded?: string;
  readonly failure?: Failure;
}

export type RunStatus = 'succeeded' | 'failed' | 'aborted';

/** `pyflow.report/1`: public. */
export interface RunReport {
  readonly schema: 'pyflow.report/1';
  readonly runId: string;
  readonly pipeline: string;
  readonly appId: string;
  readonly status: RunStatus;
  readonly exitCode: number;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly durationMs: number;
  /** `--only` or `--until` was given: no slug was written. */
  readonly partial?: true;
  readonly nodes: Readonly<Record<string, NodeReport>>;
  readonly buildData: JSONObject;
  readonly slug?: {
    readonly path: string;
    readonly digest: string;
    readonly files: number;
    readonly bytes: number;
    /** Of its writing; absent when all of it lay there already. */
    readonly durationMs?: number;
  };
  /** How the nodes that ran were kept apart from the machine; absent when none ran. */
  readonly sandbox?: { readonly mode: 'namespaces' | 'none'; readonly reason?: string };
  readonly failure?: Failure;
}

/** `at`: milliseconds since the run started. */
export type Event = Readonly<{ at: number }> &
  (
    | {
        readonly type: 'run-started';
        readonly runId: string;
        readonly pipeline: string;
        readonly appId: string;
        readonly nodes: readonly { readonly id: NodeId; readonly kind: string; readonly expectedMs: number }[];
      }
    | { readonly type: 'notice'; readonly code: string; readonly text: string; readonly node?: NodeId }
    | {
        readonly type: 'node-started';
        readonly node: NodeId;
        readonly kind: string;
        readonly key?: ActionKey;
        readonly reasons: readonly Reason[];
      }
    | ({ readonly type: 'node-printed'; readonly node: NodeId; readonly replayed: boolean } & Omit<LogLine, 'at'>)
    | {
        readonly type: 'node-progress';
        readonly node: NodeId;
        readonly what: string;
        readonly done: number;
        readonly total?: number;
        readonly unit: 'bytes' | 'items';
      }
    | {
        readonly type: 'node-retried';
        readonly node: NodeId;
        /** The number of the attempt that follows, from 2 on. */
        readonly attempt: number;
        /** At most so many in all. */
        readonly attempts: number;
        readonly delayMs: number;
        /** Of the attempt before. */
        readonly failure: Failure;
      }
    | { readonly type: 'node-finished'; readonly node: NodeId; readonly report: NodeReport }
    | {
        readonly type: 'slug-written';
        readonly path: string;
        readonly digest: string;
        readonly files: number;
        readonly bytes: number;
        readonly durationMs: number;
      }
    | { readonly type: 'run-finished'; readonly report: RunReport }
  );

/** Distributes over the union, so that each event keeps its own fields. */
type WithoutTime<E> = E extends unknown ? Omit<E, 'at'> : never;

export interface EventSink {
  emit(event: WithoutTime<Event>): void;
}
