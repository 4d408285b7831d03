import { readFileSync, readdirSync } from 'node:fs';
import { expect } from 'chai';
import { catalogueDigest } from '../../../src/manifests/catalogue/catalogue-digest.js';
import { FAMILIES } from '../../../src/manifests/catalogue/families.js';
import {
  acceptedMinors,
  DEFAULT_MINOR,
  latestPatch,
  minorStatus,
} from '../../../src/manifests/catalogue/python-releases.js';
import {
  findRuntime,
  latestRuntime,
  runtimePlatform,
  type RuntimePlatform,
} from '../../../src/manifests/catalogue/runtimes.js';
import { acceptedStacks, HOST_STACK, stackStatus } from '../../../src/manifests/catalogue/stacks.js';
import { findDistribution, knownReleases } from '../../../src/manifests/catalogue/distributions.js';
import { compilesAgainstSqlite, sqlitePackages } from '../../../src/manifests/catalogue/sqlite-packages.js';
import { toolLock } from '../../../src/manifests/catalogue/tool-locks.js';
import { isToolFor, knownVersions, TOOL_NAMES, toolVersion } from '../../../src/manifests/catalogue/tools.js';

const PLATFORMS: readonly RuntimePlatform[] = [
  'linux-x86_64-gnu',
  'linux-aarch64-gnu',
  'linux-x86_64-musl',
  'linux-aarch64-musl',
  'macos-x86_64',
  'macos-aarch64',
];
const MINORS = ['3.10', '3.11', '3.12', '3.13', '3.14'];
const VERSIONS = Object.keys(FAMILIES['python-runtimes'].runtimes);
const at = (date: string) => Date.parse(date);

describe('catalogue', () => {
  describe('runtimes', () => {
    it('has builds of every supported minor on every platform, the newest as in the release data', () => {
      for (const platform of PLATFORMS) {
        for (const minor of MINORS)
          expect(latestRuntime(platform, minor)?.version, `${platform} ${minor}`).to.equal(latestPatch(minor));
      }
    });

    it('gives each build a URL below the base, a digest, and a plausible size', () => {
      const seen = new Set<string>();
      const runtimes = PLATFORMS.flatMap((platform) =>
        VERSIONS.flatMap((version) => findRuntime(platform, version) ?? []),
      );
      for (const runtime of runtimes) {
        expect(runtime.sha256).to.match(/^[0-9a-f]{64}$/);
        expect(seen.has(runtime.sha256), runtime.url).to.equal(false);
        seen.add(runtime.sha256);
        expect(runtime.url).to.equal(`${FAMILIES['python-runtimes'].base}/${runtime.path}`);
        expect(runtime.path).to.match(
          /^\d{8}\/cpython-3\.\d+\.\d+%2B\d{8}-[a-z0-9_-]+-install_only(_stripped)?\.tar\.gz$/,
        );
        expect(runtime.sizeBytes ?? 1e7).to.be.within(5e6, 5e8);
      }
      expect(seen.size).to.equal(361);
    });

    it('returns all fields of a build', () => {
      expect(findRuntime('linux-x86_64-gnu', '3.14.7')).to.deep.equal({
        version: '3.14.7',
        platform: 'linux-x86_64-gnu',
        build: '20260814',
        flavour: 'install_only_stripped',
        url: 'https://github.com/astral-sh/python-build-standalone/releases/download/20260814/cpython-3.14.7%2B20260814-x86_64-unknown-linux-gnu-install_only_stripped.tar.gz',
        path: '20260814/cpython-3.14.7%2B20260814-x86_64-unknown-linux-gnu-install_only_stripped.tar.gz',
        sha256: 'cefba034445d2875408d1fd4d5700ae6731563aeb54dcb39fd8164ab5c457533',
      });
    });

    it('finds the newest build by number, not by text', () => {
      expect(VERSIONS).to.include.members(['3.13.9', '3.13.15']);
      expect(latestRuntime('linux-x86_64-gnu', '3.13')?.version).to.equal('3.13.15');
    });

    it('returns nothing for unknown versions', () => {
      for (const minor of ['3.1', '3.9']) expect(latestRuntime('linux-x86_64-gnu', minor)).to.equal(undefined);
      for (const version of ['3.13.999', 'constructor', ''])
        expect(findRuntime('linux-x86_64-gnu', version)).to.equal(undefined);
    });

    it('finds the platform by the names of Node, uname and Debian', () => {
      const glibc = { name: 'glibc' };
      expect(runtimePlatform({ os: 'linux', arch: 'x64', libc: glibc })).to.equal('linux-x86_64-gnu');
      expect(runtimePlatform({ os: 'linux', arch: 'amd64', libc: { name: 'musl' } })).to.equal('linux-x86_64-musl');
      expect(runtimePlatform({ os: 'linux', arch: 'arm64', libc: glibc })).to.equal('linux-aarch64-gnu');
      expect(runtimePlatform({ os: 'darwin', arch: 'arm64', libc: glibc })).to.equal('macos-aarch64');
      expect(runtimePlatform({ os: 'win32', arch: 'x64', libc: glibc })).to.equal(undefined);
      expect(runtimePlatform({ os: 'linux', arch: 'riscv64', libc: glibc })).to.equal(undefined);
    });
  });

  describe('python releases', () => {
    it('deprecates 3.10, with or without upstream support, until the date it is refused', () => {
      expect(minorStatus('3.10', at('2026-10-31'))).to.deep.equal({
        support: 'deprecated',
        endOfLifeMonth: '2026-10',
        endedUpstream: false,
        refusedFrom: '2027-01-06',
      });
      expect(minorStatus('3.10', at('2026-11-01'))).to.include({ support: 'deprecated', endedUpstream: true });
      expect(minorStatus('3.10', at('2027-01-05T23:59:59Z'))).to.include({ support: 'deprecated' });
      expect(minorStatus('3.10', at('2027-01-06'))).to.include({ support: 'end-of-life' });
    });

    it('deprecates a minor without announced dates when upstream support ends', () => {
      expect(minorStatus('3.11', at('2027-10-31')).support).to.equal('supported');
      expect(minorStatus('3.11', at('2027-11-01')).support).to.equal('deprecated');
    });

    it('uses the date of the data if the clock is behind it', () => {
      expect(minorStatus('3.10', 0).support).to.equal('deprecated');
      expect(minorStatus('3.9', 0).support).to.equal('end-of-life');
    });

    it('distinguishes end of life from unknown', () => {
      for (const minor of ['2.7', '0.9', '3.0', '3.7', '3.8', '3.9'])
        expect(minorStatus(minor, at('2026-11-20')).support, minor).to.equal('end-of-life');
      for (const minor of ['3.15', '3.16', '3.99', '4.0', '10.1'])
        expect(minorStatus(minor, at('2026-11-20')).support, minor).to.equal('unknown');
    });

    it('accepts 3.10 to 3.14, with 3.13 as the default', () => {
      expect(acceptedMinors(at('2026-11-20'))).to.deep.equal(MINORS);
      expect(acceptedMinors(at('2027-01-06'))).to.deep.equal(MINORS.slice(1));
      expect(DEFAULT_MINOR).to.equal('3.13');
      expect(latestPatch('3.15')).to.equal(undefined);
    });
  });

  describe('stacks', () => {
    it('distinguishes accepted, ended and unknown stacks', () => {
      expect(stackStatus('scalingo-24')).to.deep.equal({
        support: 'accepted',
        distro: 'ubuntu',
        release: '24.04',
        glibc: '2.39',
        arch: ['amd64'],
        end: '2029-05',
      });
      expect(stackStatus('heroku-26')).to.deep.equal({
        support: 'accepted',
        distro: 'ubuntu',
        release: '26.04',
        glibc: '2.43',
        arch: ['amd64', 'arm64'],
      });
      for (const name of [
        'cedar',
        'cedar-14',
        'heroku-16',
        'heroku-18',
        'heroku-20',
        'scalingo-14',
        'scalingo-18',
        'scalingo-20',
      ])
        expect(stackStatus(name).support, name).to.equal('end-of-life');
      for (const name of ['scalingo-24-minimal', 'scalingo-99', '', 'SCALINGO-24'])
        expect(stackStatus(name).support, name).to.equal('unknown');
      expect(acceptedStacks()).to.deep.equal([
        'scalingo-22',
        'scalingo-24',
        'scalingo-26',
        'heroku-22',
        'heroku-24',
        'heroku-26',
        'host',
      ]);
      expect(stackStatus(HOST_STACK)).to.deep.equal({ support: 'accepted', arch: ['amd64', 'arm64'] });
      expect(stackStatus(FAMILIES.stacks.default).support).to.equal('accepted');
    });
  });

  describe('distributions', () => {
    it('include the release of every accepted stack', () => {
      for (const name of acceptedStacks()) {
        const { distro, release, arch } = stackStatus(name);
        if (distro === undefined || release === undefined) continue;
        for (const architecture of arch) {
          const machine = {
            release: { id: distro, version: release },
            arch: architecture === 'amd64' ? 'x64' : 'arm64',
          };
          expect(findDistribution(machine)?.architecture, name).to.equal(architecture);
        }
      }
    });

    it('list the suites of a release, including security updates', () => {
      const suites = (id: string, version: string, arch = 'x64') =>
        findDistribution({ release: { id, version }, arch })?.suites.map(({ path, name }) => `${path} ${name}`);
      expect(suites('debian', '12')).to.deep.equal([
        'debian bookworm',
        'debian bookworm-updates',
        'debian-security bookworm-security',
      ]);
      expect(suites('ubuntu', '24.04', 'arm64')).to.deep.equal([
        'ubuntu-ports noble',
        'ubuntu-ports noble-updates',
        'ubuntu-ports noble-security',
      ]);
      for (const [id, version, arch] of [
        ['debian', '11', 'x64'],
        ['fedora', '44', 'x64'],
        ['debian', '12', 'riscv64'],
        ['debian', '12', 'constructor'],
      ] as const)
        expect(suites(id, version, arch), `${id} ${version} ${arch}`).to.equal(undefined);
      expect(knownReleases()).to.include('ubuntu 24.04');
    });

    it('know which versions of a package compile against SQLite', () => {
      expect(sqlitePackages()).to.include('pysqlite3');
      const compiles = (specifier: string) => compilesAgainstSqlite('pysqlite3', specifier);
      const built = ['==0.5.4', '===0.5.4', '<0.6', '<=0.5.9', '~=0.5.0', '==0.5.*', '>=0.4,<0.6'];
      expect(built.filter(compiles)).to.deep.equal(built);
      expect(['', '==0.6.0', '==0.10', '>=0.5', '<1', '~=0.6.0', '!=0.5.4'].filter(compiles)).to.deep.equal([]);
      expect(compilesAgainstSqlite('flask', '==0.5.4')).to.equal(false);
    });
  });

  describe('tools', () => {
    it('pins one version of each tool', () => {
      expect((['pip', 'pipenv', 'poetry', 'uv', 'setuptools'] as const).map(toolVersion)).to.deep.equal([
        '26.2.1',
        '2026.7.1',
        '2.4.1',
        '0.12.5',
        '70.3.0',
      ]);
    });

    it('knows which minors need setuptools', () => {
      expect(MINORS.filter((minor) => isToolFor('setuptools', minor))).to.deep.equal(['3.10', '3.11', '3.12']);
    });
  });

  describe('tool locks', () => {
    it('has every version of every tool for every supported minor (`npm run tool-locks` adds missing ones)', () => {
      for (const tool of TOOL_NAMES) {
        for (const version of knownVersions(tool)) {
          const locked: Readonly<Record<string, object>> = FAMILIES[`tool-locks/${tool}`].versions;
          expect(Object.keys(locked[version] ?? {}), `${tool} ${version}`).to.deep.equal(MINORS);
        }
      }
    });

    it('pins every package by digest, including the tool itself', () => {
      for (const tool of TOOL_NAMES) {
        for (const version of knownVersions(tool)) {
          for (const minor of MINORS) {
            const lock = toolLock(tool, version, minor, 'linux');
            expect(lock?.packages, `${tool} ${version} ${minor}`).to.include({ [tool]: version });
            for (const line of lock?.requirements ?? []) {
              expect(line).to.match(/^[a-z0-9-]+==[\w.]+( --hash=sha256:[0-9a-f]{64})+$/);
            }
          }
        }
      }
    });

    it('includes packages for one platform or for older Pythons only there', () => {
      const names = (minor: string, os: string) =>
        Object.keys(toolLock('poetry', toolVersion('poetry'), minor, os)?.packages ?? {});
      expect(names('3.12', 'linux')).to.include('secretstorage').and.not.to.include('xattr');
      expect(names('3.12', 'darwin')).to.include('xattr').and.not.to.include('secretstorage');
      expect(names('3.10', 'linux')).to.include('tomli');
      expect(names('3.13', 'linux')).not.to.include('tomli');
      expect(toolLock('poetry', '0.1', '3.12', 'linux')).to.equal(undefined);
      expect(toolLock('poetry', toolVersion('poetry'), '3.9', 'linux')).to.equal(undefined);
    });

    it('has the digest of the pip wheel that another source publishes', () => {
      expect(toolLock('pip', '26.2.1', '3.12', 'linux')?.requirements[0]).to.contain(
        '71138adf1f4ca900cdb7d289c21b7494329f2332b6d85f0e1c42108c0384ed3e',
      );
    });
  });

  it('has a stable digest over all data', () => {
    expect(catalogueDigest())
      .to.match(/^[0-9a-f]{64}$/)
      .and.to.equal(catalogueDigest());
  });

  it('names source and date in every data file', () => {
    const folder = new URL('../../../src/manifests/catalogue/data/', import.meta.url);
    const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.json'));
    expect(names).not.to.have.length(0);
    for (const name of names) {
      const data = JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as Record<string, unknown>;
      expect(data, name).to.include.keys('about', 'source', 'retrieved');
      expect(data['source'], name).to.be.an('array').that.is.not.empty;
    }
  });
});
