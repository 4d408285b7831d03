// What `pyflow verify` found.

import type { Difference } from './differences.js';

export interface VerifiedNode {
  readonly node: string;
  /** `same`: equal layers. `changed-inputs`: the inputs are others than in the last run, so its layer says nothing. */
  readonly result: 'same' | 'differs' | 'changed-inputs';
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
