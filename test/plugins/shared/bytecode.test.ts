import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { compileBytecode } from '../../../src/plugins/shared/bytecode.js';
import { succeed, type RunContext, type RunOutput } from '../../../src/engine/sdk.js';
import { differences, fingerprint, PluginHarness } from '../../support/plugin-harness.js';
import { prepareRuntime, type PreparedRuntime } from '../../support/runtimes.js';

describe('plugins/shared/bytecode', () => {
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

  /** Compiles in a folder of its own; gives what came out. */
  async function compileIn(folder: string, env: Readonly<Record<string, string>> = {}): Promise<PluginHarness> {
    mkdirSync(join(root, folder), { recursive: true });
    const harness = new PluginHarness({ root: join(root, folder), env });
    for (const [path, text] of Object.entries(sources)) {
      mkdirSync(dirname(join(harness.appDir, path)), { recursive: true });
      writeFileSync(join(harness.appDir, path), text);
    }
    const kind = {
      reads: async () => succeed({}),
      run: async (_: unknown, context: RunContext) => {
        const compiled = await compileBytecode(harness.subprocess, context, {
          python: join(runtime.appDir, '.scalingo/python/bin/python'),
          files: Object.keys(sources).reverse(),
        });
        return compiled.ok ? succeed<RunOutput<object>>({ outputs: {} }) : compiled;
      },
    };
    const { result } = await harness.play(kind, {}, {});
    expect(result.ok, harness.text()).to.equal(true);
    return harness;
  }

  it('gives the same bytes in other folders, under other locales and settings', async () => {
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

  it('compiles every file that can be, names it as at /app, and never checks its time', async () => {
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
});
