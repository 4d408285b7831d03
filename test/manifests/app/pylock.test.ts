import { expect } from 'chai';
import * as fc from 'fast-check';
import { packagesOf } from '../../../src/manifests/app/packages.js';
import { filesOf, isHashed, isPylockName, localPathsOf, parsePylock } from '../../../src/manifests/app/pylock.js';

const SHA = 'a'.repeat(64);
const LOCK = `lock-version = "1.0"
created-by = "hand"
requires-python = ">=3.10"
environments = ["sys_platform == 'linux'"]
default-groups = ["Web_Docs"]

[[packages]]
name = "Flask_Login"
version = "0.6"
marker = "python_version < '3.14'"
requires-python = ">=3.8"
index = "https://pypi.org/simple"
sdist = { url = "https://files.example.com/flask%2Dlogin-0.6.tar.gz", hashes = { sha256 = "${SHA}", md5 = "00" } }
wheels = [{ path = "./wheels/../wheels/flask_login-0.6-py3-none-any.whl", hashes = { sha256 = "${SHA.toUpperCase()}" } }]

[[packages]]
name = "mine"
directory = { path = "libs/mine/", editable = true }

[[packages]]
name = "cloned"
vcs = { type = "git", url = "https://example.com/x.git", commit-id = "0" }

[[packages]]
name = "direct"
version = "1.0"
archive = { url = "https://example.com/direct-1.0-py3-none-any.whl", hashes = { md5 = "00" } }
`;
const parse = (text: string) => parsePylock(Buffer.from(text));
const problemOf = (text: string) => {
  const lock = parse(text);
  return lock.ok ? undefined : lock.failure;
};
const first = (fields: string): string => `lock-version = "1.0"\n[[packages]]\n${fields}\n`;

describe('manifests/app/pylock', () => {
  it('reads packages, their files, and what the lockfile is for', () => {
    const lock = parse(LOCK);
    if (!lock.ok) throw new Error(JSON.stringify(lock.failure));
    const { packages, ...whole } = lock.value;
    expect(whole).to.deep.equal({
      python: '>=3.10',
      environments: ["sys_platform == 'linux'"],
      defaultGroups: ['web-docs'],
    });
    expect(packages.map(({ name, source }) => [name, source])).to.deep.equal([
      ['flask-login', 'files'],
      ['mine', 'directory'],
      ['cloned', 'vcs'],
      ['direct', 'archive'],
    ]);
    expect(packages[0]).to.include({ version: '0.6', python: '>=3.8', index: 'https://pypi.org/simple' });
    expect(filesOf(packages[0]!)).to.deep.equal([
      {
        name: 'flask_login-0.6-py3-none-any.whl',
        path: 'wheels/flask_login-0.6-py3-none-any.whl',
        hashes: [`sha256:${SHA}`],
      },
      {
        name: 'flask-login-0.6.tar.gz',
        url: 'https://files.example.com/flask%2Dlogin-0.6.tar.gz',
        hashes: [`sha256:${SHA}`],
      },
    ]);
    expect(localPathsOf(lock.value)).to.deep.equal(['libs/mine', 'wheels/flask_login-0.6-py3-none-any.whl']);
    expect(packages.map(isHashed)).to.deep.equal([true, false, false, false]);
  });

  it('says what is wrong', () => {
    expect(problemOf('<<<<<<< HEAD')).to.have.property('type', 'invalid-toml');
    for (const [text, message] of [
      ['', '`lock-version` is missing'],
      ['lock-version = "1.0"\npackages = 1', '`packages` is not a list'],
      [first('version = "1"'), 'package 1 has no valid name'],
      [first('name = "../x"'), 'package 1 has no valid name'],
      [first('name = "x"'), 'package 1 (x) has no files'],
      [first('name = "x"\nwheels = [{}]'), 'package 1 (x) has a file without a path or URL'],
      [first('name = "x"\ndirectory = {}'), 'package 1 (x) has a directory without a path'],
    ] as const) {
      expect(problemOf(text), message).to.deep.equal({ type: 'invalid-lock', message });
    }
    expect(problemOf('lock-version = "2.0"')).to.deep.equal({ type: 'unknown-version', version: '2.0' });
    expect(problemOf('lock-version = "1.1"')).to.equal(undefined);
  });

  it('knows the names of such files', () => {
    for (const name of ['pylock.toml', 'web/pylock.toml', 'pylock.web.toml']) expect(isPylockName(name)).to.equal(true);
    for (const name of ['pylock.web.x.toml', 'xpylock.toml', 'pylock.toml.txt', 'Pylock.toml', 'pylock..toml'])
      expect(isPylockName(name), name).to.equal(false);
  });

  it('gives the versions, to compare two states of the file', async () => {
    expect(await packagesOf('pylock.toml', Buffer.from(LOCK))).to.deep.equal({
      cloned: '',
      direct: '1.0',
      'flask-login': '0.6',
      mine: '',
    });
  });

  it('ends with an answer for any TOML', () => {
    const value = fc.anything({ maxDepth: 2, values: [fc.string(), fc.integer(), fc.boolean()] });
    const keys = ['name', 'version', 'marker', 'index', 'wheels', 'sdist', 'archive', 'directory', 'vcs'];
    fc.assert(
      fc.property(fc.array(fc.dictionary(fc.constantFrom(...keys), value)), (packages) => {
        const lines = packages.flatMap((one) => [
          '[[packages]]',
          ...Object.entries(one).map(([key, given]) => `${key} = ${tomlOf(given)}`),
        ]);
        expect(parse(['lock-version = "1.0"', ...lines].join('\n'))).to.have.property('ok');
      }),
    );
  });
});

function tomlOf(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(tomlOf).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? '');
  return `{ ${Object.entries(value)
    .map(([key, given]) => `${JSON.stringify(key)} = ${tomlOf(given)}`)
    .join(', ')} }`;
}
