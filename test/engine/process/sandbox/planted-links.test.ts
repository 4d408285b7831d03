// A sample of test/torture/planted-links.test.ts, which explains the method: commands and hooks, with and without a sandbox.

import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hasNamespaces } from '../../../support/namespaces.js';
import { attackAll, attackWithCode } from '../../../support/planted/attacks.js';
import { FORMS } from '../../../support/planted/planter.js';
import { COMMAND, HOOK } from '../../../support/planted/scenes.js';
import { skipBecause } from '../../../support/skip.js';

const place = (path: string) => ({ folder: 'app' as const, path, command: 0, operations: [] });

describe('planted links, a sample', function () {
  this.timeout(120_000);
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pyflow-planted-'));
  });
  afterEach(() => void execFileSync('rm', ['-rf', root]));
  const request = (sandbox: 'required' | 'none') => ({
    folder: join(root, 'trial'),
    cacheDir: join(root, 'cache'),
    sandbox,
    passThrough: {},
  });

  for (const [scene, floor] of [
    [COMMAND, 3],
    [HOOK, 4],
  ] as const) {
    it(`never lead pyflow out of the folders of a ${scene.kind} in the sandbox`, async function () {
      if (!(await hasNamespaces())) {
        return skipBecause(this, 'needs the sandbox of namespaces');
      }
      const tally = await attackAll({ ...scene, ...request('required') }, { every: 4 });
      expect(tally.problems, tally.problems.join('\n')).to.deep.equal([]);
      expect(tally.places, tally.text).to.be.at.least(floor);
      expect(tally.notPlanted, tally.text).to.equal(0);
    });
  }

  it('never lead pyflow out of the folders of a hook without a sandbox', async () => {
    const places = ['a.py', 'made/in'].map(place);
    const tally = await attackWithCode({ ...HOOK, ...request('none') }, places, FORMS);
    expect(tally.problems, tally.problems.join('\n')).to.deep.equal([]);
    expect([tally.attacks, tally.notPlanted], tally.text).to.deep.equal([16, 0]);
  });
});
