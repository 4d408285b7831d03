// The example apps, one per package manager: built with `pyflow run` in both sandbox modes, moved, booted, and tested
// over HTTP.

import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { RunReport } from '../../src/engine/events.js';
import { pyenvVersions } from '../support/runtimes.js';
import { serveSlug, type SlugServer } from '../support/slug-server.js';

const ROOT = resolve(import.meta.dirname, '../..');
const MODES = ['required', 'none'] as const;
type Mode = (typeof MODES)[number];

interface Example {
  /** Folder in `examples`. */
  readonly app: string;
  readonly root?: string;
  readonly manager: string;
  readonly packages: Readonly<Record<string, string>>;
  /** More environment variables for the boot. `{tmp}` is replaced with a new path in /tmp. */
  readonly env?: Readonly<Record<string, string>>;
  readonly prepare?: string;
  /** Nodes whose layers contain something built from source, for which equal digests are not guaranteed. */
  readonly built?: readonly string[];
  ask(server: SlugServer): Promise<void>;
}

const get = async (server: SlugServer, path: string): Promise<string> => {
  const { status, text } = await server.ask(path);
  expect(status, `${path}: ${text}`).to.equal(200);
  return text;
};
const post = async (server: SlugServer, path: string, body: string | URLSearchParams, type?: string): Promise<number> =>
  (
    await server.ask(path, {
      method: 'POST',
      body,
      ...(type === undefined ? {} : { headers: { 'content-type': type } }),
    })
  ).status;

const EXAMPLES: readonly Example[] = [
  {
    app: 'django-poetry',
    manager: 'poetry',
    packages: { django: '5.2.19', whitenoise: '6.12.0' },
    env: { DATABASE_PATH: '{tmp}' },
    prepare: 'python manage.py migrate',
    ask: async (server) => {
      const page = await get(server, '/');
      expect(page).to.contain('Nothing to read yet.');
      const [style = ''] = /\/static\/shelf\/style\.[0-9a-f]+\.css/.exec(page) ?? [];
      expect(await get(server, style)).to.contain('text-decoration: line-through');
      expect(JSON.parse(await get(server, '/healthz'))).to.deep.equal({ status: 'ok', books: 0 });
    },
  },
  {
    app: 'fastapi-uv',
    manager: 'uv',
    packages: { fastapi: '0.165.0' },
    ask: async (server) => {
      expect(await post(server, '/tasks', '{"title": "Water the plants"}', 'application/json')).to.equal(201);
      expect(JSON.parse(await get(server, '/tasks?done=false'))).to.deep.equal([
        { id: 1, title: 'Water the plants', done: false },
      ]);
      expect(await post(server, '/tasks', '{"title": ""}', 'application/json')).to.equal(422);
    },
  },
  {
    app: 'flask-sqlalchemy-pipenv',
    manager: 'pipenv',
    packages: { flask: '3.1.3', sqlalchemy: '2.0.58' },
    env: { DATABASE_URL: 'sqlite:///{tmp}' },
    ask: async (server) => {
      expect(await post(server, '/', new URLSearchParams({ name: 'Ada', text: 'I was <here>.' }))).to.equal(302);
      expect(await get(server, '/')).to.contain('<p>I was &lt;here&gt;.</p>');
      expect(JSON.parse(await get(server, '/healthz'))).to.deep.equal({ status: 'ok', entries: 1 });
    },
  },
  {
    app: 'package-uv',
    manager: 'uv',
    packages: { waitress: '3.0.2', feastdays: '1.0.0' },
    ask: askFeastdays,
  },
  {
    app: 'monorepo',
    root: 'services/shop',
    manager: 'pip',
    packages: { flask: '3.1.3', pricing: '1.0.0' },
    ask: async (server) => {
      expect(await get(server, '/')).to.contain('<li>croissant, €1.20</li>');
    },
  },
  {
    app: 'monorepo',
    root: 'services/quotes',
    manager: 'uv',
    packages: { starlette: '1.10.0', pricing: '1.0.0' },
    ask: async (server) => {
      expect(JSON.parse(await get(server, '/quote?croissant=24'))).to.include({ total: '€25.92' });
      expect((await server.ask('/quote?cake=1')).status).to.equal(400);
    },
  },
];

async function askFeastdays(server: SlugServer): Promise<void> {
  expect(JSON.parse(await get(server, '/2027'))).to.include({ Easter: '2027-03-28' });
  expect(JSON.parse(await get(server, '/healthz'))).to.deep.equal({ status: 'ok', version: '1.0.0' });
}

/** The Python version that all examples request. */
const MINOR = '3.13';
const hasPython = pyenvVersions().some((version) => version.startsWith(`${MINOR}.`));
const run = promisify(execFile);

describe(`example apps${hasPython ? '' : ` (skipped: no CPython ${MINOR} under pyenv)`}`, function () {
  this.timeout(300_000);
  let work: string;
  before(function () {
    if (!hasPython) return this.skip();
    work = mkdtempSync(join(tmpdir(), 'pyflow-examples-'));
  });
  after(() => work && rmSync(work, { recursive: true, force: true }));

  /** Runtime and tools are made once. The nodes in `refresh` run even if the cache has their results. */
  const build = async (
    mode: Mode,
    name: string,
    appDir: string,
    root = '.',
    refresh: readonly string[] = [],
  ): Promise<RunReport> => {
    const report = join(work, `${name} ${mode}.json`);
    const args = [join(ROOT, 'dist/cli.js'), 'run', join(ROOT, 'pipelines/python.yml'), '--app', appDir];
    const places = ['--out', slugOf(name, mode), '--cache-dir', join(work, 'cache'), '--report', report];
    const choices = ['--sandbox', mode, '-p', 'providers=["system"]', '-p', `root=${root}`, '--app-id', name];
    const again = refresh.flatMap((id) => ['--refresh', id]);
    await run(process.execPath, [...args, ...places, ...choices, ...again], { maxBuffer: 1e8 }).catch(
      (error: unknown) => {
        const { stdout, stderr } = error as { readonly stdout: string; readonly stderr: string };
        throw new Error(`${name}, --sandbox ${mode}:\n${stdout}${stderr}`);
      },
    );
    return JSON.parse(readFileSync(report, 'utf8')) as RunReport;
  };
  const slugOf = (name: string, mode: Mode): string => join(work, `${name} ${mode}`);

  /** Boots the slug from another place. */
  const boot = async (name: string, mode: Mode, example: Pick<Example, 'env' | 'prepare' | 'ask'>): Promise<void> => {
    const moved = join(work, 'moved to', `${name} ${mode}`);
    mkdirSync(join(work, 'moved to'), { recursive: true });
    renameSync(slugOf(name, mode), moved);
    // In a sandbox, only /tmp is writable.
    const scratch = `/tmp/${basename(work)}-${mode}.db`;
    const env = Object.entries(example.env ?? {}).map(([key, value]) => [key, value.replace('{tmp}', scratch)]);
    const { prepare } = example;
    const options = { sandbox: mode, env: Object.fromEntries(env), ...(prepare === undefined ? {} : { prepare }) };
    const server = await serveSlug(moved, options);
    try {
      await example.ask(server);
    } finally {
      await server.stop();
      for (const file of readdirSync('/tmp').filter((entry) => entry.startsWith(basename(scratch))))
        rmSync(join('/tmp', file));
    }
  };

  for (const example of EXAMPLES) {
    const { app, root, manager, packages } = example;
    const shown = root === undefined ? app : `${app}, ${root}`;
    const name = shown.replaceAll(/\W+/g, '-');
    it(`${shown} builds with ${manager}, identically in both sandbox modes, and answers after a move`, async () => {
      const first = await build('required', name, join(ROOT, 'examples', app), root);
      const made = Object.entries(first.nodes).flatMap(([id, { kind, outcome }]) =>
        outcome === 'executed' && !kind.startsWith('fetch-') ? [id] : [],
      );
      const second = await build('none', name, join(ROOT, 'examples', app), root, made);
      for (const id of made) expect(second.nodes[id]?.outcome, id).to.equal('executed');
      expect(first.buildData).to.include({ package_manager: manager });
      const installed = Object.values(first.nodes).flatMap(({ outputs }) =>
        Object.entries(outputs?.['packages'] ?? {}),
      );
      expect(Object.fromEntries(installed)).to.include(packages);
      expect(layersOf(second)).to.deep.equal(layersOf(first));
      expect(second.slug?.digest).to.equal(first.slug?.digest);
      await Promise.all(MODES.map((mode) => boot(name, mode, example)));
    });
  }

  it('package-uv has the same layers if it is built from its sdist', async () => {
    const app = join(ROOT, 'examples/package-uv');
    const unpacked = await unpackSdist(app, join(work, 'sdist'));
    expect(readdirSync(unpacked)).to.include.members(['PKG-INFO', 'uv.lock', '.python-version', 'Procfile']);
    const fromSource = await build('none', 'feastdays', app);
    const fromSdist = await build('none', 'feastdays-sdist', unpacked);
    expect(layersOf(fromSdist)).to.deep.equal(layersOf(fromSource));
    await boot('feastdays-sdist', 'none', { ask: askFeastdays });
  });
});

const layersOf = (report: RunReport): Readonly<Record<string, string | undefined>> =>
  Object.fromEntries(Object.entries(report.nodes).map(([id, { layer }]) => [id, layer?.digest]));

/** Same as `uv build --sdist`: calls the build backend, at the version that the project names. */
async function unpackSdist(project: string, scratch: string): Promise<string> {
  const source = join(scratch, 'source');
  mkdirSync(scratch);
  cpSync(project, source, { recursive: true, filter: (path) => !/[/\\]\.(pyflow|venv)$/.test(path) });
  const [backend = ''] = /hatchling==[\d.]+/.exec(readFileSync(join(project, 'pyproject.toml'), 'utf8')) ?? [];
  const version = pyenvVersions().find((name) => name.startsWith(`${MINOR}.`)) ?? '';
  await run(join(homedir(), '.pyenv/versions', version, 'bin/python'), ['-m', 'venv', join(scratch, 'venv')]);
  const python = join(scratch, 'venv/bin/python');
  await run(python, ['-m', 'pip', 'install', '--quiet', '--only-binary=:all:', backend]);
  const ask = 'import hatchling.build, sys; print(hatchling.build.build_sdist(sys.argv[1]))';
  const { stdout } = await run(python, ['-c', ask, scratch], { cwd: source });
  await run('tar', ['-xzf', join(scratch, stdout.trim()), '-C', scratch]);
  return join(scratch, stdout.trim().replace(/\.tar\.gz$/, ''));
}
