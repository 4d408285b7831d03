import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import type { RunReport } from '../../src/engine/events.js';

const root = resolve(import.meta.dirname, '../..');
const version = (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version;

/** The chunks that load with this one, itself included. */
function withStaticImports(folder: string, name: string, seen = new Set<string>()): Set<string> {
  if (seen.has(name)) return seen;
  seen.add(name);
  const text = readFileSync(join(folder, name), 'utf8');
  for (const [, imported] of text.matchAll(/(?:from|import)"\.\/([^"]+\.js)"/g))
    withStaticImports(folder, imported!, seen);
  return seen;
}

describe('scripts/build', () => {
  let folder: string;
  let out: string;
  before(function () {
    this.timeout(60_000);
    folder = mkdtempSync(join(tmpdir(), 'pyflow-build-'));
    out = join(folder, 'dist');
    mkdirSync(join(out, 'chunks'), { recursive: true });
    writeFileSync(join(out, 'chunks', 'old-12345678.js'), 'of an earlier build');
    // As in the package: what lies beside the folder says that these are ES modules.
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
    execFileSync(process.execPath, [join(root, 'scripts/build.mjs'), out], { stdio: 'pipe' });
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const pyflow = (cli: string, ...args: string[]): string =>
    execFileSync(cli, args, { encoding: 'utf8', cwd: folder, env: { PATH: process.env['PATH'] } });

  it('answers --version from an entry of a few kilobytes that loads nothing else', () => {
    mkdirSync(join(folder, 'alone'));
    const alone = join(folder, 'alone', 'cli.js');
    copyFileSync(join(out, 'cli.js'), alone);
    expect(statSync(alone).size).to.be.lessThan(4096);
    expect(pyflow(alone, '--version')).to.equal(`pyflow ${version}\n`);
  });

  it('runs without node_modules', () => {
    expect(pyflow(join(out, 'cli.js'), 'help', 'run')).to.contain('Usage: pyflow run PIPELINE');
    expect(pyflow(join(out, 'cli.js'), 'plugins', 'ls')).to.match(/^command +\S/m);
  });

  it('loads neither winston nor inversify nor a parser before it knows that something must run', () => {
    const chunks = join(out, 'chunks');
    const [start] = readdirSync(chunks).filter((name) => /^start-.*\.js$/.test(name));
    const loaded = [...withStaticImports(chunks, start!)];
    // The source map names every file that went into a chunk.
    const sources = loaded.flatMap(
      (name) => (JSON.parse(readFileSync(join(chunks, `${name}.map`), 'utf8')) as { sources: string[] }).sources,
    );
    expect(sources.filter((source) => source.includes('node_modules'))).to.deep.equal([]);
    expect(sources.some((source) => source.endsWith('src/cli/run.ts'))).to.equal(true);
    const bytes = loaded.reduce((sum, name) => sum + statSync(join(chunks, name)).size, 0);
    expect(bytes).to.be.lessThan(120_000);
    expect(loaded.length).to.be.lessThan(10);
  });

  it('gives outside plugins their sdk', async () => {
    const sdk = (await import(join(out, 'sdk.js'))) as Record<string, unknown>;
    expect(sdk).to.include.keys('succeed', 'fail', 'Subprocess', 'Download');
    expect(readFileSync(join(out, 'sdk.d.ts'), 'utf8')).to.contain("'./types/engine/sdk.js'");
    expect(readFileSync(join(out, 'types/engine/sdk.d.ts'), 'utf8')).to.contain('interface RunContext');
  });

  it('removes the chunks of earlier builds', () => {
    expect(existsSync(join(out, 'chunks', 'old-12345678.js'))).to.equal(false);
  });

  it('ends quietly when its reader goes away, and says so when its output cannot be written', () => {
    const told = (redirected: string): string =>
      execFileSync(
        'bash',
        ['-c', `{ ${join(out, 'cli.js')} help run; echo "status $?" >&2; } 2>err ${redirected}; cat err`],
        {
          encoding: 'utf8',
          cwd: folder,
        },
      );
    expect(told('| true')).to.equal('status 0\n');
    expect(told('> /dev/full')).to.match(/^pyflow: its output cannot be written: ENOSPC.*\nstatus 75\n$/);
  });

  describe('a run that is interrupted', () => {
    const pipeline = (trap: string): string => `pyflow: 1
name: slow
nodes:
  slow: { uses: command, with: { argv: [sh, -c, "${trap}echo $$ > ${join(folder, 'pid')}; echo ready; sleep 600"], reads: [], writes: [] } }
  after: { uses: command, after: [slow], with: { argv: ["true"], reads: [], writes: [] } }
`;

    afterEach(() => {
      try {
        process.kill(-Number(readFileSync(join(folder, 'pid'), 'utf8')), 'SIGKILL');
      } catch {
        // It has ended, as it should.
      }
    });

    /** Sends the signals once the node prints; gives status and report. */
    async function interrupt(trap: string, ...signals: readonly ('SIGINT' | 'SIGTERM')[]) {
      writeFileSync(join(folder, 'slow.yml'), pipeline(trap));
      mkdirSync(join(folder, 'app'), { recursive: true });
      const report = join(folder, 'report.json');
      rmSync(report, { force: true });
      const args = ['run', 'slow.yml', '--app', 'app', '--cache-dir', 'cache', '--sandbox', 'none', '--log', 'ndjson'];
      const child = spawn(join(out, 'cli.js'), [...args, '--report', report], {
        cwd: folder,
        env: { PATH: process.env['PATH'] },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let stdout = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        const before = stdout.includes('"ready"');
        stdout += text;
        if (!before && stdout.includes('"ready"')) for (const signal of signals) child.kill(signal);
      });
      const [status] = (await once(child, 'close')) as [number | null];
      return { status, stdout, report };
    }

    it('exits with 128 and the signal, and reports what was aborted', async () => {
      const { status, report } = await interrupt('', 'SIGTERM');
      expect(status).to.equal(143);
      const told = JSON.parse(readFileSync(report, 'utf8')) as RunReport;
      expect(told).to.include({ status: 'aborted', exitCode: 143 });
      expect(Object.values(told.nodes).map(({ outcome }) => outcome)).to.deep.equal(['aborted', 'aborted']);
    });

    it('ends at once on the second signal', async () => {
      const startedAt = Date.now();
      const { status, report } = await interrupt("trap '' TERM INT; ", 'SIGTERM', 'SIGINT');
      // Sent together they may arrive in either order.
      expect(status).to.be.oneOf([130, 143]);
      expect(existsSync(report)).to.equal(false);
      expect(Date.now() - startedAt).to.be.lessThan(4000);
    });
  });
});
