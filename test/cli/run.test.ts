import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Engine } from '../../src/cli/engine.js';
import type { EventSink, RunReport } from '../../src/engine/events.js';
import type { RunRequest } from '../../src/engine/request.js';
import { failedReport, failedRun, pipFailure, succeededReport } from '../support/events.js';
import { pyflow, type FakeWorldOptions } from '../support/fake-world.js';

const play = (sink: EventSink): void => {
  for (const { at: _at, ...event } of failedRun) sink.emit(event);
};

/** An engine that is never up to date and whose run fails. */
const failing: Partial<Engine> = {
  tryFastPath: () => Promise.resolve(undefined),
  run: (_request, sink) => {
    play(sink);
    return Promise.resolve({ ok: true, value: failedReport });
  },
};

async function requestOf(argv: readonly string[], options: FakeWorldOptions = {}): Promise<RunRequest> {
  let seen: RunRequest | undefined;
  const { stderr } = await pyflow(['run', ...argv], {
    ...options,
    engine: {
      tryFastPath: (request) => {
        seen = request;
        return Promise.resolve(succeededReport);
      },
    },
  });
  if (seen === undefined) throw new Error(`refused: ${stderr}`);
  return seen;
}

describe('cli/run', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'pyflow-cli-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('replaces the name of the pin file by its text, and refuses a missing file', async () => {
    const pins = '{"archives":{}}';
    writeFileSync(join(folder, 'pins.json'), pins);
    const { settings } = await requestOf(['p.yml'], { cwd: folder, env: { PYFLOW_PINS: 'pins.json' } });
    expect(settings).to.deep.equal({ PINS: pins });
    expect((await requestOf(['p.yml'], { env: { PYFLOW_PINS: '', PYFLOW_DEBUG: '' } })).settings).to.deep.equal({});
    const missing = await pyflow(['run', 'p.yml'], { cwd: folder, env: { PYFLOW_PINS: 'none.json' } });
    expect(missing.status).to.equal(2);
    expect(missing.stderr).to.contain("pyflow can't read the pin file that PYFLOW_PINS names");
  });

  const readReport = (name: string): RunReport => JSON.parse(readFileSync(join(folder, name), 'utf8')) as RunReport;

  it('fills in the defaults, with absolute paths', async () => {
    const { signal, ...request } = await requestOf(['pipelines/python.yml']);
    expect(signal.aborted).to.equal(false);
    expect(request).to.deep.equal({
      pipelineFile: '/work/pipelines/python.yml',
      appDir: '/work',
      outDir: '/work/.pyflow/slug',
      force: false,
      cacheDir: '/home/ada/.cache/pyflow',
      params: {},
      only: [],
      refresh: [],
      keepGoing: false,
      mode: 'build',
      sandbox: 'auto',
      settings: {},
      passThrough: {},
    });
  });

  it('passes every option on to the request', async () => {
    const { signal: _signal, ...request } = await requestOf(
      (
        'p.yml --app shop --out slug --force --cache-dir c --app-id shop-1 -p a=1 -p b=x=y -p a=2 --env-dir env ' +
        '--only n1 --only n2 --until n3 --refresh all --jobs 3 --keep-going --test --sandbox required'
      ).split(' '),
      { env: { PYFLOW_PYTHON_MIRROR: 'file:///m', HOME: '/x', PYFLOW_: 'none', https_proxy: 'http://proxy' } },
    );
    expect(request).to.deep.equal({
      pipelineFile: '/work/p.yml',
      appDir: '/work/shop',
      outDir: '/work/slug',
      force: true,
      cacheDir: '/work/c',
      appId: 'shop-1',
      params: { a: '2', b: 'x=y' },
      envDir: '/work/env',
      only: ['n1', 'n2'],
      until: 'n3',
      refresh: ['all'],
      jobs: 3,
      keepGoing: true,
      mode: 'test',
      sandbox: 'required',
      settings: { PYTHON_MIRROR: 'file:///m' },
      passThrough: { https_proxy: 'http://proxy' },
    });
  });

  it('finds the cache by --cache-dir, then PYFLOW_CACHE_DIR, then XDG_CACHE_HOME', async () => {
    const cacheDir = async (env: Record<string, string>, ...args: string[]) =>
      (await requestOf(['p.yml', ...args], { env })).cacheDir;
    expect(await cacheDir({ PYFLOW_CACHE_DIR: '/c', XDG_CACHE_HOME: '/x' }, '--cache-dir', '/o')).to.equal('/o');
    expect(await cacheDir({ PYFLOW_CACHE_DIR: '/c', XDG_CACHE_HOME: '/x' })).to.equal('/c');
    expect(await cacheDir({ PYFLOW_CACHE_DIR: '', XDG_CACHE_HOME: '/x' })).to.equal('/x/pyflow');
    expect(await cacheDir({ XDG_CACHE_HOME: 'relative' })).to.equal('/home/ada/.cache/pyflow');
  });

  it('refuses invalid values before anything runs', async () => {
    for (const args of [
      ['-p', 'novalue'],
      ['-p', '=x'],
      ['--jobs', '0'],
      ['--jobs', '2.5'],
      ['--jobs=-1'],
      ['--app-id', '../up'],
      ['--app-id', ''],
      ['--cache-dir', ''],
      ['--app='],
      ['--only='],
      ['--sandbox', 'maybe'],
      ['--log', 'loud'],
    ]) {
      const { status, stderr } = await pyflow(['run', 'p.yml', ...args]);
      expect(status, args.join(' ')).to.equal(2);
      expect(stderr.split('\n').length, stderr).to.equal(3);
    }
  });

  it('prints an up-to-date run from the fast path alone', async () => {
    const { status, stdout } = await pyflow(['run', 'p.yml'], {
      engine: {
        tryFastPath: (_request, sink) => {
          sink.emit({ type: 'run-finished', report: succeededReport });
          return Promise.resolve(succeededReport);
        },
      },
    });
    expect(status).to.equal(0);
    expect(stdout).to.match(/^Done in 1 min 15 s: /);
  });

  it('prints the run and exits with its status', async () => {
    const { status, stdout } = await pyflow(['run', 'p.yml'], { engine: failing });
    expect(status).to.equal(1);
    expect(stdout).to.contain('pip: failed in 2.5 s');
    expect(stdout).to.contain('-> Use a version that exists in requirements.txt');
    expect(stdout.trimEnd().split('\n').at(-1)).to.match(/^Degraded: runtime/);
  });

  it('chooses the log by the environment', async () => {
    const first = async (options: FakeWorldOptions, ...args: string[]) =>
      (await pyflow(['run', 'p.yml', ...args], { ...options, engine: failing })).stdout.split('\n')[1] ?? '';
    const terminal = { columns: 80, rows: 24 };
    expect(await first({})).to.match(/^notice: \[sandbox::none\]/);
    expect(await first({ env: { GITHUB_ACTIONS: 'true' } })).to.match(/^::warning title=/);
    expect(await first({ terminal, env: { NO_COLOR: '1' } })).to.match(/^notice: runtime: /);
    expect(await first({ terminal, env: { TERM: 'dumb' } })).to.match(/^notice: \[sandbox/);
    expect(await first({ terminal, env: { CI: 'true', NO_COLOR: '1' } })).to.match(/^notice: \[sandbox/);
    expect(await first({}, '--log', 'live')).to.match(/^notice: \[sandbox/);
    expect(await first({ env: { GITHUB_ACTIONS: 'true' } }, '--log', 'buildpack')).to.match(/^-----> /);
    expect(JSON.parse(await first({}, '--log', 'ndjson'))).to.include({ type: 'notice', at: 0 });
  });

  it('uses colors on a terminal unless NO_COLOR is set', async () => {
    const terminal = { columns: 80, rows: 24 };
    const colored = async (env: Record<string, string>) =>
      (await pyflow(['run', 'p.yml', '--log', 'plain'], { terminal, env, engine: failing })).stdout.includes(
        '\u001b[31m',
      );
    expect(await colored({})).to.equal(true);
    expect(await colored({ NO_COLOR: '' })).to.equal(true);
    expect(await colored({ NO_COLOR: '0' })).to.equal(false);
    expect(await colored({ TERM: 'dumb' })).to.equal(false);
  });

  it('writes the report and the trace of a failed run', async () => {
    const { status } = await pyflow(['run', 'p.yml', '--report', 'r.json', '--trace', 't.json'], {
      cwd: folder,
      engine: failing,
    });
    expect(status).to.equal(1);
    expect(readReport('r.json')).to.deep.equal(failedReport);
    const trace = JSON.parse(readFileSync(join(folder, 't.json'), 'utf8')) as {
      traceEvents: { name: string; ph: string }[];
    };
    const spans = trace.traceEvents.filter(({ ph }) => ph === 'X').map(({ name }) => name);
    expect(spans).to.deep.equal(['detect', 'hook', 'runtime', 'assets', 'pip', 'profile', 'python']);
    expect(readdirSync(folder).sort()).to.deep.equal(['r.json', 't.json']);
  });

  it('reports an interrupted run with the status of the signal', async () => {
    const aborted: RunReport = { ...failedReport, status: 'aborted', exitCode: 1 };
    const { status, stdout } = await pyflow(['run', 'p.yml', '--report', 'r.json', '--log', 'ndjson'], {
      cwd: folder,
      interruption: () => ({ signal: 'SIGTERM', exitStatus: 143 }),
      engine: {
        ...failing,
        run: (_request, sink) => {
          sink.emit({ type: 'run-finished', report: aborted });
          return Promise.resolve({ ok: true, value: aborted });
        },
      },
    });
    expect(status).to.equal(143);
    expect(readReport('r.json').exitCode).to.equal(143);
    expect((JSON.parse(stdout) as { report: RunReport }).report.exitCode).to.equal(143);
  });

  it('shows diagnostics, exits with 2, and writes a report', async () => {
    const diagnostic = {
      code: 'pipeline::unknown-kind',
      severity: 'error',
      file: join(folder, 'p.yml'),
      start: { line: 3, column: 7 },
      end: { line: 3, column: 12 },
      message: 'There is no kind "pipp".',
      remedy: 'Did you mean pip, 100%?',
    } as const;
    const engine: Partial<Engine> = {
      ...failing,
      run: () =>
        Promise.resolve({
          ok: false,
          failure: { type: 'diagnostics', diagnostics: [diagnostic], text: 'pyflow: 1\nnodes:\n  pip: pipp\n' },
        }),
    };
    const ran = await pyflow(['run', 'p.yml', '--report', 'r.json'], { cwd: folder, engine });
    expect(ran).to.include({ status: 2, stdout: '' });
    expect(ran.stderr).to.contain('p.yml:3:7: error: There is no kind "pipp". [pipeline::unknown-kind]');
    expect(ran.stderr).not.to.contain(folder);
    expect(ran.stderr).to.contain('  pip: pipp');
    expect(readReport('r.json')).to.deep.include({ status: 'failed', exitCode: 2, nodes: {} });
    expect(readReport('r.json').failure?.code).to.equal('pipeline::unknown-kind');
    const annotated = await pyflow(['run', 'p.yml', '--log', 'github'], { cwd: folder, engine });
    expect(annotated.stdout).to.equal(
      '::error file=p.yml,line=3,endLine=3,col=7,title=pipeline%3A%3Aunknown-kind::There is no kind "pipp".%0ADid you mean pip, 100%25?\n',
    );
  });

  it('exits with 75 if the environment prevents the run', async () => {
    const { status, stderr } = await pyflow(['run', 'p.yml'], {
      engine: {
        ...failing,
        run: () =>
          Promise.resolve({
            ok: false,
            failure: { type: 'failure', failure: { ...pipFailure, blame: 'environment' } },
          }),
      },
    });
    expect(status).to.equal(75);
    expect(stderr).to.match(/^error: pip could not install/);
  });

  it('exits with 75 if only the report is not writable, and else keeps the status of the run', async () => {
    const succeeding = { tryFastPath: () => Promise.resolve(succeededReport) };
    const lost = await pyflow(['run', 'p.yml', '--report', 'no/such/folder.json'], { cwd: folder, engine: succeeding });
    expect(lost.status).to.equal(75);
    expect(lost.stderr).to.contain('[report::cannot-write]').and.to.contain('Nothing ran.');
    mkdirSync(join(folder, 'reports'));
    const removing: Partial<Engine> = {
      ...failing,
      run: (...given) => {
        rmSync(join(folder, 'reports'), { recursive: true });
        return failing.run!(...given);
      },
    };
    const both = await pyflow(['run', 'p.yml', '--report', 'reports/a.json'], { cwd: folder, engine: removing });
    expect(both.stderr).to.contain('[report::cannot-write]');
    expect(both.status).to.equal(1);
  });

  it('only plans with --dry-run', async () => {
    const { status, stdout } = await pyflow(['run', 'p.yml', '--dry-run'], {
      engine: {
        plan: () =>
          Promise.resolve({
            ok: true,
            value: {
              pipeline: 'python',
              appId: 'shop',
              lines: [
                {
                  id: 'detect' as never,
                  kind: 'detect',
                  certain: true,
                  outcome: 'executed',
                  reasons: [{ type: 'first-run' }],
                },
                {
                  id: 'pip' as never,
                  kind: 'install-deps-pip',
                  certain: false,
                  dependsOn: ['detect' as never],
                  reasons: [],
                },
              ],
            },
          }),
      },
    });
    expect(status).to.equal(0);
    expect(stdout).to.equal(
      [
        'NODE    KIND              WOULD BE  WHY',
        'detect  detect            executed  first run of this app',
        'pip     install-deps-pip  ?         depends on detect',
        '',
      ].join('\n'),
    );
  });
});
