// How a node ends inside the engine. Control flow reads these types, never the words of a failure.

import type { JSONObject } from '../../manifests/json-schema.js';
import type { NodeId } from '../../manifests/pipeline/manifest.js';
import type { ActionKey, Digest } from '../files/digest.js';
import { FailureError, type Failure, type Result } from '../failure.js';
import type { Layer } from '../trees/tree.js';

/** Executed, restored or up to date: nodes that depend on it can use its outputs. */
export interface Done {
  readonly type: 'done';
  readonly outcome: 'executed' | 'restored' | 'up-to-date';
  readonly key: ActionKey;
  /** Tree ports hold layer digests, base first, joined by commas. */
  readonly outputs: JSONObject;
  readonly layer?: Layer;
  /** The program that the node made, where its kind makes one. */
  readonly tool?: Layer;
  /** App state for the next run. */
  readonly state?: JSONObject;
  /** Why the result is second best. */
  readonly degraded?: string;
  /** Milliseconds since the epoch: when the result must not be used any more. Infinity for one that lasts. */
  readonly expiresAt: number;
  /** False when a later run cannot restore it. */
  readonly isStored: boolean;
}

/** The store lost bytes that a result names: the node that made them has to run again. */
export interface Lost {
  readonly type: 'lost';
  readonly what: 'layer' | 'blob';
  readonly digests: readonly Digest[];
}
export interface Failed {
  readonly type: 'failed';
  readonly failure: Failure;
}

/** What keeps a node from being done, once it was started. */
export type Stop = Lost | { readonly type: 'aborted' } | Failed;

export type NodeEnd =
  Done | { readonly type: 'skipped' } | { readonly type: 'blocked'; readonly by: readonly NodeId[] } | Stop;

export const failed = (failure: Failure): Failed => ({ type: 'failed', failure });
export const lost = (what: Lost['what'], ...digests: readonly Digest[]): Lost => ({ type: 'lost', what, digests });
export const ABORTED = { type: 'aborted' } as const;

/** Stops with a failure's words. */
export const stopWith = (failure: Failure): { readonly ok: false; readonly failure: Failed } => ({
  ok: false,
  failure: failed(failure),
});

export const orStop = <T>(result: Result<T, Failure>): Result<T, Stop> =>
  result.ok ? result : stopWith(result.failure);

/** What an aborted signal means: its reason may carry a failure, of a time limit for example. */
export const stopOf = ({ reason }: AbortSignal): Stop =>
  reason instanceof FailureError ? failed(reason.failure) : ABORTED;

/** The words for bytes that the store lost. */
export const lostFailure = ({ what, digests }: Lost): Failure => ({
  code: what === 'layer' ? 'cache::layer-lost' : 'cache::blob-lost',
  blame: 'internal',
  title: `The cache has lost a ${what === 'layer' ? 'layer' : 'file'} that a stored result needs`,
  detail: digests.join('\n'),
  remedy: 'Run again. pyflow then executes the node that made it.',
});
