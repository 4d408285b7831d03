// The sandbox made by bubblewrap: a root put together anew, the private folder at /app, nothing else of the caller's.
// Unaware of what runs inside and of how the machine was found fit for it.

import { existsSync, lstatSync, mkdirSync, readFileSync, readlinkSync, renameSync, writeFileSync } from 'node:fs';
import { normalize } from 'node:path';
import { fail, type Failure, type Result } from '../failure.js';
import { MARKER_VARIABLE, nextMarker } from '../guardian.js';
import { processRuns, signalGroup, signalProcess, spawnCommand } from '../subprocess.js';
import {
  ARGUMENTS_TOO_LARGE,
  argumentsTooLarge,
  commandAborted,
  commandCannotStart,
  commandNotFound,
} from './failures.js';
import type { Command, Exit, Sandbox, SandboxPaths, SandboxRequest, SandboxSession } from './sandbox.js';

export interface NamespacesOptions {
  /** Path of the bubblewrap program. */
  readonly bwrap: string;
  /** Proxy and CA variables of the operator: for commands with a network, below their own environment. */
  readonly passThrough: Readonly<Record<string, string>>;
  /** A folder of ours for the few files of /etc that are made up; written when the first session opens. */
  readonly stateDir: string;
}

const APP = '/app';
const SCRATCH = '/tmp';
const CACHE = '/var/cache/pyflow';
const TOOLS = '/opt/pyflow/tools';
const GIVEN = '/opt/pyflow/given';
const TOOL_OUT = '/opt/pyflow/tools-out';

/** What programs need to start, to name a service or a file type, to trust a certificate: no one's settings. */
const SHARED_ETC = [
  'alternatives',
  'ca-certificates',
  'crypto-policies',
  'debian_version',
  'ld.so.cache',
  'ld.so.conf',
  'ld.so.conf.d',
  'locale.alias',
  'mime.types',
  'os-release',
  'pki/ca-trust',
  'pki/tls/cert.pem',
  'pki/tls/certs',
  'pki/tls/openssl.cnf',
  'protocols',
  'services',
  'ssl/cert.pem',
  'ssl/certs',
  'ssl/openssl.cnf',
];
/** Where a network leads to, told by the machine. */
const NETWORK_ETC = ['gai.conf', 'host.conf', 'hosts', 'resolv.conf'];

/** Variables that name files or folders with certificates; the latter may be a list. */
const CA_VARIABLES = [
  'CURL_CA_BUNDLE',
  'NODE_EXTRA_CA_CERTS',
  'PIP_CERT',
  'REQUESTS_CA_BUNDLE',
  'SSL_CERT_DIR',
  'SSL_CERT_FILE',
];

/** What the C library itself ignores in set-uid programs: bubblewrap, outside the sandbox, must not obey it either. */
const LOADER_VARIABLE =
  /^(?:LD_.*|MALLOC_.*|GLIBC_TUNABLES|GCONV_PATH|GETCONF_DIR|HOSTALIASES|LOCALDOMAIN|LOCPATH|NIS_PATH|NLSPATH|RESOLV_HOST_CONF|RES_OPTIONS|TMPDIR|TZDIR)$/;

export function createNamespacesSandbox(options: NamespacesOptions): Sandbox {
  let root: Root | undefined;
  return {
    mode: 'namespaces',
    open(request) {
      root ??= describeRoot(options);
      return openSession(request, options, root);
    },
  };
}

/** Arguments that are the same for every command of this process. */
interface Root {
  readonly shared: readonly string[];
  readonly withNetwork: readonly string[];
  readonly withoutNetwork: readonly string[];
}

function describeRoot({ stateDir, passThrough }: NamespacesOptions): Root {
  const made = writeEtcFiles(stateDir);
  return {
    shared: [
      '--unshare-user',
      '--unshare-pid',
      '--unshare-ipc',
      '--unshare-uts',
      '--unshare-cgroup-try',
      '--hostname',
      'pyflow',
      // Root would keep its capabilities, and with them could make /usr writable again.
      '--cap-drop',
      'ALL',
      '--die-with-parent',
      '--new-session',
      '--ro-bind',
      '/usr',
      '/usr',
      // Made first: folders that bubblewrap makes by the way are closed to all but the owner.
      ...['etc', 'etc/ssl', 'opt', 'run', 'var', 'var/cache'].flatMap((name) => ['--dir', `/${name}`]),
      ...['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32'].flatMap(rootFolder),
      ...SHARED_ETC.flatMap((name) => etcEntry(name)),
      ...['passwd', 'group', 'nsswitch.conf'].flatMap((name) => ['--ro-bind', `${made}/${name}`, `/etc/${name}`]),
      // The machine's time zone would be an input that no key knows.
      '--symlink',
      '/usr/share/zoneinfo/UTC',
      '/etc/localtime',
      '--symlink',
      '/proc/self/mounts',
      '/etc/mtab',
      '--proc',
      '/proc',
      '--dev',
      '/dev',
      '--symlink',
      '/tmp',
      '/var/tmp',
    ],
    withNetwork: [...NETWORK_ETC.flatMap((name) => etcEntry(name)), ...certificates(passThrough)],
    withoutNetwork: ['--unshare-net', '--ro-bind', `${made}/hosts`, '/etc/hosts'],
  };
}

/** /bin and its like are folders on some systems and links into /usr on others. */
function rootFolder(name: string): readonly string[] {
  const stat = lstatSync(`/${name}`, { throwIfNoEntry: false });
  if (stat === undefined) return [];
  return stat.isSymbolicLink()
    ? ['--symlink', readlinkSync(`/${name}`), `/${name}`]
    : ['--ro-bind', `/${name}`, `/${name}`];
}

function etcEntry(name: string): readonly string[] {
  // A link may lead to /run (resolv.conf) or /usr: bound by content, so that it leads somewhere inside as well.
  return existsSync(`/etc/${name}`) ? ['--ro-bind', `/etc/${name}`, `/etc/${name}`] : [];
}

function certificates(passThrough: Readonly<Record<string, string>>): readonly string[] {
  const paths = new Set<string>();
  for (const name of CA_VARIABLES) {
    const value = passThrough[name] ?? '';
    for (const path of name === 'SSL_CERT_DIR' ? value.split(':') : [value]) {
      if (isBindable(path) && existsSync(path)) paths.add(path);
    }
  }
  return [...paths].sort().flatMap((path) => ['--ro-bind', path, path]);
}

/** A file or folder of its own that is not there anyway; never so much as `/etc`, never a file in a folder of ours. */
const isBindable = (path: string): boolean =>
  normalize(path) === path &&
  /^\/[^/]+\/./.test(path) &&
  ![APP, CACHE, '/opt/pyflow', '/usr', '/proc', '/dev', ...SHARED_ETC.map((name) => `/etc/${name}`)].some(
    (folder) => path === folder || path.startsWith(`${folder}/`),
  );

/** No names of the machine's users: the caller, root and nobody are all there are. */
function writeEtcFiles(stateDir: string): string {
  const uid = process.getuid?.() ?? 0;
  const gid = process.getgid?.() ?? 0;
  const caller = uid === 0 ? '' : `app:x:${uid}:${gid}:app:${APP}:/bin/sh\n`;
  const callersGroup = gid === 0 ? '' : `app:x:${gid}:\n`;
  const nobody = uid === 65534 ? '' : 'nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n';
  const nogroup = gid === 65534 ? '' : 'nogroup:x:65534:\n';
  const files: Readonly<Record<string, string>> = {
    passwd: `root:x:0:0:root:${APP}:/bin/sh\n${caller}${nobody}`,
    group: `root:x:0:\n${callersGroup}${nogroup}`,
    'nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n',
    hosts: '127.0.0.1 localhost pyflow\n::1 localhost\n',
  };
  // A cache may be shared by users, these files not: they hold the ids.
  const folder = `${stateDir}/etc-${uid}-${gid}`;
  mkdirSync(folder, { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    const path = `${folder}/${name}`;
    if (existsSync(path) && readFileSync(path, 'utf8') === content) continue;
    // Others may be binding the old file this moment.
    writeFileSync(`${path}.${process.pid}`, content);
    renameSync(`${path}.${process.pid}`, path);
  }
  return folder;
}

function openSession(request: SandboxRequest, options: NamespacesOptions, root: Root): SandboxSession {
  const closing = new AbortController();
  const running = new Set<Promise<unknown>>();
  const { toolDir } = request;
  const paths: SandboxPaths = {
    app: APP,
    scratch: SCRATCH,
    cache: CACHE,
    given: GIVEN,
    ...(toolDir === undefined ? {} : { tool: TOOL_OUT }),
    tools: Object.fromEntries(Object.keys(request.tools).map((name) => [name, `${TOOLS}/${name}`])),
  };
  const folders = [
    '--bind',
    request.scratchDir,
    SCRATCH,
    '--bind',
    request.appDir,
    APP,
    '--bind',
    request.cacheDir,
    CACHE,
    '--ro-bind',
    request.givenDir,
    GIVEN,
    ...(toolDir === undefined ? [] : ['--bind', toolDir, TOOL_OUT]),
    ...Object.entries(request.tools).flatMap(([name, folder]) => ['--ro-bind', folder, `${TOOLS}/${name}`]),
    ...Object.entries(request.mounts ?? {}).flatMap(([seen, folder]) => ['--bind', folder, seen]),
  ];
  return {
    paths,
    run(command) {
      const result = runInside(command, options, root, folders, closing.signal);
      running.add(result);
      return result.finally(() => running.delete(result));
    },
    async close() {
      closing.abort();
      await Promise.allSettled(running);
    },
  };
}

async function runInside(
  command: Command,
  options: NamespacesOptions,
  root: Root,
  folders: readonly string[],
  closing: AbortSignal,
): Promise<Result<Exit, Failure>> {
  const { argv, onLine } = command;
  const inside = prepareInside(command, options, root, folders);
  /** What bubblewrap says of itself; not the command's output, unless the command did run. */
  const complaints: string[] = [];

  const result = await spawnCommand(inside.argv, {
    cwd: '/',
    env: inside.env,
    onLine: (stream, text) => {
      if (stream === 'stderr' && complaints.length < 10 && text.startsWith('bwrap: ')) complaints.push(text);
      else onLine(stream, text);
    },
    signals: [command.signal, closing],
    onStatus: inside.status.feed,
    sendSignal: inside.status.sendSignal,
    isAlive: inside.status.isAlive,
  });
  if (!result.ok) {
    if (result.failure.code === 'run::aborted') return fail(commandAborted(argv));
    // The command's, not those of the program around it.
    return result.failure.code === ARGUMENTS_TOO_LARGE ? fail(argumentsTooLarge(argv, command.env)) : result;
  }
  // Without an exit status of the command there was no command.
  if (result.value.exitCode !== undefined && !inside.status.commandRan())
    return fail(startFailure(command, complaints));
  for (const line of complaints) onLine('stderr', line);
  return result;
}

/** The command line that starts a command in namespaces, its environment, and what descriptor 3 tells meanwhile. */
function prepareInside(
  command: Pick<Command, 'argv' | 'cwd' | 'env' | 'network'>,
  { bwrap, passThrough }: NamespacesOptions,
  root: Root,
  folders: readonly string[],
) {
  const env = command.network ? { ...passThrough, ...command.env } : command.env;
  const [ownEnv, loaderArguments] = splitEnvironment(env);
  return {
    argv: [
      bwrap,
      ...root.shared,
      ...folders,
      ...(command.network ? root.withNetwork : root.withoutNetwork),
      '--remount-ro',
      '/',
      '--chdir',
      command.cwd ?? APP,
      ...loaderArguments,
      // Bubblewrap's own: with it the guardian finds its processes.
      '--unsetenv',
      MARKER_VARIABLE,
      '--json-status-fd',
      '3',
      '--',
      ...command.argv,
    ],
    env: { ...ownEnv, [MARKER_VARIABLE]: nextMarker() },
    status: createStatus(),
  };
}

export interface BootRequest {
  /** Seen at /app. */
  readonly slugDir: string;
  readonly writable: boolean;
  readonly argv: readonly string[];
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
}

/** As above, for a finished app: its slug, an empty /tmp, the network, and nothing that belongs to builds. */
export function prepareBoot({ slugDir, writable, argv, env }: BootRequest, options: NamespacesOptions) {
  // Boot scripts read the limits of the container.
  const limits = ['--ro-bind-try', '/sys/fs/cgroup', '/sys/fs/cgroup'];
  const folders = [...limits, '--tmpfs', SCRATCH, writable ? '--bind' : '--ro-bind', slugDir, APP];
  return prepareInside({ argv, env, network: true }, options, describeRoot(options), folders);
}

/** What bubblewrap tells about the process namespace: its first process, and that the command ran to an end. */
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
    /** When bubblewrap itself is gone the kernel still has to end what is left in the namespace. */
    isAlive: (): boolean => init !== undefined && processRuns(init),
    sendSignal(bwrapPid: number, name: NodeJS.Signals): void {
      // Not yet that far: nothing of the command is there to end in order.
      if (init === undefined) signalGroup(bwrapPid, 'SIGKILL');
      // The first process is in the command's group and deaf to all but KILL; when it is killed, all others are.
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
  if (/^execvp .*: Argument list too long$/.test(text)) return argumentsTooLarge(argv, env);
  return commandCannotStart(
    argv,
    text === '' ? 'The sandbox ended before the command began.' : `The sandbox says: ${text}`,
  );
}
