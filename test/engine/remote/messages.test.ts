import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import * as fc from 'fast-check';
import { digestOf } from '../../../src/engine/files/digest.js';
import * as messages from '../../../src/engine/remote/messages.js';
import type { FieldShape, MessageType } from '../../../src/engine/trees/message-type.js';
import {
  decodeActionResult,
  encodeActionResult,
  ExecutedActionMetadata,
  type ReapiResult,
} from '../../../src/engine/trees/reapi-result.js';
import { anyMessage, withNested } from '../../support/message-values.js';
import { toCapabilities } from '../../../src/engine/remote/capabilities.js';

const types = withNested([
  ...Object.values(messages).filter((value): value is MessageType<never> => typeof value === 'object'),
  ExecutedActionMetadata as MessageType<never>,
] as MessageType<unknown>[]);
const embedded = (): fc.Arbitrary<Buffer> => fc.uint8Array().map((bytes) => Buffer.from(bytes));

const { messages: tables } = JSON.parse(
  readFileSync(new URL('../../fixtures/reapi-messages.json', import.meta.url), 'utf8'),
) as { readonly messages: Readonly<Record<string, readonly string[]>> };

const PREFIX = 'build.bazel.remote.execution.v2.';
const shortName = (name: string): string => name.replace(PREFIX, '');

/** The type of a field in the protocol's own words. */
function spelled(shape: FieldShape): RegExp {
  switch (shape.is) {
    case 'text':
    case 'note':
      return /^string$/;
    case 'number':
      return /^(int32|int64|[A-Za-z]+\.Value)$/;
    case 'numbers':
      return /^[A-Za-z]+\.Value\*$/;
    case 'flag':
      return /^bool$/;
    case 'bytes':
      return /^bytes$/;
    case 'digest':
      return /^Digest$/;
    case 'embedded':
      return new RegExp(`^${shortName(shape.name)}$`);
    case 'message':
      return new RegExp(`^${shortName(shape.type.name)}$`);
    case 'list':
      return new RegExp(`${spelled(shape.item).source.replace('$', '')}\\*$`);
  }
}

describe('engine/remote/messages', () => {
  it('has the field numbers, names and types of the protocol', () => {
    const own = types.filter(({ name }) => name.startsWith(PREFIX));
    expect(own).to.have.length(23);
    for (const { name, fields } of own) {
      const table = new Map(tables[shortName(name)]?.map((line) => [line.split(' ')[0], line.split(' ')]));
      for (const [property, [number, { shape }]] of Object.entries(fields)) {
        const [, field, type] = table.get(String(number)) ?? [];
        const where = `${name}.${property}`;
        expect(
          property.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
          where,
        ).to.equal(field);
        expect(type, where).to.match(spelled(shape));
      }
    }
  });

  it('decodes what it encoded, for every type', () => {
    for (const type of types) {
      fc.assert(
        fc.property(anyMessage(type, embedded), (value) => {
          expect(type.decode(type.encode(value as never)), type.name).to.deep.equal(value);
        }),
        { numRuns: 25 },
      );
    }
  });

  it('leaves out defaults, and gives them to fields that are absent', () => {
    for (const type of types) {
      const empty = type.decode(Buffer.alloc(0));
      expect(empty, type.name).to.include.keys(...Object.keys(type.fields));
      expect(type.encode(empty as never), type.name).to.have.length(0);
      expect(type.encode({}), type.name).to.have.length(0);
    }
  });

  it('returns undefined or a value for any bytes, and never throws', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        for (const type of types) type.decode(bytes);
      }),
      { numRuns: 500 },
    );
    for (const type of types) {
      fc.assert(
        fc.property(anyMessage(type, embedded), fc.nat(), fc.nat(7), fc.nat(), (value, at, bit, length) => {
          const bytes = type.encode(value as never);
          if (bytes.length > 0) bytes[at % bytes.length]! ^= 1 << bit;
          type.decode(bytes);
          type.decode(bytes.subarray(0, length % (bytes.length + 1)));
        }),
        { numRuns: 40 },
      );
    }
  });

  it('refuses more items than a table allows, before it holds them', () => {
    // Each empty item takes two bytes on the wire and a hundred in memory.
    const items = Buffer.alloc(40_000_000, Buffer.from([0x0a, 0x00]));
    const before = process.memoryUsage().heapUsed;
    expect(messages.BatchUpdateBlobsResponse.decode(items)).to.equal(undefined);
    expect(decodeActionResult(Buffer.alloc(40_000_000, Buffer.from([0x62, 0x00])))).to.equal(undefined);
    expect(process.memoryUsage().heapUsed - before).to.be.lessThan(100_000_000);
    const packed = Buffer.concat([Buffer.from([0x0a, 0xff, 0x01]), Buffer.alloc(255, 1)]);
    const capabilities = Buffer.concat([Buffer.from([0x0a, 0x82, 0x02]), packed]);
    expect(messages.ServerCapabilities.decode(capabilities)).to.equal(undefined);
  });

  it('refuses a text that is longer than its limit, but shortens text for people', () => {
    const long = 'x'.repeat(5000);
    expect(messages.Operation.decode(messages.Operation.encode({ name: long }))).to.equal(undefined);
    expect(messages.Status.decode(messages.Status.encode({ code: 3, message: long }))?.message).to.have.length(4096);
    const notText = Buffer.from([0x12, 0x02, 0xff, 0xfe]);
    expect(messages.Status.decode(notText)?.message).to.equal('\uFFFD\uFFFD');
  });

  it('reads repeated numbers one by one and packed', () => {
    const oneByOne = Buffer.from([0x0a, 0x04, 0x08, 0x01, 0x08, 0x02]);
    const packed = Buffer.from([0x0a, 0x04, 0x0a, 0x02, 0x01, 0x02]);
    for (const bytes of [oneByOne, packed]) {
      expect(messages.ServerCapabilities.decode(bytes)?.cacheCapabilities?.digestFunctions).to.deep.equal([1, 2]);
    }
  });

  it('takes the largest numbers of the protocol as the largest safe ones, and as no limit', () => {
    const most = Buffer.from([0x0a, 0x0a, 0x40, ...Array<number>(8).fill(0xff), 0x7f]);
    const decoded = messages.ServerCapabilities.decode(most)!;
    expect(decoded.cacheCapabilities?.maxCasBlobSizeBytes).to.equal(Number.MAX_SAFE_INTEGER);
    expect(toCapabilities(decoded)).not.to.have.property('maxBlobBytes');
  });

  it('refuses a digest that is not one', () => {
    const digest = digestOf('x');
    const encoded = messages.FindMissingBlobsResponse.encode({ missingBlobDigests: [digest] });
    expect(messages.FindMissingBlobsResponse.decode(encoded)?.missingBlobDigests).to.deep.equal([digest]);
    encoded.write('/', encoded.indexOf(digest.slice(0, 64)));
    expect(messages.FindMissingBlobsResponse.decode(encoded)).to.equal(undefined);
  });
});

describe('engine/trees/reapi-result with what servers add', () => {
  const result: ReapiResult = {
    outputFiles: [{ path: 'out/result.json', digest: digestOf('{}'), executable: false, contents: Buffer.from('{}') }],
    outputDirectories: [],
    outputSymlinks: [],
    exitCode: 0,
  };
  const metadata = {
    worker: 'pyflow',
    queuedTimestamp: { seconds: 1_800_000_000, nanos: 5 },
    auxiliaryMetadata: [{ typeUrl: 'type.example/signature', value: Buffer.from([0, 1, 255]) }],
  };

  it('keeps the worker and the auxiliary metadata', () => {
    const decoded = decodeActionResult(encodeActionResult({ ...result, metadata }));
    expect(decoded?.metadata).to.deep.include(metadata);
    expect(decoded).to.deep.include(result);
  });

  it('skips fields it does not know, negative numbers among them', () => {
    const minusOne = [...Array<number>(9).fill(0xff), 0x01];
    const unknown = Buffer.from([0xf8, 0x01, ...minusOne]);
    const encoded = Buffer.concat([unknown, encodeActionResult(result), unknown]);
    expect(decodeActionResult(encoded)).to.deep.equal(result);
  });

  it('has a negative exit code as it came', () => {
    expect(decodeActionResult(encodeActionResult({ ...result, exitCode: -9 }))?.exitCode).to.equal(-9);
  });

  it('decodes any metadata that it encoded', () => {
    fc.assert(
      fc.property(anyMessage(ExecutedActionMetadata as MessageType<unknown>, embedded), (value) => {
        const encoded = encodeActionResult({ ...result, metadata: value });
        expect(decodeActionResult(encoded)?.metadata).to.deep.equal(value);
        expect(encodeActionResult(decodeActionResult(encoded)!)).to.deep.equal(encoded);
      }),
    );
  });
});
