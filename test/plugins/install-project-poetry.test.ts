import 'reflect-metadata';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { InstallProjectPoetry } from '../../src/plugins/install-project-poetry/plugin.js';
import { PluginHarness } from '../support/plugin-harness.js';

describe('plugins/install-project-poetry', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pyflow-project-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const play = (pyproject: string | undefined, folder = '.') => {
    const harness = new PluginHarness({ root });
    const file = join(harness.appDir, folder, 'pyproject.toml');
    mkdirSync(dirname(file), { recursive: true });
    if (pyproject !== undefined) writeFileSync(file, pyproject);
    return harness.play(
      new InstallProjectPoetry(harness),
      { vendorDir: '.scalingo', root: folder },
      { dependencies: '', packages: { flask: '3' }, poetry: '' },
    );
  };

  it('passes on the packages for an app that is not a package, without reading or running anything', async () => {
    const { reads, result } = await play('[tool.poetry]\npackage-mode = false\n');
    expect(reads).to.deep.equal({ facts: { isPackage: false, hasBuildScript: false }, pure: true });
    expect(result).to.deep.equal({ ok: true, value: { outputs: { packages: { flask: '3' } } } });
  });

  it('reads the source of a package, below its root', async () => {
    const { reads, result } = await play('[project]\nname = "a"\n', 'web');
    expect(reads).to.deep.equal({ files: ['web/**'], facts: { isPackage: true, hasBuildScript: false } });
    expect(!result.ok && result.failure.code).to.equal('python::no-runtime');
  });

  it('makes the result of a build script private to the app', async () => {
    const { reads } = await play('[tool.poetry]\nname = "a"\nbuild = "build.py"\n');
    expect(reads.scope).to.equal('app');
  });

  it('reports a missing file or invalid TOML', async () => {
    const missing = await play(undefined);
    expect(!missing.result.ok && missing.result.failure.title).to.equal('The app has no pyproject.toml');
    const broken = await play('[a');
    expect(!broken.result.ok && broken.result.failure).to.include({
      code: 'install-dependencies::poetry',
      title: "pyflow can't read pyproject.toml",
    });
  });
});
