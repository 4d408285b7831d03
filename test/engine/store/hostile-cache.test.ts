import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { CliScene, contentOf, STACK_TRACE, type Ended } from '../../support/cli-scene.js';
import { SmallCache } from '../../support/small-cache.js';
import { syntheticApp, syntheticContent, syntheticDigest, syntheticPipeline } from '../../support/synthetic.js';
import { outcomesOf } from '../../support/workspace.js';
import { skipBecause } from '../../support/skip.js';

describe('hostile caches', () => {
  let cache: SmallCache;
  before(async () => {
    cache = await new SmallCache().fill();
  });
  after(() => cache.work.cleanUp());

  it('serves nothing from a file with a flipped bit, at any offset', async function () {
    this.timeout(60_000);
    for (const file of cache.files) {
      // Offsets spread over the file, including both ends; more for files that hold many blobs. test/torture tries all.
      const last = cache.sizeOf(file) - 1;
      const steps = file.endsWith('.pack') ? 16 : 4;
      for (let step = 0; step <= steps; step++) {
        const at = Math.floor((last * step) / steps);
        await cache.flip(file, at, (step * 3) % 8);
        await cache.expectHealed(`${file}, byte ${at}`);
      }
    }
  });

  const damages: Readonly<Record<string, (path: string) => void>> = {
    'truncated to nothing': (path) => truncateSync(path, 0),
    'truncated to half': (path) => truncateSync(path, Math.floor(statSync(path).size / 2)),
    'one byte too short': (path) => truncateSync(path, Math.max(0, statSync(path).size - 1)),
    'too long': (path) => appendFileSync(path, 'more'),
    deleted: (path) => rmSync(path),
    'replaced by a folder': (path) => {
      rmSync(path);
      mkdirSync(join(path, 'inner'), { recursive: true });
    },
    'replaced by a pipe': (path) => {
      rmSync(path);
      execFileSync('mkfifo', [path]);
    },
    'replaced by a link to an endless device': (path) => {
      rmSync(path);
      symlinkSync('/dev/zero', path);
    },
    'replaced by a link to a copy': (path) => {
      renameSync(path, `${path}.copy`);
      symlinkSync(`${path}.copy`, path);
    },
    'much too large': (path) => truncateSync(path, 3 * 1024 ** 3),
    'replaced by zeros': (path) => writeFileSync(path, Buffer.alloc(statSync(path).size)),
  };
  for (const [what, damage] of Object.entries(damages)) {
    it(`treats a file as missing that is ${what}`, async function () {
      this.timeout(60_000);
      for (const file of cache.files) {
        await cache.damage(file, damage);
        await cache.expectHealed(`${file} ${what}`);
      }
    });
  }

  it('rejects a file that was replaced by another one', async function () {
    this.timeout(120_000);
    const sealed = cache.files.filter((file) => /^(runs|state|plans)\//.test(file));
    expect(sealed.length).to.be.greaterThan(3);
    for (const one of sealed) {
      for (const other of sealed) {
        if (one >= other) continue;
        await cache.refill();
        const [a, b] = [one, other].map((file) => join(cache.work.cacheDir, file)) as [string, string];
        renameSync(a, `${a}.swapped`);
        renameSync(b, a);
        renameSync(`${a}.swapped`, b);
        await cache.expectHealed(`${one} and ${other} changed places`);
      }
    }
  });

  it('works without any one of its folders, and with a file instead of a folder', async function () {
    this.timeout(60_000);
    await cache.refill();
    const { cacheDir } = cache.work;
    const folders = readdirSync(cacheDir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name));
    expect(folders).to.include(join(cacheDir, 'packs'));
    for (const folder of folders) {
      await cache.refill();
      rmSync(folder, { recursive: true, force: true });
      await cache.expectHealed(`without ${folder}`);
      await cache.refill();
      rmSync(folder, { recursive: true, force: true });
      if (!existsSync(join(folder, '..'))) continue;
      writeFileSync(folder, 'a file');
      await cache.expectServed(`${folder} is a file`);
    }
  });

  it('rejects a checked pipeline with a wrong byte', async function () {
    this.timeout(60_000);
    await cache.refill();
    const plan = join(
      cache.work.cacheDir,
      cache.files.find((file) => file.startsWith('plans/'))!,
    );
    const whole = readFileSync(plan);
    expect(whole.length).to.be.greaterThan(500);
    for (let at = 0; at < whole.length; at += 13) {
      const bytes = Buffer.from(whole);
      bytes[at] = bytes[at]! ^ 1;
      writeFileSync(plan, bytes);
      const { lines } = await cache.work.plan({ appId: 'shop' });
      expect(
        lines.map(({ outcome }) => outcome),
        `byte ${at}`,
      ).to.deep.equal(['up-to-date', 'up-to-date', 'up-to-date']);
    }
  });
});

describe('caches that are not writable', () => {
  let scene: CliScene;
  const salt = 'hostile cache';
  beforeEach(function () {
    if (process.getuid?.() !== 0 || process.platform !== 'linux') skipBecause(this, 'needs root on Linux');
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
  /** Runs the rest of the command line with a mount that only it sees. */
  const after = (mount: string): readonly string[] => ['unshare', '-m', 'sh', '-ec', `${mount}; exec "$@"`, 'sh'];

  it('builds without caching if the cache is on a read-only file system, empty or filled', async () => {
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

  it("builds without caching if the user can't write to the cache", async () => {
    mkdirSync(scene.cacheDir);
    mkdirSync(join(scene.root, 'out'));
    execFileSync('chown', ['65534:65534', join(scene.root, 'out')]);
    const outDir = join(scene.root, 'out/slug');
    const through = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
    const ended = await scene.run({ through, outDir });
    expectBuilt(ended, outDir);
    expect(notices(ended)).to.include('cache::read-only');
  });

  it('fails with a code if a file is where the cache should be', async () => {
    writeFileSync(scene.cacheDir, 'precious');
    const ended = await scene.run();
    expect(ended.status).to.equal(75);
    expect(ended.stderr)
      .to.match(/cache::unusable/)
      .and.not.match(STACK_TRACE);
    expect(readFileSync(scene.cacheDir, 'utf8')).to.equal('precious');
  });

  for (const size of ['16k', '64k', '128k', '260k', '400k']) {
    it(`keeps building when the cache's disk is full after ${size}, and stores nothing incomplete`, async () => {
      mkdirSync(scene.cacheDir);
      const copy = join(scene.root, 'copy');
      // The content of the full disk is copied, so that the test can look at it.
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
      // A run on the copy, now with free space, uses nothing incomplete.
      rmSync(scene.outDir, { recursive: true });
      expectBuilt(await scene.run({ cacheDir: copy }));
      rmSync(scene.outDir, { recursive: true });
      expectBuilt(await scene.run({ cacheDir: copy }));
    });
  }

  it('reports missing disk space if no place can hold the files of the run', async () => {
    const places = [scene.cacheDir, '/dev/shm', join(scene.root, 'tmp')];
    for (const place of [places[0]!, places[2]!]) mkdirSync(place);
    const mounts = places.map((place) => `mount -t tmpfs -o size=32k tmpfs '${place}'`).join('; ');
    const ended = await scene.run({ through: after(mounts), env: { TMPDIR: places[2]! } });
    // Either pyflow or a command notices the full disk first; the command has its own message.
    const { code, detail } = ended.report!.failure!;
    if (code === 'command::failed') expect(/No space left|write error/.test(detail), detail).to.equal(true);
    else
      expect([ended.status, code]).to.be.deep.oneOf([
        [75, 'cache::no-room'],
        [75, 'environment::disk-full'],
        [75, 'environment::file-system'],
      ]);
    expect(ended.stderr + ended.stdout).not.to.match(STACK_TRACE);
    expect(existsSync(scene.outDir)).to.equal(false);
    expectBuilt(await scene.run());
  });

  it('reports a full disk if the slug does not fit, keeps the cache, and writes the slug in a later run', async () => {
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
