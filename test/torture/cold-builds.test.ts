// Twenty cold builds of the example, each in another place and environment, give the same slug digest.

import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { RunReport } from '../../src/engine/events.js';

const ROOT = resolve(import.meta.dirname, '../..');
const CLI = join(ROOT, 'dist/cli.js');
const ROUNDS = 20;
const LOCALES = ['C', 'C.UTF-8', 'de_DE.UTF-8', 'tr_TR.UTF-8'];
const ZONES = ['UTC', 'Asia/Kathmandu', 'America/St_Johns'];
const UMASKS = ['022', '077', '002'];
const SANDBOXES = ['auto', 'none'];

const pick = <T>(values: readonly T[], round: number): T => values[round % values.length]!;

describe('cold builds', () => {
  it(`give the same slug digest in ${ROUNDS} rounds`, () => {
    const digests = new Set<string | undefined>();
    for (let round = 0; round < ROUNDS; round++) {
      const root = mkdtempSync(join(tmpdir(), `pyflow ${'x'.repeat(round)}-`));
      try {
        const app = join(root, 'app');
        cpSync(join(ROOT, 'examples/flask-pip'), app, {
          recursive: true,
          filter: (path) => !path.includes('.pyflow'),
        });
        const then = 1_000_000_000 + round * 10_000_000;
        utimesSync(join(app, 'app.py'), then, then);
        const report = join(root, 'report.json');
        const options = ['--app', app, '--cache-dir', join(root, 'cache'), '--sandbox', pick(SANDBOXES, round)];
        const command = ['run', join(ROOT, 'pipelines/python.yml'), ...options, '--report', report];
        execFileSync(
          '/bin/sh',
          ['-c', `umask ${pick(UMASKS, round)}; exec "$0" "$@"`, process.execPath, CLI, ...command],
          {
            env: { ...process.env, LC_ALL: pick(LOCALES, round), TZ: pick(ZONES, round), PYTHONHASHSEED: `${round}` },
            stdio: 'pipe',
          },
        );
        digests.add((JSON.parse(readFileSync(report, 'utf8')) as RunReport).slug?.digest);
      } finally {
        rmSync(root, { recursive: true, force: true });
      }
    }
    expect(digests.size).to.equal(1);
    expect(digests.has(undefined)).to.equal(false);
  });
});
