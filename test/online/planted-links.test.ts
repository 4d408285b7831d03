// A sample of test/torture/planted-links.test.ts, which explains how it works: real pip, and a build backend of the app
// that plants links.

import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { passThroughOf } from '../../src/engine/app/pass-through.js';
import { hasNamespaces } from '../support/namespaces.js';
import { attackAll, attackWithCode } from '../support/planted/attacks.js';
import { DJANGO, PIP } from '../support/planted/scenes.js';
import { pyenvVersions } from '../support/runtimes.js';
import { skipBecause } from '../support/skip.js';

const SITE = '.scalingo/python/lib/python3.12/site-packages';
const place = (path: string) => ({ folder: 'app' as const, path, command: 0, operations: [] });

describe('planted links, online', function () {
  this.timeout(240_000);
  let root: string;
  before(async function () {
    const hasPython = pyenvVersions().some((name) => name.startsWith('3.12.'));
    if (!hasPython || !(await hasNamespaces())) {
      return skipBecause(this, 'needs a CPython 3.12 of pyenv and the sandbox of namespaces');
    }
    root = mkdtempSync(join(tmpdir(), 'pyflow-planted-'));
  });
  after(() => {
    if (root !== undefined) execFileSync('rm', ['-rf', root]);
  });
  const request = (name: string) => ({
    folder: join(root, name),
    cacheDir: join(root, 'cache'),
    sandbox: 'required' as const,
    passThrough: passThroughOf(process.env),
  });

  it('never lead pyflow out of the folders of an installation with pip', async () => {
    const tally = await attackAll({ ...PIP, ...request('pip') }, { every: 45 });
    expect(tally.problems, tally.problems.join('\n')).to.deep.equal([]);
    expect(tally.places, tally.text).to.be.at.least(2);
  });

  it('do not, if a build backend plants them', async () => {
    // No pipes: Python itself would read them in the sandbox, and block until the timeout of the node.
    const forms = ['link-to-folder', 'link-to-file'] as const;
    const places = [`${SITE}/linked-1.0.dist-info`, `${SITE}/aaa.pth`].map(place);
    const tally = await attackWithCode({ ...PIP, ...request('backend') }, places, forms);
    expect(tally.problems, tally.problems.join('\n')).to.deep.equal([]);
    expect([tally.attacks, tally.notPlanted], tally.text).to.deep.equal([4, 0]);
  });

  it('do not, if manage.py plants them', async () => {
    const places = ['static/css', 'a.py'].map(place);
    const tally = await attackWithCode({ ...DJANGO, ...request('static') }, places, [
      'link-to-folder',
      'link-to-zero',
      'pipe',
    ]);
    expect(tally.problems, tally.problems.join('\n')).to.deep.equal([]);
    expect([tally.attacks, tally.notPlanted], tally.text).to.deep.equal([6, 0]);
  });
});
