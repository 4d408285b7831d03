// What a run is asked to do, and why pyflow refuses to start one.

import type { Diagnostic } from '../manifests/pipeline/diagnostic.js';
import type { SearchPaths } from './app/search-paths.js';
import type { Failure } from './failure.js';
import type { OpenedPolicy } from './packages/open-policy.js';
import type { Clock } from './sdk.js';

/** The request of `run`, `plan` or `why`. Every path is absolute. */
export interface RunRequest {
  readonly pipelineFile: string;
  readonly appDir: string;
  readonly outDir: string;
  readonly force: boolean;
  /** Other forms of the finished app to write after the slug. */
  readonly outputs?: readonly OutputRequest[];
  /** SOURCE_DATE_EPOCH of the environment: the time of the source's files in archives and images. */
  readonly sourceTimeS?: number;
  readonly cacheDir: string;
  /**
   * Names the app in the cache. Without it pyflow makes an id from the app's path, and keeps no app state between runs.
   */
  readonly appId?: string;
  /** `-p NAME=VALUE`, unparsed: the declared type of the param decides how VALUE is read. */
  readonly params: Readonly<Record<string, string>>;
  readonly envDir?: string;
  /** More variables of the app. Those in `envDir` win. */
  readonly variables?: Readonly<Record<string, string>>;
  /** Folders of the app that earlier buildpacks made, for nodes that build code. */
  readonly searchPaths?: SearchPaths;
  /**
   * The app is built in place, in a folder made for this one run. All files there count as the app's, pyflow leaves no
   * slug marker, and keeps no record that would let a second run there be up to date.
   */
  readonly oneTime?: true;
  readonly only: readonly string[];
  readonly until?: string;
  readonly refresh: readonly string[];
  readonly jobs?: number;
  readonly keepGoing: boolean;
  readonly mode: 'build' | 'test';
  readonly sandbox: 'auto' | 'required' | 'none';
  /** `PYFLOW_*` variables of the environment, by name without the prefix. */
  readonly settings: Readonly<Record<string, string>>;
  /** Proxy and CA variables for commands that can use the network. Part of no key. */
  readonly passThrough?: Readonly<Record<string, string>>;
  /** The remote cache as the operator named it. Absent without one. remote/settings.ts reads it. */
  readonly remote?: RemoteRequest;
  /** Absolute path of the operator's package policy. Absent without one. */
  readonly policyFile?: string;
  /** What `policyFile` says. The engine adds it, and the setting POLICY with its digest. */
  readonly policy?: OpenedPolicy;
  readonly signal: AbortSignal;
}

/** A form of the finished app, and where to write it. Paths are absolute. */
export type OutputRequest =
  | { readonly type: 'dir'; readonly path: string }
  | { readonly type: 'tar'; readonly path: string; readonly compression: 'none' | 'gzip' | 'zstd' }
  | {
      /** A folder with an OCI image layout. */
      readonly type: 'oci';
      readonly path: string;
      readonly compression: 'gzip' | 'zstd';
      /** Absent: the image has the app alone. `ref` names one of the layout's images. */
      readonly base?: { readonly layout: string; readonly ref?: string };
      /** `UID` or `UID:GID`. Absent: the base image decides. */
      readonly user?: string;
    };

/** What the command line and the environment say about a remote cache. Nothing in it is checked yet. */
export interface RemoteRequest {
  /** Address of the server. If absent, the settings file names it. */
  readonly url?: string;
  /** Absolute path of the settings file. */
  readonly settingsFile?: string;
  readonly write: boolean;
  readonly execute: boolean;
  /** pyflow's own environment, for `${{ env.NAME }}` in headers. Must not be shown or stored. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Why pyflow starts no run: mistakes in the pipeline file or the request, or a failure of the environment. */
export type Refusal =
  | { readonly type: 'diagnostics'; readonly diagnostics: readonly Diagnostic[]; readonly text: string }
  | { readonly type: 'failure'; readonly failure: Failure };

export interface RunOptions {
  /** Version of pyflow. A run is up to date only with the version of the last run. */
  readonly version: string;
  readonly clock: Clock;
}
