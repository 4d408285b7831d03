import 'reflect-metadata';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import type { Failure, Reads } from '../../src/engine/sdk.js';
import { InstallDepsPip } from '../../src/plugins/install-deps-pip/plugin.js';
import { differences, fingerprint, PluginHarness, type HarnessOptions } from '../support/plugin-harness.js';
import { FolderView } from '../support/folder-view.js';
import { PackageIndex } from '../support/package-index.js';
import { copyPreparedRuntime, prepareRuntime, type PreparedRuntime } from '../support/runtimes.js';
import { makeSourceArchive, makeWheel } from '../support/wheels.js';

const CONFIG = {
  root: '.',
  vendorDir: '.scalingo',
  installer: 'pip',
  requirements: 'requirements.txt',
  testRequirements: 'requirements-test.txt',
} as const;

const tool = makeWheel('tool', '1.0', {
  files: { 'tool/__init__.py': 'def main():\n    import helper\n    print("tool", helper.VERSION)\n' },
  scripts: { tool: 'tool:main' },
  plainScripts: { 'tool-plain': '#!python\nimport tool\ntool.main()\n' },
  requires: ['helper>=1'],
});
const helper = makeWheel('helper', '1.5');
const checker = makeWheel('checker', '3.0');

type Files = Readonly<Record<string, string>>;

describe('plugins/install-deps-pip', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pyflow-pip-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const put = (appDir: string, files: Files): void => {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(appDir, path)), { recursive: true });
      writeFileSync(join(appDir, path), text);
    }
  };

  describe('reads', () => {
    const read = async (
      files: Files,
      options: {
        readonly env?: Files;
        readonly mode?: 'test';
        readonly settings?: Files;
        readonly index?: string;
        readonly root?: string;
      } = {},
    ) => {
      put(root, files);
      const harness = new PluginHarness({ root: join(root, 'h'), settings: options.settings ?? {} });
      const kind = new InstallDepsPip(harness);
      const config = { ...CONFIG, ...(options.index && { index: options.index }), root: options.root ?? '.' };
      return kind.reads({ config, inputs: { runtime: '', pip: '' } }, new FolderView(root, options.env, options.mode));
    };
    const readsOf = async (...args: Parameters<typeof read>): Promise<Reads> => {
      const result = await read(...args);
      if (!result.ok) throw new Error(result.failure.detail);
      return result.value;
    };

    it('are the requirements with all included files, and the projects in the app', async () => {
      const reads = await readsOf({
        'requirements.txt': '-r deep/base.txt\n-c constraints.txt\n-e ./libs/mine\n./wheels/x-1-py3-none-any.whl\n',
        'deep/base.txt': 'a==1\n',
        'constraints.txt': 'b==2\n',
        'libs/mine/pyproject.toml': '',
        'wheels/x-1-py3-none-any.whl': '',
        'unrelated.py': '',
      });
      expect(reads.files).to.deep.equal([
        'constraints.txt',
        'deep/base.txt',
        'libs/mine/**',
        'requirements.txt',
        'wheels/x-1-py3-none-any.whl',
      ]);
      expect(reads.scope).to.equal('app');
    });

    it('are the whole app if it installs itself', async () => {
      expect((await readsOf({ 'requirements.txt': '-e .\n' })).files).to.deep.equal(['**', 'requirements.txt']);
    });

    it('make a result private to the app unless hashes pin everything, including dependencies', async () => {
      const hash = `--hash=sha256:${'0'.repeat(64)}`;
      expect((await readsOf({ 'requirements.txt': `a==1 ${hash}\nb==2 ${hash}\n` })).scope).to.equal(undefined);
      expect((await readsOf({ 'requirements.txt': 'a==1\nb==2\n' })).scope).to.equal('app');
      expect((await readsOf({ 'requirements.txt': 'a==1\nb>=2\n' })).scope).to.equal('app');
    });

    it('share builds only if nothing but digests and the builder can change them', async () => {
      const line = `a==1 --hash=sha256:${'0'.repeat(64)}\n`;
      const url = 'a @ https://files.example/a-1.tar.gz --hash=sha256:00\n';
      for (const [title, text, isShared, env] of [
        ['pinned', line, true, {}],
        ['a pinned URL', url, true, {}],
        ['no digest', 'a==1\n', false, {}],
        ['a repository', `--require-hashes\n${line}b @ git+https://git.example/b@1\n`, false, {}],
        ['an archive of the app', `${line}./b-1.tar.gz --hash=sha256:00\n`, false, {}],
        ['a folder of archives of the app', `--find-links wheels\n${line}`, false, {}],
        ['a login', `--index-url https://\${U}:\${P}@index.example/simple\n${line}`, false, { U: 'a', P: '123' }],
        ['another index', line, false, { PIP_EXTRA_INDEX_URL: 'https://more.example/simple' }],
      ] as const) {
        const { usesBuilder, facts } = await readsOf({ 'requirements.txt': text }, { env });
        expect(usesBuilder, title).to.equal(isShared ? 'maybe' : undefined);
        expect((facts as { readonly sharesBuilds?: boolean }).sharesBuilds ?? false, title).to.equal(isShared);
      }
    });

    it('are below the root, to which paths of local projects are relative', async () => {
      const files = {
        'services/web/requirements.txt': '-r ../../base.txt\n-e .\n-e ../../libs/mine\n',
        'services/web/requirements-test.txt': '-e ../tools\n',
        'base.txt': 'a==1\n',
        'libs/mine/pyproject.toml': '',
        'services/tools/pyproject.toml': '',
      };
      const reads = await readsOf(files, { root: 'services/web' });
      expect(reads.files).to.deep.equal([
        'base.txt',
        'libs/mine/**',
        'services/web/**',
        'services/web/requirements.txt',
      ]);
      expect(reads.facts).to.deep.include({ requirements: ['services/web/requirements.txt'] });
      const underTest = await readsOf(files, { root: 'services/web', mode: 'test' });
      expect(underTest.files).to.include.members(['services/tools/**', 'services/web/requirements-test.txt']);
      expect(underTest.exists).to.deep.equal(['services/web/requirements-test.txt']);
    });

    it('show files by their path in the app', async () => {
      const result = await read({ 'web/requirements.txt': '-e ../../other\n-r base.txt\n' }, { root: 'web' });
      expect(result).to.have.nested.property('failure.detail').that.includes('web/requirements.txt, line 1:');
      const missing = await read({}, { root: 'api' });
      expect(missing).to.have.nested.property('failure.detail').that.includes('`api/requirements.txt`');
    });

    it('[pip.test-requirements] include the test requirements only under --test, if the file exists', async () => {
      const files = { 'requirements.txt': 'a==1\n', 'requirements-test.txt': 'b==2\n' };
      expect((await readsOf(files)).files).to.deep.equal(['requirements.txt']);
      const underTest = await readsOf(files, { mode: 'test' });
      expect(underTest.files).to.deep.equal(['requirements-test.txt', 'requirements.txt']);
      expect(underTest.exists).to.deep.equal(['requirements-test.txt']);
      rmSync(join(root, 'requirements-test.txt'));
      expect((await readsOf({}, { mode: 'test' })).files).to.deep.equal(['requirements.txt']);
    });

    it('contain indexes without user and password', async () => {
      const reads = await readsOf(
        { 'requirements.txt': 'a==1\n' },
        {
          env: { PIP_EXTRA_INDEX_URL: 'https://me:pa55word@extra.example/simple' },
          settings: { INDEX: 'https://you:pa55word@index.example/simple' },
        },
      );
      expect(JSON.stringify(reads)).not.to.contain('pa55word');
      expect(reads.facts).to.deep.equal({
        requirements: ['requirements.txt'],
        localPaths: [],
        packages: { a: '1' },
        index: 'https://index.example/simple',
        extraIndexes: 'https://extra.example/simple',
      });
      expect(reads.env ?? []).to.deep.equal([]);
    });

    it('fail if the node that fetches the installer was skipped', async () => {
      put(root, { 'requirements.txt': 'a==1\n' });
      const harness = new PluginHarness({ root: join(root, 'h') });
      const kind = new InstallDepsPip(harness);
      const config = { ...CONFIG, root: '.', installer: 'uv' as const };
      const result = await kind.reads({ config, inputs: { runtime: '', pip: '' } }, new FolderView(root));
      expect(!result.ok && result.failure).to.include({ code: 'install-deps-pip::no-installer', blame: 'pipeline' });
    });

    it('report every file that is missing or outside the app, with its line', async () => {
      const result = await read({ 'requirements.txt': 'a==1\n-r base.txt\n-e ../other\n-r /etc/passwd\n' });
      expect(result.ok).to.equal(false);
      if (result.ok) return;
      expect(result.failure).to.include({ code: 'install-dependencies::pip', blame: 'app' });
      expect(result.failure.detail.split('\n')).to.deep.equal([
        'requirements.txt, line 2: the file `base.txt` does not exist.',
        "requirements.txt, line 3: `../other` is outside the app, where a build can't read it.",
        "requirements.txt, line 4: `/etc/passwd` is outside the app, where a build can't read it.",
      ]);
    });
  });

  it('checks variables before it looks at the files of the app', async () => {
    const harness = new PluginHarness({ root });
    put(harness.appDir, { 'requirements.txt': '-i ${DEPOT_URL}\nchecker==3.0\n' });
    // The folder has no Python, which is the first thing that an install looks for.
    const { result } = await harness.play(new InstallDepsPip(harness), CONFIG, { runtime: '', pip: '' });
    expect(!result.ok && result.failure.title).to.equal('The variable DEPOT_URL is not set');
  });

  describe('run', () => {
    let runtime: PreparedRuntime;
    let index: PackageIndex;

    before(async function () {
      this.timeout(60_000);
      runtime = await prepareRuntime(this);
    });
    beforeEach(async () => {
      index = await PackageIndex.start([tool, helper, checker]);
    });
    afterEach(() => index.stop());

    const play = async (
      files: Files,
      options: HarnessOptions & { readonly folder?: string; readonly in?: string } = {},
    ) => {
      const folder = join(root, options.folder ?? 'h');
      mkdirSync(folder, { recursive: true });
      const harness = new PluginHarness({ settings: { INDEX: index.url }, ...options, root: folder });
      copyPreparedRuntime(runtime, harness.appDir);
      put(harness.appDir, files);
      const kind = new InstallDepsPip(harness);
      const node = { tools: { pip: runtime.pipDir } };
      return {
        harness,
        ...(await harness.play(kind, { ...CONFIG, root: options.in ?? '.' }, { runtime: '', pip: '' }, node)),
      };
    };
    type Played = Awaited<ReturnType<typeof play>>;
    const succeeded = ({ result, harness }: Played) => {
      if (!result.ok) throw new Error(`${result.failure.title}\n${result.failure.detail}\n${harness.text()}`);
      return result.value;
    };
    const failureOf = ({ result, harness }: Played): Failure => {
      if (result.ok) throw new Error(`it succeeded\n${harness.text()}`);
      return result.failure;
    };
    const site = (): string => `.scalingo/python/lib/python${runtime.minor}/site-packages`;

    it('installs packages whose launchers run in any folder', async () => {
      const played = await play({ 'requirements.txt': 'tool==1.0\n' }, { folder: 'with blanks' });
      const { outputs, uncacheable } = succeeded(played);
      expect(outputs).to.deep.equal({ packages: { helper: '1.5', tool: '1.0' } });
      expect(uncacheable).to.equal(undefined);
      const moved = join(root, 'moved');
      execFileSync('mv', [played.harness.appDir, moved]);
      for (const script of ['tool', 'tool-plain']) {
        const printed = execFileSync(join(moved, '.scalingo/python/bin', script), { cwd: '/', encoding: 'utf8' });
        expect(printed).to.equal('tool 1.5\n');
      }
    }).timeout(60_000);

    it('writes the same bytes in another folder, at another time, with another locale', async () => {
      const files = { 'requirements.txt': 'tool==1.0\n' };
      const a = await play(files, { folder: 'a' });
      const b = await play(files, { folder: 'another, longer', env: { LANG: 'POSIX', LC_ALL: 'POSIX' } });
      succeeded(a);
      succeeded(b);
      expect(differences(await fingerprint(a.harness.appDir), await fingerprint(b.harness.appDir))).to.deep.equal([]);
      const record = readFileSync(join(a.harness.appDir, site(), 'tool-1.0.dist-info/RECORD'), 'utf8');
      expect(record).to.match(/^\.\.\/\.\.\/\.\.\/bin\/tool,sha256=/m);
      expect(
        Object.keys(await fingerprint(a.harness.appDir, `${site()}/tool/**`)).some((path) => path.endsWith('.pyc')),
      ).to.equal(true);
    }).timeout(60_000);

    it('[pip.install-deps-step] logs its command and its progress', async () => {
      const { harness } = await play({ 'requirements.txt': 'tool==1.0\n' });
      const steps = harness.printed.filter(({ type }) => type === 'step').map(({ text }) => text);
      expect(steps).to.deep.equal(["Installing dependencies using 'pip install -r requirements.txt'"]);
      expect(
        harness.printed.some(({ type, text }) => type === 'progress' && text.startsWith('packages collected 2/')),
      ).to.equal(true);
    }).timeout(60_000);

    it('[pip.test-requirements] installs test requirements in the same call under --test', async () => {
      const played = await play(
        { 'requirements.txt': 'helper==1.5\n', 'requirements-test.txt': 'checker==3.0\n' },
        { mode: 'test' },
      );
      expect(succeeded(played).outputs.packages).to.deep.equal({ checker: '3.0', helper: '1.5' });
      expect(played.harness.text()).to.contain('pip install -r requirements.txt -r requirements-test.txt');
    }).timeout(60_000);

    it('[pip.extra-index] uses the extra index of the app and hides its password', async () => {
      const extra = await PackageIndex.start([checker]);
      try {
        const played = await play(
          { 'requirements.txt': 'checker==3.0\n' },
          {
            settings: { INDEX: `${index.url}/none` },
            appEnv: { PIP_EXTRA_INDEX_URL: extra.url.replace('//', '//me:pa55word@') },
          },
        );
        expect(succeeded(played).outputs.packages).to.deep.equal({ checker: '3.0' });
        expect(played.harness.text()).not.to.contain('pa55word');
      } finally {
        await extra.stop();
      }
    }).timeout(60_000);

    describe('variables in the files', () => {
      const login = { user: 'depot', password: 'pa55word' };
      let closed: PackageIndex;
      before(async () => {
        closed = await PackageIndex.start([checker], { login });
      });
      after(() => closed.stop());
      const host = (): string => new URL(closed.url).host;
      const appEnv = { DEPOT_USER: login.user, DEPOT_PASS: login.password };

      it('are expanded in the URLs of indexes, and no value is printed', async () => {
        const line = `--extra-index-url http://\${DEPOT_USER}:\${DEPOT_PASS}@${host()}/simple`;
        const played = await play({ 'requirements.txt': `${line}\nchecker==3.0\n` }, { appEnv });
        expect(succeeded(played).outputs.packages).to.deep.equal({ checker: '3.0' });
        expect(played.harness.text()).not.to.contain(login.password);
        // A login does not change what is installed.
        expect(played.reads.env).to.equal(undefined);
        expect(JSON.stringify(played.reads)).not.to.contain(login.password);
      }).timeout(60_000);

      it('are expanded in the names of included files, and then belong to the key', async () => {
        const played = await play(
          { 'requirements.txt': '-r ${STAGE}.txt\n', 'live.txt': 'helper==${PIN}\n' },
          { appEnv: { STAGE: 'live', PIN: '1.5' } },
        );
        expect(succeeded(played).outputs.packages).to.deep.equal({ helper: '1.5' });
        expect(played.reads.env).to.deep.equal(['PIN', 'STAGE']);
        expect(played.reads.files).to.deep.equal(['live.txt', 'requirements.txt']);
      }).timeout(60_000);

      it('may contain a whole URL, in an included file as well', async () => {
        const url = closed.urlWithLogin;
        const played = await play(
          { 'requirements.txt': '-r more.txt\n', 'more.txt': '-i ${DEPOT_URL}\nchecker==3.0\n' },
          { appEnv: { DEPOT_URL: url } },
        );
        expect(succeeded(played).outputs.packages).to.deep.equal({ checker: '3.0' });
        expect(played.harness.text()).not.to.contain(login.password);
      }).timeout(60_000);

      it('without a value are reported with their places, before anything is sent', async () => {
        const sent = closed.requests.length;
        const files = {
          'requirements.txt': `# \${COMMENTED}\n-f http://\${DEPOT_USER}:\${DEPOT_PASS}@${host()}/simple/checker/\n-r more.txt\n`,
          'more.txt': 'a @ http://${DEPOT_USER}@host/a.whl\nb @ git+https://${GIT_TOKEN}@host/b.git\n',
        };
        const failure = failureOf(await play(files, { appEnv: { DEPOT_PASS: 'x', GIT_TOKEN: '' } }));
        expect(failure).to.include({
          code: 'install-dependencies::pip',
          blame: 'app',
          title: '2 variables are not set',
        });
        expect(failure.detail).to.equal(
          'requirements.txt, line 2: ${DEPOT_USER} has no value.\nmore.txt, line 2: ${GIT_TOKEN} has no value.',
        );
        expect(failure.remedy).to.contain('DEPOT_USER and GIT_TOKEN').and.to.contain('--env-dir');
        expect(closed.requests.length).to.equal(sent);
      });

      it('that are not in capitals and braces stay unchanged', async () => {
        const played = await play({ 'requirements.txt': 'helper==1.5 ; platform_version != "${lower}$PLAIN"\n' });
        expect(succeeded(played).outputs.packages).to.deep.equal({ helper: '1.5' });
      }).timeout(60_000);
    });

    it('reads no configuration of the machine', async () => {
      mkdirSync(join(root, 'config/pip'), { recursive: true });
      writeFileSync(join(root, 'config/pip/pip.conf'), '[global]\nindex-url = http://127.0.0.1:1/\n');
      const env = {
        XDG_CONFIG_HOME: join(root, 'config'),
        HOME: root,
        PIP_CONFIG_FILE: join(root, 'config/pip/pip.conf'),
      };
      succeeded(await play({ 'requirements.txt': 'helper==1.5\n' }, { env }));
    }).timeout(60_000);

    it('reports a tampered file', async () => {
      const wrong = '0'.repeat(64);
      const failure = failureOf(await play({ 'requirements.txt': `helper==1.5 --hash=sha256:${wrong}\n` }));
      expect(failure).to.include({ code: 'install-dependencies::pip', blame: 'app' });
      expect(failure.title).to.contain('digest');
      expect(failure.detail).to.contain(wrong).and.to.contain(helper.sha256);
    }).timeout(60_000);

    it('[pip.install-deps-failed] blames the app for a package that does not exist', async () => {
      const failure = failureOf(await play({ 'requirements.txt': 'helper==1.5\nno-such-package==1\n' }));
      expect(failure).to.include({ code: 'install-dependencies::pip', blame: 'app' });
      expect(failure.retryable).to.equal(undefined);
      expect(failure.detail).to.contain('no-such-package');
    }).timeout(60_000);

    it('blames the app for conflicting requirements', async () => {
      const failure = failureOf(await play({ 'requirements.txt': 'tool==1.0\nhelper<1\n' }));
      expect(failure).to.include({ code: 'install-dependencies::pip', blame: 'app' });
      expect(failure.retryable).to.equal(undefined);
      expect(failure.detail).to.contain('helper');
    }).timeout(60_000);

    it('blames the app for a package that breaks the Python that it is installed into', async () => {
      // Python finds a folder before the module of the same name.
      const shadow = `lib/python${runtime.minor}/contextlib/__init__.py`;
      const breaker = makeWheel('breaker', '1.0', {
        files: { 'breaker.py': '', [`breaker-1.0.data/data/${shadow}`]: 'raise ImportError("broken")\n' },
      });
      index.add(breaker.file, breaker.bytes);
      const failure = failureOf(await play({ 'requirements.txt': 'breaker==1.0\n' }));
      expect(failure).to.include({ code: 'install-dependencies::python-changed', blame: 'app' });
      expect(failure.detail).to.contain('broken').and.to.contain(shadow);
    }).timeout(60_000);

    it('blames the app for a package whose build fails', async () => {
      const backend = 'def build_wheel(*_):\n    raise SystemExit("no compiler for this")\n';
      const broken = makeSourceArchive('broken', '1.0', {
        'pyproject.toml': '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
        'backend.py': backend,
      });
      index.add(broken.file, broken.bytes);
      const played = await play({ 'requirements.txt': 'broken==1.0\n' });
      const failure = failureOf(played);
      expect(failure).to.include({ code: 'install-dependencies::pip', blame: 'app' });
      expect(failure.detail).to.match(/^no compiler for this\n/);
      expect(played.harness.text()).to.contain('no compiler for this');
    }).timeout(60_000);

    for (const [id, printed, subject] of [
      [
        'hint.gdal',
        'ERROR: Could not find gdal-config. Make sure you have installed the GDAL native library',
        'Could not find gdal-config',
      ],
      [
        'hint.sqlite',
        'src/module.h:33:10: fatal error: sqlite3.h: No such file or directory',
        'sqlite3.h: No such file or directory',
      ],
      [
        'hint.first-match',
        'sqlite3.h: No such file or directory\ncould not find GDAL-config',
        'Could not find gdal-config',
      ],
    ] as const) {
      it(`[${id}] [pip.install-deps-failed] recognizes the cause in the output of a build`, async () => {
        const broken = makeSourceArchive('broken', '1.0', {
          'pyproject.toml': '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
          'backend.py': `def build_wheel(*_):\n    raise SystemExit(${JSON.stringify(printed)})\n`,
        });
        index.add(broken.file, broken.bytes);
        const failure = failureOf(await play({ 'requirements.txt': 'broken==1.0\n' }));
        expect(failure).to.include({ code: 'install-dependencies::pip', blame: 'app', subject });
      }).timeout(60_000);
    }

    it('[pip.output-shortened] removes the folder from lines about installed packages', async () => {
      const { harness, result } = await play({
        'requirements.txt': 'helper==1.5\n',
        [`${site()}/helper-1.5.dist-info/METADATA`]: 'Metadata-Version: 2.1\nName: helper\nVersion: 1.5\n',
      });
      expect(result.ok, harness.text()).to.equal(true);
      const said = harness.printed.filter(({ text }) => text.startsWith('Requirement already satisfied'));
      expect(said.map(({ text }) => text)).to.deep.equal([
        'Requirement already satisfied: helper==1.5 (from -r requirements.txt (line 1)) (1.5)',
      ]);
    }).timeout(60_000);

    it('distinguishes an index that requires a login from an empty one, and never shows the password', async () => {
      const closed = await PackageIndex.start([helper], { login: { user: 'me', password: 'pa55word' } });
      try {
        const requirements = { 'requirements.txt': 'helper==1.5\n' };
        const refused = failureOf(await play(requirements, { settings: { INDEX: closed.url } }));
        expect(refused).to.include({ code: 'install-dependencies::pip', blame: 'app' });
        expect(refused.title).to.contain('requires a login');
        const played = await play(requirements, { settings: { INDEX: closed.urlWithLogin }, folder: 'let-in' });
        expect(succeeded(played).outputs.packages).to.deep.equal({ helper: '1.5' });
        expect(played.harness.text() + JSON.stringify(played.reads)).not.to.contain('pa55word');
      } finally {
        await closed.stop();
      }
    }).timeout(60_000);

    // Truncated downloads are in test/online, because the pip of this test is too old to detect them.
    for (const trouble of ['server-error', 'resets'] as const) {
      it(`blames the environment for errors of the index: ${trouble}`, async () => {
        index.trouble = trouble;
        const failure = failureOf(await play({ 'requirements.txt': 'helper==1.5\n' }, { env: { PIP_RETRIES: '1' } }));
        expect(failure, failure.detail).to.include({
          code: 'install-dependencies::pip',
          blame: 'environment',
          retryable: true,
        });
      }).timeout(60_000);
    }

    it('blames the environment if nothing listens', async () => {
      const settings = { INDEX: 'http://127.0.0.1:9/simple' };
      const failure = failureOf(
        await play({ 'requirements.txt': 'helper==1.5\n' }, { settings, env: { PIP_RETRIES: '1' } }),
      );
      expect(failure, failure.detail).to.include({ blame: 'environment', retryable: true });
    }).timeout(60_000);

    it('fails if an installed wheel contains the private path', async () => {
      const folder = join(root, 'h');
      const leaky = makeWheel('leaky', '1.0', { files: { 'leaky.py': `HERE = '${folder}/run/app'\n` } });
      index.add(leaky.file, leaky.bytes);
      const failure = failureOf(await play({ 'requirements.txt': 'leaky==1.0\n' }));
      expect(failure).to.include({ code: 'install-dependencies::private-path', blame: 'internal' });
      expect(failure.detail).to.contain('leaky.py');
    }).timeout(60_000);

    it('reports a missing Python', async () => {
      const harness = new PluginHarness({ root: join(root, 'bare') });
      put(harness.appDir, { 'requirements.txt': 'a==1\n' });
      const kind = new InstallDepsPip(harness);
      const { result } = await harness.play(kind, CONFIG, { runtime: '', pip: '' });
      expect(!result.ok && result.failure).to.include({ code: 'python::no-runtime', blame: 'pipeline' });
    });

    describe('projects of the app', () => {
      /** A build backend without dependencies, so that no index is needed. */
      const BACKEND = `
import base64, hashlib, os, pathlib, zipfile
HERE = pathlib.Path(__file__).parent
def _build(directory, files):
    os.makedirs('build', exist_ok=True)
    pathlib.Path('build/left').write_text('left behind')
    pathlib.Path('mine.egg-info').mkdir(exist_ok=True)
    pathlib.Path('mine.egg-info/PKG-INFO').write_text('left behind')
    info = 'mine-1.0.dist-info'
    files[info + '/METADATA'] = 'Metadata-Version: 2.1\\nName: mine\\nVersion: 1.0\\n'
    files[info + '/WHEEL'] = 'Wheel-Version: 1.0\\nGenerator: hand\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n'
    rows = ''.join('%s,sha256=%s,%d\\n' % (n, base64.urlsafe_b64encode(hashlib.sha256(t.encode()).digest()).rstrip(b'=').decode(), len(t)) for n, t in files.items())
    files[info + '/RECORD'] = rows + info + '/RECORD,,\\n'
    name = 'mine-1.0-py3-none-any.whl'
    with zipfile.ZipFile(os.path.join(directory, name), 'w') as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
    return name
def build_wheel(directory, config_settings=None, metadata_directory=None):
    return _build(directory, {'mine.py': (HERE / 'mine.py').read_text() + os.environ.get('ADD', '')})
def build_editable(directory, config_settings=None, metadata_directory=None):
    return _build(directory, {'__editable__.mine-1.0.pth': str(HERE) + '\\n'})
`;
      const project = (at: string): Files => ({
        [`${at}pyproject.toml`]: '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
        [`${at}backend.py`]: BACKEND,
        [`${at}mine.py`]: 'NAME = "mine"\n',
      });

      it('are found relative to the root, also next to it', async () => {
        const files = { 'services/web/requirements.txt': 'tool==1.0\n-e ../../libs/mine\n', ...project('libs/mine/') };
        const played = await play(files, { in: 'services/web' });
        expect(succeeded(played).outputs.packages).to.include({ tool: '1.0', mine: '1.0' });
        expect(played.harness.text()).to.include("'pip install -r requirements.txt'");
        const pth = readFileSync(join(played.harness.appDir, site(), '__editable__.mine-1.0.pth'), 'utf8');
        expect(pth).to.equal('../../../../../libs/mine\n');
        expect(existsSync(join(played.harness.appDir, 'libs/mine/build'))).to.equal(false);
      }).timeout(60_000);

      it('are installed as editable by a relative path, and builds leave no files in the sources', async () => {
        const played = await play({ 'requirements.txt': '-e ./libs/mine\n', ...project('libs/mine/') });
        const { outputs, uncacheable } = succeeded(played);
        expect(outputs.packages).to.deep.equal({ mine: '1.0' });
        expect(uncacheable).to.equal(undefined);
        const { appDir } = played.harness;
        const pth = readFileSync(join(appDir, site(), '__editable__.mine-1.0.pth'), 'utf8');
        expect(pth).to.equal('../../../../../libs/mine\n');
        const noted = readFileSync(join(appDir, site(), 'mine-1.0.dist-info/direct_url.json'), 'utf8');
        expect(JSON.parse(noted)).to.have.property('url', 'file:///app/libs/mine');
        for (const left of ['build', 'mine.egg-info']) {
          expect(existsSync(join(appDir, 'libs/mine', left)), left).to.equal(false);
        }
        const moved = join(root, 'moved');
        execFileSync('mv', [appDir, moved]);
        const printed = execFileSync(
          join(moved, '.scalingo/python/bin/python'),
          ['-c', 'import mine; print(mine.NAME)'],
          {
            cwd: '/',
            encoding: 'utf8',
            env: { PATH: process.env['PATH'], PYTHONDONTWRITEBYTECODE: '1' },
          },
        );
        expect(printed).to.equal('mine\n');
      }).timeout(60_000);

      it('are installed from the root of the app', async () => {
        const played = await play({ 'requirements.txt': '.\n', ...project('') });
        expect(succeeded(played).outputs.packages).to.deep.equal({ mine: '1.0' });
        expect(existsSync(join(played.harness.appDir, 'mine.egg-info'))).to.equal(false);
      }).timeout(60_000);

      it('make a result that is not stored if their build wrote the private path', async () => {
        const add = `\nHERE = '${root}/h/run/app'\n`;
        const played = await play(
          { 'requirements.txt': './libs/mine\n', ...project('libs/mine/') },
          { env: { ADD: add } },
        );
        expect(succeeded(played).uncacheable).to.contain('mine.py');
      }).timeout(60_000);
    });
  });
});
