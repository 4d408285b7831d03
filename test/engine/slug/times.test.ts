import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { SLUG_MARKER } from '../../../src/engine/app/source-names.js';
import { Workspace } from '../../support/workspace.js';

const PIPELINE = `pyflow: 1
name: times
nodes:
  upper:
    uses: command
    with: { argv: [sh, -ec, "mkdir -p out; tr a-z A-Z < words.txt > out/upper.txt; stat -c %Y words.txt > out/seen"], reads: [words.txt], writes: [out/**] }
  hook: { uses: hook, with: { script: bin/post_compile }, after: [upper] }
`;
const EARLIEST_S = Date.UTC(1980, 0, 2) / 1000;

describe('engine/slug/times', () => {
  let workspace: Workspace;
  beforeEach(() => {
    workspace = new Workspace().write({ 'words.txt': 'one\n', 'site.css': '#111' }).pipeline(PIPELINE);
  });
  afterEach(() => workspace.cleanUp());

  const hook = (script: string): void => {
    workspace.write({ 'bin/post_compile': `#!/bin/sh\nset -e\n${script}\n` });
    chmodSync(join(workspace.appDir, 'bin/post_compile'), 0o755);
  };
  /** What a web server makes its ETag from. */
  const validator = (path: string, folder = workspace.outDir): string => {
    const { mtimeMs, size } = statSync(join(folder, path));
    return `${Math.floor(mtimeMs / 1000)}-${size}`;
  };

  it('moves the mtime forward when only the content changes, even within the same second', async () => {
    hook('cp words.txt copied');
    const seen: string[][] = [];
    for (const words of ['one\n', 'two\n', 'six\n']) {
      workspace.write({ 'words.txt': words, 'site.css': `#${words.trim()}` });
      await workspace.run();
      seen.push(['words.txt', 'site.css', 'out/upper.txt', 'copied'].map((path) => validator(path)));
    }
    for (const column of [0, 1, 2, 3]) {
      const validators = seen.map((row) => row[column]!);
      expect(new Set(validators).size, validators.join()).to.equal(3);
      expect(validators).to.deep.equal([...validators].sort());
    }
  });

  it('keeps mtimes of unchanged files, and does not touch an up-to-date slug', async () => {
    await workspace.run();
    const before = validator('site.css');
    workspace.write({ 'words.txt': 'two\n' });
    await workspace.run();
    expect(validator('site.css')).to.equal(before);
    const marker = readFileSync(join(workspace.outDir, SLUG_MARKER), 'utf8');
    const stats = statSync(join(workspace.outDir, 'out/upper.txt'));
    const report = await workspace.run();
    expect(report.slug).not.to.have.property('durationMs');
    const after = statSync(join(workspace.outDir, 'out/upper.txt'));
    expect([after.ino, after.ctimeMs]).to.deep.equal([stats.ino, stats.ctimeMs]);
    expect(readFileSync(join(workspace.outDir, SLUG_MARKER), 'utf8')).to.equal(marker);
    workspace.write({ 'words.txt': 'one\n' });
    await workspace.run();
    expect(validator('out/upper.txt')).not.to.equal(before);
  });

  it('repairs an mtime that was set back', async () => {
    await workspace.run();
    utimesSync(join(workspace.outDir, 'site.css'), 1, 1);
    const before = statSync(join(workspace.outDir, 'words.txt')).mtimeMs;
    await workspace.run();
    expect(statSync(join(workspace.outDir, 'site.css')).mtimeMs).to.be.greaterThan(before);
  });

  it('never uses an mtime before 1980-01-02, for nodes and in slugs, whatever the clock and the app say', async () => {
    utimesSync(join(workspace.appDir, 'words.txt'), 0, 0);
    const { compose } = workspace;
    workspace.compose = async (options) => Object.assign(await compose(options), { clock: { now: () => 0 } });
    await workspace.run();
    expect(Number(workspace.slugFile('out/seen'))).to.equal(EARLIEST_S);
    for (const path of workspace.slugNames()) {
      if (path === SLUG_MARKER) continue;
      expect(statSync(join(workspace.outDir, path)).mtimeMs / 1000, path).to.be.at.least(EARLIEST_S);
    }
  });

  it('gives a hook files that are newer than those in its cache', async () => {
    hook(
      'old=$CACHE_DIR/built; [ ! -e "$old" ] || [ words.txt -nt "$old" ] || exit 9; cp words.txt "$old"; cp "$old" built',
    );
    const cache = { variables: {} };
    for (const words of ['one\n', 'two\n']) {
      writeFileSync(join(workspace.appDir, 'words.txt'), words);
      utimesSync(join(workspace.appDir, 'words.txt'), 1, 1);
      await workspace.run(cache);
      expect(workspace.slugFile('built')).to.equal(words);
    }
  });

  it('makes the same layers at another time', async () => {
    hook('cp words.txt copied');
    const first = await workspace.run();
    rmSync(workspace.cacheDir, { recursive: true });
    for (const path of ['words.txt', 'site.css']) utimesSync(join(workspace.appDir, path), 5, 5);
    const second = await workspace.run();
    for (const node of ['upper', 'hook']) expect(second.nodes[node]?.layer).to.deep.equal(first.nodes[node]?.layer);
    expect(second.slug?.digest).to.equal(first.slug?.digest);
  });

  it("sets mtimes of products in the app's folder, and keeps those of the app", async () => {
    hook('cp words.txt copied; echo changed >> site.css');
    utimesSync(join(workspace.appDir, 'words.txt'), 5, 5);
    const once = join(workspace.root, 'once');
    cpSync(workspace.appDir, once, { recursive: true, preserveTimestamps: true });
    const now = Math.floor(Date.now() / 1000);
    for (const [outDir, oneTime] of [
      [workspace.appDir, {}],
      [once, { oneTime: true as const }],
    ] as const) {
      await workspace.run({ appDir: outDir, outDir, ...oneTime });
      expect(statSync(join(outDir, 'words.txt')).mtimeMs).to.equal(5000);
      for (const path of ['copied', 'site.css', 'out/upper.txt'])
        expect(statSync(join(outDir, path)).mtimeMs / 1000, path).to.be.within(now - 1, now + 60);
    }
  });

  it("distinguishes its products in the app's folder from files edited since, also with a slug of an older version", async () => {
    const run = () => workspace.run({ outDir: workspace.appDir });
    await run();
    const path = join(workspace.appDir, SLUG_MARKER);
    const marker = JSON.parse(readFileSync(path, 'utf8')) as { time?: number };
    delete marker.time;
    writeFileSync(path, JSON.stringify(marker));
    for (const name of readdirSync(join(workspace.appDir, 'out')))
      utimesSync(join(workspace.appDir, 'out', name), 315_532_800, 315_532_800);
    workspace.remove('words.txt').write({ 'words.txt': 'two\n', 'out/mine': 'mine' });
    const report = await run();
    expect(report.nodes['upper']?.outcome).to.equal('executed');
    expect(readFileSync(join(workspace.appDir, 'out/upper.txt'), 'utf8')).to.equal('TWO\n');
    expect(readFileSync(join(workspace.appDir, 'out/mine'), 'utf8')).to.equal('mine');
  });

  it('ignores a marker with invalid times', async () => {
    await workspace.run();
    const path = join(workspace.outDir, SLUG_MARKER);
    const marker = JSON.parse(readFileSync(path, 'utf8')) as object;
    for (const broken of [{ time: 1e300 }, { time: 'x' }, { times: { a: null } }, { times: 3 }, { time: 8e15 }]) {
      writeFileSync(path, JSON.stringify({ ...marker, ...broken }));
      await workspace.run();
      const { mtimeMs } = statSync(join(workspace.outDir, 'words.txt'));
      expect(mtimeMs / 1000, JSON.stringify(broken)).to.be.within(EARLIEST_S, Date.now() / 1000 + 60);
    }
  });

  it('makes files that fit into a zip archive west of Greenwich', async function () {
    await workspace.run();
    const script = `import os, sys, time, zipfile
time.tzset()
with zipfile.ZipFile(sys.argv[2], 'w') as z:
    z.write(os.path.join(sys.argv[1], 'out', 'upper.txt'))`;
    const out = join(workspace.root, 'out.zip');
    const env = { PATH: process.env['PATH']!, TZ: 'America/Los_Angeles', SOURCE_DATE_EPOCH: '315619200' };
    execFileSync('python3', ['-c', script, workspace.outDir, out], { env });
    expect(statSync(out).size).to.be.greaterThan(0);
  });
});
