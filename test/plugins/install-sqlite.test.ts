import 'reflect-metadata';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import type { Failure } from '../../src/engine/sdk.js';
import { createDownload } from '../../src/engine/services/download.js';
import { findDistribution, type Distribution } from '../../src/manifests/catalogue/distributions.js';
import { InstallSqlite } from '../../src/plugins/install-sqlite/plugin.js';
import { closedPort } from '../support/http-server.js';
import { DebianArchive, needDebianTools, SigningKey, type TestPackage } from '../support/debian-archive.js';
import { fingerprint, PluginHarness } from '../support/plugin-harness.js';

const HOUR = 3_600_000;
const CONFIG = { mode: 'auto', requirements: 'requirements.txt', root: '.', vendorDir: '.scalingo' } as const;

/** Packages like those of a release, with a command that prints its arguments. */
const packages = (version: string, library = version): readonly TestPackage[] => [
  { name: 'libreadline8', version: '8.2-1', files: { 'lib/x-linux-gnu/libreadline.so.8': 'readline' } },
  {
    name: 'libsqlite3-0',
    version: `${version}-1`,
    files: {
      'usr/lib/x-linux-gnu/libsqlite3.so.0.8.6': 'library',
      'usr/lib/x-linux-gnu/libsqlite3.so.0': { link: 'libsqlite3.so.0.8.6' },
      'usr/share/doc/libsqlite3-0/copyright': 'public domain\n',
      'usr/share/doc/libsqlite3-0/changelog.gz': 'long',
    },
  },
  {
    name: 'libsqlite3-dev',
    version: `${version}-1`,
    files: {
      'usr/include/sqlite3.h': `#define SQLITE_VERSION        "${version}"\n`,
      'usr/include/sqlite3ext.h': '\n',
      'usr/lib/x-linux-gnu/libsqlite3.so': { link: 'libsqlite3.so.0.8.6' },
      'usr/lib/x-linux-gnu/libsqlite3.a': 'archive',
      'usr/lib/x-linux-gnu/pkgconfig/sqlite3.pc':
        'prefix=/usr\nexec_prefix=${prefix}\nlibdir=${prefix}/lib/x-linux-gnu\nincludedir=${prefix}/include\n\nName: SQLite\nLibs: -L${libdir} -lsqlite3\n',
    },
  },
  {
    name: 'sqlite3',
    version: `${version}-1`,
    files: { 'usr/bin/sqlite3': `#!/bin/sh\necho "${library} 2026-01-01"\necho "$LD_LIBRARY_PATH"\n` },
  },
];

class OnTestRelease extends InstallSqlite {
  distribution: Distribution | undefined;
  protected override distributionHere(): Distribution | undefined {
    return this.distribution ?? super.distributionHere();
  }
}

describe('plugins/install-sqlite', () => {
  let root: string;
  let now = 0;
  beforeEach(() => {
    now = Date.now();
    root = mkdtempSync(join(tmpdir(), 'pyflow-sqlite-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const write = (harness: PluginHarness, files: Readonly<Record<string, string>>): void => {
    for (const [path, text] of Object.entries(files)) {
      const file = join(harness.appDir, path);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text);
    }
  };
  const kindOn = (harness: PluginHarness): OnTestRelease =>
    new OnTestRelease({ ...harness, clock: { now: () => now } });

  describe('decides', () => {
    interface Asked {
      readonly files?: Readonly<Record<string, string>>;
      readonly manager?: string;
      readonly config?: Readonly<Record<string, string>>;
      readonly release?: { readonly id: string; readonly version: string };
    }
    /** `nothing`, the names of the dependencies, or the code of the failure. */
    async function decide({ files = {}, manager = 'pip', config = {}, release }: Asked): Promise<string> {
      const harness = new PluginHarness({ root: mkdtempSync(join(root, 'd')) });
      write(harness, files);
      const machine = { ...harness.host, release: release ?? { id: 'debian', version: '12' }, arch: 'x64' };
      const kind = new InstallSqlite({ ...harness, host: machine });
      const played = await harness.play(kind, { ...CONFIG, ...config } as never, { runtime: '', manager });
      if (Object.keys(played.reads).length === 0) return played.result.ok ? '?' : played.result.failure.code;
      const { from, dependencies } = played.reads.facts as { from?: object; dependencies: readonly string[] };
      expect(played.reads.pure ?? false).to.equal(from === undefined);
      if (from !== undefined) return `install ${dependencies.join(' ')}`.trim();
      expect(played.result).to.deep.equal({
        ok: true,
        value: { outputs: { installed: false, version: '', packages: {} } },
      });
      return 'nothing';
    }

    it('to do nothing without a dependency that compiles against SQLite, on any machine', async () => {
      const files = { 'requirements.txt': 'flask==3.1.2\n' };
      expect(await decide({ files, config: { stack: 'scalingo-24' } })).to.equal('nothing');
      expect(await decide({ release: { id: 'fedora', version: '44' } })).to.equal('nothing');
      expect(await decide({ config: { mode: 'off' }, files: { 'requirements.txt': 'pysqlite3==0.5.4' } })).to.equal(
        'nothing',
      );
    });

    it('by the pins of requirements files, including nested ones', async () => {
      const found = async (text: string) =>
        decide({ files: { 'requirements.txt': '-r more.txt\n', 'more.txt': `${text}\n` } });
      for (const line of [
        'pysqlite3==0.5.4',
        'PySQLite3<0.6',
        'pysqlite3~=0.5.0',
        'pysqlite3 @ https://example.org/pysqlite3.tar.gz',
        'pysqlite3 @ git+https://example.org/pysqlite3',
        'pysqlite3==0.6.1 --no-binary pysqlite3\n--no-binary pysqlite3',
        '--no-binary :all:\npysqlite3',
      ])
        expect(await found(line), line).to.equal('install pysqlite3');
      for (const line of [
        'pysqlite3',
        'pysqlite3==0.6.1',
        'pysqlite3>=0.5',
        'pysqlite3-binary==0.5.4',
        '--no-binary lxml\npysqlite3==0.6.0',
        'pysqlite3 @ https://example.org/pysqlite3-0.5.4-cp312-cp312-linux_x86_64.whl',
      ])
        expect(await found(line), line).to.equal('nothing');
    });

    it('by the lockfile of the manager and no other file', async () => {
      const files = {
        'requirements.txt': 'pysqlite3==0.5.4\n',
        'Pipfile.lock': '{"default": {"cysqlite": {"version": "==0.1.0"}}}',
        'poetry.lock': '[[package]]\nname = "pysqlite3"\nversion = "0.5.3"\n',
        'uv.lock': '[[package]]\nname = "pysqlite3"\nversion = "0.6.0"\n',
      };
      expect(await decide({ files, manager: 'pip' })).to.equal('install pysqlite3');
      expect(await decide({ files, manager: 'pipenv' })).to.equal('install cysqlite');
      expect(await decide({ files, manager: 'poetry' })).to.equal('install pysqlite3');
      expect(await decide({ files, manager: 'uv' })).to.equal('nothing');
    });

    it('by the files below the root of the app', async () => {
      const files = { 'web/requirements.txt': 'pysqlite3==0.5.4\n' };
      expect(await decide({ files })).to.equal('nothing');
      expect(await decide({ files, config: { root: 'web' } })).to.equal('install pysqlite3');
    });

    it('against a stack that is not the release of this machine', async () => {
      const config = { mode: 'on', stack: 'scalingo-24' };
      expect(await decide({ config })).to.equal('install-sqlite::other-release');
      const asked = { config: { stack: 'scalingo-24' }, files: { 'requirements.txt': 'pysqlite3==0.5.4' } };
      expect(await decide(asked)).to.equal('install-sqlite::other-release');
      expect(await decide({ config, release: { id: 'ubuntu', version: '24.04' } })).to.equal('install');
      expect(await decide({ config: { mode: 'on', stack: 'host' } })).to.equal('install');
      expect(await decide({ config: { mode: 'on' } })).to.equal('install');
    });

    it('against a machine whose packages are not known', async () => {
      const release = { id: 'fedora', version: '44' };
      expect(await decide({ config: { mode: 'on', stack: 'host' }, release })).to.equal(
        'install-sqlite::unknown-release',
      );
    });
  });

  describe('with an archive', function () {
    this.timeout(20_000);
    let key: SigningKey;
    let archive: DebianArchive;
    const bookworm = findDistribution({ release: { id: 'debian', version: '12' }, arch: 'x64' })!;

    before(function () {
      needDebianTools(this);
      key = new SigningKey();
    });
    after(() => key?.close());
    beforeEach(async () => {
      archive = await open('3.50.1');
      archive.publish(key, { date: Date.now() - HOUR });
    });
    afterEach(() => archive.close());

    const open = (version: string, library = version): Promise<DebianArchive> =>
      DebianArchive.start(
        bookworm.suites.map(({ path, name }) => `${path} ${name}`),
        bookworm.architecture,
        packages(version, library),
      );

    const install = async (options: { keyring?: string; mirror?: string; folder?: string; python?: string } = {}) => {
      // With a blank in the path, as in some user folders.
      const harness = new PluginHarness({
        root: options.folder ?? mkdtempSync(join(root, 'h ')),
        settings: { DEBIAN_MIRROR: options.mirror ?? archive.origin },
        download: {
          fetch: (context, request) =>
            createDownload({
              cacheDir: join(root, 'downloads'),
              clock: { now: Date.now },
              tries: 1,
            }).fetchFile({ ...request, signal: context.signal }),
        },
      });
      const python = '.scalingo/python/bin/python';
      write(harness, { [python]: options.python ?? '#!/bin/sh\n', '.scalingo/python/lib/python3.12/os.py': '' });
      chmodSync(join(harness.appDir, python), 0o755);
      const kind = kindOn(harness);
      kind.distribution = { ...bookworm, keyring: options.keyring ?? key.keyring };
      const { result } = await harness.play(kind, { ...CONFIG, mode: 'on' }, { runtime: '', manager: 'pip' });
      return { harness, result, home: join(harness.appDir, '.scalingo/python') };
    };
    const failureOf = async (options: Parameters<typeof install>[0] = {}): Promise<Failure> => {
      const { result, home } = await install(options);
      if (result.ok) throw new Error('it was installed');
      expect(existsSync(join(home, 'include/sqlite3.h')), 'nothing was installed').to.equal(false);
      return result.failure;
    };

    it('installs library, headers, pkg-config file and command, and nothing else', async () => {
      const { result, harness, home } = await install();
      if (!result.ok) throw new Error(`${result.failure.code} ${result.failure.detail}`);
      expect(result.value).to.deep.equal({
        outputs: {
          installed: true,
          version: '3.50.1',
          packages: {
            libreadline8: '8.2-1',
            'libsqlite3-0': '3.50.1-1',
            'libsqlite3-dev': '3.50.1-1',
            sqlite3: '3.50.1-1',
          },
        },
      });
      const made = await fingerprint(home);
      expect(Object.keys(made).filter((path) => !path.includes('python'))).to.deep.equal([
        'bin/sqlite3',
        'include/sqlite3.h',
        'include/sqlite3ext.h',
        'lib/libsqlite3.so',
        'lib/libsqlite3.so.0',
        'lib/libsqlite3.so.0.8.6',
        'lib/pkgconfig/sqlite3.pc',
        'libexec/sqlite3/libreadline.so.8',
        'libexec/sqlite3/sqlite3',
        'share/doc/libsqlite3-0/copyright',
      ]);
      expect(made['lib/libsqlite3.so.0']).to.equal('-> libsqlite3.so.0.8.6');
      expect(made['bin/sqlite3']).to.match(/ x$/);
      expect(readFileSync(join(home, 'lib/pkgconfig/sqlite3.pc'), 'utf8')).to.contain(
        'prefix=${pcfiledir}/../..\nexec_prefix=${prefix}\nlibdir=${prefix}/lib\nincludedir=${prefix}/include\n',
      );
      expect(harness.text()).not.to.contain('Packages');
    });

    it('installs a command that finds its libraries after a move, also through a link', async () => {
      const { home } = await install();
      const moved = join(root, 'moved away');
      renameSync(home, moved);
      execFileSync('ln', ['-s', join(moved, 'bin/sqlite3'), join(root, 'link')]);
      const [version, path] = execFileSync(join(root, 'link'), {
        env: { PATH: '/usr/bin:/bin', LD_LIBRARY_PATH: '/other' },
        encoding: 'utf8',
      }).split('\n');
      expect(version).to.contain('3.50.1');
      expect(path).to.equal(`${moved}/bin/../libexec/sqlite3:${moved}/bin/../lib:/other`);
    });

    it('uses the newest version of all suites', async () => {
      const security = await open('3.50.2');
      try {
        security.publish(key, { date: Date.now() - HOUR });
        const isSecurity = (path: string) => path.startsWith('debian-security/');
        for (const path of [...archive.files.keys()].filter(isSecurity)) archive.files.delete(path);
        for (const [path, bytes] of security.files) {
          if (isSecurity(path)) archive.files.set(path, bytes);
          else if (path.includes('/pool/')) archive.files.set(path.replace('debian/', 'debian-security/'), bytes);
        }
        const { result } = await install();
        expect(result.ok && result.value.outputs.version).to.equal('3.50.2');
      } finally {
        await security.close();
      }
    });

    it('rejects an index with the signature of another key', async () => {
      const otherKey = new SigningKey();
      try {
        archive.publish(otherKey, { date: Date.now() - HOUR });
        const failure = await failureOf();
        expect(failure).to.include({ code: 'install-sqlite::bad-signature', blame: 'environment' });
        expect(failure.retryable).to.equal(undefined);
      } finally {
        otherKey.close();
      }
    });

    it('rejects an index that changed after it was signed', async () => {
      archive.damage(/InRelease$/, (bytes) => Buffer.from(bytes.toString().replace('Origin: Test', 'Origin: Rest')));
      expect((await failureOf()).code).to.equal('install-sqlite::bad-signature');
    });

    it('rejects an index without a signature, for example a login page of the network', async () => {
      archive.damage(/InRelease$/, () => Buffer.from('<html>Please log in</html>\n'));
      expect((await failureOf()).code).to.equal('install-sqlite::bad-signature');
    });

    it('rejects an expired index', async () => {
      archive.publish(key, { date: Date.now() - 48 * HOUR, validUntil: Date.now() - HOUR });
      expect((await failureOf()).code).to.equal('install-sqlite::index-expired');
    });

    it('rejects a signed index that is older than the last one', async () => {
      const old = new Map(archive.files);
      const newer = await open('3.50.2');
      const folder = mkdtempSync(join(root, 'app'));
      try {
        newer.publish(key, { date: Date.now() });
        archive.files.clear();
        for (const [path, bytes] of newer.files) archive.files.set(path, bytes);
        expect((await install({ folder })).result.ok).to.equal(true);
        rmSync(join(folder, 'run'), { recursive: true });
        archive.files.clear();
        for (const [path, bytes] of old) archive.files.set(path, bytes);
        expect((await failureOf({ folder })).code).to.equal('install-sqlite::wrong-digest');
      } finally {
        await newer.close();
      }
    });

    it('rejects a package list that does not match its digest', async () => {
      archive.damage(/Packages$/, (bytes) => Buffer.from(bytes.toString().replace(/SHA256: ../g, 'SHA256: 00')));
      expect((await failureOf()).code).to.equal('install-sqlite::wrong-digest');
    });

    it('rejects a package that does not match its digest', async () => {
      archive.damage(/libsqlite3-0_.*\.deb$/, (bytes) =>
        Buffer.from(bytes.toString('latin1').replace(/.$/s, '?'), 'latin1'),
      );
      expect((await failureOf()).code).to.equal('download::wrong-digest');
    });

    it('rejects a package without the required files', async () => {
      await archive.close();
      archive = await DebianArchive.start(
        bookworm.suites.map(({ path, name }) => `${path} ${name}`),
        bookworm.architecture,
        packages('3.50.1').map((made) => (made.name === 'libsqlite3-dev' ? { ...made, files: {} } : made)),
      );
      archive.publish(key, { date: Date.now() - HOUR });
      const failure = await failureOf();
      expect(failure.code).to.equal('install-sqlite::bad-package');
      expect(failure.detail).to.contain('sqlite3.h');
    });

    it('reports that the archive lacks the release or a package', async () => {
      archive.damage(/Packages$/, () => Buffer.from(''));
      archive.damage(/InRelease$/, () => Buffer.from(''));
      archive.files.clear();
      expect((await failureOf()).code).to.equal('install-sqlite::not-in-archive');
    });

    it('reports a mirror that does not respond, as retryable', async () => {
      const failure = await failureOf({ mirror: `http://user:secret@127.0.0.1:${await closedPort()}` });
      expect(failure).to.include({
        code: 'install-sqlite::mirror-unreachable',
        blame: 'environment',
        retryable: true,
      });
      expect(JSON.stringify(failure)).not.to.contain('secret');
    });

    it('uses the packages of an earlier build, for a week, if the archive does not respond', async () => {
      const folder = mkdtempSync(join(root, 'app'));
      const again = async () => {
        rmSync(join(folder, 'run'), { recursive: true, force: true });
        const { result, home } = await install({ folder, mirror: `http://127.0.0.1:${await closedPort()}` });
        return { result, files: await fingerprint(home) };
      };
      const { home } = await install({ folder });
      const before = await fingerprint(home);
      const { result, files } = await again();
      expect(result.ok && result.value.degraded?.reason).to.contain('unreachable');
      expect(files).to.deep.equal(before);
      now += 8 * 24 * HOUR;
      const late = (await again()).result;
      expect(!late.ok && late.failure.code).to.equal('install-sqlite::mirror-unreachable');
    });

    it('logs in to a mirror, and never shows the login', async () => {
      const mirror = archive.origin.replace('//', '//user:sesame@');
      const { result, harness } = await install({ mirror });
      expect(result.ok).to.equal(true);
      const credentials = `Basic ${Buffer.from('user:sesame').toString('base64')}`;
      expect(archive.credentials.size).to.equal(1);
      expect([...archive.credentials]).to.deep.equal([credentials]);
      expect(JSON.stringify(result) + harness.text()).not.to.contain('sesame');
    });

    it('rejects mirrors that are not the URL of a server, and a missing keyring', async () => {
      for (const mirror of ['file:///srv/mirror', 'mirror.example.org', 'http://a b'])
        expect((await failureOf({ mirror })).code, mirror).to.equal('install-sqlite::bad-mirror');
      expect((await failureOf({ keyring: '/nonexistent/keyring.gpg' })).code).to.equal('install-sqlite::no-keyring');
    });

    it('rejects a command that reports another version than the header', async () => {
      await archive.close();
      archive = await open('3.50.1', '3.49.0');
      archive.publish(key, { date: Date.now() - HOUR });
      const { result } = await install();
      expect(!result.ok && result.failure.code).to.equal('install-sqlite::self-check');
    });

    it("rejects a library that breaks Python's own module", async () => {
      const { result } = await install({ python: '#!/bin/sh\nexit 1\n' });
      expect(!result.ok && result.failure.code).to.equal('install-sqlite::self-check');
    });
  });
});
