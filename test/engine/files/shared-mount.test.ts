import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { sharedMountOf, type MountTable } from '../../../src/engine/files/shared-mount.js';

const EXT4 = 0xef53;
const FUSE = 0x65735546;

/** A line of /proc/self/mountinfo. */
const mount = (point: string, type: string, { source = 'none', device = '0:50' } = {}): string =>
  `40 27 ${device} / ${point} rw,relatime shared:1 - ${type} ${source} rw`;

describe('engine/files/shared-mount', () => {
  let root: string;
  before(() => {
    root = realpathSync(mkdtempSync(join(tmpdir(), 'pyflow-test-')));
    mkdirSync(join(root, 'mnt/a b/cache'), { recursive: true });
    symlinkSync(join(root, 'mnt/a b'), join(root, 'link'));
  });
  after(() => rmSync(root, { recursive: true, force: true }));

  const ROOT = mount('/', 'ext4', { source: '/dev/vda', device: '254:0' });
  const tableOf = (magic: number, lines: readonly string[] = [], device = '0:50'): MountTable => ({
    look: () => ({ magic, device }),
    text: () => [ROOT, ...lines, ''].join('\n'),
  });
  const found = (magic: number, type: string, more: { source?: string } = {}) =>
    sharedMountOf(join(root, 'mnt'), tableOf(magic, [mount(join(root, 'mnt'), type, more)]));

  it('recognizes network file systems by their number, and names them as the mount table does', () => {
    const KNOWN: readonly (readonly [magic: number, type: string])[] = [
      [0x6969, 'nfs'],
      [0x6969, 'nfs4'],
      [0xff534d42, 'cifs'],
      // As a signed number.
      [0xff534d42 | 0, 'cifs'],
      [0xfe534d42, 'smb3'],
      [0x00c36400, 'ceph'],
      [0x0bd00bd0, 'lustre'],
      [0x47504653, 'gpfs'],
      [0x19830326, 'beegfs'],
      [0x5346414f, 'afs'],
      [0x7461636f, 'ocfs2'],
      [0x01161970, 'gfs2'],
    ];
    for (const [magic, type] of KNOWN) expect(found(magic, type), type).to.deep.equal({ shared: 'network', type });
  });

  it('recognizes file systems in user space by their name or source', () => {
    for (const name of ['sshfs', 's3fs', 'gcsfuse', 'rclone', 'glusterfs', 'ceph-fuse', 'juicefs'])
      expect(found(FUSE, `fuse.${name}`), name).to.deep.equal({ shared: 'network', type: `fuse.${name}` });
    expect(found(FUSE, 'fuse', { source: 'mountpoint-s3' })).to.deep.equal({ shared: 'network', type: 'fuse' });
  });

  it('tells folders that a virtual machine shares with its host', () => {
    expect(found(0x01021997, '9p')).to.deep.equal({ shared: 'host', type: '9p' });
    expect(found(0x786f4256, 'vboxsf')).to.deep.equal({ shared: 'host', type: 'vboxsf' });
    for (const type of ['virtiofs', 'fuse.grpcfuse', 'fuse.vmhgfs-fuse', 'fakeowner'])
      expect(found(FUSE, type), type).to.deep.equal({ shared: 'host', type });
  });

  it('finds nothing on local file systems, whatever else is mounted', () => {
    for (const [magic, type] of [
      [EXT4, 'ext4'],
      [0x01021994, 'tmpfs'],
      [0x794c7630, 'overlay'],
      [0x9123683e, 'btrfs'],
      [0x58465342, 'xfs'],
      [FUSE, 'fuseblk'],
      [FUSE, 'fuse.fuse-overlayfs'],
      [FUSE, 'fuse.bindfs'],
      [FUSE, 'fuse'],
    ] as const)
      expect(found(magic, type), type).to.equal(undefined);
    const nfs = mount(join(root, 'mnt/other'), 'nfs4');
    expect(sharedMountOf(join(root, 'mnt'), tableOf(EXT4, [nfs]))).to.equal(undefined);
    expect(sharedMountOf(join(root, 'mnt'), tableOf(FUSE, [mount(join(root, 'mn'), 'fuse.sshfs')]))).to.equal(
      undefined,
    );
  });

  it('takes the deepest mount of the path, the latest of several, and prefers the right device', () => {
    const at = (point: string, type: string, device?: string): string =>
      mount(join(root, point), type, device === undefined ? {} : { device });
    const type = (lines: readonly string[]): string | undefined =>
      sharedMountOf(join(root, 'mnt/a b/cache'), tableOf(FUSE, lines))?.type;
    expect(type([at('mnt/a\\040b', 'fuse.sshfs'), at('mnt', 'fuse.rclone')])).to.equal('fuse.sshfs');
    expect(type([at('mnt', 'fuse.rclone'), at('mnt', 'fuse.sshfs')])).to.equal('fuse.sshfs');
    expect(type([at('mnt/a\\040b', 'fuse.sshfs', '0:51'), at('mnt', 'fuse.rclone')])).to.equal('fuse.rclone');
    expect(type([at('mnt/a\\040b', 'fuse.sshfs', '0:51')])).to.equal('fuse.sshfs');
  });

  it('follows links, and looks at the parent of a folder that does not exist', () => {
    const lines = [mount(join(root, 'mnt/a\\040b'), 'fuse.sshfs')];
    const table: MountTable = {
      ...tableOf(FUSE, lines),
      look: (path) => {
        if (path.includes('missing')) throw Object.assign(new Error(path), { code: 'ENOENT' });
        return { magic: FUSE, device: '0:50' };
      },
    };
    expect(sharedMountOf(join(root, 'link/missing/deeper'), table)?.type).to.equal('fuse.sshfs');
  });

  it('finds nothing if the system does not tell', () => {
    const fails = (): never => {
      throw Object.assign(new Error('EIO'), { code: 'EIO' });
    };
    expect(sharedMountOf(root, { look: fails, text: fails })).to.equal(undefined);
    expect(sharedMountOf(root, { look: () => ({ magic: FUSE, device: '0:50' }), text: fails })).to.equal(undefined);
    // The number of a network file system is enough.
    expect(sharedMountOf(root, { look: () => ({ magic: 0x6969, device: '0:50' }), text: fails })?.type).to.equal('nfs');
    for (const text of ['', 'no mounts', '- - -', `${root} - `])
      expect(sharedMountOf(root, { look: () => ({ magic: FUSE, device: '' }), text: () => text })).to.equal(undefined);
  });
});
