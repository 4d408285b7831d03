import { expect } from 'chai';
import * as fc from 'fast-check';
import type { RunReport } from '../../src/engine/events.js';
import type { PlanReport } from '../../src/engine/plan-report.js';
import { outcomesOf, Workspace } from '../support/workspace.js';

interface Layered {
  readonly nodes: number;
  readonly width: number;
}

/** Each node reads one file, and what two nodes of the previous layer wrote. Some keep only its length. */
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

  it('says what a first run executes, and which nodes depend on that', async () => {
    const plan = await work.plan();
    expect(plan.lines.slice(0, 3).map(({ certain, outcome }) => [certain, outcome])).to.deep.equal(
      Array.from({ length: 3 }, () => [true, 'executed']),
    );
    expect(plan.lines[3]).to.deep.include({ certain: false, dependsOn: ['n0', 'n1'] });
    expectPlanHolds(plan, await work.run());
  });

  it('evaluates the nodes behind others on request, as if those changed nothing', async () => {
    work.write({ '.python-version': '3.12\n', 'requirements.txt': '' }).pipeline(`
pyflow: 1
name: assumed
nodes:
  prepare: { uses: command, with: { argv: ["true"] } }
  manager: { uses: package-manager, after: [prepare] }
  version: { uses: version-resolve, with: { stack: host, providers: [system] }, inputs: { manager: manager.name }, after: [prepare] }
  runtime: { uses: fetch-runtime, with: { providers: [system] }, inputs: { python: version.python } }
  tool: { uses: fetch-tool, with: { name: pip }, inputs: { runtime: runtime.tree } }
`);
    const linesOf = (plan: PlanReport) => Object.fromEntries(plan.lines.map((line) => [line.id as string, line]));
    expect(linesOf(await work.plan())['version']).to.deep.include({ certain: false, dependsOn: ['prepare'] });
    const assumed = linesOf(await work.plan({}, true));
    expect(assumed['prepare']).to.include({ outcome: 'skipped' });
    expect(assumed['version']?.explanation?.lines[0]).to.equal('Python 3.12: set in .python-version');
    expect(assumed['version']?.explanation?.data).to.include({ chosen: '3.12', from: '.python-version' });
    expect(assumed['tool']).to.deep.include({ certain: false, dependsOn: ['runtime'] });
  });

  it('is certain that a node is skipped if its guard needs no value that is still open', async () => {
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

  it('calls no node up to date that depends on a node that executes', async () => {
    work.write({ 'bin/pre_compile': 'echo same > same.txt\n', data: 'one\n' }).pipeline(`
pyflow: 1
name: hooked
nodes:
  hook: { uses: hook, with: { script: bin/pre_compile } }
  reader: { uses: command, with: { argv: [cp, data, copy], reads: [data], writes: [copy] }, after: [hook] }
  port: { uses: command, with: { argv: [cp, copy, more], writes: [more] }, inputs: { tree: reader.tree } }
  either: { uses: first-of, inputs: { candidates: [port.tree] } }
`);
    await work.run();
    for (const line of (await work.plan()).lines.slice(1)) {
      expect(line).to.deep.include({ certain: false, dependsOn: ['hook'] });
      expect(line).not.to.have.property('outcome');
    }
  });

  it('leaves open which of two unordered nodes with one key executes, and is certain if they are ordered', async () => {
    const twin = 'uses: command, with: { argv: [cat, data], reads: [data] }';
    work.write({ data: 'one\n' }).pipeline(`
pyflow: 1
nodes:
  a: { ${twin} }
  b: { ${twin} }
  first: { uses: package-manager }
  second: { uses: package-manager, after: [first] }
`);
    work.write({ 'requirements.txt': 'flask\n' });
    const plan = await work.plan();
    expect(plan.lines.map(({ certain, outcome }) => [certain, outcome])).to.deep.equal([
      [false, undefined],
      [false, undefined],
      [true, 'executed'],
      [true, 'restored'],
    ]);
    const { a, b, ...ordered } = outcomesOf(await work.run());
    expect([a, b].sort()).to.deep.equal(['executed', 'restored']);
    expect(ordered).to.deep.equal({ first: 'executed', second: 'restored' });
  });

  it('is certain that dependents of a failing node do not run, and leaves parallel nodes open', async () => {
    work.write({ data: 'one\n' }).pipeline(`
pyflow: 1
nodes:
  before: { uses: detect }
  manager: { uses: package-manager, after: [before] }
  behind: { uses: command, with: { argv: [cat, data], reads: [data] }, after: [manager] }
  beside: { uses: command, with: { argv: [cat, data], reads: [data] } }
`);
    const outcomes = async (keepGoing: boolean) =>
      (await work.plan({ keepGoing })).lines.map(({ id, outcome }) => [id, outcome]);
    work.write({ 'manage.py': '', 'requirements.txt': '', 'uv.lock': '' });
    expect(await outcomes(false)).to.deep.equal([
      ['before', 'executed'],
      ['manager', 'failed'],
      ['behind', 'aborted'],
      ['beside', undefined],
    ]);
    expect(await outcomes(true)).to.deep.equal([
      ['before', 'executed'],
      ['manager', 'failed'],
      ['behind', 'blocked'],
      ['beside', 'executed'],
    ]);
  });

  it('stores and executes nothing', async () => {
    await work.plan();
    expectPlanHolds(await work.plan(), await work.run());
    expect(outcomesOf(await work.run())['n0']).to.equal('up-to-date');
  });

  it('matches the run after any edits, and the fast path agrees with a full run', async function () {
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

  it('matches the run for random pipelines after random edits', async function () {
    this.timeout(300_000);
    await fc.assert(
      fc.asyncProperty(fc.array(SEED, { minLength: 3, maxLength: 7 }), fc.array(EDIT, { maxLength: 3 }), holdsFor),
      { numRuns: Number(process.env['PYFLOW_PLAN_RUNS'] ?? 12) },
    );
  });
});

/** A node of a random pipeline. Numbers choose among the nodes before it. */
interface Seed {
  readonly type: 'reads' | 'tree' | 'value' | 'guarded' | 'first-of' | 'twin' | 'hook' | 'never';
  readonly one: number;
  readonly two: number;
}
const SEED: fc.Arbitrary<Seed> = fc.record({
  type: fc.constantFrom('reads', 'reads', 'tree', 'value', 'guarded', 'first-of', 'twin', 'hook', 'never'),
  one: fc.nat(20),
  two: fc.nat(20),
});
type Edit =
  readonly ['file', number, string] | readonly ['slug'] | readonly ['refresh', number] | readonly ['hook', string];
const EDIT: fc.Arbitrary<Edit> = fc.oneof(
  fc.tuple(fc.constant('file' as const), fc.nat(6), fc.constantFrom('a', 'b', 'cc')),
  fc.constant(['slug'] as const),
  fc.tuple(fc.constant('refresh' as const), fc.nat(6)),
  fc.tuple(fc.constant('hook' as const), fc.constantFrom('true', 'echo x > hooked')),
);

/** Each node reads one file, and something of earlier nodes, depending on its type. */
function randomPipeline(seeds: readonly Seed[]): string {
  const trees: string[] = [];
  const writers: string[] = [];
  const values: string[] = [];
  const lines = seeds.map(({ type, one, two }, index) => {
    const pick = (from: readonly string[], number: number): string | undefined =>
      from[number % Math.max(1, from.length)];
    const [tree, value] = [pick(trees, one), pick(values, two)];
    const id = `n${index}`;
    const script = `mkdir -p out && cat in/${index} $(ls out/* 2>/dev/null) | tail -c 1 > out/${id}`;
    const command = (more: string, reads = `in/${index}`): string =>
      `${id}: { uses: command, with: { argv: [sh, -c, "${script}"], reads: [${reads}], writes: [out/${id}] }${more} }`;
    // A hook may write anywhere, so all nodes that write are ordered.
    const after = writers.length === 0 ? '' : `, after: [${writers.join(', ')}]`;
    if (!['value', 'twin'].includes(type) && !(type === 'first-of' && tree !== undefined)) writers.push(id);
    const add = (line: string, list = trees): string => (list.push(id), `  ${line}`);
    if (type === 'value')
      return add(
        `${id}: { uses: command, with: { argv: [cat, in/${index}], reads: [in/${index}], capture: true } }`,
        values,
      );
    if (type === 'twin')
      return add(`${id}: { uses: command, with: { argv: [cat, in/0], reads: [in/0], capture: true } }`, values);
    if (type === 'hook') return add(`${id}: { uses: hook, with: { script: bin/hook }${after} }`);
    if (type === 'tree' && tree !== undefined) return add(command(`, inputs: { tree: ${tree}.tree }${after}`));
    if (type === 'never') return add(command(`, cache: never${after}`));
    if (type === 'guarded' && value !== undefined) return `  ${command(`, when: '${value}.stdout == "a"'${after}`)}`;
    if (type === 'first-of' && tree !== undefined)
      return add(`${id}: { uses: first-of, inputs: { candidates: [${tree}.tree] } }`);
    return add(command(after, `in/${index}, "out/n${one % (index + 1)}"`));
  });
  return `pyflow: 1\nnodes:\n${lines.join('\n')}\n`;
}

async function holdsFor(seeds: readonly Seed[], edits: readonly Edit[]): Promise<void> {
  const work = new Workspace();
  try {
    work.write(Object.fromEntries(seeds.map((_, index) => [`in/${index}`, 'a'])));
    work.pipeline(randomPipeline(seeds)).write({ 'bin/hook': 'true\n' });
    const check = async (refresh: readonly string[]): Promise<void> => {
      const plan = await work.plan({ refresh });
      const report = await work.run({ refresh, jobs: 2 });
      expect(report.status, JSON.stringify(report.failure)).to.equal('succeeded');
      const outcomes = outcomesOf(report);
      for (const { id, certain, outcome } of plan.lines) {
        if (certain) expect(outcomes[id], `${id} of\n${randomPipeline(seeds)}`).to.equal(outcome);
        else expect(outcome).to.equal(undefined);
      }
    };
    await check([]);
    for (const edit of edits) {
      if (edit[0] === 'file') work.write({ [`in/${edit[1]}`]: edit[2] });
      else if (edit[0] === 'slug') work.remove('../slug');
      else if (edit[0] === 'hook') work.write({ 'bin/hook': `${edit[1]}\n` });
      await check(edit[0] === 'refresh' && edit[1] < seeds.length ? [`n${edit[1]}`] : []);
    }
  } finally {
    work.cleanUp();
  }
}
