// What Poetry and uv install from a repository at a locked commit, and from folders of the app. Real tools, a Git
// server and a test index.

import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunReport } from '../../src/engine/events.js';
import { passThroughOf } from '../../src/engine/app/pass-through.js';
import type { RunRequest } from '../../src/engine/request.js';
import { managerPipeline } from '../support/manager-pipeline.js';
import { contentOf } from '../support/cli-scene.js';
import { findGitBackend, serveRepository, type TestRepository } from '../support/git-server.js';
import { hasNamespaces } from '../support/namespaces.js';
import { PackageIndex } from '../support/package-index.js';
import { lockedPoetryApp } from '../support/poetry-apps.js';
import { prepareRuntime, prepareTool, type PreparedRuntime } from '../support/runtimes.js';
import { sourceProject, type Files } from '../support/source-projects.js';
import { lockedApp } from '../support/uv-apps.js';
import { makeWheel } from '../support/wheels.js';
import { outcomesOf, Workspace } from '../support/workspace.js';
import { skipBecause } from '../support/skip.js';

type Manager = 'poetry' | 'uv';
const helper = makeWheel('helper', '1.5');
const moduleSaying = (word: string): string => `WORD = "${word}"\ndef main():\n    print(WORD)\n`;

const pipelineOf = (manager: Manager): string =>
  managerPipeline(
    'sources',
    manager,
    `  install: { uses: install-deps-${manager}, inputs: { runtime: runtime.tree, ${manager}: tool.tool } }
  project:
    uses: install-project-${manager}
    inputs: { dependencies: install.tree, packages: install.packages, ${manager}: tool.tool }
`,
  );

/** The node that installs folders of the app. With Poetry, it is the same one that installs the rest. */
const INSTALLS_FOLDERS: Readonly<Record<Manager, string>> = { poetry: 'install', uv: 'project' };

describe('locked sources', function () {
  this.timeout(300_000);
  let runtime: PreparedRuntime;
  let index: PackageIndex;
  let cache: Workspace;
  const apps: Workspace[] = [];

  before(async function () {
    runtime = await prepareRuntime(this);
    index = await PackageIndex.start([helper], { tellsDigests: true });
    cache = new Workspace();
  });
  after(async () => {
    await index?.stop();
    for (const app of [...apps, ...(cache === undefined ? [] : [cache])]) app.cleanUp();
  });

  class SourceApp extends Workspace {
    constructor(
      readonly manager: Manager,
      readonly sandbox: 'auto' | 'none',
    ) {
      super();
      apps.push(this);
      this.write({ '.python-version': `${runtime.version}\n` }).pipeline(pipelineOf(manager));
    }

    override request(overrides: Partial<RunRequest> = {}): RunRequest {
      return super.request({
        cacheDir: cache.cacheDir,
        sandbox: this.sandbox,
        settings: { INDEX: index.url },
        passThrough: passThroughOf(process.env),
        ...overrides,
      });
    }

    async build(files: Files = {}): Promise<RunReport> {
      const report = await this.write(files).run();
      if (report.failure) throw new Error(`${report.failure.title}\n${report.failure.detail}`);
      return report;
    }

    /** Output of the module, run in the slug. */
    says(name: string): string {
      return execFileSync(join(this.outDir, `.scalingo/python/bin/${name}-main`), {
        cwd: '/',
        encoding: 'utf8',
      }).trim();
    }

    site(path: string): string {
      const site = `.scalingo/python/lib/python${runtime.minor}/site-packages`;
      return readFileSync(join(this.outDir, site, path), 'utf8');
    }
  }
  const ran = (report: RunReport): readonly string[] =>
    Object.entries(outcomesOf(report)).flatMap(([id, outcome]) => (outcome === 'executed' ? [id] : []));
  const layersOf = (report: RunReport): readonly (string | undefined)[] =>
    ['install', 'project'].map((id) => report.nodes[id]?.layer?.digest);

  for (const manager of ['poetry', 'uv'] as const) {
    describe(manager, () => {
      let lock: (dependencies: readonly string[], more: string, files: Files) => Promise<Files>;
      before(async () => {
        const python = join(runtime.appDir, '.scalingo/python/bin/python3');
        const toolDir = await prepareTool(runtime, manager);
        lock = (dependencies, more, files) => {
          const app = { dependencies, more, files };
          return manager === 'poetry'
            ? lockedPoetryApp({ poetryDir: toolDir, python }, index, app)
            : lockedApp({ uvDir: toolDir, python }, index, app);
        };
        // The tool comes from the real index, and is kept.
        const first = await new SourceApp(manager, 'auto').write(await lock([], '', {})).run({ settings: {} });
        expect(outcomesOf(first)).to.include({ tool: 'executed' });
      });

      describe('at a commit', () => {
        let root: string;
        let repository: TestRepository;
        before(async function () {
          const backend = findGitBackend();
          if (backend === undefined) {
            return skipBecause(this, 'needs git with its HTTP server');
          }
          root = mkdtempSync(join(tmpdir(), 'pyflow-repositories-'));
          repository = await serveRepository(backend, root, 'far', inRepository('first'));
        });
        after(async () => {
          await repository?.close();
          if (root !== undefined) rmSync(root, { recursive: true, force: true });
        });
        const inRepository = (word: string): Files =>
          Object.fromEntries(
            Object.entries(sourceProject('far', 'x', moduleSaying(word))).map(([path, text]) => [path.slice(2), text]),
          );
        const lockNow = (): Promise<Files> => lock([`far @ git+${repository.origin}/far`, 'helper==1.5'], '', {});

        it('gives the same layers in another folder and without a sandbox, without Git history', async () => {
          const files = await lockNow();
          const builds: (readonly (string | undefined)[])[] = [];
          if (!(await hasNamespaces())) console.log('      (without namespaces: not possible on this machine)');
          for (const sandbox of ['auto', 'none', 'none'] as const) {
            const app = new SourceApp(manager, sandbox);
            const report = await app.build(files);
            // Built from source, so only for its app.
            expect(outcomesOf(report)).to.include({ install: 'executed' });
            expect(report.nodes['install']?.outputs?.['packages']).to.deep.equal({ far: '1.0', helper: '1.5' });
            expect(app.says('far')).to.equal('first');
            expect(Object.keys(contentOf(app.outDir)).filter((path) => /(^|\/)\.git(\/|$)/.test(path))).to.deep.equal(
              [],
            );
            builds.push(layersOf(report));
            expect(ran(await app.build()), 'stored').to.deep.equal([]);
          }
          for (const layers of builds) expect(layers).to.deep.equal(builds[0]);
        });

        it('installs the locked commit, and no other', async () => {
          const app = new SourceApp(manager, 'auto');
          const files = await lockNow();
          const first = await app.build(files);
          const id = repository.commit({ 'src/far.py': moduleSaying('second') });
          expect(ran(await app.build()), 'a commit that is not locked').to.deep.equal([]);

          const moved = await app.build(await lockNow());
          expect(ran(moved)).to.include('install');
          expect(moved.nodes['install']?.key).not.to.equal(first.nodes['install']?.key);
          expect(app.says('far')).to.equal('second');
          expect(JSON.parse(app.site('far-1.0.dist-info/direct_url.json'))).to.have.nested.property(
            'vcs_info.commit_id',
            id,
          );

          const back = await app.build(files);
          expect(ran(back)).to.deep.equal([]);
          expect(layersOf(back)).to.deep.equal(layersOf(first));
          expect(app.says('far')).to.equal('first');
        });
      });

      describe('in a folder of the app', () => {
        const libraries = (word: string): Files => ({
          ...sourceProject('linked', 'libs/linked', moduleSaying(word)),
          ...sourceProject('copied', 'libs/copied', moduleSaying(word)),
        });
        const MORE = {
          poetry: `[tool.poetry.dependencies]
linked = { path = "libs/linked", develop = true }
copied = { path = "libs/copied" }
`,
          uv: `[tool.uv.sources]
linked = { path = "libs/linked", editable = true }
copied = { path = "libs/copied" }
`,
        };

        for (const sandbox of ['auto', 'none'] as const) {
          it(`is installed with its last edit, linked or copied (--sandbox ${sandbox})`, async () => {
            const app = new SourceApp(manager, sandbox);
            await app.build(await lock(['linked', 'copied', 'helper==1.5'], MORE[manager], libraries('first')));
            expect(['linked', 'copied'].map((name) => app.says(name))).to.deep.equal(['first', 'first']);
            expect(app.site('linked.pth').trim()).to.equal('../../../../../libs/linked/src');
            expect(app.site('copied.py')).to.contain('first');
            expect(ran(await app.build())).to.deep.equal([]);

            for (const name of ['linked', 'copied']) {
              const edited = await app.build({ [`libs/${name}/src/${name}.py`]: moduleSaying('second') });
              // If the app is not a package, the node `project` of Poetry passes on its input.
              const installed = ran(edited).filter((id) => id !== 'project' || manager === 'uv');
              expect(installed, name).to.deep.equal([INSTALLS_FOLDERS[manager]]);
              expect(app.says(name)).to.equal('second');
            }
            const left = Object.keys(contentOf(app.outDir)).filter((path) => /^libs\/.*(build|egg-info)$/.test(path));
            expect(left).to.deep.equal([]);
          });
        }
      });
    });
  }
});
