import { createHash } from 'node:crypto';
import { expect } from 'chai';
import type { RunReport } from '../../../src/engine/events.js';
import { succeed } from '../../../src/engine/failure.js';
import { KEY_FORMAT } from '../../../src/engine/node/key.js';
import type { RunRequest } from '../../../src/engine/request.js';
import { exportResults } from '../../../src/engine/store/export-archive.js';
import { Canary } from '../../support/canary.js';
import { ReapiScene } from '../../support/reapi-scene.js';
import { outputs, schemaOf, TREE, type Toy } from '../../support/toy-kinds.js';
import { outcomesOf, type Workspace } from '../../support/workspace.js';

const VALUE = 'Blue-Heron_2291/quay';
const SHORT = 'heron';

/** All that nodes make of the value below, and the value itself. */
const MADE = new Canary([
  VALUE,
  [...VALUE].reverse().join(''),
  VALUE.toUpperCase(),
  createHash('sha256').update(VALUE).digest('hex'),
]);

/** Kinds that see a file or a value in other ways than `command`. */
const KINDS: Readonly<Record<string, Toy>> = {
  counting: {
    manifest: { outputs: schemaOf({ tree: TREE }), writes: ['counted'], usesBuilder: false },
    reads: async (_, view) => succeed({ facts: { names: view.match('made/w*').length } }),
    run: async (_, { appDir, facts }) => {
      const { writeFile } = await import('node:fs/promises');
      await writeFile(`${appDir}/counted`, JSON.stringify(facts));
      return outputs({});
    },
  },
  fetching: {
    manifest: { outputs: schemaOf({ tree: TREE }), writes: ['fetched'], usesBuilder: false },
    reads: async () => succeed({ scope: 'app' }),
    run: async (_, { appDir, view }) => {
      const { writeFile } = await import('node:fs/promises');
      const digest = createHash('sha256').update(view.env('INDEX_TOKEN') ?? '');
      await writeFile(`${appDir}/fetched`, digest.digest('hex'));
      return outputs({});
    },
  },
  taking: {
    manifest: {
      inputs: schemaOf({ text: { type: 'string' } }),
      outputs: schemaOf({ tree: TREE }),
      writes: ['taken'],
      usesBuilder: false,
    },
    run: async ({ inputs }, { appDir }) => {
      const { writeFile } = await import('node:fs/promises');
      await writeFile(`${appDir}/taken`, String(inputs['text']).toUpperCase());
      return outputs({});
    },
  },
  upper: {
    manifest: {
      pure: true,
      inputs: schemaOf({ text: { type: 'string' } }),
      outputs: schemaOf({ text: { type: 'string' } }),
    },
    run: async ({ inputs }) => outputs({ text: String(inputs['text']).toUpperCase() }),
  },
};

const node = (id: string, script: string, more: Readonly<Record<string, unknown>> = {}): string => {
  const { reads = [], appEnv, capture, ...rest } = more;
  const given = { ...(appEnv === undefined ? {} : { appEnv }), ...(capture === undefined ? {} : { capture }) };
  const config = { argv: ['sh', '-c', script], reads, writes: [`made/${id}`], ...given };
  return `  ${id}: ${JSON.stringify({ uses: 'command', ...rest, with: config })}\n`;
};
const variable = { appEnv: ['NAME'] };

const PIPELINE = [
  'pyflow: 1\nnodes:\n',
  node('writes', 'mkdir -p made; echo "name=$NAME" | tee made/writes', variable),
  // Has the variable, but leaves nothing of it.
  node('keeps', 'mkdir -p made; echo "$NAME" | wc -l > made/keeps; echo "it is $NAME"', variable),
  node('says', 'echo "$NAME"', { ...variable, capture: true }),
  node('copies', 'cp made/writes made/copies', { after: ['writes'], reads: ['made/writes'] }),
  node('encodes', 'cut -d= -f2 made/writes | base64 > made/encodes', { after: ['writes'], reads: ['made/writes'] }),
  node('reverses', 'rev made/writes > made/reverses', { after: ['writes'], reads: ['made/w*'] }),
  node('digests', 'printf %s "$(cut -d= -f2 made/writes)" | sha256sum > made/digests', {
    inputs: { tree: 'writes.tree' },
  }),
  // Sees only what another made of it.
  node('behind', 'wc -c < made/digests > made/behind', { inputs: { tree: 'digests.tree' } }),
  node('late', 'cat made/behind late.txt > made/late', { after: ['behind'], reads: ['late.txt', 'made/behind'] }),
  '  counts: { uses: counting, after: [writes] }\n',
  '  upper: { uses: upper, inputs: { text: says.stdout } }\n',
  '  takes: { uses: taking, inputs: { text: upper.text } }\n',
  // After the same nodes, but they see nothing of it.
  node('open', 'mkdir -p made; cat open.txt > made/open', { after: ['writes', 'behind'], reads: ['open.txt'] }),
  node('harmless', 'cat made/keeps > made/harmless', { after: ['keeps'], reads: ['made/keeps'] }),
].join('');

const OPEN = ['harmless', 'open'];
const DERIVED = ['behind', 'copies', 'counts', 'digests', 'encodes', 'late', 'reverses', 'takes'];

describe('engine/node/taint', function () {
  this.timeout(60_000);
  const scene = new ReapiScene();
  let work: Workspace;
  beforeEach(() => {
    work = scene.machine(PIPELINE, KINDS).write({ 'open.txt': 'open', 'late.txt': 'late' });
  });

  const run = (variables: Readonly<Record<string, string>>, more: Partial<RunRequest> = {}): Promise<RunReport> =>
    work.run({ ...scene.remote({ write: true }), envDir: work.envDir(variables), ...more });
  const hitsOnServer = (): number =>
    [...scene.server.blobs.values(), ...scene.server.results.values()].filter((bytes) => MADE.isIn(bytes)).length;
  /** Of the nodes whose results the server has. */
  const sharedOf = ({ nodes }: RunReport): readonly string[] =>
    Object.keys(nodes)
      .filter((id) => scene.server.results.has(nodes[id]!.key!))
      .sort();
  const typesOf = ({ nodes }: RunReport): Readonly<Record<string, string>> =>
    Object.fromEntries(Object.entries(nodes).flatMap(([id, { unshared }]) => (unshared ? [[id, unshared.type]] : [])));

  const exported = async (): Promise<object> => {
    const { signal } = new AbortController();
    const file = `${work.root}/results.tar`;
    const done = await exportResults(work.cacheDir, { file, keyFormat: KEY_FORMAT, signal });
    if (!done.ok) throw new Error(done.failure.title);
    const { results, leftOut } = done.value;
    return { results, leftOut };
  };

  it('keeps here what was made from the value of a variable, however it was transformed', async () => {
    const report = await run({ NAME: VALUE });
    expect(report.status).to.equal('succeeded');
    expect(sharedOf(report)).to.deep.equal(OPEN);
    expect(hitsOnServer()).to.equal(0);
    const variables = { writes: 'variables', keeps: 'variables', says: 'variables' };
    expect(typesOf(report)).to.deep.equal({
      ...variables,
      ...Object.fromEntries(DERIVED.map((id) => [id, 'derived'])),
    });
    expect(report.nodes['late']?.unshared).to.deep.equal({ type: 'derived', node: 'writes', cause: 'variables' });
    expect(report.nodes['takes']?.unshared).to.deep.equal({ type: 'derived', node: 'says', cause: 'variables' });
  });

  it('finds the value by its digest, where the server would have it', async () => {
    // Shows that the search would find something.
    work.pipeline(PIPELINE.replaceAll('$NAME', VALUE));
    await run({});
    expect(hitsOnServer()).to.be.greaterThan(8);
  });

  it('does so as well if the result with the value comes from the local cache', async () => {
    await run({ NAME: VALUE });
    const report = await run({ NAME: VALUE }, { refresh: DERIVED, appId: 'other' });
    expect(outcomesOf(report)).to.include({ writes: 'restored', says: 'restored', copies: 'executed' });
    expect(sharedOf(report)).to.deep.equal(OPEN);
    expect(hitsOnServer()).to.equal(0);
  });

  it('does so as well if the nodes before are unchanged since the last run', async () => {
    await run({ NAME: VALUE });
    const report = await (work.write({ 'late.txt': 'later' }), run({ NAME: VALUE }));
    expect(outcomesOf(report)).to.include({ writes: 'up-to-date', behind: 'up-to-date', late: 'executed' });
    expect(report.nodes['late']?.unshared?.type).to.equal('derived');
    expect(sharedOf(report)).to.deep.equal(OPEN);
  });

  it('is told only by runs that share results', async () => {
    const shared = await run({ NAME: VALUE });
    const alone = await work.run({ envDir: work.envDir({ NAME: VALUE }) });
    expect(outcomesOf(alone)).to.include({ writes: 'up-to-date', copies: 'up-to-date' });
    expect(typesOf(alone)).to.deep.equal({});
    const again = await run({ NAME: VALUE }, { refresh: ['open'] });
    expect(typesOf(again)).to.deep.equal(typesOf(shared));
    const fast = await work.fastRun({ ...scene.remote({ write: true }), envDir: work.envDir({ NAME: VALUE }) });
    expect(fast && typesOf(fast)).to.deep.equal({});
  });

  it('shares all of it without the variable, and if the value is too short or stands in the pipeline file', async () => {
    const all = [...OPEN, ...DERIVED].sort();
    const without = await run({});
    expect(sharedOf(without)).to.deep.equal([...all, 'keeps', 'says', 'writes'].sort());
    expect(typesOf(without)).to.deep.equal({});
    const short = await run({ NAME: SHORT });
    expect(sharedOf(short)).to.deep.equal(all);
    work.pipeline(`${PIPELINE}${node('named', 'true', { env: { ANY: VALUE } })}`);
    const open = await run({ NAME: VALUE });
    expect(sharedOf(open)).to.deep.equal([...all, 'named'].sort());
  });

  it('does not let a variable of one app keep the results of another', async () => {
    work.pipeline(
      `pyflow: 1\nnodes:\n${node('writes', 'mkdir -p made; cat open.txt > made/writes; : "$NAME"', { ...variable, reads: ['open.txt'] })}${node('copies', 'cp made/writes made/copies', { after: ['writes'], reads: ['made/writes'] })}${node('last', 'cat made/copies later.txt > made/last', { after: ['copies'], reads: ['made/copies', 'later.txt'] })}`,
    );
    work.write({ 'open.txt': VALUE, 'later.txt': 'one' });
    const tenant = await run({ NAME: VALUE }, { appId: 'tenant' });
    expect(sharedOf(tenant)).to.deep.equal([]);
    work.write({ 'later.txt': 'two' });
    const other = await run({}, { appId: 'other' });
    expect(outcomesOf(other)).to.deep.equal({ writes: 'executed', copies: 'restored', last: 'executed' });
    expect(sharedOf(other), 'pyflow shares only what a run made itself').to.deep.equal(['last', 'writes']);
  });

  it('keeps here what was made from a result with a secret', async () => {
    const made = (id: string, from: string) =>
      node(id, `cat made/${from} > made/${id}`, { after: [from], reads: [`made/${from}`] });
    work.pipeline(
      `pyflow: 1\nnodes:\n${node('fetches', 'mkdir -p made; printf %s "$NAME" | sha256sum > made/fetches', { secrets: ['NAME'] })}${made('reads', 'fetches')}${made('reads2', 'reads')}`,
    );
    const report = await run({ NAME: VALUE });
    expect(typesOf(report)).to.deep.equal({ fetches: 'secrets', reads: 'derived', reads2: 'derived' });
    expect(report.nodes['reads2']?.unshared).to.deep.equal({ type: 'derived', node: 'fetches', cause: 'secrets' });
    expect(sharedOf(report)).to.deep.equal([]);
    expect(await exported()).to.deep.equal({ results: 0, leftOut: { app: 1, derived: 2 } });
    const unset = await run({});
    expect(sharedOf(unset), 'nothing in them is of the app').to.deep.equal(['reads', 'reads2']);
  });

  it('does so as well if the key names the app anyway', async () => {
    work.pipeline(
      `pyflow: 1\nnodes:\n  fetches: { uses: fetching }\n${node('reads', 'mkdir -p made; cat fetched > made/reads', { after: ['fetches'], reads: ['fetched'] })}`,
    );
    const report = await run({ INDEX_TOKEN: VALUE });
    expect(report.nodes['reads']?.unshared).to.deep.equal({ type: 'derived', node: 'fetches', cause: 'secrets' });
    expect(sharedOf(report)).to.deep.equal([]);
    expect(sharedOf(await run({}, { refresh: ['fetches'] }))).to.deep.equal(['reads']);
  });

  it('exports no copy of a secret that a node may store', async () => {
    work.pipeline(
      `pyflow: 1\nnodes:\n${node('stores', 'mkdir -p made; echo "$NAME" > made/stores', { secrets: [{ name: 'NAME', mayStore: true }] })}${node('copies', 'cp made/stores made/copies', { after: ['stores'], reads: ['made/stores'] })}`,
    );
    await run({ NAME: VALUE });
    expect(await exported()).to.deep.equal({ results: 0, leftOut: { app: 1, derived: 1 } });
    expect(MADE.filesBelow(`${work.root}/results.tar`)).to.deep.equal([]);
  });

  it('exports none of it', async () => {
    await run({ NAME: VALUE });
    // `upper` is pure: it travels in files, but not to a server.
    expect(await exported()).to.deep.equal({
      results: OPEN.length,
      leftOut: { variables: 3, derived: DERIVED.length + 1 },
    });
    expect(MADE.filesBelow(`${work.root}/results.tar`)).to.deep.equal([]);
  });

  it('says in a plan what will stay here', async () => {
    const plan = await work.plan({ ...scene.remote(), envDir: work.envDir({ NAME: VALUE }) });
    const lineOf = (id: string, { lines } = plan) => lines.find((line) => line.id === id);
    expect(lineOf('writes')).to.deep.include({ outcome: 'executed', unshared: { type: 'variables' } });
    await run({ NAME: VALUE });
    const later = await (work.write({ 'late.txt': 'later' }),
    work.plan({ ...scene.remote(), envDir: work.envDir({ NAME: VALUE }) }));
    expect(lineOf('late', later)).to.deep.include({
      outcome: 'executed',
      unshared: { type: 'derived', node: 'writes', cause: 'variables' },
    });
    expect(lineOf('open', later)).to.not.have.property('unshared');
  });
});
