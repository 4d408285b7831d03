// What the REAPI messages share: the order of names, digests, the writer.

import { makeDigest, type Digest } from '../files/digest.js';
import { demand, MessageWriter, type MessageReader } from './protobuf.js';

/** Orders by UTF-8 bytes. This differs from the order by code unit only for surrogates, which sort above all others. */
export function compareNames(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}
const rank = (unit: number): number => (unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit);

export const byName = (a: { readonly name: string }, b: { readonly name: string }): number =>
  compareNames(a.name, b.name);

/** Returns the same list if it is already in order, which it nearly always is. */
export function inOrder<T>(items: readonly T[], compare: (a: T, b: T) => number): readonly T[] {
  for (let i = 1; i < items.length; i++) {
    if (compare(items[i - 1] as T, items[i] as T) > 0) return [...items].sort(compare);
  }
  return items;
}

let sharedWriter: MessageWriter | undefined;
/** One buffer serves all messages, because encoding is synchronous and never nested. */
export function encode(write: (writer: MessageWriter) => void): Buffer {
  sharedWriter ??= new MessageWriter();
  sharedWriter.reset();
  write(sharedWriter);
  return sharedWriter.finish();
}

export function putDigest(writer: MessageWriter, field: number, digest: Digest | undefined): void {
  if (digest === undefined) return;
  const mark = writer.length;
  writer.integer(2, Number(digest.slice(65)));
  writer.string(1, digest.slice(0, 64));
  writer.message(field, mark);
}

export function eachFromEnd<T>(items: readonly T[], put: (item: T) => void): void {
  for (let i = items.length - 1; i >= 0; i--) put(items[i] as T);
}

const HASH = /^[0-9a-f]{64}$/;
export function getDigest(reader: MessageReader): Digest {
  let hash = '';
  let size = 0;
  while (reader.next()) {
    if (reader.field === 1) hash = reader.string();
    else if (reader.field === 2) size = reader.integer();
    else reader.skip();
  }
  // Digests become paths in the store, so anything else must be rejected here.
  demand(HASH.test(hash));
  return makeDigest(hash, size);
}
