// Random apps of two tenants on one cache, and checks that neither gets data of the other.

import { expect } from 'chai';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { assert, asyncProperty, constantFrom, record, type Arbitrary } from 'fast-check';
import type { RunReport } from '../../src/engine/events.js';
import { contentOf } from './cli-scene.js';
import { outcomesOf, Workspace } from './workspace.js';

/** Nodes by what they depend on. Each writes or prints a digest of it, so that the value itself appears nowhere. */
const NODES: Readonly<Record<string, { readonly reads: readonly string[]; readonly text: string }>> = {
  plain: { reads: [], text: 'with: { argv: [sh, -c, "echo plain > plain"], writes: [plain] }' },
  file: {
    reads: ['TOKEN'],
    text: `secrets: [TOKEN]
    with: { argv: [sh, -c, 'printf %s "$TOKEN" | sha256sum > file'], writes: [file] }`,
  },
  captured: {
    reads: ['TOKEN', 'KEY'],
    text: `secrets: [TOKEN, { name: KEY, label: v1 }]
    with: { argv: [sh, -c, 'printf %s "$TOKEN$KEY" | sha256sum'], capture: true }`,
  },
  whole: {
    reads: ['TOKEN'],
    text: `secrets: [TOKEN]
    with: { argv: [sh, -c, 'printf %s "$TOKEN" | sha256sum > whole'], reads: ['**'], writes: [whole] }`,
  },
  behind: {
    reads: ['TOKEN'],
    text: `inputs: { tree: file.tree }
    with: { argv: [sh, -c, 'sha256sum < file > behind'], writes: [behind] }`,
  },
  variable: {
    reads: ['NAME'],
    text: `with: { argv: [sh, -c, 'printf %s "$NAME" | sha256sum > variable'], appEnv: [NAME], writes: [variable] }`,
  },
  login: {
    reads: ['URL'],
    text: `with: { argv: [sh, -c, 'printf %s "$URL" | sha256sum > login'], appEnv: [URL], writes: [login] }`,
  },
};

const PIPELINE = `pyflow: 1\nnodes:\n${Object.entries(NODES)
  .map(([id, { text }]) => `  ${id}:\n    uses: command\n    ${text}\n`)
  .join('')}`;

type Variables = Readonly<Record<string, string>>;

const token = constantFrom('alpha-secret-1', 'beta-secret-22', 'gamma-secret-333');
const tenant: Arbitrary<Variables> = record(
  {
    TOKEN: token,
    KEY: token,
    NAME: constantFrom('shop', 'blog', 'shop\nblog'),
    URL: constantFrom(
      'https://ada:pass-word-1@example.org/simple',
      'https://bob:pass-word-2@example.org/simple',
      'https://example.org/simple',
      'postgres://ada:pass-word-1@example.org/db',
    ),
  },
  { requiredKeys: [] },
);

export interface TenantTrial {
  readonly pairs: number;
  readonly seed: number;
}

/** For each pair, the second tenant's build is the same as with an empty cache, and restores only results without secrets of either. */
export async function tryTenants({ pairs, seed }: TenantTrial): Promise<number> {
  let restored = 0;
  await assert(
    asyncProperty(tenant, tenant, async (first, second) => {
      const workspace = new Workspace();
      try {
        workspace.write({ 'app.txt': 'app\n' }).pipeline(PIPELINE);
        await build(workspace, 'tenant-a', first, 'shared');
        const shared = await build(workspace, 'tenant-b', second, 'shared');
        const content = contentOf(workspace.outDir);
        const alone = await build(workspace, 'tenant-b', second, 'own');
        expect(content).to.deep.equal(contentOf(workspace.outDir));
        for (const [id, outcome] of Object.entries(outcomesOf(shared))) {
          expect(shared.nodes[id]?.outputs, id).to.deep.equal(alone.nodes[id]?.outputs);
          if (outcome !== 'restored') continue;
          restored++;
          expect(mayShare(id, first, second), `${id} was restored`).to.equal(true);
        }
      } finally {
        workspace.cleanUp();
      }
    }),
    { numRuns: pairs, seed },
  );
  return restored;
}

/** Secrets and logins are in no key, so a result made with one belongs to one app, even if the values are equal. */
function mayShare(id: string, first: Variables, second: Variables): boolean {
  // Its key contains only the content of its input.
  if (id === 'behind') return first['TOKEN'] === second['TOKEN'];
  const { reads = [] } = NODES[id] ?? {};
  const isSecret = (name: string, value: string): boolean =>
    name === 'TOKEN' || name === 'KEY' || /\/\/[^/]*@/.test(value);
  return reads.every((name) => {
    const value = second[name];
    return value === first[name] && (value === undefined || !isSecret(name, value));
  });
}

function build(workspace: Workspace, appId: string, variables: Variables, cache: string): Promise<RunReport> {
  rmSync(workspace.outDir, { recursive: true, force: true });
  const envDir = workspace.envDir(variables);
  return workspace.run({ appId, envDir, cacheDir: join(workspace.root, cache), keepGoing: true });
}
