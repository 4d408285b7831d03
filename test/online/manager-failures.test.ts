// How an install fails with each package manager, through the command line: code, blame, exit status, and nothing left
// in the cache or the slug. Real managers and a test index.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { RunReport } from '../../src/engine/events.js';
import { passThroughOf } from '../../src/engine/app/pass-through.js';
import { managerPipeline } from '../support/manager-pipeline.js';
import { CliScene, contentOf } from '../support/cli-scene.js';
import {
  lockerOf,
  loginVariables,
  MANAGERS,
  requirement,
  type Files,
  type Lock,
  type Manager,
} from '../support/manager-apps.js';
import { PackageIndex, type PackageIndexOptions } from '../support/package-index.js';
import { prepareRuntime, type PreparedRuntime } from '../support/runtimes.js';
import { makeSourceArchive, makeWheel, type Wheel } from '../support/wheels.js';

const LOGIN = { user: 'me@home', password: 'p@55:w/rd' };
/** A secret as it is, as in a URL, and as in a header. */
const SECRETS: readonly string[] = [
  LOGIN.password,
  encodeURIComponent(LOGIN.password),
  Buffer.from(`${LOGIN.user}:${LOGIN.password}`).toString('base64'),
];

/** Id of the behaviour in docs/parity.md. */
const FAILED: Readonly<Record<Manager, string>> = {
  pip: 'pip.install-deps-failed',
  pipenv: 'pipenv.install-deps-failed',
  poetry: 'poetry.install-deps-failed',
  uv: 'uv.install-deps-failed',
};

interface Failing {
  readonly files: Files;
  /** The fixed app, if the cause is in the app. Without it the cause is outside, and the key stays the same. */
  readonly mended?: Files;
  readonly mendIndex?: () => Promise<void> | void;
  /** What the title or the detail of the failure must match. */
  readonly says: RegExp;
  readonly remedy?: RegExp;
  /** What the log must match. */
  readonly prints?: string;
}
interface Trial {
  readonly lock: Lock;
  readonly index: PackageIndex;
}
type Make = (trial: Trial) => Promise<Failing>;
interface Cell {
  /** Why this manager differs from the row. */
  readonly instead?: string;
  readonly make: Make;
}
interface Row {
  readonly failure: string;
  readonly blame: 'app' | 'environment';
  readonly cells: Readonly<Record<Manager, Cell>>;
}

const helper = makeWheel('helper', '1.5');
const same = (make: Make): Readonly<Record<Manager, Cell>> => ({
  pip: { make },
  pipenv: { make },
  poetry: { make },
  uv: { make },
});
const added = (index: PackageIndex, wheel: Wheel): Wheel => {
  index.add(wheel.file, wheel.bytes);
  return wheel;
};
const replaced = (files: Files, name: string, from: string, to: string): Files => {
  const text = files[name] ?? '';
  if (!text.includes(from)) throw new Error(`no "${from}" in ${name}:\n${text}`);
  return { ...files, [name]: text.replace(from, to) };
};

/** Servers to stop at the end. */
const restarted: PackageIndex[] = [];

const absentVersion: Make = async ({ lock, index }) => {
  const absent = added(index, makeWheel('helper', '9.9'));
  const files = await lock(index, [absent]);
  index.remove(absent.file);
  return { files, says: /helper(==| \()9\.9/, mendIndex: () => index.add(absent.file, absent.bytes) };
};

function staleProject(says: RegExp, remedy: RegExp): Make {
  return async ({ lock, index }) => {
    const files = await lock(index, [added(index, makeWheel('stale', '1.0'))]);
    return { files: replaced(files, 'pyproject.toml', 'stale==1.0', 'stale>=1'), mended: files, says, remedy };
  };
}

const swapped =
  (says: (good: Wheel) => RegExp): Make =>
  async ({ lock, index }) => {
    const good = added(index, makeWheel('swapped', '1.0'));
    const files = await lock(index, [good]);
    index.add(good.file, makeWheel('swapped', '1.0', { files: { 'swapped.py': 'evil' } }).bytes);
    return { files, says: says(good), mendIndex: () => index.add(good.file, good.bytes) };
  };

/** In the words of each tool. */
const MISSING =
  /No matching distribution found for gone|installation candidates for gone|404[^]*\bgone\b|\bgone\b[^]*404/;

const ROWS: readonly Row[] = [
  {
    failure: 'an outdated lockfile',
    blame: 'app',
    cells: {
      pip: {
        instead: 'pip has no lockfile: one line has no digest while others have one',
        make: async ({ index }) => {
          const stale = added(index, makeWheel('stale', '1.0'));
          const files = { 'requirements.txt': `${requirement(helper)}${requirement(stale)}` };
          return {
            files: replaced(files, 'requirements.txt', requirement(stale), 'stale==1.0\n'),
            mended: files,
            says: /stale==1\.0/,
          };
        },
      },
      pipenv: {
        make: async ({ lock, index }) => {
          const files = await lock(index, [added(index, makeWheel('stale', '1.0'))]);
          return {
            files: replaced(files, 'Pipfile', 'stale = "*"', 'stale = ">=1"'),
            mended: files,
            says: /Pipfile\.lock is out of date/,
          };
        },
      },
      poetry: { make: staleProject(/poetry\.lock is out of date/, /poetry lock/) },
      uv: { make: staleProject(/uv\.lock is out of date/, /uv lock/) },
    },
  },
  {
    failure: 'a tampered wheel',
    blame: 'app',
    // Poetry names the package, but no digest.
    cells: {
      ...same(swapped(({ sha256 }) => new RegExp(`digest[^]*swapped[^]*${sha256}`))),
      poetry: { make: swapped(() => /digest[^]*swapped/) },
    },
  },
  {
    failure: 'a missing package',
    blame: 'app',
    cells: same(async ({ lock, index }) => {
      const gone = added(index, makeWheel('gone', '1.0'));
      const files = await lock(index, [gone]);
      index.remove(gone.file);
      return { files, says: MISSING, mendIndex: () => index.add(gone.file, gone.bytes) };
    }),
  },
  {
    failure: 'a version conflict',
    blame: 'app',
    cells: {
      pip: {
        make: async ({ index }) => {
          added(index, makeWheel('picky', '1.0', { requires: ['helper>=2'] }));
          const files = { 'requirements.txt': 'picky==1.0\nhelper==1.5\n' };
          added(index, makeWheel('helper', '2.0'));
          return { files, mended: { 'requirements.txt': 'picky==1.0\n' }, says: /picky.*helper|helper.*picky/s };
        },
      },
      pipenv: {
        instead: 'locked packages are installed without dependency resolution: a locked version is missing',
        make: absentVersion,
      },
      poetry: { instead: 'it trusts the lockfile: a locked version is missing', make: absentVersion },
      uv: {
        make: async ({ lock, index }) => {
          const picky = added(index, makeWheel('picky', '1.0', { requires: ['helper>=1'] }));
          const files = await lock(index, [picky]);
          return {
            files: replaced(files, 'pyproject.toml', '"picky==1.0"', '"picky==1.0", "helper<1"'),
            mended: files,
            says: /picky.*helper|helper.*picky/s,
          };
        },
      },
    },
  },
  {
    failure: 'a source archive that fails to build',
    blame: 'app',
    cells: same(async ({ lock, index }) => {
      const broken = added(
        index,
        makeSourceArchive('broken', '1.0', {
          'pyproject.toml':
            '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n[project]\nname = "broken"\nversion = "1.0"\n',
          'backend.py': 'def build_wheel(*_, **__):\n    raise SystemExit("no compiler for this")\n',
        }),
      );
      const files = await lock(index, [broken]);
      const mended = await lock(index, [added(index, makeWheel('broken', '1.1'))]);
      return { files, mended, says: /broken/, prints: 'no compiler for this' };
    }),
  },
  {
    failure: 'an index that is down',
    blame: 'environment',
    cells: same(async ({ lock, index }) => {
      const far = added(index, makeWheel('far', '1.0'));
      const files = await lock(index, [far]);
      const { port } = index;
      await index.stop();
      return {
        files,
        // Poetry names the host, but not the package.
        says: new RegExp(`could not be reached[^]*(\\bfar\\b|127\\.0\\.0\\.1:${port} )`),
        mendIndex: async () => void restarted.push(await PackageIndex.start([far], { tellsDigests: true, port })),
      };
    }),
  },
];
/** Poetry gets no app variables, except those that the operator names. */
const pipelineOf = (manager: Manager): string =>
  managerPipeline(
    'failures',
    manager,
    `  install:
    uses: install-deps-${manager}
    ${manager === 'poetry' ? 'secrets: [POETRY_HTTP_BASIC_TEST_USERNAME, POETRY_HTTP_BASIC_TEST_PASSWORD]' : ''}
    inputs: { runtime: runtime.tree, ${manager}: tool.tool }
`,
  );

interface Done {
  readonly status: number | undefined;
  /** All output. */
  readonly text: string;
  readonly report: RunReport;
  readonly install: RunReport['nodes'][string];
}

interface Call {
  /** PYFLOW_INDEX. */
  readonly index?: string;
  readonly envDir?: string;
  readonly log?: 'ndjson' | 'plain';
}

/** One cache for all, so that each case only pays for the install. Each case has its app and slug. */
class App {
  static #count = 0;
  readonly #id: string;
  readonly #appDir: string;
  readonly outDir: string;

  constructor(
    private readonly scene: CliScene,
    private readonly runtime: PreparedRuntime,
    private readonly manager: Manager,
    files: Files,
  ) {
    this.#id = `app-${(App.#count += 1)}`;
    this.#appDir = join(scene.root, this.#id, 'app');
    this.outDir = join(scene.root, this.#id, 'slug');
    mkdirSync(this.#appDir, { recursive: true });
    this.push(files);
  }

  push(files: Files): this {
    this.scene.write({ '.python-version': `${this.runtime.version}\n`, ...files }, this.#appDir);
    return this;
  }

  async run({ index, envDir, log = 'plain' }: Call = {}): Promise<Done> {
    const { scene } = this;
    const file = `${this.manager}.yml`;
    scene.write({ [file]: pipelineOf(this.manager) }, scene.root);
    const reportFile = join(scene.root, this.#id, 'report.json');
    const { status, stdout, stderr } = await scene.run({
      pipelineFile: join(scene.root, file),
      appDir: this.#appDir,
      outDir: this.outDir,
      sandbox: 'auto',
      log,
      args: [
        `--report=${reportFile}`,
        `--app-id=${this.#id}`,
        ...(envDir === undefined ? [] : [`--env-dir=${envDir}`]),
      ],
      env: {
        ...passThroughOf(process.env),
        PYFLOW_SYSTEM_PYTHONS: join(homedir(), '.pyenv/versions', this.runtime.version),
        ...(index !== undefined && { PYFLOW_INDEX: index }),
      },
    });
    const report = JSON.parse(readFileSync(reportFile, 'utf8')) as RunReport;
    return { status, text: `${stdout}${stderr}`, report, install: report.nodes['install']! };
  }
}

/** Files in the folder that contain one of the texts. */
function filesWith(folder: string, texts: readonly string[]): readonly string[] {
  const { status, stdout, stderr } = spawnSync('grep', ['-rlaF', ...texts.flatMap((text) => ['-e', text]), folder], {
    encoding: 'utf8',
  });
  if (status !== 0 && status !== 1) throw new Error(stderr);
  return stdout.split('\n').filter((line) => line !== '');
}

describe('failed installs, by package manager', function () {
  this.timeout(300_000);
  let scene: CliScene;
  let runtime: PreparedRuntime;
  let envDir: string;
  const indexes: PackageIndex[] = [];
  const openIndex = async (options: PackageIndexOptions = {}): Promise<PackageIndex> => {
    const index = await PackageIndex.start([helper], { tellsDigests: true, ...options });
    indexes.push(index);
    return index;
  };

  before(async function () {
    runtime = await prepareRuntime(this);
    scene = new CliScene();
    envDir = mkdtempSync(join(tmpdir(), 'pyflow-env-'));
  });
  after(async () => {
    for (const index of [...indexes, ...restarted]) await index.stop();
    scene?.cleanUp();
    if (envDir !== undefined) rmSync(envDir, { recursive: true });
  });

  for (const manager of MANAGERS) {
    const id = FAILED[manager];
    describe(`[${id}] ${manager}`, () => {
      let lock: Lock;
      const code = `install-dependencies::${manager}`;
      const newApp = (files: Files): App => new App(scene, runtime, manager, files);

      before(async () => {
        lock = await lockerOf(manager, runtime);
        // Everything except the install comes from the real index. All later builds restore it.
        const first = await newApp(await lock(await openIndex(), [])).run();
        expect(first.report.nodes['tool']?.outcome, first.text).to.equal('executed');
      });

      const expectFailed = (done: Done, blame: 'app' | 'environment', says: RegExp): void => {
        const { status, text, report, install } = done;
        expect(status, text).to.equal(blame === 'app' ? 1 : 75);
        expect(report.exitCode).to.equal(status);
        expect(install.outcome).to.equal('failed');
        expect(install.failure).to.include({ code, blame });
        expect(install.failure?.retryable).to.equal(blame === 'environment' ? true : undefined);
        expect(`${install.failure?.title}\n${install.failure?.detail}`, text).to.match(says);
        expect(text).to.include(code);
        expect(report.nodes['tool']?.outcome).to.be.oneOf(['restored', 'up-to-date']);
      };
      const expectExecuted = ({ status, text, install }: Done): void => {
        expect(status, text).to.equal(0);
        expect(install.outcome, text).to.equal('executed');
      };

      for (const { failure, blame, cells } of ROWS) {
        const { instead, make } = cells[manager];
        it(`${failure}${instead === undefined ? '' : ` (${instead})`}`, async () => {
          const index = await openIndex();
          const call = { index: index.url };
          const { files, mended, mendIndex, says, remedy = /./, prints = '' } = await make({ lock, index });
          const app = newApp(files);
          const failed = await app.run(call);
          expectFailed(failed, blame, says);
          expect(failed.install.failure?.remedy).to.match(remedy);
          expect(failed.text).to.include(prints);
          if (mended !== undefined) expectFailed(await app.run(call), blame, says);
          expect(existsSync(app.outDir), 'a slug').to.equal(false);
          await mendIndex?.();
          const done = await app.push(mended ?? {}).run(call);
          expectExecuted(done);
          if (mended === undefined) expect(done.install.key).to.equal(failed.install.key);
          expect((await app.run(call)).install.outcome).to.equal('up-to-date');
        });
      }

      it('an index that requires a password, from the operator or from the app', async () => {
        const closed = await openIndex({ login: LOGIN });
        const guarded = added(closed, makeWheel('guarded', '1.0'));
        const said: string[] = [];
        const told = async (app: App, call: Call): Promise<Done> => {
          const done = await app.run(call);
          said.push(done.text, JSON.stringify(done.report));
          return done;
        };
        const asks = /requires a login[^]*\bguarded\b/;
        const app = newApp(await lock(closed, [guarded]));
        const refused = await told(app, { index: closed.url });
        expectFailed(refused, 'app', asks);
        const wrong = closed.urlWithLogin.replace('//', '//not-');
        expectFailed(await told(app, { index: wrong, log: 'ndjson' }), 'app', asks);
        expect(existsSync(app.outDir), 'a slug').to.equal(false);
        const done = await told(app, { index: closed.urlWithLogin });
        expectExecuted(done);
        expect(done.install.key).to.equal(refused.install.key);

        const other = await openIndex();
        const owner = newApp(await lock(closed, [guarded], 'own'));
        // Only variables name pip's extra index, and the sources of a Pipfile use them.
        const without = manager === 'pip' ? /guarded/ : manager === 'pipenv' ? /not set[^]*INDEX_PASSWORD/ : asks;
        expectFailed(await told(owner, { index: other.url }), 'app', without);
        scene.write(loginVariables(manager, closed), envDir);
        expectExecuted(await told(owner, { index: other.url, envDir, log: 'ndjson' }));

        for (const text of said) for (const secret of SECRETS) expect(text).not.to.include(secret);
        expect(filesWith(scene.root, SECRETS)).to.deep.equal([]);
        expect(filesWith(envDir, SECRETS), 'what is looked for can be found').not.to.deep.equal([]);
      });

      it('leaves the slug of the last successful build unchanged', async () => {
        const index = await openIndex();
        const call = { index: index.url };
        const good = await lock(index, [helper]);
        const app = newApp(good);
        expect((await app.run(call)).status).to.equal(0);
        const slug = contentOf(app.outDir);
        const gone = added(index, makeWheel('gone', '2.0'));
        const bad = await lock(index, [helper, gone]);
        index.remove(gone.file);
        expectFailed(await app.push(bad).run(call), 'app', /gone/);
        expect(contentOf(app.outDir)).to.deep.equal(slug);
        expect((await app.push(good).run(call)).report.status).to.equal('succeeded');
        expect(contentOf(app.outDir)).to.deep.equal(slug);
      });
    });
  }
});
