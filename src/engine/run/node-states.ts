// What became of the nodes of a run.

import type { JSONObject } from '../../manifests/json-schema.js';
import type { Outcome } from '../events.js';
import type { ActionKey } from '../files/digest.js';
import type { Layer } from '../trees/tree.js';

/** What a finished node means to those behind it. */
export interface NodeState {
  readonly outcome: Outcome;
  /** Tree ports hold layer digests, base first, joined by commas. */
  readonly outputs: JSONObject;
  readonly layer?: Layer;
  readonly key?: ActionKey;
}

/** Outcomes that block what depends on them. */
export const STOPS: ReadonlySet<Outcome> = new Set<Outcome>(['failed', 'blocked', 'aborted']);
