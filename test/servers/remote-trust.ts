// What a server that strangers can write to does to a build, and what reaches it of an app's secrets. For any kind of server.

import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import type { RunReport } from '../../src/engine/events.js';
import type { ActionKey } from '../../src/engine/files/digest.js';
import { SIGNATURE_TYPE, signResult } from '../../src/engine/remote/signature.js';
import type { RemoteTransport } from '../../src/engine/remote/transport.js';
import { summarize } from '../../src/engine/render/summary.js';
import { styleOf } from '../../src/engine/render/style.js';
import { decodeActionResult, encodeActionResult, type ReapiResult } from '../../src/engine/trees/reapi-result.js';
import { Canary } from '../support/canary.js';
import { DERIVED, derivingPipeline, madeOf, VALUE } from '../support/derived-nodes.js';
import { outcomesOf, RemoteScene } from '../support/remote-scene.js';
import type { CacheServer, CacheServerKind } from '../support/servers/cache-server.js';
import { limits, transportTo } from './remote-transport.js';

const COUNT = 100;
const names = Array.from({ length: COUNT }, (_, index) => `n${index}`);
const pipelineOf = (tag: string): string =>
  `pyflow: 1\nnodes:\n${names
    .map(
      (name) => `  ${name}: { uses: command, with: { argv: [sh, -c, 'echo ${tag} > ${name}'], writes: [${name}] } }\n`,
    )
    .join('')}`;

const SECRET = 'C4nary/p@55:w+rd=7';
const VARIABLE = 'Blue-Heron_2291/quay';
const OPEN = 'everyone may see this line';

export function testRemoteTrust(kind: CacheServerKind): void {
  let server: CacheServer;
  let scene: RemoteScene;
  beforeEach(async function () {
    kind.need(this);
    server = await kind.start();
    scene = new RemoteScene();
  });
  afterEach(async () => {
    scene?.cleanUp();
    await server?.stop();
  });

  it(`ignores ${COUNT} of ${COUNT} results that a stranger has replaced, if it trusts only those with a signature`, async () => {
    const own = generateKeyPairSync('ed25519');
    const pem = own.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
    writeFileSync(`${scene.root}/sign.key`, pem, { mode: 0o600 });
    const trust = [own.publicKey.export({ type: 'spki', format: 'pem' })];
    const settings = (more: object): Readonly<Record<string, string>> => {
      writeFileSync(`${scene.root}/remote.yml`, JSON.stringify({ url: server.url, ...more }));
      return { PYFLOW_REMOTE_SETTINGS: `${scene.root}/remote.yml` };
    };
    scene.pipeline(pipelineOf(scene.tag));
    const one = await scene.on({ name: 'one', env: settings({ write: true, sign: 'sign.key', trust }) });
    expect(one.report.remote).to.include({ uploaded: COUNT, notUploaded: 0 });
    const honest = await scene.on({ name: 'honest', env: settings({ trust }) });
    expect(outcomesOf(honest.report)).to.deep.equal(all('restored remote'));

    scene.pipeline(pipelineOf('evil'));
    const stranger = await scene.on({ name: 'stranger', url: server.url, write: true });
    const transport = await transportTo(server.url);
    await poison(transport, one.report, stranger.report, generateKeyPairSync('ed25519').privateKey);
    transport.close();

    scene.pipeline(pipelineOf(scene.tag));
    const victim = await scene.on({ name: 'victim', env: settings({ trust }) });
    expect(outcomesOf(victim.report)).to.deep.equal(all('executed'));
    expect(victim.report.slug?.digest).to.equal(one.report.slug?.digest);
    expect(victim.report.remote).to.include({ hits: 0 });
    expect(Object.keys(victim.notices)).to.deep.equal(['remote::untrusted-result']);
    expect(victim.notices['remote::untrusted-result']).to.have.length(1);

    // Without signatures the same results are good enough to be taken.
    const careless = await scene.on({ name: 'careless', env: settings({}) });
    expect(outcomesOf(careless.report)).to.deep.equal(all('restored remote'));
    expect(careless.report.slug?.digest).to.equal(stranger.report.slug?.digest);
  });

  it('sends no secret and no app variable', async () => {
    scene.write({ 'open.txt': `${OPEN}\n` });
    mkdirSync(`${scene.root}/env`);
    scene.write({ TOKEN: SECRET, NAME: VARIABLE, OTHER_TOKEN: `${SECRET}-other` }, `${scene.root}/env`);
    scene.pipeline(`pyflow: 1
nodes:
  open:
    uses: command
    with: { argv: [sh, -c, 'cat open.txt; cp open.txt open'], reads: [open.txt], writes: [open] }
  secret:
    uses: command
    secrets: [TOKEN]
    with: { argv: [sh, -c, 'echo "the token is $TOKEN"; printf %s "$TOKEN" | sha256sum > secret'], writes: [secret] }
  stored:
    uses: command
    secrets: [{ name: TOKEN, mayStore: true }]
    with: { argv: [sh, -c, 'echo "$TOKEN" > stored'], writes: [stored] }
  behind:
    uses: command
    after: [stored]
    with: { argv: [sh, -c, 'cat stored > behind'], reads: [stored], writes: [behind] }
  variable:
    uses: command
    with: { argv: [sh, -c, 'echo "the name is $NAME"; echo "$NAME" > variable'], appEnv: [NAME], writes: [variable] }
  captured:
    uses: command
    with: { argv: [sh, -c, 'echo "$NAME"'], appEnv: [NAME], capture: true }
`);
    const one = await scene.on({ name: 'one', url: server.url, write: true, args: [`--env-dir=${scene.root}/env`] });
    expect(one.ended.status, one.ended.stdout).to.equal(0);
    await server.kill();
    expect(new Canary([OPEN]).filesBelow(server.folder), 'the open node was uploaded').to.not.deep.equal([]);
    expect(new Canary([SECRET]).filesBelow(server.folder)).to.deep.equal([]);
    expect(new Canary([VARIABLE]).filesBelow(server.folder)).to.deep.equal([]);
  });

  it('sends nothing that was made from an app variable, also if the cache had what contains it', async () => {
    const made = madeOf(VALUE);
    const env = `${scene.root}/env`;
    mkdirSync(env);
    scene.write({ NAME: VALUE }, env);
    scene.pipeline(derivingPipeline(scene.tag));
    const machine = { name: 'one', url: server.url, write: true } as const;
    const first = await scene.on({ ...machine, args: [`--env-dir=${env}`] });
    expect(await sharedOf(server.url, first.report)).to.deep.equal(['open']);
    expect(made.filesBelow(server.folder)).to.deep.equal([]);
    for (const id of DERIVED)
      expect(first.report.nodes[id]?.unshared).to.deep.equal({ type: 'derived', node: 'source', cause: 'variables' });
    const told = summarize(first.report, styleOf(false)).join('\n');
    expect(told).to.contain('Not shared: source, because the node has a variable of the app');
    expect(told).to.contain('copied, encoded, reversed, digested, behind, because it is made from what source wrote');

    const args = [`--env-dir=${env}`, ...DERIVED.map((id) => `--refresh=${id}`)];
    const again = await scene.on({ ...machine, args });
    expect(outcomesOf(again.report)).to.include({ source: 'up-to-date', copied: 'executed', behind: 'executed' });
    expect(await sharedOf(server.url, again.report)).to.deep.equal(['open']);
    expect(made.filesBelow(server.folder)).to.deep.equal([]);

    const without = await scene.on(machine);
    expect(await sharedOf(server.url, without.report)).to.deep.equal([...DERIVED, 'open', 'source'].sort());

    // Shows that the search finds what it looks for.
    scene.pipeline(derivingPipeline(scene.tag, VALUE));
    await scene.on(machine);
    await server.kill();
    expect(made.filesBelow(server.folder).length).to.be.greaterThan(4);
  });
}

/** Nodes whose results the server has, by their keys. */
async function sharedOf(url: string, { nodes }: RunReport): Promise<readonly string[]> {
  const transport = await transportTo(url);
  const shared: string[] = [];
  for (const [id, { key }] of Object.entries(nodes)) {
    if ((await transport.getResult({ key: key as ActionKey }, limits())) !== undefined) shared.push(id);
  }
  transport.close();
  return shared.sort();
}

const all = (outcome: string): Readonly<Record<string, string>> =>
  Object.fromEntries(names.map((name) => [name, outcome]));

/** Puts the results of a stranger's nodes in the place of the results of others. */
async function poison(
  transport: RemoteTransport,
  victim: RunReport,
  stranger: RunReport,
  key: KeyObject,
): Promise<void> {
  const resultOf = async (of: ActionKey): Promise<ReapiResult> =>
    decodeActionResult((await transport.getResult({ key: of }, limits()))!)!;
  for (const [index, name] of names.entries()) {
    const [good, evil] = [victim, stranger].map(({ nodes }) => nodes[name]!.key as ActionKey) as [ActionKey, ActionKey];
    const result = await resultOf(evil);
    const signed = (value: Buffer): ReapiResult => ({
      ...result,
      metadata: { worker: 'stranger', auxiliaryMetadata: [{ typeUrl: SIGNATURE_TYPE, value }] },
    });
    const ways: readonly (() => ReapiResult | Promise<ReapiResult>)[] = [
      () => result,
      () => signed(signResult(good, result, key)),
      // The signature of the result that was there, and one by the right key for another result.
      async () => ({ ...result, metadata: (await resultOf(good)).metadata! }),
      async () => ({
        ...result,
        metadata: (await resultOf(victim.nodes[names[(index + 4) % COUNT]!]!.key as ActionKey)).metadata!,
      }),
    ];
    await transport.putResult(good, encodeActionResult(await ways[index % ways.length]!()), limits());
  }
}
