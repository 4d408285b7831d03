import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { Casd, needCasd } from '../support/casd.js';
import { startServer, type TestServer } from '../support/http-server.js';
import { pinsOf, platformArchive } from '../support/platform-archives.js';
import { operatorCertificates } from '../support/plugin-harness.js';
import { outcomesOf, RemoteScene, type EndedRun, type Machine } from '../support/remote-scene.js';
import { prepareRuntime } from '../support/runtimes.js';
import { OtherHost } from '../support/servers/debian-root.js';
import type { Files } from '../support/source-projects.js';

const ROOT = resolve(import.meta.dirname, '../..');
const STACK = 'scalingo-24';

const WHEEL = `itsdangerous==2.2.0 \\
    --hash=sha256:c6242fc49e35958c8b15141343aa660db5fc54d4f13a1db01a3f5891b98700ef
`;

/** A project with an extension module in C that tells its compiler. Its backend needs nothing from an index. */
const COMPILED: Files = {
  'told/pyproject.toml':
    '[project]\nname = "told"\nversion = "1.0"\n[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
  'told/told.c': `#include <Python.h>
const char *compiler_of_told = "compiled by " __VERSION__;
static PyObject *compiler(PyObject *self, PyObject *none) { return PyUnicode_FromString(compiler_of_told); }
static PyMethodDef methods[] = {{"compiler", compiler, METH_NOARGS, ""}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "told", "", -1, methods};
PyMODINIT_FUNC PyInit_told(void) { return PyModule_Create(&module); }
`,
  'told/backend.py': `
import os, subprocess, sysconfig, tempfile, zipfile
def build_wheel(directory, config_settings=None, metadata_directory=None):
    tag = 'cp%s-cp%s-linux_x86_64' % ((sysconfig.get_config_var('py_version_nodot'),) * 2)
    module = 'told' + sysconfig.get_config_var('EXT_SUFFIX')
    with tempfile.TemporaryDirectory() as place:
        built = os.path.join(place, module)
        subprocess.run(['cc', '-shared', '-fPIC', '-I' + sysconfig.get_paths()['include'], 'told.c', '-o', built], check=True)
        info = 'told-1.0.dist-info'
        files = {
            module: open(built, 'rb').read(),
            info + '/METADATA': 'Metadata-Version: 2.1\\nName: told\\nVersion: 1.0\\n',
            info + '/WHEEL': 'Wheel-Version: 1.0\\nGenerator: hand\\nRoot-Is-Purelib: false\\nTag: %s\\n' % tag,
        }
        files[info + '/RECORD'] = ''.join(name + ',,\\n' for name in [*files, info + '/RECORD'])
        name = 'told-1.0-%s.whl' % tag
        with zipfile.ZipFile(os.path.join(directory, name), 'w') as wheel:
            for path, content in files.items():
                wheel.writestr(path, content)
    return name
`,
};

describe('two unlike hosts', function () {
  this.timeout(600_000);
  let other: OtherHost;
  let casd: Casd;
  let scene: RemoteScene;
  let mirror: TestServer;
  let compilers: { readonly here: string; readonly there: string };
  let env: Readonly<Record<string, string>>;

  before(async function () {
    needCasd(this);
    other = OtherHost.need(this);
    const runtime = await prepareRuntime(this);
    scene = new RemoteScene();
    const archive = platformArchive(runtime, join(scene.root, 'platform'), STACK);
    mirror = await startServer((_, response) => void response.end(readFileSync(join(archive.folder, archive.name))));
    scene.write({ 'pins.json': pinsOf(archive) }, scene.root);
    scene.write({ '.python-version': `${runtime.version}\n` });
    env = {
      ...operatorCertificates(),
      PYFLOW_SCALINGO_MIRROR: `${mirror.origin}/python`,
      PYFLOW_PINS: join(scene.root, 'pins.json'),
    };
    compilers = {
      here: execFileSync('cc', ['-dumpfullversion'], { encoding: 'utf8' }).trim(),
      there: other.compilerVersion(),
    };
    expect(compilers.here).to.not.equal(compilers.there);
  });
  after(async () => {
    await mirror?.close();
    if (scene !== undefined) rmSync(scene.root, { recursive: true, force: true });
  });
  // Each direction begins with an empty server.
  beforeEach(async () => {
    casd = await Casd.start();
  });
  afterEach(() => casd.stop());

  type Place = 'here' | 'there';
  const run = (place: Place, name: string, more: Partial<Machine> = {}): Promise<EndedRun> =>
    scene.on({
      name,
      pipelineFile: join(ROOT, 'pipelines/python.yml'),
      args: ['-p', `stack=${STACK}`, '-p', 'providers=["scalingo"]', '-p', 'sqlite=off'],
      env,
      ...(place === 'there' && { through: other.through([scene.root]) }),
      ...more,
    });
  const app = (requirements: string, files: Files = {}): RemoteScene =>
    scene.write({ 'requirements.txt': requirements, ...files });
  const layerOf = ({ report }: EndedRun) => report.nodes['pip']?.layer?.digest;
  /** What the slug of a machine says of its compiler. */
  const compilerIn = (name: string): string => {
    const [file = ''] = execFileSync('find', [`${scene.root}/out-${name}`, '-name', 'told.*.so'], { encoding: 'utf8' })
      .trim()
      .split('\n');
    return /compiled by ([\d.]+)/.exec(readFileSync(file, 'latin1'))?.[1] ?? 'none';
  };
  const succeeded = ({ report }: EndedRun): Readonly<Record<string, string>> => {
    expect(report.status, JSON.stringify(report.failure)).to.equal('succeeded');
    return outcomesOf(report);
  };

  for (const [first, second] of [
    ['here', 'there'],
    ['there', 'here'],
  ] as const) {
    const name = (what: string): string => `${first}-${what}`;

    it(`share an installation of wheels, made ${first} first`, async () => {
      app(WHEEL);
      const maker = await run(first, name('maker'), { url: casd.url, write: true });
      expect(succeeded(maker)).to.include({ runtime: 'executed', pip: 'executed' });
      const user = await run(second, name('user'), { url: casd.url });
      expect(succeeded(user)).to.include({
        runtime: 'restored remote',
        'pip-tool': 'restored remote',
        pip: 'restored remote',
      });
      expect(user.report.slug?.digest).to.equal(maker.report.slug?.digest);
      const own = await run(first, name('own'), { url: casd.url });
      expect(succeeded(own), 'a machine like the first gets no more').to.deep.equal(outcomesOf(user.report));
    });

    it(`never share a package that was built from source, made ${first} first`, async () => {
      app('./told\nitsdangerous==2.2.0\n', COMPILED);
      const maker = await run(first, name('one'), { url: casd.url, write: true });
      expect(succeeded(maker)).to.include({ pip: 'executed' });
      expect(compilerIn(name('one'))).to.equal(compilers[first]);
      const user = await run(second, name('two'), { url: casd.url, write: true });
      // All that it is made from is shared, so only the compiler makes a difference.
      expect(succeeded(user)).to.include({
        runtime: 'restored remote',
        'pip-tool': 'restored remote',
        pip: 'executed',
      });
      expect(user.report.nodes['pip']?.key).to.equal(maker.report.nodes['pip']?.key);
      expect(compilerIn(name('two'))).to.equal(compilers[second]);
    });

    it(`keep what they built from source beside each other in one cache folder, made ${first} first`, async () => {
      app('./told\nitsdangerous==2.2.0\n', COMPILED);
      const volume = name('volume');
      const layers = new Map<string, string | undefined>();
      for (const place of [first, second]) {
        const made = await run(place, volume);
        expect(succeeded(made)['pip']).to.equal('executed');
        expect(compilerIn(volume)).to.equal(compilers[place]);
        layers.set(place, layerOf(made));
      }
      expect(layers.get(first)).to.not.equal(layers.get(second));
      for (const place of [first, second, first]) {
        const again = await run(place, volume);
        expect(succeeded(again)['pip']).to.be.oneOf(['restored', 'up-to-date']);
        expect(layerOf(again)).to.equal(layers.get(place));
        expect(compilerIn(volume)).to.equal(compilers[place]);
      }
    });

    it(`get each other's builds only if the operator calls both by one name, made ${first} first`, async () => {
      // Shows that nothing but the builder keeps them apart.
      app('./told\nitsdangerous==2.2.0\n', COMPILED);
      const more = { env: { ...env, PYFLOW_BUILDER: 'wrong' } };
      const made = await run(first, name('named'), more);
      const user = await run(second, name('named'), more);
      expect(succeeded(user)['pip']).to.be.oneOf(['restored', 'up-to-date']);
      expect(layerOf(user)).to.equal(layerOf(made));
      expect(compilerIn(name('named'))).to.equal(compilers[first]);
    });

    it(`keep what commands compiled beside each other on the server, made ${first} first`, async () => {
      const pipelineFile = join(scene.root, 'compile.yml');
      const compile = `
  compile:
    uses: command
    with: { argv: [sh, -c, 'printf "const char *it = __VERSION__;" | cc -S -x c -o told.s -'], writes: [told.s] }`;
      scene.write({ 'compile.yml': `pyflow: 1\nnodes:${compile}\n` }, scene.root);
      const versionIn = (machine: string): string | undefined =>
        /\.string\s+"([\d.]+)/.exec(readFileSync(`${scene.root}/out-${machine}/told.s`, 'latin1'))?.[1];
      const more = { url: casd.url, write: true, pipelineFile, args: [] } as const;
      for (const [place, round, outcome] of [
        [first, 1, 'executed'],
        [second, 1, 'executed'],
        [first, 2, 'restored remote'],
        [second, 2, 'restored remote'],
      ] as const) {
        const machine = name(`compile-${place}-${round}`);
        expect(succeeded(await run(place, machine, more))).to.deep.equal({ compile: outcome });
        expect(versionIn(machine)).to.equal(compilers[place]);
      }
    });
  }
});
