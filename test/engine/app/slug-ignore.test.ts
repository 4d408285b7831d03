import { chmodSync, cpSync, existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import * as fc from 'fast-check';
import type { RunRequest } from '../../../src/engine/request.js';
import { parseIgnoreLists } from '../../../src/engine/app/slug-ignore.js';
import { SLUG_MARKER } from '../../../src/engine/app/source-names.js';
import { Workspace } from '../../support/workspace.js';

const PIPELINE = `pyflow: 1
name: ignoring
params:
  stack: { type: string, default: scalingo-24 }
  root: { type: string, default: . }
nodes:
  upper:
    uses: command
    with: { argv: [sh, -ec, "mkdir -p out; tr a-z A-Z < docs/words.txt > out/upper.txt; echo log > out/made.log"], reads: [docs/**], writes: [out/**], stdout: "$\{{ params.stack }} $\{{ params.root }}" }
  hook: { uses: hook, with: { script: bin/post_compile }, after: [upper] }
`
  .replaceAll('$\\{', '${')
  .replace(', stdout: "${{ params.stack }} ${{ params.root }}"', '');

describe('engine/app/slug-ignore', () => {
  let workspace: Workspace;
  beforeEach(() => {
    workspace = new Workspace()
      .write({ 'docs/words.txt': 'one\n', 'README.md': 'read', 'pkg/README.md': 'read', 'pkg/docs/x': 'x' })
      .pipeline(PIPELINE);
    hook('cp README.md seen; mkdir -p node_modules/tool; echo x > node_modules/tool/index.js');
  });
  afterEach(() => workspace.cleanUp());

  const hook = (script: string): void => {
    workspace.write({ 'bin/post_compile': `#!/bin/sh\nset -e\n${script}\n` });
    chmodSync(join(workspace.appDir, 'bin/post_compile'), 0o755);
  };
  const ignore = (...lines: readonly string[]): Workspace =>
    workspace.write({ '.slugignore': `${lines.join('\n')}\n` });
  const filesOf = (folder = workspace.outDir): readonly string[] =>
    readdirSync(folder, { recursive: true })
      .map(String)
      .filter((path) => path !== SLUG_MARKER && !statSync(join(folder, path)).isDirectory())
      .sort();
  const slugOf = async (overrides: Partial<RunRequest> = {}): Promise<readonly string[]> => {
    const report = await workspace.run(overrides);
    expect(report.status, JSON.stringify(report.nodes)).to.equal('succeeded');
    return filesOf();
  };
  const ALL = ['README.md', 'bin/post_compile', 'docs/words.txt', 'node_modules/tool/index.js', 'out/made.log'];
  const REST = ['out/upper.txt', 'pkg/README.md', 'pkg/docs/x', 'seen'];

  it('hides nothing from the build, and removes sources and products from the slug', async () => {
    ignore('*.md', '/docs', '/node_modules', '*.log');
    expect(await slugOf()).to.deep.equal(['.slugignore', 'bin/post_compile', 'out/upper.txt', 'pkg/docs/x', 'seen']);
    expect(readdirSync(workspace.outDir)).not.to.include.members(['docs', 'node_modules']);
  });

  it('reports the size of the slug without ignored files, and gives it another digest', async () => {
    const all = await workspace.run();
    ignore('docs');
    const { slug } = await workspace.run();
    expect(slug?.files).to.equal(filesOf().length);
    expect(slug?.digest).not.to.equal(all.slug?.digest);
  });

  it('matches names at any depth and paths at one place, and ignores lines with !, as the platforms do', async () => {
    const without = (...paths: readonly string[]): readonly string[] =>
      ['.slugignore', ...ALL, ...REST]
        .filter((path) => !paths.some((gone) => path === gone || path.startsWith(`${gone}/`)))
        .sort();
    for (const [lines, gone] of [
      [['docs'], ['docs', 'pkg/docs']],
      [['/docs'], ['docs']],
      [['docs/'], ['docs']],
      [['./docs'], ['docs']],
      [['pkg/docs'], ['pkg/docs']],
      [['docs/*.txt'], ['docs/words.txt']],
      [
        ['docs', '!docs/words.txt', '# pkg'],
        ['docs', 'pkg/docs'],
      ],
      [
        ['[a-o]*'],
        ['bin', 'docs', 'node_modules', 'out', 'pkg/docs', 'node_modules/tool/index.js', 'bin/post_compile'],
      ],
      [['/', '//', ' '], []],
      [
        ['/README.md', 'seen'],
        ['README.md', 'seen'],
      ],
    ] as const) {
      ignore(...lines);
      expect(await slugOf(), lines.join()).to.deep.equal(without(...gone));
    }
  });

  it('protects packages and the environment from names, but not from paths', async () => {
    hook(
      'mkdir -p .scalingo/python/docs .profile.d own; for f in .scalingo/python/docs/a.md .profile.d/a.md own/a.md; do echo x > $f; done',
    );
    ignore('docs', '*.md', '.*');
    expect(await slugOf())
      .to.include.members(['.scalingo/python/docs/a.md', '.profile.d/a.md'])
      .and.not.include('own/a.md');
    ignore('.scalingo/python/docs', '/.profile.d/*.md');
    const slug = await slugOf();
    expect(slug).to.include('own/a.md').and.not.include.members(['.scalingo/python/docs/a.md']);
    expect(slug).not.to.include('.profile.d/a.md');
  });

  it('reads the list after the build', async () => {
    hook('cp README.md seen; echo seen > .slugignore');
    expect(await slugOf()).not.to.include('seen');
  });

  it('puts files back into the slug when they are removed from the list', async () => {
    ignore('docs');
    await slugOf();
    ignore('nothing');
    expect(await slugOf()).to.include('docs/words.txt');
  });

  it('reads the list of the `root` folder, relative to that folder', async () => {
    workspace.write({ 'pkg/.slugignore': '/README.md\ndocs\n' });
    const slug = await slugOf({ params: { root: 'pkg' } });
    expect(slug).to.include.members(['README.md', 'docs/words.txt']);
    expect(slug).not.to.include.members(['pkg/README.md', 'pkg/docs/x']);
  });

  it('shows nodes the files of an earlier buildpack, and removes them from a folder that is built once', async () => {
    workspace.write({ 'assets/made.css': 'css' });
    ignore('/assets', '*.md');
    hook('cp assets/made.css seen.css; cp README.md seen');
    const copies = ['alone', 'among-others'].map((name) => join(workspace.root, name));
    for (const copy of copies) cpSync(workspace.appDir, copy, { recursive: true });
    // Later buildpacks may need files that the platform removes in the end.
    writeFileSync(join(copies[1]!, '.buildpacks'), 'python\nnode\n');
    for (const outDir of copies) await workspace.run({ appDir: outDir, outDir, oneTime: true });
    expect(filesOf(copies[0])).to.include.members(['seen.css', 'seen']);
    expect(['assets', 'README.md', 'pkg/README.md'].filter((path) => existsSync(join(copies[0]!, path)))).to.deep.equal(
      [],
    );
    expect(filesOf(copies[1])).to.include.members(['seen.css', 'assets/made.css', 'README.md']);
  });

  it("deletes none of a developer's files if the slug is in their folder", async () => {
    ignore('docs', '/node_modules', '*.log');
    await workspace.run({ outDir: workspace.appDir });
    const files = filesOf(workspace.appDir);
    expect(files).to.include.members(['docs/words.txt', 'pkg/docs/x', 'out/upper.txt']);
    expect(files.filter((path) => path.startsWith('node_modules') || path.endsWith('.log'))).to.deep.equal([]);
  });

  it('hides files from the build on Heroku stacks, and says so if the build fails', async () => {
    ignore('README.md');
    const report = await workspace.run({ params: { stack: 'heroku-24' } });
    const { failure } = report.nodes['hook']!;
    expect(failure?.blame).to.equal('app');
    expect(failure?.detail).to.match(/\.slugignore hides files from the build: .*README\.md/);
    expect(failure?.remedy).to.include('.slugignore');
    hook('[ ! -e README.md ]; echo x > made.md; mkdir node_modules');
    ignore('*.md');
    const slug = await slugOf({ params: { stack: 'heroku-24' } });
    expect(slug).to.include('made.md').and.not.include('README.md');
  });

  it('does not mention the list if it hides nothing', async () => {
    ignore('README.md');
    hook('exit 3');
    const report = await workspace.run();
    expect(JSON.stringify(report.nodes['hook']?.failure)).not.to.include('slugignore');
  });

  it('parses any text without an error', () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom('', 'a', 'a(b'), fc.string(), (text, folder, path) => {
        const ignores = parseIgnoreLists([{ folder, text }], 1);
        if (ignores.ok) ignores.value?.(path);
      }),
    );
  });
});
