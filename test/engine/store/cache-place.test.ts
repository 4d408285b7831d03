import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { sharedMountOf, type MountTable } from '../../../src/engine/files/shared-mount.js';
import { collectGarbage } from '../../../src/engine/store/quota.js';
import { declareOneMachine, tellOfPlace } from '../../../src/engine/store/cache-place.js';
import { verifyCache } from '../../../src/engine/store/care.js';
import { openLocalStore } from '../../../src/engine/store/local-store.js';
import { pyflow } from '../../support/fake-world.js';
import { skipBecause } from '../../support/skip.js';
import { Refused, Workspace } from '../../support/workspace.js';

const on = (magic: number): MountTable => ({ look: () => ({ magic, device: '0:50' }), text: () => '' });
const NFS = on(0x6969);
const SHARED_BY_HOST = on(0x01021997);
const LOCAL = on(0xef53);
const DAEMON = fileURLToPath(new URL('../../support/fuse-mount.py', import.meta.url));

describe('engine/store/cache-place', () => {
  let root: string;
  let cacheDir: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pyflow-test-'));
    cacheDir = join(root, 'cache');
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  async function open(mounts: MountTable, readOnly = false): Promise<{ code?: string; warnings: readonly string[] }> {
    const warnings: string[] = [];
    const opened = openLocalStore(cacheDir, { mounts, readOnly, onWarning: (code) => void warnings.push(code) });
    if (!opened.ok) return { code: opened.failure.code, warnings };
    await opened.value.close();
    return { warnings };
  }

  it('refuses a cache on a network file system, and writes nothing there', async () => {
    expect(await open(NFS)).to.deep.equal({ code: 'cache::network-file-system', warnings: [] });
    expect(existsSync(cacheDir)).to.equal(false);
    const opened = openLocalStore(cacheDir, { mounts: NFS });
    if (opened.ok) throw new Error('was opened');
    const { title, detail, remedy, blame } = opened.failure;
    expect({ blame, title }).to.deep.equal({
      blame: 'environment',
      title: `The cache folder is on a network file system: ${cacheDir}`,
    });
    expect(detail).to.contain('The file system is nfs.');
    for (const part of ['--cache-dir', '--remote', `${cacheDir}/one-machine`]) expect(remedy).to.contain(part);
  });

  it('allows to read it, and to write to it once someone states that one machine at a time uses it', async () => {
    mkdirSync(cacheDir, { mode: 0o700 });
    expect(await open(NFS, true)).to.deep.equal({ warnings: [] });
    writeFileSync(join(cacheDir, 'one-machine'), '');
    expect(await open(NFS)).to.deep.equal({ warnings: [] });
  });

  const toldOn = (mounts: MountTable): readonly string[] => {
    const told: string[] = [];
    tellOfPlace(cacheDir, (code) => void told.push(code), mounts);
    return told;
  };

  it('warns once of a folder that a virtual machine shares with its host', async () => {
    mkdirSync(cacheDir, { mode: 0o700 });
    expect(toldOn(SHARED_BY_HOST)).to.deep.equal(['cache::shared-folder']);
    expect(toldOn(SHARED_BY_HOST)).to.deep.equal([]);
    cacheDir = join(root, 'other');
    mkdirSync(cacheDir, { mode: 0o700 });
    writeFileSync(join(cacheDir, 'one-machine'), '');
    expect(toldOn(SHARED_BY_HOST)).to.deep.equal([]);
  });

  it('warns once if other users can read it', () => {
    mkdirSync(cacheDir);
    chmodSync(cacheDir, 0o755);
    expect(toldOn(LOCAL)).to.deep.equal(['cache::open-to-others']);
    expect(toldOn(LOCAL)).to.deep.equal([]);
    rmSync(join(cacheDir, 'state'), { recursive: true });
    writeFileSync(join(cacheDir, 'state'), '');
    expect(toldOn(LOCAL), 'it would repeat it in every run').to.deep.equal([]);
  });

  it('leaves its warnings to a run, which shows them', async () => {
    const work = new Workspace().pipeline('pyflow: 1\nnodes: { only: { uses: command, with: { argv: [echo] } } }\n');
    try {
      mkdirSync(work.cacheDir, { recursive: true });
      chmodSync(work.cacheDir, 0o755);
      await work.plan();
      await collectGarbage(work.cacheDir);
      await verifyCache(work.cacheDir);
      const told = (): boolean =>
        work.events.some((event) => event.type === 'notice' && event.code === 'cache::open-to-others');
      await work.run();
      expect(told()).to.equal(true);
      await work.run();
      expect(told()).to.equal(false);
    } finally {
      work.cleanUp();
    }
  });

  it('declares the use by one machine only where that matters', async () => {
    declareOneMachine(cacheDir, LOCAL);
    expect(existsSync(cacheDir)).to.equal(false);
    declareOneMachine(cacheDir, NFS);
    expect(readdirSync(cacheDir)).to.deep.equal(['one-machine']);
    expect(await open(NFS)).to.deep.equal({ warnings: [] });
  });

  it('says nothing about a local folder', async () => {
    expect(await open(LOCAL)).to.deep.equal({ warnings: [] });
    expect(sharedMountOf(root)).to.equal(undefined);
  });

  describe('on real mounts', () => {
    let folder: string;
    let daemon: ChildProcess | undefined;
    beforeEach(function () {
      folder = join(root, 'mnt');
      mkdirSync(folder);
      if (process.getuid?.() !== 0) return skipBecause(this, 'needs root to mount');
    });
    afterEach(async () => {
      if (daemon !== undefined) {
        daemon.stdin!.end();
        if (daemon.exitCode === null) await once(daemon, 'exit');
        daemon = undefined;
      }
      spawnSync('umount', ['-l', folder]);
    });

    const mounted = (...args: readonly string[]): boolean => spawnSync('mount', [...args, folder]).status === 0;
    async function serve(name: string): Promise<boolean> {
      if (!existsSync('/dev/fuse')) return false;
      daemon = spawn('python3', [DAEMON, folder, name], { stdio: ['pipe', 'pipe', 'ignore'] });
      return (await Promise.race([once(daemon.stdout!, 'data'), once(daemon, 'exit')]))
        .toString()
        .startsWith('mounted');
    }

    it('accepts tmpfs and overlay', async function () {
      if (!mounted('-t', 'tmpfs', 'none')) return skipBecause(this, 'needs tmpfs');
      expect(sharedMountOf(folder)).to.equal(undefined);
      for (const name of ['lower', 'upper', 'work', 'all']) mkdirSync(join(folder, name));
      const layers = `lowerdir=${folder}/lower,upperdir=${folder}/upper,workdir=${folder}/work`;
      const all = join(folder, 'all');
      if (spawnSync('mount', ['-t', 'overlay', '-o', layers, 'none', all]).status !== 0)
        return skipBecause(this, 'needs overlay');
      expect(sharedMountOf(all)).to.equal(undefined);
      spawnSync('umount', ['-l', all]);
    });

    it('refuses runs and clean-ups on sshfs before they write or remove anything', async function () {
      if (!(await serve('sshfs'))) return skipBecause(this, 'needs FUSE');
      expect(sharedMountOf(join(folder, 'missing/cache'))).to.deep.equal({ shared: 'network', type: 'fuse.sshfs' });
      const work = new Workspace();
      try {
        work.write({ a: 'a' }).pipeline('pyflow: 1\nnodes: { a: { uses: command, with: { argv: ["true"] } } }\n');
        const refused = await work.run({ cacheDir: join(folder, 'cache') }).then(
          () => undefined,
          (error: unknown) => error,
        );
        expect(refused).to.be.instanceOf(Refused);
        const { refusal } = refused as Refused;
        expect(refusal.type === 'failure' && refusal.failure.code).to.equal('cache::network-file-system');
        expect(await collectGarbage(join(folder, 'cache'))).to.equal(undefined);
        const gc = await pyflow(['cache', 'gc', '--cache-dir', join(folder, 'cache')]);
        expect(gc.status).to.equal(75);
        expect(gc.stderr).to.contain('[cache::network-file-system]');
      } finally {
        work.cleanUp();
      }
    });

    it('accepts file systems in user space that are local', async function () {
      if (!(await serve('fuse-overlayfs'))) return skipBecause(this, 'needs FUSE');
      expect(sharedMountOf(folder)).to.equal(undefined);
    });
  });
});
