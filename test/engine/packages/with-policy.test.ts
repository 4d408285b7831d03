import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { judgedRequest } from '../../../src/engine/packages/judged-request.js';
import type { RunRequest } from '../../../src/engine/request.js';
import { Refused, Workspace } from '../../support/workspace.js';

const NOW = Date.UTC(2026, 11, 1);

describe('a request with a policy', () => {
  const space = new Workspace();
  const policyFile = join(space.root, 'policy.yml');
  after(() => space.cleanUp());

  const judged = async (text: string, more: Partial<RunRequest> = {}): Promise<RunRequest> => {
    writeFileSync(policyFile, text);
    const result = await judgedRequest(space.request({ policyFile, ...more }), NOW);
    if (!result.ok) throw new Refused(result.failure);
    return result.value;
  };

  it('stays as it is without one', async () => {
    const request = space.request();
    expect(await judgedRequest(request, NOW)).to.deep.equal({ ok: true, value: request });
  });

  it('goes through the gateway, unless it is told another way that can be judged', async () => {
    expect((await judged('yanked: refuse\n')).settings['PACKAGES']).to.equal('gateway');
    expect((await judged('yanked: refuse\n', { settings: { PACKAGES: 'replay' } })).settings['PACKAGES']).to.equal(
      'replay',
    );
    const direct = await judged('yanked: refuse\n', { settings: { PACKAGES: 'direct' } }).catch(
      (error: unknown) => error,
    );
    expect((direct as Error).message).to.contain('policy::needs-gateway');
  });

  it('is another request when a rule or an advisory changes', async () => {
    const digests: (string | undefined)[] = [];
    const add = async (text: string) => digests.push((await judged(text)).settings['POLICY']);
    await add('yanked: refuse\n');
    await add('yanked: warn\n');
    mkdirSync(join(space.root, 'osv'));
    await add('yanked: warn\nadvisories: osv\n');
    const affected = [{ package: { ecosystem: 'PyPI', name: 'bad' } }];
    writeFileSync(join(space.root, 'osv/MAL-1.json'), JSON.stringify({ id: 'MAL-1', affected }));
    await add('yanked: warn\nadvisories: osv\n');
    expect(new Set(digests).size).to.equal(4);
    await add('# a comment\nyanked: warn\n');
    expect(digests[4]).to.equal(digests[1]);
  });

  it('is refused before anything runs if the policy has a problem', async () => {
    writeFileSync(policyFile, 'yank: 1\n');
    space.pipeline('pyflow: 1\nname: none\nnodes: {}\n');
    const error = await space.run({ policyFile }).catch((thrown: unknown) => thrown);
    expect((error as Error).message).to.contain('policy::invalid: Unknown field `yank`.');
    expect(await space.fastRun({ policyFile })).to.equal(undefined);
    const planned = await space.plan({ policyFile }).catch((thrown: unknown) => thrown);
    expect(planned).to.be.instanceOf(Refused);
  });

  it('tells of waivers that have ended', async () => {
    const { policy } = await judged('waivers: [{ package: a, rule: deny, until: 2026-01-01, by: jane }]\n');
    expect(policy?.notices).to.deep.equal([
      ['policy::invalid', 'Line 1 of the policy file: The waiver for `a` by jane has ended.'],
    ]);
  });
});
