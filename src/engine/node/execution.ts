// What the nodes of one run share while they are executed.

import type { NodeId } from '../../manifests/pipeline/manifest.js';
import type { NodeReport, RunReport } from '../events.js';
import type { Admission } from '../plan/admission.js';
import type { Unchanged } from '../up-to-date/unchanged.js';
import type { Workplace } from './run-action.js';

export interface Execution extends Workplace {
  /** Once a node had to run and it was probed. */
  sandboxUsed?: NonNullable<RunReport['sandbox']>;
  readonly admission: Admission;
  readonly reports: Map<NodeId, NodeReport>;
  /** Nodes that must not be restored in this run. */
  readonly forced: ReadonlySet<string>;
  readonly keepGoing: boolean;
  /** Present when the last complete run of this app can be compared with this one. */
  readonly unchanged?: Unchanged;
  readonly signal: AbortSignal;
  /** Results that could not or must not be stored; such a run has no fast record. */
  readonly unstored: Set<NodeId>;
  /** App state to be written when the run completes. */
  readonly newState: Record<string, unknown>;
}
