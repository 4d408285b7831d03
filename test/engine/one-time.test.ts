import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { RunReport } from '../../src/engine/events.js';
import { SLUG_MARKER, SLUG_MARKERS, UNFINISHED_MARKER } from '../../src/engine/app/source-names.js';
import { outcomesOf, Workspace } from '../support/workspace.js';

const PIPELINE = `pyflow: 1
name: one-time
nodes:
  upper:
    uses: command
    with: { argv: [sh, -c, "mkdir out; tr a-z A-Z < words.txt | tee out/upper.txt"], reads: [words.txt], writes: [out/**] }
`;

describe('a one-time run', () => {
  let workspace: Workspace;
  beforeEach(() => {
    workspace = new Workspace().write({ 'words.txt': 'one\n' }).pipeline(PIPELINE);
  });
  afterEach(() => workspace.cleanUp());

  const build = (folder = workspace.appDir, overrides = {}): Promise<RunReport> =>
    workspace.run({ appDir: folder, outDir: folder, oneTime: true, appId: 'shop', ...overrides });
  const another = (name: string): string => {
    const folder = join(workspace.root, name);
    mkdirSync(folder);
    writeFileSync(join(folder, 'words.txt'), 'one\n');
    return folder;
  };

  it('leaves the slug and no other files of pyflow', async () => {
    const report = await build();
    expect(readFileSync(join(workspace.appDir, 'out/upper.txt'), 'utf8')).to.equal('ONE\n');
    for (const name of SLUG_MARKERS) expect(existsSync(join(workspace.appDir, name)), name).to.equal(false);
    const apart = await workspace.run({ appDir: another('other'), outDir: join(workspace.root, 'apart') });
    expect(report.slug?.digest).to.equal(apart.slug?.digest);
  });

  it('finds everything up to date in the next folder, and shows the log of each node again', async () => {
    await build();
    const report = await build(another('second'));
    expect(outcomesOf(report)).to.deep.equal({ upper: 'up-to-date' });
    const lines = workspace.events.flatMap((event) => (event.type === 'node-printed' ? [event.text] : []));
    expect(lines).to.deep.equal(['ONE']);
  });

  it('uses no fast path, even if nothing changed', async () => {
    await build();
    expect(await workspace.fastRun({ outDir: workspace.appDir, oneTime: true, appId: 'shop' })).to.equal(undefined);
  });

  it('ignores a marker that came with the app, so that no file of the app is lost', async () => {
    const paths = { 'words.txt': `${'0'.repeat(64)}/4`, 'kept/': 'folder', 'kept/file': '-> x' };
    for (const name of [SLUG_MARKER, UNFINISHED_MARKER]) {
      workspace.write({ [name]: JSON.stringify({ format: 1, digest: 'x', paths }), 'kept/file': 'mine' });
    }
    await build();
    expect(readFileSync(join(workspace.appDir, 'words.txt'), 'utf8')).to.equal('one\n');
    expect(readFileSync(join(workspace.appDir, 'kept/file'), 'utf8')).to.equal('mine');
    for (const name of SLUG_MARKERS) expect(existsSync(join(workspace.appDir, name)), name).to.equal(false);
  });
});

describe('variables that the caller passes on', () => {
  it('are app variables, with lower precedence than those of the app', async () => {
    const workspace = new Workspace().write({ 'bin/say': 'echo "$A $B"' }).pipeline(`pyflow: 1
name: variables
nodes:
  say: { uses: hook, with: { script: bin/say } }
`);
    try {
      const envDir = join(workspace.root, 'env');
      mkdirSync(envDir);
      writeFileSync(join(envDir, 'B'), 'own');
      await workspace.run({ envDir, variables: { A: 'passed', B: 'passed' } });
      const lines = workspace.events.flatMap((event) => (event.type === 'node-printed' ? [event.text] : []));
      expect(lines).to.include('passed own');
    } finally {
      workspace.cleanUp();
    }
  });
});
