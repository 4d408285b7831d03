// The root that commands see: which folders of the machine it has, which files of /etc are made up, what is mounted how.
// Unaware of sessions and commands.

import { existsSync, lstatSync, readFileSync, readlinkSync, renameSync, writeFileSync } from 'node:fs';
import { normalize } from 'node:path';
import { CERTIFICATE_VARIABLES } from '../certificate-variables.js';
import { FORWARDED_RESOLVER } from './own-network.js';
import { systemCallFilter } from './seccomp.js';
import { makePrivateFolder, privateFileMode } from '../../files/private-files.js';

export interface RootOptions {
  /** Proxy and CA variables of the operator: for commands with a network, below their own environment. */
  readonly passThrough: Readonly<Record<string, string>>;
  /** A folder of ours for the few files that are made up. */
  readonly stateDir: string;
  /** Bubblewrap before 0.8: folders in memory have no size, and namespaces are refused by the filter alone. */
  readonly isOlder: boolean;
}

export const APP = '/app';
export const SCRATCH = '/tmp';
export const CACHE = '/var/cache/pyflow';
export const TOOLS = '/opt/pyflow/tools';
export const GIVEN = '/opt/pyflow/given';
export const TOOL_OUT = '/opt/pyflow/tools-out';

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
const NETWORK_ETC = ['gai.conf', 'host.conf', 'resolv.conf'];

/** Arguments that are the same for every command of this process. */
export interface Root {
  readonly shared: readonly string[];
  /** `nameserver`: the only one, instead of the machine's. */
  readonly withNetwork: (nameserver: string | undefined) => readonly string[];
  /** Where the caller is seen as root: its own ids again. */
  readonly asCaller: readonly string[];
  readonly withoutNetwork: readonly string[];
  /** The file with the filter of system calls, where this processor's calls are known. */
  readonly filterPath?: string;
}

/** For semaphores and the like, which must not become a way to fill the machine's memory. */
const SHARED_MEMORY_BYTES = 256 * 1024 * 1024;

export function describeRoot({ stateDir, passThrough, isOlder }: RootOptions): Root {
  const filter = systemCallFilter(process.arch);
  const made = writeStateFiles(stateDir, filter);
  return {
    ...(filter === undefined ? {} : { filterPath: `${made}/${FILTER_NAME}` }),
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
      // The filter refuses namespaces; this does it where there is none, at the price of one namespace more.
      ...(filter === undefined && !isOlder ? ['--disable-userns'] : []),
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
      ...kernelFolders(isOlder),
      '--symlink',
      '/tmp',
      '/var/tmp',
    ],
    asCaller: ['--uid', String(process.getuid?.() ?? 0), '--gid', String(process.getgid?.() ?? 0)],
    withNetwork: (nameserver) => [
      ...NETWORK_ETC.filter((name) => nameserver === undefined || name !== 'resolv.conf').flatMap((name) =>
        etcEntry(name),
      ),
      ...(nameserver === undefined ? [] : ['--ro-bind', `${made}/resolv-forwarded.conf`, '/etc/resolv.conf']),
      '--ro-bind',
      `${made}/hosts-network`,
      '/etc/hosts',
      ...certificates(passThrough),
    ],
    withoutNetwork: ['--unshare-net', '--ro-bind', `${made}/hosts`, '/etc/hosts'],
  };
}

/** What root could read although it has no capability: memory, addresses and timers of the kernel, keys of others. */
const HIDDEN_PROC = [
  'kcore',
  'key-users',
  'keys',
  'kmsg',
  'kpagecgroup',
  'kpagecount',
  'kpageflags',
  'latency_stats',
  'pagetypeinfo',
  'sched_debug',
  'slabinfo',
  'timer_list',
  'vmallocinfo',
];

/**
 * /proc and /dev. Files below /proc that set something of the whole kernel belong to root and are checked by no capability
 * but by their mode, so the mount itself is made read-only, once all of its mounts are made.
 */
function kernelFolders(isOlder: boolean): readonly string[] {
  const sized = isOlder ? [] : ['--perms', '1777', '--size', String(SHARED_MEMORY_BYTES)];
  return [
    '--proc',
    '/proc',
    '--dev',
    '/dev',
    ...HIDDEN_PROC.filter((name) => existsSync(`/proc/${name}`)).flatMap((name) => [
      '--ro-bind',
      '/dev/null',
      `/proc/${name}`,
    ]),
    '--remount-ro',
    '/proc',
    ...sized,
    '--tmpfs',
    '/dev/shm',
    '--remount-ro',
    '/dev',
  ];
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
  for (const name of CERTIFICATE_VARIABLES) {
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

/** Localhost and the sandbox's name of the machine, which nothing else could resolve. */
const HOSTS = '127.0.0.1 localhost pyflow\n::1 localhost ip6-localhost ip6-loopback\n';
const FILTER_NAME = 'system-calls.bpf';

/** No names of the machine's users: the caller, root and nobody are all there are. */
function writeStateFiles(stateDir: string, filter: Buffer | undefined): string {
  const uid = process.getuid?.() ?? 0;
  const gid = process.getgid?.() ?? 0;
  const caller = uid === 0 ? '' : `app:x:${uid}:${gid}:app:${APP}:/bin/sh\n`;
  const callersGroup = gid === 0 ? '' : `app:x:${gid}:\n`;
  const nobody = uid === 65534 ? '' : 'nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n';
  const nogroup = gid === 65534 ? '' : 'nogroup:x:65534:\n';
  const files: Readonly<Record<string, string | Buffer>> = {
    passwd: `root:x:0:0:root:${APP}:/bin/sh\n${caller}${nobody}`,
    group: `root:x:0:\n${callersGroup}${nogroup}`,
    'nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n',
    hosts: HOSTS,
    // Further names are the machine's to give. Ours come first, since the first line of a name counts.
    'hosts-network': HOSTS + (existsSync('/etc/hosts') ? readFileSync('/etc/hosts', 'utf8') : ''),
    'resolv-forwarded.conf': `nameserver ${FORWARDED_RESOLVER}\n`,
    ...(filter === undefined ? {} : { [FILTER_NAME]: filter }),
  };
  // A cache may be shared by users, these files not: they hold the ids.
  const folder = `${stateDir}/etc-${uid}-${gid}`;
  makePrivateFolder(folder);
  for (const [name, content] of Object.entries(files)) {
    const path = `${folder}/${name}`;
    if (existsSync(path) && readFileSync(path).equals(Buffer.from(content))) continue;
    // Others may be binding the old file this moment.
    writeFileSync(`${path}.${process.pid}`, content, { mode: privateFileMode(path) });
    renameSync(`${path}.${process.pid}`, path);
  }
  return folder;
}
