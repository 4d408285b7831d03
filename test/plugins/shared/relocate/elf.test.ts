import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import * as fc from 'fast-check';
import { Folder } from '../../../../src/engine/files/folder.js';
import {
  isElf,
  runpathOf,
  withoutDebug,
  withOwnBuildId,
  withPath,
  withRunpath,
} from '../../../../src/plugins/shared/relocate/elf.js';
import { readForStrip } from '../../../../src/plugins/shared/relocate/elf-file.js';

/** A minimal shared library: one mapped segment, a dynamic section, a symbol, debug data. */
function makeElf({
  runpath = '/home/builder/prefix/lib',
  symbol = 'work',
  /** Overrides the start of the symbol's name in the string table. */
  symbolAt = undefined as number | undefined,
} = {}): Buffer {
  const strings = Buffer.from(`\0${runpath}\0libc.so.6\0${symbol}\0`);
  const runpathAt = 1;
  const neededAt = 1 + Buffer.byteLength(runpath) + 1;
  const nameAt = symbolAt ?? neededAt + 'libc.so.6'.length + 1;
  const headers = 64 + 2 * 56;
  const dynamicEntries: [number, number][] = [
    [1, neededAt],
    ...(runpath === '' ? [] : [[29, runpathAt] as [number, number]]),
    [5, headers],
    [0, 0],
  ];
  const dynamicAt = headers + strings.length + ((8 - ((headers + strings.length) % 8)) % 8);
  const symbolsAt = dynamicAt + dynamicEntries.length * 16;
  const mappedEnd = symbolsAt + 48;
  const debug = Buffer.from('/home/builder/source/file.c\0');
  const names = Buffer.from('\0.dynstr\0.dynsym\0.debug_str\0.shstrtab\0.dynamic\0');
  const namesAt = mappedEnd + debug.length;
  const tableAt = namesAt + names.length + ((8 - ((namesAt + names.length) % 8)) % 8);
  const bytes = Buffer.alloc(tableAt + 6 * 64);
  Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]).copy(bytes);
  bytes.writeUInt16LE(3, 16);
  bytes.writeUInt16LE(62, 18);
  bytes.writeBigUInt64LE(64n, 32);
  bytes.writeBigUInt64LE(BigInt(tableAt), 40);
  bytes.writeUInt16LE(64, 52);
  bytes.writeUInt16LE(56, 54);
  bytes.writeUInt16LE(2, 56);
  bytes.writeUInt16LE(64, 58);
  bytes.writeUInt16LE(6, 60);
  bytes.writeUInt16LE(5, 62);
  const segment = (at: number, type: number, offset: number, size: number): void => {
    bytes.writeUInt32LE(type, at);
    for (const [field, value] of [
      [8, offset],
      [16, offset],
      [24, offset],
      [32, size],
      [40, size],
    ] as const) {
      bytes.writeBigUInt64LE(BigInt(value), at + field);
    }
  };
  segment(64, 1, 0, mappedEnd);
  segment(120, 2, dynamicAt, dynamicEntries.length * 16);
  strings.copy(bytes, headers);
  dynamicEntries.forEach(([tag, value], index) => {
    bytes.writeBigUInt64LE(BigInt(tag), dynamicAt + index * 16);
    bytes.writeBigUInt64LE(BigInt(value), dynamicAt + index * 16 + 8);
  });
  bytes.writeUInt32LE(nameAt, symbolsAt + 24);
  debug.copy(bytes, mappedEnd);
  names.copy(bytes, namesAt);
  const section = (
    index: number,
    name: string,
    type: number,
    flags: number,
    offset: number,
    size: number,
    link = 0,
  ): void => {
    const at = tableAt + index * 64;
    bytes.writeUInt32LE(names.indexOf(`${name}\0`), at);
    bytes.writeUInt32LE(type, at + 4);
    bytes.writeBigUInt64LE(BigInt(flags), at + 8);
    bytes.writeBigUInt64LE(BigInt(offset), at + 24);
    bytes.writeBigUInt64LE(BigInt(size), at + 32);
    bytes.writeUInt32LE(link, at + 40);
    bytes.writeBigUInt64LE(1n, at + 48);
  };
  section(1, '.debug_str', 1, 0, mappedEnd, debug.length);
  section(2, '.dynstr', 3, 2, headers, strings.length);
  section(3, '.dynsym', 11, 2, symbolsAt, 48, 2);
  section(4, '.dynamic', 6, 3, dynamicAt, dynamicEntries.length * 16, 2);
  section(5, '.shstrtab', 3, 0, namesAt, names.length);
  return bytes;
}

const edited = (bytes: Buffer, runpath: string): Buffer => {
  const result = withRunpath(bytes, runpath);
  if (!result.ok) throw new Error(result.failure);
  return result.value;
};

describe('plugins/shared/relocate/elf', () => {
  it('recognizes ELF files', () => {
    expect(isElf(makeElf())).to.equal(true);
    expect(isElf(Buffer.from('#!/bin/sh\n'))).to.equal(false);
    expect(isElf(Buffer.alloc(0))).to.equal(false);
  });

  it('replaces the search path and moves nothing else', () => {
    const before = makeElf();
    const after = edited(before, '$ORIGIN/../lib');
    expect(runpathOf(before)).to.equal('/home/builder/prefix/lib');
    expect(runpathOf(after)).to.equal('$ORIGIN/../lib');
    expect(after.length).to.equal(before.length);
    expect(after.includes('/home/builder/prefix')).to.equal(false);
    expect(after.includes('libc.so.6')).to.equal(true);
    expect(before.includes('/home/builder/prefix'), 'the input is left alone').to.equal(true);
  });

  it('changes nothing the second time', () => {
    const once = edited(makeElf(), '$ORIGIN/../lib');
    expect(edited(once, '$ORIGIN/../lib').equals(once)).to.equal(true);
  });

  it('keeps a file without a search path unchanged', () => {
    const bytes = makeElf({ runpath: '' });
    expect(runpathOf(bytes)).to.equal(undefined);
    expect(edited(bytes, '$ORIGIN').equals(bytes)).to.equal(true);
  });

  it('rejects a longer path', () => {
    const result = withRunpath(makeElf({ runpath: '/opt' }), '$ORIGIN/../lib');
    expect(result).to.deep.equal({ ok: false, failure: 'its search path has space for 4 bytes, but needs 14' });
  });

  it('rejects a search path whose tail is another name', () => {
    const tail = 1 + '/home/builder/prefix/'.length;
    const result = withRunpath(makeElf({ symbolAt: tail }), '$ORIGIN/../lib');
    expect(result).to.deep.equal({ ok: false, failure: 'its search path shares its bytes with another name' });
  });

  it('names unsupported forms', () => {
    const narrow = makeElf();
    narrow[4] = 1;
    expect(withRunpath(narrow, '$ORIGIN')).to.deep.equal({ ok: false, failure: 'it is a 32-bit file' });
    const swapped = makeElf();
    swapped[5] = 2;
    expect(withRunpath(swapped, '$ORIGIN')).to.deep.equal({ ok: false, failure: 'it is a big-endian file' });
  });

  it('removes debug sections and keeps mapped bytes unchanged', () => {
    const before = makeElf();
    const after = withoutDebug(before);
    expect(before.includes('/home/builder/source')).to.equal(true);
    expect(after.includes('/home/builder/source')).to.equal(false);
    expect(after.length).to.be.lessThan(before.length);
    expect(runpathOf(after)).to.equal('/home/builder/prefix/lib');
    // The numbers of sections changed, so the links between them must have changed, too.
    const table = Number(after.readBigUInt64LE(40));
    expect(after.readUInt16LE(60)).to.equal(5);
    expect(after.readUInt32LE(table + 2 * 64 + 40), '.dynsym links to .dynstr').to.equal(1);
    expect(withoutDebug(after).equals(after)).to.equal(true);
  });

  describe('build IDs', () => {
    /** A file that contains only a note with `id`. */
    const withNote = (id: Buffer, name = '.note.gnu.build-id'): Buffer => {
      const names = Buffer.from(`\0${name}\0.shstrtab\0`);
      const namesAt = 64 + 16 + id.length;
      const tableAt = namesAt + names.length;
      const bytes = Buffer.alloc(tableAt + 3 * 64);
      Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]).copy(bytes);
      bytes.writeBigUInt64LE(BigInt(tableAt), 40);
      bytes.writeUInt16LE(3, 60);
      bytes.writeUInt16LE(2, 62);
      for (const [at, value] of [
        [64, 4],
        [68, id.length],
        [72, 3],
      ] as const)
        bytes.writeUInt32LE(value, at);
      bytes.write('GNU', 76);
      id.copy(bytes, 80);
      names.copy(bytes, namesAt);
      for (const [index, nameAt, offset, size] of [
        [1, 1, 64, 16 + id.length],
        [2, 1 + name.length + 1, namesAt, names.length],
      ] as const) {
        bytes.writeUInt32LE(nameAt, tableAt + index * 64);
        bytes.writeBigUInt64LE(BigInt(offset), tableAt + index * 64 + 24);
        bytes.writeBigUInt64LE(BigInt(size), tableAt + index * 64 + 32);
      }
      return bytes;
    };

    it('depend only on the remaining bytes, not on the build folder', () => {
      const [one, other] = [0x11, 0x22].map((byte) => withOwnBuildId(withNote(Buffer.alloc(20, byte))));
      expect(one!.equals(other!)).to.equal(true);
      expect(one!.subarray(80, 100).equals(Buffer.alloc(20))).to.equal(false);
      expect(withOwnBuildId(one!).equals(one!)).to.equal(true);
      const more = Buffer.concat([withNote(Buffer.alloc(20)), Buffer.from('x')]);
      expect(withOwnBuildId(more).subarray(80, 100).equals(one!.subarray(80, 100))).to.equal(false);
    });

    it('stay unchanged if they are missing or have an unknown form', () => {
      for (const bytes of [
        makeElf(),
        withNote(Buffer.alloc(20), '.note.other'),
        withNote(Buffer.alloc(40)),
        Buffer.from('x'),
      ])
        expect(withOwnBuildId(bytes)).to.equal(bytes);
    });

    it('never throw for a damaged file', () => {
      const whole = withNote(Buffer.alloc(20, 1));
      fc.assert(
        fc.property(fc.nat(whole.length - 1), fc.nat(255), fc.nat(whole.length), (at, value, length) => {
          const damaged = Buffer.from(whole.subarray(0, length));
          if (at < damaged.length) damaged[at] = value;
          expect(withOwnBuildId(damaged)).to.have.lengthOf(damaged.length);
        }),
      );
    });
  });

  it('replaces a path without moving other bytes', () => {
    const bytes = Buffer.from('a\0/home/me/py/3.12\0b/home/me/py/lib');
    const after = withPath(bytes, '/home/me/py/', '/app/');
    expect(after.toString()).to.equal('a\0/app////////3.12\0b/app////////lib');
    expect(withPath(bytes, '/x', '/longer').equals(bytes)).to.equal(true);
  });

  it('never throws for damaged files', () => {
    const whole = makeElf();
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), fc.nat(whole.length), (at, value, length) => {
        const damaged = Buffer.from(whole.subarray(0, length));
        if (at < damaged.length) damaged[at] = value;
        runpathOf(damaged);
        withRunpath(damaged, '$ORIGIN/../lib');
        withoutDebug(damaged);
      }),
      { numRuns: 3000 },
    );
  });

  describe('read without its debug sections', () => {
    let root: string;
    beforeEach(() => {
      root = mkdtempSync(join(tmpdir(), 'pyflow-elf-'));
    });
    afterEach(() => rmSync(root, { recursive: true, force: true }));

    /** Like a caller: reads the whole file if nothing could be dropped. */
    async function stripped(bytes: Buffer): Promise<{ readonly result: Buffer; readonly isWhole: boolean }> {
      const file = join(root, 'library.so');
      writeFileSync(file, bytes);
      const read = await new Folder(root).withFileOpen('library.so', (open) => readForStrip(open));
      if (read === undefined) throw new Error('the file is gone');
      const result = withoutDebug(read.bytes);
      return { result: result === read.bytes && !read.isWhole ? bytes : result, isWhole: read.isWhole };
    }

    it('give the same result as the whole file', async () => {
      const { result, isWhole } = await stripped(makeElf());
      expect(isWhole).to.equal(false);
      expect(result.equals(withoutDebug(makeElf()))).to.equal(true);
    });

    it('do so for damaged and truncated files, too', async () => {
      const whole = makeElf();
      const edit = fc.record({ at: fc.nat(whole.length - 1), value: fc.nat(255) });
      await fc.assert(
        fc.asyncProperty(
          fc.array(edit, { maxLength: 4 }),
          fc.integer({ min: 0, max: whole.length }),
          async (edits, end) => {
            const bytes = Buffer.from(end % 3 === 0 ? whole.subarray(0, end) : whole);
            for (const { at, value } of edits) if (at < bytes.length) bytes[at] = value;
            expect((await stripped(bytes)).result.equals(withoutDebug(bytes))).to.equal(true);
          },
        ),
        { numRuns: 500 },
      );
    });
  });
});
