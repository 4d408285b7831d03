import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Event } from '../../../src/engine/events.js';
import { runPipeline } from '../../../src/engine/pipeline.js';
import { buildpackRenderer } from '../../../src/engine/render/buildpack.js';
import { githubRenderer } from '../../../src/engine/render/github.js';
import { liveRenderer } from '../../../src/engine/render/live.js';
import { ndjsonRenderer } from '../../../src/engine/render/ndjson.js';
import { plainRenderer } from '../../../src/engine/render/plain.js';
import type { Renderer, Write } from '../../../src/engine/render/renderer.js';
import { styleOf } from '../../../src/engine/render/style.js';
import { summarize } from '../../../src/engine/render/summary.js';
import { GRACE_MS } from '../../../src/engine/process/processes.js';
import { endedOrGivenUp } from '../../../src/engine/process/stopping.js';
import { hasNamespaces } from '../../support/namespaces.js';
import { uniqueSleep } from '../../support/processes.js';
import { outcomesOf, VERSION, Workspace } from '../../support/workspace.js';
import { skipBecause } from '../../support/skip.js';
import { systemClock } from '../../../src/engine/services/clock.js';

/** `fail` exits with 7 after every sibling has reported through its own pipe that it is running. */
function pipelineOf(work: Workspace, siblings: Readonly<Record<string, string>>, cache = ''): string {
  const pipes = Object.keys(siblings).map((name) => join(work.root, `${name}.pipe`));
  execFileSync('mkfifo', pipes);
  const waits = pipes.map((pipe) => `read x < ${pipe};`).join(' ');
  const lines = Object.entries(siblings).map(
    ([name, script]) =>
      `  ${name}: { uses: command, with: { argv: [sh, -c, ${JSON.stringify(`echo at ${name}; echo > ${join(work.root, `${name}.pipe`)}; ${script}`)}] }${cache} }`,
  );
  return [
    'pyflow: 1\nnodes:',
    `  fail: { uses: command, with: { argv: [sh, -c, "${waits} exit 7"] } }`,
    ...lines,
    '  never: { uses: command, with: { argv: [echo, never] }, after: [fail] }',
  ].join('\n');
}

/** The callback that the clock would call next. */
let frame: (() => void) | undefined;

const RENDERERS: Readonly<Record<string, (write: Write) => Renderer>> = {
  plain: (write) => plainRenderer(write, { verbose: false, color: false }),
  ndjson: (write) => ndjsonRenderer(write),
  github: (write) => githubRenderer(write, { verbose: false, color: false, resumeToken: 'resume' }),
  buildpack: (write) => buildpackRenderer(write, { verbose: false, color: false, shout: write }),
  live: (write) =>
    liveRenderer(write, {
      verbose: false,
      color: false,
      now: () => 0,
      later: (action) => {
        frame = action;
        return () => {};
      },
      size: () => ({ columns: 80, rows: 24 }),
    }),
};

describe('a failure', () => {
  let work: Workspace;
  beforeEach(() => {
    work = new Workspace();
  });
  afterEach(() => work.cleanUp());

  it('stops running nodes and starts no dependents', async () => {
    work.pipeline(pipelineOf(work, { stay: `exec sleep ${uniqueSleep()}`, forks: `sleep ${uniqueSleep()} & wait` }));
    const started = performance.now();
    const report = await work.run({ jobs: 3 });
    expect(performance.now() - started).to.be.lessThan(GRACE_MS * 5);
    expect(outcomesOf(report)).to.deep.equal({ fail: 'failed', stay: 'aborted', forks: 'aborted', never: 'aborted' });
    expect([report.status, report.exitCode, report.failure?.code]).to.deep.equal(['failed', 1, 'command::failed']);
    expect(report.nodes['stay']).to.have.property('startedAt');
    expect(report.nodes['never']).not.to.have.property('startedAt');
    expect(summarize(report, styleOf(false)).filter((line) => line.startsWith('Aborted'))).to.deep.equal([
      'Aborted: stopped stay, forks; not started never',
    ]);
  });

  it('kills commands that ignore TERM, after the same time as an interrupt', async function () {
    this.timeout(60_000);
    work.pipeline(pipelineOf(work, { deaf: "trap '' TERM; while :; do sleep 0.1; done" }));
    const never = endedOrGivenUp(new Promise<string>(() => {}), AbortSignal.abort());
    const report = await work.run({ jobs: 2 });
    expect(outcomesOf(report)).to.deep.include({ fail: 'failed', deaf: 'aborted' });
    expect(await never).to.equal(undefined);
  });

  it('lets other nodes continue with --keep-going', async () => {
    work.pipeline(pipelineOf(work, { stay: 'echo done' }));
    const report = await work.run({ jobs: 2, keepGoing: true });
    expect(outcomesOf(report)).to.deep.equal({ fail: 'failed', stay: 'executed', never: 'blocked' });
  });

  it('warns that a stopped node that is not cached may have half done its effects', async () => {
    work.pipeline(pipelineOf(work, { stay: `exec sleep ${uniqueSleep()}` }, ', cache: never'));
    await work.run({ jobs: 2 });
    const told = work.events.filter((event) => event.type === 'notice' && event.code === 'node::stopped');
    expect(told.map((event) => 'node' in event && event.node)).to.deep.equal(['stay']);
  });

  it('stops hooks and outside plugins that ignore their signal', async function () {
    this.timeout(60_000);
    const [hook, plugin] = ['hook.pipe', 'plugin.pipe'].map((name) => join(work.root, name));
    execFileSync('mkfifo', [hook!, plugin!]);
    work.write({ 'bin/hook': `echo > ${hook}\nexec sleep ${uniqueSleep()}\n` });
    writeFileSync(
      join(work.root, 'endless.mjs'),
      `import { writeFileSync } from 'node:fs';
const closed = { type: 'object', additionalProperties: false };
export const manifest = { kind: 'endless', revision: 1, description: 'Never ends.', config: closed, inputs: closed, outputs: closed, writes: [] };
export class plugin {
  manifest = manifest;
  async reads() { return { ok: true, value: {} }; }
  run() {
    writeFileSync(${JSON.stringify(plugin)}, 'x\\n');
    return new Promise(() => setInterval(() => {}, 1000));
  }
}
`,
    );
    work.pipeline(`
pyflow: 1
plugins: [./endless.mjs]
nodes:
  fail: { uses: command, with: { argv: [sh, -c, "read x < ${hook}; read x < ${plugin}; exit 7"] } }
  hook: { uses: hook, with: { script: bin/hook } }
  endless: { uses: endless }
`);
    const report = await work.run({ jobs: 3 });
    expect(outcomesOf(report)).to.deep.equal({ fail: 'failed', hook: 'aborted', endless: 'aborted' });
    expect(report.exitCode).to.equal(1);
    const stopped = work.events.flatMap((event) =>
      event.type === 'notice' && event.code === 'node::stopped' ? [event.node] : [],
    );
    expect(stopped).to.deep.equal(['hook']);
  });

  it('stops siblings in the sandbox of namespaces too', async function () {
    if (!(await hasNamespaces())) skipBecause(this, 'this machine has no namespaces');
    const sleep = uniqueSleep();
    // No pipe reaches into the sandbox, so the failing node gives the other some time to start.
    work.pipeline(`
pyflow: 1
nodes:
  stay: { uses: command, with: { argv: [sh, -c, "exec sleep ${sleep}"] } }
  fail: { uses: command, with: { argv: [sh, -c, "sleep 0.5; exit 7"] } }
`);
    const report = await work.run({ jobs: 2, sandbox: 'required' });
    expect(outcomesOf(report)).to.deep.equal({ fail: 'failed', stay: 'aborted' });
  });

  for (const [log, create] of Object.entries(RENDERERS)) {
    for (const keepGoing of [false, true]) {
      it(`is printed at once with --log ${log}${keepGoing ? ' and --keep-going' : ''}`, async () => {
        const go = join(work.root, 'go.pipe');
        execFileSync('mkfifo', [go]);
        // The sibling is printing at that moment; with --keep-going it ends only after the failure was printed.
        work.pipeline(pipelineOf(work, { stay: keepGoing ? `read x < ${go}` : `exec sleep ${uniqueSleep()}` }));
        let printed = '';
        const renderer = create((text) => {
          printed += text;
        });
        let atFailure: string | undefined;
        const emit = (event: object): void => {
          const told = { at: 0, ...event } as Event;
          renderer.consume(told);
          frame?.();
          if (told.type !== 'node-finished' || told.node !== 'fail') return;
          atFailure = printed;
          if (keepGoing) execFileSync('sh', ['-c', `echo > ${go}`]);
        };
        await runPipeline(work.request({ jobs: 2, keepGoing }), { emit }, work.compose, {
          version: VERSION,
          clock: systemClock,
        });
        renderer.close();
        expect(atFailure).to.contain('command::failed');
        expect(printed.match(/stay: aborted|never: aborted/g)).to.equal(null);
        if (!keepGoing && log !== 'ndjson') expect(printed).to.contain('Aborted: stopped stay; not started never');
      });
    }
  }
});
