import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { openPolicy, type OpenedPolicy } from '../../../src/engine/packages/open-policy.js';
import { policyDigest } from '../../../src/engine/packages/policy.js';

const NOW = Date.UTC(2026, 11, 1);

const record = (id: string, name: string): string =>
  JSON.stringify({ id, affected: [{ package: { ecosystem: 'PyPI', name } }] });

describe('opening a policy', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'pyflow-policy-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const write = (name: string, text: string): string => {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return path;
  };
  const open = (path: string) =>
    openPolicy({ path, appDir: join(folder, 'app'), cacheDir: join(folder, 'cache'), now: NOW });

  async function opened(path: string): Promise<OpenedPolicy> {
    const result = await open(path);
    if (!result.ok) throw new Error(JSON.stringify(result.failure));
    return result.value;
  }
  async function code(path: string): Promise<string> {
    const result = await open(path);
    if (result.ok) return 'opened';
    return result.failure.type === 'failure'
      ? result.failure.failure.code
      : (result.failure.diagnostics[0]?.code ?? '');
  }

  it('refuses a file of the app, a missing file, and one with problems', async () => {
    const own = write('app/policy.yml', 'yanked: refuse\n');
    symlinkSync(own, join(folder, 'link.yml'));
    expect(await code(own)).to.equal('policy::in-app');
    expect(await code(join(folder, 'link.yml'))).to.equal('policy::in-app');
    expect(await code(join(folder, 'none.yml'))).to.equal('policy::unreadable');
    expect(await code(folder)).to.equal('policy::unreadable');
    expect(await code(write('policy.yml', 'yank: true\n'))).to.equal('policy::invalid');
    expect(await code(write('policy.yml', 'advisories: none\n'))).to.equal('policy::unreadable-advisories');
  });

  it('reads the advisories beside the file, however deep, and names what is no record', async () => {
    const path = write('policy.yml', 'advisories: osv\n');
    write('osv/PyPI/a/MAL-1.json', record('MAL-1', 'Bad_One'));
    write('osv/broken.json', '{');
    write('osv/list.json', '[]');
    write('osv/notes.txt', 'not JSON');
    const { policy, unreadable } = await opened(path);
    expect(policy.advisories?.about('bad-one', '1.0').map(({ id }) => id)).to.deep.equal(['MAL-1']);
    expect(unreadable).to.deep.equal(['broken.json', 'list.json']);
  });

  it('keeps what the advisories say until a file there changes', async () => {
    const path = write('policy.yml', 'advisories: osv\n');
    const file = write('osv/MAL-1.json', record('MAL-1', 'bad-one'));
    utimesSync(file, 1, 1);
    const before = await opened(path);
    // As long as before, with the same time: only the cache can know the old content.
    write('osv/MAL-1.json', record('MAL-1', 'bad-two'));
    utimesSync(file, 1, 1);
    const kept = await opened(path);
    expect(kept.policy.advisories?.about('bad-one', '1')).to.have.length(1);
    expect(policyDigest(kept.policy, NOW)).to.equal(policyDigest(before.policy, NOW));
    utimesSync(file, 2, 2);
    const after = await opened(path);
    expect(after.policy.advisories?.about('bad-one', '1')).to.deep.equal([]);
    expect(policyDigest(after.policy, NOW)).to.not.equal(policyDigest(before.policy, NOW));
  });

  it('reads thousands of advisories in seconds', async () => {
    const path = write('policy.yml', 'advisories: osv\n');
    for (let count = 0; count < 5000; count++) write(`osv/MAL-${count}.json`, record(`MAL-${count}`, `bad-${count}`));
    const started = performance.now();
    const { policy } = await opened(path);
    expect(policy.advisories?.size).to.equal(5000);
    expect(performance.now() - started).to.be.below(5000);
  });
});
