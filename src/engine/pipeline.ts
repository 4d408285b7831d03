// The stages of a run on one screen. (Types of the requests here; the flow follows.)

import type { Diagnostic } from '../manifests/pipeline/diagnostic.js';
import type { NodeId } from '../manifests/pipeline/manifest.js';
import type { Outcome, Reason } from './events.js';
import type { Failure } from './failure.js';

/** What `run`, `plan` and `why` are asked; every path absolute. */
export interface RunRequest {
  readonly pipelineFile: string;
  readonly appDir: string;
  readonly outDir: string;
  readonly force: boolean;
  readonly cacheDir: string;
  /** Names the app in the cache; without it one is made from the app's path, and no version sticks. */
  readonly appId?: string;
  /** `-p NAME=VALUE`, unparsed: the declared type decides how VALUE is read. */
  readonly params: Readonly<Record<string, string>>;
  readonly envDir?: string;
  readonly only: readonly string[];
  readonly until?: string;
  readonly refresh: readonly string[];
  readonly jobs?: number;
  readonly keepGoing: boolean;
  readonly mode: 'build' | 'test';
  readonly sandbox: 'auto' | 'required' | 'none';
  /** `PYFLOW_*` of the environment, by the name behind the prefix. */
  readonly settings: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** Why there is no run: the file or the request is at fault, or the environment. */
export type Refusal =
  | { readonly type: 'diagnostics'; readonly diagnostics: readonly Diagnostic[]; readonly text: string }
  | { readonly type: 'failure'; readonly failure: Failure };

export interface PlanLine {
  readonly id: NodeId;
  readonly kind: string;
  /** Certain: holds in the run. Else `dependsOn` names the nodes that execute first. */
  readonly certain: boolean;
  /** What the run will do; on a depending line what it does if the layers before it stay as in the last run. */
  readonly outcome?: Outcome;
  readonly dependsOn?: readonly NodeId[];
  readonly reasons: readonly Reason[];
}
export interface PlanReport {
  readonly pipeline: string;
  readonly appId: string;
  readonly lines: readonly PlanLine[];
}
