import { expect } from 'chai';
import * as fc from 'fast-check';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as zlib from 'node:zlib';
import { gzipSync } from 'node:zlib';
import { unpackArchive, type UnpackRequest } from '../../../src/engine/services/archive.js';
import { tarGzOf, tarOf, withSize, withTypeFlag, type TarEntry } from '../../support/archives.js';
import { skipBecause } from '../../support/skip.js';

const SEARCH_PATH = (process.env['PATH'] ?? '').split(':');

describe('engine/services/archive', () => {
  let root: string;
  let into: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pyflow-archive-'));
    // Two folders deep, so that files which escape by one or two levels are still below `root`.
    into = join(root, 'a/b/into');
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const unpackBytes = (bytes: Buffer, more: Partial<UnpackRequest> = {}) => {
    const file = join(root, 'archive');
    writeFileSync(file, bytes);
    return unpackArchive({
      file,
      format: 'tar.gz',
      into,
      searchPath: SEARCH_PATH,
      signal: new AbortController().signal,
      ...more,
    });
  };
  const unpack = async (entries: readonly TarEntry[], more: Partial<UnpackRequest> = {}) =>
    unpackBytes(await tarGzOf(entries), more);

  /** Every path below a folder, with its type. */
  const listing = (folder: string, prefix = ''): Record<string, string> => {
    const found: Record<string, string> = {};
    for (const name of readdirSync(folder).sort()) {
      const path = join(folder, name);
      const stat = lstatSync(path);
      const mode = (stat.mode & 0o777).toString(8);
      if (stat.isSymbolicLink()) found[prefix + name] = `-> ${readlinkSync(path)}`;
      else if (stat.isDirectory())
        Object.assign(found, { [`${prefix}${name}/`]: mode }, listing(path, `${prefix}${name}/`));
      else found[prefix + name] = `${mode} ${readFileSync(path, 'utf8')}`;
    }
    return found;
  };
  const expectNothingOutside = (): void => {
    const outside = Object.keys(listing(root)).filter((path) => !path.startsWith('a/b/into/'));
    expect(outside.filter((path) => !['a/', 'a/b/', 'archive'].includes(path))).to.deep.equal([]);
  };

  it('reads an uncompressed tar as strictly', async () => {
    const good = await unpackBytes(await tarOf([{ name: 'a', content: 'x' }]), { format: 'tar' });
    expect(good).to.deep.equal({ ok: true, value: { files: 1, bytes: 1 } });
    const bad = await unpackBytes(await tarOf([{ name: '../a', content: 'x' }]), { format: 'tar' });
    expect(!bad.ok && bad.failure.code).to.equal('archive::unsafe-path');
    expectNothingOutside();
  });

  it('unpacks files, folders and links, with only two modes', async () => {
    const result = await unpack([
      { name: 'root/', type: 'directory', mode: 0o700 },
      { name: 'root/bin/tool', content: 'x', mode: 0o4711 },
      { name: 'root/lib/data', content: 'data', mode: 0o600 },
      { name: 'root/bin/alias', type: 'symlink', linkname: 'tool' },
      { name: 'root/bin/far', type: 'symlink', linkname: '../lib/data' },
      { name: 'root/lib/copy', type: 'link', linkname: 'root/bin/tool' },
      { name: 'root/empty', type: 'directory' },
    ]);
    expect(result).to.deep.equal({ ok: true, value: { files: 5, bytes: 6 } });
    expect(listing(into)).to.deep.equal({
      'root/': '755',
      'root/bin/': '755',
      'root/bin/alias': '-> tool',
      'root/bin/far': '-> ../lib/data',
      'root/bin/tool': '755 x',
      'root/empty/': '755',
      'root/lib/': '755',
      'root/lib/copy': '755 x',
      'root/lib/data': '644 data',
    });
    expect(statSync(join(into, 'root/lib/copy')).nlink).to.equal(1);
  });

  it('gives the same modes under any umask', async () => {
    const before = process.umask(0o077);
    try {
      await unpack([{ name: 'bin/tool', content: 'x', mode: 0o755 }]);
    } finally {
      process.umask(before);
    }
    expect(listing(into)).to.deep.equal({ 'bin/': '755', 'bin/tool': '755 x' });
  });

  it('drops leading path parts and entries that are not to be kept', async () => {
    const result = await unpack(
      [
        { name: 'top', content: 'gone' },
        { name: 'root/bin/tool', content: 'x' },
        { name: 'root/share/doc', content: 'gone' },
        { name: './root//./lib/data', content: 'data' },
        { name: 'root/lib/hard', type: 'link', linkname: 'root/bin/tool' },
      ],
      { strip: 1, keep: (path) => !path.startsWith('share') },
    );
    expect(result).to.deep.equal({ ok: true, value: { files: 3, bytes: 6 } });
    expect(Object.keys(listing(into))).to.deep.equal(['bin/', 'bin/tool', 'lib/', 'lib/data', 'lib/hard']);
  });

  it('unpacks long names and big files', async () => {
    const name = `${'long/'.repeat(60)}name-ä`;
    const content = Buffer.alloc(3_000_000, 'abc');
    await unpack([{ name, content }]);
    expect(readFileSync(join(into, name)).equals(content)).to.equal(true);
  });

  for (const format of ['gnu', 'pax', 'ustar', 'v7']) {
    it(`unpacks an archive that tar made in the format ${format}`, async () => {
      const source = join(root, 'a/source');
      const deep = format === 'v7' ? 'deep' : `deep/${'er'.repeat(30)}/${'er'.repeat(30)}`;
      mkdirSync(join(source, deep), { recursive: true });
      for (let index = 0; index < 50; index += 1)
        writeFileSync(join(source, deep, `${index}`), 'x'.repeat(index * 100));
      const far = format === 'gnu' || format === 'pax' ? 'ä'.repeat(90) : 'ä';
      execFileSync('ln', ['-s', far, join(source, 'link')]);
      execFileSync('tar', [`--format=${format}`, '-czf', join(root, 'archive'), '-C', source, '.']);
      await unpackBytes(readFileSync(join(root, 'archive')));
      expect(listing(into)).to.deep.equal(listing(source));
    });
  }

  it('unpacks zstd', async function () {
    let bytes: Buffer;
    try {
      bytes = execFileSync('zstd', ['-c'], { input: await tarOf([{ name: 'file', content: 'x' }]) });
    } catch {
      return skipBecause(this, 'this machine has no zstd program');
    }
    const result = await unpackBytes(bytes, { format: 'tar.zst' });
    expect(result).to.deep.equal({ ok: true, value: { files: 1, bytes: 1 } });
    const cut = await unpackBytes(bytes.subarray(0, bytes.length - 8), { format: 'tar.zst' });
    expect(cut).to.have.nested.property('failure.code', 'archive::corrupt');
    expect(readdirSync(into)).to.deep.equal([]);
  });

  it('says what to install if nothing can read zstd', async function () {
    if ('createZstdDecompress' in zlib) {
      return skipBecause(this, 'this Node reads zstd by itself');
    }
    // A file in the current folder, which may be an app's, must not be run as a program.
    writeFileSync(join(root, 'zstd'), '#!/bin/sh\nexit 0\n', { mode: 0o755 });
    const before = process.cwd();
    process.chdir(root);
    try {
      for (const searchPath of [[join(root, 'empty')], []]) {
        const result = await unpackBytes(Buffer.from('x'), { format: 'tar.zst', searchPath });
        if (result.ok) throw new Error('it succeeded');
        expect(result.failure.code).to.equal('archive::unsupported-format');
        expect(result.failure.detail).to.include('PATH has no program `zstd`');
        expect(result.failure.remedy).to.include('`zstd`').and.to.include('Node 22.15');
      }
    } finally {
      process.chdir(before);
    }
  });

  it('keeps names of terminals that differ only in case', async () => {
    const terminals = ['share/terminfo/E/Eterm', 'share/terminfo/e/eterm'].map((name) => ({ name, content: 'x' }));
    expect(await unpack(terminals)).to.have.nested.property('value.files', 2);
  });

  it('reports progress', async () => {
    const seen: (readonly [number, number])[] = [];
    await unpack([{ name: 'file', content: 'x' }], { onProgress: (done, total) => seen.push([done, total]) });
    const size = statSync(join(root, 'archive')).size;
    expect(seen).to.deep.equal([[size, size]]);
  });

  it('ignores zeros that pad a gzip file', async () => {
    const bytes = Buffer.concat([await tarGzOf([{ name: 'file', content: 'x' }]), Buffer.alloc(700)]);
    expect(await unpackBytes(bytes)).to.have.property('ok', true);
  });

  const file: TarEntry = { name: 'fine', content: 'fine' };
  const refusals: readonly [string, readonly TarEntry[], string][] = [
    ['a path with `..`', [{ name: '../evil', content: 'x' }], 'archive::unsafe-path'],
    ['a path with `..` in the middle', [{ name: 'x/../../evil', content: 'x' }], 'archive::unsafe-path'],
    ['a folder named `..`', [{ name: '..', type: 'directory' }], 'archive::unsafe-path'],
    ['an absolute path', [{ name: '/tmp/pyflow-evil', content: 'x' }], 'archive::unsafe-path'],
    ['a name with a NUL', [{ name: 'x', pax: { path: 'evil\0name' }, content: 'x' }], 'archive::unsafe-path'],
    [
      'a name that is not UTF-8',
      [{ name: 'x', pax: { path: 'evil\u{fffd}' }, content: 'x' }],
      'archive::unsupported-entry',
    ],
    ['a name that is too long', [{ name: 'n'.repeat(300), content: 'x' }], 'archive::unsupported-entry'],
    ['an absolute link', [{ name: 'l', type: 'symlink', linkname: '/etc' }], 'archive::unsafe-link'],
    ['a link that points outside', [{ name: 'd/l', type: 'symlink', linkname: '../../x' }], 'archive::unsafe-link'],
    [
      'a link with a NUL',
      [{ name: 'l', type: 'symlink', pax: { linkpath: 'a\0b' }, linkname: 'a' }],
      'archive::unsafe-link',
    ],
    [
      'a link that climbs through another link',
      [
        { name: 'd/up', type: 'symlink', linkname: '..' },
        { name: 'l', type: 'symlink', linkname: 'd/up/../evil' },
      ],
      'archive::unsafe-link',
    ],
    [
      'a file below a link',
      [
        { name: 'd/', type: 'directory' },
        { name: 'l', type: 'symlink', linkname: 'd' },
        { name: 'l/evil', content: 'x' },
      ],
      'archive::unsafe-path',
    ],
    [
      'a folder that replaces a link',
      [
        { name: 'd/', type: 'directory' },
        { name: 'l', type: 'symlink', linkname: 'd' },
        { name: 'l', type: 'directory' },
      ],
      'archive::unsafe-path',
    ],
    [
      'a link that replaces a folder',
      [
        { name: 'd/', type: 'directory' },
        { name: 'd', type: 'symlink', linkname: '.' },
      ],
      'archive::unsafe-path',
    ],
    ['a file below a file', [{ name: 'fine/evil', content: 'x' }], 'archive::unsafe-path'],
    [
      'a hard link that points outside',
      [{ name: 'h', type: 'link', linkname: '../../../archive' }],
      'archive::unsafe-link',
    ],
    ['an absolute hard link', [{ name: 'h', type: 'link', linkname: '/etc/passwd' }], 'archive::unsafe-link'],
    ['a hard link to nothing', [{ name: 'h', type: 'link', linkname: 'later' }], 'archive::corrupt'],
    [
      'a hard link that moves a link to a place where it points outside',
      [
        { name: 'd/e/l', type: 'symlink', linkname: '../../fine' },
        { name: 'h', type: 'link', linkname: 'd/e/l' },
      ],
      'archive::unsafe-link',
    ],
    ['a device', [{ name: 'dev', type: 'character-device' }], 'archive::unsupported-entry'],
    ['a pipe', [{ name: 'pipe', type: 'fifo' }], 'archive::unsupported-entry'],
    ['a sparse file', [{ name: 's', pax: { 'GNU.sparse.major': '1' }, content: 'x' }], 'archive::unsupported-entry'],
    [
      'two files with the same name',
      [
        { name: 'x', content: '1' },
        { name: './x', content: '2' },
      ],
      'archive::unsafe-path',
    ],
    [
      'a file that replaces a link',
      [
        { name: 'l', type: 'symlink', linkname: 'fine' },
        { name: 'l', content: 'x' },
      ],
      'archive::unsafe-path',
    ],
    ['names that differ only in case', [{ name: 'Fine', content: 'x' }], 'archive::unsafe-path'],
    [
      'folders that differ only in case, through a link',
      [
        { name: 'D', type: 'symlink', linkname: '.' },
        { name: 'd/evil', content: 'x' },
      ],
      'archive::unsafe-path',
    ],
    [
      'names that differ only in the form of an accent',
      [
        { name: 'caf\u00e9', content: 'x' },
        { name: 'cafe\u0301', content: 'y' },
      ],
      'archive::unsafe-path',
    ],
    ['a name with a backslash', [{ name: 'a\\..\\evil', content: 'x' }], 'archive::unsupported-entry'],
    [
      'a hard link to a link',
      [
        { name: 'l', type: 'symlink', linkname: 'fine' },
        { name: 'h', type: 'link', linkname: 'l' },
      ],
      'archive::unsafe-link',
    ],
    ['a file with two sizes', [{ name: 'x', pax: { size: '512' }, content: 'x' }], 'archive::corrupt'],
  ];
  for (const [what, entries, code] of refusals) {
    it(`refuses ${what} and keeps nothing`, async () => {
      const result = await unpack([file, ...entries]);
      expect(result).to.have.nested.property('failure.code', code);
      expect(readdirSync(into)).to.deep.equal([]);
      expectNothingOutside();
      expect(existsSync('/tmp/pyflow-evil')).to.equal(false);
    });
  }

  it('does not write through a link that was in the folder before', async () => {
    mkdirSync(into, { recursive: true });
    execFileSync('ln', ['-s', '..', join(into, 'before')]);
    const result = await unpack([{ name: 'before/evil', content: 'x' }]);
    expect(result).to.have.nested.property('failure.code', 'archive::unsafe-path');
    expectNothingOutside();
  });

  it('refuses unknown types', async () => {
    const sparse = withTypeFlag(await tarOf([{ name: 'old-sparse', content: 'x' }]), 0, 'S');
    expect(await unpackBytes(gzipSync(sparse))).to.have.nested.property('failure.code', 'archive::unsupported-entry');
  });

  it('refuses more bytes or entries than allowed, of any kind', async () => {
    const large = { name: 'large', content: Buffer.alloc(2000) };
    expect(await unpack([large], { maxBytes: 1999 })).to.have.nested.property('failure.code', 'archive::too-large');
    const copy: TarEntry = { name: 'copy', type: 'link', linkname: 'large' };
    expect(await unpack([large, copy], { maxBytes: 3999 })).to.have.nested.property(
      'failure.code',
      'archive::too-large',
    );
    const many = Array.from({ length: 11 }, (_, index): TarEntry => ({ name: `${index}`, content: '' }));
    expect(await unpack(many, { maxEntries: 10 })).to.have.nested.property('failure.code', 'archive::too-large');
    expect(readdirSync(into)).to.deep.equal([]);
  });

  it('names the entry whose sizes or names contradict each other', async () => {
    const folder = withSize(await tarOf([{ name: 'd/', type: 'directory' }]), 0, 1024);
    const disagreeing = [
      [await tarOf([{ name: 'odd', pax: { size: '9' }, content: 'x' }]), /"odd" has two sizes, 1 and 9/],
      [folder, /"d\/" has content, although it is a folder/],
    ] as const;
    for (const [bytes, words] of disagreeing) {
      const result = await unpackBytes(gzipSync(bytes));
      expect(!result.ok && result.failure.code).to.equal('archive::corrupt');
      expect(!result.ok && result.failure.detail).to.match(words);
    }
  });

  it('refuses an archive that unpacks to hundreds of times its own size', async () => {
    const zeros = await tarOf([{ name: 'zeros', content: Buffer.alloc(80 * 1024 * 1024) }]);
    const result = await unpackBytes(gzipSync(zeros));
    expect(result).to.have.nested.property('failure.code', 'archive::too-large');
    expect(readdirSync(into)).to.deep.equal([]);
  });

  it('refuses an endless stream', async () => {
    const zeros = gzipSync(Buffer.alloc(1_000_000));
    const result = await unpackBytes(zeros, { maxBytes: 1000, maxEntries: 10 });
    expect(result).to.have.nested.property('failure.code', 'archive::too-large');
  });

  it('refuses an archive that is cut off anywhere, and keeps nothing', async () => {
    const content = Buffer.alloc(20_000, 'some content');
    const whole = await tarGzOf([file, { name: 'big', content }]);
    for (let length = 0; length < whole.length; length += 7) {
      const result = await unpackBytes(whole.subarray(0, length));
      expect(result, `cut at ${length}`).to.have.nested.property('failure.code', 'archive::corrupt');
      expect(readdirSync(into)).to.deep.equal([]);
    }
    const tar = await tarOf([file, { name: 'big', content }]);
    const cut = await unpackBytes(gzipSync(tar.subarray(0, 5000)));
    expect(cut).to.have.nested.property('failure.code', 'archive::corrupt');
    const unmarked = await unpackBytes(gzipSync(tar.subarray(0, tar.length - 1024)));
    expect(unmarked).to.have.nested.property('failure.code', 'archive::corrupt');
  });

  it('refuses files that are not archives, missing files and unsupported formats', async () => {
    expect(await unpackBytes(Buffer.from('plain text'))).to.have.nested.property('failure.code', 'archive::corrupt');
    expect(await unpackBytes(gzipSync('x'.repeat(600)))).to.have.nested.property('failure.code', 'archive::corrupt');
    expect(await unpackBytes(Buffer.alloc(0), { format: 'zip' })).to.have.nested.property(
      'failure.code',
      'archive::unsupported-format',
    );
    expect(await unpackBytes(Buffer.alloc(0), { file: join(root, 'missing') })).to.have.property('ok', false);
  });

  it('reports a folder without write permission', async () => {
    mkdirSync(join(root, 'a'), { recursive: true });
    writeFileSync(join(root, 'a/b'), 'a file');
    expect(await unpack([file])).to.have.nested.property('failure.code', 'archive::cannot-write');
  });

  it('stops on abort and keeps nothing', async () => {
    expect(await unpack([file], { signal: AbortSignal.abort() })).to.have.nested.property(
      'failure.code',
      'run::aborted',
    );
    const controller = new AbortController();
    const result = await unpack([file], { signal: controller.signal, onProgress: () => controller.abort() });
    expect(result).to.have.nested.property('failure.code', 'run::aborted');
    expect(readdirSync(into)).to.deep.equal([]);
  });

  it('neither throws nor writes outside the folder for any bytes', async () => {
    const tar = await tarOf([
      { name: 'dir/', type: 'directory' },
      { name: 'dir/link', type: 'symlink', linkname: '../target' },
      { name: 'target', content: 'content of the target' },
      { name: 'copy', type: 'link', linkname: 'target' },
      { name: `${'d'.repeat(99)}/${'e'.repeat(120)}`, content: 'x' },
    ]);
    const change = fc.record({
      // Names, link targets, type flags and sizes, where changes do most harm, and anything else.
      at: fc.oneof(
        fc.nat(tar.length - 1),
        fc
          .tuple(fc.nat(12), fc.constantFrom(0, 1, 2, 124, 130, 148, 156, 157, 158, 345))
          .map(([block, at]) => block * 512 + at),
      ),
      bytes: fc.oneof(
        fc.uint8Array({ minLength: 1, maxLength: 4 }).map((bytes) => Buffer.from(bytes)),
        fc.constantFrom('..', '/', '../', '\0', '1', '2', '5', 'x', 'L', 'g').map((text) => Buffer.from(text)),
      ),
      fixSum: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
        let bytes: Buffer = Buffer.from(tar);
        for (const { at, bytes: patch, fixSum } of changes) {
          patch.copy(bytes, at);
          const block = at - (at % 512);
          if (fixSum && block + 512 <= bytes.length)
            bytes = withTypeFlag(bytes, block, String.fromCodePoint(bytes[block + 156] ?? 0));
        }
        const result = await unpackBytes(gzipSync(bytes, { level: 1 }));
        if (!result.ok) expect(readdirSync(into)).to.deep.equal([]);
        expectNothingOutside();
        rmSync(into, { recursive: true, force: true });
      }),
      { numRuns: 200 },
    );
  });
});
