// The typed stream of everything that happens in a run, and its report. You may add types and fields freely; renaming
// or removing one needs a line in the changelog.

import type { JSONObject, JSONValue } from '../manifests/json-schema.js';
import type { NodeId } from '../manifests/pipeline/manifest.js';
import type { ActionKey } from './files/digest.js';
import type { Failure } from './failure.js';
import type { LogLine } from './store/store.js';

export type Outcome = 'executed' | 'restored' | 'up-to-date' | 'skipped' | 'failed' | 'blocked' | 'aborted';

/** `from` is absent if there was no value before, `to` if there is none now. Secrets are masked. */
interface FromTo<Value> {
  readonly from?: Value;
  readonly to?: Value;
}
export interface PackageChange extends FromTo<string> {
  readonly name: string;
}
/** One member of the union for each tag. */
type Tagged<Type extends string, Data = unknown> = Type extends string
  ? { readonly type: Type } & Readonly<Data>
  : never;

/**
 * How a node's key differs from an earlier one. `field` is a path in the value, such as `python.version`; empty for the
 * whole value.
 */
export type KeyDifference =
  | Tagged<'key-format-changed' | 'plugin-revised', { from: number; to: number }>
  | Tagged<'plugin-code-changed'>
  | Tagged<'kind-changed', { from: string; to: string }>
  | Tagged<'config-changed' | 'fact-changed', { field: string } & FromTo<JSONValue>>
  | Tagged<'input-changed', { port: string; field: string } & FromTo<JSONValue>>
  /** A version is empty when the app accepts any version. */
  | Tagged<'package-added' | 'package-removed', { name: string; version: string }>
  | Tagged<'package-changed', { name: string; from: string; to: string }>
  /** Values of variables are never shown. */
  | Tagged<'variable-added' | 'variable-removed' | 'variable-changed', { name: string }>
  /** The node now names the secret, or no longer does. */
  | Tagged<'secret-added' | 'secret-removed', { name: string }>
  /** The variable that holds the secret now exists, or no longer does. */
  | Tagged<'secret-set' | 'secret-unset', { name: string }>
  | Tagged<'secret-changed', { name: string; field: string } & FromTo<JSONValue>>
  | Tagged<'platform-changed', { name: string } & FromTo<string>>
  /**
   * The programs of the machine. A side is `name:NAME` if the operator named the builder, else a digest; absent if the
   * node did not depend on it. `packages` are those of the distribution that differ, as far as known.
   */
  | Tagged<'builder-changed', FromTo<string> & { packages: readonly PackageChange[] }>
  /** Paths are relative to the app; those of folders end in a slash. */
  | Tagged<'file-added' | 'file-removed' | 'file-changed', { path: string }>
  /** Modes are spelled like `0644`. */
  | Tagged<'file-mode-changed', { path: string; from: string; to: string }>
  /** A symbolic link; `from` and `to` are its targets. */
  | Tagged<'link-changed', { path: string; from: string; to: string }>
  /** Whether a path exists. `from` is absent if the node did not check the path before, `to` if it no longer does. */
  | Tagged<'presence-changed', { path: string } & FromTo<boolean>>
  /** `nodes` are the ids of the nodes that made the new layers; empty if unknown. */
  | Tagged<'layer-added' | 'layer-changed' | 'tool-added' | 'tool-changed', { port: string; nodes: readonly string[] }>
  | Tagged<'layer-removed' | 'layers-reordered' | 'tool-removed', { port: string }>
  /** Id of the only app that can use the result; empty if all apps can. */
  | Tagged<'scope-changed', { from: string; to: string }>
  /** The keys differ only in values that their records mask. */
  | Tagged<'hidden-value-changed'>;

/** Other reasons for a node's outcome. `at` and `evictedAt` are ISO 8601, UTC. */
export type Circumstance =
  | Tagged<'first-run' | 'new-node' | 'skipped-before' | 'refresh-requested' | 'side-effects' | 'never-cached'>
  /** Inputs changed, but the record to compare them with is gone. `evictedAt` is absent if the time is unknown. */
  | Tagged<'inputs-changed', { evictedAt?: string }>
  | Tagged<'evicted' | 'expired', { at: string }>
  | Tagged<'missing-from-cache' | 'bound-to-other-host'>
  /** The cache lost a file of the result, as this run found out. */
  | Tagged<'result-lost'>
  | Tagged<'needs-node', { node: string }>
  /** The outcomes in the two runs that `why` compares. */
  | Tagged<'outcome-changed', { from: Outcome; to: Outcome }>;

/** Why a node has its outcome, as data. `render/reasons.ts` turns it into a sentence. */
export type Reason = KeyDifference | Circumstance;

/**
 * Why the result of a node stays on this machine, as data. `derived`: it was made from what `node` made with variables of the app or
 * with secrets.
 */
export type Unshared =
  | Tagged<'app' | 'secrets' | 'variables' | 'degraded'>
  | Tagged<'derived', { node: string; cause: 'variables' | 'secrets' }>;

export interface NodeReport {
  readonly kind: string;
  readonly outcome: Outcome;
  readonly key?: ActionKey;
  readonly reasons: readonly Reason[];
  /** ISO 8601, UTC. Absent if the node never started. */
  readonly startedAt?: string;
  readonly durationMs: number;
  /** Number of attempts; absent if there was only one. */
  readonly attempts?: number;
  /** Duration of the execution that made the result, in milliseconds: the time saved by `restored` and `up-to-date`. */
  readonly savedMs?: number;
  /** Where the result came from, if not from this machine's cache. */
  readonly restoredFrom?: 'remote';
  /** Where the node ran, if not on this machine. */
  readonly executedOn?: 'remote';
  /** Absent if other machines may get the result, or if the run shares none. */
  readonly unshared?: Unshared;
  readonly outputs?: JSONObject;
  readonly layer?: { readonly digest: string; readonly files: number; readonly bytes: number };
  readonly degraded?: string;
  readonly failure?: Failure;
}

/** The number is raised when fields are renamed or removed, and for a new type of reason. 2: reasons are tagged objects. 3: `builder-changed`. */
export const REPORT_SCHEMA = 'pyflow.report/3';

export type RunStatus = 'succeeded' | 'failed' | 'aborted';

/** `pyflow.report/3`, a public format. */
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
  /** `--only` or `--until` chose some of the nodes, so no slug was written. */
  readonly partial?: true;
  readonly nodes: Readonly<Record<string, NodeReport>>;
  readonly buildData: JSONObject;
  readonly slug?: {
    readonly path: string;
    readonly digest: string;
    readonly files: number;
    readonly bytes: number;
    /** Time spent writing it; absent if the folder already held all of it. */
    readonly durationMs?: number;
  };
  /** What `--output` asked for, in that order. Absent if it asked for nothing, or no slug was written. */
  readonly outputs?: readonly OutputReport[];
  /** How commands were isolated from the machine; absent if no node ran. `reason` says why the mode is `none`. */
  readonly sandbox?: { readonly mode: 'namespaces' | 'none'; readonly reason?: string };
  /** What the run did with the remote cache. Absent without one, and in a run that was up to date. */
  readonly remote?: RemoteReport;
  readonly failure?: Failure;
}

/** A form of the finished app that the run wrote besides the slug. */
export interface OutputReport {
  readonly form: 'dir' | 'tar' | 'oci';
  readonly path: string;
  /** `sha256:HEX`: of the file, or of the manifest of the first image. For a folder, the digest of the slug. */
  readonly digest: string;
  /** Of the files of the folder, of the file, or of the blobs of the images. */
  readonly bytes: number;
  /** Of an image layout: the blobs that were not there before. */
  readonly newBlobs?: { readonly count: number; readonly bytes: number };
  /** Of an image layout: one image for each process type. */
  readonly images?: readonly { readonly name: string; readonly digest: string }[];
  /** Time spent writing it; absent if all of it was there. */
  readonly durationMs?: number;
}

export interface RemoteReport {
  /** Address of the server. */
  readonly url: string;
  /** Nodes whose results the server had, and had not. */
  readonly hits: number;
  readonly misses: number;
  /** Results that were uploaded, and those for which there was no time or that the server refused. */
  readonly uploaded: number;
  readonly notUploaded: number;
  readonly calls: number;
  /** The longest chain of calls that each began after another had ended. */
  readonly roundTrips: number;
  readonly bytesDown: number;
  readonly bytesUp: number;
  /** Duration of the executions that made the restored results, in milliseconds. */
  readonly savedMs: number;
  /** What the run gave up using, after trouble with the server. */
  readonly off?: 'all' | 'writing';
}

/** Something that happened. `at`: milliseconds since the run started. */
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
        /** Number of the next attempt, from 2 on. */
        readonly attempt: number;
        /** Maximum number of attempts. */
        readonly attempts: number;
        readonly delayMs: number;
        /** Why the previous attempt failed. */
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
    | ({ readonly type: 'output-written' } & OutputReport)
    | { readonly type: 'run-finished'; readonly report: RunReport }
  );

/** Distributes over the union, so that each event keeps its fields. */
type WithoutTime<E> = E extends unknown ? Omit<E, 'at'> : never;

export interface EventSink {
  emit(event: WithoutTime<Event>): void;
}
