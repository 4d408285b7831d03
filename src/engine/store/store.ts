// What the engine needs of a store: bytes by digest, action results by key. A store may lose data, but never returns
// wrong data.

import type { JSONObject, JSONValue } from '../../manifests/json-schema.js';
import type { ActionKey, Digest } from '../files/digest.js';
import type { Layer } from '../trees/tree.js';

/** What an action produced: values, a layer or a tool tree, and a log. */
export interface ActionResult {
  readonly outputs: JSONObject;
  /** Absent if the node only computes values. */
  readonly layer?: Layer;
  /** The program that a node with a `tool-tree` output made. Its paths are relative to the tool's root. */
  readonly tool?: Layer;
  /** Digest of a blob with one masked LogLine per line, as JSON. Absent if nothing was printed. */
  readonly log?: Digest;
  readonly durationMs: number;
  /** App state for later runs; see `RunOutput.state`. */
  readonly state?: JSONObject;
  /** The result is a fallback: only `host` can use it, until `expiresAt` (milliseconds since the epoch). */
  readonly degraded?: { readonly reason: string; readonly host: string; readonly expiresAt: number };
  /** The only app that can use the result; see `RunOutput.scope`. Absent if all apps can. */
  readonly appId?: string;
  /** The only builder that can use the result; see `RunOutput.usedBuilder`. Absent if all can. */
  readonly builder?: string;
  /** Why what is made from the result stays on this machine as well. Absent if it need not. */
  readonly taint?: StoredTaint;
  /** Milliseconds since the epoch. */
  readonly storedAt: number;
}

/**
 * `variables`: the node had variables of the app, and the result contains the value of one. `secrets`: the node had secrets or
 * logins, so only one app can use the result. `inherited`: the node saw files or values of such a node. `packed`: no node made it; it
 * is a part of a slug for archives and images.
 */
export type StoredTaint = 'variables' | 'secrets' | 'inherited' | 'packed';

/** Who asks for a result. Finding out the builder takes time, and few results need it. */
export interface Asker {
  readonly appId?: string;
  readonly builder?: () => string;
}

export const isFor = (result: Pick<ActionResult, 'appId' | 'builder'>, { appId, builder }: Asker): boolean =>
  (result.appId === undefined || result.appId === appId) &&
  (result.builder === undefined || result.builder === builder?.());

export interface LogLine {
  readonly stream: 'stdout' | 'stderr' | 'step' | 'notice';
  /** Milliseconds since the node started. */
  readonly at: number;
  readonly text: string;
}

export interface PublishOptions {
  /** The node looked up variables of the app, so the result never leaves this machine. */
  readonly usesVariables?: boolean;
}

export interface ActionCache {
  /** The newest result that the asker can use; undefined if there is none. */
  lookUp(key: ActionKey, asker?: Asker): Promise<ActionResult | undefined>;
  /** Publishes a result, all of whose blobs must already be written. `record` is what the key was made from. */
  publish(key: ActionKey, result: ActionResult, record: KeyRecord, options?: PublishOptions): Promise<void>;
  /** What the key of a stored result was made from, for `why`. Undefined if there is no result. */
  record(key: ActionKey): Promise<KeyRecord | undefined>;
  /** When the result was evicted, in milliseconds since the epoch; undefined if it was not. */
  evictedAt(key: ActionKey): number | undefined;
}

/** What a key contains about a secret. Never its value. */
export type KeyedSecret = { readonly label: string; readonly isSet: boolean; readonly mayStore?: true };

/** What a key was made from, in readable form. `why` compares two records field by field. */
export interface KeyRecord {
  readonly format: number;
  readonly kind: string;
  readonly revision: number;
  readonly code?: string;
  readonly config: JSONObject;
  readonly values: JSONObject;
  readonly facts: JSONValue;
  /** The key contains the values of app variables; this record has their digests instead. */
  readonly env: Readonly<Record<string, string>>;
  /** By name, without the values. */
  readonly secrets: Readonly<Record<string, KeyedSecret>>;
  readonly platform: Readonly<Record<string, string>>;
  /** Files of the source and of nodes that this one waits for, by POSIX path relative to the app. */
  readonly files: Readonly<Record<string, string>>;
  readonly exists: Readonly<Record<string, boolean>>;
  /** Absent if the node runs no programs of the machine. */
  readonly builder?: string;
  /** Digests of the layers of tree inputs, by port. */
  readonly trees: Readonly<Record<string, readonly string[]>>;
  readonly tools: Readonly<Record<string, readonly string[]>>;
  readonly scope: string;
}
