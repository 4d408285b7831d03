// Tells whether other machines can change a folder: whether it is on a network file system, or on a folder that a virtual machine
// shares with its host.

import { realpathSync, statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { mountInfo, parseMountInfo, type Mount } from './mount-table.js';

export interface SharedMount {
  /** `network`: other machines can use the folder at the same time. `host`: at least the host of this virtual machine can. */
  readonly shared: 'network' | 'host';
  /** As the system names it, such as `nfs4`. */
  readonly type: string;
}

/** What the kernel says; tests pass other answers. */
export interface MountTable {
  /** The magic number of the file system and the device, `MAJOR:MINOR`, of an existing path. Throws the system's error. */
  look(path: string): { readonly magic: number; readonly device: string };
  /** As /proc/self/mountinfo. Throws the system's error. */
  text(): string;
}

const THIS_MACHINE: MountTable = {
  look: (path) => ({ magic: statfsSync(path).type, device: deviceOf(statSync(path, { bigint: true }).dev) }),
  text: mountInfo,
};

/** From linux/magic.h and the file systems themselves. */
const NETWORK: Readonly<Record<number, string>> = {
  0x6969: 'nfs',
  0xff534d42: 'cifs',
  0xfe534d42: 'smb3',
  0x517b: 'smbfs',
  0x564c: 'ncpfs',
  0x00c36400: 'ceph',
  0x0bd00bd0: 'lustre',
  0x47504653: 'gpfs',
  0x19830326: 'beegfs',
  0x20030528: 'orangefs',
  0xaad7aaea: 'panfs',
  0x5346414f: 'afs',
  0x6b414653: 'afs',
  0x73757245: 'coda',
  0x7461636f: 'ocfs2',
  0x01161970: 'gfs2',
};
const HOST: Readonly<Record<number, string>> = {
  0x01021997: '9p',
  0x786f4256: 'vboxsf',
  0x7c7c6673: 'prl_fs',
  0xbacbacbc: 'vmhgfs',
};
/** All file systems that a process serves, and virtiofs. Only the mount table tells which one it is. */
const FUSE = 0x65735546;
const NETWORK_BY_NAME: ReadonlySet<string> = new Set([
  'ceph',
  'ceph-fuse',
  'cvmfs2',
  'curlftpfs',
  'davfs',
  'davfs2',
  'gcsfuse',
  'glusterfs',
  'goofys',
  'juicefs',
  'mfs',
  'mountpoint-s3',
  'moosefs',
  'rclone',
  's3fs',
  'seaweedfs',
  'smbnetfs',
  'sshfs',
  'weed',
]);
const HOST_BY_NAME: ReadonlySet<string> = new Set(['virtiofs', 'fakeowner', 'grpcfuse', 'osxfs', 'vmhgfs-fuse']);

/** Undefined if only this machine can use the folder, or if nothing is known. A folder that doesn't exist is where its parent is. */
export function sharedMountOf(folder: string, table: MountTable = THIS_MACHINE): SharedMount | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    const { path, magic, device } = lookAtNearest(folder, table);
    // Some are negative as signed numbers.
    const unsigned = magic >>> 0;
    if (unsigned !== FUSE && NETWORK[unsigned] === undefined && HOST[unsigned] === undefined) return undefined;
    const names = mountOf(path, device, table);
    const type = names?.type ?? NETWORK[unsigned] ?? HOST[unsigned] ?? 'fuse';
    if (NETWORK[unsigned] !== undefined) return { shared: 'network', type };
    if (HOST[unsigned] !== undefined) return { shared: 'host', type };
    return names && sharedFuse(names);
  } catch {
    // If something is wrong with the folder, its next user fails with a better message.
    return undefined;
  }
}

/** `fuse.NAME`, or `fuse` with the name as the source. */
function sharedFuse({ type, source }: MountNames): SharedMount | undefined {
  const name = type.replace(/^fuse\./, '');
  if (NETWORK_BY_NAME.has(name) || (name === 'fuse' && NETWORK_BY_NAME.has(source))) return { shared: 'network', type };
  return HOST_BY_NAME.has(name) ? { shared: 'host', type } : undefined;
}

function lookAtNearest(folder: string, table: MountTable): ReturnType<MountTable['look']> & { readonly path: string } {
  for (let path = folder; ; path = dirname(path)) {
    try {
      return { path, ...table.look(path) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || path === dirname(path)) throw error;
    }
  }
}

type MountNames = Pick<Mount, 'type' | 'source'>;

/** The mount that holds the path: of the right device if the table has it, the deepest, and the latest of these. */
function mountOf(folder: string, device: string, table: MountTable): MountNames | undefined {
  const path = realPathOf(folder);
  let best: (MountNames & { readonly rank: number }) | undefined;
  for (const { device: own, place, type, source } of mountsOf(table)) {
    if (path !== place && !path.startsWith(place === '/' ? '/' : `${place}/`)) continue;
    const rank = place.length + (own === device ? MANY : 0);
    if (best === undefined || rank >= best.rank) best = { type, source, rank };
  }
  return best;
}
const MANY = 1e6;

function realPathOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function mountsOf(table: MountTable): readonly Mount[] {
  try {
    return parseMountInfo(table.text());
  } catch {
    return [];
  }
}

/** As Linux packs the two numbers into one. */
function deviceOf(device: bigint): string {
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n);
  const minor = (device & 0xffn) | ((device >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
}
