// What the engine asks of a store: bytes by digest, action results by key. A store may lose, it may never lie.

import type { JSONObject, JSONValue } from '../../manifests/json-schema.js';
import type { ActionKey, Digest } from '../files/digest.js';
import type { Layer } from '../trees/tree.js';

/** What an action left behind. Values, one layer or tool tree, and its log. */
export interface ActionResult {
  readonly outputs: JSONObject;
  /** Absent for a node that only gives values. */
  readonly layer?: Layer;
  /** The program made by a node that gives a tool tree; its paths start at the tool's root. */
  readonly tool?: Layer;
  /** Blob: one LogLine a line, as JSON, masked. Absent when nothing was printed. */
  readonly log?: Digest;
  readonly durationMs: number;
  /** App state for the next run; see `RunOutput.state`. */
  readonly state?: JSONObject;
  /** Only this host may use the result, and only for so long. */
  readonly degraded?: { readonly reason: string; readonly host: string; readonly expiresAt: number };
  /** Only this app may use the result; see `RunOutput.scope`. */
  readonly appId?: string;
  /** Milliseconds since the epoch. */
  readonly storedAt: number;
}

export interface LogLine {
  readonly stream: 'stdout' | 'stderr' | 'step' | 'notice';
  /** Milliseconds since the node started. */
  readonly at: number;
  readonly text: string;
}

export interface ActionCache {
  /** The newest that any app may use, or this app; undefined when there is none. */
  lookUp(key: ActionKey, appId?: string): Promise<ActionResult | undefined>;
  /** Publishes; all blobs were written before. `record` is what the key was made from. */
  publish(key: ActionKey, result: ActionResult, record: KeyRecord): Promise<void>;
  /** The record kept beside a result, for `why`. */
  record(key: ActionKey): Promise<KeyRecord | undefined>;
  /** When the result was evicted, or undefined. Milliseconds since the epoch. */
  evictedAt(key: ActionKey): number | undefined;
}

/** All that a key holds of a secret. */
export type KeyedSecret = { readonly label: string; readonly isSet: boolean; readonly mayStore?: true };

/** What a key was made from, with names a person can read. `why` compares two of them field by field. */
export interface KeyRecord {
  readonly format: number;
  readonly kind: string;
  readonly revision: number;
  readonly code?: string;
  readonly config: JSONObject;
  readonly values: JSONObject;
  readonly facts: JSONValue;
  /** Values of the app's variables stand here as digests; the key takes them as they are. */
  readonly env: Readonly<Record<string, string>>;
  /** By name; nothing of the values. */
  readonly secrets: Readonly<Record<string, KeyedSecret>>;
  readonly platform: Readonly<Record<string, string>>;
  /** Source files and other ancestors' files, by app-relative POSIX path. */
  readonly files: Readonly<Record<string, string>>;
  readonly exists: Readonly<Record<string, boolean>>;
  /** Digests of the layers reached through tree inputs, by port. */
  readonly trees: Readonly<Record<string, readonly string[]>>;
  readonly tools: Readonly<Record<string, readonly string[]>>;
  readonly scope: string;
}
