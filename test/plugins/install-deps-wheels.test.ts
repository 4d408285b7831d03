import { createHash } from 'node:crypto';
import { expect } from 'chai';
import type { AnyPlugin, NodeLog, Plugin, PluginManifest, Subprocess } from '../../src/engine/sdk.js';
import { PluginScene, type SceneOptions } from '../support/plugin-scene.js';

interface Config {
  readonly requirements: string;
  readonly wheelhouse: string;
  readonly vendorDir: string;
}
type Wheels = Plugin<Config, { readonly runtime: string }, { readonly packages: number }>;
interface OutsideModule {
  readonly manifest: PluginManifest;
  readonly plugin: {
    readonly inject: readonly string[];
    new (subprocess: Subprocess, log: NodeLog): Wheels & AnyPlugin;
  };
}

const PIP = '.scalingo/python/lib/python3.13/ensurepip/_bundled/pip-25.0-py3-none-any.whl';
const HOME = '.scalingo/python';
const PACKAGES = `${HOME}/lib/python3.13/site-packages`;
/** A stand-in for the interpreter: installs one package like pip, and records its arguments. */
const PYTHON = `#!/bin/sh
echo "$*" >> calls
case "$*" in
  *" install "*broken*) echo "ERROR: no wheel for you"; exit 1 ;;
  *" install "*)
    mkdir -p ${PACKAGES}/tool-1.0.dist-info
    printf '#!%s\\nprint("tool")\\n' "$0" > ${HOME}/bin/tool
    printf 'tool.py,sha256=abc,3\\n../../../bin/tool,sha256=stale,1\\ntool-1.0.dist-info/RECORD,,\\n' > ${PACKAGES}/tool-1.0.dist-info/RECORD
    ;;
esac
`;

describe('examples/plugins/install-deps-wheels', () => {
  let scene: PluginScene;
  let outside: OutsideModule;
  const config: Config = { requirements: 'requirements.txt', wheelhouse: 'wheelhouse', vendorDir: '.scalingo' };
  const files = {
    'requirements.txt': 'tool==1.0\n',
    'wheelhouse/tool-1.0-py3-none-any.whl': 'PK',
    [`${HOME}/bin/python3`]: PYTHON,
    [PIP]: 'PK',
  };
  const play = (options: SceneOptions, changes: Partial<Config> = {}) => {
    scene = new PluginScene({ executables: [`${HOME}/bin/python3`], ...options });
    return scene.play(new outside.plugin(scene.subprocess, scene.log), { ...config, ...changes }, { runtime: 'tree' });
  };
  before(async () => {
    outside = (await import(
      new URL('../../examples/plugins/install-deps-wheels.mjs', import.meta.url).href
    )) as OutsideModule;
  });
  afterEach(() => scene.close());

  it('follows the contract: a manifest, and a class that names its services', async () => {
    scene = new PluginScene();
    expect(outside.manifest.kind).to.equal('install-deps-wheels');
    expect(outside.plugin.inject).to.deep.equal(['Subprocess', 'NodeLog']);
    expect(new outside.plugin(scene.subprocess, scene.log).manifest).to.equal(outside.manifest);
  });

  it('reads the requirements and the wheels, and nothing else', async () => {
    const { reads } = await play({ files });
    expect(reads).to.deep.equal({ files: ['requirements.txt', 'wheelhouse/*.whl'] });
  });

  it('blames the app if there is no wheel', async () => {
    scene = new PluginScene({ files: { 'requirements.txt': '' } });
    const reads = await new outside.plugin(scene.subprocess, scene.log).reads(
      { config, inputs: { runtime: 't' } },
      scene.view,
    );
    if (reads.ok) throw new Error('expected a failure');
    expect(reads.failure).to.include({ code: 'install-deps-wheels::no-wheels', blame: 'app' });
  });

  it('installs offline with the bundled pip of the runtime, and compiles afterwards', async () => {
    const { result } = await play({ files });
    expect(result).to.deep.equal({ ok: true, value: { outputs: { packages: 1 } } });
    const [install = '', compile = ''] = scene.started.map(({ argv }) => argv.join(' '));
    expect(install).to.match(/_bundled\/pip-25\.0-py3-none-any\.whl\/pip install .*--no-index --find-links wheelhouse/);
    expect(install).to.include('--no-compile');
    expect(compile).to.include('--invalidation-mode unchecked-hash').and.include('-p /app');
    expect(scene.started.map(({ network }) => network)).to.deep.equal([false, false]);
  });

  it('installs programs that run in any folder, with a matching RECORD', async () => {
    await play({ files });
    const program = scene.read(`${HOME}/bin/tool`);
    expect(program)
      .to.match(/^#!\/bin\/sh\n/)
      .and.not.include(scene.appDir);
    const digest = createHash('sha256').update(program).digest('base64url');
    expect(scene.read(`${PACKAGES}/tool-1.0.dist-info/RECORD`).split('\n')).to.deep.equal([
      'tool.py,sha256=abc,3',
      `../../../bin/tool,sha256=${digest},${program.length}`,
      'tool-1.0.dist-info/RECORD,,',
      '',
    ]);
  });

  it('shows the output of pip if it fails', async () => {
    const { result } = await play({ files: { ...files, 'broken.txt': '' } }, { requirements: 'broken.txt' });
    if (result.ok) throw new Error('expected a failure');
    expect(result.failure).to.include({ code: 'install-dependencies::wheels', blame: 'app' });
    expect(result.failure.detail).to.include('no wheel for you');
  });

  it('blames the environment if the runtime has no pip', async () => {
    const { [PIP]: _, ...rest } = files;
    const { result } = await play({ files: { ...rest, [`${HOME}/lib/python3.13/os.py`]: '' } });
    if (result.ok) throw new Error('expected a failure');
    expect(result.failure).to.include({ code: 'install-deps-wheels::no-bundled-pip', blame: 'environment' });
  });
});
