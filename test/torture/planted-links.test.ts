// Links planted at recorded places: each place in a node's folders that pyflow's process touches after a command ran is
// replaced, one at a time, with links out of the sandbox, pipes, devices, folders and deep trees. Then the node runs
// again.
//
// What is real and what is replayed: the attacked node runs in the whole engine (view, sandbox, plugin, capture, store,
// removal), and the command itself plants the link inside the sandbox. Hooks, commands, manage.py and NLTK run again
// for each attack. Installers of packages take seconds, so the test records once what their commands change and print,
// and replays that in the sandbox. Commands after the planting one are real, and so is the whole next build after an
// attack on the cache.
//
// Places that pyflow opens, lists or rewrites get every form of attack. The many places that it only looks at or
// removes get three forms in turn. After each attack on the cache, and after one attack on every place, the app is
// built again without an attack.

import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { passThroughOf } from '../../src/engine/app/pass-through.js';
import { hasNamespaces } from '../support/namespaces.js';
import { PackageIndex } from '../support/package-index.js';
import { attackAll, type Tally } from '../support/planted/attacks.js';
import { COMMAND, HOOK, INDEXED, lockedScenes, PYTHON_SCENES, type Scene } from '../support/planted/scenes.js';
import { prepareRuntimeOf, pyenvVersions } from '../support/runtimes.js';
import { skipBecause } from '../support/skip.js';

/**
 * Minimum number of places, by node. Lower a number only with a reason: fewer places mean that the test covers less.
 */
const FLOORS: Readonly<Record<string, number>> = {
  make: 10,
  'post-compile': 14,
  pip: 110,
  'uv-pip': 135,
  pipenv: 90,
  static: 11,
  corpora: 14,
  poetry: 120,
  'poetry-project': 65,
  uv: 62,
  'uv-project': 115,
};

describe('planted links', function () {
  this.timeout(5_400_000);
  let root: string;
  let index: PackageIndex | undefined;
  let locked: readonly Scene[] = [];
  const tallies: Tally[] = [];
  const version = pyenvVersions().find((name) => name.startsWith('3.12.'));

  before(async function () {
    if (!(await hasNamespaces())) {
      return skipBecause(this, 'needs the sandbox of namespaces');
    }
    root = mkdtempSync(join(tmpdir(), 'pyflow-planted-'));
    if (version === undefined) return;
    index = await PackageIndex.start(INDEXED, { tellsDigests: true });
    locked = await lockedScenes(await prepareRuntimeOf(version), index);
  });
  after(async () => {
    await index?.stop();
    if (root !== undefined) execFileSync('rm', ['-rf', root]);
    const [places, attacks] = [sum('places'), sum('attacks')];
    console.log(`      ${places} places, ${attacks} attacks, ${sum('notPlanted')} could not be planted`);
  });
  const sum = (field: 'places' | 'attacks' | 'notPlanted'): number =>
    tallies.reduce((total, tally) => total + tally[field], 0);

  for (const [node, floor] of Object.entries(FLOORS)) {
    it(`never lead pyflow out of the folders of ${node}`, async function () {
      const scene = [COMMAND, HOOK, ...PYTHON_SCENES, ...locked].find((candidate) => candidate.node === node);
      if (scene === undefined || (scene !== COMMAND && scene !== HOOK && version === undefined)) {
        return skipBecause(this, 'needs a CPython 3.12 of pyenv');
      }
      const folder = { folder: join(root, node), cacheDir: join(root, 'cache') };
      const tally = await attackAll({
        ...scene,
        ...folder,
        sandbox: 'required',
        passThrough: passThroughOf(process.env),
      });
      tallies.push(tally);
      console.log(`      ${tally.text}`);
      expect(tally.problems, tally.problems.join('\n')).to.deep.equal([]);
      expect(tally.places).to.be.at.least(floor);
    });
  }
});
