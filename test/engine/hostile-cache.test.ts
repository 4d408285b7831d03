import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { canonicalJSON } from '../../src/manifests/json-schema.js';
import { CliScene, contentOf, STACK_TRACE, type Ended } from '../support/cli-scene.js';
import { syntheticApp, syntheticContent, syntheticDigest, syntheticPipeline } from '../support/synthetic.js';
import { verdictOf } from '../support/verdict.js';
import { outcomesOf, Workspace } from '../support/workspace.js';

/** Small blobs in a pack, one blob file of its own, a deletion, a log, values. */
const PIPELINE = `
pyflow: 1
name: small
nodes:
  make:
    uses: command
    with: { argv: [sh, -c, "echo making; cat in.txt; mkdir made; tr a-z A-Z < in.txt > made/upper; echo gone > made/gone; yes 123456789 | head -c 80000 > made/large"], reads: [in.txt], writes: ["made/**"] }
  cut:
    uses: command
    with: { argv: [sh, -c, "rm made/gone; echo cut"], reads: ["made/**"], writes: ["made/**"], capture: true }
    after: [make]
  count:
    uses: command
    when: cut.stdout == "cut"
    with: { argv: [sh, -c, "cat made/* | wc -c > counted"], reads: ["made/**"], writes: [counted] }
    after: [cut]
`;

describe('hostile caches', () => {
  let work: Workspace;
  let digest: string | undefined;
  let content: Readonly<Record<string, string>>;
  /** The cache as a run with the fast record leaves it. */
  let pristine: string;
  before(async () => {
    work = new Workspace().pipeline(PIPELINE).write({ 'in.txt': 'abc\n', 'app.py': 'print()\n' });
    pristine = join(work.root, 'pristine');
    digest = (await work.run({ appId: 'shop' })).slug?.digest;
    await work.run({ appId: 'shop' });
    content = contentOf(work.outDir);
    cpSync(work.cacheDir, pristine, { recursive: true, preserveTimestamps: true });
  });
  after(() => work.cleanUp());

  const filesOf = (folder: string): readonly string[] =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
      .sort();

  async function refill(): Promise<void> {
    rmSync(work.cacheDir, { recursive: true, force: true });
    cpSync(pristine, work.cacheDir, { recursive: true, preserveTimestamps: true });
    // So that what is trusted by its inode is trusted.
    rmSync(work.outDir, { recursive: true, force: true });
    await work.run({ appId: 'shop' });
  }

  /** With and without the slug: right to the byte, and whole again afterwards. */
  async function expectRight(context: string): Promise<void> {
    rmSync(work.outDir, { recursive: true, force: true });
    const { exit, code, report } = await verdictOf(work, { appId: 'shop' });
    expect({ exit, code }, context).to.deep.equal({ exit: 0, code: undefined });
    expect(report?.slug?.digest, context).to.equal(digest);
    expect(contentOf(work.outDir), context).to.deep.equal(content);
    const fast = await work.fastRun({ appId: 'shop' });
    if (fast !== undefined) expect(fast.slug?.digest, context).to.equal(digest);
    const again = await work.run({ appId: 'shop' });
    expect(outcomesOf(again), `${context}: healed`).to.deep.equal({
      make: 'up-to-date',
      cut: 'up-to-date',
      count: 'up-to-date',
    });
  }

  const flip = (path: string, at: number, bit: number): void => {
    const bytes = readFileSync(path);
    bytes[at] = bytes[at]! ^ (1 << bit);
    writeFileSync(path, bytes);
  };
  /** Spread over the file, the ends among them; densest where many blobs share one. */
  const positions = (file: string): readonly number[] => {
    const { size } = statSync(join(pristine, file));
    const count = file.endsWith('.pack') ? 60 : 14;
    return [...new Set(Array.from({ length: count }, (_, index) => Math.floor(((size - 1) * index) / (count - 1))))];
  };

  it('serves nothing of a file with a flipped bit, wherever it is', async function () {
    this.timeout(60_000);
    for (const file of filesOf(pristine)) {
      for (const [index, at] of positions(file).entries()) {
        await refill();
        if (!existsSync(join(work.cacheDir, file))) continue;
        flip(join(work.cacheDir, file), at, (index * 3) % 8);
        await expectRight(`${file}, byte ${at}`);
      }
    }
  });

  const damages: Readonly<Record<string, (path: string) => void>> = {
    'cut to nothing': (path) => truncateSync(path, 0),
    'cut to half': (path) => truncateSync(path, Math.floor(statSync(path).size / 2)),
    'cut by a byte': (path) => truncateSync(path, Math.max(0, statSync(path).size - 1)),
    'longer than it was': (path) => appendFileSync(path, 'more'),
    deleted: (path) => rmSync(path),
    'replaced by a folder': (path) => {
      rmSync(path);
      mkdirSync(join(path, 'inner'), { recursive: true });
    },
    'replaced by zeros': (path) => writeFileSync(path, Buffer.alloc(statSync(path).size)),
  };
  for (const [what, damage] of Object.entries(damages)) {
    it(`goes on as if a file were not there that is ${what}`, async function () {
      this.timeout(60_000);
      for (const file of filesOf(pristine)) {
        await refill();
        if (!existsSync(join(work.cacheDir, file))) continue;
        damage(join(work.cacheDir, file));
        await expectRight(`${file} ${what}`);
      }
    });
  }

  it('goes on without any of its folders, and with a file in the place of one', async function () {
    this.timeout(60_000);
    await refill();
    const folders = readdirSync(work.cacheDir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name));
    for (const folder of folders) {
      await refill();
      rmSync(folder, { recursive: true, force: true });
      await expectRight(`without ${folder}`);
      await refill();
      rmSync(folder, { recursive: true, force: true });
      if (!existsSync(join(folder, '..'))) continue;
      writeFileSync(folder, 'a file');
      rmSync(work.outDir, { recursive: true, force: true });
      const { exit, code, report } = await verdictOf(work, { appId: 'shop' });
      expect({ exit, code }, `${folder} is a file`).to.deep.equal({ exit: 0, code: undefined });
      expect(report?.slug?.digest, `${folder} is a file`).to.equal(digest);
      expect(contentOf(work.outDir), `${folder} is a file`).to.deep.equal(content);
    }
  });

  it('does not show a damaged checked pipeline to anybody: every byte of it', async function () {
    this.timeout(60_000);
    await refill();
    const plan = filesOf(work.cacheDir).find((file) => file.startsWith('plans/'))!;
    const whole = readFileSync(join(work.cacheDir, plan));
    expect(whole.length).to.be.greaterThan(500);
    const keys = Object.values((await work.run({ appId: 'shop' })).nodes).map(({ key }) => key);
    for (let at = 0; at < whole.length; at += 13) {
      const bytes = Buffer.from(whole);
      bytes[at] = bytes[at]! ^ 1;
      writeFileSync(join(work.cacheDir, plan), bytes);
      const { lines } = await work.plan({ appId: 'shop' });
      expect(canonicalJSON(lines.map(({ outcome }) => outcome ?? '')), `byte ${at}`).to.equal(
        '["up-to-date","up-to-date","up-to-date"]',
      );
      expect(keys).to.have.length(3);
    }
  });
});

describe('caches that cannot be written', () => {
  let scene: CliScene;
  const salt = 'hostile cache';
  beforeEach(function () {
    if (process.getuid?.() !== 0 || process.platform !== 'linux') this.skip();
    scene = new CliScene().pipeline(syntheticPipeline()).write(syntheticApp(salt));
  });
  afterEach(() => scene?.cleanUp());

  function expectBuilt(ended: Ended, outDir = scene.outDir): void {
    expect(ended.status, ended.stdout + ended.stderr).to.equal(0);
    expect(ended.stderr).not.to.match(STACK_TRACE);
    expect(ended.report?.slug?.digest).to.equal(syntheticDigest(salt));
    expect(contentOf(outDir)).to.deep.equal(syntheticContent(salt));
  }
  const notices = ({ events }: Ended): readonly string[] =>
    events.flatMap((event) => (event.type === 'notice' ? [event.code] : []));
  /** Runs the rest of the command line after a mount that nobody else sees. */
  const after = (mount: string): readonly string[] => ['unshare', '-m', 'sh', '-ec', `${mount}; exec "$@"`, 'sh'];

  it('builds uncached when the cache is on a read-only file system, empty or filled', async () => {
    mkdirSync(scene.cacheDir);
    const through = after(
      `mount --bind '${scene.cacheDir}' '${scene.cacheDir}'; mount -o remount,bind,ro '${scene.cacheDir}'`,
    );
    const empty = await scene.run({ through });
    expectBuilt(empty);
    expect(notices(empty)).to.include('cache::read-only');
    expect(readdirSync(scene.cacheDir)).to.deep.equal([]);
    rmSync(scene.outDir, { recursive: true });
    await scene.run();
    const before = contentOf(scene.cacheDir);
    rmSync(scene.outDir, { recursive: true });
    const filled = await scene.run({ through });
    expectBuilt(filled);
    expect(new Set(Object.values(outcomesOf(filled.report!)))).to.deep.equal(new Set(['up-to-date']));
    expect(contentOf(scene.cacheDir)).to.deep.equal(before);
  });

  it('builds uncached when the user may not write the cache', async () => {
    mkdirSync(scene.cacheDir);
    mkdirSync(join(scene.root, 'out'));
    execFileSync('chown', ['65534:65534', join(scene.root, 'out')]);
    const outDir = join(scene.root, 'out/slug');
    const through = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
    const ended = await scene.run({ through, outDir });
    expectBuilt(ended, outDir);
    expect(notices(ended)).to.include('cache::read-only');
  });

  it('says which code when a file lies where the cache should be', async () => {
    writeFileSync(scene.cacheDir, 'precious');
    const ended = await scene.run();
    expect(ended.status).to.equal(75);
    expect(ended.stderr)
      .to.match(/cache::unusable/)
      .and.not.match(STACK_TRACE);
    expect(readFileSync(scene.cacheDir, 'utf8')).to.equal('precious');
  });

  for (const size of ['16k', '64k', '128k', '260k', '400k']) {
    it(`builds on when the cache's disk is full after ${size}, and stores nothing half`, async () => {
      mkdirSync(scene.cacheDir);
      const copy = join(scene.root, 'copy');
      // What the full disk holds at the end is kept for a look from outside.
      const through = [
        'unshare',
        '-m',
        'sh',
        '-c',
        `mount -t tmpfs -o size=${size} tmpfs '${scene.cacheDir}' && "$@"; status=$?; cp -a '${scene.cacheDir}' '${copy}'; exit $status`,
        'sh',
      ];
      const ended = await scene.run({ through });
      expectBuilt(ended);
      // A run on what was kept, now with room, believes none of the halves.
      rmSync(scene.outDir, { recursive: true });
      expectBuilt(await scene.run({ cacheDir: copy }));
      rmSync(scene.outDir, { recursive: true });
      expectBuilt(await scene.run({ cacheDir: copy }));
    });
  }

  it('says that the disk is full when the slug does not fit, keeps the cache, and writes the slug later', async () => {
    mkdirSync(join(scene.root, 'disk'));
    const outDir = join(scene.root, 'disk/slug');
    const through = after(`mount -t tmpfs -o size=64k tmpfs '${join(scene.root, 'disk')}'`);
    const ended = await scene.run({ through, outDir });
    expect(ended.status, ended.stdout).to.equal(75);
    expect(ended.report?.failure?.code).to.match(/^environment::/);
    expect(ended.stderr).not.to.match(STACK_TRACE);
    const later = await scene.run({ outDir });
    expectBuilt(later, outDir);
    expect(later.events.some(({ type }) => type === 'node-started')).to.equal(false);
  });
});
