// Real Poetry, with a test index for what can go wrong, and with the real index for a typical app.

import 'reflect-metadata';
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { expect } from 'chai';
import type { RunReport } from '../../src/engine/events.js';
import { passThroughOf } from '../../src/engine/app/pass-through.js';
import type { RunRequest } from '../../src/engine/request.js';
import { probeSandbox } from '../../src/engine/process/sandbox/probe.js';
import type { Sandbox } from '../../src/engine/process/sandbox/sandbox.js';
import type { Failure } from '../../src/engine/sdk.js';
import { FetchRuntime } from '../../src/plugins/fetch-runtime/plugin.js';
import { FetchTool } from '../../src/plugins/fetch-tool/plugin.js';
import { InstallDepsPoetry } from '../../src/plugins/install-deps-poetry/plugin.js';
import { InstallProjectPoetry } from '../../src/plugins/install-project-poetry/plugin.js';
import { formatReason } from '../../src/engine/render/reasons.js';
import {
  differences,
  fingerprint,
  operatorCertificates,
  PluginHarness,
  type HarnessOptions,
} from '../support/plugin-harness.js';
import { hasNamespaces } from '../support/namespaces.js';
import { PackageIndex, type IndexTrouble } from '../support/package-index.js';
import { lockedPoetryApp, type Files, type PoetryApp } from '../support/poetry-apps.js';
import {
  copyPreparedRuntime,
  copyWritable,
  prepareRuntime,
  pyenvVersions,
  type PreparedRuntime,
} from '../support/runtimes.js';
import { makeSourceArchive, makeWheel } from '../support/wheels.js';
import { outcomesOf, Workspace } from '../support/workspace.js';
import { skipBecause } from '../support/skip.js';

const ROOT = resolve(import.meta.dirname, '../..');
const FLASK = join(ROOT, 'test/fixtures/poetry-flask');
const NO_SHA = '0'.repeat(64);

const tool = makeWheel('tool', '1.0', {
  files: {
    'tool/__init__.py': 'def main():\n    import helper\n    print("tool", helper.VERSION)\n',
    'common/note.txt': 'from tool',
  },
  scripts: { tool: 'tool:main' },
  requires: ['helper>=1'],
});
const helper = makeWheel('helper', '1.5');
const newer = makeWheel('helper', '1.6');
const checker = makeWheel('checker', '3.0', {
  files: { 'checker.py': '', 'common/note.txt': 'from checker' },
});
/** Builds without packages from an index. */
const BUILD = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n';
const built = makeSourceArchive('built', '1.0', {
  'pyproject.toml': `${BUILD}[project]\nname = "built"\nversion = "1.0"\n`,
  'backend.py': `import os, zipfile
def build_wheel(directory, config_settings=None, metadata_directory=None):
    files = {'built.py': 'WHERE = %r\\n' % os.environ['VIRTUAL_ENV'][:5]}
    files['built-1.0.dist-info/METADATA'] = 'Metadata-Version: 2.1\\nName: built\\nVersion: 1.0\\n'
    files['built-1.0.dist-info/WHEEL'] = 'Wheel-Version: 1.0\\nGenerator: hand\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n'
    files['built-1.0.dist-info/RECORD'] = ''.join(n + ',,\\n' for n in [*files, 'built-1.0.dist-info/RECORD'])
    with zipfile.ZipFile(os.path.join(directory, 'built-1.0-py3-none-any.whl'), 'w') as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
    return 'built-1.0-py3-none-any.whl'
`,
});
const broken = makeSourceArchive('broken', '1.0', {
  'pyproject.toml': `${BUILD}[project]\nname = "broken"\nversion = "1.0"\n`,
  'backend.py':
    'def build_wheel(*a, **k):\n    print("x.c:1:10: fatal error: sqlite3.h: No such file or directory")\n    raise SystemExit(1)\n',
});
const ALL = [tool, helper, newer, checker, built, broken];

describe('Poetry, online', function () {
  this.timeout(300_000);
  let root: string;
  let runtime: PreparedRuntime;
  let poetryDir: string;
  let index: PackageIndex;

  before(async function () {
    runtime = await prepareRuntime(this);
    root = mkdtempSync(join(tmpdir(), 'pyflow-online-poetry-'));
    const harness = new PluginHarness({ root: join(root, 'tool') });
    copyPreparedRuntime(runtime, harness.appDir);
    poetryDir = await fetchPoetry(harness);
    index = await PackageIndex.start(ALL, { tellsDigests: true });
  });
  after(async () => {
    await index?.stop();
    if (root !== undefined) rmSync(root, { recursive: true, force: true });
  });
  afterEach(() => {
    index.trouble = undefined;
  });

  async function fetchPoetry(harness: PluginHarness): Promise<string> {
    const kind = new FetchTool(harness);
    const config = { name: 'poetry', vendorDir: '.scalingo' } as const;
    const made = await harness.play(kind, config, { runtime: '' }, { makesTool: true });
    if (!made.result.ok) throw new Error(`${made.result.failure.detail}\n${harness.text()}`);
    return made.toolDir;
  }
  const lock = (app: PoetryApp, from = index): Promise<Files> =>
    lockedPoetryApp({ poetryDir, python: join(runtime.appDir, '.scalingo/python/bin/python3') }, from, app);
  const put = (folder: string, files: Files): void => {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
  };

  interface Played {
    readonly harness: PluginHarness;
    readonly reads: { readonly scope?: string };
    readonly result: Awaited<ReturnType<InstallDepsPoetry['run']>>;
  }
  let folders = 0;
  /** `from`: an app folder with a runtime. */
  const start = (files: Files, options: HarnessOptions, from: { readonly appDir: string }): PluginHarness => {
    folders += 1;
    const folder = options.root ?? join(root, `h${folders}`);
    mkdirSync(folder, { recursive: true });
    const harness = new PluginHarness({ settings: { INDEX: index.url }, ...options, root: folder });
    if (!existsSync(join(harness.appDir, '.scalingo')))
      copyWritable(join(from.appDir, '.scalingo'), join(harness.appDir, '.scalingo'));
    put(harness.appDir, files);
    return harness;
  };
  const installDeps = async (
    files: Files,
    options: HarnessOptions = {},
    node: { readonly folder?: string; readonly from?: string; readonly poetryDir?: string } = {},
  ): Promise<Played> => {
    const harness = start(files, options, node.from === undefined ? runtime : { appDir: node.from });
    const kind = new InstallDepsPoetry(harness);
    const config = { vendorDir: '.scalingo', root: node.folder ?? '.' };
    const tools = { poetry: node.poetryDir ?? poetryDir };
    return { harness, ...(await harness.play(kind, config, { runtime: '', poetry: '' }, { tools })) };
  };
  const installProject = async (harness: PluginHarness, folder = '.'): Promise<Played> => {
    const kind = new InstallProjectPoetry(harness);
    const inputs = { dependencies: '', packages: {}, poetry: '' };
    const config = { vendorDir: '.scalingo', root: folder };
    return { harness, ...(await harness.play(kind, config, inputs, { tools: { poetry: poetryDir } })) };
  };
  const succeeded = ({ result, harness }: Played) => {
    if (!result.ok) throw new Error(`${result.failure.title}\n${result.failure.detail}\n${harness.text()}`);
    return result.value;
  };
  const failureOf = ({ result, harness }: Played): Failure => {
    if (result.ok) throw new Error(`it succeeded\n${harness.text()}`);
    expect(result.failure.code).to.equal('install-dependencies::poetry');
    return result.failure;
  };
  const site = (): string => `.scalingo/python/lib/python${runtime.minor}/site-packages`;
  const namespaces = async (): Promise<Sandbox | undefined> => {
    if (!(await hasNamespaces())) return undefined;
    // This makes the test index on the loopback reachable.
    const probed = await probeSandbox('auto', {
      searchPath: (process.env['PATH'] ?? '').split(':'),
      passThrough: operatorCertificates(),
      stateDir: join(root, 'state'),
    });
    if (!probed.ok) console.log('      (without namespaces: not possible on this machine)');
    return probed.ok ? probed.value : undefined;
  };

  describe('with a test index', () => {
    it('[poetry.install-deps-step] installs exactly what is locked, with launchers that run from any place', async () => {
      const files = await lock({ dependencies: ['tool==1.0', 'helper==1.5'] });
      const played = await installDeps(files, { root: join(root, 'with blanks') });
      expect(succeeded(played)).to.deep.equal({ outputs: { packages: { helper: '1.5', tool: '1.0' } } });
      expect(played.reads.scope).to.equal(undefined);
      const { appDir } = played.harness;
      const names = readdirSync(join(appDir, site())).filter((name) => name.endsWith('.dist-info'));
      expect(names).to.deep.equal(['helper-1.5.dist-info', 'tool-1.0.dist-info']);
      expect(readdirSync(appDir).sort()).to.deep.equal(['.scalingo', 'poetry.lock', 'pyproject.toml']);
      const moved = join(root, 'moved');
      renameSync(appDir, moved);
      const printed = execFileSync(join(moved, '.scalingo/python/bin/tool'), { cwd: '/', encoding: 'utf8' });
      expect(printed).to.equal('tool 1.5\n');
      expect(played.harness.text()).to.contain("using 'poetry sync --only main --no-root'");
    });

    it('keeps files that another node wrote there', async () => {
      const files = await lock({ dependencies: ['helper==1.5'] });
      const others = `${site()}/other-1.dist-info`;
      const played = await installDeps({
        ...files,
        [`${others}/METADATA`]: 'Metadata-Version: 2.1\nName: other\nVersion: 1\n',
        [`${others}/RECORD`]: 'other-1.dist-info/METADATA,,\n',
      });
      expect(succeeded(played).outputs.packages).to.deep.equal({ helper: '1.5', other: '1' });
    });

    it('[poetry.ci-groups] adds the other groups with --test', async () => {
      const files = await lock({ dependencies: ['helper==1.5'], dev: ['checker'] });
      expect(succeeded(await installDeps(files)).outputs.packages).to.deep.equal({ helper: '1.5' });
      const tested = succeeded(await installDeps(files, { mode: 'test' }));
      expect(tested.outputs.packages).to.deep.equal({ checker: '3.0', helper: '1.5' });
    });

    it('follows poetry.toml except for paths, and ignores settings of the machine', async () => {
      const files = await lock({ dependencies: ['helper==1.5'] });
      const machine = join(root, 'machine');
      put(machine, { '.config/pypoetry/config.toml': '[installer]\nno-binary = ["helper"]\n' });
      const env = { HOME: machine, XDG_CONFIG_HOME: join(machine, '.config'), PIP_INDEX_URL: 'http://127.0.0.1:9' };
      const places = '[virtualenvs]\nin-project = true\ncreate = true\n[keyring]\nenabled = true\n';
      const played = await installDeps({ ...files, 'poetry.toml': `cache-dir = "here"\n${places}` }, { env });
      expect(succeeded(played).outputs.packages).to.deep.equal({ helper: '1.5' });
      expect(existsSync(join(played.harness.appDir, '.venv'))).to.equal(false);
      expect(existsSync(join(played.harness.appDir, 'here'))).to.equal(false);
      const noWheels = await installDeps({ ...files, 'poetry.toml': '[installer]\nno-binary = ["helper"]\n' });
      expect(failureOf(noWheels)).to.include({ blame: 'app' });
    });

    it('lets the same package win if two contain the same file', async () => {
      const files = await lock({ dependencies: ['tool==1.0', 'checker==3.0'] });
      const prints = [];
      for (const options of [{}, { root: join(root, 'quarrel, again') }]) {
        const played = await installDeps(files, options);
        expect(Object.keys(succeeded(played).outputs.packages)).to.deep.equal(['checker', 'helper', 'tool']);
        expect(readFileSync(join(played.harness.appDir, site(), 'common/note.txt'), 'utf8')).to.equal('from tool');
        prints.push(await fingerprint(join(played.harness.appDir, '.scalingo')));
      }
      expect(differences(prints[0]!, prints[1]!)).to.deep.equal([]);
    });

    it('builds from source only for this app without a sandbox, and stores no wheel that was built in a private folder', async () => {
      const files = await lock({ dependencies: ['built==1.0'] });
      const folder = join(root, 'building');
      const played = await installDeps(files, { root: folder });
      expect(succeeded(played).outputs.packages).to.deep.equal({ built: '1.0' });
      expect(played.reads).to.include({ usesBuilder: true });
      expect(played.result).to.have.property('value').that.includes({ usedBuilder: true, scope: 'app' });
      const kept = readdirSync(join(folder, 'cache'), { recursive: true }).map(String);
      expect(kept.filter((path) => path.endsWith('built-1.0.tar.gz'))).to.have.length(1);
      expect(kept.filter((path) => path.endsWith('built-1.0-py3-none-any.whl'))).to.deep.equal([]);
    });

    describe('blames the app for', () => {
      it('a Python that the project does not allow', async () => {
        const files = await lock({ dependencies: ['helper==1.5'] });
        const edited = files['pyproject.toml']!.replace('>=3.10', '>=3.99');
        const failure = failureOf(await installDeps({ ...files, 'pyproject.toml': edited }));
        expect(failure).to.include({ blame: 'app' });
        expect(failure.detail).to.contain(runtime.version).and.to.contain('>=3.99');
      });

      it('a file that does not match the lockfile, until it is fixed', async () => {
        const files = await lock({ dependencies: ['helper==1.5'] });
        const folder = join(root, 'tampered');
        const install = (given: Files, from: PackageIndex): Promise<Played> => {
          // What Poetry caches from a server is only valid for one run.
          rmSync(join(folder, 'run'), { recursive: true, force: true });
          return installDeps(given, { root: folder, settings: { INDEX: from.url } });
        };
        const mute = await PackageIndex.start([helper]);
        try {
          for (const from of [index, mute]) {
            const edited = { ...files, 'poetry.lock': files['poetry.lock']!.replaceAll(helper.sha256, NO_SHA) };
            const failure = failureOf(await install(edited, from));
            expect(failure, failure.detail).to.include({ blame: 'app' });
            expect(failure.title).to.contain('digest');
            expect(failure.detail).to.contain('helper (1.5)');
          }
          mute.add(helper.file, newer.bytes);
          failureOf(await install(files, mute));
          mute.add(helper.file, helper.bytes);
          succeeded(await install(files, mute));
        } finally {
          await mute.stop();
        }
      });

      it('a failed build, with a known cause', async () => {
        const failure = failureOf(await installDeps(await lock({ dependencies: ['broken==1.0'] })));
        expect(failure).to.include({ blame: 'app' });
        expect(failure.detail).to.contain('hint.sqlite');
      });

      it('an app that claims to be a package but is not', async () => {
        const { harness } = await installDeps(await lock({ dependencies: ['helper==1.5'], isPackage: true }));
        const failure = failureOf(await installProject(harness));
        expect(failure).to.include({ blame: 'app' });
        expect(failure.remedy).to.contain('package-mode = false');
      });
    });

    it('blames the environment if the index has trouble', async () => {
      const files = await lock({ dependencies: ['helper==1.5'] });
      const troubled = async (trouble: IndexTrouble): Promise<void> => {
        const own = await PackageIndex.start(ALL, { tellsDigests: true });
        try {
          own.trouble = trouble;
          const failure = failureOf(await installDeps(files, { settings: { INDEX: own.url } }));
          expect(failure, `${trouble}\n${failure.detail}`).to.include({ blame: 'environment', retryable: true });
        } finally {
          await own.stop();
        }
      };
      // In parallel, because Poetry retries for eight seconds.
      await Promise.all((['server-error', 'resets', 'cut-off'] as const).map(troubled));
    });

    it('sends an index the login that it requires, and reveals it nowhere', async () => {
      const login = { user: 'me & you', password: 'p@55:w/rd' };
      const closed = await PackageIndex.start(ALL, { tellsDigests: true, login });
      try {
        const files = await lock({ dependencies: ['helper==1.5'] });
        const refused = failureOf(await installDeps(files, { settings: { INDEX: closed.url } }));
        expect(refused).to.include({ blame: 'app' });
        expect(refused.title).to.contain('requires a login');
        const named = await lock({ dependencies: ['helper==1.5'], ownSource: true });
        const mine = Object.fromEntries(
          Object.entries(named).map(([path, text]) => [path, text.replaceAll(index.url, closed.url)]),
        );
        const relocked = { ...mine, 'poetry.lock': await contentHashOf(mine) };
        const env = { POETRY_HTTP_BASIC_TEST_USERNAME: login.user, POETRY_HTTP_BASIC_TEST_PASSWORD: login.password };
        const byOperator = await installDeps(files, { settings: { INDEX: closed.urlWithLogin } });
        const bySecrets = await installDeps(relocked, { env });
        for (const played of [byOperator, bySecrets]) {
          expect(succeeded(played).outputs.packages).to.deep.equal({ helper: '1.5' });
          expect(played.harness.text() + JSON.stringify(played.reads)).not.to.match(/p@55|p%4055/);
        }
        // Poetry gets no app variables.
        expect(failureOf(await installDeps(relocked, { appEnv: env })).title).to.contain('requires a login');
      } finally {
        await closed.stop();
      }
    });

    /** The lockfile of these files, with the content hash that Poetry would write. */
    async function contentHashOf(files: Files): Promise<string> {
      const script = `import sys\nsys.path.insert(0, ${JSON.stringify(poetryDir)})\nfrom poetry.factory import Factory\nprint(Factory().create_poetry().locker._get_content_hash())\n`;
      const folder = mkdtempSync(join(root, 'hash-'));
      put(folder, files);
      const python = join(runtime.appDir, '.scalingo/python/bin/python3');
      const hash = execFileSync(python, ['-s', '-B', '-c', script], { cwd: folder, encoding: 'utf8' }).trim();
      return files['poetry.lock']!.replace(/content-hash = ".*"/, `content-hash = "${hash}"`);
    }

    describe('a project that is a package', () => {
      const app: PoetryApp = {
        dependencies: ['helper==1.5', 'mine'],
        isPackage: true,
        project: '[project.scripts]\nshop = "shop.cli:main"\n',
        more: 'packages = [{ include = "shop", from = "src" }, { include = "extra", from = "more" }]\n[tool.poetry.dependencies]\nmine = { path = "../libs/mine", develop = true }\n',
        root: 'web',
        files: {
          'web/src/shop/__init__.py': '',
          'web/src/shop/cli.py':
            'def main():\n    import extra, helper, mine\n    print("shop", helper.VERSION, mine.X)\n',
          'web/more/extra/__init__.py': '',
          'libs/mine/pyproject.toml': `[project]\nname = "mine"\nversion = "1.0"\n${BUILD}`,
          'libs/mine/mine.py': 'X = "mine"\n',
          'libs/mine/backend.py': `import os, zipfile
def build_editable(directory, config_settings=None, metadata_directory=None):
    os.makedirs('build', exist_ok=True)
    open('build/left', 'w').close()
    files = {'mine.pth': os.getcwd()}
    files['mine-1.0.dist-info/METADATA'] = 'Metadata-Version: 2.1\\nName: mine\\nVersion: 1.0\\n'
    files['mine-1.0.dist-info/WHEEL'] = 'Wheel-Version: 1.0\\nGenerator: hand\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n'
    files['mine-1.0.dist-info/RECORD'] = ''.join(n + ',,\\n' for n in [*files, 'mine-1.0.dist-info/RECORD'])
    with zipfile.ZipFile(os.path.join(directory, 'mine-1.0-py3-none-any.whl'), 'w') as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
    return 'mine-1.0-py3-none-any.whl'
`,
        },
      };

      it('is installed by the second node, with the same bytes in both sandbox modes and in any folder', async () => {
        const files = await lock(app);
        const sandbox = await namespaces();
        const prints = [];
        let appDir = '';
        for (const options of [{}, { root: join(root, 'package, elsewhere') }, ...(sandbox ? [{ sandbox }] : [])]) {
          const deps = await installDeps(files, options, { folder: 'web' });
          expect(succeeded(deps).outputs.packages).to.deep.equal({ helper: '1.5', mine: '1.0' });
          const { harness } = deps;
          const { outputs, uncacheable } = succeeded(await installProject(harness, 'web'));
          expect(outputs.packages).to.deep.equal({ helper: '1.5', mine: '1.0', shop: '0.1.0' });
          expect(uncacheable).to.equal(undefined);
          appDir = harness.appDir;
          expect(existsSync(join(appDir, 'libs/mine/build/left'))).to.equal(false);
          prints.push(await fingerprint(appDir));
        }
        for (const print of prints) expect(differences(prints[0]!, print)).to.deep.equal([]);
        const file = (path: string): string => readFileSync(join(appDir, site(), path), 'utf8');
        expect(file('shop.pth')).to.equal('../../../../../web/more\n../../../../../web/src\n');
        expect(file('mine.pth')).to.equal('../../../../../libs/mine');
        expect(JSON.parse(file('shop-0.1.0.dist-info/direct_url.json'))).to.have.property('url', 'file:///app/web');
        const moved = join(root, 'moved-project');
        renameSync(appDir, moved);
        const printed = execFileSync(join(moved, '.scalingo/python/bin/shop'), { cwd: '/', encoding: 'utf8' });
        expect(printed).to.equal('shop 1.5 mine\n');
      });
    });
  });

  describe('with the real index', () => {
    for (const minor of ['3.10', '3.12']) {
      it(`gives byte-identical trees in two folders and in both sandbox modes with CPython ${minor}`, async function () {
        const version = pyenvVersions().find((name) => name.startsWith(`${minor}.`));
        if (version === undefined) {
          return skipBecause(this, `no CPython ${minor} under pyenv`);
        }
        const base = await prepared(version);
        const files = Object.fromEntries(
          ['pyproject.toml', 'poetry.lock'].map((name) => [name, readFileSync(join(FLASK, name), 'utf8')]),
        );
        const sandbox = await namespaces();
        const settings = {};
        const prints = [];
        let appDir = '';
        for (const options of [
          { settings },
          { settings, root: join(root, `flask, ${minor}`), env: { LANG: 'POSIX', LC_ALL: 'POSIX' } },
          ...(sandbox === undefined ? [] : [{ settings, sandbox }]),
        ]) {
          const played = await installDeps(files, options, { from: base.appDir, poetryDir: base.poetryDir });
          expect(Object.keys(succeeded(played).outputs.packages)).to.have.length(9);
          expect(played.reads.scope).to.equal(undefined);
          appDir = played.harness.appDir;
          prints.push(await fingerprint(appDir));
        }
        for (const print of prints) expect(differences(prints[0]!, print)).to.deep.equal([]);
        const printed = execFileSync(join(appDir, '.scalingo/python/bin/gunicorn'), ['--version'], {
          encoding: 'utf8',
        });
        expect(printed).to.contain('23.0.0');
      });
    }

    async function prepared(version: string): Promise<{ readonly appDir: string; readonly poetryDir: string }> {
      if (version === runtime.version) return { appDir: runtime.appDir, poetryDir };
      const harness = new PluginHarness({ root: join(root, `tool-${version}`) });
      const minor = version.split('.').slice(0, 2).join('.');
      const made = await harness.play(
        new FetchRuntime(harness, harness.hostCommand),
        { vendorDir: '.scalingo', providers: ['system'] },
        { python: { version, minor, exact: true } },
      );
      if (!made.result.ok) throw new Error(made.result.failure.detail);
      return { appDir: harness.appDir, poetryDir: await fetchPoetry(harness) };
    }
  });

  describe('in the Python pipeline', () => {
    class PythonApp extends Workspace {
      override request(overrides: Partial<RunRequest> = {}): RunRequest {
        return super.request({
          pipelineFile: join(ROOT, 'pipelines/python.yml'),
          sandbox: 'auto',
          params: { providers: '["system"]' },
          passThrough: passThroughOf(process.env),
          ...overrides,
        });
      }
    }
    const ran = (report: RunReport): readonly string[] =>
      Object.entries(outcomesOf(report)).flatMap(([id, outcome]) => (outcome === 'executed' ? [id] : []));

    it('re-runs exactly what an edit affects, and removes what is no longer locked', async () => {
      const app = new PythonApp();
      try {
        const build = async (): Promise<RunReport> => {
          const report = await app.run();
          if (report.failure !== undefined) throw new Error(`${report.failure.title}\n${report.failure.detail}`);
          return report;
        };
        const edit = async (dependencies: readonly string[]): Promise<void> =>
          void app.write(
            await lock({
              dependencies,
              ownSource: true,
              isPackage: true,
              project: '[project.scripts]\nshop = "shop:main"\n',
              more: 'packages = [{ include = "shop", from = "src" }]\n',
              files: { 'src/shop/__init__.py': 'def main():\n    print("shop")\n' },
            }),
          );
        const has = (path: string): boolean => existsSync(join(app.outDir, site(), path));
        app.write({ '.python-version': `${runtime.version}\n` });
        await edit(['tool==1.0', 'helper==1.5']);
        const first = await build();
        expect(first.nodes['poetry']?.outputs?.['packages']).to.deep.equal({ helper: '1.5', tool: '1.0' });
        expect(first.buildData).to.include({ package_manager: 'poetry', poetry_version: '2.4.1' });

        expect(ran(await build()), 'unchanged').to.deep.equal([]);
        app.write({ 'src/shop/extra.py': 'X = 1\n' });
        expect(ran(await build()), 'an edit of the source').to.deep.equal(['poetry-project']);
        app.remove('src/shop/extra.py');

        const after = ['poetry', 'poetry-project', 'dependencies', 'nltk', 'collectstatic', 'post-compile'];
        await edit(['tool==1.0', 'helper==1.6']);
        const changed = await build();
        expect(ran(changed), 'a changed pin').to.deep.equal(after);
        const reasons = changed.nodes['poetry']!.reasons.map(formatReason);
        expect(reasons.join('\n')).to.match(/helper.* 1\.5 -> .*1\.6/);

        await edit(['helper==1.6', 'checker==3.0']);
        expect(ran(await build()), 'one added, one removed').to.deep.equal(after);
        expect([has('checker.py'), has('tool'), has('helper.py')]).to.deep.equal([true, false, true]);
        expect(existsSync(join(app.outDir, '.scalingo/python/bin/tool'))).to.equal(false);
        const moved = join(app.root, 'moved slug');
        cpSync(app.outDir, moved, { recursive: true, verbatimSymlinks: true });
        expect(execFileSync(join(moved, '.scalingo/python/bin/shop'), { cwd: '/', encoding: 'utf8' })).to.equal(
          'shop\n',
        );

        // Back to the start: nothing is executed, everything is restored.
        await edit(['tool==1.0', 'helper==1.5']);
        const back = await build();
        expect(ran(back), 'back to the start').to.deep.equal([]);
        expect(back.nodes['poetry']?.layer?.digest).to.equal(first.nodes['poetry']?.layer?.digest);

        app.write({ 'pyproject.toml': readFileSync(join(app.appDir, 'pyproject.toml'), 'utf8').replace('1.5', '1.6') });
        const stale = await app.run();
        expect(stale.failure).to.include({ code: 'install-dependencies::poetry', blame: 'app' });
        expect(stale.exitCode).to.equal(1);
        expect(stale.nodes['poetry']?.outcome).to.equal('failed');
      } finally {
        app.cleanUp();
      }
    });
  });
});
