// The process of an outside plugin as the machine sees it: what it gets, what it leaves behind, and when it does not run.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { CliScene, type Ended } from '../support/cli-scene.js';

const NONE = "{ type: 'object', properties: {}, additionalProperties: false }";

/** `run` and `reads` are function bodies; `top` is the code before them. */
const plugin = ({ top = '', reads = '', run = '' }: { top?: string; reads?: string; run?: string }): string => `
import { spawn } from 'node:child_process';
import fs from 'node:fs';
${top}
export const manifest = {
  kind: 'some', revision: 1, description: 'Some.', config: ${NONE}, inputs: ${NONE}, writes: ['seen.json'],
  outputs: { type: 'object', properties: { n: { type: 'integer', description: 'N.' } }, required: ['n'], additionalProperties: false },
};
export class plugin {
  static inject = ['Subprocess', 'Files'];
  manifest = manifest;
  constructor(subprocess, files) { this.subprocess = subprocess; this.files = files; }
  async reads(node, view) { ${reads}; return { ok: true, value: { files: ['x.txt'] } }; }
  async run(node, context) { ${run}; return { ok: true, value: { outputs: { n: 1 } } }; }
}
`;
const PIPELINE = 'pyflow: 1\nname: some\nplugins: [some.mjs]\nnodes:\n  some: { uses: some }\n';

describe('cli: the process of an outside plugin', () => {
  let scene: CliScene;
  beforeEach(() => {
    scene = new CliScene().pipeline(PIPELINE).write({ 'x.txt': 'x\n' });
  });
  afterEach(() => scene.cleanUp());

  const write = (parts: Parameters<typeof plugin>[0]): CliScene =>
    scene.write({ 'some.mjs': plugin(parts) }, scene.root);
  const printed = ({ events }: Ended): readonly string[] =>
    events.flatMap((event) => (event.type === 'node-printed' ? [event.text] : []));

  it('adds everything that a plugin prints to the log of its node', async () => {
    write({
      top: "console.log('at load'); process.emitWarning('careful');",
      reads: "console.log('in reads')",
      run: `console.log('in run'); console.error('as an error'); process.stdout.write('two\\nlines'); fs.writeSync(1, 'past it\\n');
        await new Promise((done) => spawn('sh', ['-c', 'echo from a child'], { stdio: 'inherit' }).on('close', done))`,
    });
    const ended = await scene.run();
    expect(ended.status, ended.stdout + ended.stderr).to.equal(0);
    for (const line of ended.stdout.split('\n'))
      if (line !== '') expect(() => void JSON.parse(line), line).not.to.throw();
    expect(printed(ended)).to.include.members([
      'in reads',
      'in run',
      'as an error',
      'two',
      'lines',
      'past it',
      'from a child',
    ]);
    expect(ended.stderr).to.equal('');
  });

  it('passes no secrets, settings or standard input to it, and starts it in an unused folder', async () => {
    write({
      run: `this.files.of(context).app.write('seen.json', JSON.stringify({ env: process.env, cwd: process.cwd(), stdin: fs.readFileSync(0, 'utf8') }))`,
    });
    const env = { PYFLOW_INDEX: 'https://user:word@index', TOKEN: 'abc', NODE_OPTIONS: '--no-warnings' };
    expect((await scene.run({ env })).status).to.equal(0);
    const seen = JSON.parse(readFileSync(join(scene.outDir, 'seen.json'), 'utf8')) as {
      readonly env: Readonly<Record<string, string>>;
      readonly cwd: string;
      readonly stdin: string;
    };
    // Node itself adds it to every process while coverage is measured.
    const { NODE_V8_COVERAGE: _, ...given } = seen.env;
    expect(Object.keys(given).sort()).to.deep.equal(['HOME', 'PATH', 'PYFLOW_RUN_NODE']);
    expect(seen).to.include({ cwd: '/', stdin: '' });
  });

  it('stops the processes that the plugin started, even if they detached', async () => {
    write({
      run: `spawn('sh', ['-c', 'setsid sleep 1000 & sleep 1000'], { detached: true, stdio: 'ignore' }).unref(); spawn('sleep', ['1000'], { stdio: 'inherit' })`,
    });
    const ended = await scene.run();
    expect(ended.status, ended.stderr).to.equal(0);
    expect(await scene.survivors()).to.deep.equal([]);
  });

  for (const [name, parts] of Object.entries({
    'a wait in run': { run: "console.log('here'); await new Promise(() => {})" },
    'a loop in run': { run: "console.log('here'); for (;;);" },
    'a wait in reads': { reads: 'await new Promise(() => {})' },
    'a timer that stays': { run: 'setInterval(() => {}, 1000)' },
  })) {
    it(`stops within 5 s of SIGTERM, and leaves no process: ${name}`, async () => {
      write(parts);
      const running = scene.start();
      if (name.endsWith('in run')) await running.untilPrinted('here');
      else await running.until(({ type }) => type === 'run-started');
      const asked = performance.now();
      running.child.kill('SIGTERM');
      const { status } = await running.ended;
      expect(performance.now() - asked).to.be.lessThan(5000);
      expect(status).to.be.oneOf(name === 'a timer that stays' ? [0, 143] : [143]);
      expect(await scene.survivors()).to.deep.equal([]);
    });

    it(`leaves no process if pyflow is killed: ${name}`, async () => {
      write(parts);
      const running = scene.start();
      if (name.endsWith('in run')) await running.untilPrinted('here');
      else await running.until(({ type }) => type === 'run-started');
      running.child.kill('SIGKILL');
      await running.ended;
      expect(await scene.survivors(10_000)).to.deep.equal([]);
    });
  }

  it('uses one process for many nodes, and none for an up-to-date run', async () => {
    const log = join(scene.root, 'loads');
    write({ top: `fs.appendFileSync(${JSON.stringify(log)}, 'x');` });
    const nodes = Array.from(
      { length: 20 },
      (_, index) => `  n${index}: { uses: some, after: [${index > 0 ? `n${index - 1}` : ''}] }`,
    );
    scene.pipeline(`pyflow: 1\nname: some\nplugins: [some.mjs]\nnodes:\n${nodes.join('\n')}\n`);
    expect((await scene.run()).status).to.equal(0);
    expect(readFileSync(log, 'utf8')).to.equal('x');
    const again = await scene.run();
    expect(again.report?.nodes['n19']?.outcome).to.equal('up-to-date');
    expect(readFileSync(log, 'utf8')).to.equal('x');
  });

  it('restarts after an edit of a file that it imports', async () => {
    write({ top: "import { n } from './n.mjs';", run: 'return { ok: true, value: { outputs: { n } } }' });
    for (const n of [1, 1, 2]) {
      scene.write({ 'n.mjs': `export const n = ${n};\n` }, scene.root);
      expect((await scene.run()).report?.nodes['some']?.outputs).to.deep.equal({ n });
    }
  });

  it('does not load it for a pipeline without it', async () => {
    write({ top: `fs.writeFileSync(${JSON.stringify(join(scene.root, 'loaded'))}, '');` });
    scene.pipeline('pyflow: 1\nname: none\nnodes:\n  a: { uses: command, with: { argv: ["true"] } }\n');
    expect((await scene.run()).status).to.equal(0);
    expect(existsSync(join(scene.root, 'loaded'))).to.equal(false);
  });

  for (const [name, body, code] of [
    ['an interrupted command', "return this.subprocess.run(context, { argv: ['sleep', '1000'] })", 'node::timeout'],
    ['a loop', 'for (;;);', 'node::timeout'],
    ['an exit', 'process.exit(0)', 'plugin::exited'],
    [
      'an odd blame',
      "return { ok: false, failure: { code: 'a', blame: '', title: 't', detail: '', remedy: 'r' } }",
      'plugin::wrong-answer',
    ],
  ] as const) {
    for (const args of [[], ['--keep-going']]) {
      it(`never exits with 0 if a node failed: ${name} ${args.join('')}`, async () => {
        write({ run: body });
        scene.pipeline(
          'pyflow: 1\nname: some\nplugins: [some.mjs]\nnodes:\n  some: { uses: some, timeout: 1s }\n  next: { uses: command, after: [some], with: { argv: ["true"] } }\n',
        );
        const { status, report } = await scene.run({ args });
        expect(report?.nodes['some']?.failure?.code).to.equal(code);
        expect(status).to.equal(name === 'an interrupted command' ? 1 : 70);
      });
    }
  }
});
