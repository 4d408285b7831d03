import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { filesService } from '../../../../src/engine/services/files.js';
import { type Host, succeed } from '../../../../src/engine/sdk.js';
import type { HostCommand } from '../../../../src/plugins/shared/python/host-command.js';
import { findInterpreters, type Interpreter } from '../../../../src/plugins/shared/python/interpreters.js';

const GOOD = { level: 'final', implementation: 'cpython', scheme: 'posix_prefix', managed: false, pip: true, abi: '' };

describe('plugins/shared/python/interpreters', () => {
  let root: string;
  /** The output of each program, by its real path. */
  let answers: Map<string, string>;
  let asked: string[];
  const command: HostCommand = {
    runTool: async (file) => {
      asked.push(file);
      const stdout = answers.get(file);
      return succeed({ exitCode: stdout === undefined ? 1 : 0, stdout: stdout ?? '', stderr: '' });
    },
  };
  const hostWith = (settings: Readonly<Record<string, string>>, searchPath: readonly string[] = []): Host => ({
    os: 'linux',
    arch: 'x64',
    libc: { name: 'glibc', version: '2.36' },
    release: { id: 'debian', version: '12' },
    setting: (name) => settings[name],
    searchPath,
    homeDir: root,
  });
  const install = (prefix: string, name: string, version: string, facts: object = {}): void => {
    const bin = join(root, prefix, 'bin');
    mkdirSync(bin, { recursive: true });
    writeFileSync(join(bin, name), 'program');
    const real = join(root, prefix);
    const stdlib = `${real}/lib/python${version.split('.').slice(0, 2).join('.')}`;
    answers.set(join(bin, name), JSON.stringify({ ...GOOD, version, prefix: real, stdlib, ...facts }));
  };
  const find = (host: Host): Promise<readonly Interpreter[]> =>
    findInterpreters('3.12', { host, files: filesService, command }, new AbortController().signal);

  beforeEach(() => {
    root = realpathSync(mkdtempSync(join(tmpdir(), 'pyflow-interpreters-')));
    answers = new Map();
    asked = [];
  });
  afterEach(() => rmSync(root, { recursive: true }));

  it('finds interpreters of pyenv and on the search path, newest patch first', async () => {
    install('.pyenv/versions/3.12.1', 'python3.12', '3.12.1');
    install('.pyenv/versions/3.12.10', 'python3.12', '3.12.10');
    install('.pyenv/versions/3.11.9', 'python3.11', '3.11.9');
    install('usr', 'python3', '3.12.4');
    const found = await find(hostWith({}, [join(root, 'usr/bin')]));
    expect(found.map(({ version }) => version)).to.deep.equal(['3.12.10', '3.12.4', '3.12.1']);
    expect(found.every(({ refusal }) => refusal === undefined)).to.equal(true);
  });

  it('runs each program once, even if several names point to it, and no shims', async () => {
    install('usr', 'python3.12', '3.12.4');
    symlinkSync('python3.12', join(root, 'usr/bin/python3'));
    install('.pyenv/shims/../shims-home', 'python3', '3.12.5');
    mkdirSync(join(root, 'shims'));
    writeFileSync(join(root, 'shims/python3'), '');
    await find(hostWith({}, [join(root, 'usr/bin'), join(root, 'shims')]));
    expect(asked).to.deep.equal([join(root, 'usr/bin/python3.12')]);
  });

  it('looks only in the folders of the operator', async () => {
    install('.pyenv/versions/3.12.1', 'python3.12', '3.12.1');
    install('opt/py', 'python3.12', '3.12.0');
    const found = await find(
      hostWith({ SYSTEM_PYTHONS: join(root, 'opt/py') }, [join(root, '.pyenv/versions/3.12.1/bin')]),
    );
    expect(found.map(({ version }) => version)).to.deep.equal(['3.12.0']);
  });

  it('leaves out other minor versions and programs that do not respond', async () => {
    install('usr', 'python3', '3.11.2');
    install('broken', 'python3', '3.12.0');
    answers.set(join(root, 'broken/bin/python3'), 'not JSON');
    expect(await find(hostWith({}, [join(root, 'usr/bin'), join(root, 'broken/bin')]))).to.deep.equal([]);
  });

  const refused: readonly (readonly [string, object, RegExp])[] = [
    ['one that belongs to the distribution', { managed: true }, /belongs to the distribution/],
    ['another install scheme', { scheme: 'posix_local' }, /posix_local/],
    ['one without a bundled pip', { pip: false }, /no bundled pip/],
    ['a pre-release', { level: 'candidate' }, /pre-release/],
    ['another implementation', { implementation: 'pypy' }, /not CPython/],
    ['a free-threaded build', { abi: 't' }, /special build/],
    ['an unusual layout', { stdlib: '/usr/lib64/python3.12' }, /unusual place/],
  ];
  for (const [what, facts, reason] of refused) {
    it(`rejects ${what} and gives the reason`, async () => {
      install('usr', 'python3', '3.12.4', facts);
      const [found] = await find(hostWith({}, [join(root, 'usr/bin')]));
      expect(found?.refusal).to.match(reason);
    });
  }
});
