import { expect } from 'chai';
import * as fc from 'fast-check';
import { symlinkSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { followLinks } from '../../../src/engine/app/links.js';
import { selectPaths } from '../../../src/engine/app/selection.js';
import type { Digest } from '../../../src/engine/files/digest.js';
import type { Source, SourceEntry } from '../../../src/engine/app/source.js';
import type { Layer } from '../../../src/engine/trees/tree.js';
import { viewReader } from '../../../src/engine/app/view.js';
import { RunFiles } from '../../../src/engine/app/run-files.js';
import { outcomesOf, Workspace } from '../../support/workspace.js';

const file = { type: 'file', size: 1, executable: false } as unknown as SourceEntry;
const folder = { type: 'directory' } as unknown as SourceEntry;
const link = (target: string) => ({ type: 'symlink', target }) as unknown as SourceEntry;
const chain = (node: number) => ({ has: (other: number) => other < node });
const noDeletions = { deleted: [] } as unknown as Layer;

function filesOf(entries: Record<string, SourceEntry>): RunFiles {
  const source = { directory: '/nowhere', entries: new Map(Object.entries(entries)) } as unknown as Source;
  return new RunFiles(source, chain);
}
const selected = (files: RunFiles, ...patterns: string[]) => [...selectPaths(files, 5, patterns).paths].sort();

describe('engine/app/links', () => {
  it('select each step of a chain, also through linked folders, and the target', () => {
    const files = filesOf({
      'a.txt': link('in/b.txt'),
      in: link('deploy/files'),
      deploy: folder,
      'deploy/files': folder,
      'deploy/files/b.txt': link('../c.txt'),
      'deploy/c.txt': file,
      'deploy/other.txt': file,
    });
    expect(selected(files, 'a.txt')).to.deep.equal(['a.txt', 'deploy/c.txt', 'deploy/files/b.txt', 'in']);
    expect(selected(files, 'in/*.txt')).to.deep.equal(['deploy/c.txt', 'deploy/files/b.txt', 'in']);
    expect(selected(files, 'in')).to.deep.equal(['deploy/c.txt', 'deploy/files/b.txt', 'in']);
  });

  it('are followed if a pattern goes through a linked folder, also in its middle', () => {
    const files = filesOf({
      apps: folder,
      'apps/web': link('../src/web'),
      'apps/api': folder,
      'apps/api/run.py': file,
      src: folder,
      'src/web': folder,
      'src/web/run.py': file,
      'src/web/deep': folder,
      'src/web/deep/x.py': file,
    });
    expect(selected(files, 'apps/*/run.py')).to.deep.equal(['apps/api/run.py', 'apps/web', 'src/web/run.py']);
    expect(selected(files, '{apps,none}/w?b/*/x.py')).to.deep.equal(['apps/web', 'src/web/deep/x.py']);
    expect(selected(files, 'apps/**')).to.deep.equal([
      'apps/api/run.py',
      'apps/web',
      'src/web/deep/x.py',
      'src/web/run.py',
    ]);
  });

  it('end in a circle of folders', () => {
    const files = filesOf({
      a: folder,
      'a/x': file,
      'a/to-b': link('../b'),
      b: folder,
      'b/to-a': link('../a'),
      'b/up': link('..'),
      c: file,
    });
    expect(selected(files, 'a/**')).to.deep.equal(['a/to-b', 'a/x', 'b/to-a', 'b/up', 'c']);
  });

  it('cost one look each if their target is selected anyway', () => {
    const entries: Record<string, SourceEntry> = { m: folder, 'm/.store': folder };
    for (let index = 0; index < 5000; index++) {
      entries[`m/.store/p${index}`] = folder;
      entries[`m/.store/p${index}/x.js`] = file;
      entries[`m/p${index}`] = link(`.store/p${index}`);
    }
    const files = filesOf(entries);
    let scans = 0;
    const match = files.match.bind(files);
    files.match = (node, pattern) => (scans++, match(node, pattern));
    expect(selectPaths(files, 0, ['m/**', 'm/p1']).paths.size).to.equal(10_000);
    expect(scans).to.equal(1);
  });

  it('explain with every step why they cannot be followed', () => {
    const files = filesOf({
      out: link('here'),
      here: link('../secret'),
      absolute: link('/etc/passwd'),
      missing: link('nothing'),
      below: link('plain/x'),
      plain: file,
      round: link('trip'),
      trip: link('round'),
      self: link('self/x'),
    });
    const why = (path: string) => followLinks(files, 0, path).problem?.why;
    expect(why('out')).to.equal('outside');
    expect(followLinks(files, 0, 'out').problem?.steps.map((step) => step.target)).to.deep.equal(['here', '../secret']);
    expect(why('absolute')).to.equal('outside');
    expect(why('missing')).to.equal('missing');
    expect(why('missing/x')).to.equal('missing');
    expect(why('below')).to.equal('missing');
    expect(why('round')).to.equal('circle');
    expect(why('self')).to.equal('circle');
    expect(why('none')).to.equal(undefined);
    expect(why('plain/x')).to.equal(undefined);
  });

  it('are a problem if named in full, and are ignored if a pattern matches them', () => {
    const files = filesOf({ d: folder, 'd/ok': file, 'd/bad': link('/etc/passwd'), 'd/.#ok': link('me@host.12') });
    expect(selectPaths(files, 0, ['d/**'])).to.deep.include({ problem: undefined, passed: [] });
    const some = selectPaths(files, 0, ['d/*']);
    expect(some.problem).to.equal(undefined);
    expect(some.passed.map(({ steps }) => steps[0]?.link)).to.have.members(['d/bad', 'd/.#ok']);
    expect([...some.paths]).to.have.members(['d/ok', 'd/bad', 'd/.#ok']);
    for (const pattern of ['d/bad', 'd/bad/**', 'd/bad/*/x.py', 'd/bad/x']) {
      expect(selectPaths(files, 0, [pattern]).problem?.why, pattern).to.equal('outside');
    }
  });

  it('are followed through layers of ancestors, whichever contains the link or the target', () => {
    const files = filesOf({ deploy: folder, 'deploy/prod.txt': file, old: folder, 'old/x': file });
    files.addLayer(0, noDeletions, [['now.txt', { type: 'symlink', target: 'deploy/prod.txt' }]]);
    files.addLayer(1, noDeletions, [['made.txt', { type: 'file', digest: 'd/1' as Digest, executable: false }]]);
    files.addLayer(2, noDeletions, [['last.txt', { type: 'symlink', target: 'made.txt' }]]);
    // A node replaced a folder of the source, so the old content is no longer visible.
    files.addLayer(3, noDeletions, [['old', { type: 'symlink', target: 'deploy' }]]);
    expect(selected(files, '*.txt')).to.deep.equal(['deploy/prod.txt', 'last.txt', 'made.txt', 'now.txt']);
    expect(selected(files, 'old/x')).to.deep.equal(['old']);
    expect(selected(files, 'old/prod.txt')).to.deep.equal(['deploy/prod.txt', 'old']);
    expect(selectPaths(files, 1, ['last.txt', 'old/x']).paths).to.deep.equal(new Set(['old/x']));
  });

  it('never select paths outside the app, for any links and patterns', () => {
    const name = fc.constantFrom('a', 'b', 'c');
    const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
    const target = fc.array(fc.constantFrom('a', 'b', 'c', '..', '.', ''), { maxLength: 4 }).map((p) => p.join('/'));
    const pattern = fc.array(fc.constantFrom('a', 'b', '*', '**', '{a,b}', '?'), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(fc.array(fc.tuple(path, target)), fc.array(path), fc.array(pattern), (links, paths, patterns) => {
        const entries: Record<string, SourceEntry> = {};
        const place = (at: string, entry: SourceEntry): void => {
          const parts = at.split('/');
          for (let depth = 1; depth < parts.length; depth++) {
            const above = parts.slice(0, depth).join('/');
            if ((entries[above] ?? folder).type !== 'directory') return;
            entries[above] = folder;
          }
          entries[at] ??= entry;
        };
        for (const [at, to] of links) place(at, link(to));
        for (const at of paths) place(at, file);
        const files = filesOf(entries);
        for (const chosen of selectPaths(
          files,
          0,
          patterns.map((parts) => parts.join('/')),
        ).paths) {
          expect(entries[chosen]?.type).to.be.oneOf(['file', 'symlink']);
        }
      }),
    );
  });

  it('show plugins the target: kinds, names, matches and content', async () => {
    const files = filesOf({ bin: link('tools'), tools: folder, 'tools/hook': file, 'tools/alias': link('hook') });
    const view = viewReader(files, 0, {} as Parameters<typeof viewReader>[2]);
    expect(view.kindOf('bin/hook')).to.equal('file');
    expect(view.kindOf('bin/alias')).to.equal('symlink');
    expect(view.kindOf('bin')).to.equal('symlink');
    expect(view.list('bin')).to.deep.equal(['alias', 'hook']);
    expect(view.match('bin/h*')).to.deep.equal(['bin/hook']);
    expect(view.exists('bin/none')).to.equal(false);
  });
});

describe('links in a run', () => {
  let work: Workspace;
  beforeEach(() => (work = new Workspace()));
  afterEach(() => work.cleanUp());

  const linkTo = (target: string, path: string) => symlinkSync(target, join(work.appDir, path));
  const reading = (reads: string, argv: string) =>
    work.pipeline(`
pyflow: 1
name: links
nodes:
  read: { uses: command, with: { argv: [sh, -c, ${JSON.stringify(argv)}], reads: ${reads}, writes: [out.txt] } }
`);

  it('re-run a node after an edit of the target or the link, and after no other edit', async () => {
    work.write({ 'data/one.txt': 'one', 'data/two.txt': 'two', 'other.txt': '' });
    linkTo('one.txt', 'data/now.txt');
    linkTo('data/now.txt', 'words.txt');
    reading('[words.txt]', 'cat words.txt > out.txt');
    expect(outcomesOf(await work.run())).to.deep.equal({ read: 'executed' });
    expect(work.slugFile('out.txt')).to.equal('one');
    expect(await work.fastRun()).to.not.equal(undefined);
    work.write({ 'other.txt': 'changed', 'data/two.txt': 'two!' });
    expect(outcomesOf(await work.run())).to.deep.equal({ read: 'up-to-date' });
    work.write({ 'data/one.txt': 'one!' });
    expect(await work.fastRun()).to.equal(undefined);
    expect(outcomesOf(await work.run())).to.deep.equal({ read: 'executed' });
    expect(work.slugFile('out.txt')).to.equal('one!');
    unlinkSync(join(work.appDir, 'data/now.txt'));
    linkTo('two.txt', 'data/now.txt');
    expect(outcomesOf(await work.run())).to.deep.equal({ read: 'executed' });
    expect(work.slugFile('out.txt')).to.equal('two!');
  });

  it('re-run a node if a link appears, or if a folder becomes a link', async () => {
    work.write({ 'lib/x.txt': 'lib', 'src/x.txt': 'src' });
    reading('["src/**", "apps/*/x.txt"]', 'cat src/x.txt apps/*/x.txt > out.txt 2>/dev/null; true');
    await work.run();
    expect(work.slugFile('out.txt')).to.equal('src');
    work.remove('src');
    linkTo('lib', 'src');
    expect(outcomesOf(await work.run())).to.deep.equal({ read: 'executed' });
    expect(work.slugFile('out.txt')).to.equal('lib');
    linkTo('.', 'apps');
    expect(outcomesOf(await work.run())).to.deep.equal({ read: 'executed' });
    // src/x.txt, apps/lib/x.txt and apps/src/x.txt.
    expect(work.slugFile('out.txt')).to.equal('libliblib');
  });

  it('fail a node and name link and target if a named path cannot be followed', async () => {
    work.write({ 'other.txt': '' });
    linkTo('../secret.txt', 'words.txt');
    reading('[words.txt]', 'cat words.txt > out.txt');
    const { failure } = (await work.run()).nodes['read']!;
    expect(failure).to.deep.include({ code: 'app::unusable-link', blame: 'app', subject: 'words.txt' });
    expect(failure?.title).to.equal('words.txt is a symbolic link that points outside the app');
    expect(failure?.detail).to.include('words.txt -> ../secret.txt');
  });

  it('get a relative replacement if they name the app folder', async () => {
    work.write({ 'data/words.txt': '' });
    linkTo(join(work.appDir, 'data/words.txt'), 'words.txt');
    reading('[words.txt]', 'cat words.txt > out.txt');
    const { failure } = (await work.run()).nodes['read']!;
    expect(failure?.remedy).to.equal('Make the link relative: ln -sfn data/words.txt words.txt');
  });

  it('are left alone if no node names them, with a notice about those that a pattern matched', async () => {
    work.write({ 'd/a.txt': 'a' });
    linkTo('nothing', 'broken');
    linkTo('nothing', 'd/b.txt');
    reading('["d/*.txt"]', 'cat d/a.txt > out.txt');
    const report = await work.run();
    expect(report.status).to.equal('succeeded');
    const notices = work.events.flatMap((event) => (event.type === 'notice' ? [event.text] : []));
    expect(notices).to.include('d/b.txt is a symbolic link to a path that is not in the app: d/b.txt -> nothing');
    expect(notices.join()).to.not.include('broken');
  });
});
