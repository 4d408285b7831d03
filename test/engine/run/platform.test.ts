import { expect } from 'chai';
import { platformOf } from '../../../src/engine/run/platform.js';
import type { Host } from '../../../src/engine/sdk.js';

const host = (os: string, arch: string): Host =>
  ({ os, arch, libc: { name: 'glibc', version: '2.39' }, release: { id: 'ubuntu', version: '24.04' } }) as Host;

describe('engine/run/platform', () => {
  it('uses the names of the platform lexicon', () => {
    expect(platformOf(host('linux', 'x64'))).to.deep.equal({
      OSFamily: 'linux',
      ISA: 'x86-64',
      libc: 'glibc-2.39',
      'os-release': 'ubuntu-24.04',
    });
    expect(platformOf(host('darwin', 'arm64'))).to.include({ OSFamily: 'macos', ISA: 'arm-a64' });
    expect(platformOf(host('linux', 'ppc64'))['ISA']).to.match(/^power-isa-[lb]e$/);
  });

  it("keeps Node's name where the lexicon has none", () => {
    expect(platformOf(host('freebsd', 's390x'))).to.include({ OSFamily: 'freebsd', ISA: 's390x' });
  });
});
