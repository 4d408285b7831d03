// Project files that are symbolic links, as nodes see them: for each kind of file and each place of the target.

import { expect } from 'chai';
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import type { JSONObject } from '../../../src/manifests/json-schema.js';
import type { NodeId } from '../../../src/manifests/pipeline/manifest.js';
import type { ActionKey } from '../../../src/engine/files/digest.js';
import type { Action } from '../../../src/engine/node/action.js';
import { prepareNode, type Prepared } from '../../../src/engine/node/prepare.js';
import { checkPipeline } from '../../../src/engine/plan/checked-pipeline.js';
import { openRun } from '../../../src/engine/run/run.js';
import { Workspace } from '../../support/workspace.js';

const LOCK = 'version = 1\nrequires-python = ">=3.12"\n';
const UV = { 'uv.lock': LOCK, 'pyproject.toml': '[project]\nname = "web"\nversion = "1"\n' };
const POETRY = {
  'poetry.lock': 'package = []\n[metadata]\nlock-version = "2.1"\ncontent-hash = "0"\n',
  'pyproject.toml': '[project]\nname = "web"\nversion = "1"\n',
};
const PIPENV = { Pipfile: '', 'Pipfile.lock': '{"_meta": {"sources": []}, "default": {}}' };
/** Enough of a Python for kinds that check its version. */
const PYTHON = { '.scalingo/python/lib/python3.12/os.py': '' };

interface Case {
  /** The path that is a link or behind one; a folder if `files` has files in it. */
  readonly path: string;
  readonly uses: string;
  readonly files: Readonly<Record<string, string>>;
  readonly with?: JSONObject;
  /** The content enters the key as a value, not as a file of the view. */
  readonly asValue?: true;
  /** A link that can't be followed is ignored. */
  readonly passes?: true;
}

const CASES: readonly Case[] = [
  { path: 'requirements.txt', uses: 'install-deps-pip', files: { 'requirements.txt': 'six\n' } },
  {
    path: 'reqs/base.txt',
    uses: 'install-deps-pip',
    files: { 'requirements.txt': '-r reqs/base.txt\n', 'reqs/base.txt': 'six\n' },
  },
  { path: 'c.txt', uses: 'install-deps-pip', files: { 'requirements.txt': '-c c.txt\nsix\n', 'c.txt': 'six==1.16\n' } },
  {
    path: 'thing',
    uses: 'install-deps-pip',
    files: { 'requirements.txt': './thing\n', 'thing/pyproject.toml': '[project]\nname = "thing"\nversion = "1"\n' },
  },
  { path: 'Pipfile', uses: 'install-deps-pipenv', files: PIPENV },
  { path: 'Pipfile.lock', uses: 'install-deps-pipenv', files: PIPENV },
  { path: 'poetry.lock', uses: 'install-deps-poetry', files: { ...POETRY, ...PYTHON } },
  { path: 'pyproject.toml', uses: 'install-deps-poetry', files: { ...POETRY, ...PYTHON } },
  { path: 'poetry.toml', uses: 'install-deps-poetry', files: { ...POETRY, ...PYTHON, 'poetry.toml': '' } },
  { path: 'uv.lock', uses: 'install-deps-uv', files: UV },
  { path: 'uv.toml', uses: 'install-deps-uv', files: { ...UV, 'uv.toml': '' } },
  {
    path: '.python-version',
    uses: 'version-resolve',
    files: { '.python-version': '3.12\n' },
    with: { stack: 'host' },
    asValue: true,
  },
  {
    path: 'runtime.txt',
    uses: 'version-resolve',
    files: { 'runtime.txt': 'python-3.12\n' },
    with: { stack: 'host' },
    asValue: true,
  },
  {
    path: 'bin/post_compile',
    uses: 'hook',
    files: { 'bin/post_compile': 'true\n' },
    with: { script: 'bin/post_compile' },
  },
  { path: 'bin', uses: 'hook', files: { 'bin/post_compile': 'true\n' }, with: { script: 'bin/post_compile' } },
  {
    path: 'manage.py',
    uses: 'django-collectstatic',
    files: { ...PYTHON, 'django/__init__.py': '', 'manage.py': '' },
    passes: true,
  },
  { path: 'nltk.txt', uses: 'nltk-data', files: { ...PYTHON, 'nltk.py': '', 'nltk.txt': 'punkt\n' }, asValue: true },
  {
    path: 'web/Procfile',
    uses: 'runtime-environment',
    files: { 'web/Procfile': 'web: x\n' },
    with: { root: 'web' },
  },
  { path: 'words.txt', uses: 'command', files: { 'words.txt': 'x' }, with: { argv: ['true'], reads: ['words.txt'] } },
  { path: 'src', uses: 'command', files: { 'src/a/b.txt': 'x' }, with: { argv: ['true'], reads: ['src/**'] } },
  { path: 'etc', uses: 'command', files: { 'etc/a.txt': 'x' }, with: { argv: ['true'], reads: ['etc/*.txt'] } },
];

/** Writes an app in which `path` is moved and replaced by links. Returns the path of the target, app-relative. */
const SHAPES = {
  'inside the app': (work: Workspace, path: string): string => {
    move(work, path, 'deploy/target');
    link(work, 'deploy/target', path);
    return 'deploy/target';
  },
  'behind a link to a folder': (work: Workspace, path: string): string => {
    move(work, path, 'deploy/deep/target');
    link(work, 'deploy/deep', 'shortcut');
    link(work, 'shortcut/target', path);
    return 'deploy/deep/target';
  },
  'at the end of a chain': (work: Workspace, path: string): string => {
    move(work, path, 'deploy/target');
    link(work, 'deploy/target', 'third');
    link(work, 'third', 'deploy/second');
    link(work, 'deploy/second', path);
    return 'deploy/target';
  },
  'outside the app': (work: Workspace, path: string): undefined => {
    move(work, path, '../elsewhere');
    link(work, '../elsewhere', path);
  },
  'not there': (work: Workspace, path: string): undefined => {
    work.remove(path);
    link(work, 'deploy/target', path);
  },
} as const;

function move(work: Workspace, from: string, to: string): void {
  mkdirSync(dirname(join(work.appDir, to)), { recursive: true });
  renameSync(join(work.appDir, from), join(work.appDir, to));
}

function link(work: Workspace, target: string, path: string): void {
  symlinkSync(relative(dirname(path), target), join(work.appDir, path));
}

/** A pipeline of only this node, with inputs as from other nodes. */
async function prepare(work: Workspace, { uses, with: config }: Case): Promise<Prepared> {
  const settings = {};
  const composition = await work.compose({ cacheDir: work.cacheDir, settings });
  const inputs: Record<string, JSONObject> = {
    'install-deps-pip': { runtime: 'fake.tree', pip: 'fake.tool' },
    'install-deps-pipenv': { runtime: 'fake.tree', pipenv: 'fake.tool' },
    'install-deps-poetry': { runtime: 'fake.tree', poetry: 'fake.tool' },
    'install-deps-uv': { runtime: 'fake.tree', uv: 'fake.tool' },
    'version-resolve': { manager: 'manager.name' },
    'runtime-environment': { manager: 'manager.name' },
    hook: { tree: 'fake.tree' },
    'django-collectstatic': { tree: 'fake.tree' },
    'nltk-data': { tree: 'fake.tree' },
  };
  const nodes = {
    version: { uses: 'version-resolve', with: { stack: 'host' }, inputs: { manager: 'manager.name' } },
    runtime: { uses: 'fetch-runtime', with: { stack: 'host' }, inputs: { python: 'version.python' } },
    manager: { uses: 'package-manager' },
    fake: { uses: 'fetch-tool', with: { name: 'pip' }, inputs: { runtime: 'runtime.tree' } },
    node: { uses, with: config ?? {}, inputs: inputs[uses] ?? {} },
  };
  const pipeline = JSON.stringify({ pyflow: 1, name: 'one', nodes }).replaceAll('fake.tree', 'runtime.tree');
  work.pipeline(pipeline);
  const request = work.request({ settings });
  const checked = await checkPipeline(request, composition);
  if (!checked.ok) throw new Error(JSON.stringify(checked.failure));
  const opened = await openRun({ request, composition, checked: checked.value, onWarning: () => {} });
  if (!opened.ok) throw new Error(JSON.stringify(opened.failure));
  const run = opened.value;
  try {
    const outputs = { name: 'uv', tree: '', tool: '', python: {} };
    const end = { type: 'done', outcome: 'executed', key: '' as ActionKey, outputs } as const;
    const done = { ...end, expiresAt: Number.POSITIVE_INFINITY, isStored: true };
    for (const index of run.pipeline.nodes.keys()) run.states.settle(index, { end: done });
    return await prepareNode(run, run.positionOf('node' as NodeId));
  } finally {
    await run.store.close();
  }
}

function actionOf(prepared: Prepared): Action {
  if (prepared.type === 'action') return prepared.action;
  throw new Error(prepared.type === 'failed' ? JSON.stringify(prepared.failure) : prepared.type);
}

describe('linked files of an app', () => {
  let work: Workspace;
  beforeEach(() => (work = new Workspace()));
  afterEach(() => work.cleanUp());

  for (const one of CASES) {
    const named = `${one.path}${one.with?.['reads'] === undefined ? '' : ` as ${String(one.with['reads'])}`}`;
    describe(`${named}, read by ${one.uses},`, () => {
      for (const [shape, lay] of Object.entries(SHAPES)) {
        it(`is ${one.passes && !shape.match(/inside|behind|chain/) ? 'ignored' : 'handled'} if its target is ${shape}`, async () => {
          work.write(one.files);
          mkdirSync(join(work.appDir, 'deploy'), { recursive: true });
          const target = lay(work, one.path);
          const prepared = await prepare(work, one);
          if (target === undefined) return expectUnusable(one, prepared);
          const { record, key } = actionOf(prepared);
          const contents = Object.keys(one.files).filter(
            (path) => path === one.path || path.startsWith(`${one.path}/`),
          );
          for (const path of contents) {
            const real = `${target}${path.slice(one.path.length)}`;
            if (one.asValue !== true) expect(record.files).to.include.keys(real, one.path);
            writeFileSync(join(work.appDir, real), `${one.files[path]}\n# edited\n`.replace('3.12', '3.13'));
          }
          if (one.asValue === true) writeFileSync(join(work.appDir, target), valueAfter(one.path));
          const edited = await prepare(work, one);
          if (edited.type === 'action') expect(edited.action.key, 'the key of an edited target').to.not.equal(key);
          else expect(basename(one.path)).to.be.oneOf(['Pipfile.lock']);
          if (one.uses !== 'hook' && one.uses !== 'django-collectstatic') {
            await expectSameKey(one, edited);
          }
        });
      }
    });
  }

  async function expectSameKey(one: Case, before: Prepared): Promise<void> {
    if (before.type !== 'action') return;
    work.write({ 'unrelated/file.txt': 'new' });
    expect(actionOf(await prepare(work, one)).key, 'the key after an unrelated edit').to.equal(before.action.key);
  }
});

const valueAfter = (path: string): string =>
  ({ '.python-version': '3.13\n', 'runtime.txt': 'python-3.13\n' })[path] ?? 'wordnet\n';

function expectUnusable(one: Case, prepared: Prepared): void {
  if (one.passes === true) {
    const { passedLinks, record } = actionOf(prepared);
    expect(passedLinks.join()).to.include(`${one.path} is a symbolic link`);
    expect(record.facts).to.deep.equal({ status: 'skipped-no-manage-py' });
    return;
  }
  expect(prepared.type).to.equal('failed');
  if (prepared.type !== 'failed') return;
  expect(prepared.failure).to.deep.include({ code: 'app::unusable-link', blame: 'app', subject: one.path });
  expect(prepared.failure.detail).to.match(new RegExp(`${one.path.replace('.', '\\.')} -> \\S*(elsewhere|target)`));
}
