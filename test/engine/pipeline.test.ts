import { expect } from 'chai';
import { chmodSync, existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Compose } from '../../src/engine/composition.js';
import { runPipeline } from '../../src/engine/pipeline.js';
import { outcomesOf, Refused, VERSION, Workspace } from '../support/workspace.js';

/** `upper` and `lower` each read a file; `both` reads both; `tail` reads what `both` wrote. */
const DIAMOND = `
pyflow: 1
name: diamond
nodes:
  upper: { uses: command, with: { argv: [sh, -c, "tr a-z A-Z < upper.txt > upper.out"], reads: [upper.txt], writes: [upper.out] } }
  lower: { uses: command, with: { argv: [sh, -c, "tr A-Z a-z < lower.txt > lower.out"], reads: [lower.txt], writes: [lower.out] } }
  both:
    uses: command
    with: { argv: [sh, -c, "cat upper.out lower.out > both.out"], reads: [upper.out, lower.out], writes: [both.out] }
    after: [upper, lower]
  tail:
    uses: command
    with: { argv: [sh, -c, "wc -c < both.out | tr -d ' ' > tail.out"], reads: [both.out], writes: [tail.out] }
    after: [both]
`;

describe('run', () => {
  let work: Workspace;
  beforeEach(() => {
    work = new Workspace()
      .pipeline(DIAMOND)
      .write({ 'upper.txt': 'abc\n', 'lower.txt': 'DEF\n', 'app.py': 'print()\n' });
  });
  afterEach(() => work.cleanUp());

  it('executes every node of a first run and writes source and layers into the slug', async () => {
    const report = await work.run();
    expect(report.status).to.equal('succeeded');
    expect(outcomesOf(report)).to.deep.equal({
      upper: 'executed',
      lower: 'executed',
      both: 'executed',
      tail: 'executed',
    });
    expect(work.slugFile('both.out')).to.equal('ABC\ndef\n');
    expect(work.slugFile('app.py')).to.equal('print()\n');
    expect(report.nodes['both']?.reasons).to.deep.equal([{ type: 'first-run' }]);
  });

  it('finds everything up to date in a second run, as a full run and by the fast path', async () => {
    await work.run();
    const second = await work.run();
    expect(new Set(Object.values(outcomesOf(second)))).to.deep.equal(new Set(['up-to-date']));
    expect(work.events.some(({ type }) => type === 'node-started')).to.equal(false);
    const fast = await work.fastRun();
    expect(fast && outcomesOf(fast)).to.deep.equal(outcomesOf(second));
    expect(fast?.slug).to.deep.equal(second.slug);
  });

  it('reports how long writing the slug took, and nothing if the slug was complete', async () => {
    const first = await work.run();
    const written = work.events.find((event) => event.type === 'slug-written');
    expect(first.slug?.durationMs).to.equal(written?.durationMs);
    expect(first.slug).to.have.property('durationMs');
    expect((await work.fastRun())?.slug).to.not.have.property('durationMs');
    expect((await work.run()).slug).to.not.have.property('durationMs');
  });

  it('restores everything with the same digest if the slug was deleted', async () => {
    const first = await work.run();
    rmSync(work.outDir, { recursive: true });
    expect(await work.fastRun()).to.equal(undefined);
    const second = await work.run();
    expect(second.slug?.digest).to.equal(first.slug?.digest);
    expect(work.slugFile('both.out')).to.equal('ABC\ndef\n');
    expect(work.events.some(({ type }) => type === 'node-started')).to.equal(false);
  });

  it('restores results that another app made from the same inputs', async () => {
    await work.run();
    const other = await work.run({ appId: 'another' });
    expect(new Set(Object.values(outcomesOf(other)))).to.deep.equal(new Set(['restored']));
  });

  it('re-runs exactly the nodes that depend on a changed input, and names the file', async () => {
    await work.run();
    work.write({ 'upper.txt': 'xyz\n' });
    expect(await work.fastRun()).to.equal(undefined);
    const report = await work.run();
    // `tail` counts characters: its input changes, its output does not.
    expect(outcomesOf(report)).to.deep.equal({
      upper: 'executed',
      lower: 'up-to-date',
      both: 'executed',
      tail: 'executed',
    });
    expect(report.nodes['upper']?.reasons).to.deep.equal([{ type: 'file-changed', path: 'upper.txt' }]);
    expect(report.nodes['both']?.reasons).to.deep.equal([{ type: 'file-changed', path: 'upper.out' }]);
    expect(work.slugFile('both.out')).to.equal('XYZ\ndef\n');
  });

  it('does not re-run dependents if a re-run makes the same layer', async () => {
    await work.run();
    work.write({ 'upper.txt': 'ABC\n' });
    const report = await work.run();
    expect(outcomesOf(report)).to.deep.equal({
      upper: 'executed',
      lower: 'up-to-date',
      both: 'up-to-date',
      tail: 'up-to-date',
    });
  });

  it('re-runs nothing for a file that no node reads, and adds it to the slug', async () => {
    await work.run();
    work.write({ 'app.py': 'print(1)\n', 'new.py': '' });
    const report = await work.run();
    expect(new Set(Object.values(outcomesOf(report)))).to.deep.equal(new Set(['up-to-date']));
    expect(work.slugFile('app.py')).to.equal('print(1)\n');
    expect(work.slugNames()).to.include('new.py');
    work.remove('new.py');
    await work.run();
    expect(work.slugNames()).not.to.include('new.py');
  });

  it('hides files that a node does not name', async () => {
    work.pipeline(`
pyflow: 1
name: hidden
nodes:
  look: { uses: command, with: { argv: [sh, -c, "ls -A > seen"], reads: [upper.txt], writes: [seen] } }
`);
    await work.run();
    expect(work.slugFile('seen')).to.equal('seen\nupper.txt\n');
  });

  it('rejects an undeclared write', async () => {
    work.pipeline(`
pyflow: 1
name: stray
nodes:
  stray: { uses: command, with: { argv: [sh, -c, "echo > stray.out"], writes: [other.out] } }
`);
    const report = await work.run();
    expect(report.nodes['stray']?.failure?.code).to.equal('node::undeclared-write');
    expect(report.exitCode).to.equal(2);
    expect(existsSync(work.outDir)).to.equal(false);
  });

  it('blames the app for a write that only its code can cause', async () => {
    const site = 'python/lib/python3.12/site-packages';
    work.write({
      'nltk.txt': 'words\n',
      'python/bin/python': '#!/bin/sh\necho > stray.out\n',
      [`${site}/nltk/__init__.py`]: '',
    });
    chmodSync(join(work.appDir, 'python/bin/python'), 0o755);
    work.pipeline(`
pyflow: 1
name: stray
nodes:
  tree:
    uses: command
    with: { argv: [sh, -c, "mkdir .scalingo && cp -r python .scalingo"], reads: ['python/**'], writes: ['.scalingo/**'] }
  stray: { uses: nltk-data, inputs: { tree: tree.tree } }
`);
    const report = await work.run();
    expect(report.nodes['stray']?.failure).to.include({ code: 'node::undeclared-write', blame: 'app' });
    expect(report.exitCode).to.equal(1);
  });

  it('records a deletion, and leaves the file out of the slug and of later views', async () => {
    work.pipeline(`
pyflow: 1
name: deletion
nodes:
  make: { uses: command, with: { argv: [sh, -c, "mkdir d; echo 1 > d/a; echo 2 > d/b"], writes: [d/**] } }
  cut:
    uses: command
    with: { argv: [rm, d/a], reads: [d/**], writes: [d/**] }
    after: [make]
  look:
    uses: command
    with: { argv: [sh, -c, "ls d > seen"], reads: [d/**], writes: [seen] }
    after: [cut]
`);
    await work.run();
    expect(work.slugFile('seen')).to.equal('b\n');
    expect(work.slugNames()).to.include('d/b').and.not.include('d/a');
    rmSync(work.outDir, { recursive: true });
    const again = await work.run();
    expect(work.slugNames()).not.to.include('d/a');
    expect(new Set(Object.values(outcomesOf(again)))).to.deep.equal(new Set(['up-to-date']));
  });

  it('[setup.strict-shell] blocks nodes that need a failed node, stops the rest, and stores nothing of the failure', async () => {
    work.pipeline(`
pyflow: 1
name: failing
nodes:
  bad: { uses: command, with: { argv: [sh, -c, "echo broken >&2; exit 3"] } }
  behind: { uses: command, with: { argv: [touch, x], writes: [x] }, after: [bad] }
  beside: { uses: command, with: { argv: [touch, y], writes: [y] } }
`);
    const report = await work.run({ keepGoing: true });
    expect(outcomesOf(report)).to.deep.equal({ bad: 'failed', behind: 'blocked', beside: 'executed' });
    expect(report.exitCode).to.equal(1);
    expect(report.nodes['bad']?.failure?.code).to.equal('command::failed');
    expect(existsSync(work.outDir)).to.equal(false);
    const again = await work.run({ keepGoing: true });
    expect(outcomesOf(again)['bad']).to.equal('failed');
    expect(outcomesOf(again)['beside']).to.equal('restored');
  });

  it('executes a node again if a refresh is requested, or with `cache: never`', async () => {
    await work.run();
    expect(outcomesOf(await work.run({ refresh: ['lower'] }))['lower']).to.equal('executed');
    expect(outcomesOf(await work.run({ refresh: ['all'] }))['tail']).to.equal('executed');
    work.pipeline(DIAMOND.replace('  upper: { uses: command,', '  upper: { uses: command, cache: never,'));
    await work.run();
    const report = await work.run();
    expect(outcomesOf(report)).to.deep.equal({
      upper: 'executed',
      lower: 'up-to-date',
      both: 'up-to-date',
      tail: 'up-to-date',
    });
    expect(await work.fastRun()).to.equal(undefined);
  });

  it('re-runs nodes whose results are older than maxAge, except pure ones', async () => {
    work.pipeline(`
pyflow: 1
name: ages
nodes:
  hook: { uses: hook, with: { script: bin/pre_compile }, cache: { maxAge: 1h } }
  upper:
    uses: command
    with: { argv: [sh, -c, "tr a-z A-Z < upper.txt > upper.out"], reads: [upper.txt], writes: [upper.out] }
    after: [hook]
    cache: { maxAge: 1h }
`);
    const compose = work.compose;
    const inMinutes = async (minutes: number) => {
      const clock = { now: () => Date.now() + minutes * 60_000 };
      work.compose = async (options) => Object.assign(await compose(options), { clock });
      // The shortcuts use the clock of the machine.
      return outcomesOf(await work.run({ settings: { NO_FAST_PATH: '1' } }));
    };
    await work.run();
    expect(await inMinutes(59)).to.deep.equal({ hook: 'up-to-date', upper: 'up-to-date' });
    expect(await inMinutes(61)).to.deep.equal({ hook: 'up-to-date', upper: 'executed' });
  });

  it('runs only the requested nodes and their upstream, and then writes no slug', async () => {
    const report = await work.run({ only: ['upper'] });
    expect(outcomesOf(report)).to.deep.equal({ upper: 'executed' });
    expect(report.partial).to.equal(true);
    expect(existsSync(work.outDir)).to.equal(false);
    expect(Object.keys((await work.run({ until: 'both' })).nodes)).to.deep.equal(['upper', 'lower', 'both']);
  });

  it('executes a node again if the cache has lost a blob of its layer', async () => {
    const first = await work.run();
    for (const folder of ['cas', 'packs']) rmSync(join(work.cacheDir, folder), { recursive: true, force: true });
    rmSync(work.outDir, { recursive: true });
    const second = await work.run();
    expect(second.status).to.equal('succeeded');
    expect(second.slug?.digest).to.equal(first.slug?.digest);
    expect(work.slugFile('both.out')).to.equal('ABC\ndef\n');
  });

  it('names the missing file of a result', async () => {
    work.pipeline(`
pyflow: 1
name: large
nodes:
  large: { uses: command, with: { argv: [sh, -c, "head -c 200000 /dev/zero > zeros"], writes: [zeros] } }
  small: { uses: command, with: { argv: [touch, tiny], writes: [tiny] }, after: [large] }
`);
    const first = await work.run();
    rmSync(join(work.cacheDir, 'cas'), { recursive: true });
    rmSync(work.outDir, { recursive: true });
    const second = await work.run();
    expect(outcomesOf(second)).to.deep.equal({ large: 'executed', small: 'up-to-date' });
    expect(second.nodes['large']?.reasons).to.deep.equal([{ type: 'result-lost' }]);
    expect(second.slug?.digest).to.equal(first.slug?.digest);
  });

  it('never overwrites a folder that is not a slug, unless forced', async () => {
    mkdirSync(work.outDir);
    writeFileSync(join(work.outDir, 'precious'), 'x');
    const refusal = await work.run().catch((error: unknown) => error);
    expect(refusal).to.be.instanceOf(Refused);
    expect((refusal as Refused).message).to.match(/slug::not-ours/);
    expect(work.slugFile('precious')).to.equal('x');
    await work.run({ force: true });
    expect(work.slugNames()).to.include('both.out').and.not.include('precious');
  });

  it('calls `reads` again if a missing file appeared, or an existing one was removed', async () => {
    work
      .pipeline(
        `
pyflow: 1
name: looks
nodes:
  hook: { uses: hook, with: { script: bin/pre_compile } }
  all: { uses: command, with: { argv: [sh, -c, "ls in > names"], reads: ["in/*.txt"], writes: [names] }, after: [hook] }
`,
      )
      .write({ 'in/a.txt': '', 'in/b.md': '' });
    await work.run();
    work.write({ 'in/c.md': '' });
    expect(outcomesOf(await work.run())).to.deep.equal({ hook: 'up-to-date', all: 'up-to-date' });
    work.write({ 'in/d.txt': '' });
    expect(outcomesOf(await work.run())).to.deep.equal({ hook: 'up-to-date', all: 'executed' });
    work.remove('in/a.txt').write({ 'bin/pre_compile': 'true\n' });
    expect(outcomesOf(await work.run())).to.deep.equal({ hook: 'executed', all: 'executed' });
    expect(work.slugFile('names')).to.equal('d.txt\n');
  });

  it('repairs a slug in which a file was changed', async () => {
    await work.run();
    expect(await work.fastRun()).not.to.equal(undefined);
    writeFileSync(join(work.outDir, 'app.py'), 'broken\n');
    expect(await work.fastRun()).to.equal(undefined);
    await work.run();
    expect(work.slugFile('app.py')).to.equal('print()\n');
  });

  it('rejects a refresh of an unknown node', async () => {
    const refusal = await work.run({ refresh: ['uper'] }).catch((error: unknown) => error);
    expect((refusal as Refused).message).to.match(/run::unknown-node/);
  });

  it('says that a result was evicted', async () => {
    await work.run();
    const { collectGarbage } = await import('../../src/engine/store/quota.js');
    await collectGarbage(work.cacheDir, { maxBytes: 1, graceMs: 0, now: () => Date.now() + 48 * 3_600_000 });
    const report = await work.run();
    expect(report.nodes['upper']?.outcome).to.equal('executed');
    expect(report.nodes['upper']?.reasons.map(({ type }) => type)).to.deep.equal(['evicted']);
    expect(report.nodes['tail']?.outcome).to.equal('executed');
  });

  it('does not treat a slug inside the app as part of it', async () => {
    await work.run({ outDir: join(work.appDir, 'built') });
    const report = await work.run();
    expect(report.status).to.equal('succeeded');
    expect(work.slugNames()).not.to.include('built');
  });

  it('builds in place twice, without treating its files as source', async () => {
    const place = { outDir: work.appDir };
    const first = await work.run(place);
    expect(existsSync(join(work.appDir, 'both.out'))).to.equal(true);
    const second = await work.run(place);
    expect(new Set(Object.values(outcomesOf(second)))).to.deep.equal(new Set(['up-to-date']));
    expect(second.slug?.digest).to.equal(first.slug?.digest);
    expect(await work.fastRun(place)).to.deep.include({ status: 'succeeded', slug: second.slug });
    writeFileSync(join(work.appDir, 'both.out'), 'mine\n');
    expect(await work.fastRun(place)).to.equal(undefined);
    work.write({ 'upper.txt': 'new\n' });
    await work.run(place);
    expect(existsSync(join(work.appDir, 'app.py'))).to.equal(true);
  });

  it('[internal.unhandled] [internal.trap-once] [setup.err-trap] reports an exception of a plugin once, as a bug in the plugin', async () => {
    writeFileSync(
      join(work.root, 'boom.mjs'),
      `const none = { type: 'object', properties: {}, additionalProperties: false };
export const manifest = { kind: 'boom', revision: 1, description: 'b', config: none, inputs: none, outputs: none, writes: [] };
export class plugin {
  manifest = manifest;
  async reads() { return { ok: true, value: {} }; }
  async run() { throw new TypeError('nobody thought of it'); }
}`,
    );
    work.pipeline('pyflow: 1\nname: boom\nplugins: [boom.mjs]\nnodes:\n  boom: { uses: boom }\n');
    const report = await work.run();
    expect(report).to.include({ status: 'failed', exitCode: 70 });
    expect(report.failure).to.include({ code: 'plugin::threw', blame: 'internal' });
    expect(report.failure?.detail).to.contain('nobody thought of it').and.to.contain(`${work.root}/boom.mjs:6`);
    expect(report.buildData).to.include({ failure_reason: 'plugin::threw' });
    expect(work.events.filter(({ type }) => type === 'node-finished')).to.have.length(1);
  });

  it('skips a node whose guard is false', async () => {
    work.pipeline(`
pyflow: 1
name: guarded
params: { wanted: { type: boolean, default: false } }
nodes:
  maybe: { uses: command, when: params.wanted, with: { argv: [touch, x], writes: [x] } }
`);
    expect(outcomesOf(await work.run())).to.deep.equal({ maybe: 'skipped' });
    expect(outcomesOf(await work.run({ params: { wanted: 'true' } }))).to.deep.equal({ maybe: 'executed' });
  });

  it('ends a node that runs longer than its timeout', async () => {
    work.pipeline(`
pyflow: 1
name: slow
nodes:
  slow: { uses: command, timeout: 100ms, with: { argv: [sleep, "30"] } }
`);
    const report = await work.run();
    expect(report.nodes['slow']?.failure?.code).to.equal('node::timeout');
  });

  it('[hooks.pre-compile-run] keeps the execute bit that a node set on a file of the app, and nothing but the bit', async () => {
    work.pipeline(`
pyflow: 1
name: modes
nodes:
  hook: { uses: hook, with: { script: bin/pre_compile } }
  check: { uses: command, after: [hook], with: { argv: [bin/pre_compile], reads: [bin/pre_compile, off.sh], writes: [made] } }
`);
    work.write({ 'bin/pre_compile': '#!/bin/sh\necho run > made\nchmod -x off.sh\n', 'off.sh': 'true' });
    chmodSync(join(work.appDir, 'off.sh'), 0o755);
    for (const outDir of [work.outDir, work.appDir]) {
      const report = await work.run({ outDir });
      expect(report.failure).to.equal(undefined);
      expect([report.nodes['hook']?.outcome, report.nodes['check']?.outcome]).to.include('executed');
      const modes = ['bin/pre_compile', 'off.sh'].map((path) => statSync(join(outDir, path)).mode & 0o111);
      expect(modes).to.deep.equal([0o111, 0]);
    }
  });

  it('[cache.save-symlinks] preserves the execute bit and symbolic links through view, layer and slug', async () => {
    work.write({ 'tool.sh': '#!/bin/sh\necho run > made\nln -s made link\n' });
    chmodSync(join(work.appDir, 'tool.sh'), 0o755);
    work.pipeline(`
pyflow: 1
name: modes
nodes:
  tool: { uses: command, with: { argv: [./tool.sh], reads: [tool.sh], writes: [made, link] } }
`);
    await work.run();
    expect(work.slugFile('link')).to.equal('run\n');
  });

  it('counts its time from the first step, before kinds are loaded and the file is checked', async () => {
    const clock = { at: Date.parse('2026-01-01T00:00:00Z'), now: () => clock.at };
    const compose: Compose = async (options) => {
      clock.at += 5000;
      return work.compose(options);
    };
    const done = await runPipeline(work.request(), work.sink, compose, { version: VERSION, clock });
    expect(done.ok && done.value).to.include({ startedAt: '2026-01-01T00:00:00.000Z', durationMs: 5000 });
  });
});
