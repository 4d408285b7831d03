import { expect } from 'chai';
import { parseUvLock, versionsOf } from '../../../src/manifests/app/uv-lock.js';

const lockOf = (text: string) => {
  const result = parseUvLock(Buffer.from(text));
  if (!result.ok) throw new Error(result.failure.message);
  return result.value;
};

const LOCK = `version = 1
revision = 3
requires-python = ">=3.12"

[manifest]
members = ["shop", "util"]

[[package]]
name = "Mark_Up"
version = "3.0.4"
source = { registry = "https://pypi.org/simple" }
sdist = { url = "https://files.example/markup-3.0.4.tar.gz", hash = "sha256:aa" }
wheels = [
    { url = "https://files.example/a/markup-3.0.4%2Bcpu-cp312-cp312-manylinux_2_17_x86_64.whl#x", hash = "sha256:bb" },
    { path = "wheels/markup-3.0.4-py3-none-any.whl" },
]

[[package]]
name = "shop"
version = "0.1.0"
source = { virtual = "." }

[[package]]
name = "util"
source = { editable = "packages/util" }

[[package]]
name = "mark-up"
version = "2.0"
source = { git = "https://git.example/markup?rev=1#2" }
`;

describe('manifests/app/uv-lock', () => {
  it('reads names, versions, sources and files', () => {
    const [first, shop, util] = lockOf(LOCK).packages;
    expect(first).to.deep.equal({
      name: 'mark-up',
      version: '3.0.4',
      source: { type: 'registry', at: 'https://pypi.org/simple' },
      wheels: ['markup-3.0.4+cpu-cp312-cp312-manylinux_2_17_x86_64.whl', 'markup-3.0.4-py3-none-any.whl'],
      hasSdist: true,
      needs: [],
      hashed: false,
    });
    expect(shop).to.deep.include({ source: { type: 'virtual', at: '.' }, hasSdist: false, hashed: true });
    expect(util).to.deep.include({ source: { type: 'editable', at: 'packages/util' } });
    expect(util).not.to.have.property('version');
  });

  it('lists versions by name, several of one package together, without virtual packages', () => {
    expect(versionsOf(lockOf(LOCK))).to.deep.equal({ 'mark-up': '2.0, 3.0.4', util: 'packages/util' });
  });

  it('reports what is wrong', () => {
    const problemOf = (text: string) => {
      const result = parseUvLock(Buffer.from(text));
      return result.ok ? undefined : result.failure.type;
    };
    expect(problemOf('garbage [')).to.equal('invalid-toml');
    expect(problemOf('package = 1')).to.equal('invalid-lock');
    expect(problemOf('[[package]]\nname = "a"\n')).to.equal('invalid-lock');
    expect(problemOf('version = 1\n')).to.equal(undefined);
  });
});
