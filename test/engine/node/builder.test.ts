// Nodes that depend on the programs of the machine, on two machines that share a cache.

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import type { Reason } from '../../../src/engine/events.js';
import { succeed } from '../../../src/engine/failure.js';
import { whyNode } from '../../../src/engine/inspect/why.js';
import type { RunRequest } from '../../../src/engine/request.js';
import { composeWith, outputs, type Toy } from '../../support/toy-kinds.js';
import { outcomesOf, Workspace } from '../../support/workspace.js';

const STATUS = 'var/lib/dpkg/status';

describe('the builder', () => {
  let work: Workspace;
  let ran: string[];
  beforeEach(() => {
    ran = [];
    work = new Workspace().write({ 'app.py': 'print()\n' });
  });
  afterEach(() => work.cleanUp());

  const noting = (name: string, toy: Toy = {}, more: Parameters<typeof outputs>[1] = {}): Toy => ({
    ...toy,
    run: async () => {
      ran.push(name);
      return outputs({}, more);
    },
  });
  /** A kind of each sort, and what ran. */
  function use(): void {
    const toys: Record<string, Toy> = {
      // Unpacks wheels, so nothing of the machine matters.
      wheels: noting('wheels'),
      source: noting('source', {}, { usedBuilder: true }),
      compile: noting('compile', { manifest: { usesBuilder: true } }),
      idle: noting('idle', { manifest: { usesBuilder: true }, reads: () => succeed({ pure: true }) }),
    };
    const nodes = Object.keys(toys).map((kind) => `  ${kind}: { uses: ${kind} }\n`);
    work.pipeline(`pyflow: 1\nname: builders\nnodes:\n${nodes.join('')}`);
    work.compose = composeWith(work.compose, toys);
  }
  const on = async (builder: string, overrides: Partial<RunRequest> = {}): Promise<readonly string[]> => {
    ran = [];
    const report = await work.run({ settings: { BUILDER: builder }, ...overrides });
    expect(report.status).to.equal('succeeded');
    return ran.toSorted();
  };

  it('shares with another builder only what does not depend on it', async () => {
    use();
    expect(await on('a')).to.deep.equal(['compile', 'idle', 'source', 'wheels']);
    expect(await on('b')).to.deep.equal(['compile', 'source']);
    expect(await on('b', { appId: 'other' })).to.deep.equal([]);
    // The results of both lie side by side.
    expect(await on('a', { appId: 'third' })).to.deep.equal([]);
    expect(await on('c', { appId: 'third' })).to.deep.equal(['compile', 'source']);
  });

  it('is the reason why a node runs again', async () => {
    use();
    await on('a');
    const settings = { BUILDER: 'b' };
    const planned = await work.plan({ settings });
    const report = await work.run({ settings });
    const change: Reason = { type: 'builder-changed', from: 'name:a', to: 'name:b', packages: [] };
    for (const node of ['compile', 'source']) {
      expect(report.nodes[node]!.reasons, node).to.deep.equal([change]);
      expect(planned.lines.find(({ id }) => id === node)?.reasons).to.deep.equal([change]);
    }
    const why = await whyNode(work.request(), 'compile');
    expect(why.ok && why.value.reasons).to.deep.equal([change]);
  });

  it('is in the key of a command, and not of what the machine cannot change', async () => {
    work.pipeline(`pyflow: 1
name: commands
nodes:
  command: { uses: command, with: { argv: ['true'], writes: [] } }
  script: { uses: concurrency-profile }
`);
    const keys = [];
    for (const BUILDER of ['a', 'b']) {
      const { nodes, status } = await work.run({ settings: { BUILDER } });
      expect(status).to.equal('succeeded');
      keys.push(nodes);
    }
    expect(keys[0]!['command']!.key).not.to.equal(keys[1]!['command']!.key);
    expect(keys[0]!['script']!.key).to.equal(keys[1]!['script']!.key);
  });

  it('is in the key of a plugin from outside unless its manifest says otherwise', async () => {
    const none = `{ type: 'object', properties: {}, additionalProperties: false }`;
    const plugin = (kind: string, more: string): string => `export const manifest = {
  kind: '${kind}', revision: 1, description: 'x', writes: [], ${more} config: ${none}, inputs: ${none}, outputs: ${none} };
export class plugin {
  manifest = manifest;
  async reads() { return { ok: true, value: {} }; }
  async run() { return { ok: true, value: { outputs: {} } }; }
}
`;
    const kinds = { own: '', apart: 'usesBuilder: false,', simple: 'pure: true,' };
    for (const [kind, more] of Object.entries(kinds)) writeFileSync(join(work.root, `${kind}.mjs`), plugin(kind, more));
    const files = Object.keys(kinds).map((kind) => `./${kind}.mjs`);
    const nodes = Object.keys(kinds).map((kind) => `  ${kind}: { uses: ${kind} }\n`);
    work.pipeline(`pyflow: 1\nname: outside\nplugins: ${JSON.stringify(files)}\nnodes:\n${nodes.join('')}`);
    expect(outcomesOf(await work.run({ settings: { BUILDER: 'a' } }))).to.deep.equal({
      own: 'executed',
      apart: 'executed',
      simple: 'executed',
    });
    expect(outcomesOf(await work.run({ settings: { BUILDER: 'b' } }))).to.deep.equal({
      own: 'executed',
      apart: 'up-to-date',
      simple: 'up-to-date',
    });
  });

  describe('that the operator did not name', () => {
    const hourLater = (): number => Date.now() + 60 * 60 * 1000;

    /** Describes the machine. */
    function machine(gcc: string): void {
      const file = join(work.root, 'machine', STATUS);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, `Package: gcc\nStatus: install ok installed\nArchitecture: amd64\nVersion: ${gcc}\n`);
      const { compose } = work;
      // Later, so that the times of the file prove something.
      const clock = { now: hourLater };
      work.compose = async (options) =>
        Object.assign(await compose(options), { builderRoot: join(work.root, 'machine'), clock });
    }

    it('is noticed by up-to-date runs, which name the packages that changed', async () => {
      use();
      machine('12.2');
      await work.run();
      const again = await work.run();
      expect(new Set(Object.values(outcomesOf(again)))).to.deep.equal(new Set(['up-to-date']));
      ran = [];
      machine('12.3');
      const report = await work.run();
      expect(ran.toSorted()).to.deep.equal(['compile', 'source']);
      const [reason] = report.nodes['compile']!.reasons;
      expect(reason).to.deep.include({
        type: 'builder-changed',
        packages: [{ name: 'gcc:amd64', from: '12.2', to: '12.3' }],
      });
      machine('12.2');
      expect(outcomesOf(await work.run())).to.deep.equal({
        wheels: 'up-to-date',
        source: 'up-to-date',
        compile: 'restored',
        idle: 'up-to-date',
      });
    });
  });
});
