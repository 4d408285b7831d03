// How a node ends inside the engine. Control flow reads these types, never the words of a failure.

import type { JSONObject } from '../../manifests/json-schema.js';
import type { NodeId } from '../../manifests/pipeline/manifest.js';
import type { ActionKey, Digest } from '../files/digest.js';
import { FailureError, type Failure } from '../failure.js';
import type { Layer } from '../trees/tree.js';

/** What nodes made that saw the result stays on this machine, as the result itself does. */
export interface Taint {
  readonly cause: 'variables' | 'secrets';
  /** The node that had them, and whose result contains them. */
  readonly node: NodeId;
}

/** Executed, restored or up to date: nodes that depend on it can use its outputs. */
export interface Done {
  readonly type: 'done';
  readonly outcome: 'executed' | 'restored' | 'up-to-date';
  readonly key: ActionKey;
  /** Values by port. A tree port has layer digests, base first, joined by commas. */
  readonly outputs: JSONObject;
  readonly layer?: Layer;
  /** The program that the node made. Absent unless its kind has a `tool-tree` output. */
  readonly tool?: Layer;
  /** App state for later runs. */
  readonly state?: JSONObject;
  /** Why the result is only a fallback. Absent if it is not. */
  readonly degraded?: string;
  readonly taint?: Taint;
  /** When the result expires, in milliseconds since the epoch. Infinity if it does not. */
  readonly expiresAt: number;
  /** Whether a later run can restore the result. */
  readonly isStored: boolean;
}

/** The store has lost bytes that a result names, so the node that made them has to run again. */
export interface Lost {
  readonly type: 'lost';
  readonly what: 'layer' | 'blob';
  readonly digest: Digest;
}
export interface Failed {
  readonly type: 'failed';
  readonly failure: Failure;
}

/** How a node ends that was started but is not done. */
export type Stop = Lost | { readonly type: 'aborted' } | Failed;

export type NodeEnd =
  Done | { readonly type: 'skipped' } | { readonly type: 'blocked'; readonly by: readonly NodeId[] } | Stop;

export const failed = (failure: Failure): Failed => ({ type: 'failed', failure });
export const lost = (what: Lost['what'], digest: Digest): Lost => ({ type: 'lost', what, digest });
export const ABORTED = { type: 'aborted' } as const;

/** A stop because of a failure. */
export const stopWith = (failure: Failure): { readonly ok: false; readonly failure: Failed } => ({
  ok: false,
  failure: failed(failure),
});

/** The stop for an aborted signal. Its reason can be a failure, for example that of a time limit. */
export const stopOf = ({ reason }: AbortSignal): Stop =>
  reason instanceof FailureError ? failed(reason.failure) : ABORTED;

/** The failure to show for bytes that the store has lost. */
export const lostFailure = ({ what, digest }: Lost): Failure => ({
  code: what === 'layer' ? 'cache::layer-lost' : 'cache::blob-lost',
  blame: 'internal',
  title: `The cache has lost a ${what === 'layer' ? 'layer' : 'file'} that a stored result needs`,
  detail: digest,
  remedy: 'Run pyflow again. It then executes the node that made it.',
});
