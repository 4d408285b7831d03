// What a sandbox gives a running node: the paths that its commands see, and a way to run them.

import type { NodeLimits } from '../../../manifests/pipeline/manifest.js';
import type { Failure, Result } from '../../failure.js';
import type { RunContext } from '../../sdk.js';
import type { Exit } from '../command.js';
import type { Excess } from './limits.js';

export interface SandboxRequest {
  /** Real folders. With namespaces, commands see `app` at /app and tools at /opt/pyflow/tools/NAME. */
  readonly appDir: string;
  readonly scratchDir: string;
  /** Per app and kind, kept between runs; may speed a run up, never change its outcome. */
  readonly cacheDir: string;
  /** Scripts and lists that the plugin gives to its commands; read-only for them with namespaces. */
  readonly givenDir: string;
  /** Present when the node makes a tool tree. */
  readonly toolDir?: string;
  /** Read-only for commands. */
  readonly tools: Readonly<Record<string, string>>;
  /** Further folders that commands may write, by the path they see, e.g. an adapter's CACHE_DIR. */
  readonly mounts?: Readonly<Record<string, string>>;
  /** Commands with a network use the machine's, even if a separate one is possible. */
  readonly sharesNetwork?: boolean;
  /** Limits that are not set here default to values that keep the machine usable. */
  readonly limits?: NodeLimits;
  /** Called once, when the commands of the session exceed a limit; the sandbox is already ending them. */
  readonly onExcess?: (excess: Excess) => void;
}

/** Where the node's commands may write, as this process sees the folders. */
export const writableFolders = ({ appDir, scratchDir, cacheDir, toolDir }: SandboxRequest): readonly string[] => [
  appDir,
  scratchDir,
  cacheDir,
  ...(toolDir === undefined ? [] : [toolDir]),
];

/** The same folders as the commands of this session see them. */
export type SandboxPaths = RunContext['paths'];

export interface Command {
  /** `argv[0]` is a path as the command sees it, or a name found on the PATH of `env`. */
  readonly argv: readonly string[];
  /** As the command sees it; default: `paths.app`. */
  readonly cwd?: string;
  /** The whole environment; nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  readonly network: boolean;
  /** Path of a socket that a port on the loopback of a command without a network leads to; see relay-program.ts. */
  readonly relay?: string;
  /** Complete lines without their end, in order of arrival; a carriage return ends a line too. */
  readonly onLine: (stream: 'stdout' | 'stderr', text: string) => void;
  readonly signal: AbortSignal;
}

export interface SandboxSession {
  readonly paths: SandboxPaths;
  /** Fails only if the command can't be started or is aborted; a non-zero exit is a value. */
  run(command: Command): Promise<Result<Exit, Failure>>;
  /** Ends everything that still runs. */
  close(): Promise<void>;
}

export interface BootRequest {
  /** Seen at /app. */
  readonly slugDir: string;
  readonly writable: boolean;
  readonly argv: readonly string[];
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
}

/** How to start a command in our own terminal. */
export interface Boot {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Opened for the command to read, from descriptor 4 on. */
  readonly files: readonly string[];
  /** Gets what the command writes to descriptor 3. */
  readonly onStatus: (text: string) => void;
  readonly sendSignal: (pid: number, signal: NodeJS.Signals) => void;
}

export interface Sandbox {
  readonly mode: 'namespaces' | 'none';
  /** Why `auto` fell back to `none`. */
  readonly fallbackReason?: string;
  /** Why commands with a network share the machine's; known after the first of them. */
  readonly whyNetworkIsShared?: () => string | undefined;
  open(request: SandboxRequest): SandboxSession;
  /** For a finished app; absent in mode `none`, where the app starts without a sandbox. */
  boot?(request: BootRequest): Boot;
  /** After the last session: ends what the sandbox itself keeps running. */
  close?(): void;
}
