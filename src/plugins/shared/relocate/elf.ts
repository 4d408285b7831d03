// Edits ELF files in memory, instead of patchelf and strip: the search path for shared libraries, debug sections, and
// compiled-in paths.

import { createHash } from 'node:crypto';
import { fail, succeed, type Result } from '../../../engine/sdk.js';

const ELF_MAGIC = Buffer.from([0x7f, 0x45, 0x4c, 0x46]);
const HEADER_BYTES = 64;
const SECTION_BYTES = 64;

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const ET_EXEC = 2;
const ET_DYN = 3;
const DT_NEEDED = 1;
const DT_STRTAB = 5;
const DT_SONAME = 14;
const DT_RPATH = 15;
const DT_RUNPATH = 29;
const SHT_SYMTAB = 2;
const SHT_RELA = 4;
const SHT_NOBITS = 8;
const SHT_REL = 9;
const SHT_DYNSYM = 11;
const SHF_ALLOC = 0x2n;
const SHF_INFO_LINK = 0x40n;

/** Why an edit is impossible, as the end of a sentence: `... because it is a 32-bit file`. */
type ElfProblem = string;

const copyOf = (bytes: Buffer): Buffer => Buffer.from(bytes);

export const isElf = (bytes: Buffer): boolean => bytes.length >= 4 && bytes.subarray(0, 4).equals(ELF_MAGIC);

/** The colon-separated search path. Undefined if the file has none or is not a 64-bit little-endian ELF file. */
export function runpathOf(bytes: Buffer): string | undefined {
  const found = guarded(() => {
    const entry = dynamicStrings(bytes)?.paths[0];
    return entry === undefined ? undefined : textAt(bytes, entry.at);
  });
  return found.ok ? found.value : undefined;
}

/**
 * A copy whose search path for shared libraries is `runpath`. A file without one is returned unchanged. The new path replaces
 * the old one in the string table, so it must not be longer. `copied`: makes the copy.
 */
export function withRunpath(bytes: Buffer, runpath: string, copied = copyOf): Result<Buffer, ElfProblem> {
  return flat(
    guarded(() => {
      const found = dynamicStrings(bytes);
      if (found === undefined || found.paths.length === 0) return succeed(bytes);
      const wanted = Buffer.from(runpath, 'utf8');
      const copy = copied(bytes);
      for (const { at } of found.paths) {
        const length = Buffer.byteLength(textAt(bytes, at));
        if (textAt(bytes, at) === runpath) continue;
        if (wanted.length > length)
          return fail(`its search path has space for ${length} bytes, but needs ${wanted.length}`);
        // Linkers store a name as the tail of another one if possible. Such a name would be lost with the old path.
        if (found.otherNames.some((name) => name > at && name <= at + length)) {
          return fail('its search path shares its bytes with another name');
        }
        if (found.otherNames.includes(at)) return fail('its search path is also the name of something else');
        copy.fill(0, at, at + length);
        wanted.copy(copy, at);
      }
      return succeed(copy);
    }),
  );
}

/** A copy without debug sections and the symbol table for debuggers, like that of `strip`. If in doubt, the original bytes. */
export function withoutDebug(bytes: Buffer): Buffer {
  const stripped = guarded(() => stripSections(bytes));
  return stripped.ok && stripped.value !== undefined ? stripped.value : bytes;
}

/**
 * A copy whose build ID depends only on its bytes. A linker also uses the debug sections, so without this the ID would depend on
 * the build folder even after they are removed. The original bytes if there is no build ID.
 */
export function withOwnBuildId(bytes: Buffer): Buffer {
  const found = guarded(() => buildIdOf(bytes));
  const place = found.ok ? found.value : undefined;
  if (place === undefined) return bytes;
  const copy = copyOf(bytes);
  copy.fill(0, place.at, place.at + place.size);
  createHash('sha256').update(copy).digest().copy(copy, place.at, 0, place.size);
  return copy;
}

const NT_GNU_BUILD_ID = 3;
const NOTE_HEADER_BYTES = 16;
const SHA256_BYTES = 32;

function buildIdOf(bytes: Buffer): { readonly at: number; readonly size: number } | undefined {
  if (unsupported(bytes) !== undefined) return undefined;
  const sections = readSections(bytes);
  const names = sections[bytes.readUInt16LE(62)];
  const note = names && sections.find(({ name }) => textAt(bytes, names.offset + name) === '.note.gnu.build-id');
  if (note === undefined) return undefined;
  const size = bytes.readUInt32LE(note.offset + 4);
  const isOne = bytes.readUInt32LE(note.offset) === 4 && bytes.readUInt32LE(note.offset + 8) === NT_GNU_BUILD_ID;
  if (!isOne || size > SHA256_BYTES || NOTE_HEADER_BYTES + size > note.size) return undefined;
  return { at: note.offset + NOTE_HEADER_BYTES, size };
}

/**
 * The positions of the sections that `withoutDebug` drops without reading them. Empty if it drops none. `bytes` contains the
 * first 64 bytes of the file, and `read` fills in more.
 */
export async function debugSections(
  bytes: Buffer,
  read: (offset: number, length: number) => Promise<void>,
): Promise<readonly { readonly offset: number; readonly size: number }[]> {
  try {
    if (unsupported(bytes) !== undefined) return [];
    await read(number64(bytes, 32), bytes.readUInt16LE(54) * bytes.readUInt16LE(56));
    await read(number64(bytes, 40), bytes.readUInt16LE(60) * SECTION_BYTES);
    const sections = readSections(bytes);
    const names = sections[bytes.readUInt16LE(62)];
    if (names === undefined) return [];
    await read(names.offset, names.size);
    const mapped = readSegments(bytes).reduce((end, { offset, size }) => Math.max(end, offset + size), 0);
    return sections.filter(
      ({ flags, type, offset, name }) =>
        (flags & SHF_ALLOC) === 0n &&
        type !== SHT_NOBITS &&
        offset >= mapped &&
        textAt(bytes, names.offset + name).startsWith('.debug'),
    );
  } catch (error) {
    if (error instanceof ElfError || error instanceof RangeError || error instanceof TypeError) return [];
    throw error;
  }
}

/**
 * A copy in which `to` replaces the path `from`, padded with slashes to the same length: no bytes move, and the kernel treats
 * several slashes as one. `to` must not be longer than `from`. `copied`: makes the copy.
 */
export function withPath(bytes: Buffer, from: string, to: string, copied = copyOf): Buffer {
  const needle = Buffer.from(from, 'utf8');
  const replacement = Buffer.from(to, 'utf8');
  if (needle.length === 0 || replacement.length > needle.length) return bytes;
  let at = bytes.indexOf(needle);
  if (at === -1) return bytes;
  const padded = Buffer.alloc(needle.length, '/');
  replacement.copy(padded);
  const copy = copied(bytes);
  for (; at !== -1; at = bytes.indexOf(needle, at + needle.length)) padded.copy(copy, at);
  return copy;
}

interface DynamicStrings {
  /** File offsets of the search paths, the effective one first. */
  readonly paths: readonly { readonly at: number }[];
  /** File offsets of all other strings in the same table. */
  readonly otherNames: readonly number[];
}

function dynamicStrings(bytes: Buffer): DynamicStrings | undefined {
  const problem = unsupported(bytes);
  if (problem !== undefined) throw new ElfError(problem);
  const segments = readSegments(bytes);
  const dynamic = segments.find((segment) => segment.type === PT_DYNAMIC);
  if (dynamic === undefined) return undefined;
  const entries: { readonly tag: number; readonly value: number }[] = [];
  for (let at = dynamic.offset; at + 16 <= dynamic.offset + dynamic.size; at += 16) {
    const tag = number64(bytes, at);
    if (tag === 0) break;
    entries.push({ tag, value: number64(bytes, at + 8) });
  }
  const table = entries.find((entry) => entry.tag === DT_STRTAB);
  if (table === undefined) return undefined;
  const load = segments.find(
    (segment) =>
      segment.type === PT_LOAD && table.value >= segment.address && table.value < segment.address + segment.size,
  );
  if (load === undefined) throw new ElfError('its string table is outside the file');
  const base = load.offset + (table.value - load.address);
  const offsets = (...tags: readonly number[]): number[] =>
    tags.flatMap((tag) => entries.filter((entry) => entry.tag === tag).map((entry) => base + entry.value));
  const names = offsets(DT_NEEDED, DT_SONAME);
  for (const section of readSections(bytes)) {
    if (section.type !== SHT_DYNSYM) continue;
    for (let at = section.offset; at + 24 <= section.offset + section.size; at += 24) {
      const name = bytes.readUInt32LE(at);
      if (name !== 0) names.push(base + name);
    }
  }
  return { paths: offsets(DT_RUNPATH, DT_RPATH).map((at) => ({ at })), otherNames: names };
}

function stripSections(bytes: Buffer): Buffer | undefined {
  if (unsupported(bytes) !== undefined) return undefined;
  const type = bytes.readUInt16LE(16);
  if (type !== ET_EXEC && type !== ET_DYN) return undefined;
  const sections = readSections(bytes);
  const namesIndex = bytes.readUInt16LE(62);
  const names = sections[namesIndex];
  if (names === undefined || sections.length === 0) return undefined;
  const nameOf = (section: Section): string => textAt(bytes, names.offset + section.name);
  const isKept = (section: Section, index: number): boolean =>
    index === 0 ||
    index === namesIndex ||
    (section.flags & SHF_ALLOC) !== 0n ||
    nameOf(section) === '.comment' ||
    nameOf(section).startsWith('.note');
  const kept = sections.filter(isKept);
  if (kept.length === sections.length) return undefined;
  if (!sections.some((section) => section.type === SHT_SYMTAB || nameOf(section).startsWith('.debug')))
    return undefined;
  const newIndex = new Map(kept.map((section, index) => [section.index, index]));

  const segments = readSegments(bytes);
  const headersEnd = HEADER_BYTES + bytes.readUInt16LE(54) * bytes.readUInt16LE(56);
  // The mapped part must not move, so only the rest is rewritten.
  const mappedEnd = segments.reduce((end, segment) => Math.max(end, segment.offset + segment.size), headersEnd);
  if (mappedEnd > bytes.length) return undefined;
  const parts: Buffer[] = [bytes.subarray(0, mappedEnd)];
  let length = mappedEnd;
  const append = (part: Buffer, alignment: number): number => {
    const padding = (alignment - (length % alignment)) % alignment;
    if (padding > 0) parts.push(Buffer.alloc(padding));
    parts.push(part);
    length += padding + part.length;
    return length - part.length;
  };

  const table = Buffer.alloc(kept.length * SECTION_BYTES);
  kept.forEach((section, index) => {
    bytes.copy(table, index * SECTION_BYTES, section.at, section.at + SECTION_BYTES);
    const isMapped = (section.flags & SHF_ALLOC) !== 0n || section.type === SHT_NOBITS || index === 0;
    if (!isMapped) {
      const moved = append(
        bytes.subarray(section.offset, section.offset + section.size),
        Math.max(1, section.alignment),
      );
      table.writeBigUInt64LE(BigInt(moved), index * SECTION_BYTES + 24);
    }
    table.writeUInt32LE(newIndex.get(section.link) ?? 0, index * SECTION_BYTES + 40);
    const infoIsSection =
      (section.flags & SHF_INFO_LINK) !== 0n || section.type === SHT_RELA || section.type === SHT_REL;
    if (infoIsSection) table.writeUInt32LE(newIndex.get(section.info) ?? 0, index * SECTION_BYTES + 44);
  });
  const tableAt = append(table, 8);
  const stripped = Buffer.concat(parts);
  stripped.writeBigUInt64LE(BigInt(tableAt), 40);
  stripped.writeUInt16LE(kept.length, 60);
  stripped.writeUInt16LE(newIndex.get(namesIndex) ?? 0, 62);
  return stripped;
}

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  /** In the file. */
  readonly size: number;
}

function readSegments(bytes: Buffer): readonly Segment[] {
  const table = { start: number64(bytes, 32), each: bytes.readUInt16LE(54), count: bytes.readUInt16LE(56) };
  return offsetsIn(table).map((at) => ({
    type: bytes.readUInt32LE(at),
    offset: number64(bytes, at + 8),
    address: number64(bytes, at + 16),
    size: number64(bytes, at + 32),
  }));
}

/** Where the entries of a table are. */
const offsetsIn = (table: { readonly start: number; readonly each: number; readonly count: number }) =>
  Array.from({ length: table.count }, (_, index) => table.start + index * table.each);

interface Section {
  readonly index: number;
  /** File offset of its header. */
  readonly at: number;
  readonly name: number;
  readonly type: number;
  readonly flags: bigint;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
  readonly info: number;
  readonly alignment: number;
}

function readSections(bytes: Buffer): readonly Section[] {
  const start = number64(bytes, 40);
  if (start === 0) return [];
  const table = { start, each: SECTION_BYTES, count: bytes.readUInt16LE(60) };
  return offsetsIn(table).map((at, index) => ({
    index,
    at,
    name: bytes.readUInt32LE(at),
    type: bytes.readUInt32LE(at + 4),
    flags: bytes.readBigUInt64LE(at + 8),
    offset: number64(bytes, at + 24),
    size: number64(bytes, at + 32),
    link: bytes.readUInt32LE(at + 40),
    info: bytes.readUInt32LE(at + 44),
    alignment: number64(bytes, at + 48),
  }));
}

function unsupported(bytes: Buffer): ElfProblem | undefined {
  if (!isElf(bytes)) return 'it is not an ELF file';
  if (bytes.length < HEADER_BYTES) return 'it is truncated';
  if (bytes[4] !== 2) return 'it is a 32-bit file';
  if (bytes[5] !== 1) return 'it is a big-endian file';
  return undefined;
}

function number64(bytes: Buffer, at: number): number {
  const value = bytes.readBigUInt64LE(at);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new ElfError('it is damaged');
  return Number(value);
}

function textAt(bytes: Buffer, at: number): string {
  const end = bytes.indexOf(0, at);
  if (at < 0 || at >= bytes.length || end === -1) throw new ElfError('it is damaged');
  return bytes.toString('utf8', at, end);
}

class ElfError extends Error {}

/** Damaged files contain arbitrary offsets. Reading there throws, which becomes a failure. */
function guarded<T>(read: () => T): Result<T, ElfProblem> {
  try {
    return succeed(read());
  } catch (error) {
    if (error instanceof ElfError) return fail(error.message);
    if (error instanceof RangeError || error instanceof TypeError) return fail('it is damaged');
    throw error;
  }
}

const flat = <T>(result: Result<Result<T, ElfProblem>, ElfProblem>): Result<T, ElfProblem> =>
  result.ok ? result.value : result;
