import { expect } from 'chai';
import * as fc from 'fast-check';
import type { RunReport } from '../../src/engine/events.js';
import type { PlanReport } from '../../src/engine/pipeline.js';
import { outcomesOf, Workspace } from '../support/workspace.js';

interface Layered {
  readonly nodes: number;
  readonly width: number;
}

/** Each node reads a file of its own and what two nodes of the layer before wrote; some only keep its length. */
function layered({ nodes, width }: Layered, variant = 'cat'): string {
  const lines = Array.from({ length: nodes }, (_, index) => {
    const above = index < width ? [] : [index - width, index - width + ((index + 1) % width === 0 ? 0 : 1)];
    const upstream = [...new Set(above)].map((other) => `out/n${other}`);
    const reads = [`in/${index}`, ...upstream].join(', ');
    const program = index % 3 === 0 ? 'wc -c' : index === 4 ? variant : 'cat';
    const script = `mkdir -p out && cat in/${index} ${upstream.join(' ')} | ${program} > out/n${index}`;
    const after = [...new Set(above)].map((other) => `n${other}`).join(', ');
    return `  n${index}: { uses: command, with: { argv: [sh, -c, "${script}"], reads: [${reads}], writes: [out/n${index}] }, after: [${after}] }`;
  });
  return `pyflow: 1\nname: layered\nnodes:\n${lines.join('\n')}\n`;
}

const expectPlanHolds = (plan: PlanReport, report: RunReport): void => {
  const outcomes = outcomesOf(report);
  const executed = new Set(Object.entries(outcomes).flatMap(([id, outcome]) => (outcome === 'executed' ? [id] : [])));
  for (const line of plan.lines) {
    if (line.certain) expect(outcomes[line.id], `certain line of ${line.id}`).to.equal(line.outcome);
    else {
      const cause = line.dependsOn!.some((id) => executed.has(id));
      expect(cause, `${line.id} depends on ${line.dependsOn!.join()}, none of which executed`).to.equal(true);
    }
  }
};

describe('plan', () => {
  let work: Workspace;
  const shape = { nodes: 9, width: 3 };
  const inputs = Object.fromEntries(Array.from({ length: shape.nodes }, (_, index) => [`in/${index}`, `${index}\n`]));
  beforeEach(() => {
    work = new Workspace().pipeline(layered(shape)).write(inputs);
  });
  afterEach(() => work.cleanUp());

  it('says what a first run executes, and what depends on it', async () => {
    const plan = await work.plan();
    expect(plan.lines.slice(0, 3).map(({ certain, outcome }) => [certain, outcome])).to.deep.equal(
      Array.from({ length: 3 }, () => [true, 'executed']),
    );
    expect(plan.lines[3]).to.deep.include({ certain: false, dependsOn: ['n0', 'n1'] });
    expectPlanHolds(plan, await work.run());
  });

  it('says for certain that a node is skipped when its guard needs nothing that has yet to run', async () => {
    work.write({ data: 'one\n' }).pipeline(`
pyflow: 1
name: guarded
params: { wanted: { type: boolean, default: false } }
nodes:
  first: { uses: command, with: { argv: [sh, -c, "mkdir out; cat data > out/a"], reads: [data], writes: [out/a] } }
  second: { uses: command, when: params.wanted, with: { argv: [cat, out/a] }, after: [first] }
  third: { uses: command, with: { argv: [cat, out/a] }, after: [first, second] }
`);
    const plan = await work.plan();
    expect(plan.lines.map(({ id, certain, outcome }) => [id, certain, outcome])).to.deep.equal([
      ['first', true, 'executed'],
      ['second', true, 'skipped'],
      ['third', false, undefined],
    ]);
    expectPlanHolds(plan, await work.run());
  });

  it('says what a node behind a hook will do if the hook leaves the same layer', async () => {
    work.write({ 'bin/pre_compile': 'echo same > same.txt\n', data: 'one\n' }).pipeline(`
pyflow: 1
name: hooked
nodes:
  hook: { uses: hook, with: { script: bin/pre_compile } }
  reader: { uses: command, with: { argv: [cp, data, copy], reads: [data], writes: [copy] }, after: [hook] }
`);
    await work.run();
    const line = async () => (await work.plan()).lines[1];
    expect(await line()).to.deep.include({ certain: false, outcome: 'up-to-date' });
    work.write({ data: 'two\n' });
    expect(await line()).to.deep.include({ certain: false, dependsOn: ['hook'], outcome: 'executed' });
    expect((await line())?.reasons.map(({ what }) => what)).to.deep.equal(['file data']);
  });

  it('stores nothing and runs nothing', async () => {
    await work.plan();
    expectPlanHolds(await work.plan(), await work.run());
    expect(outcomesOf(await work.run())['n0']).to.equal('up-to-date');
  });

  it('holds in the run after any edits, and the fast path agrees with the long way', async function () {
    this.timeout(120_000);
    const edit = fc.oneof(
      fc.record({
        type: fc.constant('write' as const),
        file: fc.nat(shape.nodes - 1),
        text: fc.constantFrom('0\n', 'x\n', 'yy\n'),
      }),
      fc.record({ type: fc.constant('stray' as const), text: fc.constantFrom('a', 'b') }),
      fc.record({ type: fc.constant('pipeline' as const), variant: fc.constantFrom('cat', 'cat -n') }),
      fc.record({ type: fc.constant('slug' as const) }),
      fc.record({ type: fc.constant('nothing' as const) }),
    );
    await work.run();
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { maxLength: 3 }), async (edits) => {
        for (const change of edits) {
          if (change.type === 'write') work.write({ [`in/${change.file}`]: change.text });
          else if (change.type === 'stray') work.write({ 'stray.txt': change.text });
          else if (change.type === 'pipeline') work.pipeline(layered(shape, change.variant));
          else if (change.type === 'slug') work.remove('../slug');
        }
        const plan = await work.plan();
        const fast = await work.fastRun();
        const report = await work.run();
        expect(report.status).to.equal('succeeded');
        expectPlanHolds(plan, report);
        if (fast !== undefined) expect(outcomesOf(fast)).to.deep.equal(outcomesOf(report));
      }),
      { numRuns: 25 },
    );
  });
});
