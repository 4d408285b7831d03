import { chmodSync, cpSync, lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { SLUG_MARKER } from '../../../src/engine/app/source-names.js';
import { Workspace } from '../../support/workspace.js';

const PIPELINE = `pyflow: 1
name: in-place
nodes:
  hook: { uses: hook, with: { script: bin/post_compile } }
`;
const REMOVING = `rm -rf private.key tests link; mv old-name.txt new-name.txt; rm -r becomes-file; echo x > becomes-file`;

describe("engine/slug in the app's folder", () => {
  let workspace: Workspace;
  beforeEach(() => {
    workspace = new Workspace()
      .write({
        'private.key': 'k',
        'tests/t.py': '1',
        'tests/deep/er.py': '2',
        'old-name.txt': 'name',
        'kept.txt': 'kept',
      })
      .write({ 'becomes-file/x': 'x' })
      .pipeline(PIPELINE);
    symlinkSync('kept.txt', join(workspace.appDir, 'link'));
    hook(REMOVING);
  });
  afterEach(() => workspace.cleanUp());

  const hook = (script: string): void => {
    workspace.write({ 'bin/post_compile': `#!/bin/sh\nset -e\n${script}\n` });
    chmodSync(join(workspace.appDir, 'bin/post_compile'), 0o755);
  };
  const filesOf = (folder: string): readonly string[] =>
    readdirSync(folder, { recursive: true })
      .map(String)
      .filter((path) => path !== SLUG_MARKER && !lstatSync(join(folder, path)).isDirectory())
      .sort();
  const buildOnce = async (folder = join(workspace.root, 'once')): Promise<string> => {
    cpSync(workspace.appDir, folder, { recursive: true, verbatimSymlinks: true });
    const report = await workspace.run({ appDir: folder, outDir: folder, oneTime: true });
    expect(report.slug?.files).to.equal(filesOf(folder).length);
    return folder;
  };
  const notices = (): readonly string[] =>
    workspace.events.flatMap((event) =>
      event.type === 'notice' && event.code === 'slug::sources-kept' ? [event.text] : [],
    );

  it('removes files, folders and links that a hook removed or renamed, in a one-time build', async () => {
    const folder = await buildOnce();
    expect(filesOf(folder)).to.deep.equal(['becomes-file', 'bin/post_compile', 'kept.txt', 'new-name.txt']);
    expect(readdirSync(folder)).not.to.include('tests');
    expect(notices()).to.deep.equal([]);
  });

  it('removes what a command removed, in a one-time build', async () => {
    workspace.pipeline(`pyflow: 1
name: in-place
nodes:
  tidy:
    uses: command
    with: { argv: [sh, -ec, "rm -r tests; mv old-name.txt moved"], reads: [tests/**, old-name.txt], writes: [tests/**, old-name.txt, moved] }
`);
    const folder = await buildOnce();
    expect(filesOf(folder)).to.include('moved').and.not.include.members(['old-name.txt', 'tests/t.py']);
    // The same with restored results.
    const again = await buildOnce(join(workspace.root, 'again'));
    expect(filesOf(again)).to.deep.equal(filesOf(folder));
  });

  it('removes a folder together with files in it that no node saw', async () => {
    mkdirSync(join(workspace.appDir, 'tests/.git'));
    workspace.write({ 'tests/.git/HEAD': 'ref' });
    const folder = await buildOnce();
    expect(filesOf(folder).filter((path) => path.startsWith('tests'))).to.deep.equal([]);
  });

  it("removes no file of the app in a developer's folder, says so, and counts it", async () => {
    const before = filesOf(workspace.appDir).filter((path) => path !== 'becomes-file/x');
    const report = await workspace.run({ outDir: workspace.appDir });
    const after = filesOf(workspace.appDir);
    expect(after).to.include.members([...before, 'new-name.txt', 'becomes-file']);
    expect(report.slug?.files).to.equal(after.length);
    expect(notices()).to.have.lengthOf(1);
    for (const path of ['private.key', 'tests', 'old-name.txt', 'link']) expect(notices()[0]).to.include(path);
    expect(notices()[0]).not.to.include('tests/t.py');
    // The hook finds the same files as before.
    hook(`${REMOVING.replace('rm -r becomes-file; ', '')}; echo again > new-name.txt`);
    await workspace.run({ outDir: workspace.appDir });
    expect(readFileSync(join(workspace.appDir, 'new-name.txt'), 'utf8')).to.equal('again\n');
    expect(readFileSync(join(workspace.appDir, 'old-name.txt'), 'utf8')).to.equal('name');
  });

  it('gives no notice if nodes remove only files that nodes made', async () => {
    hook('echo x > made');
    await workspace.run({ outDir: workspace.appDir });
    hook('echo y > other');
    await workspace.run({ outDir: workspace.appDir });
    expect(notices()).to.deep.equal([]);
    expect(filesOf(workspace.appDir)).to.include('other').and.not.include('made');
  });
});
