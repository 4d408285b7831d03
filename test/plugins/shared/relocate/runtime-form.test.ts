import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { filesService } from '../../../../src/engine/services/files.js';
import { Folder } from '../../../../src/engine/files/folder.js';
import {
  belongsToRuntime,
  copyRuntime,
  mayHoldRuntime,
  normalizeRuntime,
} from '../../../../src/plugins/shared/relocate/runtime-form.js';

const PUBLIC = '/app/.scalingo/python';
const FORM = { home: 'prefix', minor: '3.12', publicPrefix: PUBLIC };

describe('plugins/shared/relocate/runtime-form', () => {
  let root: string;
  let prefix: string;
  const put = (path: string, text = ''): void => {
    mkdirSync(dirname(join(prefix, path)), { recursive: true });
    writeFileSync(join(prefix, path), text);
  };
  const files = (): string[] =>
    readdirSync(prefix, { recursive: true, encoding: 'utf8' })
      .filter((path) => !lstatSync(join(prefix, path)).isDirectory())
      .sort();

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pyflow-form-'));
    prefix = join(root, 'prefix');
    put('bin/python3.12', '#!fake\n');
    put('lib/python3.12/os.py');
  });
  afterEach(() => rmSync(root, { recursive: true }));

  it('keeps the interpreter, the standard library, headers and shared libraries', () => {
    for (const path of [
      'bin/python',
      'bin/python3.12',
      'include/python3.12/Python.h',
      'lib/libpython3.12.so.1.0',
      'lib/pkgconfig/python-3.12.pc',
      'lib/python3.12/os.py',
      'lib/python3.12/lib-dynload/_ssl.cpython-312-x86_64-linux-gnu.so',
      'lib/python3.12/ensurepip/_bundled/pip-24.0-py3-none-any.whl',
      'lib/python3.12/unittest/mock.py',
    ]) {
      expect(belongsToRuntime(path, '3.12'), path).to.equal(true);
    }
  });

  it('keeps no tools, tests, archives, foreign packages or bytecode', () => {
    for (const path of [
      'bin/pip',
      'bin/idle3.12',
      'bin/python3.12-config',
      'bin/python3.11',
      'include/openssl/ssl.h',
      'lib/libpython3.12.a',
      'lib/python3.11/os.py',
      'lib/python3.12/EXTERNALLY-MANAGED',
      'lib/python3.12/__pycache__/os.cpython-312.pyc',
      'lib/python3.12/config-3.12-x86_64-linux-gnu/Makefile',
      'lib/python3.12/idlelib/run.py',
      'lib/python3.12/lib-dynload/_testcapi.cpython-312-x86_64-linux-gnu.so',
      'lib/python3.12/lib2to3/tests/test_all.py',
      'lib/python3.12/site-packages/pip/__init__.py',
      'lib/python3.12/test/test_os.py',
      'share/man/man1/python.1',
    ]) {
      expect(belongsToRuntime(path, '3.12'), path).to.equal(false);
    }
  });

  it('does not read folders without files of the runtime', () => {
    expect(mayHoldRuntime('lib/python3.12/site-packages', '3.12')).to.equal(false);
    expect(mayHoldRuntime('lib/python3.12/test', '3.12')).to.equal(false);
    expect(mayHoldRuntime('share', '3.12')).to.equal(false);
    expect(mayHoldRuntime('lib/python3.12/json', '3.12')).to.equal(true);
  });

  it('copies the files of the runtime, links as links, and outside links as files', async () => {
    put('bin/pip');
    put('lib/python3.12/site-packages/foreign.pth', '/root\n');
    symlinkSync('python3.12', join(prefix, 'bin/python3'));
    writeFileSync(join(root, 'elsewhere.py'), 'here = 1\n');
    symlinkSync('../../../elsewhere.py', join(prefix, 'lib/python3.12/linked.py'));
    const home = join(root, 'home');
    await copyRuntime(filesService.machine(prefix), new Folder(root), 'home', '3.12', new AbortController().signal);
    expect(readlinkSync(join(home, 'bin/python3'))).to.equal('python3.12');
    expect(readFileSync(join(home, 'lib/python3.12/linked.py'), 'utf8')).to.equal('here = 1\n');
    expect(existsSync(join(home, 'bin/pip'))).to.equal(false);
    expect(existsSync(join(home, 'lib/python3.12/site-packages'))).to.equal(false);
  });

  it('replaces the build prefix with that of the slug', async () => {
    put(
      'lib/python3.12/_sysconfigdata__linux_x86_64-linux-gnu.py',
      "build_time_vars = {'LIBDIR': '/install/lib',\n 'OTHER': '/installed/x',\n 'prefix': '/install'}\n",
    );
    put('lib/pkgconfig/python-3.12.pc', 'prefix=/install\nlibdir=/install/lib\nother=/home/me/py/x\n');
    put('lib/python3.12/notes.py', '# /install stays in released files\n');
    const result = await normalizeRuntime(new Folder(root), FORM, ['/home/me/py']);
    expect(result.ok).to.equal(true);
    expect(readFileSync(join(prefix, 'lib/pkgconfig/python-3.12.pc'), 'utf8')).to.equal(
      `prefix=${PUBLIC}\nlibdir=${PUBLIC}/lib\nother=${PUBLIC}/x\n`,
    );
    const data = readFileSync(join(prefix, 'lib/python3.12/_sysconfigdata__linux_x86_64-linux-gnu.py'), 'utf8');
    expect(data).to.equal(
      `build_time_vars = {'LIBDIR': '${PUBLIC}/lib',\n 'OTHER': '/installed/x',\n 'prefix': '${PUBLIC}'}\n`,
    );
    expect(readFileSync(join(prefix, 'lib/python3.12/notes.py'), 'utf8')).to.contain('/install');
  });

  it('removes other files and links the names of the interpreter', async () => {
    put('bin/pip3');
    put('lib/python3.12/test/deep/test_x.py');
    put('lib/python3.12/site-packages/foreign/__init__.py');
    const result = await normalizeRuntime(new Folder(root), FORM, []);
    expect(files()).to.deep.equal(['bin/python', 'bin/python3', 'bin/python3.12', 'lib/python3.12/os.py']);
    expect(readlinkSync(join(prefix, 'bin/python'))).to.equal('python3');
    expect(readdirSync(join(prefix, 'lib/python3.12'))).to.deep.equal(['os.py', 'site-packages']);
    expect(lstatSync(join(prefix, 'bin/python3.12')).mode & 0o777).to.equal(0o755);
    expect(result).to.deep.equal({ ok: true, value: { pythonFiles: ['lib/python3.12/os.py'] } });
  });

  it('is idempotent', async () => {
    put('lib/pkgconfig/python-3.12.pc', 'prefix=/home/me/py\n');
    await normalizeRuntime(new Folder(root), FORM, ['/home/me/py']);
    const once = readFileSync(join(prefix, 'lib/pkgconfig/python-3.12.pc'), 'utf8');
    await normalizeRuntime(new Folder(root), FORM, ['/home/me/py']);
    expect(readFileSync(join(prefix, 'lib/pkgconfig/python-3.12.pc'), 'utf8')).to.equal(once);
  });

  it('names the file if its search path cannot be rewritten', async () => {
    const narrow = Buffer.alloc(64);
    Buffer.from([0x7f, 0x45, 0x4c, 0x46, 1, 1]).copy(narrow);
    writeFileSync(join(prefix, 'bin/python3.12'), narrow);
    const result = await normalizeRuntime(new Folder(root), FORM, []);
    expect(result).to.deep.equal({
      ok: false,
      failure: "pyflow can't rewrite the search path of bin/python3.12: it is a 32-bit file.",
    });
  });
});
