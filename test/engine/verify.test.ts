import { expect } from 'chai';
import * as fc from 'fast-check';
import { readdirSync, rmSync } from 'node:fs';
import { systemClock } from '../../src/engine/services/clock.js';
import { causeOf, type Difference } from '../../src/engine/inspect/differences.js';
import type { Verification } from '../../src/engine/inspect/verification.js';
import { verifyApp } from '../../src/engine/verify.js';
import { outcomesOf, VERSION, Workspace } from '../support/workspace.js';

const RANDOM = "$(od -An -N6 -tx1 /dev/urandom | tr -d ' \\n')";

/** Node -> a script that never gives the same file twice, and the cause that is found. */
const UNSTABLE: Readonly<Record<string, readonly [script: string, cause: string]>> = {
  time: ['date -u +%Y-%m-%dT%H:%M:%S.%NZ > out', 'time'],
  uuid: ['echo id=$(cat /proc/sys/kernel/random/uuid) > out', 'random'],
  place: ['mkdir -p /tmp/pyflow-$$ && echo made in /tmp/pyflow-$$/x > out; rmdir /tmp/pyflow-$$', 'build-path'],
  order: [`for n in $(seq 40); do echo ${RANDOM} line; done > a; (seq 40 | shuf) > out; rm a`, 'line-order'],
  zipped: [`echo x > f; touch -d @$(od -An -N3 -tu4 /dev/urandom | tr -d ' ') f; gzip -c f > out; rm f`, 'gzip-time'],
  other: [`head -c 9 /dev/urandom > out`, 'unknown'],
};

describe('verify', () => {
  let app: Workspace;
  beforeEach(() => {
    app = new Workspace();
  });
  afterEach(() => app.cleanUp());

  const nodeOf = (name: string, script: string): string =>
    `  ${name}: { uses: command, with: { argv: [sh, -c, ${JSON.stringify(`mkdir -p ${name}; cd ${name}; ${script}`)}], reads: [], writes: ['${name}/**'] } }\n`;
  const pipelineOf = (nodes: Readonly<Record<string, string>>): string =>
    `pyflow: 1\nname: verified\nnodes:\n${Object.entries(nodes)
      .map(([name, script]) => nodeOf(name, script))
      .join('')}`;

  async function verify(): Promise<Verification> {
    const options = { version: VERSION, clock: systemClock };
    const verified = await verifyApp(app.request(), { emit: () => undefined }, app.compose, options);
    if (!verified.ok) throw new Error(JSON.stringify(verified.failure));
    return verified.value;
  }

  it('finds an equal build identical, and leaves the results of the app alone', async () => {
    app.write({ 'a.txt': 'a' }).pipeline(pipelineOf({ one: 'echo 1 > out', two: 'mkdir d; ln -s ../out d/link' }));
    await app.run();
    const { nodes, isReplayed } = await verify();
    expect(nodes.map(({ node, result }) => [node, result])).to.deep.equal([
      ['one', 'same'],
      ['two', 'same'],
    ]);
    expect(isReplayed).to.equal(false);
    expect(outcomesOf(await app.run())).to.deep.equal({ one: 'up-to-date', two: 'up-to-date' });
    expect(readdirSync(`${app.cacheDir}/runs`)).to.have.length(1);
  });

  it('says for each file of each node why it differs', async () => {
    const scripts = Object.fromEntries(Object.entries(UNSTABLE).map(([name, [script]]) => [name, script]));
    app.pipeline(pipelineOf({ ...scripts, stable: 'echo 1 > out' }));
    await app.run();
    const { nodes } = await verify();
    const causes = nodes.flatMap(({ node, result, differences }) =>
      result === 'same'
        ? []
        : differences.map((one) => [node, one.path, one.type === 'content' ? one.cause : one.type]),
    );
    expect(causes).to.deep.equal(Object.entries(UNSTABLE).map(([node, [, cause]]) => [node, `${node}/out`, cause]));
  });

  it('names files that only one build has, and changed links', async () => {
    const script = `touch f${RANDOM}; ln -s ${RANDOM} link`;
    app.pipeline(pipelineOf({ one: script }));
    await app.run();
    const [node] = (await verify()).nodes;
    const types = (node?.differences ?? []).map((one: Difference) => one.type);
    expect([...types].sort()).to.deep.equal(['added', 'link', 'removed']);
  });

  it('compares no node whose inputs changed since the last run', async () => {
    app.pipeline(pipelineOf({ one: 'echo 1 > out', two: 'echo 2 > out' }));
    await app.run();
    app.pipeline(pipelineOf({ one: 'echo 3 > out', two: 'echo 2 > out' }));
    expect((await verify()).nodes.map(({ node, result }) => [node, result])).to.deep.equal([
      ['one', 'changed-inputs'],
      ['two', 'same'],
    ]);
  });

  it('fails clearly without a run, and if the app cannot be built again', async () => {
    app.pipeline(pipelineOf({ one: 'echo 1 > out' }));
    const options = { version: VERSION, clock: systemClock };
    const none = await verifyApp(app.request(), { emit: () => undefined }, app.compose, options);
    expect(none.ok ? '' : JSON.stringify(none.failure)).to.contain('verify::no-run');
    await app.run();
    app.pipeline(pipelineOf({ one: 'exit 3' }));
    const failed = await verifyApp(app.request(), { emit: () => undefined }, app.compose, options);
    expect(failed.ok ? '' : JSON.stringify(failed.failure)).to.contain('could not be built again');
  });

  it('shows no part of a variable of the app', async () => {
    const variables = { TOKEN: 'sv-Zq7-gate-Secret' };
    const script = `echo ${RANDOM} sv-Zq7-gate-Secret > out`;
    app.pipeline(pipelineOf({ one: script }));
    await app.run({ variables });
    const options = { version: VERSION, clock: systemClock };
    const verified = await verifyApp(app.request({ variables }), { emit: () => undefined }, app.compose, options);
    if (!verified.ok) throw new Error(JSON.stringify(verified.failure));
    expect(verified.value.nodes[0]?.result).to.equal('differs');
    expect(JSON.stringify(verified.value)).to.not.contain('gate').and.not.to.contain('sv-');
  });

  it('says that a layer was lost', async () => {
    app.pipeline(pipelineOf({ one: `echo ${RANDOM} > out` }));
    await app.run();
    for (const folder of ['ac', 'packs', 'cas']) rmSync(`${app.cacheDir}/${folder}`, { recursive: true, force: true });
    expect((await verify()).nodes.map(({ node, result }) => [node, result])).to.deep.equal([['one', 'lost']]);
  });

  it('finds a cause for any two files, and never throws', () => {
    fc.assert(
      fc.property(
        fc.uint8Array(),
        fc.uint8Array(),
        fc.constantFrom('', 'PK\x03\x04', '\x1f\x8b', '\x7fELF'),
        (a, b, magic) => {
          const [one, other] = [a, b].map((bytes) => Buffer.concat([Buffer.from(magic, 'latin1'), bytes]));
          expect(causeOf('x', one!, other!)).to.be.a('string');
        },
      ),
    );
  });
});
