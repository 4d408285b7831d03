import { expect } from 'chai';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keepDownloads, noteUse } from '../../../src/engine/services/download-quota.js';

const NOW = Date.parse('2026-12-01T00:00:00Z');
const HOUR = 3600_000;

describe('download-quota', () => {
  let cacheDir: string;
  beforeEach(() => {
    cacheDir = mkdtempSync(join(tmpdir(), 'pyflow-quota-'));
    mkdirSync(join(cacheDir, 'downloads'));
  });
  afterEach(() => rmSync(cacheDir, { recursive: true }));

  const pathOf = (digit: string): string => join(cacheDir, 'downloads', digit.repeat(64));
  function put(digit: string, hoursAgo: number): void {
    for (const path of [pathOf(digit), `${pathOf(digit)}.verified`]) {
      writeFileSync(path, 'x'.repeat(100));
      utimesSync(path, NOW / 1000, (NOW - hoursAgo * HOUR) / 1000);
    }
  }
  const left = (): readonly string[] =>
    ['a', 'b', 'c', 'd'].filter((digit) => existsSync(pathOf(digit)) && existsSync(`${pathOf(digit)}.verified`));

  it('removes the files that were not used for the longest time, down to a tenth below the limit', async () => {
    for (const [digit, hours] of [
      ['a', 50],
      ['b', 70],
      ['c', 90],
      ['d', 2],
    ] as const)
      put(digit, hours);
    expect(await keepDownloads(cacheDir, 300, NOW)).to.equal(200);
    expect(left()).to.deep.equal(['a', 'd']);
  });

  it('counts a use, and keeps what was used within the hour', async () => {
    for (const [digit, hours] of [
      ['a', 50],
      ['b', 70],
      ['c', 0.5],
    ] as const)
      put(digit, hours);
    await noteUse(pathOf('b'), NOW - 2 * HOUR);
    expect(await keepDownloads(cacheDir, 200, NOW)).to.equal(200);
    expect(left()).to.deep.equal(['c']);
    put('a', 50);
    put('b', 70);
    await noteUse(pathOf('b'), NOW - 2 * HOUR);
    expect(await keepDownloads(cacheDir, 250, NOW)).to.equal(100);
    expect(left()).to.deep.equal(['b', 'c']);
  });

  it('removes parts that a killed run left, and nothing else', async () => {
    const folder = join(cacheDir, 'downloads');
    for (const name of ['package.123.abcdef', `${'e'.repeat(64)}.9.00ff`, 'notes.txt']) {
      writeFileSync(join(folder, name), '');
      utimesSync(join(folder, name), NOW / 1000, (NOW - 48 * HOUR) / 1000);
    }
    expect(await keepDownloads(cacheDir, 1000, NOW)).to.equal(0);
    expect(readdirSync(folder)).to.deep.equal(['notes.txt']);
  });

  it('does nothing without a cache', async () => {
    expect(await keepDownloads(join(cacheDir, 'none'), 10, NOW)).to.equal(0);
  });
});
