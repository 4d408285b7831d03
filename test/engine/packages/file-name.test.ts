import { expect } from 'chai';
import * as fc from 'fast-check';
import { fileNameParts } from '../../../src/engine/packages/file-name.js';

describe('names of package files', () => {
  it('reads wheels, with and without a build tag', () => {
    expect(fileNameParts('PyYAML-6.0.2-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl')).to.deep.equal({
      project: 'pyyaml',
      version: '6.0.2',
      kind: 'wheel',
      tags: { pythons: ['cp312'], abis: ['cp312'], platforms: ['manylinux_2_17_x86_64', 'manylinux2014_x86_64'] },
    });
    expect(fileNameParts('a.b-1.0+local.2-3fix-py2.py3-none-any.whl')).to.deep.include({
      project: 'a-b',
      version: '1.0+local.2',
      kind: 'wheel',
    });
  });

  it('reads source archives, with dashes in the name or in the version', () => {
    expect(fileNameParts('python-dateutil-2.9.0.post0.tar.gz')).to.deep.equal({
      project: 'python-dateutil',
      version: '2.9.0.post0',
      kind: 'sdist',
    });
    expect(fileNameParts('python-dateutil-2.9-1.zip', 'Python_Dateutil')?.version).to.equal('2.9-1');
    expect(fileNameParts('lib-3-tools-1.0.tar.gz', 'lib-3-tools')?.version).to.equal('1.0');
    expect(fileNameParts('lib-3-tools-1.0.tar.gz')?.project).to.equal('lib-3-tools');
  });

  it('says nothing of other files', () => {
    for (const name of [
      'a-1.0-py3.12.egg',
      'a-1.0.exe',
      'a.tar.gz',
      '-1.0.tar.gz',
      'a-1.0.whl',
      'a-x-py3-none-any.whl',
    ])
      expect(fileNameParts(name), name).to.equal(undefined);
    expect(fileNameParts('other-1.0.tar.gz', 'a')).to.equal(undefined);
  });

  it('never throws', () => {
    const words = fc.constantFrom('a', '-', '1.0', '.whl', '.tar.gz', '_', '.', 'py3', 'none', 'any', '\u0000');
    fc.assert(fc.property(fc.array(words), (parts) => void fileNameParts(parts.join(''))));
  });
});
