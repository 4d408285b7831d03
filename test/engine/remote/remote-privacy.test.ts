import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { succeed } from '../../../src/engine/failure.js';
import type { RemoteRequest } from '../../../src/engine/request.js';
import { Canary } from '../../support/canary.js';
import { MemoryReapi } from '../../support/memory-reapi.js';
import { composeWith, outputs, schemaOf, TREE, type Toy } from '../../support/toy-kinds.js';
import { Workspace } from '../../support/workspace.js';

const SECRET = 'canary-7c1e9f4b2a6d8035';
const VARIABLE = 'canary-2d84b6f07e3a915c';
const LOGIN = 'canary-93f5a1c8d02e7b46';
const TOKEN = 'canary-60b7e2d9f41a8c35';

type Run = NonNullable<Toy['run']>;

/** A kind that writes a file with its name. */
const saving = (
  name: string,
  text: (context: Parameters<Run>[1]) => string,
  {
    manifest,
    reads,
    more = {},
  }: Pick<Toy, 'manifest' | 'reads'> & { readonly more?: Parameters<typeof outputs>[1] } = {},
): readonly [string, Toy] => [
  name,
  {
    manifest: { outputs: schemaOf({ tree: TREE }), writes: [name], ...manifest },
    ...(reads === undefined ? {} : { reads }),
    run: async (_, context) => {
      const { writeFile } = await import('node:fs/promises');
      await writeFile(`${context.appDir}/${name}`, text(context));
      return outputs({}, more);
    },
  },
];

const kinds: Readonly<Record<string, Toy>> = Object.fromEntries([
  saving('open', () => 'nothing to hide'),
  saving('asking', ({ env }) => env['PLAIN']!, { reads: () => succeed({ env: ['PLAIN'] }) }),
  // Without a word of it in the key.
  saving('looking', ({ view }) => view.env('PLAIN')!),
  saving('deriving', () => 'x', { reads: (_, view) => succeed({ facts: { from: view.env('PLAIN')! } }) }),
  saving('configured', () => 'x', { manifest: { config: schemaOf({ index: { type: 'string' } }) } }),
  saving('secretive', ({ env }) => String(env['HIDDEN']?.length)),
  saving('fleeting', () => 'x'),
  saving('scoped', () => 'x', { reads: () => succeed({ scope: 'app' as const }) }),
  saving('building', () => 'x', { more: { scope: 'app' } }),
  saving('fallback', () => 'x', { more: { degraded: { reason: 'second best', maxAgeMs: 1e6 } } }),
  saving('private', () => 'x', { more: { uncacheable: 'it is private' } }),
]);

const PIPELINE = `pyflow: 1
nodes:
  open: { uses: open }
  asking: { uses: asking }
  looking: { uses: looking }
  deriving: { uses: deriving }
  configured: { uses: configured, with: { index: 'https://user:${LOGIN}@index.example/simple' } }
  secretive: { uses: secretive, secrets: [HIDDEN] }
  fleeting: { uses: fleeting, cache: never }
  scoped: { uses: scoped }
  building: { uses: building }
  fallback: { uses: fallback }
  private: { uses: private }
`;

describe('engine/remote, what leaves the machine', function () {
  this.timeout(60_000);
  let server: MemoryReapi;
  let work: Workspace;
  beforeEach(async () => {
    server = await MemoryReapi.start();
    work = new Workspace().pipeline(PIPELINE).write({ 'source.txt': 'the source stays as well' });
    work.compose = composeWith(work.compose, kinds);
  });
  afterEach(() => {
    server.stop();
    work.cleanUp();
  });

  it('is nothing that knows secrets, variables of the app, headers or logins', async () => {
    const settingsFile = join(work.root, 'remote.yml');
    writeFileSync(settingsFile, 'write: true\nheaders: { authorization: "Bearer ${{ env.TOKEN }}" }\n');
    const remote: RemoteRequest = { url: server.url, settingsFile, write: false, execute: false, env: { TOKEN } };
    const envDir = work.envDir({ HIDDEN: SECRET, PLAIN: VARIABLE });
    const report = await work.run({ remote, envDir });
    expect(report.status).to.equal('succeeded');
    const everything = [...server.blobs.values(), ...server.results.values()];
    const all = Buffer.concat(everything).toString('latin1');
    expect(all).to.contain('pyflow-node');
    const canary = new Canary([SECRET, VARIABLE, LOGIN, TOKEN]);
    for (const bytes of everything) expect(canary.isIn(bytes), bytes.toString('latin1')).to.equal(false);
    expect(all, 'the source is not needed for a result').to.not.contain('the source stays as well');
    expect(server.results.size, 'open, and no other').to.equal(1);
    expect(report.remote).to.include({ uploaded: 1, notUploaded: 0 });
  });
});
