import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { lazyEngine } from '../../src/cli/engine.js';
import { pyflow } from '../support/fake-world.js';
import { SmallSlug } from '../support/small-slug.js';

describe('cli/inspect', () => {
  let slug: SmallSlug;
  const engine = { inspect: lazyEngine('0', {}).inspect };
  const inspect = (...args: readonly string[]) => pyflow(['inspect', slug.dir, ...args], { engine });

  beforeEach(() => {
    slug = new SmallSlug({ 'requirements.txt': 'shop\n' });
    slug.wheel('shop', '1.0', ['License-Expression: MIT']);
    slug.seal();
  });
  afterEach(() => slug.remove());

  it('prints the inventory in the form that --format names', async () => {
    expect((await inspect()).stdout).to.match(/^ {2}shop 1\.0 +\d+ B$/m);
    expect(JSON.parse((await inspect('--format', 'json')).stdout)).to.include({ schema: 'pyflow.inventory/1' });
    expect(JSON.parse((await inspect('--format', 'cyclonedx')).stdout)).to.include({ specVersion: '1.6' });
    expect((await inspect('--format', 'xml')).status).to.equal(2);
  });

  it('writes to the file of --out', async () => {
    const file = join(slug.dir, 'inventory.json');
    const { status, stdout } = await inspect('--format', 'json', '--out', file);
    expect([status, stdout]).to.deep.equal([0, '']);
    expect(JSON.parse(readFileSync(file, 'utf8'))).to.include({ schema: 'pyflow.inventory/1' });
    expect((await inspect('--out', '/dev/null/x')).stderr).to.contain('/dev/null/x');
  });

  it('exits with status 1 and the largest parts if the slug is over its budget', async () => {
    const { status, stderr, stdout } = await inspect('--budget', '50');
    expect(status).to.equal(1);
    expect(stderr)
      .to.contain('its budget is 50 B [inspect::over-budget]')
      .and.to.match(/shop 1\.0 +\d+ B/);
    expect(stdout).to.contain('Licences:');
    expect((await inspect('--budget', '50M')).status).to.equal(0);
    expect((await inspect('--budget', 'much')).status).to.equal(2);
    const env = { PYFLOW_SLUG_BUDGET: '50' };
    expect((await pyflow(['inspect', slug.dir], { engine, env })).status).to.equal(1);
  });

  it('compares with another slug, and refuses what is neither slug nor run', async () => {
    expect((await inspect('--against', slug.dir)).stdout).to.contain('the same packages');
    expect((await inspect('--against', 'nothing')).stderr).to.contain('[inspect::unknown-run]');
    expect((await inspect('--sign', 'key.pem')).status).to.equal(2);
    expect((await inspect('--format', 'slsa')).stderr).to.contain('[inspect::no-run]');
  });

  it('refuses a folder that is no slug', async () => {
    const { status, stderr } = await pyflow(['inspect', '/'], { engine });
    expect(status).to.equal(2);
    expect(stderr).to.contain('[slug::not-a-slug]');
  });
});
