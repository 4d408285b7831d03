// What a run is asked, and why there is none.

import type { Diagnostic } from '../manifests/pipeline/diagnostic.js';
import type { SearchPaths } from './app/search-paths.js';
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
  /** Further variables of the app; those of `envDir` win. */
  readonly variables?: Readonly<Record<string, string>>;
  /** Folders of the app for nodes that build code. */
  readonly searchPaths?: SearchPaths;
  /**
   * The app is built in place, in a folder made for this one run: whatever lies there is the app's own, no marker is left
   * in it, and no record is kept to tell a second run there by.
   */
  readonly oneTime?: true;
  readonly only: readonly string[];
  readonly until?: string;
  readonly refresh: readonly string[];
  readonly jobs?: number;
  readonly keepGoing: boolean;
  readonly mode: 'build' | 'test';
  readonly sandbox: 'auto' | 'required' | 'none';
  /** `PYFLOW_*` of the environment, by the name behind the prefix. */
  readonly settings: Readonly<Record<string, string>>;
  /** Proxy and CA variables for commands that may use the network; in no key. */
  readonly passThrough?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** Why there is no run: the file or the request is at fault, or the environment. */
export type Refusal =
  | { readonly type: 'diagnostics'; readonly diagnostics: readonly Diagnostic[]; readonly text: string }
  | { readonly type: 'failure'; readonly failure: Failure };

export interface RunOptions {
  /** Of pyflow; part of what an up-to-date run is told by. */
  readonly version: string;
}
