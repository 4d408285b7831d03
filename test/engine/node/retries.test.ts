import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasNamespaces } from '../../support/namespaces.js';
import { outcomesOf, Workspace } from '../../support/workspace.js';
import { checkText } from '../../support/check-text.js';
import { skipBecause } from '../../support/skip.js';

describe('retries', () => {
  let work: Workspace;
  beforeEach(() => {
    work = new Workspace();
  });
  afterEach(() => work.cleanUp());

  /** A command that counts its attempts outside the app. `rest` are more fields of the node. */
  const count = (script: string, rest: string): string =>
    `pyflow: 1\nnodes:\n  n: { uses: command, with: { argv: [sh, -c, ${JSON.stringify(`echo x >> ${join(work.root, 'tries')}; ${script}`)}] }, ${rest} }\n`;
  const tries = (): number => readFileSync(join(work.root, 'tries'), 'utf8').trim().split('\n').length;
  const retried = () => work.events.flatMap((event) => (event.type === 'node-retried' ? [event] : []));

  it('follow an exit status if the node names `exit`, and appear in events, report and log', async () => {
    work.pipeline(count('exit 7', 'retries: { times: 1, on: [exit] }'));
    const report = await work.run();
    expect([tries(), report.exitCode, report.nodes['n']?.attempts]).to.deep.equal([2, 1, 2]);
    const [event] = retried();
    expect(event).to.deep.include({ attempt: 2, attempts: 2, delayMs: 1000 });
    expect(event?.failure.code).to.equal('command::failed');
  });

  it('follow a signal like an exit status, and end with the first success', async () => {
    work.pipeline(
      count(`[ $(wc -l < ${join(work.root, 'tries')}) = 2 ] || kill -KILL $$`, 'retries: { times: 3, on: [exit] }'),
    );
    const report = await work.run();
    expect([tries(), outcomesOf(report)['n'], report.nodes['n']?.attempts]).to.deep.equal([2, 'executed', 2]);
  });

  it('follow the timeout of a node with network access, which is a failure of the environment', async () => {
    work.pipeline(count('sleep 60', 'network: true, timeout: 1s, retries: 1'));
    const report = await work.run();
    expect([tries(), report.exitCode, report.failure?.code]).to.deep.equal([2, 75, 'node::timeout']);
  });

  it('follow the timeout of a node without network access, which is a failure of the app, only if the node names it', async () => {
    work.pipeline(count('sleep 60', 'timeout: 1s, retries: 1'));
    expect([(await work.run()).exitCode, tries()]).to.deep.equal([1, 1]);
    work.pipeline(count('sleep 60', 'timeout: 1s, retries: { times: 1, on: [timeout] }'));
    expect([(await work.run()).exitCode, tries()]).to.deep.equal([1, 3]);
  });

  it('do not follow a cause that the node does not name', async () => {
    work.pipeline(count('exit 7', 'timeout: 20s, retries: { times: 3, on: [timeout] }'));
    expect([(await work.run()).exitCode, tries()]).to.deep.equal([1, 1]);
  });

  it('do not repeat a hook after a timeout unless the node names that cause, and say so', async () => {
    work.write({ 'bin/slow': `#!/bin/sh\necho x >> ${join(work.root, 'tries')}\nsleep 60\n` });
    const hook = (retries: string): string =>
      `pyflow: 1\nnodes:\n  n: { uses: hook, with: { script: bin/slow }, timeout: 1s, retries: ${retries} }\n`;
    work.pipeline(hook('1'));
    const report = await work.run();
    expect([report.exitCode, tries()]).to.deep.equal([75, 1]);
    expect(work.events.some((event) => event.type === 'notice' && event.code === 'node::not-retried')).to.equal(true);
    work.pipeline(hook('{ times: 1, on: [timeout] }'));
    await work.run();
    expect(tries()).to.equal(3);
  });

  it('end with the run when another node fails meanwhile', async () => {
    work.pipeline(`
pyflow: 1
nodes:
  flaky: { uses: command, with: { argv: [sh, -c, "exit 7"] }, retries: { times: 10, on: [exit] } }
  fail: { uses: command, with: { argv: [sh, -c, "sleep 0.3; exit 1"] } }
`);
    const report = await work.run({ jobs: 2 });
    expect(outcomesOf(report)).to.deep.include({ fail: 'failed' });
    expect(report.durationMs).to.be.lessThan(20_000);
  });
});

describe('retries without effect', () => {
  const warningsOf = async (node: string): Promise<readonly string[]> =>
    (await checkText(`pyflow: 1\nnodes:\n  n: { ${node} }\n`)).map(({ code, severity }) => `${severity} ${code}`);
  const USELESS = ['warning pipeline::useless-retries'];
  const argv = 'with: { argv: [x] }';

  for (const [node, expected] of [
    [`uses: command, ${argv}, retries: 3`, USELESS],
    [`uses: command, ${argv}, retries: 3, network: true`, USELESS],
    [`uses: command, ${argv}, retries: { times: 2, on: [environment] }`, USELESS],
    [`uses: command, ${argv}, retries: { times: 2, on: [exit, timeout] }`, USELESS],
    [`uses: package-manager, retries: 1`, USELESS],
    [`uses: hook, with: { script: a }, retries: 1`, USELESS],
    [`uses: command, ${argv}, retries: 3, network: true, timeout: 1m`, []],
    [`uses: command, ${argv}, retries: { times: 2, on: [exit] }`, []],
    [`uses: hook, with: { script: a }, retries: { times: 1, on: [exit] }`, []],
    [`uses: command, ${argv}, retries: 0`, []],
    [`uses: command, ${argv}, timeout: 25d`, ['error pipeline::bad-value']],
    [`uses: command, ${argv}, retries: { times: 1, on: [] }`, ['error pipeline::bad-value']],
    [`uses: command, ${argv}, retries: { on: [exit] }`, ['error pipeline::missing-field']],
    [`uses: command, ${argv}, retries: { times: 1, on: [crash] }`, ['error pipeline::bad-value']],
    [`uses: command, ${argv}, retries: often`, ['error pipeline::wrong-type']],
  ] as const) {
    it(`are ${expected.length === 0 ? 'not reported for' : expected[0] === USELESS[0] ? 'warned about for' : 'rejected for'} ${node}`, async () => {
      expect(await warningsOf(node)).to.deep.equal(expected);
    });
  }
});

describe('a missing cwd or program', () => {
  for (const sandbox of ['none', 'required'] as const) {
    for (const [what, fields, says] of [
      ['is missing', 'cwd: nosuch, argv: [pwd]', /nosuch/],
      ['is not among the reads', 'cwd: seen/not, argv: [pwd]', /seen\/not/],
      ['is a file', 'cwd: file, reads: [file], argv: [pwd]', /file/],
      ['is a broken link', 'cwd: nowhere, reads: [nowhere], argv: [pwd]', /nowhere/],
      ['goes through a link out of the app', 'cwd: out/x, reads: [out], argv: [pwd]', /out/],
      ['is a program that is not in PATH', 'argv: [no-such-program]', /no-such-program/],
      ['is a program of the app that is not in `reads`', 'argv: [./run.sh]', /run\.sh/],
      ['is a program that is not executable', 'argv: [./file], reads: [file]', /file/],
      ['is a program that is a folder', 'argv: [./seen], reads: ["seen/**"]', /seen/],
      ['is empty', 'argv: [""]', /""/],
    ] as const) {
      it(`is a failure of the pipeline if it ${what}, with --sandbox ${sandbox}`, async function () {
        if (sandbox === 'required' && !(await hasNamespaces())) skipBecause(this, 'this machine has no namespaces');
        const work = new Workspace();
        try {
          work.write({ 'seen/file': 'x', 'seen/not/file': 'x', file: 'x', 'run.sh': '#!/bin/sh\n' });
          work.link('nowhere', 'nothing').link('out', '..');
          work.pipeline(`pyflow: 1\nnodes:\n  n: { uses: command, with: { ${fields} } }\n`);
          const { exitCode, failure } = await work.run({ sandbox });
          expect([exitCode, failure?.blame]).to.deep.equal([2, 'pipeline']);
          expect(failure?.title + failure!.detail + failure!.remedy).to.match(says);
          if (fields.includes('cwd')) expect(failure?.title).to.match(/\bcwd\b/);
          if (!/no-such|""/.test(fields)) expect(failure?.remedy).to.match(/`reads`/);
        } finally {
          work.cleanUp();
        }
      });
    }
  }
});
