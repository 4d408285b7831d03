// Everything that a plugin may import: the contract of a plugin, the services and their tokens, and helpers for
// results.

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

/**
 * Names a service for injection. Same shape as inversify's type, which is not imported because every user of these
 * types would then have to install inversify.
 */
// oxlint-disable-next-line typescript/no-explicit-any -- a constructor's parameters are of no interest to a token
export type ServiceIdentifier<T> = string | symbol | (new (...services: any[]) => T) | AbstractClass<T>;
type AbstractClass<T> = abstract new () => T;

/** The TypeScript type of the values that a JSON Schema accepts. */
export type FromSchema<S> = S extends StrictJSONSchema ? StrictFromSchema<S> : never;

/**
 * Looks at the candidate view: the app's source, overlaid with the layers of all nodes that this node waits for. Paths
 * are POSIX paths relative to the app, such as `src/main.py`; `.` is the app itself. A path that leaves the app counts
 * as missing. Methods follow symbolic links inside the app, except where noted.
 */
export interface ViewReader {
  /** Content of a regular file; undefined if there is none at the path. */
  read(path: string): Promise<Buffer | undefined>;
  /** Whether a file or directory exists at the path. A broken link counts as missing. */
  exists(path: string): boolean;
  /** What is at the path; undefined if nothing is. Does not follow a link at the path itself. */
  kindOf(path: string): 'file' | 'directory' | 'symlink' | undefined;
  /** Whether there is a regular file at the path with its execute bit set. */
  isExecutable(path: string): boolean;
  /** Names in a directory, sorted by code unit; empty if there is no directory at the path. */
  list(path: string): readonly string[];
  /**
   * Paths of the files that match a pattern, sorted by code unit. Patterns know `*`, `**`, `?` and `{a,b}`; wildcards
   * match leading dots.
   */
  match(pattern: string): readonly string[];
  /**
   * Value of an app variable (`--env-dir`); undefined if it is not set. The value is not part of the key unless you
   * also name the variable in `Reads.env`, or derive `Reads.facts` from it.
   */
  env(name: string): string | undefined;
  /** Names of all app variables, sorted by code unit. */
  envNames(): readonly string[];
  /**
   * App state by name, as `RunOutput.state` of the last complete run left it. Undefined if no node wrote it, or if the
   * run has no `--app-id`.
   */
  state(name: string): JSONValue | undefined;
  /** `mode` is `test` with `--test`. `appId` is the id of the app in the cache. Neither is part of the key. */
  readonly run: { readonly mode: 'build' | 'test'; readonly appId: string };
}

interface ReadsBesideFacts {
  /**
   * Patterns of files, relative to the app. `run` finds these files in `appDir`, and the content of each is part of the
   * key.
   */
  readonly files?: readonly string[];
  /** Paths, relative to the app, of which only the existence is part of the key. */
  readonly exists?: readonly string[];
  /** Names of app variables. Commands get these variables, and their values are part of the key. */
  readonly env?: readonly string[];
  /**
   * Who can use the result. `app`: only this app, because the result depends on something that can't be part of the
   * key. Default: `shared`, all apps.
   */
  readonly scope?: 'shared' | 'app';
  /**
   * Whether the run compiles, or runs programs of the machine that can change the result. `true` puts the builder into the key.
   * `maybe`: only the run shows it, by `RunOutput.usedBuilder`. Then a remote cache is asked for results of this builder too.
   * Not needed if the manifest says `usesBuilder: true`.
   */
  readonly usesBuilder?: true | 'maybe';
  /**
   * The node has effects elsewhere: it notifies, migrates or uploads. It is executed in every run and never restored.
   */
  readonly sideEffects?: true;
  /** This time the node only computes values, although its kind can do more. Same effect as `pure` in the manifest. */
  readonly pure?: true;
}

/**
 * Everything that can change the outcome, besides config, inputs and the layers of tree inputs. All of it is part of
 * the key. Besides the tree inputs, `appDir` contains only the files named here. `facts` is plain JSON that the plugin
 * derived from the view or a service, and `run` gets it unchanged. It is required if the kind declares the type of its
 * facts.
 */
export type Reads<Facts = JSONValue> = ReadsBesideFacts &
  (JSONValue extends Facts ? { readonly facts?: Facts } : { readonly facts: Facts });

/** What `run` works with. `Facts` is the type of what `reads` of the same kind returns as `facts`. */
export interface RunContext<Facts = JSONValue> {
  /** Id of the node in the pipeline, for messages. Not part of the key. */
  readonly node: string;
  /**
   * Absolute path of the view, as the plugin's process sees it: the tree inputs and the files named by `Reads.files`.
   * Everything that `run` adds, changes or deletes here becomes the node's layer.
   */
  readonly appDir: string;
  /** Where a kind with a `tool-tree` output puts the program. Empty at the start; absent for other kinds. */
  readonly toolDir?: string;
  /** A private folder. Empty at the start, removed after the node. */
  readonly scratchDir: string;
  /**
   * A folder that is kept between runs of this app, one per kind. It may make a run faster, but must not change its
   * outcome.
   */
  readonly cacheDir: string;
  /**
   * Who may have written to `cacheDir`. `new`: only this run of the node: the folder was empty, and no other run can see it.
   * `used`: earlier runs of the app, with any code. `open`: without a sandbox, any command of the machine.
   */
  readonly keptCache: 'new' | 'used' | 'open';
  /** Where the plugin puts scripts and lists for its commands. In a sandbox, commands can read but not change them. */
  readonly givenDir: string;
  /**
   * The same folders as commands see them. In a sandbox the app is `/app`, and the tool at the port NAME is
   * `/opt/pyflow/tools/NAME`; without one they are other folders. So don't write these paths into files: write relative
   * paths or `/app`, where the finished app runs.
   */
  readonly paths: {
    readonly app: string;
    readonly scratch: string;
    readonly cache: string;
    readonly given: string;
    readonly tool?: string;
    readonly tools: Readonly<Record<string, string>>;
  };
  /** Tool trees as the plugin's process sees them, by input port. Don't change them. */
  readonly toolDirs: Readonly<Record<string, string>>;
  /**
   * Environment of the node's commands: the fixed base, the node's `env` and secrets, and the variables named by
   * `Reads.env`.
   */
  readonly env: Readonly<Record<string, string>>;
  /** What `reads` returned as `facts`; null if it returned none. */
  readonly facts: Facts;
  /**
   * The view that `reads` got. It also shows files that `reads` did not name, which are not part of the key: read only
   * those that it named.
   */
  readonly view: ViewReader;
  /** Aborts when the run stops or the node exceeds its timeout. Check it after long waits. */
  readonly signal: AbortSignal;
  /** Tells the services which node calls them. Pass the context on unchanged; plugins have no other use for this. */
  readonly handle: object;
}

/** What a successful `run` returns. */
export interface RunOutput<O> {
  /** Values by port, which must match the manifest's schema. The engine adds ports with trees. */
  readonly outputs: O;
  /**
   * The result is a fallback. Only this host can use it, and only for `maxAgeMs` milliseconds. `reason` is shown to the
   * user.
   */
  readonly degraded?: { readonly reason: string; readonly maxAgeMs: number };
  /**
   * The result contains something that code of this app built, so only this app can use it. Same effect as
   * `Reads.scope`.
   */
  readonly scope?: 'app';
  /**
   * The run compiled something, or ran a program of the machine that changes the result. Only builds on the same builder
   * can use the result. No effect if the key contains the builder; see `usesBuilder` in the manifest and in `Reads`.
   */
  readonly usedBuilder?: true;
  /**
   * Why the result must not be stored, for example because a hook wrote a private path into a file. Absent if it can
   * be.
   */
  readonly uncacheable?: string;
  /** App state for later runs, by name; see `ViewReader.state`. pyflow writes it when the whole run has succeeded. */
  readonly state?: JSONObject;
}

/** The node, as `reads` and `run` get it, of a kind whose manifest has these schemas. */
export interface NodeOf<ConfigSchema, InputsSchema> {
  readonly config: FromSchema<ConfigSchema>;
  readonly inputs: FromSchema<InputsSchema>;
}
export type ReadsPromise<Facts = JSONValue> = Promise<Result<Reads<Facts>, Failure>>;
export type RunPromise<Outputs> = Promise<Result<RunOutput<Outputs>, Failure>>;

/**
 * What a kind implements. `Facts` is the type of the JSON that `reads` passes to `run` through the key. Declare it with
 * `type`, because TypeScript does not accept an `interface` as JSON. Kinds without facts leave it out.
 */
export interface Plugin<Config, Inputs, Outputs, Facts extends JSONValue = JSONValue> {
  readonly manifest: PluginManifest;
  /** Says what the node depends on, from looking at the view. Must be quick and have no effects. */
  reads(node: { readonly config: Config; readonly inputs: Inputs }, view: ViewReader): ReadsPromise<Facts>;
  /** Does the work. The same inputs must give the same files and outputs on any machine. Not called if a stored result can be used. */
  run(node: { readonly config: Config; readonly inputs: Inputs }, context: RunContext<Facts>): RunPromise<Outputs>;
}
/** What the engine adds to a call of `reads` for outside plugins, whose code can hang. */
export interface ReadsCall {
  readonly node: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}
/**
 * A plugin as the engine holds it. The engine calls it only with config and inputs that match the manifest's schemas.
 */
export interface AnyPlugin {
  readonly manifest: PluginManifest;
  /** The failure for outputs that don't match the plugin's schema. Outside plugins have one that names their file. */
  wrongOutputs?(problems: readonly string[]): Failure;
  reads(node: { readonly config: never; readonly inputs: never }, view: ViewReader, call?: ReadsCall): ReadsPromise;
  run(node: { readonly config: never; readonly inputs: never }, context: RunContext): RunPromise<unknown>;
}
export const Plugin: ServiceIdentifier<AnyPlugin> = Symbol.for('pyflow.Plugin');

/** Runs commands in the node's sandbox. What they print goes to the node's log, with secrets masked. */
export interface Subprocess {
  /**
   * Resolves when the command has ended, whatever its exit code. Fails only if the command can't be started or the node
   * is stopped. Write paths in `argv` and `cwd` as `context.paths` spells them; the default for `cwd` is the app. The
   * environment is `context.env`, overlaid with `env`.
   */
  run(
    context: RunContext,
    command: {
      readonly argv: readonly string[];
      readonly cwd?: string;
      readonly env?: Readonly<Record<string, string>>;
      /** Whether the command can use the network. Default: whether the node can. */
      readonly network?: boolean;
      /**
       * Gets each line, without its end and with secrets masked. Return the text to log, or undefined to drop the line.
       */
      readonly filter?: (stream: 'stdout' | 'stderr', text: string) => string | undefined;
      /** Number of last lines to return in `CommandExit.lines`. Default: 200. */
      readonly keepLines?: number;
    },
  ): Promise<Result<CommandExit, Failure>>;
}
export interface CommandExit {
  /** Exit code of the command; 128 plus the number of the signal if a signal ended it. */
  readonly exitCode: number;
  /** The last lines of stdout and stderr together, in order of arrival, as `filter` returned them. */
  readonly lines: readonly string[];
}
export const Subprocess: ServiceIdentifier<Subprocess> = Symbol.for('pyflow.Subprocess');

/** The folders of a node, for file access. Paths in them are relative, with forward slashes. */
export interface NodeFolders {
  /** See `RunContext.appDir`. */
  readonly app: Folder;
  readonly scratch: Folder;
  readonly cache: Folder;
  /** See `RunContext.givenDir`. */
  readonly given: Folder;
  /** See `RunContext.toolDir`. Absent for a kind without a `tool-tree` output. */
  readonly tool?: Folder;
  /** See `RunContext.toolDirs`. By input port. Don't change them. */
  readonly tools: Readonly<Record<string, Folder>>;
}

/**
 * Reads and writes files in the node's folders. Shipped plugins use no other way, because commands can leave links,
 * pipes and devices there. This service does not follow a link to outside its folder, and does not open pipes and
 * devices.
 */
export interface Files {
  of(context: RunContext): NodeFolders;
  /** A folder of the machine, by absolute path, read-only. Not for folders of the node. */
  machine(path: string): MachineFolder;
}
export const Files: ServiceIdentifier<Files> = Symbol.for('pyflow.Files');

/** Fetches files by http, https or file URL, and checks their SHA-256. Nodes and runs share the download cache. */
export interface Download {
  /**
   * Absolute path of a file that has exactly this SHA-256 (64 lowercase hex digits). The file is shared, so don't
   * change it. Failures have a `download::*` code and mostly blame the environment.
   */
  fetch(
    context: RunContext,
    request: {
      readonly url: string;
      readonly sha256: string;
      /** Expected size. pyflow stops a download that is larger. */
      readonly sizeBytes?: number;
    },
  ): Promise<Result<string, Failure>>;
}
export const Download: ServiceIdentifier<Download> = Symbol.for('pyflow.Download');

/** Unpacks archives. Refuses absolute paths, `..`, links to outside the folder, devices, and truncated archives. */
export interface Archive {
  /**
   * Returns the number of files and links, and the bytes of all files. If it fails, `into` is empty. Failures have an
   * `archive::*` code.
   */
  unpack(
    context: RunContext,
    request: {
      /** Absolute path of the archive. */
      readonly file: string;
      /** `zip` always fails: pyflow does not unpack it yet. */
      readonly format: 'tar' | 'tar.gz' | 'tar.zst' | 'zip';
      /** Absolute path of the target folder, which is made if it is missing. */
      readonly into: string;
      /** Number of leading path components to drop, like `tar --strip-components`. Default: 0. */
      readonly strip?: number;
      /** Whether to unpack an entry, by its path after `strip`. Default: all entries. */
      readonly keep?: (path: string) => boolean;
    },
  ): Promise<Result<{ readonly files: number; readonly bytes: number }, Failure>>;
}
export const Archive: ServiceIdentifier<Archive> = Symbol.for('pyflow.Archive');

/** Leads package managers to the package gateway, if the operator wants one. */
export interface Packages {
  /**
   * Call it before the node starts a package manager. `plan` says which indexes and files the manager may use. A second call
   * replaces the plan of the first.
   */
  open(context: RunContext, plan: PackagePlan): Promise<PackageAccess>;
  /**
   * A stand-in for a secret in the URL of an index, which the gateway replaces again. The secret itself if the manager reaches
   * indexes by itself.
   */
  hide(context: RunContext, secret: string): Promise<string>;
}
export interface PackagePlan {
  /**
   * URLs of indexes and pages of links, with user and password if they have any. `simple`: `URL/PROJECT/` is the page of a
   * project. `links`: the URL itself is a page of links.
   */
  readonly indexes: readonly { readonly url: string; readonly form: 'simple' | 'links' }[];
  /**
   * Files that the manager may fetch without a page: those of a lock, and requirements that are URLs. `hashes`: in lower-case
   * hex, by algorithm such as `sha256`.
   */
  readonly files: readonly { readonly url: string; readonly hashes: Readonly<Record<string, string>> }[];
}
export interface PackageAccess {
  /** False if the manager reaches indexes by itself. */
  readonly isThroughGateway: boolean;
  /** Variables for the environment of the manager. They win over others. */
  readonly env: Readonly<Record<string, string>>;
  /** URLs of indexes, separated by blanks, as commands may see them: the gateway adds user and password. */
  indexUrl(urls: string): string;
  /** The failure of a manager, with its cause if the gateway knows one. */
  explain(failure: Failure): Failure;
}
export const Packages: ServiceIdentifier<Packages> = Symbol.for('pyflow.Packages');

/** Writes to the node's log, for people to read. */
export interface NodeLog {
  /** A heading in the build log, such as `Installing Python 3.13.2`. One line. */
  step(context: RunContext, text: string): void;
  /** Ordinary output. */
  info(context: RunContext, text: string): void;
  /** A warning with a stable code, such as `pip::old-pin`. Can have several lines. */
  notice(context: RunContext, code: string, text: string): void;
  /** Updates a progress display. `what` names the work; `total` is undefined if it is not known. */
  progress(context: RunContext, what: string, done: number, total: number | undefined, unit: 'bytes' | 'items'): void;
}
export const NodeLog: ServiceIdentifier<NodeLog> = Symbol.for('pyflow.NodeLog');

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
}
export const Clock: ServiceIdentifier<Clock> = Symbol.for('pyflow.Clock');

/**
 * The machine and the operator's settings (`PYFLOW_*`). If the outcome depends on one of them, put it into
 * `Reads.facts`.
 */
export interface Host {
  /** As `process.platform`, such as `linux`. */
  readonly os: string;
  /** As `process.arch`, such as `x64`. */
  readonly arch: string;
  /** `glibc` or `musl` and its version, such as `2.39`. Without a known libc, as on macOS, the name is the system's. */
  readonly libc: { readonly name: string; readonly version: string };
  /** ID and VERSION_ID of /etc/os-release, such as `ubuntu` and `24.04`. The version can be empty. */
  readonly release: { readonly id: string; readonly version: string };
  /** Value of an operator setting by its name without `PYFLOW_`, such as `INDEX`; undefined if it is not set. */
  setting(name: string): string | undefined;
  /** The absolute folders in the operator's PATH, for finding interpreters. Commands don't get this PATH. */
  readonly searchPath: readonly string[];
  readonly homeDir: string;
}
export const Host: ServiceIdentifier<Host> = Symbol.for('pyflow.Host');

/**
 * All services together. The constructor of a shipped kind declares those that it uses: `Pick<Services, 'files' |
 * 'log'>`.
 */
export interface Services {
  readonly archive: Archive;
  readonly clock: Clock;
  readonly download: Download;
  readonly files: Files;
  readonly host: Host;
  readonly log: NodeLog;
  readonly packages: Packages;
  readonly subprocess: Subprocess;
}
export const Services: ServiceIdentifier<Services> = Symbol.for('pyflow.Services');
