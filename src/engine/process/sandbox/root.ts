// The root file system that commands see: which folders of the machine it has, which files of /etc pyflow writes itself,
// and how everything is mounted.

import { existsSync, lstatSync, readFileSync, readlinkSync, renameSync, writeFileSync } from 'node:fs';
import { normalize } from 'node:path';
import { CERTIFICATE_VARIABLES } from '../certificate-variables.js';
import { FORWARDED_RESOLVER } from './own-network.js';
import { systemCallFilter } from './seccomp.js';
import { makePrivateFolder, privateFileMode } from '../../files/private-files.js';

export interface RootOptions {
  /** Proxy and CA variables of the operator: for commands with a network, below their own environment. */
  readonly passThrough: Readonly<Record<string, string>>;
  /** Our own folder for the files that pyflow writes itself. */
  readonly stateDir: string;
  /** Bubblewrap before 0.8: folders in memory have no size limit, and only the filter refuses namespaces. */
  readonly isOlder: boolean;
}

export const APP = '/app';
export const SCRATCH = '/tmp';
export const CACHE = '/var/cache/pyflow';
export const TOOLS = '/opt/pyflow/tools';
export const GIVEN = '/opt/pyflow/given';
export const TOOL_OUT = '/opt/pyflow/tools-out';

/** What programs need to start, to name a service or a file type, to trust a certificate. None of it is a setting. */
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
/** How the machine resolves names and routes. */
const NETWORK_ETC = ['gai.conf', 'host.conf', 'resolv.conf'];

/** Arguments that are the same for every command of this process. */
export interface Root {
  readonly shared: readonly string[];
  /** `nameserver` replaces those of the machine. */
  readonly withNetwork: (nameserver: string | undefined) => readonly string[];
  /** If the caller is mapped to root: gives it back its own ids. */
  readonly asCaller: readonly string[];
  readonly withoutNetwork: readonly string[];
  /** The file with the system call filter, if this processor's calls are known. */
  readonly filterPath?: string;
}

/** Enough for semaphores and the like, and too little to fill the machine's memory. */
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
      // Root would keep its capabilities and could make /usr writable again.
      '--cap-drop',
      'ALL',
      // Without a filter this option refuses namespaces, at the price of one more namespace.
      ...(filter === undefined && !isOlder ? ['--disable-userns'] : []),
      '--die-with-parent',
      '--new-session',
      '--ro-bind',
      '/usr',
      '/usr',
      // Made first, because folders that bubblewrap creates implicitly are open to the owner only.
      ...['etc', 'etc/ssl', 'opt', 'run', 'var', 'var/cache'].flatMap((name) => ['--dir', `/${name}`]),
      ...['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32'].flatMap(rootFolder),
      ...SHARED_ETC.flatMap((name) => etcEntry(name)),
      ...['passwd', 'group', 'nsswitch.conf'].flatMap((name) => ['--ro-bind', `${made}/${name}`, `/etc/${name}`]),
      // The machine's time zone would be an input that is in no key.
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

/** What root could read even without capabilities: memory, addresses and timers of the kernel, keys of other users. */
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
 * /proc and /dev. Files below /proc that configure the whole kernel belong to root, and the kernel checks only their mode
 * and no capability. So the mount itself is made read-only, after everything below it is mounted.
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

/** /bin and similar entries are folders on some systems and links into /usr on others. */
function rootFolder(name: string): readonly string[] {
  const stat = lstatSync(`/${name}`, { throwIfNoEntry: false });
  if (stat === undefined) return [];
  return stat.isSymbolicLink()
    ? ['--symlink', readlinkSync(`/${name}`), `/${name}`]
    : ['--ro-bind', `/${name}`, `/${name}`];
}

function etcEntry(name: string): readonly string[] {
  // The entry may be a link to /run (resolv.conf) or /usr. Binding its content makes it work inside as well.
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

/** A specific file or folder that the root doesn't contain already: never a whole `/etc`, never in one of our folders. */
const isBindable = (path: string): boolean =>
  normalize(path) === path &&
  /^\/[^/]+\/./.test(path) &&
  ![APP, CACHE, '/opt/pyflow', '/usr', '/proc', '/dev', ...SHARED_ETC.map((name) => `/etc/${name}`)].some(
    (folder) => path === folder || path.startsWith(`${folder}/`),
  );

/** Localhost, and the machine's name inside the sandbox, which nothing else could resolve. */
const HOSTS = '127.0.0.1 localhost pyflow\n::1 localhost ip6-localhost ip6-loopback\n';
const FILTER_NAME = 'system-calls.bpf';

/** Shows no names of the machine's users: only root, nobody and an account for the caller exist. */
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
    // The machine may define further names. Ours come first, since the first line for a name counts.
    'hosts-network': HOSTS + (existsSync('/etc/hosts') ? readFileSync('/etc/hosts', 'utf8') : ''),
    'resolv-forwarded.conf': `nameserver ${FORWARDED_RESOLVER}\n`,
    ...(filter === undefined ? {} : { [FILTER_NAME]: filter }),
  };
  // Users may share a cache, but not these files: they contain the user's ids.
  const folder = `${stateDir}/etc-${uid}-${gid}`;
  makePrivateFolder(folder);
  for (const [name, content] of Object.entries(files)) {
    const path = `${folder}/${name}`;
    if (existsSync(path) && readFileSync(path).equals(Buffer.from(content))) continue;
    // Another process may be binding the old file at this moment.
    writeFileSync(`${path}.${process.pid}`, content, { mode: privateFileMode(path) });
    renameSync(`${path}.${process.pid}`, path);
  }
  return folder;
}
