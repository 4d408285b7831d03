// What `pyflow verify` found.

import type { Difference } from './differences.js';

export interface VerifiedNode {
  readonly node: string;
  /**
   * `same`: equal layers and outputs. `changed-inputs`: the inputs are others than in the last run, or one of the runs left the node
   * out, so its layer says nothing. `lost`: the layers differ, and the cache has lost one of them.
   */
  readonly result: 'same' | 'differs' | 'changed-inputs' | 'lost';
  /** Output values that differ, by name. */
  readonly outputs?: readonly string[];
  /** The first ones. */
  readonly differences: readonly Difference[];
  /** Number of all. */
  readonly count: number;
}

export interface Verification {
  /** The run that was compared with. */
  readonly runId: string;
  readonly nodes: readonly VerifiedNode[];
  /** Packages came from the record, without an index. */
  readonly isReplayed: boolean;
}
