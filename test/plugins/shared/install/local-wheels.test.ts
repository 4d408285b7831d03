import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { Folder } from '../../../../src/engine/files/folder.js';
import { holdsLocalBuild } from '../../../../src/plugins/shared/install/local-wheels.js';

const PACKAGES = { 'zope-interface': '7.2', six: '1.16.0', local: '1.0+cpu.1' };
const PIP = 'pip/wheels/ab/cd/ef/0123456789';
const UV = 'uv/sdists-v9/pypi';

describe('plugins/shared/install/local-wheels', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pyflow-wheels-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const holds = (...files: readonly string[]): Promise<boolean> => {
    for (const file of files) {
      mkdirSync(dirname(join(root, file)), { recursive: true });
      writeFileSync(join(root, file), '');
    }
    return holdsLocalBuild(new Folder(root), PACKAGES);
  };

  it('finds no build in an empty cache, or one with downloads only', async () => {
    expect(await holds()).to.equal(false);
    expect(await holds('pip/http-v2/a/b/c', 'uv/wheels-v5/pypi/six/six-1.16.0-py2.py3-none-any.whl')).to.equal(false);
  });

  for (const [what, file] of [
    ['pip', `${PIP}/zope_interface-7.2-cp312-cp312-linux_x86_64.whl`],
    ['pip, with another spelling of the version', `${PIP}/local-1.0_cpu.1-py3-none-any.whl`],
    ['pip, that pretends to be another version', `${PIP}/six-9.9-py3-none-any.whl`],
    ['pip, in a folder that pip never makes', `${PIP}/src/six-1.16.0-py3-none-any.whl`],
    ['uv', `${UV}/six/1.16.0/hash/six-1.16.0-py3-none-any.whl`],
    ['uv, unpacked', `${UV}/six/1.16.0/hash/six-1.16.0-py3-none-any/six.py`],
  ] as const) {
    it(`finds an installed wheel that ${what} built`, async () => expect(await holds(file)).to.equal(true));
  }

  it('ignores wheels of packages that are not installed, and the sources of packages', async () => {
    const others = [
      `${PIP}/other-1.0-py3-none-any.whl`,
      `${PIP}/origin.json`,
      `${UV}/six/1.16.0/hash/src/dist/six-1.16.0-py3-none-any.whl`,
    ];
    expect(await holds(...others)).to.equal(false);
  });

  it('expects a build behind a link, which pip follows', async () => {
    mkdirSync(join(root, PIP), { recursive: true });
    symlinkSync('../../../elsewhere', join(root, 'pip/wheels/ab/cd/12'));
    expect(await holds()).to.equal(true);
  });

  it('expects a build where something replaced a folder of the cache', async () => {
    mkdirSync(join(root, 'pip'));
    symlinkSync('/usr', join(root, 'pip/wheels'));
    expect(await holds()).to.equal(true);
  });
});
