// All that a plugin may import: the contract, service tokens, Result helpers.

import type { FromSchema as StrictFromSchema, JSONSchema as StrictJSONSchema } from 'json-schema-to-ts';
import type { JSONObject, JSONValue } from '../manifests/json-schema.js';
import type { PluginManifest } from '../manifests/plugin-manifest.js';
import type { Failure, Result } from './failure.js';
import type { Folder } from './files/folder.js';
import type { MachineFolder } from './files/machine-folder.js';

export type { EntryKind } from './files/entry-kind.js';
export type { Folder, FolderEntry, WalkedEntry } from './files/folder.js';
export type { OpenFile } from './files/open-file.js';
export type { MachineFolder } from './files/machine-folder.js';
export { pathBeneath } from './files/path-beneath.js';
export { shownPath } from './files/shown-path.js';
export { canonicalJSON } from '../manifests/json-schema.js';
export type { JSONObject, JSONSchema, JSONValue } from '../manifests/json-schema.js';
export type { PluginManifest } from '../manifests/plugin-manifest.js';
export { fail, FailureError, failKnowing, hasCode, isOfArea, succeed, unreachable } from './failure.js';
export type { Blame, Failure, Result } from './failure.js';

/** Names a service for injection. As inversify's own type, which would make every user of these types install it. */
// oxlint-disable-next-line typescript/no-explicit-any -- a constructor's parameters are of no interest to a token
export type ServiceIdentifier<T> = string | symbol | (new (...services: any[]) => T) | AbstractClass<T>;
type AbstractClass<T> = abstract new () => T;

/** The TypeScript type of what a schema accepts. */
export type FromSchema<S> = S extends StrictJSONSchema ? StrictFromSchema<S> : never;

/** The candidate view: the source overlaid by the ancestors' layers. Paths are app-relative POSIX paths. */
export interface ViewReader {
  /** Undefined when there is no regular file. Follows symlinks inside the app. */
  read(path: string): Promise<Buffer | undefined>;
  exists(path: string): boolean;
  kindOf(path: string): 'file' | 'directory' | 'symlink' | undefined;
  isExecutable(path: string): boolean;
  /** Names in a directory, sorted; empty when there is none. */
  list(path: string): readonly string[];
  /** Files that match a pattern (`*`, `**`, `?`, `{a,b}`; dots match), sorted. */
  match(pattern: string): readonly string[];
  /** An app variable of `--env-dir`; reading one here does not put it into the key, `Reads.env` does. */
  env(name: string): string | undefined;
  /** Names of all app variables, sorted. */
  envNames(): readonly string[];
  /** Facts of this run: app state written after the last complete run of this app, by name. */
  state(name: string): JSONValue | undefined;
  readonly run: { readonly mode: 'build' | 'test'; readonly appId: string };
}

interface ReadsBesideFacts {
  /** Patterns in app coordinates; keyed by content and visible at `appDir`. */
  readonly files?: readonly string[];
  /** Paths keyed by presence only. */
  readonly exists?: readonly string[];
  /** Names of app variables; keyed by value and set for commands. */
  readonly env?: readonly string[];
  /** `app`: the result is for this app only, because something that sways it cannot be keyed. Default `shared`. */
  readonly scope?: 'shared' | 'app';
  /** It notifies, migrates, uploads: run it in every run, never restore it. */
  readonly sideEffects?: true;
  /** This run gives only values, although the kind may do more: as `pure` of the manifest. */
  readonly pure?: true;
}

/**
 * Everything that can change the outcome, beyond config, inputs and the layers of tree inputs. What is not listed is invisible to
 * `run`. `facts` is what the plugin derived from the view or a service; it is keyed as it stands, and required once a kind names its type.
 */
export type Reads<Facts = JSONValue> = ReadsBesideFacts &
  (JSONValue extends Facts ? { readonly facts?: Facts } : { readonly facts: Facts });

/** `Facts`: the type of what the kind's `reads` gave as `facts`. */
export interface RunContext<Facts = JSONValue> {
  readonly node: string;
  /** The view, as this process sees it. Whatever differs here at the end becomes the layer. */
  readonly appDir: string;
  /** Where a kind with a `tool-tree` output puts the program; empty at the start. */
  readonly toolDir?: string;
  /** Private, gone after the node. */
  readonly scratchDir: string;
  /** Kept between runs of this app and kind; may speed a run up, never change its outcome. */
  readonly cacheDir: string;
  /** Scripts and lists that the plugin gives to its commands: they can read them there, and in a sandbox not change them. */
  readonly givenDir: string;
  /** The same folders as commands see them; `/app` and `/opt/pyflow/tools/NAME` in a sandbox. */
  readonly paths: {
    readonly app: string;
    readonly scratch: string;
    readonly cache: string;
    readonly given: string;
    readonly tool?: string;
    readonly tools: Readonly<Record<string, string>>;
  };
  /** Tool trees as this process sees them, by input port. */
  readonly toolDirs: Readonly<Record<string, string>>;
  /** The fixed base, the node's `env`, and the variables named by `reads`. */
  readonly env: Readonly<Record<string, string>>;
  /** What `reads` returned; null when it returned none. */
  readonly facts: Facts;
  /** The view's reader, limited to what the node sees. */
  readonly view: ViewReader;
  readonly signal: AbortSignal;
  /** Handle for the services; means nothing to a plugin. */
  readonly handle: object;
}

/** What a successful run gives. Tree ports are filled by the engine and left out here. */
export interface RunOutput<O> {
  readonly outputs: O;
  /** The result is second best (a fallback): for this host only, and only for so long. */
  readonly degraded?: { readonly reason: string; readonly maxAgeMs: number };
  /** It holds what was built here, by code that other apps need not trust: for this app only, as `Reads.scope`. */
  readonly scope?: 'app';
  /** Not to be stored, and why; for example a private path that a hook wrote into its files. */
  readonly uncacheable?: string;
  /** App state for the next run, written when this run completes. */
  readonly state?: JSONObject;
}

/** A node of a kind whose manifest has these schemas. */
export interface NodeOf<ConfigSchema, InputsSchema> {
  readonly config: FromSchema<ConfigSchema>;
  readonly inputs: FromSchema<InputsSchema>;
}
export type ReadsPromise<Facts = JSONValue> = Promise<Result<Reads<Facts>, Failure>>;
export type RunPromise<Outputs> = Promise<Result<RunOutput<Outputs>, Failure>>;

/**
 * What a kind implements. `Facts` is the type of what `reads` gives `run` by way of the key, so it is plain JSON: declare it with
 * `type`, since TypeScript takes no interface for JSON. Kinds without facts leave it out.
 */
export interface Plugin<Config, Inputs, Outputs, Facts extends JSONValue = JSONValue> {
  readonly manifest: PluginManifest;
  reads(node: { readonly config: Config; readonly inputs: Inputs }, view: ViewReader): ReadsPromise<Facts>;
  run(node: { readonly config: Config; readonly inputs: Inputs }, context: RunContext<Facts>): RunPromise<Outputs>;
}
/** What the engine adds for plugins in processes of their own, whose code may hang. */
export interface ReadsCall {
  readonly node: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}
/** A plugin as the engine holds it: callable only after its config and inputs were validated. */
export interface AnyPlugin {
  readonly manifest: PluginManifest;
  /** Of a plugin from outside: what to say of outputs that its schema refuses. */
  wrongOutputs?(problems: readonly string[]): Failure;
  reads(node: { readonly config: never; readonly inputs: never }, view: ViewReader, call?: ReadsCall): ReadsPromise;
  run(node: { readonly config: never; readonly inputs: never }, context: RunContext): RunPromise<unknown>;
}
export const Plugin: ServiceIdentifier<AnyPlugin> = Symbol.for('pyflow.Plugin');

/** Runs commands in the node's sandbox; what they print becomes the node's log. */
export interface Subprocess {
  /** Paths in `argv` and `cwd` are those of `context.paths`. The environment is `context.env` overlaid by `env`. */
  run(
    context: RunContext,
    command: {
      readonly argv: readonly string[];
      readonly cwd?: string;
      readonly env?: Readonly<Record<string, string>>;
      /** Default: what the node is allowed. */
      readonly network?: boolean;
      /** Sees every line; return undefined to keep it out of the log, or another text. */
      readonly filter?: (stream: 'stdout' | 'stderr', text: string) => string | undefined;
      /** Keep the last so many lines of both streams for the caller. Default 200. */
      readonly keepLines?: number;
    },
  ): Promise<Result<CommandExit, Failure>>;
}
export interface CommandExit {
  /** 128 + number when a signal ended it. */
  readonly exitCode: number;
  /** The last lines of both streams, in order of arrival. */
  readonly lines: readonly string[];
}
export const Subprocess: ServiceIdentifier<Subprocess> = Symbol.for('pyflow.Subprocess');

/** The folders of a node as a plugin uses them. Paths below them are relative, with slashes. */
export interface NodeFolders {
  /** The view; see `RunContext.appDir`. */
  readonly app: Folder;
  readonly scratch: Folder;
  readonly cache: Folder;
  /** See `RunContext.givenDir`. */
  readonly given: Folder;
  /** Present for a kind with a `tool-tree` output. */
  readonly tool?: Folder;
  /** By input port; for reading. */
  readonly tools: Readonly<Record<string, Folder>>;
}

/**
 * The one way of shipped plugins to files. Commands may have left anything in a node's folders (links, pipes, devices): this
 * service follows none of it.
 */
export interface Files {
  of(context: RunContext): NodeFolders;
  /** A folder of the machine, for reading; not for folders of the node. */
  machine(path: string): MachineFolder;
}
export const Files: ServiceIdentifier<Files> = Symbol.for('pyflow.Files');

/** Fetches files over http, https or from file URLs, through the shared download cache, checked by digest. */
export interface Download {
  /** Path of a file with these bytes; read-only, shared. Failures: `download::*`, blame `environment`. */
  fetch(
    context: RunContext,
    request: { readonly url: string; readonly sha256: string; readonly sizeBytes?: number },
  ): Promise<Result<string, Failure>>;
}
export const Download: ServiceIdentifier<Download> = Symbol.for('pyflow.Download');

/** Unpacks archives; refuses `..`, absolute paths, links that lead outside, devices, and bodies cut off. */
export interface Archive {
  unpack(
    context: RunContext,
    request: {
      readonly file: string;
      readonly format: 'tar' | 'tar.gz' | 'tar.zst' | 'zip';
      readonly into: string;
      /** Leading path components to drop. */
      readonly strip?: number;
      /** Keep an entry? Gets the path after `strip`. */
      readonly keep?: (path: string) => boolean;
    },
  ): Promise<Result<{ readonly files: number; readonly bytes: number }, Failure>>;
}
export const Archive: ServiceIdentifier<Archive> = Symbol.for('pyflow.Archive');

/** What a person should read in the log of a node. */
export interface NodeLog {
  /** A headline of the build log, e.g. `Installing Python 3.13.2`. */
  step(context: RunContext, text: string): void;
  info(context: RunContext, text: string): void;
  /** A warning with a stable code; several lines allowed. */
  notice(context: RunContext, code: string, text: string): void;
  progress(context: RunContext, what: string, done: number, total: number | undefined, unit: 'bytes' | 'items'): void;
}
export const NodeLog: ServiceIdentifier<NodeLog> = Symbol.for('pyflow.NodeLog');

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
}
export const Clock: ServiceIdentifier<Clock> = Symbol.for('pyflow.Clock');

/** The machine and the operator's settings (`PYFLOW_*`), as facts. */
export interface Host {
  readonly os: string;
  readonly arch: string;
  /** `glibc` or `musl`, and its version. */
  readonly libc: { readonly name: string; readonly version: string };
  /** ID and VERSION_ID of os-release. */
  readonly release: { readonly id: string; readonly version: string };
  /** Operator settings, by the name behind `PYFLOW_`. */
  setting(name: string): string | undefined;
  /** The operator's PATH, for finding interpreters; never passed to commands. */
  readonly searchPath: readonly string[];
  readonly homeDir: string;
}
export const Host: ServiceIdentifier<Host> = Symbol.for('pyflow.Host');

/** All services in one. The constructor of a kind says which of them it uses: `Pick<Services, 'files' | 'log'>`. */
export interface Services {
  readonly archive: Archive;
  readonly clock: Clock;
  readonly download: Download;
  readonly files: Files;
  readonly host: Host;
  readonly log: NodeLog;
  readonly subprocess: Subprocess;
}
export const Services: ServiceIdentifier<Services> = Symbol.for('pyflow.Services');
