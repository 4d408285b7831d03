import { expect } from 'chai';
import { parsePoetryLock, parsePoetryProject } from '../../../src/manifests/app/poetry-lock.js';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('manifests/app/poetry-lock', () => {
  it('reads packages with their groups, digests and sources', () => {
    const lock = parsePoetryLock(
      bytes(`
[[package]]
name = "Flask_Login"
version = "1.0"
optional = false
groups = ["main", "dev"]
markers = {main = "python_version < \\"3.11\\"", dev = "sys_platform == \\"linux\\""}
files = [{file = "flask_login-1.0-py3-none-any.whl", hash = "sha256:aa"}]

[[package]]
name = "mine"
version = "0.1"
optional = true
markers = "sys_platform == \\"win32\\""
files = []
develop = true

[package.source]
type = "directory"
url = "../libs/mine"
`),
    );
    expect(lock).to.deep.equal({
      ok: true,
      value: [
        {
          name: 'flask-login',
          version: '1.0',
          groups: ['main', 'dev'],
          optional: false,
          files: [{ file: 'flask_login-1.0-py3-none-any.whl', hash: 'sha256:aa' }],
        },
        {
          name: 'mine',
          version: '0.1',
          optional: true,
          files: [],
          source: { type: 'directory', url: '../libs/mine' },
        },
      ],
    });
  });

  it('accepts odd entries', () => {
    for (const text of ['', 'package = 3\n', '[package]\nname = "a"\n', '[[package]]\nname = 3\nfiles = "x"\n']) {
      expect(parsePoetryLock(bytes(text)).ok, text).to.equal(true);
    }
  });

  it('reports where a file is not valid TOML', () => {
    const lock = parsePoetryLock(bytes('<<<<<<< HEAD\n'));
    expect(lock.ok).to.equal(false);
    if (!lock.ok) expect(lock.failure.message).to.match(/^Invalid TOML document/);
  });

  it('treats a project as a package unless it says otherwise', () => {
    const of = (text: string) => {
      const project = parsePoetryProject(bytes(text));
      if (!project.ok) throw new Error(project.failure.message);
      return project.value;
    };
    expect(of('[project]\nname = "My.App"\n')).to.deep.equal({
      name: 'my-app',
      isPackage: true,
      hasBuildScript: false,
      requiredPlugins: [],
    });
    expect(of('[tool.poetry]\npackage-mode = false\n').isPackage).to.equal(false);
    expect(of('[tool.poetry]\nname = "old"\nbuild = "build.py"\n')).to.include({ name: 'old', hasBuildScript: true });
    expect(of('[tool.poetry.build]\nscript = "build.py"\n').hasBuildScript).to.equal(true);
    expect(of('[tool.poetry.requires-plugins]\nb = "1"\na = "*"\n').requiredPlugins).to.deep.equal(['a', 'b']);
  });
});
