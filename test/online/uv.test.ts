// Real uv, with a test index for what can go wrong, and with the real index for the example apps.

import 'reflect-metadata';
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { expect } from 'chai';
import type { RunReport } from '../../src/engine/events.js';
import { passThroughOf } from '../../src/engine/app/pass-through.js';
import type { RunRequest } from '../../src/engine/request.js';
import type { Failure } from '../../src/engine/sdk.js';
import { FetchTool } from '../../src/plugins/fetch-tool/plugin.js';
import { InstallDepsPip } from '../../src/plugins/install-deps-pip/plugin.js';
import { InstallDepsUv } from '../../src/plugins/install-deps-uv/plugin.js';
import { InstallProjectUv } from '../../src/plugins/install-project-uv/plugin.js';
import { formatReason } from '../../src/engine/render/reasons.js';
import { differences, fingerprint, PluginHarness, type HarnessOptions } from '../support/plugin-harness.js';
import { PackageIndex } from '../support/package-index.js';
import { copyPreparedRuntime, prepareRuntime, pyenvVersions, type PreparedRuntime } from '../support/runtimes.js';
import { sourceProject } from '../support/source-projects.js';
import { lockedApp, type Files, type UvApp } from '../support/uv-apps.js';
import { makeSourceArchive, makeWheel } from '../support/wheels.js';
import { outcomesOf, Workspace } from '../support/workspace.js';
import { skipBecause } from '../support/skip.js';

const ROOT = resolve(import.meta.dirname, '../..');
const CONFIG = { vendorDir: '.scalingo', root: '.' };

const tool = makeWheel('tool', '1.0', {
  files: { 'tool/__init__.py': 'def main():\n    import helper\n    print("tool", helper.VERSION)\n' },
  scripts: { tool: 'tool:main' },
  requires: ['helper>=1'],
});
const helper = makeWheel('helper', '1.5');
const newer = makeWheel('helper', '1.6');
const checker = makeWheel('checker', '3.0');
const ALL = [tool, helper, newer, checker];

describe('uv, online', function () {
  this.timeout(120_000);
  let root: string;
  let runtime: PreparedRuntime;
  let uvDir: string;
  let index: PackageIndex;

  before(async function () {
    runtime = await prepareRuntime(this);
    root = mkdtempSync(join(tmpdir(), 'pyflow-online-uv-'));
    const harness = new PluginHarness({ root: join(root, 'tool') });
    copyPreparedRuntime(runtime, harness.appDir);
    const kind = new FetchTool(harness);
    const made = await harness.play(kind, { name: 'uv', vendorDir: '.scalingo' }, { runtime: '' }, { makesTool: true });
    if (!made.result.ok) throw new Error(`${made.result.failure.detail}\n${harness.text()}`);
    uvDir = made.toolDir;
    index = await PackageIndex.start(ALL, { tellsDigests: true });
  });
  after(async () => {
    await index?.stop();
    if (root !== undefined) rmSync(root, { recursive: true, force: true });
  });
  afterEach(() => {
    index.trouble = undefined;
  });

  const lock = (app: UvApp, from = index): Promise<Files> =>
    lockedApp({ uvDir, python: join(runtime.appDir, '.scalingo/python/bin/python3') }, from, app);
  const put = (folder: string, files: Files): void => {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
  };

  describe('with a test index', () => {
    let folders = 0;
    const start = (files: Files, options: HarnessOptions = {}): PluginHarness => {
      folders += 1;
      const folder = options.root ?? join(root, `h${folders}`);
      mkdirSync(folder, { recursive: true });
      // One attempt, because retries take seconds.
      const harness = new PluginHarness({ ...options, env: { UV_HTTP_RETRIES: '0', ...options.env }, root: folder });
      if (!existsSync(join(harness.appDir, '.scalingo'))) copyPreparedRuntime(runtime, harness.appDir);
      put(harness.appDir, files);
      return harness;
    };
    const installDeps = async (files: Files, options: HarnessOptions = {}) => {
      const harness = start(files, options);
      const kind = new InstallDepsUv(harness);
      const played = await harness.play(kind, CONFIG, { runtime: '', uv: '' }, { tools: { uv: uvDir } });
      return { harness, ...played };
    };
    const installProject = async (harness: PluginHarness) => {
      const kind = new InstallProjectUv(harness);
      const inputs = { dependencies: '', packages: {}, uv: '' };
      return { harness, ...(await harness.play(kind, CONFIG, inputs, { tools: { uv: uvDir } })) };
    };
    type Played = Awaited<ReturnType<typeof installDeps>>;
    const succeeded = ({ result, harness }: Played) => {
      if (!result.ok) throw new Error(`${result.failure.title}\n${result.failure.detail}\n${harness.text()}`);
      return result.value;
    };
    const failureOf = ({ result, harness }: Played): Failure => {
      if (result.ok) throw new Error(`it succeeded\n${harness.text()}`);
      expect(result.failure.code).to.equal('install-dependencies::uv');
      return result.failure;
    };
    const site = (): string => `.scalingo/python/lib/python${runtime.minor}/site-packages`;

    /** What uv would have written if the index were the default one. */
    const ofDefaultIndex = (files: Files): Files =>
      Object.fromEntries(
        Object.entries(files).map(([path, text]) => [
          path,
          text
            .replace(/\n\[\[tool\.uv\.index\]\][^]*$/, '\n')
            .replaceAll(index.url, 'https://pypi.org/simple')
            .replaceAll(index.url.replace('/simple', '/files'), 'https://files.pythonhosted.org/packages/00'),
        ]),
      );

    it('[uv.install-deps-step] installs what is locked, with launchers that run from any place', async () => {
      const files = await lock({ dependencies: ['tool==1.0', 'helper==1.5'] });
      const played = await installDeps(files, { root: join(root, 'with blanks') });
      expect(succeeded(played).outputs.packages).to.deep.equal({ helper: '1.5', tool: '1.0' });
      expect(succeeded(played).uncacheable).to.equal(undefined);
      expect(played.reads.scope).to.equal(undefined);
      const moved = join(root, 'moved');
      renameSync(played.harness.appDir, moved);
      const printed = execFileSync(join(moved, '.scalingo/python/bin/tool'), { cwd: '/', encoding: 'utf8' });
      expect(printed).to.equal('tool 1.5\n');
      expect(played.harness.text()).to.contain("using 'uv sync --locked --no-default-groups'");
    });

    it('gives the same bytes in another folder, with another locale, and from a mirror of the index', async () => {
      const files = await lock({ dependencies: ['tool==1.0'] });
      const files2 = ofDefaultIndex(files);
      const a = await installDeps(files);
      const b = await installDeps(files, { env: { LANG: 'POSIX', LC_ALL: 'POSIX' } });
      const c = await installDeps(files2, { settings: { INDEX: index.url } });
      for (const played of [a, b, c]) succeeded(played);
      const first = await fingerprint(join(a.harness.appDir, '.scalingo'));
      expect(differences(first, await fingerprint(join(b.harness.appDir, '.scalingo')))).to.deep.equal([]);
      expect(differences(first, await fingerprint(join(c.harness.appDir, '.scalingo')))).to.deep.equal([]);
      expect(Object.keys(first).some((path) => /site-packages\/tool\/.*\.pyc$/.test(path))).to.equal(true);

      const tampered = { ...files2, 'uv.lock': files2['uv.lock']!.replaceAll(helper.sha256, '0'.repeat(64)) };
      const failure = failureOf(
        await installDeps(
          { ...tampered, 'uv.lock': tampered['uv.lock'].replaceAll(newer.sha256, '0'.repeat(64)) },
          {
            settings: { INDEX: index.url },
          },
        ),
      );
      expect(failure).to.include({ blame: 'app' });
      expect(failure.detail).to.contain('0'.repeat(64));
    });

    it('[uv.ci-groups] adds the default groups with --test', async () => {
      const files = await lock({ dependencies: ['helper==1.5'], dev: ['checker'] });
      expect(succeeded(await installDeps(files)).outputs.packages).to.deep.equal({ helper: '1.5' });
      const tested = succeeded(await installDeps(files, { mode: 'test' }));
      expect(tested.outputs.packages).to.deep.equal({ checker: '3.0', helper: '1.5' });
    });

    it('follows the settings of the app, and ignores those of the machine and of parent folders', async () => {
      const files = await lock({ dependencies: ['helper==1.5'] });
      const bad = 'index-url = "http://127.0.0.1:9/simple"\nno-binary = true\n';
      const above = join(root, 'above');
      put(above, { 'uv.toml': bad, 'config/uv/uv.toml': bad, '.python-version': '3.6\n' });
      const env = { XDG_CONFIG_HOME: join(above, 'config'), HOME: above };
      succeeded(await installDeps(files, { root: above, env }));
      // If the app has no settings, uv would look for some in parent folders.
      rmSync(join(above, 'run'), { recursive: true });
      succeeded(await installDeps(ofDefaultIndex(files), { root: above, env, settings: { INDEX: index.url } }));
      const withSettings = { ...files, 'uv.toml': bad };
      expect(succeeded(await installDeps(files)).outputs.packages).to.deep.equal({ helper: '1.5' });
      expect(failureOf(await installDeps(withSettings)))
        .to.have.property('detail')
        .that.is.not.equal('');
    });

    describe('blames the app for', () => {
      it('a Python that requires-python does not allow', async () => {
        const files = await lock({ dependencies: ['helper==1.5'] });
        const strict = (text: string): string => text.replaceAll('>=3.10', '>=3.99');
        const edited = { 'pyproject.toml': strict(files['pyproject.toml']!), 'uv.lock': strict(files['uv.lock']!) };
        const played = await installDeps(edited);
        expect(failureOf(played)).to.include({ blame: 'app' });
        expect(failureOf(played).title).to.contain('requires-python');
        expect(existsSync(join(played.harness.appDir, '.scalingo/python/bin/python3'))).to.equal(true);
      });

      it('a failed build, with a known cause', async () => {
        const bad = makeSourceArchive('bad', '1.0', {
          'pyproject.toml':
            '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n[project]\nname = "bad"\nversion = "1.0"\n',
          'backend.py':
            'def build_wheel(*a, **k):\n    raise SystemExit("x.c:1:10: fatal error: sqlite3.h: No such file or directory")\n',
        });
        index.add(bad.file, bad.bytes);
        const files = await lock({ dependencies: ['bad==1.0'] });
        const played = await installDeps(files);
        expect(failureOf(played)).to.include({ blame: 'app' });
        expect(failureOf(played).detail).to.contain('hint.sqlite').and.to.contain('bad==1.0');
        expect(played.reads).to.include({ usesBuilder: true });
      });
    });

    for (const trouble of ['server-error', 'resets', 'cut-off'] as const) {
      it(`blames the environment if the index has trouble: ${trouble}`, async () => {
        const files = await lock({ dependencies: ['helper==1.5'] });
        index.trouble = trouble;
        const failure = failureOf(await installDeps(files));
        expect(failure, failure.detail).to.include({ blame: 'environment', retryable: true });
      });
    }

    describe('a project in the app', () => {
      const library = (name: string): Files =>
        sourceProject(name, `libs/${name}`, `def main():\n    import helper\n    print("${name}", helper.VERSION)\n`);
      const app = (): UvApp => ({
        dependencies: ['linked', 'copied', 'helper==1.5'],
        more: '[tool.uv.sources]\nlinked = { path = "libs/linked", editable = true }\ncopied = { path = "libs/copied" }\n',
        files: { ...library('linked'), ...library('copied') },
      });

      it('is installed by the second node, leaves no files among the sources, and runs from any place', async () => {
        const files = await lock(app());
        const deps = await installDeps(files);
        expect(succeeded(deps).outputs.packages).to.deep.equal({ helper: '1.5' });
        const { harness } = deps;
        const project = await installProject(harness);
        const { outputs, uncacheable } = succeeded(project);
        expect(outputs.packages).to.deep.equal({ copied: '1.0', helper: '1.5', linked: '1.0' });
        expect(uncacheable).to.equal(undefined);
        expect(existsSync(join(harness.appDir, 'libs/linked/build'))).to.equal(false);
        const file = (path: string): string => readFileSync(join(harness.appDir, site(), path), 'utf8');
        expect(file('linked.pth')).to.equal('../../../../../libs/linked/src');
        expect(JSON.parse(file('linked-1.0.dist-info/direct_url.json'))).to.have.property(
          'url',
          'file:///app/libs/linked',
        );
        for (const name of ['linked', 'copied']) {
          expect(existsSync(join(harness.appDir, site(), `${name}-1.0.dist-info/uv_cache.json`))).to.equal(false);
          expect(file(`${name}-1.0.dist-info/RECORD`)).not.to.contain('uv_');
        }
        const moved = join(root, 'moved-project');
        renameSync(harness.appDir, moved);
        for (const name of ['linked', 'copied']) {
          const printed = execFileSync(join(moved, `.scalingo/python/bin/${name}-main`), {
            cwd: '/',
            encoding: 'utf8',
          });
          expect(printed).to.equal(`${name} 1.5\n`);
        }
      });

      it('is installed the same if a mirror replaces the default index', async () => {
        const files = await lock(app());
        const trees = [];
        for (const [given, options] of [
          [files, {}],
          [ofDefaultIndex(files), { settings: { INDEX: index.url } }],
        ] as const) {
          const deps = await installDeps(given, options);
          succeeded(deps);
          succeeded(await installProject(deps.harness));
          trees.push(await fingerprint(join(deps.harness.appDir, '.scalingo')));
        }
        // uv names it only if it installs from the lockfile.
        const copied = `python/lib/python${runtime.minor}/site-packages/copied-1.0.dist-info`;
        expect(differences(trees[0]!, trees[1]!)).to.deep.equal([`${copied}/RECORD`, `${copied}/direct_url.json`]);
      });

      it("is built again for each edit, whatever uv's cache contains", async () => {
        const files = await lock(app());
        const folder = join(root, 'edited');
        for (const word of ['first', 'second']) {
          rmSync(join(folder, 'run'), { recursive: true, force: true });
          const edited = { ...files, 'libs/copied/src/copied.py': `WORD = "${word}"\n` };
          const { harness } = await installDeps(edited, { root: folder });
          succeeded(await installProject(harness));
          expect(readFileSync(join(harness.appDir, site(), 'copied.py'), 'utf8')).to.contain(word);
        }
      });
    });
  });

  describe('instead of pip', () => {
    let pipDir: string;
    before(async () => {
      const harness = new PluginHarness({ root: join(root, 'pip') });
      copyPreparedRuntime(runtime, harness.appDir);
      const kind = new FetchTool(harness);
      const config = { name: 'pip', vendorDir: '.scalingo' } as const;
      const made = await harness.play(kind, config, { runtime: '' }, { makesTool: true });
      if (!made.result.ok) throw new Error(`${made.result.failure.detail}\n${harness.text()}`);
      pipDir = made.toolDir;
    });
    let folders = 0;
    const install = async (installer: 'pip' | 'uv', requirements: string, options: HarnessOptions = {}) => {
      folders += 1;
      const folder = join(root, `pip-${folders}`);
      mkdirSync(folder);
      const harness = new PluginHarness({ settings: { INDEX: index.url }, ...options, root: folder });
      copyPreparedRuntime(runtime, harness.appDir);
      put(harness.appDir, { 'requirements.txt': requirements, 'uv.toml': 'no-binary = true\n' });
      const kind = new InstallDepsPip(harness);
      const config = {
        ...CONFIG,
        installer,
        requirements: 'requirements.txt',
        testRequirements: 'requirements-test.txt',
      };
      const inputs = installer === 'pip' ? { runtime: '', pip: '' } : { runtime: '', uv: '' };
      const played = await harness.play(kind, config, inputs, { tools: { pip: pipDir, uv: uvDir } });
      return { harness, ...played };
    };

    for (const [what, requirements] of [
      ['requirements and their dependencies', 'tool==1.0\nhelper<1.6\n'],
      [
        'requirements with digests',
        [tool, helper]
          .map((wheel) => `${wheel.name} --hash=sha256:${wheel.sha256}\n`)
          .join('')
          .replace('tool ', 'tool==1.0 ')
          .replace('helper ', 'helper==1.5 '),
      ],
      ['nothing', '# nothing\n'],
    ] as const) {
      it(`installs the same bytes: ${what}`, async () => {
        const byPip = await install('pip', requirements);
        const byUv = await install('uv', requirements);
        for (const { result, harness } of [byPip, byUv]) {
          if (!result.ok) throw new Error(`${result.failure.detail}\n${harness.text()}`);
        }
        const trees = [byPip, byUv].map(({ harness }) => fingerprint(join(harness.appDir, '.scalingo')));
        expect(differences(await trees[0]!, await trees[1]!)).to.deep.equal([]);
        expect(byUv.result).to.deep.equal(byPip.result);
      });
    }

    it('installs the best version from all indexes', async () => {
      // By default, uv would use only the extra index.
      const extra = await PackageIndex.start([helper]);
      const main = await PackageIndex.start([newer]);
      try {
        for (const installer of ['pip', 'uv'] as const) {
          const options = { settings: { INDEX: main.url }, appEnv: { PIP_EXTRA_INDEX_URL: extra.url } };
          const { result, harness } = await install(installer, 'helper\n', options);
          if (!result.ok) throw new Error(`${result.failure.detail}\n${harness.text()}`);
          expect(result.value.outputs.packages, installer).to.deep.equal({ helper: '1.6' });
        }
      } finally {
        await Promise.all([extra.stop(), main.stop()]);
      }
    });

    it('fails like pip', async () => {
      const failureOf = async (requirements: string, options: HarnessOptions = {}): Promise<Failure> => {
        const { result, harness } = await install('uv', requirements, { env: { UV_HTTP_RETRIES: '0' }, ...options });
        if (result.ok) throw new Error(`it succeeded\n${harness.text()}`);
        expect(result.failure.code).to.equal('install-dependencies::pip');
        return result.failure;
      };
      expect(await failureOf('no-such-package==1\n')).to.include({ blame: 'app' });
      expect((await failureOf('tool==1.0\nhelper<1\n')).detail).to.contain('helper');
      const tampered = await failureOf(`helper==1.5 --hash=sha256:${'0'.repeat(64)}\n`);
      expect(tampered.title).to.contain('digest');
      expect(await failureOf(`tool==1.0 --hash=sha256:${tool.sha256}\nhelper==1.5\n`)).to.include({ blame: 'app' });
      const down = await failureOf('helper==1.5\n', { settings: { INDEX: 'http://127.0.0.1:9/simple' } });
      expect(down, down.detail).to.include({ blame: 'environment', retryable: true });
    });
  });

  describe('in the Python pipeline', () => {
    const ran = (report: RunReport): readonly string[] =>
      Object.entries(outcomesOf(report)).flatMap(([id, outcome]) => (outcome === 'executed' ? [id] : []));
    const layersOf = (report: RunReport): Readonly<Record<string, string | undefined>> =>
      Object.fromEntries(Object.entries(report.nodes).map(([id, { layer }]) => [id, layer?.digest]));

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

      async build(overrides: Partial<RunRequest> = {}): Promise<RunReport> {
        const report = await this.run(overrides);
        if (report.failure !== undefined) throw new Error(`${report.failure.title}\n${report.failure.detail}`);
        return report;
      }
    }
    const apps: PythonApp[] = [];
    const newApp = (): PythonApp => {
      const made = new PythonApp();
      apps.push(made);
      return made;
    };
    after(() => {
      for (const made of apps) made.cleanUp();
    });

    it('re-runs exactly what an edit affects, and removes what is no longer locked', async () => {
      const app = newApp();
      const edit = async (dependencies: readonly string[]): Promise<void> =>
        void app.write(await lock({ dependencies }));
      const has = (path: string): boolean =>
        existsSync(join(app.outDir, `.scalingo/python/lib/python${runtime.minor}/site-packages`, path));
      app.write({ '.python-version': runtime.version, 'app.py': '' });
      await edit(['tool==1.0', 'helper==1.5']);
      const first = await app.build();
      expect(first.nodes['uv']?.outputs?.['packages']).to.deep.equal({ helper: '1.5', tool: '1.0' });

      expect(ran(await app.build())).to.deep.equal([]);
      app.write({ 'app.py': '# changed\n' });
      expect(ran(await app.build())).to.deep.equal([]);

      const after = ['uv', 'uv-project', 'dependencies', 'nltk', 'collectstatic', 'post-compile'];
      await edit(['tool==1.0', 'helper==1.6']);
      const changed = await app.build();
      expect(ran(changed)).to.deep.equal(after);
      const reasons = changed.nodes['uv']!.reasons.map(formatReason);
      expect(reasons.join('\n')).to.match(/helper.* 1\.5 -> .*1\.6/);

      await edit(['helper==1.6', 'checker==3.0']);
      expect(ran(await app.build())).to.deep.equal(after);
      expect([has('checker.py'), has('tool'), has('helper.py')]).to.deep.equal([true, false, true]);
      expect(existsSync(join(app.outDir, '.scalingo/python/bin/tool'))).to.equal(false);

      // Back to the start: nothing is executed, everything is restored.
      await edit(['tool==1.0', 'helper==1.5']);
      const back = await app.build();
      expect(ran(back)).to.deep.equal([]);
      expect(layersOf(back)['uv']).to.equal(layersOf(first)['uv']);
    });

    it('shares results between apps only if everything in them came by digest', async () => {
      const source = makeSourceArchive('built', '1.0', {
        'pyproject.toml':
          '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n[project]\nname = "built"\nversion = "1.0"\n',
        'backend.py': `import os, zipfile
def build_wheel(directory, config_settings=None, metadata_directory=None):
    name = 'built-1.0-py3-none-any.whl'
    with zipfile.ZipFile(os.path.join(directory, name), 'w') as wheel:
        wheel.writestr('built-1.0.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: built\\nVersion: 1.0\\n')
        wheel.writestr('built-1.0.dist-info/WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
        wheel.writestr('built-1.0.dist-info/RECORD', '')
    return name
`,
      });
      index.add(source.file, source.bytes);
      const [wheels, sources] = [await lock({ dependencies: ['checker'] }), await lock({ dependencies: ['built'] })];
      const [one, two] = [newApp(), newApp()];
      const { cacheDir } = one;
      const outcomes: string[] = [];
      for (const files of [wheels, sources]) {
        for (const app of [one, two]) {
          app.write({ ...files, '.python-version': runtime.version });
          const { nodes } = await app.build({ cacheDir, sandbox: 'none' });
          outcomes.push(nodes['uv']!.outcome);
        }
      }
      expect(outcomes).to.deep.equal(['executed', 'restored', 'executed', 'executed']);
    });

    for (const minor of ['3.10', '3.13']) {
      const version = pyenvVersions().find((name) => name.startsWith(`${minor}.`));
      it(`builds a package identically in both sandbox modes, and re-runs only what needs the sources after an edit (${minor})`, async function () {
        if (version === undefined) {
          return skipBecause(this, `no CPython ${minor} under pyenv`);
        }
        const [a, b] = [newApp(), newApp()];
        for (const { appDir } of [a, b]) {
          cpSync(join(ROOT, 'examples/package-uv'), appDir, {
            recursive: true,
            filter: (path) => !path.includes('.pyflow'),
          });
          writeFileSync(join(appDir, '.python-version'), `${version}\n`);
        }
        const first = await a.build();
        const second = await b.build({ sandbox: 'none' });
        expect(layersOf(second)).to.deep.equal(layersOf(first));
        a.write({ 'src/feastdays/extra.py': 'X = 1\n' });
        expect(ran(await a.build())).to.deep.equal(['uv-project']);
        const moved = join(b.root, 'moved slug');
        renameSync(b.outDir, moved);
        const printed = execFileSync(join(moved, '.scalingo/python/bin/feastdays'), ['--help'], {
          cwd: '/',
          encoding: 'utf8',
        });
        expect(printed).to.contain('feast');
      });
    }
  });
});
