// Boots a slug as on the platform: sources its profile scripts, with and without a memory limit, under gunicorn and
// uvicorn. The app has two editable packages, one from a folder and one from a Git repository.

import { spawn, type ChildProcess } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import type { RunReport } from '../../src/engine/events.js';
import { passThroughOf } from '../../src/engine/app/pass-through.js';
import { findGitBackend, serveRepository } from '../support/git-server.js';
import type { TestServer } from '../support/http-server.js';
import { pyenvVersions } from '../support/runtimes.js';
import { outcomesOf, Workspace } from '../support/workspace.js';
import { skipBecause } from '../support/skip.js';

const ROOT = resolve(import.meta.dirname, '../..');
const MINOR = '3.13';
const hasPython = pyenvVersions().some((version) => version.startsWith(`${MINOR}.`));
const LIMIT_MB = 512;
/** One worker for every 256 MB, but at most twice the number of cores plus one. */
const LIMITED = Math.min(LIMIT_MB / 256, availableParallelism() * 2 + 1);

const library = (name: string): Record<string, string> => ({
  'pyproject.toml': `[project]\nname = "${name}"\nversion = "1.0"\n[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n`,
  [`${name}/__init__.py`]: `import os\nWHERE = os.path.dirname(__file__)\n`,
});
const APP = {
  '.python-version': `${MINOR}\n`,
  'told.py': `
import os, far, near
def told():
    names = ['WEB_CONCURRENCY', 'DYNO_RAM', 'FORWARDED_ALLOW_IPS', 'PYTHONHOME', 'LANG']
    return '\\n'.join([far.WHERE, near.WHERE, str(os.getppid())] + [f'{n}={os.environ.get(n, "")}' for n in names])
`,
  'wsgi.py': `
from told import told
def app(environ, start):
    start('200 OK', [('Content-Type', 'text/plain')])
    return [told().encode()]
`,
  'asgi.py': `
from told import told
async def app(scope, receive, send):
    if scope['type'] != 'http': return
    await send({'type': 'http.response.start', 'status': 200, 'headers': []})
    await send({'type': 'http.response.body', 'body': told().encode()})
`,
  'bin/post_compile': `python -c 'import far, near; print(far.WHERE, near.WHERE)' > from-hook.txt\n`,
  ...Object.fromEntries(Object.entries(library('near')).map(([path, text]) => [`libs/near/${path}`, text])),
};

describe(`a boot on the platform${hasPython ? '' : ` (skipped: no CPython ${MINOR} under pyenv)`}`, function () {
  this.timeout(180_000);
  let work: Workspace;
  let git: TestServer;
  let moved: string;
  const build = (): Promise<RunReport> =>
    work.run({
      pipelineFile: join(ROOT, 'pipelines/python.yml'),
      sandbox: 'auto',
      params: { providers: '["system"]', runtimeTools: 'false' },
      passThrough: passThroughOf(process.env),
    });

  before(async function () {
    const backend = findGitBackend();
    if (backend === undefined) console.log('      (skipped: needs git with its HTTP server)');
    if (!hasPython || backend === undefined) skipBecause(this, 'needs git with its HTTP server');
    work = new Workspace().write(APP);
    git = await serveRepository(backend, join(work.root, 'repositories'), 'far', library('far'));
    work.write({
      'requirements.txt': `click==8.5.1
gunicorn==23.0.0
h11==0.16.0
packaging==26.3
uvicorn
-e libs/near
-e git+${git.origin}/far#egg=far
`,
    });
    chmodSync(join(work.appDir, 'bin/post_compile'), 0o755);
    const report = await build();
    expect(report.failure).to.equal(undefined);
    moved = join(mkdtempSync(join(tmpdir(), 'pyflow moved ')), 'slug');
    renameSync(work.outDir, moved);
  });
  after(async () => {
    await git?.close();
    if (moved !== undefined) rmSync(join(moved, '..'), { recursive: true, force: true });
    work?.cleanUp();
  });

  interface Boot {
    readonly answer: readonly string[];
    /** Worker processes of the server. */
    readonly workers: number;
    readonly printed: string;
  }

  /** Sources the slug's profile scripts, as the platform does at start, and sends the server one request. */
  async function boot(command: string, cgroup: string, ready: RegExp, join_?: string): Promise<Boot> {
    const port = await freePort();
    const enter = join_ === undefined ? '' : `echo $$ > '${join_}/cgroup.procs'; `;
    const script = `${enter}for file in .profile.d/*.sh; do . "$file"; done; exec ${command}`;
    const server = spawn('bash', ['--norc', '-c', script], {
      cwd: moved,
      env: {
        PATH: '/usr/bin:/bin',
        HOME: moved,
        PORT: String(port),
        CONTAINER: 'web-1',
        WEB_CONCURRENCY_CGROUP_ROOT: cgroup,
        PYTHONDONTWRITEBYTECODE: '1',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const ended = new Promise<void>((done) => server.once('close', () => done()));
    let printed = '';
    let answered: Pick<Boot, 'answer' | 'workers'>;
    try {
      await new Promise<void>((done, failed) => {
        const look = (chunk: Buffer): void => {
          printed += chunk.toString();
          if (ready.test(printed)) done();
        };
        server.stdout.on('data', look);
        server.stderr.on('data', look);
        server.once('close', () => failed(new Error(`the server ended: ${printed}`)));
      });
      const answer = await answerOf(port, server).catch((cause: unknown) => {
        throw new Error(printed, { cause });
      });
      answered = { answer: answer.split('\n'), workers: workersOf(server.pid!) };
    } finally {
      server.kill('SIGTERM');
      await ended;
    }
    return { ...answered, printed };
  }

  /** uvicorn says that an application has started, and listens a moment later. */
  async function answerOf(port: number, server: ChildProcess): Promise<string> {
    for (;;) {
      try {
        return await (await fetch(`http://127.0.0.1:${port}/`)).text();
      } catch (error) {
        const { code } = (error as { cause?: { code?: string } }).cause ?? {};
        if (code !== 'ECONNREFUSED' || server.exitCode !== null || server.signalCode !== null) throw error;
        await nextTurn();
      }
    }
  }

  /** A folder that looks like the cgroup of a container. */
  function fakeCgroup(limit: string | undefined): string {
    const folder = mkdtempSync(join(work.root, 'cgroup-'));
    if (limit !== undefined) writeFileSync(join(folder, 'memory.max'), `${limit}\n`);
    return folder;
  }
  const expectPackages = (answer: readonly string[]): void => {
    expect(answer[0]).to.equal(join(moved, '.scalingo/python/src/far/far'));
    expect(answer[1]).to.equal(join(moved, 'libs/near/near'));
  };
  const gunicorn = 'gunicorn wsgi:app --bind "127.0.0.1:$PORT"';
  const uvicorn = 'uvicorn asgi:app --host 127.0.0.1 --port "$PORT"';
  const started = (count: number): RegExp => new RegExp(`(Booting worker[^]*){${count}}`);

  it('runs as many gunicorn workers as fit into memory, with the editable packages, after the slug was moved', async () => {
    const { answer, workers, printed } = await boot(gunicorn, fakeCgroup(String(LIMIT_MB * 1048576)), started(LIMITED));
    expectPackages(answer);
    expect(answer).to.include.members([
      `WEB_CONCURRENCY=${LIMITED}`,
      `DYNO_RAM=${LIMIT_MB}`,
      'FORWARDED_ALLOW_IPS=*',
      `PYTHONHOME=${moved}/.scalingo/python`,
      'LANG=en_US.UTF-8',
    ]);
    expect(workers).to.equal(LIMITED);
    expect(printed).to.contain(`python: this container has ${LIMIT_MB} MB of memory`);
  });

  it('uses the default number of gunicorn without a limit, and logs requests', async () => {
    const { answer, workers, printed } = await boot(gunicorn, fakeCgroup(undefined), started(1));
    expect(answer).to.include.members(['WEB_CONCURRENCY=', 'DYNO_RAM=']);
    expect(workers).to.equal(1);
    expect(printed).to.match(/"GET \/ HTTP\/1\.1" 200/);
  });

  it('does the same for uvicorn', async () => {
    const limit = fakeCgroup(String(LIMIT_MB * 1048576));
    const { answer } = await boot(uvicorn, limit, new RegExp(`(Application startup complete[^]*){${LIMITED}}`));
    expectPackages(answer);
    expect(answer).to.include(`WEB_CONCURRENCY=${LIMITED}`);
    // uvicorn listens only after the application has started.
    const alone = await boot(uvicorn, fakeCgroup('max'), /Uvicorn running on/);
    expect(alone.answer).to.include('WEB_CONCURRENCY=');
    expect(alone.workers).to.equal(0);
  });

  it('finds the limit of a real cgroup', async function () {
    const real = makeCgroup();
    if (real === undefined) {
      return skipBecause(this, 'this machine lets nobody make a cgroup with a memory limit');
    }
    try {
      const { answer, workers } = await boot(gunicorn, real.root, started(LIMITED), real.folder);
      expect(answer).to.include(`DYNO_RAM=${LIMIT_MB}`);
      expect(workers).to.equal(LIMITED);
    } finally {
      rmdirSync(real.folder);
    }
  });

  it('[editable.build-rewrite] finds the editable packages in a hook, even if everything else was restored from the cache', async () => {
    const seen = (slug: string): readonly string[] =>
      readFileSync(join(slug, 'from-hook.txt'), 'utf8').trim().split(' ');
    const expectFound = (inHook: readonly string[]): void => {
      expect(inHook).to.have.length(2);
      expect(inHook[0]).to.match(/\.scalingo\/python\/src\/far\/far$/);
      expect(inHook[1]).to.match(/libs\/near\/near$/);
    };
    expectFound(seen(moved));
    const report = await build();
    const ran = Object.entries(outcomesOf(report)).flatMap(([id, outcome]) => (outcome === 'executed' ? [id] : []));
    expect(ran).to.deep.equal(['post-compile']);
    expectFound(seen(work.outDir));
    expect(existsSync(join(work.outDir, '.scalingo/python/src/far/.git')), 'no history').to.equal(false);
  });

  /** cgroup version 1 has a separate hierarchy for memory. The profile script looks below a root. */
  function makeCgroup(): { readonly root: string; readonly folder: string } | undefined {
    const name = `pyflow-test-${process.pid}`;
    const limit = String(LIMIT_MB * 1048576);
    try {
      if (existsSync('/sys/fs/cgroup/memory/memory.limit_in_bytes')) {
        const folder = `/sys/fs/cgroup/memory/${name}`;
        mkdirSync(folder);
        writeFileSync(`${folder}/memory.limit_in_bytes`, limit);
        const root = mkdtempSync(join(work.root, 'cgroup-'));
        symlinkSync(folder, join(root, 'memory'));
        return { root, folder };
      }
      const folder = `/sys/fs/cgroup/${name}`;
      mkdirSync(folder);
      writeFileSync(`${folder}/memory.max`, limit);
      return { root: folder, folder };
    } catch {
      return undefined;
    }
  }
});

/** Children of a process. */
function workersOf(pid: number): number {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        return readFileSync(`/proc/${name}/stat`, 'utf8').split(') ').at(-1)?.split(' ')[1] === String(pid);
      } catch {
        return false;
      }
    }).length;
}

function freePort(): Promise<number> {
  return new Promise((done) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => done(port));
    });
  });
}
