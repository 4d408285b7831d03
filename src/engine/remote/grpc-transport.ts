// The remote transport over gRPC: the services of the Remote Execution API v2 and ByteStream.

import { createHash, randomUUID } from 'node:crypto';
import { EMPTY_DIGEST, hexOf, sha256Hex, sizeOf, type ActionKey, type Digest } from '../files/digest.js';
import type { MessageType } from '../trees/message-type.js';
import { addressOf } from './address.js';
import { toCapabilities } from './capabilities.js';
import { toUpdate } from './execution.js';
import { GrpcConnection, methodOf, type MethodPath } from './grpc-connection.js';
import type { TlsFiles } from './key-files.js';
import * as messages from './messages.js';
import { statusError } from './status.js';
import {
  RemoteError,
  STATUS,
  type BatchRead,
  type CallLimits,
  type ExecutionRequest,
  type ExecutionUpdate,
  type RemoteBlob,
  type RemoteCapabilities,
  type RemoteTransport,
  type ResultQuery,
  type TransportCounters,
} from './transport.js';

const REAPI = '/build.bazel.remote.execution.v2.';
const CAPABILITIES: MethodPath = `${REAPI}Capabilities/GetCapabilities`;
const FIND_MISSING: MethodPath = `${REAPI}ContentAddressableStorage/FindMissingBlobs`;
const BATCH_READ: MethodPath = `${REAPI}ContentAddressableStorage/BatchReadBlobs`;
const BATCH_UPDATE: MethodPath = `${REAPI}ContentAddressableStorage/BatchUpdateBlobs`;
const READ: MethodPath = '/google.bytestream.ByteStream/Read';
const WRITE: MethodPath = '/google.bytestream.ByteStream/Write';
const GET_RESULT: MethodPath = `${REAPI}ActionCache/GetActionResult`;
const UPDATE_RESULT: MethodPath = `${REAPI}ActionCache/UpdateActionResult`;
const EXECUTE: MethodPath = `${REAPI}Execution/Execute`;
const WAIT_EXECUTION: MethodPath = `${REAPI}Execution/WaitExecution`;
const CANCEL: MethodPath = '/google.longrunning.Operations/CancelOperation';

const MIB = 1024 * 1024;
const MOST_BATCH_BYTES = 4 * MIB;
/** Room for what surrounds the blobs of a batch. */
const BATCH_MARGIN = 128 * 1024;
const CHUNK_BYTES = MIB;

export interface GrpcSettings {
  /** Has passed `checkAddress`. */
  readonly url: string;
  readonly instance?: string;
  /** Contents of PEM files. */
  readonly tls?: TlsFiles;
  /** Sent with each call, so they can hold credentials. Never shown. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Of pyflow, for the logs of the server. */
  readonly version: string;
  /** How often the connection is tested while calls wait; 30 s. */
  readonly keepaliveMs?: number;
}

/** Loads the library. Connects with the first call. Throws a `RemoteError` for certificates and headers that can't be used. */
export async function openGrpc({ url, instance = '', version, ...settings }: GrpcSettings): Promise<RemoteTransport> {
  const library = await import('./grpc-library.js');
  const metadata = messages.RequestMetadata.encode({ toolDetails: { toolName: 'pyflow', toolVersion: version } });
  const connection = new GrpcConnection(library, {
    ...settings,
    address: addressOf(url),
    userAgent: `pyflow/${version}`,
    binaryHeaders: { 'build.bazel.remote.execution.v2.requestmetadata-bin': metadata },
  });
  return new GrpcTransport(connection, instance, { bytes: MOST_BATCH_BYTES - BATCH_MARGIN });
}

class GrpcTransport implements RemoteTransport {
  constructor(
    private readonly connection: GrpcConnection,
    private readonly instanceName: string,
    private readonly batch: { bytes: number },
  ) {}

  get counters(): TransportCounters {
    return this.connection.counter.counters;
  }

  get batchBytes(): number {
    return this.batch.bytes;
  }

  forInstance(instance: string): RemoteTransport {
    return new GrpcTransport(this.connection, instance, this.batch);
  }

  close(): void {
    this.connection.close();
  }

  async capabilities(limits: CallLimits): Promise<RemoteCapabilities> {
    const request = this.capabilitiesRequest();
    const capabilities = toCapabilities(await this.ask(CAPABILITIES, request, messages.ServerCapabilities, limits));
    const most = Math.min(capabilities.maxBatchBytes ?? Infinity, MOST_BATCH_BYTES);
    this.batch.bytes = Math.max(most - BATCH_MARGIN, most / 2);
    return capabilities;
  }

  async probe(limits: CallLimits): Promise<void> {
    await this.connection.unary(CAPABILITIES, this.capabilitiesRequest(), limits, false);
  }

  async findMissing(digests: readonly Digest[], limits: CallLimits): Promise<ReadonlySet<Digest>> {
    const { instanceName } = this;
    const asked = new Set(digests);
    asked.delete(EMPTY_DIGEST);
    const all = [...asked];
    const parts: Promise<MissingMessage>[] = [];
    for (let at = 0; at < all.length; at += messages.MOST_DIGESTS) {
      const blobDigests = all.slice(at, at + messages.MOST_DIGESTS);
      const request = messages.FindMissingBlobsRequest.encode({ instanceName, blobDigests, ...SHA256 });
      parts.push(this.ask(FIND_MISSING, request, messages.FindMissingBlobsResponse, limits));
    }
    const missing = (await Promise.all(parts)).flatMap(({ missingBlobDigests }) => missingBlobDigests);
    return new Set(missing.filter((digest) => asked.has(digest)));
  }

  async readBatch(digests: readonly Digest[], limits: CallLimits): Promise<BatchRead> {
    const { instanceName } = this;
    const asked = new Set(digests);
    const blobs = new Map<Digest, Buffer>();
    const failed = new Map<Digest, RemoteError>();
    if (asked.delete(EMPTY_DIGEST)) blobs.set(EMPTY_DIGEST, Buffer.alloc(0));
    if (asked.size === 0) return { blobs, failed };
    const request = messages.BatchReadBlobsRequest.encode({ instanceName, digests: [...asked], ...SHA256 });
    const { responses } = await this.ask(BATCH_READ, request, messages.BatchReadBlobsResponse, limits);
    for (const { digest, data, status, compressor } of responses) {
      if (digest === undefined || !asked.delete(digest)) continue;
      const error =
        this.statusError(BATCH_READ, status) ??
        (compressor === 0 && isBlob(digest, data) ? undefined : corrupt(BATCH_READ, digest));
      if (error === undefined) blobs.set(digest, asBuffer(data));
      else failed.set(digest, error);
    }
    for (const digest of asked) failed.set(digest, unanswered(BATCH_READ, digest));
    return { blobs, failed };
  }

  async writeBatch(blobs: readonly RemoteBlob[], limits: CallLimits): Promise<ReadonlyMap<Digest, RemoteError>> {
    const { instanceName } = this;
    const asked = new Map(blobs.map(({ digest, bytes }) => [digest, bytes]));
    asked.delete(EMPTY_DIGEST);
    const refused = new Map<Digest, RemoteError>();
    if (asked.size === 0) return refused;
    const requests = [...asked].map(([digest, data]) => ({ digest, data, compressor: 0 }));
    const request = messages.BatchUpdateBlobsRequest.encode({ instanceName, requests, ...SHA256 });
    const { responses } = await this.ask(BATCH_UPDATE, request, messages.BatchUpdateBlobsResponse, limits);
    for (const { digest, status } of responses) {
      if (digest === undefined || !asked.delete(digest)) continue;
      const error = this.statusError(BATCH_UPDATE, status);
      if (error !== undefined && error.status !== STATUS.ALREADY_EXISTS) refused.set(digest, error);
    }
    for (const digest of asked.keys()) refused.set(digest, unanswered(BATCH_UPDATE, digest));
    return refused;
  }

  async *readStream(digest: Digest, limits: CallLimits): AsyncGenerator<Buffer, void, undefined> {
    const size = sizeOf(digest);
    if (size === 0) return;
    const request = messages.ReadRequest.encode({ resourceName: this.resource(digest) });
    const hash = createHash('sha256');
    let received = 0;
    for await (const message of this.connection.serverStream(READ, request, limits, size)) {
      const data = asBuffer(this.decoded(READ, messages.ReadResponse, message).data);
      received += data.length;
      if (received > size) throw corrupt(READ, digest);
      hash.update(data);
      if (data.length > 0) yield data;
    }
    if (received !== size || hash.digest('hex') !== hexOf(digest)) throw corrupt(READ, digest);
  }

  async writeStream(digest: Digest, chunks: AsyncIterable<Uint8Array>, limits: CallLimits): Promise<void> {
    const size = sizeOf(digest);
    if (size === 0) return;
    const requests = writeRequests(this.resource(digest, `uploads/${randomUUID()}/`), size, chunks);
    const answer = await this.connection.clientStream(WRITE, requests, limits, size);
    const { committedSize } = this.decoded(WRITE, messages.WriteResponse, answer);
    if (committedSize !== size) {
      throw new RemoteError(STATUS.DATA_LOSS, methodOf(WRITE), `the server stored ${committedSize} of ${size} bytes`);
    }
  }

  async getResult({ key, inlineOutputFiles = [] }: ResultQuery, limits: CallLimits): Promise<Buffer | undefined> {
    const { instanceName } = this;
    const query = { instanceName, actionDigest: key, inlineOutputFiles, ...SHA256 };
    try {
      return await this.connection.unary(GET_RESULT, messages.GetActionResultRequest.encode(query), limits);
    } catch (error) {
      if (error instanceof RemoteError && error.status === STATUS.NOT_FOUND) return undefined;
      throw error;
    }
  }

  async putResult(key: ActionKey, actionResult: Uint8Array, limits: CallLimits): Promise<void> {
    const { instanceName } = this;
    const update = { instanceName, actionDigest: key, actionResult, ...SHA256 };
    await this.connection.unary(UPDATE_RESULT, messages.UpdateActionResultRequest.encode(update), limits);
  }

  execute(
    { action, skipCacheLookup = false, inlineOutputFiles = [] }: ExecutionRequest,
    limits: CallLimits,
  ): AsyncGenerator<ExecutionUpdate, void, undefined> {
    const request = messages.ExecuteRequest.encode({
      instanceName: this.instanceName,
      actionDigest: action,
      skipCacheLookup,
      inlineOutputFiles,
      ...SHA256,
    });
    return this.updates(EXECUTE, request, limits);
  }

  waitExecution(operation: string, limits: CallLimits): AsyncGenerator<ExecutionUpdate, void, undefined> {
    return this.updates(WAIT_EXECUTION, messages.WaitExecutionRequest.encode({ name: operation }), limits);
  }

  async cancel(operation: string, limits: CallLimits): Promise<void> {
    await this.connection.unary(CANCEL, messages.CancelOperationRequest.encode({ name: operation }), limits);
  }

  private async *updates(
    path: MethodPath,
    request: Buffer,
    limits: CallLimits,
  ): AsyncGenerator<ExecutionUpdate, void, undefined> {
    for await (const message of this.connection.serverStream(path, request, limits)) {
      const operation = this.decoded(path, messages.Operation, message);
      const update = toUpdate(methodOf(path), operation, (text) => this.connection.withoutSecrets(text));
      yield update;
      if (update.outcome !== undefined) return;
    }
    throw new RemoteError(STATUS.UNAVAILABLE, methodOf(path), 'the server ended the stream before the execution');
  }

  private capabilitiesRequest(): Buffer {
    return messages.GetCapabilitiesRequest.encode({ instanceName: this.instanceName });
  }

  private async ask<T>(path: MethodPath, request: Buffer, type: MessageType<T>, limits: CallLimits): Promise<T> {
    return this.decoded(path, type, await this.connection.unary(path, request, limits));
  }

  private decoded<T>(path: MethodPath, type: MessageType<T>, bytes: Buffer): T {
    const value = type.decode(bytes);
    if (value === undefined)
      throw new RemoteError(STATUS.INTERNAL, methodOf(path), 'the server sent an invalid message');
    return value;
  }

  private statusError(path: MethodPath, status: messages.StatusMessage | undefined): RemoteError | undefined {
    return statusError(methodOf(path), status, (text) => this.connection.withoutSecrets(text));
  }

  private resource(digest: Digest, prefix = ''): string {
    return `${this.instanceName === '' ? '' : `${this.instanceName}/`}${prefix}blobs/${digest}`;
  }
}

const SHA256 = { digestFunction: messages.SHA256 };
type MissingMessage = { readonly missingBlobDigests: readonly Digest[] };

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const isBlob = (digest: Digest, bytes: Uint8Array): boolean =>
  bytes.byteLength === sizeOf(digest) && sha256Hex(bytes) === hexOf(digest);

const corrupt = (path: MethodPath, digest: Digest): RemoteError =>
  new RemoteError(STATUS.DATA_LOSS, methodOf(path), `the server sent other bytes for ${digest}`);
const unanswered = (path: MethodPath, digest: Digest): RemoteError =>
  new RemoteError(STATUS.INTERNAL, methodOf(path), `the server did not answer for ${digest}`);

/** Chunks of any size as requests of 1 MiB. The last one says that it is the last. Keeps no chunk after the next one is asked for. */
async function* writeRequests(
  resourceName: string,
  size: number,
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Buffer, void, undefined> {
  let writeOffset = 0;
  const buffer = Buffer.allocUnsafe(Math.min(size, CHUNK_BYTES));
  let held = 0;
  const request = (): Buffer => {
    const data = buffer.subarray(0, held);
    const finishWrite = writeOffset + held === size;
    const encoded = messages.WriteRequest.encode({
      ...(writeOffset === 0 && { resourceName }),
      writeOffset,
      finishWrite,
      data,
    });
    writeOffset += held;
    held = 0;
    return encoded;
  };
  for await (let chunk of chunks) {
    while (chunk.length > 0) {
      const part = chunk.subarray(0, CHUNK_BYTES - held);
      chunk = chunk.subarray(part.length);
      if (writeOffset + held + part.length > size) throw wrongSource(size);
      buffer.set(part, held);
      held += part.length;
      if (held === CHUNK_BYTES) yield request();
    }
  }
  if (writeOffset + held !== size) throw wrongSource(size);
  if (held > 0) yield request();
}

const wrongSource = (size: number): RemoteError =>
  new RemoteError(STATUS.INVALID_ARGUMENT, methodOf(WRITE), `the blob to send does not have ${size} bytes`);
