import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { Builder, type BuilderOptions } from '../../../src/engine/services/builder.js';
import { describeBuilder } from '../../../src/engine/services/builder-description.js';

const STATUS = '/var/lib/dpkg/status';
const debian = (...packages: readonly (readonly [name: string, version: string, status?: string])[]): string =>
  packages
    .map(
      ([name, version, status = 'install ok installed']) =>
        `Package: ${name}\nStatus: ${status}\nArchitecture: amd64\nVersion: ${version}\nDescription: x\n Version: no field\n`,
    )
    .join('\n');

describe('engine/services/builder', () => {
  let folder: string;
  let root: string;
  let cacheDir: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'pyflow-test-'));
    root = join(folder, 'root');
    cacheDir = join(folder, 'cache');
    mkdirSync(root);
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  function write(files: Readonly<Record<string, string>>): void {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(root + path), { recursive: true });
      writeFileSync(root + path, text);
    }
  }
  /** Late enough for the times of the files to prove something. */
  const later = (): number => Date.now() + 60_000;
  const open = (options: Partial<BuilderOptions> = {}): Builder =>
    new Builder({ cacheDir, root, now: later(), ...options });
  const lines = (): readonly string[] => describeBuilder(root).text.trimEnd().split('\n');

  describe('a description', () => {
    it('lists the installed packages of Debian', () => {
      const removed = ['nano', '7.2', 'deinstall ok config-files'] as const;
      write({ [STATUS]: debian(['gcc-12', '12.2.0-14'], removed, ['zlib1g-dev', '1:1.2.13']) });
      expect(lines()).to.deep.equal(['package gcc-12:amd64 12.2.0-14', 'package zlib1g-dev:amd64 1:1.2.13']);
    });

    it('lists the packages of minimal images, Alpine and Arch Linux', () => {
      write({ '/var/lib/dpkg/status.d/base': 'Package: base-files\nVersion: 12\nArchitecture: all\n' });
      expect(lines()).to.deep.equal(['package base-files:all 12']);
      rmSync(`${root}/var`, { recursive: true });
      write({
        '/lib/apk/db/installed': 'C:Q1=\nP:musl\nV:1.2.5-r0\nA:x86_64\n\nC:Q1=\nP:gcc\nV:14.2.0-r4\nA:x86_64\n\n',
      });
      expect(lines()).to.deep.equal(['package gcc:x86_64 14.2.0-r4', 'package musl:x86_64 1.2.5-r0']);
      rmSync(`${root}/lib`, { recursive: true });
      write({ '/var/lib/pacman/local/gcc-libs-14.2.1-1/desc': '', '/var/lib/pacman/local/ALPM_DB_VERSION': '9' });
      expect(lines()).to.deep.equal(['package gcc-libs 14.2.1-1']);
    });

    it('takes the database of RPM as a whole', () => {
      write({ '/var/lib/rpm/rpmdb.sqlite': 'one' });
      const [before] = lines();
      expect(before).to.match(/^rpm \/var\/lib\/rpm\/rpmdb\.sqlite [0-9a-f]{64}$/);
      write({ '/var/lib/rpm/rpmdb.sqlite': 'two' });
      expect(lines()).not.to.deep.equal([before]);
    });

    it('lists what is in the usual folders of a system without packages', () => {
      write({ '/usr/bin/cc': 'elf', '/usr/lib/libz.so': 'elf!' });
      expect(lines()).to.deep.equal(['file /usr/bin/cc 3', 'file /usr/lib/libz.so 4']);
      write({ [STATUS]: debian(['gcc', '12']) });
      expect(lines()).to.deep.equal(['package gcc:amd64 12']);
    });

    it('lists what was installed beside the packages, and which program a name stands for', () => {
      write({
        [STATUS]: debian(['gcc', '12']),
        '/usr/local/bin/cmake': 'elf',
        '/usr/local/include/geos/geos.h': '',
        '/usr/local/lib/node_modules/npm/index.js': '',
        '/usr/local/lib/python3.11/__pycache__/x.pyc': '',
        '/usr/local/share/doc': 'not a part of it',
      });
      mkdirSync(`${root}/etc/alternatives`, { recursive: true });
      symlinkSync('/usr/bin/gcc-12', `${root}/etc/alternatives/cc`);
      expect(lines()).to.deep.equal([
        'file /usr/local/bin/cmake 3',
        'file /usr/local/include/geos/geos.h 0',
        'link /etc/alternatives/cc -> /usr/bin/gcc-12',
        'package gcc:amd64 12',
      ]);
    });

    it('does not depend on the order of packages, and is empty for an empty machine', () => {
      expect(describeBuilder(root)).to.deep.equal({ text: '', watched: [] });
      write({ [STATUS]: debian(['a', '1'], ['b', '2']) });
      const before = lines();
      write({ [STATUS]: debian(['b', '2'], ['a', '1']) });
      expect(lines()).to.deep.equal(before);
    });

    it('watches few paths, those at the top first, however many there are', () => {
      const files = Array.from({ length: 300 }, (_, n) => `/usr/local/lib/deep/er/${n}/file`);
      write({
        [STATUS]: debian(['a', '1']),
        '/usr/local/sbin/tool': '',
        ...Object.fromEntries(files.map((path) => [path, ''])),
      });
      const { watched } = describeBuilder(root);
      expect(watched).to.have.length(64);
      expect(watched).to.include.members(
        [STATUS, '/usr/local', '/usr/local/lib', '/usr/local/sbin'].map((path) => root + path),
      );
    });

    it('leaves out folders that are unreadable', function () {
      write({ [STATUS]: debian(['a', '1']), '/usr/local/bin/tool': '' });
      chmodSync(`${root}/usr/local/bin`, 0o000);
      try {
        const readable = process.getuid?.() === 0 ? ['file /usr/local/bin/tool 0'] : [];
        expect(lines()).to.deep.equal([...readable, 'package a:amd64 1']);
      } finally {
        chmodSync(`${root}/usr/local/bin`, 0o755);
      }
    });
  });

  describe('an id', () => {
    beforeEach(() => write({ [STATUS]: debian(['gcc', '12.2'], ['make', '4']), '/usr/local/bin/tool': '' }));

    it('is the same until a package or a program changes', () => {
      const { id } = open();
      expect(id).to.match(/^sha256:[0-9a-f]{64}$/);
      expect(open({ cacheDir: join(folder, 'other') }).id).to.equal(id);
      write({ '/usr/local/bin/tool': 'larger' });
      const second = open().id;
      write({ [STATUS]: debian(['gcc', '12.3'], ['make', '4']) });
      const third = open().id;
      write({ '/usr/local/bin/other': '' });
      expect(new Set([id, second, third, open().id]).size).to.equal(4);
    });

    it("is the operator's name if there is one", () => {
      const named = open({ name: 'builder-1' });
      expect([named.id, named.traces]).to.deep.equal(['name:builder-1', []]);
      expect(existsSync(cacheDir)).to.equal(false);
      expect(open({ name: ' ' }).id).to.match(/^sha256:/);
    });

    it('is remembered while the watched paths stay the same, but not for long, while one is young, or for another root', () => {
      write({ '/usr/local/bin/sub/unwatched': '' });
      const young = open({ now: Date.now() });
      expect(young.id).to.match(/^sha256:/);
      expect(readdirSync(join(cacheDir, 'builders'))).not.to.include('last.json');
      const { id } = open();
      expect(readdirSync(join(cacheDir, 'builders'))).to.include('last.json');
      write({ '/usr/local/bin/sub/unwatched': 'changed' });
      expect(open().id, 'a file that nothing watches').to.equal(id);
      expect(open({ now: later() + 3 * 3600 * 1000 }).id).not.to.equal(id);
      expect(open({ root: '' }).id).not.to.equal(id);
    });

    it('survives a damaged record and a cache that is not writable', () => {
      const { id } = open();
      writeFileSync(join(cacheDir, 'builders/last.json'), '{}');
      expect(open().id).to.equal(id);
      writeFileSync(join(folder, 'file'), '');
      expect(open({ cacheDir: join(folder, 'file') }).id).to.equal(id);
    });

    it('knows whether anything asked for it', () => {
      const builder = open();
      expect(builder.isAsked).to.equal(false);
      void builder.id;
      expect(builder.isAsked).to.equal(true);
    });
  });

  it('names the packages that differ', () => {
    write({ [STATUS]: debian(['gcc', '12.2'], ['make', '4'], ['old', '1']) });
    const before = open().id;
    write({ [STATUS]: debian(['gcc', '12.3'], ['make', '4'], ['new', '1']) });
    const builder = open();
    const after = builder.id;
    expect(builder.changes(before, after)).to.deep.equal([
      { name: 'gcc:amd64', from: '12.2', to: '12.3' },
      { name: 'new:amd64', to: '1' },
      { name: 'old:amd64', from: '1' },
    ]);
    expect(builder.changes('name:a', after)).to.deep.equal([]);
    expect(builder.changes('sha256:../../x', after)).to.deep.equal([]);
    writeFileSync(join(cacheDir, 'builders', `${before.slice(7)}.txt`), 'package gcc 1\n');
    expect(builder.changes(before, after), 'a damaged description').to.deep.equal([]);
  });

  it('keeps the last descriptions only', () => {
    for (let version = 0; version < 25; version++) {
      write({ [STATUS]: debian(['gcc', `${version}`]) });
      void open().id;
    }
    expect(readdirSync(join(cacheDir, 'builders')).filter((name) => name.endsWith('.txt'))).to.have.length(20);
  });
});
