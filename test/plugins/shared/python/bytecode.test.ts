import { spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { compileBytecode } from '../../../../src/plugins/shared/python/bytecode.js';
import { succeed, type RunContext, type RunOutput } from '../../../../src/engine/sdk.js';
import { differences, fingerprint, PluginHarness } from '../../../support/plugin-harness.js';
import { prepareRuntime, type PreparedRuntime } from '../../../support/runtimes.js';

describe('plugins/shared/python/bytecode', () => {
  let runtime: PreparedRuntime;
  let root: string;

  before(async function () {
    this.timeout(60_000);
    runtime = await prepareRuntime(this);
  });
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pyflow-bytecode-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const sources: Readonly<Record<string, string>> = {
    'pkg/__init__.py': 'NAMES = {"append", "encode", "join"}\n',
    'pkg/with blank.py': 'x = frozenset({"a", "b", "c"})\n',
    'pkg/broken.py': 'print "python 2"\n',
    'pkg/json.py': 'raise SystemExit("must not be imported")\n',
    'pkg/latin.py': '# -*- coding: latin-1 -*-\ns = "\\xe9"\n',
  };

  /** Compiles in a new folder, and returns the result. */
  async function compileIn(
    folder: string,
    env: Readonly<Record<string, string>> = {},
    reuse?: (appDir: string) => void,
  ): Promise<PluginHarness> {
    mkdirSync(join(root, folder), { recursive: true });
    const harness = new PluginHarness({ root: join(root, folder), env });
    for (const [path, text] of Object.entries(sources)) {
      mkdirSync(dirname(join(harness.appDir, path)), { recursive: true });
      writeFileSync(join(harness.appDir, path), text);
    }
    reuse?.(harness.appDir);
    const kind = {
      reads: async () => succeed({}),
      run: async (_: unknown, context: RunContext) => {
        const compiled = await compileBytecode(harness, context, {
          python: join(runtime.appDir, '.scalingo/python/bin/python'),
          files: Object.keys(sources).reverse(),
          ...(reuse && { reuse: true }),
        });
        return compiled.ok ? succeed<RunOutput<object>>({ outputs: {} }) : compiled;
      },
    };
    const { result } = await harness.play(kind, {}, {});
    expect(result.ok, harness.text()).to.equal(true);
    return harness;
  }

  it('writes the same bytes in other folders and with other locales and settings', async () => {
    const a = await compileIn('a');
    const b = await compileIn('a longer one, with blanks', {
      LANG: 'POSIX',
      LC_ALL: 'POSIX',
      PYTHONHASHSEED: '7',
      PYTHONOPTIMIZE: '2',
      PYTHONPYCACHEPREFIX: '/nowhere',
      PYTHONPATH: join(root, 'a/run/app/pkg'),
    });
    expect(differences(await fingerprint(a.appDir, 'pkg/**'), await fingerprint(b.appDir, 'pkg/**'))).to.deep.equal([]);
  }).timeout(60_000);

  it('compiles every valid file with its path below /app and without a time check', async () => {
    const { appDir } = await compileIn('one');
    const made = readdirSync(join(appDir, 'pkg/__pycache__')).sort();
    expect(made.map((name) => name.split('.')[0])).to.deep.equal(['__init__', 'json', 'latin', 'with blank']);
    for (const name of made) {
      const bytes = readFileSync(join(appDir, 'pkg/__pycache__', name));
      expect(bytes.readUInt32LE(4), `${name}: unchecked hash`).to.equal(1);
      expect(bytes.includes(`/app/pkg/${name.split('.')[0]}.py`), name).to.equal(true);
      expect(bytes.includes(root), name).to.equal(false);
    }
  }).timeout(60_000);

  it('skips entries that are not regular files, and bytecode whose path is blocked', async () => {
    const { appDir } = await compileIn('planted', {}, (folder) => {
      const at = (name: string): string => join(folder, 'pkg', name);
      for (const name of ['latin.py', 'json.py']) rmSync(at(name));
      spawnSync('mkfifo', [at('latin.py')]);
      symlinkSync('/dev/zero', at('json.py'));
      mkdirSync(at('__pycache__'));
      const tag = `cpython-${runtime.minor.replace('.', '')}`;
      mkdirSync(at(`__pycache__/with blank.${tag}.pyc`));
      spawnSync('mkfifo', [at(`__pycache__/__init__.${tag}.pyc`)]);
    });
    const made = readdirSync(join(appDir, 'pkg/__pycache__'), { withFileTypes: true });
    expect(made.map((entry) => `${entry.name.split('.')[0]} ${entry.isFile()}`).sort()).to.deep.equal([
      '__init__ true',
      'with blank false',
    ]);
  }).timeout(60_000);

  describe('bytecode that came with the sources', () => {
    /** Compiles in the app with py_compile of the interpreter, in one of the modes of PEP 552. */
    const compileAll = (appDir: string, mode: string): void => {
      const python = join(runtime.appDir, '.scalingo/python/bin/python');
      const compiling = spawnSync(python, [
        '-m',
        'compileall',
        '-q',
        '--invalidation-mode',
        mode,
        '-p',
        '/built/there',
        appDir,
      ]);
      expect(compiling.error).to.equal(undefined);
    };
    const pyc = (appDir: string, name: string): Buffer => {
      const folder = join(appDir, 'pkg/__pycache__');
      const found = readdirSync(folder).find((file) => file.startsWith(`${name}.`));
      return readFileSync(join(folder, found as string));
    };
    /** A constant that is not in the source shows which of the two was used. */
    const mark = (appDir: string): void => {
      const folder = join(appDir, 'pkg/__pycache__');
      for (const name of readdirSync(folder)) {
        const bytes = readFileSync(join(folder, name));
        const at = bytes.indexOf('append');
        if (at > 0) bytes.write('APPEND', at);
        writeFileSync(join(folder, name), bytes);
      }
    };

    for (const mode of ['unchecked-hash', 'checked-hash']) {
      it(`is reused, ${mode}, with the new path`, async () => {
        const { appDir } = await compileIn('a', {}, (folder) => {
          compileAll(folder, mode);
          mark(folder);
        });
        const used = pyc(appDir, '__init__');
        expect(used.includes('APPEND')).to.equal(true);
        expect(used.includes('/app/pkg/__init__.py')).to.equal(true);
        expect(used.includes('/built/there')).to.equal(false);
        expect(used.readUInt32LE(4)).to.equal(1);
      }).timeout(60_000);
    }

    it('is replaced if it is checked by time, belongs to another source, or is damaged', async () => {
      const { appDir } = await compileIn('a', {}, (folder) => {
        compileAll(folder, 'timestamp');
        mark(folder);
      });
      expect(pyc(appDir, '__init__').includes('APPEND')).to.equal(false);

      const other = await compileIn('b', {}, (folder) => {
        compileAll(folder, 'unchecked-hash');
        mark(folder);
        writeFileSync(join(folder, 'pkg/__init__.py'), 'NAMES = {"append", "more"}\n');
        writeFileSync(join(folder, 'pkg/latin.py'), 'print "python 2"\n');
        const damaged = readdirSync(join(folder, 'pkg/__pycache__')).find((name) => name.startsWith('json.')) as string;
        truncateSync(join(folder, 'pkg/__pycache__', damaged), 20);
      });
      expect(pyc(other.appDir, '__init__').includes('APPEND')).to.equal(false);
      expect(pyc(other.appDir, 'json').length).to.be.above(20);
      const left = readdirSync(join(other.appDir, 'pkg/__pycache__')).map((name) => name.split('.')[0]);
      expect(left.sort()).to.deep.equal(['__init__', 'json', 'with blank']);
    }).timeout(60_000);
  });
});
