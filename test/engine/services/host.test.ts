import { expect } from 'chai';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { readHost } from '../../../src/engine/services/host.js';
import { skipBecause } from '../../support/skip.js';

describe('engine/services/host', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pyflow-host-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const hostWith = (files: Readonly<Record<string, string>>, platform = 'linux') => {
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), content, 'latin1');
    }
    return readHost({}, { platform, arch: 'arm64', root });
  };
  const mapped = (path: string): string =>
    `7f00-7f01 r--p 00000000 fe:00 1 /usr/bin/node\n7f02-7f03 r-xp 00000000 fe:00 2      ${path}\n7f04-7f05 rw-p 0 0:0 0 [stack]\n`;

  it('reports system and architecture', () => {
    expect(readHost({})).to.include({ os: process.platform, arch: process.arch });
  });

  it('reads the release with and without quotes, and of a rolling distribution', () => {
    expect(hostWith({ 'etc/os-release': 'NAME="X"\nID="rhel"\nVERSION_ID=\'9.4\'\n' }).release).to.deep.equal({
      id: 'rhel',
      version: '9.4',
    });
    expect(hostWith({ 'etc/os-release': 'VERSION_ID="12"\nVERSION="12 (x)"\nID=debian\n' }).release).to.deep.equal({
      id: 'debian',
      version: '12',
    });
    expect(hostWith({ 'etc/os-release': 'ID=arch\n' }).release).to.deep.equal({ id: 'arch', version: '' });
  });

  it('looks for the release in /usr/lib too, and works without one', () => {
    expect(hostWith({}).release).to.deep.equal({ id: 'linux', version: '' });
    expect(hostWith({ 'usr/lib/os-release': 'ID=alpine\nVERSION_ID=3.20.1\n' }).release).to.deep.equal({
      id: 'alpine',
      version: '3.20.1',
    });
  });

  it('reports the C library of this process', function () {
    if (process.platform !== 'linux') skipBecause(this, 'needs Linux');
    const { glibcVersionRuntime } = (
      process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } }
    ).header;
    const { name, version } = readHost({}).libc;
    if (glibcVersionRuntime === undefined) expect(name).to.equal('musl');
    else expect([name, version]).to.deep.equal(['glibc', glibcVersionRuntime]);
  });

  it('distinguishes glibc and musl by the mapped library', () => {
    expect(
      hostWith({
        'proc/self/maps': mapped('/lib64/libc-2.17.so'),
        'lib64/libc-2.17.so': '\0ELF GNU C Library (GNU libc) stable release version 2.17, by Roland\0',
      }).libc,
    ).to.deep.equal({ name: 'glibc', version: '2.17' });
    expect(
      hostWith({ 'proc/self/maps': mapped('/lib/ld-musl-x86_64.so.1'), 'lib/ld-musl-x86_64.so.1': '\0ELF\x001.2.5\0x' })
        .libc,
    ).to.deep.equal({ name: 'musl', version: '1.2.5' });
  });

  it('reports an unknown C library', () => {
    expect(hostWith({ 'proc/self/maps': mapped('/lib/other.so') }).libc).to.deep.equal({
      name: 'unknown',
      version: '',
    });
    expect(hostWith({ 'proc/self/maps': mapped('/gone/libc.so.6') }).libc).to.deep.equal({
      name: 'glibc',
      version: '',
    });
  });

  it('returns settings only by the name after PYFLOW_', () => {
    const host = readHost({ PYFLOW_PYTHON_MIRROR: 'file:///mirror', SECRET: 'x' });
    expect(host.setting('PYTHON_MIRROR')).to.equal('file:///mirror');
    expect(host.setting('SECRET')).to.equal(undefined);
  });

  it('splits PATH and drops relative entries', () => {
    expect(readHost({ PATH: '/a:.::/b c:bin' }).searchPath).to.deep.equal(['/a', '/b c']);
    expect(readHost({}).searchPath).to.deep.equal([]);
  });

  it('prefers the home folder of the environment', () => {
    expect(readHost({ HOME: '/home/someone' }).homeDir).to.equal('/home/someone');
    expect(readHost({}).homeDir).to.match(/^\//);
  });

  it('reads nothing before the first use', () => {
    let looks = 0;
    const source = {
      platform: 'linux',
      arch: 'x64',
      get root(): string {
        looks += 1;
        return root;
      },
    };
    const host = readHost({}, source);
    expect(host.os).to.equal('linux');
    expect(looks).to.equal(0);
    expect(host.libc.name).to.equal('unknown');
    expect(looks).to.be.greaterThan(0);
  });
});
