// What apps with one lock share: packages that real uv, Poetry and Pipenv build from pinned archives, but nothing that an earlier run
// of an app could have planted in its cache. A test index.

import { expect } from 'chai';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { RunReport } from '../../src/engine/events.js';
import { passThroughOf } from '../../src/engine/app/pass-through.js';
import { managerPipeline } from '../support/manager-pipeline.js';
import { hasNamespaces } from '../support/namespaces.js';
import { PackageIndex } from '../support/package-index.js';
import { lockedWheel, makePipfile } from '../support/pipfile.js';
import { lockedPoetryApp } from '../support/poetry-apps.js';
import { prepareRuntime, prepareTool, type PreparedRuntime } from '../support/runtimes.js';
import { skipBecause } from '../support/skip.js';
import type { Files } from '../support/source-projects.js';
import { lockedApp } from '../support/uv-apps.js';
import { makeUnstableArchive, makeWheel, versionOf } from '../support/wheels.js';
import { outcomesOf, Workspace } from '../support/workspace.js';

const helper = makeWheel('helper', '1.5');
const other = makeWheel('other', '1.0');
const built = makeUnstableArchive();
const PLANTED = 'PLANTED = True\n';

type Manager = 'pip' | 'uv' | 'poetry' | 'pipenv';

describe('shared builds, online', function () {
  this.timeout(300_000);
  let runtime: PreparedRuntime;
  let index: PackageIndex;
  const apps: Workspace[] = [];

  before(async function () {
    if (!(await hasNamespaces()))
      return skipBecause(this, 'needs namespaces: without a sandbox, builds stay with their app');
    runtime = await prepareRuntime(this);
    index = await PackageIndex.start([helper, other, built], { tellsDigests: true });
  });
  after(async () => {
    await index?.stop();
    for (const app of apps) app.cleanUp();
  });

  class App extends Workspace {
    readonly id = `app-${apps.length}`;

    constructor(readonly manager: Manager) {
      super();
      apps.push(this);
      const install = `  install: { uses: install-deps-${manager}, inputs: { runtime: runtime.tree, ${manager}: tool.tool } }\n`;
      this.write({ '.python-version': `${runtime.version}\n` }).pipeline(managerPipeline('shared', manager, install));
    }

    async build(files: Files, builder = 'a', settings = { INDEX: index.url }): Promise<RunReport> {
      const report = await this.write(files).run({
        cacheDir: apps[0]!.cacheDir,
        appId: this.id,
        sandbox: 'auto',
        settings: { ...settings, BUILDER: builder },
        passThrough: passThroughOf(process.env),
      });
      if (report.failure) throw new Error(`${report.failure.title}\n${report.failure.detail}`);
      return report;
    }

    get kept(): string {
      return join(apps[0]!.cacheDir, 'apps', this.id, `install-deps-${this.manager}`);
    }

    module(name: string): string {
      return readFileSync(
        join(this.outDir, `.scalingo/python/lib/python${runtime.minor}/site-packages/${name}.py`),
        'utf8',
      );
    }
  }

  /** Paths of the files in the kept folder that match. */
  const keptFiles = (app: App, pattern: RegExp): readonly string[] =>
    (readdirSync(app.kept, { recursive: true }) as string[])
      .filter((path) => pattern.test(path))
      .map((path) => join(app.kept, path));

  /** As pip names the folder for wheels that it built from a file. The wheel has another version, which pip doesn't compare. */
  function plantForPip(app: App): void {
    const url = `${index.url.replace('/simple', '')}/files/${helper.file}`;
    const [major, minor] = runtime.minor.split('.');
    const key = { interpreter_name: 'cp', interpreter_version: `${major}${minor}`, sha256: helper.sha256, url };
    const digest = createHash('sha224').update(JSON.stringify(key)).digest('hex');
    const parts = [digest.slice(0, 2), digest.slice(2, 4), digest.slice(4, 6), digest.slice(6)];
    const folder = join(app.kept, 'pip/wheels', ...parts);
    mkdirSync(folder, { recursive: true });
    const wheel = makeWheel('helper', '1.5', { files: { 'helper.py': PLANTED } });
    writeFileSync(join(folder, 'helper-9.9-py3-none-any.whl'), wheel.bytes);
    const hashes = { sha256: helper.sha256 };
    const origin = { archive_info: { hash: `sha256=${helper.sha256}`, hashes }, url };
    writeFileSync(join(folder, 'origin.json'), JSON.stringify(origin));
  }

  /** What code of an earlier build could do. Both tools install it, although the lock has the digest of the real wheel. */
  const plant: Readonly<Record<'uv' | 'poetry', (app: App) => void>> = {
    uv(app) {
      const found = keptFiles(app, /\/helper\.py$/);
      expect(found).not.to.deep.equal([]);
      for (const path of found) writeFileSync(path, PLANTED);
    },
    poetry(app) {
      const [path] = keptFiles(app, /\/helper-1\.5-[^/]*\.whl$/);
      const tag = `cp${runtime.minor.replace('.', '')}`;
      const wheel = makeWheel('helper', '1.5', { files: { 'helper.py': PLANTED } });
      writeFileSync(join(dirname(path!), `helper-1.5-${tag}-none-any.whl`), wheel.bytes);
    },
  };

  it('never gives a wheel to another app that was planted in the cache of pip', async () => {
    const [a, b] = [new App('pip'), new App('pip')];
    const lines = (...wheels: readonly (typeof helper)[]) => ({
      'requirements.txt': wheels
        .map((wheel) => `${wheel.name}==${versionOf(wheel)} --hash=sha256:${wheel.sha256}\n`)
        .join(''),
    });
    // The tool comes from the real index, and is kept.
    await new App('pip').build({ 'requirements.txt': '' }, 'a', { INDEX: '' });
    await a.build(lines(other));
    plantForPip(a);
    const files = lines(helper, other);
    await a.build(files);
    expect(a.module('helper'), 'otherwise this test plants nothing').to.equal(PLANTED);
    expect(outcomesOf(await b.build(files))).to.include({ install: 'executed' });
    expect(b.module('helper')).not.to.equal(PLANTED);
  });

  for (const manager of ['uv', 'poetry', 'pipenv'] as const) {
    describe(manager, () => {
      let lock: (...names: readonly ('built' | 'helper' | 'other')[]) => Promise<Files>;
      before(async () => {
        const python = join(runtime.appDir, '.scalingo/python/bin/python3');
        const toolDir = await prepareTool(runtime, manager);
        lock = async (...names) => {
          const wheels = { built, helper, other };
          if (manager === 'pipenv')
            return makePipfile({ default: Object.fromEntries(names.map((name) => [name, lockedWheel(wheels[name])])) });
          const app = { dependencies: names.map((name) => `${name}==${versionOf(wheels[name])}`) };
          return manager === 'poetry'
            ? lockedPoetryApp({ poetryDir: toolDir, python }, index, app)
            : lockedApp({ uvDir: toolDir, python }, index, app);
        };
        // The tool comes from the real index, and is kept.
        await new App(manager).build(await lock(), 'a', { INDEX: '' });
      });

      it('shares what is built from pinned archives with apps on the same builder only', async () => {
        const files = await lock('built', 'helper');
        const [a, b, c] = [new App(manager), new App(manager), new App(manager)];
        expect(outcomesOf(await a.build(files))).to.include({ install: 'executed' });
        expect(outcomesOf(await b.build(files))).to.include({ install: 'restored' });
        expect(b.module('built')).to.equal(a.module('built'));
        expect(outcomesOf(await c.build(files, 'b'))).to.include({ install: 'executed' });
        expect(c.module('built')).not.to.equal(a.module('built'));
      });

      it('keeps what is built over a used folder with the app', async () => {
        const [a, b] = [new App(manager), new App(manager)];
        await a.build(await lock('other'));
        const files = await lock('built', 'other');
        expect(outcomesOf(await a.build(files))).to.include({ install: 'executed' });
        expect(outcomesOf(await b.build(files))).to.include({ install: 'executed' });
        expect(outcomesOf(await a.build({ ...files, 'app.py': '' }))).to.include({ install: 'up-to-date' });
      });

      if (manager !== 'pipenv') {
        it('never gives a planted wheel to another app', async () => {
          const [a, b] = [new App(manager), new App(manager)];
          await a.build(await lock('helper'));
          plant[manager](a);
          const files = await lock('helper', 'other');
          await a.build(files);
          expect(a.module('helper'), 'otherwise this test plants nothing').to.equal(PLANTED);
          expect(outcomesOf(await b.build(files))).to.include({ install: 'executed' });
          expect(b.module('helper')).not.to.equal(PLANTED);
        });
      }
    });
  }
});
