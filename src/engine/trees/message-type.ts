// Messages as tables of fields: one table encodes, decodes and types a message. For messages whose encoding needn't be fast.

import type { Digest } from '../files/digest.js';
import { decodeWith, demand, type MessageReader, type MessageWriter } from './protobuf.js';
import { eachFromEnd, encode, getDigest, putDigest } from './reapi-parts.js';

/** How values of one field are written and read. */
export interface FieldType<T> {
  /** The value of a field that is absent. */
  readonly absent: T;
  /** Leaves out the default value, except in a repeated field. */
  put(writer: MessageWriter, field: number, value: T, repeated?: boolean): void;
  /** `before` is the value so far, for repeated fields. */
  get(reader: MessageReader, before: T): T;
  /** For tests that make values, and compare the table with a description of the protocol. */
  readonly shape: FieldShape;
}
export type FieldShape =
  | { readonly is: 'text' | 'note' | 'number' | 'numbers' | 'flag' | 'bytes' | 'digest' }
  /** `embedded` is a message that stays encoded. */
  | { readonly is: 'embedded'; readonly name: string }
  | { readonly is: 'message'; readonly type: MessageType<unknown> }
  | { readonly is: 'list'; readonly item: FieldShape };

export interface MessageType<T> {
  /** Full name, without the leading dot of protobuf. */
  readonly name: string;
  readonly fields: Readonly<Record<string, readonly [number, FieldType<unknown>]>>;
  /** Fields that are left out are absent from the message. */
  encode(value: Partial<T>): Buffer;
  /** Undefined if the bytes are malformed, or have more than the table allows. Fields of type bytes are views into `bytes`. */
  readonly decode: (bytes: Uint8Array) => T | undefined;
  put(writer: MessageWriter, field: number, value: Partial<T>): void;
  readonly read: (reader: MessageReader) => T;
}

type Fields = Readonly<Record<string, readonly [number, FieldType<unknown>]>>;
type Value<F extends Fields> = {
  readonly [name in keyof F]: F[name][1] extends FieldType<infer T> ? T : never;
};
/** The value of a message type. */
export type MessageOf<M> = M extends MessageType<infer T> ? T : never;

/** Property names are the field names of the protocol in camel case. */
export function messageType<const F extends Fields>(name: string, fields: F): MessageType<Value<F>> {
  const table = Object.entries(fields as MessageType<unknown>['fields']);
  const fromLast = table.toSorted(([, [a]], [, [b]]) => b - a);
  const byNumber = new Map(table.map(([property, [number, type]]) => [number, { property, type }]));
  const write = (writer: MessageWriter, value: Readonly<Record<string, unknown>>): void => {
    for (const [property, [number, type]] of fromLast) {
      if (value[property] !== undefined) type.put(writer, number, value[property]);
    }
  };
  const read = (reader: MessageReader): Value<F> => {
    const value: Record<string, unknown> = Object.fromEntries(
      table.map(([property, [, { absent }]]) => [property, absent]),
    );
    while (reader.next()) {
      const field = byNumber.get(reader.field);
      if (field === undefined) reader.skip();
      else value[field.property] = field.type.get(reader, value[field.property]);
    }
    return value as Value<F>;
  };
  return {
    name,
    fields: fields as MessageType<unknown>['fields'],
    encode: (value) => encode((writer) => write(writer, value)),
    decode: (bytes) => decodeWith(bytes, read),
    put: (writer, field, value) => {
      const mark = writer.length;
      write(writer, value);
      writer.message(field, mark);
    },
    read,
  };
}

/** At most `most` bytes; a longer one is malformed. */
export const text = (most = 64 * 1024): FieldType<string> => ({
  absent: '',
  put: (writer, field, value, repeated) => writer.string(field, value, repeated),
  get: (reader) => {
    const value = reader.string();
    demand(value.length <= most);
    return value;
  },
  shape: { is: 'text' },
});

/** Text for people, of which the first 4 KiB are enough. Never malformed. */
export const note: FieldType<string> = {
  absent: '',
  put: (writer, field, value) => writer.string(field, value),
  get: (reader) => reader.bytes().toString('utf8', 0, 4096),
  shape: { is: 'note' },
};

/** An integer or enum. Values beyond the safe integers become the nearest of them. */
export const number: FieldType<number> = {
  absent: 0,
  put: (writer, field, value) => writer.signed(field, value),
  get: (reader) => reader.signed(),
  shape: { is: 'number' },
};

export const numbers = (most: number): FieldType<readonly number[]> => ({
  absent: [],
  put: (writer, field, values) => {
    if (values.length === 0) return;
    const mark = writer.length;
    eachFromEnd(values, (value) => writer.packed(value));
    writer.message(field, mark);
  },
  get: (reader, before) => {
    const values = [...before];
    reader.integers((value) => {
      demand(values.length < most);
      values.push(value);
    });
    return values;
  },
  shape: { is: 'numbers' },
});

export const flag: FieldType<boolean> = {
  absent: false,
  put: (writer, field, value) => writer.boolean(field, value),
  get: (reader) => reader.boolean(),
  shape: { is: 'flag' },
};

const NO_BYTES: Uint8Array = Buffer.alloc(0);
export const bytes: FieldType<Uint8Array> = {
  absent: NO_BYTES,
  put: (writer, field, value) => writer.bytes(field, value),
  get: (reader) => reader.bytes(),
  shape: { is: 'bytes' },
};

/** A message of the named type that stays encoded, so that a signature over it can be checked. */
export const embedded = (name: string): FieldType<Uint8Array | undefined> => ({
  absent: undefined,
  put: (writer, field, value) => writer.bytes(field, value, true),
  get: (reader) => reader.bytes(),
  shape: { is: 'embedded', name },
});

export const digest: FieldType<Digest | undefined> = {
  absent: undefined,
  put: (writer, field, value) => putDigest(writer, field, value),
  get: (reader) => getDigest(reader.message()),
  shape: { is: 'digest' },
};

export const message = <T>(type: MessageType<T>): FieldType<T | undefined> => ({
  absent: undefined,
  put: (writer, field, value) => value !== undefined && type.put(writer, field, value),
  get: (reader) => type.read(reader.message()),
  shape: { is: 'message', type: type as MessageType<unknown> },
});

/** More than `most` items are malformed. */
export const list = <T>(item: FieldType<T>, most: number): FieldType<readonly NonNullable<T>[]> => ({
  absent: [],
  put: (writer, field, values) => eachFromEnd(values, (value) => item.put(writer, field, value, true)),
  get: (reader, before) => {
    // The list belongs to this message alone, so that it may grow in place.
    const values = (before.length === 0 ? [] : before) as NonNullable<T>[];
    demand(values.length < most);
    values.push(item.get(reader, item.absent) as NonNullable<T>);
    return values;
  },
  shape: { is: 'list', item: item.shape },
});
