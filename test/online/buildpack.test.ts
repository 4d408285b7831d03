/* oxlint-disable no-control-regex -- colours are what is looked for */

// The adapter as a platform calls it: its scripts on the examples, with real pip, the package index and real CPython.

import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { SLUG_MARKERS } from '../../src/engine/app/source-names.js';
import { ask, APP, mayMakeApp, Platform, type Build } from '../support/platform.js';
import { hasNamespaces } from '../support/namespaces.js';
import { pyenvVersions } from '../support/runtimes.js';

const ROOT = resolve(import.meta.dirname, '../..');
const EXAMPLE = 'flask-pip';
const MINOR = readFileSync(join(ROOT, 'examples', EXAMPLE, '.python-version'), 'utf8').trim();
const hasPython = pyenvVersions().some((version) => version.startsWith(`${MINOR}.`));
/** An app variable that no node of the pipeline names. */
const SECRET = 'v4lue-that-nobody-named-c0ffee';

/** A package that exists only as source, and needs a header from an earlier buildpack. */
const SETUP = `from setuptools import Extension, setup
setup(name='greeting', version='1.0', ext_modules=[Extension('greeting', ['greeting.c'])])
`;
const EXTENSION = `#include <Python.h>
#include <greeting.h>
static PyObject *say(PyObject *self, PyObject *none) { return PyUnicode_FromString(GREETING); }
static PyMethodDef methods[] = {{"say", say, METH_NOARGS, ""}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "greeting", 0, -1, methods};
PyMODINIT_FUNC PyInit_greeting(void) { return PyModule_Create(&module); }
`;

const CURIOUS = `# A package that keeps what it can see of the variables of the build, in a file that it generates.
import glob, os
from setuptools import setup
def content(path):
    try: return open(path, 'rb').read()
    except OSError: return b''
seen = [dict(os.environ), *map(content, glob.glob('/proc/[0-9]*/environ'))]
open('curious.py', 'w').write('seen = ' + repr(seen))
setup(name='curious', version='1.0', py_modules=['curious'])
`;
import { skipBecause } from '../support/skip.js';

function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

const mentions = (folder: string, text: string): readonly string[] =>
  filesBelow(folder).filter((file) => readFileSync(file).includes(text));

describe(`buildpack${hasPython ? '' : ` (skipped: no CPython ${MINOR} under pyenv)`}`, function () {
  this.timeout(300_000);
  let platform: Platform;
  let buildDir: string;
  let first: Build;
  before(function () {
    if (!hasPython) return this.skip();
    platform = new Platform();
    writeFileSync(join(platform.envDir, 'SECRET_KEY'), SECRET);
    buildDir = platform.push(EXAMPLE);
    first = platform.compile(buildDir);
    expect(first.status, first.stdout + first.stderr).to.equal(0);
  });
  after(() => platform?.cleanUp());

  it('detects the example', () => {
    expect(platform.step('detect', [buildDir])).to.deep.equal({ status: 0, stdout: 'Python\n', stderr: '' });
  });

  it('[output.step] [output.indent] logs steps and the output of tools, without colours', () => {
    expect(first.stdout).to.match(/^-----> Using Python 3\.\d+ specified in \.python-version$/m);
    expect(first.stdout).to.match(/^ {7}Successfully installed .*flask-/m);
    for (const line of first.stdout.trimEnd().split('\n')) expect(line).to.match(/^(-----> \S| {7} *\S|$)/);
    expect(first.stdout).not.to.contain('\u001b');
  });

  it('[output.styled] prints notices on stderr, in colour, between empty lines', () => {
    expect(first.stderr).to.match(/^\n(\u001b\[1;34m !     .*\u001b\[0m\n)+\n$/);
  });

  it('leaves only what the app needs at run time', () => {
    const added = readdirSync(buildDir).filter((name) => !readdirSync(join(ROOT, 'examples', EXAMPLE)).includes(name));
    expect(added.sort()).to.deep.equal(['.profile.d', '.scalingo']);
    for (const name of SLUG_MARKERS) expect(existsSync(join(buildDir, name))).to.equal(false);
    expect(mentions(buildDir, buildDir)).to.deep.equal([]);
  });

  it('[python.duration] [deps.durations] reports the build data that platforms collect', () => {
    const data = platform.data(buildDir);
    expect(data).to.include({
      package_manager: 'pip',
      python_version_origin: '.python-version',
      python_version_major: MINOR,
      pre_compile_hook: false,
      post_compile_hook: false,
    });
    for (const name of ['python_install', 'package_manager_install', 'dependencies_install', 'total']) {
      expect(data[`${name}_duration`], name).to.be.a('number').and.at.least(0);
    }
  });

  it('requests no add-on', () => {
    expect(platform.step('release', [buildDir])).to.deep.equal({ status: 0, stdout: '', stderr: '' });
  });

  it('gives a later buildpack Python through `export`', () => {
    const later = `set -eu; . "$1/export"; python -c 'import sys, flask; print(flask.__file__, sys.prefix)'`;
    const { stdout, stderr } = spawnSync('bash', ['--norc', '-c', later, 'later', platform.home], {
      encoding: 'utf8',
      env: { PATH: '/usr/bin:/bin', HOME: '/nonexistent' },
    });
    expect(stderr).to.equal('');
    const python = join(buildDir, '.scalingo/python');
    expect(stdout.trim()).to.equal(`${python}/lib/python${MINOR}/site-packages/flask/__init__.py ${python}`);
  });

  it('[cache.restored] [python.cached] builds again from the cache in another folder, with the same files and the same log, and boots', async () => {
    const again = platform.push(EXAMPLE);
    const { status, stdout } = platform.compile(again);
    expect(status).to.equal(0);
    expect(stdout).to.match(/^-----> Using Python 3\.\d+ specified in \.python-version$/m);
    expect(stdout).not.to.contain('Successfully installed');
    expect(stdout).to.match(/^ {7}Restored from the cache, saving /m);
    expect(platform.data(again)).to.include({ cache_status: 'reused' });
    expect(spawnSync('diff', ['-r', '--no-dereference', buildDir, again], { encoding: 'utf8' }).stdout).to.equal('');
    const answer = await ask(again);
    expect(answer.status).to.equal(200);
    expect(answer.text).to.contain('<html');
  });

  it('builds the same without namespaces', async function () {
    if (!(await hasNamespaces())) {
      return skipBecause(this, 'this machine has no namespaces, so all builds here are without');
    }
    const other = new Platform();
    try {
      const plain = other.push(EXAMPLE);
      const { status, stdout, stderr } = other.compile(plain, { PYFLOW_SANDBOX: 'none' });
      expect(status, stdout + stderr).to.equal(0);
      expect(spawnSync('diff', ['-r', '--no-dereference', buildDir, plain], { encoding: 'utf8' }).stdout).to.equal('');
    } finally {
      other.cleanUp();
    }
  });

  it('builds in /app, boots there with HOME=/app, and gives later buildpacks the Python at that path', async function () {
    if (!mayMakeApp()) {
      return skipBecause(this, 'only root may make /app, and only where there is none');
    }
    try {
      platform.push(EXAMPLE, APP);
      const { status, stdout, stderr } = platform.compile(APP);
      expect(status, stdout + stderr).to.equal(0);
      expect(platform.step('release', [APP]).status).to.equal(0);
      expect((await ask(APP)).status).to.equal(200);
      expect(readFileSync(join(platform.home, 'export'), 'utf8')).to.contain(`PYTHONHOME='${APP}/.scalingo/python'`);
    } finally {
      rmSync(APP, { recursive: true, force: true });
    }
  });

  it('[userenv.scope] keeps a value of ENV_DIR that no node names out of nodes, keys, logs and the slug', () => {
    expect(mentions(platform.root, SECRET)).to.deep.equal([join(platform.envDir, 'SECRET_KEY')]);
    expect(first.stdout + first.stderr).not.to.contain(SECRET);
    writeFileSync(join(platform.envDir, 'SECRET_KEY'), `${SECRET}-2`);
    const another = platform.push(EXAMPLE);
    expect(platform.compile(another).stdout).to.match(/^-----> Done in [^:]*: \d+ up to date, /m);
    expect(mentions(platform.root, SECRET)).to.deep.equal([join(platform.envDir, 'SECRET_KEY')]);
  });

  for (const sandbox of ['auto', 'none']) {
    it(`[userenv.scope] hides it from packages that are built, with --sandbox ${sandbox}, and stores it nowhere`, () => {
      const work = join(platform.root, `curious-${sandbox}`);
      const at = (name: string): string => join(work, name);
      mkdirSync(at('app/curious'), { recursive: true });
      writeFileSync(at('app/.python-version'), `${MINOR}\n`);
      writeFileSync(at('app/requirements.txt'), './curious\n');
      writeFileSync(at('app/curious/setup.py'), CURIOUS);
      const given = ['--app', at('app'), '--out', at('slug'), '--cache-dir', at('cache'), '--env-dir', platform.envDir];
      const told = ['--report', at('report.json'), '--trace', at('trace.json'), '--log', 'ndjson'];
      const pipeline = [join(ROOT, 'pipelines/python.yml'), '-p', 'providers=["system"]', '--sandbox', sandbox];
      const { status, stdout, stderr } = spawnSync(
        process.execPath,
        [join(ROOT, 'dist/cli.js'), 'run', ...pipeline, ...given, ...told],
        { encoding: 'utf8', env: platform.env() },
      );
      expect(status, stdout + stderr).to.equal(0);
      const kept = filesBelow(at('slug')).find((file) => file.endsWith('/curious.py')) ?? '';
      expect(filesBelow(at('slug'))).to.include(at('slug/curious/curious.py'));
      expect(readFileSync(kept, 'utf8')).to.contain("'PATH'").and.to.contain('PYTHONHASHSEED=0');
      expect(stdout + stderr).not.to.contain(SECRET);
      expect(mentions(platform.root, SECRET)).to.deep.equal([join(platform.envDir, 'SECRET_KEY')]);
    });
  }

  describe('with hooks', () => {
    const pushed = (hooks: Readonly<Record<string, string>>): string => {
      const app = platform.push(EXAMPLE);
      mkdirSync(join(app, 'bin'));
      for (const [name, text] of Object.entries(hooks)) writeFileSync(join(app, 'bin', name), text);
      return app;
    };
    const variables = (file: string): Record<string, string> =>
      Object.fromEntries(
        readFileSync(file, 'utf8')
          .split('\0')
          .map((line) => line.split(/=(.*)/s, 2) as [string, string]),
      );

    it('[hooks.post-compile-run] [setup.build-env-path] [setup.build-env-unbuffered] [setup.build-env-lang] [setup.build-env-include-paths] [setup.build-env-library-paths] [setup.sanitise-python-env] runs bin/post_compile in the built app', () => {
      const app = pushed({
        post_compile:
          'env -0 > env.txt; ls .profile.d > profile.txt; python -c "import flask, sys; print(sys.prefix)" > at.txt',
      });
      const before = { PYTHONHOME: '/elsewhere', PYTHONPATH: '/elsewhere', LANG: 'C', LD_LIBRARY_PATH: '/elsewhere' };
      const { status, stdout, stderr } = platform.compile(app, before);
      expect(status, stdout + stderr).to.equal(0);
      const env = variables(join(app, 'env.txt'));
      const python = readFileSync(join(app, 'at.txt'), 'utf8').trim();
      expect(python).to.match(/\/\.scalingo\/python$/);
      expect(env).to.include({
        LIBRARY_PATH: `${python}/lib`,
        LD_LIBRARY_PATH: `${python}/lib`,
        C_INCLUDE_PATH: `${python}/include`,
        CPLUS_INCLUDE_PATH: `${python}/include`,
        PYTHONUNBUFFERED: '1',
        LANG: 'en_US.UTF-8',
        PIP_DISABLE_PIP_VERSION_CHECK: '1',
        STACK: 'scalingo-24',
        // Files of the tests above.
        SECRET_KEY: readFileSync(join(platform.envDir, 'SECRET_KEY'), 'utf8'),
      });
      expect(env['PATH']).to.match(new RegExp(`^${python}/bin:`));
      expect(env).not.to.have.any.keys('PYTHONHOME', 'PYTHONPATH');
      expect(readFileSync(join(app, 'profile.txt'), 'utf8')).to.equal(
        'WEB_CONCURRENCY.sh\npython.gunicorn.sh\npython.sh\npython.sqlalchemy.sh\n',
      );
      expect(platform.data(app)).to.include({ pre_compile_hook: false, post_compile_hook: true });
    });

    it('[hooks.post-compile-failed] [cache.not-saved-on-failure] fails if a hook fails, and keeps BUILD_DIR and the version of the last build', () => {
      const app = pushed({ post_compile: 'echo 3 > made.txt; exit 3' });
      const version = readFileSync(join(platform.cacheDir, '.scalingo/python-version'), 'utf8');
      writeFileSync(join(app, '.python-version'), '3.12\n');
      const { status, stderr } = platform.compile(app);
      expect(status).to.equal(1);
      expect(stderr).to.contain('[hooks::post_compile]');
      expect(platform.data(app)).to.include({ failure_reason: 'hooks::post_compile', post_compile_hook: true });
      for (const name of ['made.txt', '.scalingo', '.profile.d']) expect(readdirSync(app)).not.to.include(name);
      expect(readFileSync(join(platform.cacheDir, '.scalingo/python-version'), 'utf8')).to.equal(version);
    });

    it('[test-compile.mode] [test-compile.locale] [pip.test-requirements] builds for tests with bin/test-compile', () => {
      const app = pushed({ pre_compile: 'env -0 > before.txt', post_compile: 'env -0 > after.txt' });
      writeFileSync(join(app, 'requirements-test.txt'), 'iniconfig==2.1.0\n');
      // With pip, either all requirements have digests or none.
      writeFileSync(join(app, 'requirements.txt'), 'six==1.17.0\n');
      const { status, stdout, stderr } = platform.step('test-compile', [app, platform.cacheDir, platform.envDir]);
      expect(status, stdout + stderr).to.equal(0);
      for (const file of ['before.txt', 'after.txt']) {
        expect(variables(join(app, file)), file).to.include({
          INSTALL_TEST: '1',
          DISABLE_COLLECTSTATIC: '1',
          LC_ALL: 'C.UTF-8',
          LANG: 'en_US.UTF-8',
        });
      }
      expect(stdout).to.match(/^ {7}Successfully installed iniconfig-2\.1\.0 six-1\.17\.0$/m);
    });

    it('[output.styled] [pyver.warn-no-version] [finish.uv-notice] warns in yellow, and recommends uv after a successful build', () => {
      const app = pushed({ post_compile: 'exit $(cat status)' });
      rmSync(join(app, '.python-version'));
      rmSync(join(platform.cacheDir, '.scalingo/python-version'));
      writeFileSync(join(app, 'status'), '1');
      const warning = /\n\u001b\[1;33m !     .*version.*\u001b\[0m\n(\u001b\[1;33m !.*\u001b\[0m\n)+\n/;
      const failed = platform.compile(app);
      expect(failed.stderr).to.match(warning).and.not.to.contain('Tip: uv');
      writeFileSync(join(app, 'status'), '0');
      const { status, stderr } = platform.compile(app);
      expect(status, stderr).to.equal(0);
      expect(stderr)
        .to.match(warning)
        .and.to.match(/\n\u001b\[1;34m !     Tip: uv/);
    });
  });

  it('[cache.discarded] [cache.legacy-cleanup] [pyver.cached-version-read] [pyver.cached-sticky] [pyver.step-cached] takes over only the version from a cache of the old buildpack', function () {
    const OTHER = '3.12';
    if (!pyenvVersions().some((version) => version.startsWith(`${OTHER}.`))) {
      return skipBecause(this, `no CPython ${OTHER} under pyenv`);
    }
    const other = new Platform();
    try {
      mkdirSync(join(other.cacheDir, '.scalingo/python/bin'), { recursive: true });
      writeFileSync(join(other.cacheDir, '.scalingo/python/bin/python'), 'exit 1');
      writeFileSync(join(other.cacheDir, '.scalingo/python-version'), `python-${OTHER}.0`);
      writeFileSync(join(other.cacheDir, '.scalingo/requirements.txt'), '');
      const app = other.push(EXAMPLE);
      rmSync(join(app, '.python-version'));
      writeFileSync(join(app, 'requirements.txt'), 'six==1.17.0\n');
      const { status, stdout, stderr } = other.compile(app);
      expect(status, stdout + stderr).to.equal(0);
      expect(stdout).to.match(/^-----> Discarding the cache of another buildpack\n {7}\S/m);
      expect(stdout).to.contain(`No Python version was specified. Using the version of the last build: ${OTHER}`);
      expect(other.data(app)).to.include({
        cache_status: 'discarded',
        python_version_origin: 'cached',
        python_version_requested: OTHER,
        python_version_major: OTHER,
      });
      expect(readdirSync(join(other.cacheDir, '.scalingo'))).to.deep.equal(['python-version']);
      const again = other.push(EXAMPLE);
      rmSync(join(again, '.python-version'));
      writeFileSync(join(again, 'requirements.txt'), 'six==1.17.0\n');
      expect(other.compile(again).stdout).not.to.contain('Discarding');
      expect(other.data(again)).to.include({ cache_status: 'reused', python_version_requested: OTHER });
    } finally {
      other.cleanUp();
    }
  });

  it('works between other buildpacks: finds what an earlier one installed, and is found by a later one', function () {
    if (spawnSync('gcc', ['--version']).status !== 0) {
      return skipBecause(this, 'no gcc');
    }
    const between = platform.push(EXAMPLE);
    const write = (path: string, text: string): void => {
      mkdirSync(join(between, path, '..'), { recursive: true });
      writeFileSync(join(between, path), text, { mode: 0o755 });
    };
    // What an earlier buildpack installed: a header for building a package, and a program that a hook runs.
    write('.apt/usr/include/greeting.h', '#define GREETING "from the header"\n');
    write('.apt/usr/bin/greet', '#!/bin/sh\necho "from $GREETER"\n');
    write('.apt/share/x', '');
    write('.profile.d/000_apt.sh', 'export PATH="$HOME/.apt/usr/bin:$PATH"\n');
    const before = {
      PATH: `${between}/.apt/usr/bin:${process.env['PATH']}`,
      C_INCLUDE_PATH: '/app/.apt/usr/include',
      SHARE: '/app/.apt/share',
      GREETER: 'no',
    };
    write('requirements.txt', './greeting\n');
    write('greeting/setup.py', SETUP);
    write('greeting/greeting.c', EXTENSION);
    write('bin/post_compile', 'greet > greeting.txt; ls "$SHARE" >> greeting.txt\n');
    writeFileSync(join(platform.envDir, 'GREETER'), 'the app');
    const { status, stdout, stderr } = platform.compile(between, before);
    rmSync(join(platform.envDir, 'GREETER'));
    expect(status, stdout + stderr).to.equal(0);
    expect(readFileSync(join(between, 'greeting.txt'), 'utf8')).to.equal('from the app\nx\n');
    expect(readdirSync(join(between, '.profile.d'))).to.include.members(['000_apt.sh', 'python.sh']);
    const later = `set -eu; . "$1/export"; echo "$PATH"; python -c 'import greeting; print(greeting.say())'`;
    const after = spawnSync('bash', ['--norc', '-c', later, 'later', platform.home], {
      encoding: 'utf8',
      env: { ...before, HOME: '/nonexistent' },
    });
    expect(after.stderr).to.equal('');
    const [path, said] = after.stdout.split('\n');
    expect(path).to.match(new RegExp(`^${between}/.scalingo/python/bin:${between}/\\.apt/usr/bin:`));
    expect(said).to.equal('from the header');
  });

  it('exits with 143 when the platform ends it, ends all its processes, and leaves BUILD_DIR unchanged', async () => {
    const interrupted = platform.push(EXAMPLE);
    mkdirSync(join(interrupted, 'bin'));
    writeFileSync(join(interrupted, 'bin/post_compile'), 'echo it is $$\nexec sleep 600\n');
    const before = readdirSync(interrupted).sort();
    const build = platform.start('compile', [interrupted, platform.cacheDir, platform.envDir]);
    let printed = '';
    await new Promise<void>((done, failed) => {
      build.stdout.on('data', (chunk: Buffer) => {
        printed += chunk.toString();
        if (printed.includes('it is ')) done();
      });
      build.once('close', () => failed(new Error(printed)));
    });
    build.kill('SIGTERM');
    const [status] = (await once(build, 'close')) as [number | null];
    expect(status).to.equal(143);
    expect(readdirSync(interrupted).sort()).to.deep.equal(before);
  });

  it('builds as a user other than root', function () {
    const NOBODY = '65534';
    const as = ['--reuid', NOBODY, '--regid', NOBODY, '--clear-groups'];
    const mayStart = spawnSync('setpriv', [...as, process.execPath, join(ROOT, 'dist/cli.js'), '--version']);
    if (process.getuid?.() !== 0 || mayStart.status !== 0) {
      return skipBecause(this, 'not root, or another user may not read this folder');
    }
    const theirs = platform.push(EXAMPLE);
    const cache = `${theirs}-cache`;
    cpSync(platform.cacheDir, cache, { recursive: true, preserveTimestamps: true });
    spawnSync('chmod', ['755', platform.root]);
    spawnSync('chown', ['-R', `${NOBODY}:${NOBODY}`, theirs, cache, join(platform.home)]);
    const script = join(platform.home, 'bin/compile');
    const env = { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent', STACK: 'scalingo-24' };
    const { status, stdout, stderr } = spawnSync('setpriv', [...as, script, theirs, cache, platform.envDir], {
      encoding: 'utf8',
      env: { ...env, PYFLOW_PARAMS: 'providers=["system"]' },
    });
    expect(status, stdout + stderr).to.equal(0);
    expect(stdout).to.match(/^-----> Done in [^:]*: \d+ (up to date|restored)/m);
    expect(spawnSync('diff', ['-r', '--no-dereference', buildDir, theirs], { encoding: 'utf8' }).stdout).to.equal('');
  });

  it('prints only the reason if the app is at fault, and leaves BUILD_DIR unchanged', () => {
    const broken = platform.push(EXAMPLE);
    writeFileSync(join(broken, '.python-version'), '3.99\n');
    const before = readdirSync(broken, { recursive: true }).sort();
    const { status, stderr } = platform.compile(broken);
    expect(status).to.equal(1);
    expect(stderr).to.match(/\n\u001b\[1;31m !     error: .*\[python-version::unknown-major\]/);
    expect(readdirSync(broken, { recursive: true }).sort()).to.deep.equal(before);
    expect(platform.data(broken)).to.include({ failure_reason: 'python-version::unknown-major' });
  });
});
