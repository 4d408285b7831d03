import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import type fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { sha256Hex } from '../../../src/engine/files/digest.js';
import { blobPacks } from '../../../src/engine/store/blobs.js';
import { mayGrow, PACK_HEADER, readIndex, readPack, writeIndex } from '../../../src/engine/store/pack-file.js';
import type { PackSet } from '../../../src/engine/store/pack.js';
import { systemError, withChangedFs } from '../../support/changed-fs.js';

const HOUR = 3600 * 1000;

describe('engine/store/pack', () => {
  let root: string;
  let folder: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pyflow-test-'));
    folder = join(root, 'packs');
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const open = (run = 'run'): PackSet<Buffer> => blobPacks(root, run);
  const bytesOf = (text: string, size = text.length): Buffer => Buffer.alloc(size, text);
  const append = (packs: PackSet<Buffer>, bytes: Buffer): void => packs.append(sha256Hex(bytes), bytes);
  const read = (packs: PackSet<Buffer>, bytes: Buffer): Buffer | undefined => packs.read(sha256Hex(bytes));
  const pack = (run = 'run'): string => join(folder, `${run}.pack`);
  /** A closed pack with these records. */
  function packed(run: string, ...blobs: readonly Buffer[]): void {
    const packs = open(run);
    for (const bytes of blobs) append(packs, bytes);
    packs.close();
  }
  const thrown = (work: () => void): unknown => {
    try {
      work();
      return undefined;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code;
    }
  };
  const full = () => ({
    writeSync: () => {
      throw systemError('ENOSPC');
    },
  });

  it('holds more than its buffer, and records larger than that', () => {
    const blobs = [
      ...Array.from({ length: 20 }, (_, index) => bytesOf(`${index} `, 50_000)),
      bytesOf('larger than the buffer', 700_000),
      bytesOf('small'),
    ];
    const packs = open();
    for (const bytes of blobs) append(packs, bytes);
    for (const bytes of blobs) expect(read(packs, bytes)?.equals(bytes)).to.equal(true);
    packs.close();
    const later = open('later');
    for (const bytes of blobs) expect(read(later, bytes)?.equals(bytes)).to.equal(true);
    later.close();
  });

  it('keeps only small packs in memory, however often they are read', () => {
    const [small, large] = [bytesOf('small'), bytesOf('in a pack of two megabytes', 2_000_000)];
    packed('small', small);
    packed('large', large);
    const packs = open('reader');
    for (let count = 0; count < 20; count++) for (const bytes of [small, large]) read(packs, bytes);
    // What is in memory outlives its file's content.
    for (const name of ['small', 'large']) truncateSync(pack(name), PACK_HEADER);
    expect([read(packs, small)?.toString(), read(packs, large)]).to.deep.equal(['small', undefined]);
    packs.close();
  });

  it('keeps no more than a few megabytes of packs in memory', () => {
    const blobs = Array.from({ length: 6 }, (_, index) => bytesOf(`${index}`, 900_000));
    for (const [index, bytes] of blobs.entries()) packed(`run-${index}`, bytes);
    const packs = open('reader');
    for (let count = 0; count < 20; count++) for (const bytes of blobs) read(packs, bytes);
    for (const index of blobs.keys()) truncateSync(pack(`run-${index}`), PACK_HEADER);
    expect(blobs.filter((bytes) => read(packs, bytes) !== undefined)).to.have.length(4);
    packs.close();
  });

  it('finds what another process appends to a pack that it knows', () => {
    const [writer, reader] = [open('writer'), open('reader')];
    append(writer, bytesOf('first'));
    writer.flush();
    reader.catchUp();
    // So old that its time tells whether the folder changed.
    utimesSync(folder, 1, 1);
    reader.catchUp();
    append(writer, bytesOf('second'));
    writer.flush();
    expect(read(reader, bytesOf('second'))).to.equal(undefined);
    reader.catchUp();
    expect(read(reader, bytesOf('second'))?.toString()).to.equal('second');
    writer.close();
    reader.catchUp();
    expect(read(reader, bytesOf('first'))?.toString()).to.equal('first');
    reader.close();
  });

  it("counts as empty if its folder can't be listed", () => {
    symlinkSync('packs', folder);
    expect(open().has(sha256Hex('x'))).to.equal(false);
    rmSync(folder);
    writeFileSync(folder, 'a file');
    expect(open().has(sha256Hex('x'))).to.equal(false);
  });

  it('does not start a pack on a full disk, and leaves no file open', async () => {
    const packs = open();
    const before = readdirSync('/proc/self/fd').length;
    expect(await withChangedFs(full, () => thrown(() => append(packs, bytesOf('x'))))).to.equal('ENOSPC');
    expect(readdirSync('/proc/self/fd').length).to.equal(before);
  });

  it('leaves no half record behind when the disk gets full, and gives back what was not written', async () => {
    const packs = open();
    append(packs, bytesOf('kept'));
    packs.flush();
    const { size } = statSync(pack());
    append(packs, bytesOf('lost'));
    const halfWritten = ({ writeSync }: typeof fs) => {
      let calls = 0;
      return {
        writeSync: (fd: number, bytes: Uint8Array) => {
          if (calls++ > 0) throw systemError('ENOSPC');
          return writeSync(fd, bytes.subarray(0, 20));
        },
      };
    };
    expect(await withChangedFs(halfWritten, () => thrown(() => packs.flush()))).to.equal('ENOSPC');
    expect(statSync(pack()).size).to.equal(size);
    expect(packs.takePending().map(({ bytes }) => bytes.toString())).to.deep.equal(['lost']);
    expect([read(packs, bytesOf('kept'))?.toString(), read(packs, bytesOf('lost'))]).to.deep.equal(['kept', undefined]);
    packs.close();
    expect([...readPack(pack())].map(({ bytes }) => bytes.toString())).to.deep.equal(['kept']);
  });

  it('reads a pack up to the record where it was cut off meanwhile', () => {
    const blobs = Array.from({ length: 20 }, (_, index) => bytesOf(`${index} `, 50_000));
    packed('run', ...blobs);
    const found: number[] = [];
    for (const { bytes } of readPack(pack())) {
      if (found.length === 0) truncateSync(pack(), 60_000);
      found.push(bytes.length);
    }
    expect(found.length).to.be.greaterThan(1).and.lessThan(20);
    expect(found[0]).to.equal(50_000);
  });

  it('reads what it can of a pack on a failing disk, and nothing from a folder', async () => {
    mkdirSync(pack(), { recursive: true });
    expect([...readPack(pack()), ...readPack(pack('missing'))]).to.deep.equal([]);
    packed('other', bytesOf('first'), bytesOf('second'));
    const found = await withChangedFs(
      ({ readSync }) => {
        let calls = 0;
        return {
          readSync: (fd: number, into: Buffer, at: number, length: number, position: number) => {
            // The window of records, the first record, the second one.
            if (calls++ === 2) throw systemError('EIO');
            return readSync(fd, into, at, length, position);
          },
        };
      },
      () => [...readPack(pack('other'))].map(({ bytes }) => bytes.toString()),
    );
    expect(found).to.deep.equal(['first']);
  });

  it('is readable without an index, and with a damaged one', async () => {
    const unrenamed = () => ({
      renameSync: () => {
        throw systemError('ENOSPC');
      },
    });
    await withChangedFs(unrenamed, () => packed('run', bytesOf('x')));
    expect(readdirSync(folder)).to.deep.equal(['run.pack']);
    expect(read(open('reader'), bytesOf('x'))?.toString()).to.equal('x');
    for (const text of ['', 'short', 'pyfindx2'.padEnd(40, 'x'), 'pyfindx2'.padEnd(41, 'x'), 'other'.padEnd(88, 'x')]) {
      writeFileSync(join(folder, 'run.idx'), text);
      expect(readIndex(folder, 'run'), text).to.equal(undefined);
      expect(read(open('reader'), bytesOf('x'))?.toString(), text).to.equal('x');
    }
    writeIndex(folder, 'run', Buffer.alloc(48));
    expect(readIndex(folder, 'run')?.length).to.equal(48);
  });

  describe('a pack without an index', () => {
    function grows(owner: string, hoursAgo: number): boolean {
      mkdirSync(folder, { recursive: true });
      writeFileSync(pack(), `pyfpack2${owner}`.padEnd(PACK_HEADER));
      const at = (Date.now() - hoursAgo * HOUR) / 1000;
      utimesSync(pack(), at, at);
      const fd = openSync(pack(), 'r');
      try {
        return mayGrow(fd);
      } finally {
        closeSync(fd);
      }
    }

    it('can grow while its writer lives', () => {
      const packs = open();
      append(packs, bytesOf('x'));
      packs.flush();
      const fd = openSync(pack(), 'r');
      expect(mayGrow(fd)).to.equal(true);
      closeSync(fd);
      packs.close();
    });

    for (const [what, owner] of [
      ['names no writer', ''],
      ['names one in another form', 'null'],
      ['names one without a realm', '{"pid":1}'],
      ['names one without a number', '{"pid":"1","realm":"x"}'],
      ['names one of another machine', '{"pid":1,"realm":"elsewhere"}'],
    ] as const) {
      it(`can grow for a day if it ${what}`, () => {
        expect([grows(owner, 23), grows(owner, 25)]).to.deep.equal([true, false]);
      });
    }
  });

  it('reads no records from links, or after the end of a closed pack', () => {
    packed('run', bytesOf('x'));
    appendFileSync(pack(), readFileSync(pack()).subarray(PACK_HEADER));
    symlinkSync(pack(), pack('link'));
    const packs = open('reader');
    expect(packs.count(sha256Hex('x'))).to.equal(1);
    expect(existsSync(pack('link'))).to.equal(true);
    packs.close();
  });
});
