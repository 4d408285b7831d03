import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { movableFinder } from '../../../../src/plugins/shared/relocate/editable-finder.js';

const FINDER = `from __future__ import annotations
import sys
MAPPING: dict[str, str] = {'far': '/app/src/far', 'out': '/usr/lib/out', 'near': '/application/near', 'all': '/app'}
NAMESPACES: dict[str, list[str]] = {'space': ['/app/a', '/opt/b', '/app']}
def install():
    pass
`;

describe('plugins/shared/relocate/editable-finder', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "pyflow it's a "));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  /** The mapping of a finder in `folder` below an app. */
  function mapped(text: string, folder: string): unknown {
    mkdirSync(join(root, folder), { recursive: true });
    writeFileSync(join(root, folder, 'finder.py'), text);
    const script =
      "import json, sys; sys.path.insert(0, sys.argv[1]); import finder as f; f.install(); print(json.dumps([f.MAPPING, getattr(f, 'NAMESPACES', None)]))";
    const printed = execFileSync('/usr/bin/python3', ['-c', script, join(root, folder)], { encoding: 'utf8' });
    return JSON.parse(printed);
  }

  it('finds the app in any folder, and keeps other paths', () => {
    expect(mapped(movableFinder(FINDER, 3), '.scalingo/lib/site')).to.deep.equal([
      { far: `${root}/src/far`, out: '/usr/lib/out', near: '/application/near', all: root },
      { space: [`${root}/a`, '/opt/b', root] },
    ]);
  });

  it('works without namespaces', () => {
    const text = FINDER.replace(/NAMESPACES.*\n/, '');
    expect(mapped(movableFinder(text, 1), 'site')).to.have.nested.property('0.far', `${root}/src/far`);
  });

  it('is added once, to finders only', () => {
    const once = movableFinder(FINDER, 3);
    expect(movableFinder(once, 3)).to.equal(once);
    expect(movableFinder('x = 1\n', 3)).to.equal('x = 1\n');
  });
});
