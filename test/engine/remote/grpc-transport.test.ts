import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import * as fc from 'fast-check';
import {
  digestOf,
  EMPTY_DIGEST,
  makeDigest,
  sizeOf,
  type ActionKey,
  type Digest,
} from '../../../src/engine/files/digest.js';
import { openGrpc, type GrpcSettings } from '../../../src/engine/remote/grpc-transport.js';
import * as messages from '../../../src/engine/remote/messages.js';
import {
  batchCost,
  RemoteError,
  splitBatches,
  STATUS,
  type CallLimits,
  type ExecutionUpdate,
  type RemoteTransport,
} from '../../../src/engine/remote/transport.js';
import { makeCertificates } from '../../support/certificates.js';
import { FaultProxy } from '../../support/fault-proxy.js';
import { anyDigest } from '../../support/message-values.js';
import { ReapiServer, StatusFailure, type Answer, type TlsServer } from '../../support/reapi-server.js';
import { skipBecause } from '../../support/skip.js';

const root = resolve(import.meta.dirname, '../../..');
const key = digestOf('an action') as ActionKey;
const blob = Buffer.from('what a blob says');
const digest = digestOf(blob);
const limits = (deadlineMs = 10_000, signal = new AbortController().signal): CallLimits => ({ signal, deadlineMs });
const never = new Promise<never>(() => undefined);
async function* silence(): AsyncGenerator<Buffer> {
  yield await never;
}
async function* chunksOf(...chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}
const collect = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
};

/** The error that the call must end with. */
async function failureOf(call: Promise<unknown>): Promise<RemoteError> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).to.be.instanceOf(RemoteError);
  return error as RemoteError;
}

describe('engine/remote/grpc-transport', () => {
  const open: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of open.splice(0).reverse()) await close();
  });

  const transportTo = async (url: string, settings: Partial<GrpcSettings> = {}): Promise<RemoteTransport> => {
    const transport = await openGrpc({ url, version: '1.2.3', ...settings });
    open.push(() => transport.close());
    return transport;
  };
  const serverWith = async (answers: Readonly<Record<string, Answer>>, tls?: TlsServer): Promise<ReapiServer> => {
    const server = await ReapiServer.start(answers, tls);
    open.push(() => server.stop());
    return server;
  };
  const answering = async (
    answers: Readonly<Record<string, Answer>>,
    settings: Partial<GrpcSettings> = {},
  ): Promise<RemoteTransport> => transportTo((await serverWith(answers)).url, settings);

  describe('how calls end', () => {
    it('fails at once if the port refuses connections, whatever the deadline', async () => {
      const proxy = await FaultProxy.start({ host: '127.0.0.1', port: 1 });
      await proxy.refuse();
      const transport = await transportTo(proxy.url);
      const start = performance.now();
      const error = await failureOf(transport.capabilities(limits(60_000)));
      expect(error.status).to.equal(STATUS.UNAVAILABLE);
      expect(error.message).to.match(/^GetCapabilities: UNAVAILABLE, /);
      expect(performance.now() - start).to.be.lessThan(10_000);
    });

    it('ends at the deadline if the server accepts and says nothing', async () => {
      const proxy = await FaultProxy.start({ host: '127.0.0.1', port: 1 });
      open.push(() => proxy.stop());
      proxy.fault = { kind: 'accept-only' };
      const transport = await transportTo(proxy.url);
      const start = performance.now();
      expect((await failureOf(transport.capabilities(limits(300)))).status).to.equal(STATUS.DEADLINE_EXCEEDED);
      expect(performance.now() - start).to.be.within(290, 5000);
    });

    it('ends at the deadline if the server does not answer', async () => {
      const transport = await answering({ 'ActionCache/GetActionResult': silence });
      expect((await failureOf(transport.getResult({ key }, limits(100)))).status).to.equal(STATUS.DEADLINE_EXCEEDED);
    });

    it('ends every call of an aborted signal, and starts none after it', async () => {
      const transport = await answering({
        'ActionCache/GetActionResult': silence,
        'ByteStream/Read': silence,
        'ByteStream/Write': silence,
        'Execution/Execute': silence,
      });
      const abort = new AbortController();
      const own = limits(60_000, abort.signal);
      const calls = [
        transport.getResult({ key }, own),
        collect(transport.readStream(digest, own)),
        transport.writeStream(digest, silence(), own),
        collect(transport.execute({ action: key }, own)),
      ].map(failureOf);
      abort.abort();
      for (const error of await Promise.all(calls)) expect(error.status, error.message).to.equal(STATUS.CANCELLED);
      expect(transport.counters.calls).to.equal(4);
      expect((await failureOf(transport.getResult({ key }, own))).status).to.equal(STATUS.CANCELLED);
      expect(transport.counters.calls).to.equal(4);
    });

    it('ends every call when it is closed, those of other instances too', async () => {
      const transport = await answering({ 'ActionCache/GetActionResult': silence });
      const calls = [transport, transport.forInstance('other')].map((one) =>
        failureOf(one.getResult({ key }, limits())),
      );
      transport.close();
      for (const error of await Promise.all(calls)) expect(error.status).to.equal(STATUS.CANCELLED);
      expect((await failureOf(transport.getResult({ key }, limits()))).status).to.equal(STATUS.CANCELLED);
    });

    it('makes a thousand calls at once with one signal, and no warning', async () => {
      const warnings: Error[] = [];
      const note = (warning: Error): unknown => warnings.push(warning);
      process.on('warning', note);
      try {
        const transport = await answering({ 'ActionCache/GetActionResult': () => [blob] });
        const own = limits(60_000);
        const results = await Promise.all(Array.from({ length: 1000 }, () => transport.getResult({ key }, own)));
        expect(results.every((result) => result?.equals(blob))).to.equal(true);
        expect(transport.counters).to.include({ calls: 1000, roundTrips: 1, bytesDown: 1000 * blob.length });
        await transport.getResult({ key }, own);
        expect(transport.counters.roundTrips).to.equal(2);
      } finally {
        process.off('warning', note);
      }
      expect(warnings).to.deep.equal([]);
    });
  });

  it('does not count probes as calls', async () => {
    const transport = await answering({ 'Capabilities/GetCapabilities': () => [Buffer.alloc(0)] });
    await transport.probe(limits());
    expect(transport.counters).to.include({ calls: 0, roundTrips: 0 });
    await transport.capabilities(limits());
    expect(transport.counters).to.include({ calls: 1, roundTrips: 1 });
  });

  describe('what it says about failures', () => {
    it('repeats no header of the settings, and no control characters', async () => {
      const secret = 'Bearer s3cret-token-of-the-operator';
      const transport = await answering(
        {
          'ActionCache/GetActionResult': (_, { headers }) => {
            expect(headers['authorization']).to.equal(secret);
            throw new StatusFailure(
              STATUS.UNAUTHENTICATED,
              `\u001b[31mnot ${secret}\r\n nor s3cret-token-of-the-operator`,
            );
          },
        },
        { headers: { authorization: secret } },
      );
      const error = await failureOf(transport.getResult({ key }, limits()));
      expect(error.status).to.equal(STATUS.UNAUTHENTICATED);
      expect(error.message).to.equal('GetActionResult: UNAUTHENTICATED, [31mnot *** nor ***');
      expect(JSON.stringify(error) + error.stack).not.to.contain('s3cret');
    });

    it('repeats no header or key that can not be used', async () => {
      for (const settings of [
        { headers: { authorization: 'line\nbreak-secret' } },
        { url: 'grpcs://127.0.0.1:1', tls: { cert: 'break-secret', key: 'break-secret' } },
      ]) {
        const error = await failureOf(transportTo('grpc://127.0.0.1:1', settings));
        expect(error.status).to.equal(STATUS.INVALID_ARGUMENT);
        expect(error.stack).not.to.contain('break-secret');
      }
    });

    it('counts an unknown status as UNKNOWN', async () => {
      const transport = await answering({
        'ActionCache/GetActionResult': () => {
          throw new StatusFailure(99, 'x'.repeat(5000));
        },
      });
      const error = await failureOf(transport.getResult({ key }, limits()));
      expect(error.status).to.equal(STATUS.UNKNOWN);
      expect(error.detail.length).to.be.at.most(200);
    });

    it('refuses bytes that are no message, and messages that are too large', async () => {
      const transport = await answering({
        'Capabilities/GetCapabilities': () => [Buffer.from([0x0a, 0xff])],
        'ContentAddressableStorage/FindMissingBlobs': () => [Buffer.alloc(17 * 1024 * 1024)],
      });
      expect((await failureOf(transport.capabilities(limits()))).status).to.equal(STATUS.INTERNAL);
      expect((await failureOf(transport.findMissing([digest], limits()))).status).to.equal(STATUS.RESOURCE_EXHAUSTED);
    });
  });

  describe('blobs', () => {
    const read = (responses: Parameters<typeof messages.BatchReadBlobsResponse.encode>[0]['responses']) => () => [
      messages.BatchReadBlobsResponse.encode({ ...(responses && { responses }) }),
    ];
    const good = { digest, data: blob, status: undefined, compressor: 0 };

    it('takes only bytes that match their digest, and accounts for every digest', async () => {
      const names = ['wrong bytes', 'wrong size', 'compressed', 'refused', 'not answered'];
      const [bytes, size, compressed, refused, unanswered] = names.map((name) => digestOf(name)) as [
        Digest,
        Digest,
        Digest,
        Digest,
        Digest,
      ];
      const transport = await answering({
        'ContentAddressableStorage/BatchReadBlobs': read([
          { ...good, digest: bytes, data: Buffer.from('wrong bytez') },
          { ...good, digest: size, data: Buffer.from('wrong size, and more') },
          { ...good, digest: compressed, data: Buffer.from('compressed'), compressor: 1 },
          { ...good, digest: refused, status: { code: STATUS.NOT_FOUND, message: 'gone', details: [] } },
          { ...good, digest: digestOf('never asked for'), data: Buffer.from('never asked for') },
          good,
          { ...good, data: Buffer.from('a second answer') },
        ]),
      });
      const asked = [bytes, size, compressed, refused, unanswered, digest, EMPTY_DIGEST];
      const { blobs, failed } = await transport.readBatch(asked, limits());
      expect([...blobs].map(([one, data]) => [one, data.toString()])).to.have.deep.members([
        [digest, blob.toString()],
        [EMPTY_DIGEST, ''],
      ]);
      expect([...failed].map(([one, { status }]) => [one, status])).to.have.deep.members([
        [bytes, STATUS.DATA_LOSS],
        [size, STATUS.DATA_LOSS],
        [compressed, STATUS.DATA_LOSS],
        [refused, STATUS.NOT_FOUND],
        [unanswered, STATUS.INTERNAL],
      ]);
    });

    it('refuses a right hash with a wrong size', async () => {
      const lying = makeDigest(digest.slice(0, 64), sizeOf(digest) + 1);
      const transport = await answering({
        'ContentAddressableStorage/BatchReadBlobs': read([{ ...good, digest: lying }]),
        'ByteStream/Read': () => [messages.ReadResponse.encode({ data: blob })],
      });
      expect((await transport.readBatch([lying], limits())).failed.get(lying)?.status).to.equal(STATUS.DATA_LOSS);
      expect((await failureOf(collect(transport.readStream(lying, limits())))).status).to.equal(STATUS.DATA_LOSS);
    });

    it('never asks for the empty blob, and never sends it', async () => {
      const transport = await transportTo('grpc://127.0.0.1:1');
      expect(await transport.findMissing([EMPTY_DIGEST], limits())).to.have.property('size', 0);
      expect((await transport.readBatch([EMPTY_DIGEST], limits())).blobs.get(EMPTY_DIGEST)).to.have.length(0);
      expect(await transport.writeBatch([{ digest: EMPTY_DIGEST, bytes: Buffer.alloc(0) }], limits())).to.have.property(
        'size',
        0,
      );
      expect(await collect(transport.readStream(EMPTY_DIGEST, limits()))).to.deep.equal([]);
      await transport.writeStream(EMPTY_DIGEST, chunksOf(), limits());
      expect(transport.counters.calls).to.equal(0);
    });

    it('asks for 10,000 digests at once, and hears only of those it asked for', async () => {
      const asked = Array.from({ length: 25_000 }, (_, index) => digestOf(String(index)));
      const counts: number[] = [];
      const transport = await answering({
        'ContentAddressableStorage/FindMissingBlobs': (request) => {
          const { blobDigests = [], instanceName } = messages.FindMissingBlobsRequest.decode(request) ?? {};
          expect(instanceName).to.equal('main');
          counts.push(blobDigests.length);
          const missingBlobDigests = [...blobDigests.filter((_, index) => index % 5000 === 0), digestOf('another')];
          return [messages.FindMissingBlobsResponse.encode({ missingBlobDigests })];
        },
      });
      const missing = await transport.forInstance('main').findMissing([...asked, ...asked.slice(0, 100)], limits());
      expect(counts.sort((a, b) => a - b)).to.deep.equal([5000, 10_000, 10_000]);
      expect([...missing].sort()).to.deep.equal(asked.filter((_, index) => index % 5000 === 0).sort());
    });

    it('returns the blobs that a server refused, or said nothing about', async () => {
      const other = digestOf('other');
      const transport = await answering({
        'ContentAddressableStorage/BatchUpdateBlobs': () => [
          messages.BatchUpdateBlobsResponse.encode({
            responses: [{ digest, status: { code: STATUS.PERMISSION_DENIED, message: 'no', details: [] } }],
          }),
        ],
      });
      const refused = await transport.writeBatch(
        [
          { digest, bytes: blob },
          { digest: other, bytes: Buffer.from('other') },
        ],
        limits(),
      );
      expect([...refused].map(([one, { status }]) => [one, status])).to.deep.equal([
        [digest, STATUS.PERMISSION_DENIED],
        [other, STATUS.INTERNAL],
      ]);
    });

    it('keeps batches below what the server takes', async () => {
      for (const [most, batchBytes] of [
        [0, 4 * 1024 * 1024 - 128 * 1024],
        [Number.MAX_SAFE_INTEGER, 4 * 1024 * 1024 - 128 * 1024],
        [1024 * 1024, 1024 * 1024 - 128 * 1024],
        [1000, 500],
        [-1, 4 * 1024 * 1024 - 128 * 1024],
      ] as const) {
        const cacheCapabilities = messages.ServerCapabilities.decode(Buffer.from([0x0a, 0x00]))!.cacheCapabilities!;
        const transport = await answering({
          'Capabilities/GetCapabilities': () => [
            messages.ServerCapabilities.encode({
              cacheCapabilities: { ...cacheCapabilities, maxBatchTotalSizeBytes: most },
            }),
          ],
        });
        await transport.capabilities(limits());
        expect(transport.batchBytes).to.equal(batchBytes);
      }
    });

    it('splits digests into batches that fit, in order, and leaves out none', () => {
      fc.assert(
        fc.property(
          fc.array(fc.tuple(anyDigest, fc.nat(3000)).map(([one, size]) => makeDigest(one.slice(0, 64), size))),
          fc.integer({ min: 128, max: 4000 }),
          (digests, most) => {
            const { batches, streams } = splitBatches(digests, most);
            for (const batch of batches) {
              expect(batch.reduce((sum, one) => sum + batchCost(one), 0)).to.be.within(1, most);
            }
            for (const one of streams) expect(batchCost(one)).to.be.greaterThan(most);
            expect([...batches.flat(), ...streams].sort()).to.deep.equal([...digests].sort());
          },
        ),
      );
    });
  });

  describe('streams', () => {
    const content = Buffer.alloc(3_000_000, 'content ');
    const large = digestOf(content);
    const data = (bytes: Buffer): Buffer => messages.ReadResponse.encode({ data: bytes });

    it('reads a blob by its name in the instance', async () => {
      const transport = await answering(
        {
          'ByteStream/Read': (request) => {
            expect(messages.ReadRequest.decode(request)?.resourceName).to.equal(`main/blobs/${large}`);
            return [data(content.subarray(0, 1_000_000)), data(Buffer.alloc(0)), data(content.subarray(1_000_000))];
          },
        },
        { instance: 'main' },
      );
      expect(Buffer.concat(await collect(transport.readStream(large, limits()))).equals(content)).to.equal(true);
    });

    for (const [what, answer] of Object.entries<Answer>({
      'ends early': () => [data(content.subarray(1))],
      'has other bytes': () => [data(Buffer.alloc(content.length))],
      'never ends': async function* () {
        for (;;) yield data(content.subarray(0, 500_000));
      },
    })) {
      it(`refuses a stream that ${what}`, async () => {
        const transport = await answering({ 'ByteStream/Read': answer });
        expect((await failureOf(collect(transport.readStream(large, limits())))).status).to.equal(STATUS.DATA_LOSS);
        expect(transport.counters.bytesDown).to.be.lessThan(content.length + 1_000_000);
      });
    }

    it('ends a stream in which nothing happens, however long it may take in all', async () => {
      const transport = await answering({
        'ByteStream/Read': async function* () {
          yield data(content.subarray(0, 1000));
          yield await never;
        },
        'ByteStream/Write': silence,
      });
      const error = await failureOf(collect(transport.readStream(large, limits(200))));
      expect(error.message).to.equal('Read: DEADLINE_EXCEEDED, nothing happened for 200 ms');
      const write = await failureOf(transport.writeStream(large, chunksOf(content), limits(200)));
      expect(write.status).to.equal(STATUS.DEADLINE_EXCEEDED);
    });

    it('ends the call when the reader stops early', async () => {
      let hasEnded: () => void;
      const ended = new Promise<void>((resolve) => (hasEnded = resolve));
      const transport = await answering({
        'ByteStream/Read': async function* (_, { isCancelled }) {
          while (!isCancelled()) {
            yield data(content.subarray(0, 1000));
            await new Promise((resolve) => setImmediate(resolve));
          }
          hasEnded();
        },
      });
      for await (const chunk of transport.readStream(large, limits())) {
        expect(chunk.length).to.equal(1000);
        break;
      }
      await ended;
    });

    const stored = (committedSize: number): Buffer => messages.WriteResponse.encode({ committedSize });

    it('writes chunks of any size as messages of 1 MiB', async () => {
      const requests: ReturnType<typeof messages.WriteRequest.decode>[] = [];
      const transport = await answering({
        'ByteStream/Write': async function* (_, { uploaded }) {
          for await (const request of uploaded) requests.push(messages.WriteRequest.decode(Buffer.from(request)));
          yield stored(content.length);
        },
      });
      const pieces = [
        content.subarray(0, 10),
        content.subarray(10, 10),
        content.subarray(10, 2_500_000),
        content.subarray(2_500_000),
      ];
      await transport.writeStream(large, chunksOf(...pieces), limits());
      expect(Buffer.concat(requests.map((request) => request!.data)).equals(content)).to.equal(true);
      expect(
        requests.map((request) => [request!.writeOffset, request!.data.length, request!.finishWrite]),
      ).to.deep.equal([
        [0, 1_048_576, false],
        [1_048_576, 1_048_576, false],
        [2_097_152, 902_848, true],
      ]);
      expect(requests[0]!.resourceName).to.match(new RegExp(`^uploads/[0-9a-f-]{36}/blobs/${large}$`));
    });

    it('sends the right bytes from a source that uses one buffer for all chunks', async () => {
      const received: Buffer[] = [];
      const transport = await answering({
        'ByteStream/Write': async function* (_, { uploaded }) {
          for await (const request of uploaded) received.push(Buffer.from(messages.WriteRequest.decode(request)!.data));
          yield stored(content.length);
        },
      });
      async function* reused(): AsyncGenerator<Buffer> {
        const buffer = Buffer.alloc(700_000);
        for (let at = 0; at < content.length; at += buffer.length)
          yield buffer.subarray(0, content.copy(buffer, 0, at, at + buffer.length));
        buffer.fill(0);
      }
      await transport.writeStream(large, reused(), limits());
      expect(Buffer.concat(received).equals(content)).to.equal(true);
    });

    it('stops sending when the server has the blob already', async () => {
      const transport = await answering({
        'ByteStream/Write': () => [stored(large.length === 0 ? 0 : content.length)],
      });
      let sent = 0;
      const endless = async function* (): AsyncGenerator<Uint8Array> {
        for (; sent < content.length; sent += 1000) {
          yield content.subarray(sent, sent + 1000);
          await new Promise((resolve) => setImmediate(resolve));
        }
        await never;
      };
      await transport.writeStream(large, endless(), limits());
    });

    it('fails if the server stored another number of bytes, or refused', async () => {
      const transport = await answering({
        'ByteStream/Write': async function* (_, { uploaded }) {
          await collect(uploaded);
          yield stored(5);
        },
      });
      expect((await failureOf(transport.writeStream(large, chunksOf(content), limits()))).status).to.equal(
        STATUS.DATA_LOSS,
      );
      const refusing = await answering({
        'ByteStream/Write': () => {
          throw new StatusFailure(STATUS.RESOURCE_EXHAUSTED, 'full');
        },
      });
      const refused = await failureOf(refusing.writeStream(large, chunksOf(content), limits()));
      expect(refused.message).to.equal('Write: RESOURCE_EXHAUSTED, full');
    });

    it('passes on errors of its source, and refuses a source of another size', async () => {
      const transport = await answering({
        'ByteStream/Write': async function* (_, { uploaded }) {
          await collect(uploaded);
          yield await never;
        },
      });
      const broken = async function* (): AsyncGenerator<Uint8Array> {
        yield content.subarray(0, 1000);
        throw new TypeError('the disk is gone');
      };
      const error = await transport.writeStream(large, broken(), limits()).catch((reason: unknown) => reason);
      expect(error).to.be.instanceOf(TypeError);
      for (const wrong of [content.subarray(1), Buffer.concat([content, blob])]) {
        expect((await failureOf(transport.writeStream(large, chunksOf(wrong), limits()))).status).to.equal(
          STATUS.INVALID_ARGUMENT,
        );
      }
    });
  });

  describe('results and executions', () => {
    it('returns a result as it came, and undefined if there is none', async () => {
      const strange = Buffer.from([0xff, 0xff, 0xff]);
      const transport = await answering({
        'ActionCache/GetActionResult': (request) => {
          const query = messages.GetActionResultRequest.decode(request);
          expect(query?.inlineOutputFiles).to.deep.equal(['out/result.json']);
          if (query?.actionDigest === key) return [strange];
          throw new StatusFailure(STATUS.NOT_FOUND, 'not here');
        },
      });
      const inlineOutputFiles = ['out/result.json'];
      expect(await transport.getResult({ key, inlineOutputFiles }, limits())).to.deep.equal(strange);
      expect(await transport.getResult({ key: digest as ActionKey, inlineOutputFiles }, limits())).to.equal(undefined);
    });

    it('sends a result as it is, with the name of pyflow', async () => {
      let update: ReturnType<typeof messages.UpdateActionResultRequest.decode>;
      let headers: Readonly<Record<string, unknown>> = {};
      const transport = await answering(
        {
          'ActionCache/UpdateActionResult': (request, call) => {
            update = messages.UpdateActionResultRequest.decode(request);
            headers = call.headers;
            return [Buffer.alloc(0)];
          },
        },
        { instance: 'main', headers: { 'x-team': 'builds' } },
      );
      await transport.putResult(key, blob, limits());
      expect(update).to.deep.include({ instanceName: 'main', actionDigest: key, digestFunction: messages.SHA256 });
      expect(update?.actionResult?.toString()).to.equal(blob.toString());
      expect(headers).to.include({ 'x-team': 'builds' });
      expect(headers['user-agent']).to.match(/^pyflow\/1\.2\.3 /);
      const about = messages.RequestMetadata.decode(
        headers['build.bazel.remote.execution.v2.requestmetadata-bin'] as Buffer,
      );
      expect(about?.toolDetails).to.deep.equal({ toolName: 'pyflow', toolVersion: '1.2.3' });
    });

    const ofType = (name: string, value: Buffer) => ({
      typeUrl: `type.googleapis.com/build.bazel.remote.execution.v2.${name}`,
      value,
    });
    const operation = (value: Parameters<typeof messages.Operation.encode>[0]): Buffer =>
      messages.Operation.encode({ name: 'operations/1', ...value });
    const executed = (value: Parameters<typeof messages.ExecuteResponse.encode>[0]): Buffer =>
      operation({ done: true, response: ofType('ExecuteResponse', messages.ExecuteResponse.encode(value)) });
    const metadata = (stage: number): Buffer => messages.ExecuteOperationMetadata.encode({ stage });

    it('follows an execution to its end, and no further', async () => {
      const transport = await answering({
        'Execution/Execute': (request) => {
          expect(messages.ExecuteRequest.decode(request)).to.deep.include({
            actionDigest: key,
            skipCacheLookup: true,
          });
          return [
            operation({ metadata: ofType('ExecuteOperationMetadata', metadata(2)) }),
            operation({ metadata: ofType('ExecuteOperationMetadata', metadata(3)) }),
            operation({ metadata: ofType('ExecuteOperationMetadata', metadata(77)) }),
            operation({ metadata: { typeUrl: 'unknown', value: blob } }),
            executed({ result: blob, cachedResult: true }),
            operation({}),
          ];
        },
      });
      const updates = await collect(transport.execute({ action: key, skipCacheLookup: true }, limits()));
      const stages = updates.map(({ operation: name, stage }) => [name, stage]);
      expect(stages).to.deep.equal([
        ['operations/1', 'queued'],
        ['operations/1', 'executing'],
        ['operations/1', 'unknown'],
        ['operations/1', 'unknown'],
        ['operations/1', 'completed'],
      ]);
      expect(updates.at(-1)?.outcome).to.deep.equal({ result: blob, isCached: true });
    });

    const lastOf = async (answer: Buffer): Promise<ExecutionUpdate['outcome']> => {
      const transport = await answering({ 'Execution/WaitExecution': () => [answer] });
      return (await collect(transport.waitExecution('operations/1', limits()))).at(-1)?.outcome;
    };

    it('has one way to say that an execution failed', async () => {
      const status = { code: STATUS.NOT_FOUND, message: 'no input', details: [] };
      expect((await lastOf(operation({ done: true, error: status })))?.error?.message).to.equal(
        'WaitExecution: NOT_FOUND, no input',
      );
      const partial = await lastOf(executed({ result: blob, status: { ...status, code: STATUS.DEADLINE_EXCEEDED } }));
      expect(partial?.error?.status).to.equal(STATUS.DEADLINE_EXCEEDED);
      expect(partial?.result?.toString()).to.equal(blob.toString());
      for (const nonsense of [
        operation({ done: true }),
        executed({}),
        operation({ done: true, response: { typeUrl: 'other', value: blob } }),
        operation({ done: true, response: ofType('ExecuteResponse', Buffer.from([0x0a, 0xff])) }),
      ]) {
        expect((await lastOf(nonsense))?.error?.status).to.equal(STATUS.INTERNAL);
      }
    });

    it('says that a stream broke before the end of its execution', async () => {
      const transport = await answering({ 'Execution/Execute': () => [operation({})] });
      const error = await failureOf(collect(transport.execute({ action: key }, limits())));
      expect(error.message).to.equal('Execute: UNAVAILABLE, the server ended the stream before the execution');
    });

    it('cancels an execution by its name', async () => {
      let name: string | undefined;
      const transport = await answering({
        'Operations/CancelOperation': (request) => {
          name = messages.CancelOperationRequest.decode(request)?.name;
          return [Buffer.alloc(0)];
        },
      });
      await transport.cancel('operations/1', limits());
      expect(name).to.equal('operations/1');
    });
  });

  describe('connections', () => {
    let folder: string;
    before(function () {
      folder = mkdtempSync(join(tmpdir(), 'pyflow-tls-'));
      try {
        makeCertificates(folder);
      } catch {
        skipBecause(this, 'needs openssl');
      }
    });
    after(() => rmSync(folder, { recursive: true, force: true }));
    const pem = (name: string): string => readFileSync(join(folder, name), 'utf8');
    const answers: Readonly<Record<string, Answer>> = { 'ActionCache/GetActionResult': () => [blob] };

    it('checks the certificate of the server, and shows its own', async () => {
      const server = await serverWith(answers, {
        ca: Buffer.from(pem('ca.pem')),
        cert: Buffer.from(pem('server.pem')),
        key: Buffer.from(pem('server.key')),
        asksClient: true,
      });
      const url = server.url.replace('grpc:', 'grpcs:').replace('127.0.0.1', 'localhost');
      const ca = pem('ca.pem');
      const own = { cert: pem('client.pem'), key: pem('client.key') };
      const asked = async (settings: Partial<GrpcSettings>): Promise<Buffer | undefined> =>
        (await transportTo(url, settings)).getResult({ key }, limits());
      expect(await asked({ tls: { ca, ...own } })).to.deep.equal(blob);
      for (const tls of [{ ca }, own, { ca: pem('other-ca.pem'), ...own }]) {
        expect((await failureOf(asked({ tls }))).status, Object.keys(tls).join()).to.equal(STATUS.UNAVAILABLE);
      }
      expect((await failureOf(asked({ url: server.url }))).status).to.equal(STATUS.UNAVAILABLE);
    });

    it('uses a proxy of the environment only for other machines', async () => {
      const asked: string[] = [];
      const proxy = createServer().on('connect', ({ url = '' }, socket) => {
        asked.push(url);
        socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
      });
      await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
      open.push(() => proxy.close());
      const before = process.env['grpc_proxy'];
      process.env['grpc_proxy'] = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
      try {
        const transport = await answering(answers);
        expect(await transport.getResult({ key }, limits())).to.deep.equal(blob);
        expect(asked).to.deep.equal([]);
        const away = await transportTo('grpc://cache.example:1234');
        expect((await failureOf(away.getResult({ key }, limits()))).status).to.equal(STATUS.UNAVAILABLE);
        expect(asked).to.deep.equal(['cache.example:1234']);
      } finally {
        if (before === undefined) delete process.env['grpc_proxy'];
        else process.env['grpc_proxy'] = before;
      }
    });

    it('connects again after the server was gone', async () => {
      const server = await serverWith(answers);
      const proxy = await FaultProxy.start(server.address);
      open.push(() => proxy.stop());
      const transport = await transportTo(proxy.url);
      expect(await transport.getResult({ key }, limits())).to.deep.equal(blob);
      await proxy.refuse();
      expect((await failureOf(transport.getResult({ key }, limits()))).status).to.equal(STATUS.UNAVAILABLE);
      await proxy.accept();
      let result: Buffer | undefined;
      for (const end = Date.now() + 10_000; result === undefined && Date.now() < end;) {
        result = await transport.getResult({ key }, limits()).catch(() => undefined);
      }
      expect(result).to.deep.equal(blob);
    });
  });

  it('is not loaded, nor is its library, when the engine is imported', () => {
    const script = `
      const { default: { _cache } } = await import('node:module');
      await import(${JSON.stringify(join(root, 'src/engine/pipeline.ts'))});
      await import(${JSON.stringify(join(root, 'src/cli/start.ts'))});
      const count = () => Object.keys(_cache).filter((path) => path.includes('@grpc')).length;
      const before = count();
      const { openGrpc } = await import(${JSON.stringify(join(root, 'src/engine/remote/grpc-transport.ts'))});
      const between = count();
      (await openGrpc({ url: 'grpc://127.0.0.1:1', version: '1' })).close();
      console.log(JSON.stringify([before, between, count() > 0]));
      process.exit(0);`;
    const printed = execFileSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
      cwd: root,
      encoding: 'utf8',
    });
    expect(JSON.parse(printed)).to.deep.equal([0, 0, true]);
  }).timeout(60_000);
});

describe('the proxy of the tests', () => {
  it('delays bytes each way without lining them up', async () => {
    const server = await ReapiServer.start({ 'ActionCache/GetActionResult': () => [blob] });
    const proxy = await FaultProxy.start(server.address);
    const transport = await openGrpc({ url: proxy.url, version: '1' });
    try {
      await transport.getResult({ key }, limits());
      proxy.delayMs = 50;
      const start = performance.now();
      await Promise.all(Array.from({ length: 200 }, () => transport.getResult({ key }, limits())));
      expect(performance.now() - start).to.be.within(99, 5000);
      expect(proxy.bytesDown).to.be.greaterThan(200 * blob.length);
      expect(proxy.connections).to.equal(1);
    } finally {
      transport.close();
      await proxy.stop();
      server.stop();
    }
  });

  it('breaks connections as told', async () => {
    const echo = createServer((_, response) => response.end('x'.repeat(1000)));
    await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
    const { port } = echo.address() as AddressInfo;
    const proxy = await FaultProxy.start({ host: '127.0.0.1', port });
    /** Bytes that came, and how the connection ended; after a while without either, `open`. */
    const seen = (): Promise<readonly [number, string]> =>
      new Promise((resolve) => {
        const socket = connect(Number(new URL(proxy.url).port), '127.0.0.1');
        let count = 0;
        const end = (how: string): void => {
          socket.destroy();
          resolve([count, how]);
        };
        socket.on('data', (bytes) => (count += bytes.length));
        socket.on('end', () => end('end'));
        socket.on('error', ({ message }) => end(/ECONNRESET/.test(message) ? 'reset' : message));
        socket.setTimeout(500, () => end('open'));
        socket.write('GET / HTTP/1.1\r\nhost: x\r\nconnection: keep-alive\r\n\r\n');
      });
    try {
      proxy.fault = { kind: 'accept-only' };
      expect(await seen()).to.deep.equal([0, 'open']);
      proxy.fault = { kind: 'stall', afterBytes: 100 };
      expect(await seen()).to.deep.equal([100, 'open']);
      proxy.fault = { kind: 'half-close', afterBytes: 100 };
      expect(await seen()).to.deep.equal([100, 'end']);
      // Node reports a reset right after data as an end.
      proxy.fault = { kind: 'reset', afterBytes: 0 };
      expect(await seen()).to.deep.equal([0, 'reset']);
      proxy.fault = { kind: 'trickle', afterBytes: 100 };
      expect(await seen()).to.deep.equal([100, 'open']);
      proxy.fault = { kind: 'none' };
      expect((await seen())[0]).to.be.greaterThan(1000);
    } finally {
      await proxy.stop();
      echo.closeAllConnections();
      echo.close();
    }
  });
});
