// Any value of a message type, made from its table.

import * as fc from 'fast-check';
import { makeDigest, type Digest } from '../../src/engine/files/digest.js';
import type { FieldShape, MessageType } from '../../src/engine/trees/message-type.js';

export const anyDigest: fc.Arbitrary<Digest> = fc
  .tuple(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.maxSafeNat())
  .map(([hash, size]) => makeDigest(Buffer.from(hash).toString('hex'), size));

/** Values of all fields. `embedded` makes the bytes of a message that stays encoded. */
export function anyMessage(
  type: MessageType<unknown>,
  embedded: (name: string) => fc.Arbitrary<Buffer>,
  numbers: fc.Arbitrary<number> = fc.oneof(fc.maxSafeInteger(), fc.integer({ min: -1, max: 130 })),
): fc.Arbitrary<Record<string, unknown>> {
  const optional = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined });
  const field = (shape: FieldShape, inList = false): fc.Arbitrary<unknown> => {
    switch (shape.is) {
      case 'text':
      case 'note':
        return fc.string({ unit: 'binary' });
      case 'number':
        return numbers;
      case 'numbers':
        return fc.array(fc.integer({ min: -1, max: 300 }), { maxLength: 20 });
      case 'flag':
        return fc.boolean();
      case 'bytes':
        return fc.uint8Array().map((bytes) => Buffer.from(bytes));
      case 'digest':
        return inList ? anyDigest : optional(anyDigest);
      case 'embedded':
        return optional(embedded(shape.name));
      case 'message':
        return inList ? anyMessage(shape.type, embedded, numbers) : optional(anyMessage(shape.type, embedded, numbers));
      case 'list':
        return fc.array(field(shape.item, true), { maxLength: 5 });
    }
  };
  return fc.record(
    Object.fromEntries(Object.entries(type.fields).map(([name, [, { shape }]]) => [name, field(shape)])),
    { noNullPrototype: true },
  );
}

/** Every message type that `roots` name, the nested ones too. */
export function withNested(roots: readonly MessageType<unknown>[]): readonly MessageType<unknown>[] {
  const found = new Map<string, MessageType<unknown>>();
  const visit = (type: MessageType<unknown>): void => {
    if (found.has(type.name)) return;
    found.set(type.name, type);
    for (const [, { shape }] of Object.values(type.fields)) {
      const inner = shape.is === 'list' ? shape.item : shape;
      if (inner.is === 'message') visit(inner.type);
    }
  };
  roots.forEach(visit);
  return [...found.values()];
}
