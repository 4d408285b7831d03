import { expect } from 'chai';
import * as fc from 'fast-check';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { KnownSecrets } from '../../../src/engine/secrets/known-secrets.js';
import { SPELLINGS } from '../../support/secret-spellings.js';
import { outcomesOf, Workspace } from '../../support/workspace.js';

const SECRET = 'S3cr3t/C4n+ry=Value&x';

describe('engine/secrets/output-scanner', () => {
  let workspace: Workspace;
  beforeEach(() => {
    workspace = new Workspace();
    workspace.write({ 'app.txt': 'app\n' });
  });
  afterEach(() => workspace.cleanUp());

  const command = (script: string, { writes = ['out'], more = '' } = {}): string =>
    `{ uses: command, ${more} with: { argv: [bash, -c, ${JSON.stringify(script)}], writes: ${JSON.stringify(writes)}, reads: ['**'] } }`;
  const pipeline = (nodes: Readonly<Record<string, string>>): string =>
    `pyflow: 1\nnodes:\n${Object.entries(nodes)
      .map(([id, node]) => `  ${id}: ${node}\n`)
      .join('')}`;
  const stored = (text: string): readonly string[] =>
    [workspace.cacheDir, workspace.outDir]
      .flatMap((folder) => {
        try {
          return readdirSync(folder, { recursive: true, withFileTypes: true });
        } catch {
          return [];
        }
      })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((path) => readFileSync(path).includes(text));

  const places: readonly (readonly [string, string, string])[] = [
    ['a file', 'mkdir out; printf %s "$TOKEN" > out/a', 'out/a'],
    [
      'a file of 3 MB, across the border of a chunk',
      'mkdir out; { head -c 1048566 /dev/zero; printf %s "$TOKEN"; head -c 2000000 /dev/zero; } > out/a',
      'out/a',
    ],
    ['base64 in lines', 'mkdir out; printf "user:%s" "$TOKEN" | base64 -w 10 > out/a', 'out/a'],
    ['hex', 'mkdir out; printf %s "$TOKEN" | od -An -tx1 > out/a', 'out/a'],
    ['the name of a file', 'mkdir out; touch "out/${TOKEN//\\//_}"', 'the name'],
    ['the names of folders', 'mkdir -p "out/$TOKEN"', 'the name'],
    ['the target of a link', 'mkdir out; ln -s "/x/$TOKEN" out/link', 'the target of the link out/link'],
  ];
  for (const [what, script, where] of places) {
    it(`fails a node that leaves a secret in ${what}, and stores nothing of it`, async () => {
      const name = what === 'the name of a file' ? SECRET.replace('/', '_') : SECRET;
      workspace.pipeline(pipeline({ leaves: command(script, { more: 'secrets: [TOKEN],', writes: ['out/**'] }) }));
      const report = await workspace.run({ envDir: workspace.envDir({ TOKEN: name }) });
      expect(report.exitCode).to.equal(1);
      const { failure } = report.nodes['leaves']!;
      expect(failure).to.include({ code: 'node::secret-in-output', blame: 'app' });
      expect(failure?.title).to.contain('TOKEN');
      expect(failure?.detail).to.contain(where);
      expect(failure?.remedy).to.contain('mayStore: true');
      for (const text of [name, 'user:S3', Buffer.from(name).toString('hex')]) expect(stored(text)).to.deep.equal([]);
      expect(JSON.stringify([report, workspace.events])).not.to.contain(name);
    });
  }

  it('finds every spelling in files', () => {
    const secrets = new KnownSecrets({ declared: new Set(['TOKEN']), variables: { TOKEN: SECRET }, ofOperator: {} });
    const spelling = fc.constantFrom(...Object.keys(SPELLINGS));
    fc.assert(
      fc.property(
        spelling,
        fc.uint8Array({ maxLength: 50 }),
        fc.uint8Array({ maxLength: 50 }),
        fc.nat(60),
        (name, before, after, cut) => {
          const bytes = Buffer.concat([before, Buffer.from(SPELLINGS[name]!(SECRET), 'latin1'), after]);
          const see = secrets.outputs.for({ node: 'n', mayStore: new Set(), env: new Set() }).file('a')!();
          expect(() => {
            see(bytes.subarray(0, cut));
            see(bytes.subarray(cut));
          }).to.throw();
        },
      ),
      { numRuns: 300 },
    );
  });

  it('lets a node with mayStore and its dependents store a secret, but no others', async () => {
    const copies = command('cp first second', { writes: ['second'], more: 'after: [stores],' });
    const stores = command('printf %s "$TOKEN" > first', {
      writes: ['first'],
      more: 'secrets: [{ name: TOKEN, mayStore: true }],',
    });
    workspace.pipeline(pipeline({ stores, copies }));
    const done = await workspace.run({ envDir: workspace.envDir({ TOKEN: SECRET }) });
    expect(outcomesOf(done)).to.deep.equal({ stores: 'executed', copies: 'executed' });
    expect(workspace.slugFile('second')).to.equal(SECRET);
    workspace.pipeline(pipeline({ stores: stores.replace(', mayStore: true', '') }));
    const refused = await workspace.run({ envDir: workspace.envDir({ TOKEN: SECRET }) });
    expect(refused.nodes['stores']?.failure?.code).to.equal('node::secret-in-output');
  });

  it('refuses a secret of another node that came with the variables of the app', async () => {
    workspace.pipeline(
      pipeline({
        names: command('true', { writes: ['x'], more: 'secrets: [TOKEN],' }),
        leaves: `{ uses: command, with: { argv: [bash, -c, 'printf %s "$TOKEN" > out'], writes: [out], appEnv: [TOKEN] } }`,
      }),
    );
    const report = await workspace.run({ envDir: workspace.envDir({ TOKEN: SECRET }), keepGoing: true });
    expect(report.nodes['leaves']?.failure?.code).to.equal('node::secret-in-output');
  });

  it('lets a node write a login that it got openly, and refuses other logins', async () => {
    const writes = (env: string): string =>
      `{ uses: command, with: { argv: [bash, -c, 'printf %s "$DATABASE_URL$PIP_INDEX_URL" > out'], writes: [out], appEnv: ${env} } }`;
    const variables = {
      DATABASE_URL: 'postgres://shop:d4tabase-pass@db/shop',
      PIP_INDEX_URL: 'https://ada:1ndex-p4ssword@example.org/simple',
    };
    workspace.pipeline(pipeline({ open: writes('[DATABASE_URL, PIP_INDEX_URL]') }));
    expect(outcomesOf(await workspace.run({ envDir: workspace.envDir(variables) }))).to.deep.equal({
      open: 'executed',
    });
    workspace.pipeline(pipeline({ finds: command('printf 1ndex-p4ss > out; printf word >> out') }));
    const report = await workspace.run({ envDir: workspace.envDir(variables) });
    expect(report.nodes['finds']?.failure?.title).to.contain('PIP_INDEX_URL');
    expect(report.nodes['finds']?.failure?.remedy).not.to.contain('mayStore');
  });

  it('reports where a secret made of plain words was found, and continues', async () => {
    workspace.pipeline(pipeline({ words: command('printf %s "$TOKEN" > out', { more: 'secrets: [TOKEN],' }) }));
    const report = await workspace.run({ envDir: workspace.envDir({ TOKEN: 'alpha-secret' }) });
    expect(outcomesOf(report)).to.deep.equal({ words: 'executed' });
    const notice = workspace.events.find((event) => event.type === 'node-printed' && event.stream === 'notice');
    expect(notice).to.have.property(
      'text',
      '[node::secret-in-output] The output of the node contains the value of the secret TOKEN: the file out.',
    );
  });

  it('refuses logins in files of version control and installers, even without secrets', async () => {
    const login = 'https://ada:ghp-4711@example.org/repo';
    for (const [path, text] of [
      ['lib/.git/config', `[remote "origin"]\n  url = ${login}\n`],
      ['lib/.git/modules/a/config', `url = ${login}`],
      ['lib/.git/logs/HEAD', `0000 clone: from ${login}`],
      ['lib/.git/FETCH_HEAD', `abc\tbranch 'main' of ${login}`],
      ['.git-credentials', login],
      [
        'a-1.0.dist-info/direct_url.json',
        JSON.stringify({ url: 'git+https://ghp0123456789abcdefghij@example.org/repo' }),
      ],
    ] as const) {
      workspace.pipeline(
        pipeline({
          clones: command(
            `mkdir -p "$(dirname "out/${path}")"; printf '%s' ${JSON.stringify(text).replaceAll('$', '')} > "out/${path}"`,
            { writes: ['out/**'] },
          ),
        }),
      );
      const report = await workspace.run();
      expect(report.nodes['clones']?.failure, path).to.include({ code: 'node::secret-in-output' });
      expect(JSON.stringify(report)).not.to.contain('ghp-4711');
    }
    for (const fine of [
      'git@example.org:repo',
      'ssh://git@example.org/repo',
      'https://ada@example.org/repo',
      'https://ada:****@example.org/r',
      'https://${USER}:${TOKEN}@example.org/r',
    ]) {
      workspace.write({ url: fine }).pipeline(
        pipeline({
          clones: command('mkdir -p out/x.dist-info; cp url out/x.dist-info/direct_url.json', { writes: ['out/**'] }),
        }),
      );
      expect(outcomesOf(await workspace.run()), fine).to.deep.equal({ clones: 'executed' });
    }
  });

  it('finds nothing in compressed files', () => {
    const secrets = new KnownSecrets({ declared: new Set(['TOKEN']), variables: { TOKEN: SECRET }, ofOperator: {} });
    const see = secrets.outputs.for({ node: 'n', mayStore: new Set(), env: new Set() }).file('a.gz')!();
    expect(() => see(gzipSync(`${SECRET}${SECRET}`))).not.to.throw();
  });

  it('scans only files of version control in a run without secrets', () => {
    const scanner = new KnownSecrets({
      declared: new Set(['TOKEN']),
      variables: { NAME: 'shop-of-ada-4711' },
      ofOperator: {},
    }).outputs.for({
      node: 'n',
      mayStore: new Set(),
      env: new Set(),
    });
    expect(scanner.file('lib/python3.13/os.py')).to.equal(undefined);
    expect(scanner.file('src/x/.git/config')).not.to.equal(undefined);
  });
});
