import { expect } from 'chai';
import { statSync } from 'node:fs';
import { parseLimits, withDefaults } from '../../../../src/engine/process/sandbox/limits.js';
import { parseSize } from '../../../../src/manifests/pipeline/sizes.js';
import { hasNamespaces } from '../../../support/namespaces.js';
import { processesWith, uniqueSleep } from '../../../support/processes.js';
import { verdictOf, type Verdict } from '../../../support/verdict.js';
import { Workspace } from '../../../support/workspace.js';
import { skipBecause } from '../../../support/skip.js';

/** Each of them must end within this time. */
const AT_MOST_MS = 30_000;
const MEGABYTE = 1024 * 1024;

describe('limits', function () {
  this.timeout(120_000);
  let work: Workspace;
  beforeEach(() => {
    work = new Workspace();
  });
  afterEach(() => work.cleanUp());

  describe('sizes', () => {
    it('reads common spellings and rejects the rest', () => {
      expect(['1', '2k', '512m', '1G', '1t'].map(parseSize)).to.deep.equal([1, 2048, 512 * MEGABYTE, 1 << 30, 2 ** 40]);
      for (const text of ['', '0', '0m', '-1', '1.5g', '1gb', 'm', '1e3', ' 1', '999999999999t'])
        expect(parseSize(text), text).to.equal(undefined);
    });
  });

  describe('PYFLOW_LIMITS', () => {
    it('is a list of names with amounts', () => {
      expect(parseLimits('memory=2g, processes=512,disk=4g')).to.deep.equal({
        ok: true,
        value: { memory: 2 ** 31, processes: 512, disk: 2 ** 32 },
      });
      expect(parseLimits(undefined)).to.deep.equal({ ok: true, value: {} });
    });

    for (const text of ['memory', 'memory=', 'memory=0', 'processes=1k', 'cpu=1', 'disk=4gb', 'memory=1g;disk=1g'])
      it(`rejects ${text} by name`, () => {
        expect(parseLimits(text)).to.have.nested.property('failure.code', 'settings::wrong-limits');
      });

    it('always limits memory and processes', () => {
      const { memory, processes } = withDefaults({});
      expect(memory).to.be.greaterThan(0);
      expect(processes).to.be.within(1024, 1_000_000);
    });
  });

  const pipeline = (limits: string, script: string): string =>
    [
      'pyflow: 1',
      'nodes:',
      '  greedy:',
      '    uses: command',
      ...(limits === '' ? [] : [`    limits: ${limits}`]),
      `    with: { argv: [bash, -c, ${JSON.stringify(script)}], writes: ['**'] }`,
      '',
    ].join('\n');

  interface Greedy {
    readonly limits: string;
    readonly what: string;
    readonly script: (nap: string) => string;
  }
  const HOGS: Readonly<Record<string, Greedy>> = {
    'a bomb of forks': {
      limits: '{ processes: 200 }',
      what: 'processes',
      script: (nap) => `bomb() { /bin/sleep ${nap} & bomb | bomb & }; bomb; /bin/sleep ${nap}`,
    },
    'many processes with sessions of their own': {
      limits: '{ processes: 50 }',
      what: 'processes',
      script: (nap) => `for i in $(seq 400); do setsid env -i /bin/sleep ${nap} & done; wait`,
    },
    '4 GB of memory under a limit of 1 GB': {
      limits: '{ memory: 1g }',
      what: 'memory',
      script: (nap) =>
        `/usr/bin/python3 -c 'import time; a = [bytearray(b"x" * (64 << 20)) for _ in range(64)]; time.sleep(${nap})'`,
    },
    'memory in many processes': {
      limits: '{ memory: 300m }',
      what: 'memory',
      script: (nap) =>
        `for i in 1 2 3 4 5 6; do /usr/bin/python3 -c 'import time; a = b"x" * (100 << 20); time.sleep(${nap})' & done; wait`,
    },
    'memory that is shared': {
      limits: '{ memory: 200m }',
      what: 'memory',
      script: (nap) =>
        `/usr/bin/python3 -c 'import mmap, time; m = mmap.mmap(-1, 600 << 20); m.write(b"x" * (600 << 20)); time.sleep(${nap})'`,
    },
    'a file that grows': {
      limits: '{ disk: 100m }',
      what: 'disk',
      script: (nap) => `dd if=/dev/zero of=large bs=1M count=400 && /bin/sleep ${nap}`,
    },
    'a file that is written and left at once': {
      limits: '{ disk: 20m }',
      what: 'disk',
      script: () => 'head -c 30000000 /dev/zero > large',
    },
    'a file with a hole': { limits: '{ disk: 100m }', what: 'disk', script: () => 'truncate -s 10T large' },
    'many small files in deep folders': {
      limits: '{ disk: 1m }',
      what: 'disk',
      script: () => 'for i in $(seq 200); do mkdir d && cd -P d && head -c 10000 /dev/zero > f; done',
    },
  };

  for (const sandbox of ['required', 'none'] as const) {
    describe(`with --sandbox ${sandbox}`, () => {
      before(async function () {
        if (sandbox === 'required' && !(await hasNamespaces())) skipBecause(this, 'this machine has no namespaces');
      });

      for (const [name, { limits, what, script }] of Object.entries(HOGS)) {
        it(`ends ${name}, and the next build works`, async () => {
          const nap = uniqueSleep();
          const startedAt = performance.now();
          work.pipeline(pipeline(limits, script(nap)));
          const verdict = await verdictOf(work, { sandbox });
          expect(performance.now() - startedAt).to.be.below(AT_MOST_MS);
          expectLimit(verdict, what);
          expect(processesWith(nap)).to.deep.equal([]);

          work.pipeline(pipeline(limits, 'echo fine > fine.txt'));
          expect((await work.run({ sandbox })).exitCode).to.equal(0);
        });
      }

      it('uses the limits of the operator if the node has none', async () => {
        work.pipeline(pipeline('', 'for i in $(seq 40); do /bin/sleep 100 & done; wait'));
        expectLimit(await verdictOf(work, { sandbox, settings: { LIMITS: 'processes=20' } }), 'processes');
      });

      it('prefers the limits of the node to those of the operator', async () => {
        work.pipeline(pipeline('{ processes: 100 }', 'for i in $(seq 40); do /bin/sleep 0.3 & done; wait'));
        expect((await work.run({ sandbox, settings: { LIMITS: 'processes=20' } })).exitCode).to.equal(0);
      });

      it('counts memory that processes share after a fork only once', async () => {
        const script =
          '/usr/bin/python3 -c \'import os, time; a = b"x" * (100 << 20); [os.fork() for _ in range(3)]; time.sleep(0.5)\'';
        work.pipeline(pipeline('{ memory: 300m }', script));
        expect((await work.run({ sandbox })).exitCode).to.equal(0);
      });

      it('allows a file as large as the limit', async () => {
        work.pipeline(pipeline('{ disk: 10m }', 'head -c 10485760 /dev/zero > large'));
        expect((await work.run({ sandbox })).exitCode).to.equal(0);
        expect(statSync(`${work.outDir}/large`).size).to.equal(10 * MEGABYTE);
      });
    });
  }

  function expectLimit(verdict: Verdict, what: string): void {
    expect({ exit: verdict.exit, code: verdict.code }).to.deep.equal({ exit: 1, code: 'node::limit' });
    expect(verdict.report?.failure?.remedy).to.include(`limits.${what}`);
  }

  it('re-run no node when they change', async () => {
    work.pipeline(pipeline('{ processes: 100 }', 'echo x > made'));
    await work.run();
    work.pipeline(pipeline('{ processes: 200, disk: 1g }', 'echo x > made'));
    const report = await work.run();
    expect(Object.values(report.nodes).map((node) => node.outcome)).to.deep.equal(['up-to-date']);
  });

  it('of the operator are rejected before a command runs if they are invalid', async () => {
    work.pipeline(pipeline('', 'echo x > made'));
    const verdict = await verdictOf(work, { settings: { LIMITS: 'memory=much' } });
    expect({ exit: verdict.exit, code: verdict.code }).to.deep.equal({ exit: 75, code: 'settings::wrong-limits' });
  });

  for (const limits of [
    '{ memory: 0m }',
    '{ memory: much }',
    '{ cpu: 1 }',
    '{ processes: 0 }',
    '{ processes: 2g }',
    '{}',
  ])
    it(`of a node are checked: ${limits}`, async () => {
      work.pipeline(pipeline(limits, 'true'));
      expect((await verdictOf(work)).exit).to.equal(2);
    });
});
