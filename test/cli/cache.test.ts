import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { digestOf, sha256Hex, type ActionKey } from '../../src/engine/files/digest.js';
import { KEY_FORMAT } from '../../src/engine/node/key.js';
import { openLocalStore } from '../../src/engine/store/local-store.js';
import type { KeyRecord } from '../../src/engine/store/store.js';
import { pyflow } from '../support/fake-world.js';

const record: KeyRecord = {
  format: KEY_FORMAT,
  kind: 'detect',
  revision: 1,
  config: {},
  values: {},
  facts: null,
  env: {},
  secrets: {},
  platform: {},
  files: { 'requirements.txt': 'abc' },
  exists: {},
  trees: {},
  tools: {},
  scope: 'shared',
};
const keyOf = (text: string): ActionKey => `${sha256Hex(text)}/1` as ActionKey;

async function publish(cacheDir: string, key: ActionKey, format = KEY_FORMAT): Promise<void> {
  const opened = openLocalStore(cacheDir);
  if (!opened.ok) throw new Error(opened.failure.title);
  const log = digestOf(`log of ${key}`);
  opened.value.write(log, Buffer.from(`log of ${key}`));
  const result = { outputs: { python: true }, log, durationMs: 1500, storedAt: Date.now() };
  await opened.value.publish(key, result, { ...record, format });
  await opened.value.close();
}

describe('cli/cache', () => {
  let cacheDir: string;
  beforeEach(() => {
    cacheDir = mkdtempSync(join(tmpdir(), 'pyflow-cache-'));
  });
  afterEach(() => rmSync(cacheDir, { recursive: true, force: true }));

  const cache = (...args: string[]) => pyflow(['cache', ...args, '--cache-dir', cacheDir]);

  it('lists results, and shows a result by the beginning of its key', async () => {
    const key = keyOf('one');
    await publish(cacheDir, key);
    const listed = await cache('ls');
    expect(listed.stdout).to.match(new RegExp(`^${key.slice(0, 16)} +detect +\\S+ +1\\.5 s`, 'm'));
    expect(listed.stdout).to.match(/^1 result, /m);
    const shown = JSON.parse((await cache('show', key.slice(0, 8))).stdout) as { key: string; madeFrom: KeyRecord };
    expect(shown.key).to.equal(key);
    expect(shown.madeFrom.files).to.deep.equal({ 'requirements.txt': 'abc' });
  });

  it('says how many results no longer have the format of keys that this version makes', async () => {
    await publish(cacheDir, keyOf('new'));
    expect((await cache('ls')).stdout).not.to.contain('key format');
    await publish(cacheDir, keyOf('old'), 1);
    await publish(cacheDir, keyOf('older'), 1);
    const { stdout } = await cache('ls');
    expect(stdout).to.match(/^3 results, /m);
    expect(stdout).to.contain("2 results of another key format: this version of pyflow doesn't use them.");
    const { results } = JSON.parse((await cache('ls', '--json')).stdout) as { results: readonly { format: number }[] };
    expect(results.map(({ format }) => format).toSorted()).to.deep.equal([1, 1, KEY_FORMAT]);
    expect(await cache('verify')).to.deep.include({ status: 0, stderr: '' });
  });

  it('refuses the beginning of a key that matches no result or several', async () => {
    await publish(cacheDir, keyOf('one'));
    await publish(cacheDir, keyOf('two'));
    const none = await cache('show', 'zz');
    expect(none.status).to.equal(2);
    expect(none.stderr).to.contain('No stored result has a key that starts with "zz"');
    expect((await cache('show', '')).stderr).to.contain('The keys of 2 results start with ""');
  });

  it('treats a missing cache as empty', async () => {
    rmSync(cacheDir, { recursive: true });
    expect((await cache('ls')).stdout).to.equal(`0 results, 0 B in ${cacheDir}\n`);
  });

  it('verify exits with 0 if nothing is damaged, and else removes the damage and exits with 75', async () => {
    const key = keyOf('one');
    await publish(cacheDir, key);
    expect(await cache('verify')).to.deep.include({ status: 0, stderr: '' });
    const folder = join(cacheDir, 'ac');
    for (const name of readdirSync(folder)) writeFileSync(join(folder, name), 'not a result');
    const damaged = await cache('verify');
    expect(damaged.status).to.equal(75);
    expect(damaged.stdout).to.contain('removed 1 damaged item');
    expect((await cache('verify')).status).to.equal(0);
  });

  it('clear removes what pyflow can make again, and keeps records and sticky versions', async () => {
    await publish(cacheDir, keyOf('one'));
    for (const folder of ['plans', 'downloads', 'apps', 'runs/shop', 'state']) {
      mkdirSync(join(cacheDir, folder), { recursive: true });
    }
    writeFileSync(join(cacheDir, 'runs/shop/fast.json'), '{}');
    writeFileSync(join(cacheDir, 'runs/shop/last.json'), '{}');
    writeFileSync(join(cacheDir, 'state/shop.json'), '{}');
    const { status, stdout } = await cache('clear');
    expect(status).to.equal(0);
    expect(stdout).to.match(/^Removed .* from /);
    expect(readdirSync(cacheDir).sort()).to.deep.equal(['CACHEDIR.TAG', 'runs', 'state']);
    expect(readdirSync(join(cacheDir, 'runs/shop'))).to.deep.equal(['last.json']);
    expect(readdirSync(join(cacheDir, 'state'))).to.deep.equal(['shop.json']);
  });

  it('gc shrinks the cache to a size, and refuses an invalid size or age', async () => {
    await publish(cacheDir, keyOf('one'));
    expect((await cache('gc', '--max-size', '0B')).stdout).to.match(/^Removed 1 result and \d+ blobs?: /);
    for (const args of [
      ['--max-size', '5'],
      ['--max-size', '5 furlongs'],
      ['--max-size', '-1GB'],
      ['--max-age', '5y'],
      ['--max-age', 'd'],
    ]) {
      expect((await cache('gc', ...args)).status, args.join(' ')).to.equal(2);
    }
  });

  it('gc says which unneeded blobs it keeps, and why', async () => {
    const opened = openLocalStore(cacheDir);
    if (!opened.ok) throw new Error(opened.failure.title);
    for (const text of ['small', 'x'.repeat(100_000)]) opened.value.write(digestOf(text), Buffer.from(text));
    opened.value.flush();
    await publish(cacheDir, keyOf('one'));
    const during = (await cache('gc', '--max-size', '0B')).stdout;
    expect(during).to.contain('Kept 1 blob (5 B) that no stored result needs: written by a run that has not ended.');
    await opened.value.close();
    await publish(cacheDir, keyOf('two'));
    const { stdout } = await cache('gc', '--max-size', '0B');
    expect(stdout).to.match(/^Kept \d blobs \(10[0-9] kB\) that no stored result needs: less than an hour old/m);
    const { kept } = JSON.parse((await cache('gc', '--max-size', '0B', '--json')).stdout) as { kept: object };
    expect(kept).to.have.keys('young', 'running');
  });

  it('suggests the subcommand that was probably meant', async () => {
    expect((await cache('cleer')).stderr).to.contain('Did you mean clear?');
    expect((await cache('show')).stderr).to.contain('needs a KEY');
    expect((await cache('ls', 'x')).status).to.equal(2);
  });
});
