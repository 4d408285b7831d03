import { expect } from 'chai';
import { rmSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import os from 'node:os';
import { join } from 'node:path';
import type { Reason } from '../../../src/engine/events.js';
import { whyNode } from '../../../src/engine/inspect/why.js';
import { collectGarbage } from '../../../src/engine/store/quota.js';
import { Workspace } from '../../support/workspace.js';

const HOUR_MS = 3_600_000;

const pipeline = (nodes: string, params = ''): string => `pyflow: 1\nname: reasons\n${params}nodes:\n${nodes}`;
const ON = 'params: { on: { type: boolean } }\n';
const COPY = `
  copy:
    uses: command
    with: { argv: [cp, a.txt, b.txt], reads: [a.txt], writes: [b.txt] }
`;
const PURGED = /^2\d{3}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/;

describe('engine/node/explain-miss', () => {
  let work: Workspace;
  beforeEach(() => {
    work = new Workspace().write({ 'a.txt': 'a\n' }).pipeline(pipeline(COPY));
  });
  afterEach(() => work.cleanUp());

  const evictAll = () =>
    collectGarbage(work.cacheDir, { maxBytes: 1, graceMs: 0, now: () => Date.now() + 48 * HOUR_MS });

  /** The reasons of a node, which `plan` must predict. */
  async function reasonsOf(node: string, overrides: Parameters<Workspace['run']>[0] = {}): Promise<readonly Reason[]> {
    const settings = { NO_FAST_PATH: '1' };
    const planned = (await work.plan({ settings, ...overrides })).lines.find(({ id }) => id === node);
    const { reasons = [] } = (await work.run({ settings, ...overrides })).nodes[node] ?? {};
    expect(planned?.reasons).to.deep.equal(reasons);
    return reasons;
  }

  it('distinguishes a first run, a new node, and a node that was skipped before', async () => {
    const guarded = `
  more:
    uses: command
    when: params.on
    with: { argv: [cp, a.txt, c.txt], reads: [a.txt], writes: [c.txt] }
`;
    work.pipeline(pipeline(COPY + guarded, ON));
    expect(await reasonsOf('copy', { params: { on: 'false' } })).to.deep.equal([{ type: 'first-run' }]);
    expect(await reasonsOf('more', { params: { on: 'true' } })).to.deep.equal([{ type: 'skipped-before' }]);
    work.pipeline(pipeline(COPY + guarded.replace('more', 'other').replaceAll('c.txt', 'd.txt'), ON));
    expect(await reasonsOf('other', { params: { on: 'true' } })).to.deep.equal([{ type: 'new-node' }]);
  });

  it('reports nodes that always run, and a requested refresh', async () => {
    const never = `
  never: { uses: command, cache: never, with: { argv: ['true'], writes: [] } }
`;
    work.pipeline(pipeline(COPY + never));
    await work.run();
    expect(await reasonsOf('never')).to.deep.equal([{ type: 'never-cached' }]);
    expect(await reasonsOf('copy', { refresh: ['copy'] })).to.deep.equal([{ type: 'refresh-requested' }]);
    expect(await reasonsOf('copy', { refresh: ['all'] })).to.deep.equal([{ type: 'refresh-requested' }]);
  });

  it('says when the result was evicted, and when the result to compare with was', async () => {
    await work.run();
    await evictAll();
    const [evicted, ...others] = await reasonsOf('copy');
    expect(others).to.deep.equal([]);
    expect(evicted).to.have.property('type', 'evicted');
    expect(evicted).to.have.property('at').that.matches(PURGED);
    await evictAll();
    work.write({ 'a.txt': 'b\n' });
    const [changed] = await reasonsOf('copy');
    expect(changed).to.have.property('type', 'inputs-changed');
    expect(changed).to.have.property('evictedAt').that.matches(PURGED);
  });

  it('says that a result is missing if nothing evicted it', async () => {
    await work.run();
    rmSync(join(work.cacheDir, 'ac'), { recursive: true });
    expect(await reasonsOf('copy')).to.deep.equal([{ type: 'missing-from-cache' }]);
    rmSync(join(work.cacheDir, 'ac'), { recursive: true });
    work.write({ 'a.txt': 'b\n' });
    expect(await reasonsOf('copy')).to.deep.equal([{ type: 'inputs-changed' }]);
  });

  const inHours = (hours: number): void => {
    const { compose } = work;
    const clock = { now: () => Date.now() + hours * HOUR_MS };
    work.compose = async (options) => Object.assign(await compose(options), { clock });
  };

  it('says when a result expired', async () => {
    work.pipeline(pipeline(COPY.replace('uses: command', 'uses: command\n    cache: { maxAge: 1h }')));
    const before = Date.now();
    await work.run();
    inHours(2);
    const [expired] = (await reasonsOf('copy')) as Extract<Reason, { type: 'expired' }>[];
    expect(expired?.type).to.equal('expired');
    expect(Date.parse(expired?.at ?? '')).to.be.within(before + HOUR_MS, Date.now() + HOUR_MS);
  });

  describe('of a fallback result', () => {
    const { hostname } = os;
    const setHostname = (made: typeof hostname): void => {
      os.hostname = made;
      syncBuiltinESMExports();
    };
    beforeEach(() => {
      writeFileSync(
        join(work.root, 'fallback.mjs'),
        `const none = { type: 'object', properties: {}, additionalProperties: false };
const outputs = { ...none, properties: { n: { type: 'number' } }, required: ['n'] };
export const manifest = { kind: 'fallback', revision: 1, description: 'x', config: none, inputs: none, outputs, writes: [] };
export class plugin {
  manifest = manifest;
  async reads() { return { ok: true, value: {} }; }
  async run() { return { ok: true, value: { outputs: { n: 1 }, degraded: { reason: 'x', maxAgeMs: 60000 } } }; }
}`,
      );
      work.pipeline('pyflow: 1\nname: fallback\nplugins: [fallback.mjs]\nnodes:\n  made: { uses: fallback }\n');
    });
    afterEach(() => setHostname(hostname));

    it('says when it expired', async () => {
      await work.run();
      inHours(1);
      expect((await reasonsOf('made')).map(({ type }) => type)).to.deep.equal(['expired']);
    });

    it('says that another machine made it', async () => {
      await work.run();
      setHostname(() => 'elsewhere');
      expect(await reasonsOf('made')).to.deep.equal([{ type: 'bound-to-other-host' }]);
    });
  });

  it('says that a hidden value changed if only masked values differ', async () => {
    work.pipeline(
      pipeline(
        `
  quiet:
    uses: command
    env: { URL: "token-\${{ params.token }}" }
    secrets: [TOKEN]
    with: { argv: [sh, -c, 'echo done > b.txt'], writes: [b.txt] }
`,
        'params: { token: { type: string } }\n',
      ),
    );
    await work.run({ params: { token: 'hunter2-one' }, variables: { TOKEN: 'hunter2-one' } });
    expect(
      await reasonsOf('quiet', { params: { token: 'hunter2-two' }, variables: { TOKEN: 'hunter2-two' } }),
    ).to.deep.equal([{ type: 'hidden-value-changed' }]);
  });

  it('names the node that a blocked node needs, and the failure that `plan` predicts', async () => {
    work.pipeline(
      pipeline(`
  first: { uses: command, with: { argv: ['false'], writes: [] } }
  late: { uses: command, with: { argv: ['true'], writes: [] }, after: [first] }
`),
    );
    const report = await work.run({ keepGoing: true });
    expect(report.nodes['late']?.reasons).to.deep.equal([{ type: 'needs-node', node: 'first' }]);
    const late = '  late: { uses: command, with: { argv: [ls], writes: [] }, after: [detect] }\n';
    work.remove('a.txt').pipeline(pipeline(`  detect: { uses: detect }\n${late}`));
    const { lines } = await work.plan({ keepGoing: true });
    expect(lines[0]).to.deep.include({ id: 'detect', outcome: 'failed', reasons: [] });
    expect(lines[0]?.failure?.blame).to.equal('app');
    expect(lines[1]?.reasons).to.deep.equal([{ type: 'needs-node', node: 'detect' }]);
  });

  describe('why', () => {
    const CHAIN = `${COPY}
  next: { uses: command, inputs: { tree: copy.tree }, with: { argv: [cp, b.txt, c.txt], writes: [c.txt] } }
`;
    const why = (node: string, against?: string) => whyNode(work.request(), node, against);

    it('compares two runs, and names the node whose layer changed', async () => {
      work.pipeline(pipeline(CHAIN));
      const first = await work.run();
      work.write({ 'a.txt': 'b\n' });
      await work.run();
      const explained = await why('next', first.runId);
      expect(explained)
        .to.have.nested.property('value.reasons')
        .that.deep.equals([{ type: 'layer-changed', port: 'tree', nodes: ['copy'] }]);
    });

    it('says that another version of pyflow wrote the records of a run', async () => {
      const { runId, appId } = await work.run();
      writeFileSync(join(work.cacheDir, 'runs', appId, `${runId}.json`), '{"schema":"pyflow.report/1"}');
      expect(await why('copy')).to.have.nested.property('failure.code', 'why::other-version');
    });
  });
});
