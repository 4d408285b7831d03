// What apps with one cache share: wheels that digests name, but nothing that was built for one of them. Real pip and
// CPython, and a test index.

import { expect } from 'chai';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunReport } from '../../src/engine/events.js';
import { passThroughOf } from '../../src/engine/app/pass-through.js';
import type { RunRequest } from '../../src/engine/request.js';
import { managerPipeline } from '../support/manager-pipeline.js';
import { PackageIndex } from '../support/package-index.js';
import { pyenvVersions } from '../support/runtimes.js';
import { makeUnstableArchive, makeWheel } from '../support/wheels.js';
import { outcomesOf, Workspace } from '../support/workspace.js';
import { skipBecause } from '../support/skip.js';

const helper = makeWheel('helper', '1.5');
const built = makeUnstableArchive();

const BUILT = `built==1.0 --hash=sha256:${built.sha256}\n`;

const PIPELINE = managerPipeline(
  'sharing',
  'pip',
  `  pip:
    uses: install-deps-pip
    with: { index: INDEX }
    inputs: { runtime: runtime.tree, pip: tool.tool }
`,
);

describe('sharing between apps, online', function () {
  this.timeout(240_000);
  let index: PackageIndex;
  const apps: Workspace[] = [];
  let cacheDir: string;
  const version = pyenvVersions().findLast((name) => name.startsWith('3.12.'));

  before(async function () {
    if (version === undefined) {
      return skipBecause(this, 'needs a CPython 3.12 of pyenv');
    }
    index = await PackageIndex.start([helper, built]);
  });
  after(async () => {
    await index?.stop();
    for (const app of apps) app.cleanUp();
  });

  function newApp(
    files: Readonly<Record<string, string>>,
    sandbox: RunRequest['sandbox'] = 'auto',
  ): {
    run(changes?: Readonly<Record<string, string>>, builder?: string): Promise<RunReport>;
    built(): string;
    readonly id: string;
  } {
    const app = new Workspace();
    apps.push(app);
    cacheDir ??= app.cacheDir;
    const id = `app-${apps.length}`;
    app.write({ '.python-version': '3.12\n', ...files });
    app.pipeline(PIPELINE.replace('INDEX', index.url));
    const request: Partial<RunRequest> = {
      cacheDir,
      appId: id,
      sandbox,
      passThrough: passThroughOf(process.env),
      settings: {},
    };
    return {
      id,
      async run(changes = {}, builder = 'a') {
        app.write(changes);
        const report = await app.run({ ...request, settings: { BUILDER: builder } });
        expect(report.failure, JSON.stringify(report.failure)).to.equal(undefined);
        return report;
      },
      built: () => readFileSync(join(app.outDir, '.scalingo/python/lib/python3.12/site-packages/built.py'), 'utf8'),
    };
  }

  it('shares a wheel that a digest names with another app, without a request to the index', async () => {
    const files = { 'requirements.txt': `helper==1.5 --hash=sha256:${helper.sha256}\n` };
    expect(outcomesOf(await newApp(files).run())).to.include({ pip: 'executed' });
    const asked = index.requests.length;
    const outcomes = outcomesOf(await newApp(files).run());
    expect(outcomes).to.include({ runtime: 'restored', tool: 'restored', pip: 'restored' });
    expect(index.requests.length).to.equal(asked);
  });

  it('builds a package without a digest again for each app', async () => {
    const files = { 'requirements.txt': 'built==1.0\n' };
    const [a, b] = [newApp(files), newApp(files)];
    expect(outcomesOf(await a.run())).to.include({ pip: 'executed' });
    expect(outcomesOf(await b.run())).to.include({ runtime: 'restored', pip: 'executed' });
    expect(a.built()).not.to.equal(b.built());
    const own = a.built();
    expect(outcomesOf(await a.run({ 'app.py': '' }))).to.include({ runtime: 'up-to-date' });
    expect(a.built()).to.equal(own);
  });

  it('shares a package that is built from sources with a digest, with apps on the same builder', async () => {
    const files = { 'requirements.txt': `${BUILT}# shared\n` };
    const [a, b, c] = [newApp(files), newApp(files), newApp(files)];
    expect(outcomesOf(await a.run())).to.include({ pip: 'executed' });
    expect(outcomesOf(await b.run())).to.include({ pip: 'restored' });
    expect(b.built()).to.equal(a.built());
    expect(outcomesOf(await c.run({}, 'b'))).to.include({ pip: 'executed' });
    expect(c.built()).not.to.equal(a.built());
  });

  it('keeps builds with the app without a sandbox', async () => {
    const files = { 'requirements.txt': `${BUILT}# no sandbox\n` };
    const [a, b] = [newApp(files, 'none'), newApp(files, 'none')];
    expect(outcomesOf(await a.run())).to.include({ pip: 'executed' });
    expect(outcomesOf(await b.run())).to.include({ pip: 'executed' });
    expect(outcomesOf(await a.run({ 'requirements.txt': files['requirements.txt'] }))).to.include({
      pip: 'up-to-date',
    });
  });

  for (const [title, line] of [
    ['', 'built==1.0'],
    [', also when a digest names its sources', `built==1.0 --hash=sha256:${built.sha256}`],
  ] as const) {
    it(`builds a package again on another builder${title}`, async () => {
      const app = newApp({ 'requirements.txt': `${line}\n# builders\n` });
      expect(outcomesOf(await app.run())).to.include({ pip: 'executed' });
      const ofA = app.built();
      const second = await app.run({}, 'b');
      expect(outcomesOf(second)).to.include({ pip: 'executed' });
      expect(second.nodes['pip']!.reasons).to.deep.equal([
        { type: 'builder-changed', from: 'name:a', to: 'name:b', packages: [] },
      ]);
      const ofB = app.built();
      expect(ofB, 'not the wheel that pip kept on builder a').not.to.equal(ofA);
      expect(outcomesOf(await app.run())).to.include({ pip: 'up-to-date' });
      expect(app.built()).to.equal(ofA);
      expect(outcomesOf(await app.run({}, 'b'))).to.include({ pip: 'up-to-date' });
      expect(app.built()).to.equal(ofB);
    });
  }

  it('shares wheels with another builder', async () => {
    const files = { 'requirements.txt': `helper==1.5 --hash=sha256:${helper.sha256}\n# builders\n` };
    expect(outcomesOf(await newApp(files).run())).to.include({ pip: 'executed' });
    const asked = index.requests.length;
    expect(outcomesOf(await newApp(files).run({}, 'b'))).to.include({ tool: 'restored', pip: 'restored' });
    expect(index.requests.length).to.equal(asked);
  });

  it('does not share what is built or kept over the remains of an earlier install', async () => {
    const line = `${BUILT}# kept\n`;
    const both = `${line}helper==1.5 --hash=sha256:${helper.sha256}\n`;
    const app = newApp({ 'requirements.txt': line });
    await app.run();
    const own = app.built();
    const report = await app.run({ 'requirements.txt': both });
    expect(outcomesOf(report)).to.include({ pip: 'executed' });
    expect(app.built(), 'the wheel that pip kept').to.equal(own);
    const other = newApp({ 'requirements.txt': both });
    expect(outcomesOf(await other.run())).to.include({ pip: 'executed' });
    expect(other.built()).not.to.equal(own);
    const third = newApp({ 'requirements.txt': both });
    expect(outcomesOf(await third.run())).to.include({ pip: 'restored' });
    expect(third.built()).to.equal(other.built());
  });

  it('does not share a build of an app whose other run writes to the same folder meanwhile', async () => {
    const files = { 'requirements.txt': `${BUILT}# meanwhile\n` };
    const hostile = newApp(files);
    const kept = join(cacheDir, 'apps', hostile.id, 'install-deps-pip');
    // What another run of the app can do at any time: its builds see this folder.
    index.onRequest = () => {
      mkdirSync(join(kept, 'pip/wheels'), { recursive: true });
      writeFileSync(join(kept, 'pip/wheels/planted'), '');
    };
    expect(outcomesOf(await hostile.run())).to.include({ pip: 'executed' });
    index.onRequest = undefined;
    expect(readdirSync(join(kept, 'pip/wheels')), 'the new folder replaces nothing').to.deep.equal(['planted']);
  });
});
