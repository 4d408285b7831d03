import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { array, assert, asyncProperty, tuple, string, uint8Array } from 'fast-check';
import { extract } from 'tar-stream';
import { TarReader } from '../../../src/engine/files/tar-reader.js';
import { TarWriter } from '../../../src/engine/files/tar-writer.js';

type Entries = readonly (readonly [name: string, content: Buffer])[];

describe('engine/files/tar-writer', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'pyflow-test-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  function write(entries: Entries): Buffer {
    const path = join(folder, 'a.tar');
    const fd = openSync(path, 'w');
    const tar = new TarWriter(fd);
    for (const [name, content] of entries) {
      tar.entry(name, content.length);
      // In two pieces.
      tar.content(content.subarray(0, 10));
      if (content.length > 10) tar.content(content.subarray(10));
    }
    tar.end();
    closeSync(fd);
    return readFileSync(path);
  }

  async function readByLibrary(bytes: Buffer): Promise<Entries> {
    const found: [string, Buffer][] = [];
    const reader = extract();
    reader.end(bytes);
    for await (const entry of reader) {
      const chunks: Buffer[] = [];
      for await (const chunk of entry) chunks.push(chunk as Buffer);
      expect(entry.header).to.deep.include({ type: 'file', mode: 0o644, uid: 0, gid: 0 });
      expect(entry.header.mtime?.getTime()).to.equal(0);
      found.push([entry.header.name, Buffer.concat(chunks)]);
    }
    return found;
  }

  function readByOwn(bytes: Buffer): Entries {
    const found: [string, Buffer][] = [];
    const reader = new TarReader({
      onEntry: ({ name }) => {
        found.push([name, Buffer.alloc(0)]);
        return (chunk) => {
          const last = found.at(-1)!;
          last[1] = Buffer.concat([last[1], chunk]);
        };
      },
      onEnd: () => undefined,
    });
    reader.write(bytes);
    reader.end();
    return found;
  }

  it('writes what a library and our own reader read', async () => {
    const name = string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 100 }).filter((text) =>
      /^[^/ ].*[^/]$/.test(text),
    );
    await assert(
      asyncProperty(array(tuple(name, uint8Array({ maxLength: 1500 })), { maxLength: 8 }), async (entries) => {
        const expected = entries.map(([path, bytes]) => [path, Buffer.from(bytes)] as const);
        const bytes = write(expected);
        expect(await readByLibrary(bytes)).to.deep.equal(expected);
        expect(readByOwn(bytes)).to.deep.equal(expected);
      }),
    );
  });

  it('writes content larger than its buffer', async () => {
    const large = Buffer.alloc(1_000_001, 'content ');
    expect(
      await readByLibrary(
        write([
          ['large', large],
          ['small', Buffer.from('x')],
        ]),
      ),
    ).to.deep.equal([
      ['large', large],
      ['small', Buffer.from('x')],
    ]);
  });

  it('refuses a name or a size that a header has no room for, and content of another length', () => {
    const tar = new TarWriter(-1);
    expect(() => tar.entry('x'.repeat(101), 1)).to.throw('no header can hold');
    expect(() => tar.entry('x', 8 * 1024 ** 3)).to.throw('no header can hold');
    tar.entry('x', 2);
    expect(() => tar.entry('y', 1)).to.throw('lacks 2 bytes');
    expect(() => tar.content(Buffer.alloc(3))).to.throw('more content');
  });
});
