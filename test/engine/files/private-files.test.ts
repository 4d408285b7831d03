import { chmodSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { lockPlaceOf } from '../../../src/engine/run/lock.js';
import { createRunDir } from '../../../src/engine/files/private-folders.js';
import { makePrivateFolder, noteCacheRoot, privateFileMode } from '../../../src/engine/files/private-files.js';
import { CliScene } from '../../support/cli-scene.js';
import { Workspace } from '../../support/workspace.js';

/** The folder and paths below it that others than their owner may use. */
function openToOthers(folder: string): string[] {
  const found: string[] = [];
  const visit = (path: string): void => {
    const stats = lstatSync(path);
    if (!stats.isSymbolicLink() && (stats.mode & 0o077) !== 0) found.push(path);
    if (stats.isDirectory()) for (const name of readdirSync(path)) visit(join(path, name));
  };
  visit(folder);
  return found;
}

describe('private files', () => {
  let root: string;
  let umask: number;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pyflow-private-'));
    umask = process.umask();
  });
  afterEach(() => {
    process.umask(umask);
    rmSync(root, { recursive: true, force: true });
  });

  it('makes folders and files private to the user under any umask', () => {
    for (const mask of [0o000, 0o022, 0o002, 0o077]) {
      process.umask(mask);
      const folder = join(root, `mask-${mask}/inner`);
      makePrivateFolder(folder);
      writeFileSync(join(folder, 'file'), '', { mode: privateFileMode(folder) });
      expect(openToOthers(join(root, `mask-${mask}`))).to.deep.equal([]);
    }
  });

  it('distinguishes a shared cache from one that was left open', () => {
    const modes = { 0o700: 'private', 0o755: 'open', 0o750: 'open', 0o777: 'open', 0o2770: 'shared', 0o2755: 'shared' };
    for (const [mode, sharing] of Object.entries(modes)) {
      const folder = join(root, mode);
      mkdirSync(folder);
      chmodSync(folder, Number(mode));
      expect(noteCacheRoot(folder), Number(mode).toString(8)).to.equal(sharing);
    }
    expect(noteCacheRoot(join(root, 'nowhere'))).to.equal('private');
  });

  it('lets the umask decide the modes in a shared cache', () => {
    process.umask(0o007);
    const cache = join(root, 'shared');
    mkdirSync(cache);
    chmodSync(cache, 0o2770);
    noteCacheRoot(cache);
    makePrivateFolder(join(cache, 'cas/00'));
    expect(lstatSync(join(cache, 'cas/00')).mode & 0o777).to.equal(0o770);
    expect(privateFileMode(join(cache, 'cas/00/x'))).to.equal(0o666);
    expect(privateFileMode(`${cache}-other/x`)).to.equal(0o600);
  });

  it('lets others in the group use checked pipelines in a shared cache', async () => {
    process.umask(0o002);
    const work = new Workspace().pipeline('pyflow: 1\nnodes: { a: { uses: command, with: { argv: ["true"] } } }\n');
    try {
      mkdirSync(work.cacheDir);
      chmodSync(work.cacheDir, 0o2775);
      await work.run();
      const plans = join(work.cacheDir, 'plans');
      const [plan = ''] = readdirSync(plans);
      expect([plans, join(plans, plan)].map((path) => lstatSync(path).mode & 0o777)).to.deep.equal([0o775, 0o664]);
    } finally {
      work.cleanUp();
    }
  });

  it('keeps the folders of runs and the locks private', async () => {
    process.umask(0);
    const cache = join(root, 'cache');
    makePrivateFolder(cache);
    const runDir = createRunDir(cache);
    for (const folder of [runDir.smallDir, runDir.largeDir]) {
      expect(lstatSync(join(folder, '..')).mode & 0o077).to.equal(0);
    }
    expect(lstatSync(lockPlaceOf(cache).folder).mode & 0o077).to.equal(0);
    await runDir.remove();
  });
});

const PIPELINE = 'pyflow: 1\nnodes:\n  a: { uses: command, with: { argv: [sh, -c, "echo 1 > f"], writes: [f] } }\n';

describe('private files of a run', () => {
  let scene: CliScene;
  let umask: number;
  beforeEach(() => {
    umask = process.umask(0);
    scene = new CliScene().pipeline(PIPELINE);
  });
  afterEach(() => {
    process.umask(umask);
    scene.cleanUp();
  });

  it('leaves nothing in the cache, and no report, that others can read', async () => {
    const reports = ['r.json', 't.json'].map((name) => join(scene.root, name));
    const ran = await scene.run({ sandbox: 'none', args: ['--report', reports[0]!, '--trace', reports[1]!] });
    expect(ran.status, ran.stderr).to.equal(0);
    for (const path of [scene.cacheDir, ...reports]) expect(openToOthers(path)).to.deep.equal([]);
    // The modes of the slug are tested elsewhere.
    expect(lstatSync(join(scene.outDir, 'f')).mode & 0o777).to.equal(0o644);
  });

  it('warns once that others can read an existing cache, and does not change it', async () => {
    mkdirSync(scene.cacheDir);
    chmodSync(scene.cacheDir, 0o755);
    const said = async (): Promise<boolean> => {
      const ran = await scene.run({ sandbox: 'none', args: ['--refresh', 'a'] });
      return ran.stdout.includes('cache::open-to-others');
    };
    expect([await said(), await said()]).to.deep.equal([true, false]);
    expect(lstatSync(scene.cacheDir).mode & 0o777).to.equal(0o755);
    expect(openToOthers(scene.cacheDir)).to.deep.equal([scene.cacheDir]);
  });

  it('reports the limit on open files and its remedy if it is too low', async () => {
    for (const limit of [20, 24]) {
      const through = ['/bin/sh', '-c', `ulimit -n ${limit}; exec "$@"`, '-'];
      const { status, report } = await scene.run({ sandbox: 'none', through, args: ['--refresh', 'a'] });
      expect([status, report?.failure?.code]).to.deep.equal([75, 'environment::too-many-open-files']);
    }
    expect((await scene.run({ sandbox: 'none' })).status).to.equal(0);
  });
});
