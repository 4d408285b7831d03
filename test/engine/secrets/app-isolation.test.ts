import { expect } from 'chai';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { usedUnkeyed } from '../../../src/engine/secrets/app-credentials.js';
import { tryTenants } from '../../support/tenants.js';
import { outcomesOf, Workspace } from '../../support/workspace.js';

const SEED = Number(process.env['PYFLOW_SEED'] ?? Date.now() % 1_000_000);

describe('results of one app on a shared cache', () => {
  let workspace: Workspace;
  beforeEach(() => {
    workspace = new Workspace();
    workspace.write({ 'app.txt': 'app\n' });
  });
  afterEach(() => workspace.cleanUp());

  const signs = (label = 'v1'): string => `
pyflow: 1
nodes:
  sign:
    uses: command
    secrets: [{ name: TOKEN, label: ${label} }]
    with: { argv: [sh, -c, 'printf %s "\${TOKEN-none}" | sha256sum > sign.txt'], writes: [sign.txt] }
`;

  it('are not restored for another app if they were made with a secret', async () => {
    workspace.pipeline(signs());
    await workspace.run({ appId: 'a', envDir: workspace.envDir({ TOKEN: 'alpha-secret' }) });
    const first = workspace.slugFile('sign.txt');
    rmSync(workspace.outDir, { recursive: true });
    for (const token of ['beta-secret', 'alpha-secret']) {
      const report = await workspace.run({ appId: 'b', envDir: workspace.envDir({ TOKEN: token }), refresh: [] });
      if (token === 'beta-secret') {
        expect(outcomesOf(report)).to.deep.equal({ sign: 'executed' });
        expect(workspace.slugFile('sign.txt')).not.to.equal(first);
      }
    }
  });

  it('are shared if no secret was set', async () => {
    workspace.pipeline(signs());
    await workspace.run({ appId: 'a' });
    rmSync(workspace.outDir, { recursive: true });
    expect(outcomesOf(await workspace.run({ appId: 'b' }))).to.deep.equal({ sign: 'restored' });
  });

  it('are made again if a secret is set or unset, or if its label changes', async () => {
    workspace.pipeline(signs());
    await workspace.run();
    const unset = workspace.slugFile('sign.txt');
    const report = await workspace.run({ envDir: workspace.envDir({ TOKEN: 'alpha-secret' }) });
    expect(outcomesOf(report)).to.deep.equal({ sign: 'executed' });
    expect(report.nodes['sign']?.reasons).to.deep.include({ type: 'secret-set', name: 'TOKEN' });
    expect(workspace.slugFile('sign.txt')).not.to.equal(unset);
    expect(outcomesOf(await workspace.run())).to.deep.equal({ sign: 'restored' });
    expect(workspace.slugFile('sign.txt')).to.equal(unset);
    workspace.pipeline(signs('v2'));
    const relabelled = await workspace.run({ envDir: workspace.envDir({ TOKEN: 'other-secret' }) });
    expect(outcomesOf(relabelled)).to.deep.equal({ sign: 'executed' });
  });

  it('are not up to date on the fast path if a secret is set', async () => {
    workspace.pipeline(signs());
    await workspace.run();
    await workspace.run();
    expect(await workspace.fastRun()).not.to.equal(undefined);
    expect(await workspace.fastRun({ envDir: workspace.envDir({ TOKEN: 'alpha-secret' }) })).to.equal(undefined);
  });

  it('are not shared if the key omits the login of a URL', async () => {
    workspace.pipeline(`
pyflow: 1
nodes:
  url:
    uses: command
    with: { argv: [sh, -c, 'printf %s "$URL" | sha256sum > url.txt'], appEnv: [URL], writes: [url.txt] }
`);
    await workspace.run({ appId: 'a', envDir: workspace.envDir({ URL: 'postgres://ada:pass-of-ada@example.org/db' }) });
    const first = workspace.slugFile('url.txt');
    rmSync(workspace.outDir, { recursive: true });
    const variables = { URL: 'postgres://ada:pass-of-bob@example.org/db' };
    const report = await workspace.run({ appId: 'b', envDir: workspace.envDir(variables) });
    expect(outcomesOf(report)).to.deep.equal({ url: 'executed' });
    expect(workspace.slugFile('url.txt')).not.to.equal(first);
  });

  it('do not store values of variables in the key record', async () => {
    workspace.pipeline(`
pyflow: 1
nodes:
  reads:
    uses: command
    with: { argv: [sh, -c, 'printf %s "$NAME" | sha256sum > name.txt'], appEnv: [NAME], writes: [name.txt] }
`);
    const report = await workspace.run({ envDir: workspace.envDir({ NAME: 'value-of-the-app-4711' }) });
    expect(outcomesOf(report)).to.deep.equal({ reads: 'executed' });
    for (const file of readdirSync(workspace.cacheDir, { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) continue;
      const path = join(file.parentPath, file.name);
      expect(readFileSync(path).includes('value-of-the-app-4711'), path).to.equal(false);
    }
    const changed = await workspace.run({ envDir: workspace.envDir({ NAME: 'other-value-of-the-app' }) });
    expect(changed.nodes['reads']?.reasons).to.deep.equal([{ type: 'variable-changed', name: 'NAME' }]);
  });

  it('belong to the app if the plugin looked up a variable that is not in its key', () => {
    const variables = {
      UV_INDEX_ACME_PASSWORD: 'abc',
      LEVEL: 'verbose',
      PIP_EXTRA_INDEX_URL: 'https://ada:x@example.org/simple',
      SWITCH: '1',
    };
    const looks = (name: string, env: readonly string[] = [], facts: Record<string, string> = {}): boolean =>
      usedUnkeyed(new Set([name]), { env, facts }, variables);
    expect(looks('UV_INDEX_ACME_PASSWORD')).to.equal(true);
    expect(looks('UV_INDEX_ACME_PASSWORD', ['UV_INDEX_ACME_PASSWORD'])).to.equal(false);
    expect(looks('PIP_EXTRA_INDEX_URL', [], { index: 'https://example.org/simple' })).to.equal(true);
    expect(looks('LEVEL')).to.equal(true);
    expect(looks('LEVEL', [], { level: 'verbose' })).to.equal(false);
    expect(looks('SWITCH')).to.equal(false);
    expect(looks('UNSET_PASSWORD')).to.equal(false);
  });

  it('are the same as with an empty cache for any two tenants', async function () {
    this.timeout(60_000);
    expect(await tryTenants({ pairs: 8, seed: SEED })).to.be.greaterThan(0);
  });
});
