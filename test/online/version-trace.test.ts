// Compares the choice of a Python with real uv: which packages of a lockfile a Python gets, and which of them have a wheel.

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { fitVersions, markerEnvironment } from '../../src/manifests/app/versions/fit.js';
import { uvVersionLock } from '../../src/manifests/app/versions/uv.js';
import { prepareRuntime, prepareTool } from '../support/runtimes.js';

const run = promisify(execFile);
const MINORS = ['3.10', '3.11', '3.12', '3.13', '3.14'];
const MACHINE = { os: 'linux', machine: 'x86_64', libc: { name: 'glibc', version: '2.36' } } as const;
/** Old versions, which lack wheels for new Pythons; markers, extras and a group. */
const PROJECT = `[project]
name = "app"
version = "1"
requires-python = ">=3.10"
dependencies = [
  "fastapi[all]==0.110.0",
  "psycopg2-binary==2.9.9",
  "tomli; python_version < '3.11'",
  "typing-extensions; python_full_version < '3.12.4'",
  "pywin32; sys_platform == 'win32'",
]
[dependency-groups]
docs = ["sphinx"]
`;

describe('the choice of a Python, compared with uv', function () {
  this.timeout(180_000);
  let folder: string;
  let uv: string;
  const lock = (groups: readonly string[] = []) =>
    uvVersionLock(readFileSync(join(folder, 'uv.lock')), 'uv.lock', { project: '.', groups })!;
  const ask = async (args: readonly string[]): Promise<{ readonly ok: boolean; readonly text: string }> => {
    const env = { ...process.env, UV_NO_CONFIG: '1', UV_CACHE_DIR: join(folder, 'cache') };
    return run(uv, args, { cwd: folder, env }).then(
      ({ stdout }) => ({ ok: true, text: stdout }),
      (error: { readonly stderr?: string }) => ({ ok: false, text: error.stderr ?? '' }),
    );
  };

  before(async function () {
    const runtime = await prepareRuntime(this);
    uv = join(await prepareTool(runtime, 'uv'), 'bin/uv');
    folder = mkdtempSync(join(tmpdir(), 'pyflow-trace-'));
    writeFileSync(join(folder, 'pyproject.toml'), PROJECT);
    const python = join(runtime.appDir, '.scalingo/python/bin/python3');
    const locked = await ask(['lock', '--quiet', '--python', python, '--exclude-newer', '2024-06-01']);
    if (!locked.ok) throw new Error(locked.text);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('gives each Python the packages that uv would install', async () => {
    for (const groups of [[], ['docs']]) {
      for (const minor of MINORS) {
        const asked = groups.flatMap((group) => ['--group', group]);
        const platform = ['--python-version', minor, '--python-platform', 'x86_64-manylinux_2_36'];
        const { ok, text } = await ask(['tree', '--frozen', '--no-default-groups', ...asked, ...platform]);
        expect(ok, text).to.equal(true);
        const theirs = [...text.matchAll(/── ([a-z0-9.-]+)(?:\[[^\]]*\])? v(\S+)/g)].map(
          ([, name, at]) => `${name} ${at}`,
        );
        const environment = markerEnvironment(MACHINE, minor, `${minor}.0`);
        const own = lock(groups).packagesFor(environment);
        const names = own.map(({ name, version }) => `${name} ${version}`);
        expect([...new Set(names)].sort(), `${minor} ${groups.join()}`).to.deep.equal([...new Set(theirs)].sort());
      }
    }
  });

  it('rejects a Python for the packages of which uv finds no wheel', async () => {
    const builds = MINORS.map((minor) => ({ minor, version: `${minor}.0` }));
    const { candidates } = fitVersions({ builds, constraints: [], lock: lock(), machine: MACHINE });
    const rejected = (minor: string) =>
      candidates
        .find((candidate) => candidate.minor === minor)!
        .reasons.flatMap((reason) => ('package' in reason ? [`${reason.package}==${reason.version}`] : []));
    const packages = [...new Set(MINORS.flatMap(rejected))].sort();
    expect(packages.join()).to.include('psycopg2-binary==2.9.9').and.to.include('pydantic-core==');
    expect(rejected('3.12')).to.deep.equal([]);
    for (const minor of ['3.12', '3.13', '3.14']) {
      const platform = ['--python-version', minor, '--python-platform', 'x86_64-manylinux_2_36'];
      const target = ['--target', join(folder, 'nothing')];
      const wheelsOnly = ['--dry-run', '--no-deps', '--only-binary', ':all:'];
      const answers = await Promise.all(
        packages.map((pinned) => ask(['pip', 'install', ...wheelsOnly, ...platform, ...target, pinned])),
      );
      const without = packages.filter((_, index) => answers[index]?.ok === false);
      expect(rejected(minor).sort(), minor).to.deep.equal(without);
    }
  });
});
