// The part of protobuf's wire format that REAPI's messages need.

import { isUtf8 } from 'node:buffer';

const MOST = Number.MAX_SAFE_INTEGER;

/** Thrown for bytes that are not a valid message. `decodeWith` catches it. */
class Malformed extends Error {}

/**
 * Writes from back to front, so that the length of a nested message is known once its content is written. Write the
 * last field first.
 */
export class MessageWriter {
  private buffer = Buffer.allocUnsafeSlow(16 * 1024);
  private start = this.buffer.length;

  /** Number of bytes written so far. `message` takes an earlier value as its mark. */
  get length(): number {
    return this.buffer.length - this.start;
  }

  private reserve(size: number): void {
    if (size <= this.start) return;
    const used = this.length;
    const grown = Buffer.allocUnsafeSlow(Math.max(this.buffer.length * 2, used + size));
    this.buffer.copy(grown, grown.length - used, this.start);
    this.buffer = grown;
    this.start = grown.length - used;
  }

  private rawVarint(value: number): void {
    this.reserve(8);
    let size = 1;
    for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size++;
    this.start -= size;
    let at = this.start;
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.buffer[at++] = (rest % 128) | 128;
    this.buffer[at] = rest;
  }

  private key(field: number, wireType: number): void {
    this.rawVarint(field * 8 + wireType);
  }

  /** Writes an integer from 0 to 2^53 - 1. Leaves out zero, which is proto3's default. */
  integer(field: number, value: number): void {
    if (value === 0) return;
    this.rawVarint(value);
    this.key(field, 0);
  }

  /** Writes any safe integer, a negative one as protobuf's signed types have it. Leaves out zero. */
  signed(field: number, value: number): void {
    if (value === 0) return;
    this.packed(value);
    this.key(field, 0);
  }

  /** One number of a packed field, which `message` closes. A negative one is two's complement of 64 bits. */
  packed(value: number): void {
    if (value >= 0) return this.rawVarint(value);
    this.reserve(10);
    this.start -= 10;
    let rest = BigInt.asUintN(64, BigInt(value));
    for (let at = this.start; at < this.start + 10; at++, rest >>= 7n) {
      this.buffer[at] = Number(rest & 127n) | (rest > 127n ? 128 : 0);
    }
  }

  boolean(field: number, value: boolean | undefined): void {
    if (value) this.integer(field, 1);
  }

  /** Leaves out an empty value, except in a repeated field. */
  string(field: number, value: string, repeated = false): void {
    if (value === '' && !repeated) return;
    const size = Buffer.byteLength(value);
    this.reserve(size);
    this.start -= size;
    this.buffer.write(value, this.start, size, size === value.length ? 'latin1' : 'utf8');
    this.rawVarint(size);
    this.key(field, 2);
  }

  /** Leaves out an empty value, except where it stands for a message that is there. */
  bytes(field: number, value: Uint8Array | undefined, isMessage = false): void {
    if (value === undefined || (value.length === 0 && !isMessage)) return;
    this.reserve(value.length);
    this.start -= value.length;
    this.buffer.set(value, this.start);
    this.rawVarint(value.length);
    this.key(field, 2);
  }

  /** Closes a nested message whose fields were written since `mark`. */
  message(field: number, mark: number): void {
    this.rawVarint(this.length - mark);
    this.key(field, 2);
  }

  /** Discards what was written, and releases the memory of a huge message. */
  reset(): void {
    if (this.buffer.length > 1024 * 1024) this.buffer = Buffer.allocUnsafeSlow(16 * 1024);
    this.start = this.buffer.length;
  }

  finish(): Buffer {
    return Buffer.from(this.buffer.subarray(this.start));
  }
}

/** Walks over the fields of one message. Throws `Malformed` instead of reading past the end. */
export class MessageReader {
  /** Number of the current field. */
  field = 0;
  private wireType = 0;

  constructor(
    private readonly buffer: Buffer,
    private at = 0,
    private readonly end = buffer.length,
  ) {}

  /** Moves to the next field. The caller must then read or skip its value. False at the end. */
  next(): boolean {
    if (this.at === this.end) return false;
    const key = this.varint();
    this.field = Math.floor(key / 8);
    this.wireType = key % 8;
    if (this.field === 0) throw new Malformed();
    return true;
  }

  private varint(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      if (this.at >= this.end || scale > 2 ** 63) throw new Malformed();
      const byte = this.buffer[this.at++] as number;
      value += (byte & 127) * scale;
      if (value > Number.MAX_SAFE_INTEGER) throw new Malformed();
      if (byte < 128) return value;
      scale *= 128;
    }
  }

  /** Any valid varint. A value beyond the safe integers becomes the nearest of them. */
  private longVarint(): number {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      if (this.at >= this.end) throw new Malformed();
      const byte = this.buffer[this.at++] as number;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return Math.max(-MOST, Math.min(MOST, Number(BigInt.asIntN(64, value))));
    }
    throw new Malformed();
  }

  private span(): number {
    if (this.wireType !== 2) throw new Malformed();
    const size = this.varint();
    const start = this.at;
    if (size > this.end - start) throw new Malformed();
    this.at = start + size;
    return start;
  }

  integer(): number {
    if (this.wireType !== 0) throw new Malformed();
    return this.varint();
  }

  /** A number that can be negative, or as large as a server likes: it becomes the nearest safe integer. */
  signed(): number {
    if (this.wireType !== 0) throw new Malformed();
    return this.longVarint();
  }

  /** Calls `take` for each number of a repeated field, which come one by one or packed into one value. */
  integers(take: (value: number) => void): void {
    if (this.wireType === 0) return take(this.longVarint());
    const packed = this.message();
    while (packed.at < packed.end) take(packed.longVarint());
  }

  boolean(): boolean {
    return this.integer() !== 0;
  }

  string(): string {
    const start = this.span();
    const text = this.buffer.toString('utf8', start, this.at);
    // Invalid UTF-8 always decodes to a replacement character, so other texts need no check.
    if (text.includes('\uFFFD') && !isUtf8(this.buffer.subarray(start, this.at))) throw new Malformed();
    return text;
  }

  bytes(): Buffer {
    const start = this.span();
    return this.buffer.subarray(start, this.at);
  }

  message(): MessageReader {
    const start = this.span();
    return new MessageReader(this.buffer, start, this.at);
  }

  skip(): void {
    if (this.wireType === 0) this.longVarint();
    else if (this.wireType === 2) this.span();
    else if (this.wireType === 1 || this.wireType === 5) {
      this.at += this.wireType === 1 ? 8 : 4;
      if (this.at > this.end) throw new Malformed();
    } else throw new Malformed();
  }
}

/** Checks content while reading. If the condition is false, `decodeWith` returns undefined. */
export function demand(condition: boolean): void {
  if (!condition) throw new Malformed();
}

export function decodeWith<T>(bytes: Uint8Array, read: (reader: MessageReader) => T): T | undefined {
  try {
    return read(new MessageReader(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)));
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  }
}
