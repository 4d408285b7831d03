// Every shipped pipeline loads, passes the checks and plans as expected.

import { expect } from 'chai';
import { load } from 'js-yaml';
import { cpSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { RunRequest } from '../src/engine/request.js';
import { FAMILIES } from '../src/manifests/catalogue/families.js';
import { acceptedStacks } from '../src/manifests/catalogue/stacks.js';
import { rootSchema } from '../src/plugins/shared/manifest/schemas.js';
import { Workspace } from './support/workspace.js';

const ROOT = resolve(import.meta.dirname, '..');
const PIPELINES = readdirSync(join(ROOT, 'pipelines')).sort();

describe('shipped pipelines', () => {
  let work: Workspace;
  beforeEach(() => {
    work = new Workspace();
  });
  afterEach(() => work.cleanUp());
  const python = (overrides: Partial<RunRequest> = {}): Partial<RunRequest> => ({
    pipelineFile: join(ROOT, 'pipelines/python.yml'),
    ...overrides,
  });

  it('are all tested here', () => {
    expect(PIPELINES).to.deep.equal(['python.yml']);
  });

  for (const file of PIPELINES) {
    it(`${file} passes the checks`, async () => {
      work.write({ 'requirements.txt': '' });
      const plan = await work.plan({ pipelineFile: join(ROOT, 'pipelines', file) });
      expect(plan.lines).not.to.have.length(0);
    });
  }

  it('accept the stacks of the catalogue and have its default', () => {
    for (const file of PIPELINES) {
      const { params } = load(readFileSync(join(ROOT, 'pipelines', file), 'utf8')) as {
        readonly params?: { readonly stack?: { readonly enum: readonly string[]; readonly default: string } };
      };
      if (params?.stack === undefined) continue;
      expect(params.stack.enum, file).to.deep.equal(acceptedStacks());
      expect(params.stack.default, file).to.equal(FAMILIES.stacks.default);
    }
  });

  it('connect SQLite to every installation of dependencies', () => {
    const { nodes } = load(readFileSync(join(ROOT, 'pipelines/python.yml'), 'utf8')) as {
      readonly nodes: Readonly<
        Record<string, { readonly uses: string; readonly inputs?: { readonly runtime?: string } }>
      >;
    };
    const installs = Object.entries(nodes).filter(([, { uses }]) => uses.startsWith('install-deps-'));
    expect(installs).not.to.have.length(0);
    for (const [id, install] of installs) {
      const passed: string[] = [];
      for (let node: typeof install | undefined = install; node !== undefined;) {
        passed.push(node.uses);
        node = nodes[node.inputs?.runtime?.replace(/\..*/, '') ?? ''];
      }
      expect(passed, id).to.include('install-sqlite');
    }
  });

  it('[hooks.post-compile-run] plan a pip app up to its runtime, which everything else waits for', async () => {
    cpSync(join(ROOT, 'examples/flask-pip'), work.appDir, {
      recursive: true,
      filter: (path) => !path.includes('.pyflow'),
    });
    const { lines } = await work.plan(python());
    // The nodes of other package managers are skipped.
    const shown = lines.flatMap(({ id, certain, outcome, dependsOn }) =>
      outcome === 'skipped' ? [] : [certain ? `${id} ${outcome}` : `${id} depends on ${dependsOn?.join()}`],
    );
    expect(shown).to.deep.equal([
      'detect executed',
      'pre-compile executed',
      'manager executed',
      'version executed',
      'runtime executed',
      'sqlite depends on runtime',
      'pip-tool depends on runtime',
      'setuptools-tool depends on runtime',
      'runtime-tools depends on runtime',
      'pip depends on runtime',
      'dependencies depends on runtime',
      'nltk depends on runtime',
      'concurrency executed',
      'environment executed',
      'collectstatic depends on runtime,concurrency,environment',
      'post-compile depends on concurrency,environment,runtime',
    ]);
  });

  it('plan a uv app with the nodes of uv, and skip those of pip', async () => {
    const lock = '[[package]]\nname = "shop"\nversion = "1"\nsource = { virtual = "." }\n';
    work.write({ 'uv.lock': lock, 'pyproject.toml': '[project]\nname = "shop"\n', '.python-version': '3.13\n' });
    const { lines } = await work.plan(python());
    const shown = lines.map(({ id, certain, outcome }) => `${id} ${certain ? outcome : 'depends'}`);
    expect(shown).to.include.members([
      'runtime executed',
      'pip-tool skipped',
      'pip skipped',
      'uv-tool depends',
      'uv depends',
      'uv-project depends',
      'dependencies depends',
    ]);
  });

  it('plan a Poetry app with the nodes of Poetry', async () => {
    work.write({ 'poetry.lock': '', 'pyproject.toml': '[tool.poetry]\npackage-mode = false\n' });
    const { lines } = await work.plan(python());
    const shown = lines.map(({ id, certain, outcome }) => `${id} ${certain ? outcome : 'depends'}`);
    expect(shown).to.include.members([
      'runtime executed',
      'pip skipped',
      'uv-project skipped',
      'poetry-tool depends',
      'poetry depends',
      'poetry-project depends',
      'dependencies depends',
    ]);
  });

  it('look for the project in the folder named by `root`', async () => {
    work.write({ 'services/web/requirements.txt': '', 'services/web/.python-version': '3.13', 'uv.lock': '' });
    const ofRoot = await work.plan(python({ params: { root: 'services/web' } }));
    expect(ofRoot.lines.find(({ id }) => id === 'runtime')).to.include({ certain: true, outcome: 'executed' });
    const report = await work.run(python({ params: { root: 'services/api' } }));
    expect(report.failure?.code).to.equal('detect::root-not-found');
    expect(report.exitCode).to.equal(2);
  });

  it('accept the same values for `root` as the kinds', () => {
    const { params } = load(readFileSync(join(ROOT, 'pipelines/python.yml'), 'utf8')) as {
      readonly params: { readonly root: { readonly pattern: string; readonly default: string } };
    };
    expect(params.root).to.include({ pattern: rootSchema.pattern, default: rootSchema.default });
  });

  it('say what is wrong with a folder that is not a Python app', async () => {
    work.write({ 'index.js': '' });
    const report = await work.run(python());
    expect(report.failure?.code).to.equal('detect::not-a-python-app');
  });
});
