// The sandbox made by bubblewrap: a new root file system, the node's private folder at /app, and nothing else of the caller's.

import { fail, hasCode, type Failure, type Result } from '../../failure.js';
import { MARKER_VARIABLE, nextMarker } from '../guardian.js';
import { spawnCommand, type Exit } from '../command.js';
import {
  argumentsTooLarge,
  commandAborted,
  commandCannotStart,
  commandNotExecutable,
  commandNotFound,
} from '../failures.js';
import { processRuns, signalGroup, signalProcess } from '../processes.js';
import { FIRST_FILE_DESCRIPTOR, STATUS_DESCRIPTOR } from '../spawn.js';
import { APP, CACHE, describeRoot, GIVEN, SCRATCH, TOOL_OUT, TOOLS, type Root, type RootOptions } from './root.js';
import { RELAY_PORT, RELAY_PROGRAM, RELAY_SOCKET } from './relay-program.js';
import { openNetwork, type NetworkPrograms, type OwnNetwork } from './own-network.js';
import { processesInside, UsageWatch } from './usage.js';
import {
  writableFolders,
  type Boot,
  type BootRequest,
  type Command,
  type Sandbox,
  type SandboxPaths,
  type SandboxRequest,
  type SandboxSession,
} from './sandbox.js';

interface NamespacesOptions extends RootOptions {
  /** Path of the bubblewrap program. */
  readonly bwrap: string;
  /** For networks that don't reach this machine; without these programs, commands with a network share the machine's. */
  readonly network?: NetworkPrograms;
}

/** The C library ignores these in set-uid programs. bubblewrap runs outside the sandbox and must not obey them either. */
const LOADER_VARIABLE =
  /^(?:LD_.*|MALLOC_.*|GLIBC_TUNABLES|GCONV_PATH|GETCONF_DIR|HOSTALIASES|LOCALDOMAIN|LOCPATH|NIS_PATH|NLSPATH|RESOLV_HOST_CONF|RES_OPTIONS|TMPDIR|TZDIR)$/;

export function createNamespacesSandbox(options: NamespacesOptions): Sandbox {
  let described: Root | undefined;
  const root = (): Root => (described ??= describeRoot(options));
  let whyShared: string | undefined;
  /** Does not try again after a failure. */
  const connect = async (): Promise<OwnNetwork | undefined> => {
    if (whyShared === undefined && options.network === undefined) whyShared = 'pasta (package passt) is not installed';
    if (options.network === undefined || whyShared !== undefined) return undefined;
    const opened = await openNetwork(options.network);
    if (opened.ok) return opened.value;
    whyShared = opened.failure;
    return undefined;
  };
  return {
    mode: 'namespaces',
    open: (request) => openSession(request, options, root(), connect),
    whyNetworkIsShared: () => whyShared,
    boot: (request) => prepareBoot(request, options, root()),
  };
}

function openSession(
  request: SandboxRequest,
  options: NamespacesOptions,
  root: Root,
  connect: () => Promise<OwnNetwork | undefined>,
): SandboxSession {
  let connecting: Promise<OwnNetwork | undefined> | undefined;
  const closing = new AbortController();
  const running = new Set<Promise<unknown>>();
  const folders = mountsOf(request);
  const usage = new UsageWatch({
    limits: request.limits ?? {},
    folders: writableFolders(request),
    onExcess: (excess) => request.onExcess?.(excess),
  });
  return {
    paths: pathsIn(request),
    run(command) {
      const result = runInside(command, options, {
        root,
        folders,
        usage,
        closing: closing.signal,
        connect: async () => (request.sharesNetwork === true ? undefined : await (connecting ??= connect())),
      });
      running.add(result);
      return result.finally(() => running.delete(result));
    },
    async close() {
      closing.abort();
      await Promise.allSettled(running);
      (await connecting)?.close();
      usage.close();
    },
  };
}

const pathsIn = ({ tools, toolDir }: SandboxRequest): SandboxPaths => ({
  app: APP,
  scratch: SCRATCH,
  cache: CACHE,
  given: GIVEN,
  ...(toolDir === undefined ? {} : { tool: TOOL_OUT }),
  tools: Object.fromEntries(Object.keys(tools).map((name) => [name, `${TOOLS}/${name}`])),
});

const mountsOf = ({ appDir, scratchDir, cacheDir, givenDir, toolDir, tools, mounts = {} }: SandboxRequest) => [
  '--bind',
  scratchDir,
  SCRATCH,
  '--bind',
  appDir,
  APP,
  '--bind',
  cacheDir,
  CACHE,
  // Exists only if a plugin has something to give.
  '--ro-bind-try',
  givenDir,
  GIVEN,
  ...(toolDir === undefined ? [] : ['--bind', toolDir, TOOL_OUT]),
  ...Object.entries(tools).flatMap(([name, folder]) => ['--ro-bind', folder, `${TOOLS}/${name}`]),
  ...Object.entries(mounts).flatMap(([seen, folder]) => ['--bind', folder, seen]),
];

interface Surroundings {
  readonly root: Root;
  readonly folders: readonly string[];
  readonly usage: UsageWatch;
  readonly closing: AbortSignal;
  readonly connect: () => Promise<OwnNetwork | undefined>;
}

async function runInside(
  command: Command,
  options: NamespacesOptions,
  { root, folders, usage, closing, connect }: Surroundings,
): Promise<Result<Exit, Failure>> {
  const { argv, onLine } = command;
  const own = command.network ? await connect() : undefined;
  const inside = prepareInside(command, options, root, folders, own);
  /** Lines that look like bubblewrap's own messages; they are the command's output if the command did run. */
  const complaints: string[] = [];

  const over = usage.begin({ processes: inside.status.processes, kill: inside.status.kill });
  const result = await spawnCommand(inside.argv, {
    cwd: '/',
    env: inside.env,
    files: inside.files,
    isExpendable: true,
    onLine: (stream, text) => {
      if (stream === 'stderr' && complaints.length < 10 && text.startsWith('bwrap: ')) complaints.push(text);
      else onLine(stream, text);
    },
    signals: [command.signal, closing],
    onStatus: inside.status.feed,
    sendSignal: inside.status.sendSignal,
    isAlive: inside.status.isAlive,
    ...(usage.group === undefined ? {} : { group: usage.group }),
  }).finally(over);
  if (await usage.isExceeded()) return fail(commandAborted(argv));
  if (!result.ok) {
    if (hasCode(result.failure, 'run::aborted')) return fail(commandAborted(argv));
    // Of the command itself, not of the program around it.
    return hasCode(result.failure, 'command::arguments-too-large')
      ? fail(argumentsTooLarge(argv, command.env))
      : result;
  }
  // If bubblewrap reported no exit status, the command never ran.
  if (result.value.exitCode !== undefined && !inside.status.commandRan())
    return fail(startFailure(command, complaints));
  for (const line of complaints) onLine('stderr', line);
  return result;
}

/** The command line that starts a command in namespaces, its environment, and what reads its descriptor 3. */
function prepareInside(
  command: Pick<Command, 'argv' | 'cwd' | 'env' | 'network' | 'relay'>,
  { bwrap, passThrough }: NamespacesOptions,
  root: Root,
  folders: readonly string[],
  own?: OwnNetwork,
) {
  const env = command.network ? { ...passThrough, ...command.env } : command.env;
  const [ownEnv, loaderArguments] = splitEnvironment(env);
  return {
    argv: [
      ...(own?.enter ?? []),
      bwrap,
      ...(own?.isUserMapped === true ? root.asCaller : []),
      ...root.shared,
      ...folders,
      ...(command.relay === undefined ? [] : ['--ro-bind', command.relay, RELAY_SOCKET]),
      ...(command.network ? root.withNetwork(own?.nameserver) : root.withoutNetwork),
      '--remount-ro',
      '/',
      '--chdir',
      command.cwd ?? APP,
      ...loaderArguments,
      // The marker in bubblewrap's own environment lets the guardian find its processes; the command doesn't get it.
      '--unsetenv',
      MARKER_VARIABLE,
      ...(root.filterPath === undefined ? [] : ['--seccomp', String(FIRST_FILE_DESCRIPTOR)]),
      '--json-status-fd',
      String(STATUS_DESCRIPTOR),
      '--',
      ...(command.relay === undefined ? [] : relayTo(RELAY_SOCKET)),
      ...command.argv,
    ],
    env: { ...ownEnv, [MARKER_VARIABLE]: nextMarker() },
    files: root.filterPath === undefined ? [] : [root.filterPath],
    status: createStatus(),
  };
}

/** Before a command line: connects the loopback with a socket, then becomes the command. */
const relayTo = (socket: string): readonly string[] => [
  '/usr/bin/perl',
  '-e',
  RELAY_PROGRAM,
  socket,
  String(RELAY_PORT),
];

/** The same for a finished app: its slug, an empty /tmp, the network, and nothing that belongs to builds. */
function prepareBoot({ slugDir, writable, argv, env }: BootRequest, options: NamespacesOptions, root: Root): Boot {
  // Boot scripts read the limits of the container.
  const limits = ['--ro-bind-try', '/sys/fs/cgroup', '/sys/fs/cgroup'];
  const folders = [...limits, '--tmpfs', SCRATCH, writable ? '--bind' : '--ro-bind', slugDir, APP];
  const { status, ...inside } = prepareInside({ argv, env, network: true }, options, root, folders);
  return { ...inside, onStatus: status.feed, sendSignal: status.sendSignal };
}

/** What bubblewrap reports about the process namespace: its first process, and that the command ended. */
function createStatus() {
  let text = '';
  let init: number | undefined;
  return {
    feed(chunk: string): void {
      text += chunk;
      const pid = /"child-pid": (\d+)/.exec(text)?.[1];
      if (pid !== undefined) init = Number(pid);
    },
    commandRan: (): boolean => text.includes('"exit-code"'),
    /** After bubblewrap itself ended, the kernel still has to end the other processes in the namespace. */
    isAlive: (): boolean => init !== undefined && processRuns(init),
    processes: (): readonly string[] => (init === undefined ? [] : processesInside(init)),
    /** The kernel ends all other processes with the first one. */
    kill(): void {
      if (init !== undefined) signalProcess(init, 'SIGKILL');
    },
    sendSignal(bwrapPid: number, name: NodeJS.Signals): void {
      // bubblewrap has not started the command yet, so nothing needs an orderly end.
      if (init === undefined) signalGroup(bwrapPid, 'SIGKILL');
      // The first process is in the command's group and ignores all signals but KILL; killing it kills all others.
      else if (name === 'SIGKILL') signalProcess(init, name);
      else signalGroup(init, name);
    },
  };
}

function splitEnvironment(
  env: Readonly<Record<string, string>>,
): readonly [Readonly<Record<string, string>>, readonly string[]] {
  const loader = Object.keys(env).filter((name) => LOADER_VARIABLE.test(name));
  if (loader.length === 0) return [env, []];
  const own = { ...env };
  for (const name of loader) delete own[name];
  return [own, loader.flatMap((name) => ['--setenv', name, env[name] ?? ''])];
}

function startFailure({ argv, env }: Command, complaints: readonly string[]): Failure {
  const text = complaints.map((line) => line.slice('bwrap: '.length)).join('\n');
  if (/^execvp .*: No such file or directory$/.test(text)) return commandNotFound(argv, env['PATH']);
  if (/^execvp .*: (Permission denied|Not a directory|Is a directory|Exec format error)$/.test(text))
    return commandNotExecutable(argv, `The system reports: ${text.slice(text.lastIndexOf(': ') + 2)}`);
  if (/^execvp .*: Argument list too long$/.test(text)) return argumentsTooLarge(argv, env);
  return commandCannotStart(
    argv,
    text === '' ? 'The sandbox ended before the command started.' : `The sandbox reports: ${text}`,
  );
}
