// One typed stream tells everything that happened. Adding a type is free, renaming or removing goes into the changelog.

import type { JSONObject, JSONValue } from '../manifests/json-schema.js';
import type { NodeId } from '../manifests/pipeline/manifest.js';
import type { ActionKey } from './files/digest.js';
import type { Failure } from './failure.js';
import type { LogLine } from './store/store.js';

export type Outcome = 'executed' | 'restored' | 'up-to-date' | 'skipped' | 'failed' | 'blocked' | 'aborted';

/** Present when there was a value before, and when there is one now. Secrets are masked. */
interface FromTo<Value> {
  readonly from?: Value;
  readonly to?: Value;
}
/** One member of the union for each tag. */
type Tagged<Type extends string, Data = unknown> = Type extends string
  ? { readonly type: Type } & Readonly<Data>
  : never;

/** How a node's key differs from an earlier one. `field` is a path in a value such as `python.version`; empty for all of it. */
export type KeyDifference =
  | Tagged<'key-format-changed' | 'plugin-revised', { from: number; to: number }>
  | Tagged<'plugin-code-changed'>
  | Tagged<'kind-changed', { from: string; to: string }>
  | Tagged<'config-changed' | 'fact-changed', { field: string } & FromTo<JSONValue>>
  | Tagged<'input-changed', { port: string; field: string } & FromTo<JSONValue>>
  /** A version is empty when the app asks for any. */
  | Tagged<'package-added' | 'package-removed', { name: string; version: string }>
  | Tagged<'package-changed', { name: string; from: string; to: string }>
  /** Values of variables are never shown. */
  | Tagged<'variable-added' | 'variable-removed' | 'variable-changed', { name: string }>
  /** The node names the secret, or no longer names it. */
  | Tagged<'secret-added' | 'secret-removed', { name: string }>
  /** The variable that holds the secret exists now, or no longer exists. */
  | Tagged<'secret-set' | 'secret-unset', { name: string }>
  | Tagged<'secret-changed', { name: string; field: string } & FromTo<JSONValue>>
  | Tagged<'platform-changed', { name: string } & FromTo<string>>
  /** Paths are relative to the app; those of folders end in a slash. */
  | Tagged<'file-added' | 'file-removed' | 'file-changed', { path: string }>
  /** Modes as in `0644`. */
  | Tagged<'file-mode-changed', { path: string; from: string; to: string }>
  /** A symbolic link and its targets. */
  | Tagged<'link-changed', { path: string; from: string; to: string }>
  /** Whether a path exists. `from` is absent when the node did not ask before, `to` when it no longer asks. */
  | Tagged<'presence-changed', { path: string } & FromTo<boolean>>
  /** `nodes` made the new layers; empty when that is unknown. */
  | Tagged<'layer-added' | 'layer-changed' | 'tool-added' | 'tool-changed', { port: string; nodes: readonly string[] }>
  | Tagged<'layer-removed' | 'layers-reordered' | 'tool-removed', { port: string }>
  /** Id of the only app that may use the result; empty when all may. */
  | Tagged<'scope-changed', { from: string; to: string }>
  /** The keys differ only in what their records mask. */
  | Tagged<'hidden-value-changed'>;

/** What else decides a node's outcome. `at` and `evictedAt` are ISO 8601, UTC. */
export type Circumstance =
  | Tagged<'first-run' | 'new-node' | 'skipped-before' | 'refresh-requested' | 'side-effects' | 'never-cached'>
  /** Inputs changed, and the record to compare with is gone. */
  | Tagged<'inputs-changed', { evictedAt?: string }>
  | Tagged<'evicted' | 'expired', { at: string }>
  | Tagged<'missing-from-cache' | 'bound-to-other-host'>
  /** The cache lost a file of the result during the run. */
  | Tagged<'result-lost'>
  | Tagged<'needs-node', { node: string }>
  /** Of two runs that `why` compares. */
  | Tagged<'outcome-changed', { from: Outcome; to: Outcome }>;

/** Why a node has its outcome. Data only: `render/reasons.ts` turns it into a sentence. */
export type Reason = KeyDifference | Circumstance;

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

/** Raised when fields are renamed or removed. 2: reasons are tagged objects. */
export const REPORT_SCHEMA = 'pyflow.report/2';

export type RunStatus = 'succeeded' | 'failed' | 'aborted';

/** `pyflow.report/2`: public. */
export interface RunReport {
  readonly schema: typeof REPORT_SCHEMA;
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
