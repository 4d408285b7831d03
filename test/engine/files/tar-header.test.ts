import { execFileSync } from 'node:child_process';
import { expect } from 'chai';
import * as fc from 'fast-check';
import { TAR_END, tarHeader, tarPadding, type TarMember } from '../../../src/engine/files/tar-header.js';
import { TarReader, type TarEntry } from '../../../src/engine/files/tar-reader.js';

/** What pyflow's reader finds in an archive with this one member. */
function readBack(member: TarMember): TarEntry {
  const found: TarEntry[] = [];
  const reader = new TarReader({
    onEntry: (entry) => {
      found.push(entry);
      return () => undefined;
    },
    onEnd: () => undefined,
  });
  reader.write(Buffer.concat([tarHeader(member), Buffer.alloc(member.size), tarPadding(member.size), TAR_END]));
  reader.end();
  return found[0]!;
}

const part = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 120 })
  .filter((text) => !/[/\0]|^\.\.?$/.test(text));
const path = fc.array(part, { minLength: 1, maxLength: 8 }).map((parts) => parts.join('/'));
const member: fc.Arbitrary<TarMember> = fc
  .record({
    name: path,
    type: fc.constantFrom('file' as const, 'directory' as const, 'symlink' as const),
    size: fc.nat(2000),
    mode: fc.integer({ min: 0, max: 0o777 }),
    mtimeS: fc.nat(4_000_000_000),
    target: path,
  })
  .map((made) => ({
    ...made,
    size: made.type === 'file' ? made.size : 0,
    target: made.type === 'symlink' ? made.target : '',
  }));

describe('engine/files/tar-header', () => {
  it('holds any name, type, size, mode and target', () => {
    fc.assert(
      fc.property(member, (given) => {
        const { name, type, size, mode, target } = readBack(given);
        expect({ name: name.replace(/\/$/, ''), type, size, mode, target }).to.deep.equal({
          name: given.name,
          type: given.type,
          size: given.size,
          mode: given.mode,
          target: given.target,
        });
      }),
      { numRuns: 300 },
    );
  });

  it('writes what tar reads, with the owner 0 and the time', () => {
    const names = [
      'plain',
      `${'d'.repeat(90)}/${'f'.repeat(90)}`,
      'é'.repeat(80),
      `${'x'.repeat(300)}`,
      '-- --checkpoint',
    ];
    const about = { size: 0, mode: 0o640, mtimeS: 315_619_200, target: '' };
    const headers = names.map((name) => tarHeader({ ...about, name, type: 'file' }));
    const link = tarHeader({ ...about, name: 'link', type: 'symlink', target: 'ü'.repeat(60) });
    const listed = execFileSync('tar', ['--utc', '--numeric-owner', '--quoting-style=literal', '-tvf', '-'], {
      input: Buffer.concat([...headers, link, TAR_END]),
      encoding: 'utf8',
    });
    expect(
      listed
        .trimEnd()
        .split('\n')
        .map((line) => line.replace(/ +/g, ' ')),
    ).to.deep.equal([
      ...names.map((name) => `-rw-r----- 0/0 0 1980-01-02 00:00 ${name}`),
      `lrw-r----- 0/0 0 1980-01-02 00:00 link -> ${'ü'.repeat(60)}`,
    ]);
  });

  it('uses no attributes for names that fit into the header', () => {
    const name = `${'d/'.repeat(70)}${'f'.repeat(90)}`;
    const header = tarHeader({ name, type: 'file', size: 1, mode: 0o644, mtimeS: 0, target: '' });
    expect(header).to.have.length(512);
  });
});
