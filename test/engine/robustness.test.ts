import { expect } from 'chai';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundledCli, CliScene, contentOf } from '../support/cli-scene.js';
import { killAtRandom } from '../support/kill-rounds.js';
import { hasNamespaces } from '../support/namespaces.js';
import { die, interrupt } from '../support/stubborn.js';
import { syntheticApp, syntheticContent, syntheticPipeline } from '../support/synthetic.js';
import { skipBecause } from '../support/skip.js';

const SEED = Number(process.env['PYFLOW_SEED'] ?? Date.now() % 1_000_000);

describe('robustness', () => {
  before(() => void bundledCli());

  describe('kill -9', () => {
    it('leaves a cache from which the next run makes the correct slug, and no process', async function () {
      this.timeout(60_000);
      await killAtRandom({ rounds: 7, sandbox: 'none', seed: SEED });
    });

    it('does the same with namespaces', async function () {
      if (!(await hasNamespaces())) skipBecause(this, 'this machine has no namespaces');
      this.timeout(60_000);
      await killAtRandom({ rounds: 5, sandbox: 'required', seed: SEED });
    });
  });

  describe('a run that dies', () => {
    for (const signal of ['SIGKILL', 'SIGHUP'] as const) {
      it(`ends all its commands: ${signal}`, async function () {
        this.timeout(60_000);
        const nodes = ['deaf', 'leaves', 'daemon', 'forks'] as const;
        const runs = [die({ signal, sandbox: 'none', nodes })];
        if (await hasNamespaces()) runs.push(die({ signal, sandbox: 'required', nodes }));
        await Promise.all(runs);
      });
    }

    it('survives a reader that closes the pipe', async () => {
      const scene = new CliScene();
      try {
        scene.pipeline(syntheticPipeline()).write(syntheticApp('unread'));
        const run = scene.start({ log: 'ndjson' });
        await run.until(({ type }) => type === 'run-started');
        run.child.stdout!.destroy();
        run.child.stderr!.destroy();
        expect((await run.ended).status).to.equal(0);
        expect(contentOf(scene.outDir)).to.deep.equal(syntheticContent('unread'));
      } finally {
        scene.cleanUp();
      }
    });
  });

  describe('an interrupted run', () => {
    it('ends as soon as its commands end', () =>
      interrupt({
        signal: 'SIGINT',
        to: 'group',
        sandbox: 'none',
        nodes: ['sleeps', 'forks', 'leaves', 'busy'],
        withinMs: 2500,
      }));

    it('ends as soon as its commands end, with namespaces', async function () {
      if (!(await hasNamespaces())) skipBecause(this, 'this machine has no namespaces');
      await interrupt({
        signal: 'SIGTERM',
        to: 'process',
        sandbox: 'required',
        nodes: ['sleeps', 'forks', 'leaves', 'busy'],
        withinMs: 2500,
      });
    });

    it('ends within six seconds with all its processes, even if they ignore signals', async function () {
      this.timeout(60_000);
      const nodes = ['sleeps', 'deaf', 'leaves', 'daemon'] as const;
      const runs = [interrupt({ signal: 'SIGTERM', to: 'process', sandbox: 'none', nodes, withinMs: 6000 })];
      if (await hasNamespaces())
        runs.push(interrupt({ signal: 'SIGINT', to: 'group', sandbox: 'required', nodes, withinMs: 6000 }));
      await Promise.all(runs);
    });

    it('does not wait for them after a second signal', async function () {
      this.timeout(60_000);
      const nodes = ['deaf', 'daemon', 'chatty'] as const;
      const runs = [interrupt({ signal: 'SIGINT', to: 'group', sandbox: 'none', nodes, withinMs: 1500, twice: true })];
      if (await hasNamespaces())
        runs.push(
          interrupt({ signal: 'SIGINT', to: 'group', sandbox: 'required', nodes, withinMs: 1500, twice: true }),
        );
      await Promise.all(runs);
    });
  });

  describe('a secret', () => {
    const SECRET = 'hunter2-hunter2-hunter2';
    const UNNAMED = 'unnamed-value-of-the-app-4711';
    const PASSWORD = 'pa55-w0rd-in-a-url';
    let scene: CliScene;
    beforeEach(() => {
      scene = new CliScene();
      const envDir = join(scene.root, 'env');
      mkdirSync(envDir);
      for (const [name, value] of Object.entries({
        API_TOKEN: SECRET,
        SECOND: `${SECRET}-2\nline-two-${SECRET}\n`,
        OTHER: UNNAMED,
        SEEN: 'seen-value-of-the-app',
      })) {
        writeFileSync(join(envDir, name), value);
      }
    });
    afterEach(() => scene.cleanUp());

    /** Every file in the folder whose bytes contain the text. */
    const holding = (folder: string, text: string): readonly string[] =>
      existsSync(folder)
        ? readdirSync(folder, { recursive: true, withFileTypes: true })
            .filter((entry) => entry.isFile())
            .map((entry) => join(entry.parentPath, entry.name))
            .filter((path) => readFileSync(path).includes(text))
        : [];

    const pipeline = (last: string): string => `
pyflow: 1
name: secrets
params:
  index: { type: string, default: "none" }
nodes:
  prints:
    uses: command
    secrets: [API_TOKEN, { name: SECOND, label: v1 }]
    with: { argv: [sh, -c, 'echo "token $API_TOKEN"; echo "$SECOND" >&2; printf "%s" "$API_TOKEN"; env | sort'], capture: true, appEnv: [SEEN] }
  url:
    uses: command
    with: { argv: [sh, -c, 'echo "Looking in indexes: https://ada:${PASSWORD}@example.org/simple, https://ada:x@${PASSWORD}@example.org/"'] }
  after:
    uses: command
    with: { argv: [sh, -c, 'echo done > made'], writes: [made] }
    after: [prints, url]
  last:
    uses: command
    secrets: [API_TOKEN]
    with: { argv: [sh, -c, '${last}'] }
    after: [after]
`;

    for (const log of ['ndjson', 'plain'] as const) {
      it(`is in no event, log, report, trace, cache file or slug (${log})`, async () => {
        const args = [
          `--env-dir=${scene.root}/env`,
          `--report=${scene.root}/report.json`,
          `--trace=${scene.root}/trace.json`,
          '--verbose',
        ];
        const outputs: string[] = [];
        for (const last of [
          'echo "$API_TOKEN"',
          'echo "why $API_TOKEN https://u:${PW}@h/" >&2; exit 3'.replace('${PW}', PASSWORD),
        ]) {
          scene.pipeline(pipeline(last));
          const ended = await scene.run({ args, log });
          expect(ended.status, ended.stdout + ended.stderr).to.equal(last.includes('exit') ? 1 : 0);
          outputs.push(ended.stdout + ended.stderr);
          // Restored, so that logs are replayed.
          rmSync(scene.outDir, { recursive: true, force: true });
          outputs.push((await scene.run({ args, log })).stdout);
        }
        for (const text of [SECRET, UNNAMED, PASSWORD]) {
          expect(outputs.filter((output) => output.includes(text))).to.deep.equal([]);
          for (const folder of [scene.cacheDir, scene.outDir]) expect(holding(folder, text)).to.deep.equal([]);
          for (const file of ['report.json', 'trace.json']) {
            expect(readFileSync(join(scene.root, file), 'utf8')).not.to.include(text);
          }
        }
        expect(outputs[0])
          .to.include('token ***')
          .and.include('https://***@example.org/simple')
          .and.include('seen-value-of-the-app');
        expect(readFileSync(join(scene.root, 'report.json'), 'utf8')).to.include('why ***');
      });
    }

    it('[userenv.scope] changes no key if no node names it, or if only the value of a secret changes', async () => {
      scene.pipeline(pipeline('echo "$API_TOKEN"'));
      const args = [`--env-dir=${scene.root}/env`];
      const keys = async (): Promise<readonly (string | undefined)[]> =>
        Object.values((await scene.run({ args })).report?.nodes ?? {}).map(({ key }) => key);
      const before = await keys();
      expect(before).to.have.length(4);
      writeFileSync(join(scene.root, 'env/OTHER'), 'another value');
      writeFileSync(join(scene.root, 'env/API_TOKEN'), 'another-secret-value');
      expect(await keys()).to.deep.equal(before);
      writeFileSync(join(scene.root, 'env/SEEN'), 'another value');
      expect(await keys()).not.to.deep.equal(before);
    });
  });
});
