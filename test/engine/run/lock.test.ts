import { fork, type ChildProcess } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { digestOf, hexOf } from '../../../src/engine/files/digest.js';
import { currentProcess } from '../../../src/engine/files/host-id.js';
import { acquireKeyLock, lockPlaceOf } from '../../../src/engine/run/lock.js';
import { createRunDir, sweepDeadRuns } from '../../../src/engine/files/private-folders.js';

const digest = digestOf('key');
const key = digest;
const MODULE = new URL('../../../src/engine/run/lock.ts', import.meta.url).href;

describe('engine/run/lock', () => {
  let root: string;
  let cache: string;
  let children: ChildProcess[];
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pyflow-test-'));
    cache = join(root, 'cache');
    mkdirSync(cache);
    children = [];
  });
  afterEach(() => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(root, { recursive: true, force: true });
  });

  const lockFile = (): string => `${lockPlaceOf(cache).folder}/${lockPlaceOf(cache).prefix}${hexOf(digest)}`;
  const locks = (): string[] => {
    const { folder, prefix } = lockPlaceOf(cache);
    return readdirSync(folder).filter((name) => name.startsWith(prefix));
  };

  /**
   * A process that runs the body with `acquireKeyLock` and other helpers in scope, and sends a message at each step.
   */
  function start(body: string): ChildProcess {
    const script = join(root, `child-${children.length}.mts`);
    writeFileSync(
      script,
      `import { acquireKeyLock, createRunDir } from '${MODULE}';
       import { appendFileSync, existsSync, writeFileSync } from 'node:fs';
       const key = '${key}', cache = '${cache}', root = '${root}';
       ${body}`,
    );
    const child = fork(script, [], { execArgv: ['--import', 'tsx'] });
    children.push(child);
    return child;
  }
  const message = (child: ChildProcess): Promise<unknown> => new Promise((resolve) => child.once('message', resolve));
  const ended = (child: ChildProcess): Promise<unknown> => new Promise((resolve) => child.once('exit', resolve));

  it('is held until it is released', async () => {
    const lock = await acquireKeyLock(cache, key);
    expect(lock.waited).to.equal(false);
    expect(existsSync(lockFile())).to.equal(true);
    lock.release();
    lock.release();
    expect(existsSync(lockFile())).to.equal(false);
    const again = await acquireKeyLock(cache, key);
    expect(again.waited).to.equal(false);
    again.release();
  });

  it('admits one of many waiters of this process at a time', async () => {
    let inside = 0;
    let most = 0;
    const waited = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const lock = await acquireKeyLock(cache, key);
        most = Math.max(most, ++inside);
        await new Promise(setImmediate);
        inside--;
        lock.release();
        return lock.waited;
      }),
    );
    expect(most).to.equal(1);
    expect(waited.filter((did) => !did)).to.have.length(1);
  });

  it('does not block other keys', async () => {
    const first = await acquireKeyLock(cache, key);
    const second = await acquireKeyLock(cache, digestOf('other'));
    expect(second.waited).to.equal(false);
    first.release();
    second.release();
  });

  it('stops waiting when aborted, even for a lock of another process', async () => {
    const lock = await acquireKeyLock(cache, key);
    const controller = new AbortController();
    const waiting = acquireKeyLock(cache, key, { signal: controller.signal }).catch((error: Error) => error.message);
    controller.abort(new Error('stop'));
    expect(await waiting).to.equal('stop');
    lock.release();
    writeFileSync(lockFile(), JSON.stringify({ ...currentProcess(), realm: 'another host' }));
    const other = new AbortController();
    const polling = acquireKeyLock(cache, key, { signal: other.signal }).catch((error: Error) => error.message);
    other.abort(new Error('stop too'));
    expect(await polling).to.equal('stop too');
  });

  it('waits for another live process', async () => {
    const child = start(`
      const lock = await acquireKeyLock(cache, key);
      process.send('held');
      process.once('message', () => { writeFileSync(root + '/done', ''); lock.release(); process.disconnect(); });`);
    await message(child);
    const waiting = acquireKeyLock(cache, key);
    child.send('release');
    const lock = await waiting;
    expect(existsSync(join(root, 'done'))).to.equal(true);
    expect(lock.waited).to.equal(true);
    lock.release();
  });

  it('lets exactly one of several processes take over from a dead process', async () => {
    const holder = start(`await acquireKeyLock(cache, key); process.send('held'); setInterval(() => 0, 1000);`);
    await message(holder);
    // The work is done once: a process that finds the result does not repeat it.
    const waiters = Array.from({ length: 3 }, () =>
      start(`
        process.send('waiting');
        const lock = await acquireKeyLock(cache, key);
        if (!existsSync(root + '/result')) { appendFileSync(root + '/work', 'x'); await new Promise((r) => setTimeout(r, 30)); writeFileSync(root + '/result', ''); }
        lock.release();
        process.disconnect();`),
    );
    await Promise.all(waiters.map(message));
    holder.kill('SIGKILL');
    await Promise.all(waiters.map(ended));
    expect(readFileSync(join(root, 'work'), 'utf8')).to.equal('x');
    expect(locks()).to.deep.equal([]);
  });

  it('takes over from a dead process whose pid another process has now', async () => {
    writeFileSync(lockFile(), JSON.stringify({ ...currentProcess(), startTime: '1' }));
    const lock = await acquireKeyLock(cache, key);
    lock.release();
  });

  it('judges a holder on another host by its heartbeat', async () => {
    writeFileSync(lockFile(), JSON.stringify({ pid: 1, realm: 'another host' }));
    const old = Date.now() / 1000 - 60;
    utimesSync(lockFile(), old, old);
    const lock = await acquireKeyLock(cache, key);
    lock.release();
  });

  it('takes over a lock whose holder died before it wrote its id', async () => {
    writeFileSync(lockFile(), '');
    const old = Date.now() / 1000 - 10;
    utimesSync(lockFile(), old, old);
    const lock = await acquireKeyLock(cache, key);
    lock.release();
  });

  it('gives every caller a lock if no lock file can be created', async () => {
    chmodSync(cache, 0o777);
    writeFileSync(join(cache, 'locks'), '');
    const [first, second] = [await acquireKeyLock(cache, key), await acquireKeyLock(cache, key)];
    expect([first.waited, second.waited]).to.deep.equal([false, false]);
    first.release();
    second.release();
  });

  it('keeps locks next to a cache that other users can write, and survives their removal', async () => {
    chmodSync(cache, 0o777);
    const first = await acquireKeyLock(cache, key);
    expect(readdirSync(join(cache, 'locks'))).to.deep.equal([hexOf(digest)]);
    rmSync(join(cache, 'locks'), { recursive: true });
    first.release();
    const second = await acquireKeyLock(cache, key);
    expect(existsSync(lockFile())).to.equal(true);
    second.release();
  });
});

describe('engine/run-dir', () => {
  let cache: string;
  beforeEach(() => {
    cache = mkdtempSync(join(tmpdir(), 'pyflow-test-'));
  });
  afterEach(() => rmSync(cache, { recursive: true, force: true }));

  it('makes its folders on demand, and removes them with their content', async () => {
    const dir = createRunDir(cache);
    expect(readdirSync(cache)).to.deep.equal([]);
    for (const folder of [dir.smallDir, dir.largeDir]) {
      mkdirSync(join(folder, 'view'), { recursive: true });
      writeFileSync(join(folder, 'view/file'), 'x');
    }
    expect(dir.largeDir.startsWith(cache)).to.equal(true);
    expect(statSync(join(dir.largeDir, '..')).mode & 0o77).to.equal(0);
    const { smallDir, largeDir } = dir;
    await dir.remove();
    expect([existsSync(smallDir), existsSync(largeDir)]).to.deep.equal([false, false]);
    expect(readdirSync(join(cache, 'tmp'))).to.deep.equal([]);
  });

  it('makes run ids that sort by time', () => {
    expect(createRunDir(cache).runId).to.match(/^\d{8}T\d{6}-[0-9a-f]{8}$/);
  });

  it('removes folders of dead runs, and keeps those of live runs', async () => {
    const alive = createRunDir(cache);
    const [small, large] = [alive.smallDir, alive.largeDir];
    const dead = createRunDir(cache);
    const deadFolders = [dead.smallDir, dead.largeDir].map((folder) => join(folder, '..'));
    for (const folder of deadFolders) {
      writeFileSync(join(folder, 'owner'), JSON.stringify({ ...currentProcess(), startTime: '1' }));
    }
    mkdirSync(join(cache, 'tmp/pyflow-run-just-made'));
    mkdirSync(join(cache, 'tmp/not-ours'));
    expect((await sweepDeadRuns(cache)).folders).to.be.at.least(new Set(deadFolders).size);
    expect(deadFolders.map((folder) => existsSync(folder))).to.deep.equal([false, false]);
    expect([existsSync(small), existsSync(large)]).to.deep.equal([true, true]);
    expect(readdirSync(join(cache, 'tmp'))).to.include.members(['pyflow-run-just-made', 'not-ours']);
    await alive.remove();
    await dead.remove();
  });
});
