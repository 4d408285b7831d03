// A remote cache in the memory of the test, behind real gRPC. It can be told to lie.

import { digestOf, hexOf, sizeOf, type Digest } from '../../src/engine/files/digest.js';
import * as messages from '../../src/engine/remote/messages.js';
import { STATUS } from '../../src/engine/remote/transport.js';
import { ReapiServer, StatusFailure, type Answer } from './reapi-server.js';

export class MemoryReapi {
  /** Encoded results, by the key of the action. */
  readonly results = new Map<string, Buffer>();
  readonly blobs = new Map<Digest, Buffer>();
  /** Number of calls, by method. */
  readonly calls = new Map<string, number>();
  /** What the server hands out for a stored result. */
  onResult: (key: string, stored: Buffer) => Buffer = (_key, stored) => stored;
  /** What it hands out for a stored blob; undefined to deny that it has it. */
  onBlob: (digest: Digest, stored: Buffer) => Buffer | undefined = (_digest, stored) => stored;
  /** Fails a whole batch for one missing blob, as kajiya does. */
  failsBatches = false;
  /** Throws to refuse a call, or takes its time. */
  onCall: (method: string, headers: Readonly<Record<string, string>>) => void | Promise<void> = () => undefined;
  #server: ReapiServer | undefined;

  static async start(): Promise<MemoryReapi> {
    const memory = new MemoryReapi();
    memory.#server = await ReapiServer.start(memory.#answers());
    return memory;
  }

  get url(): string {
    return this.#server!.url;
  }

  stop(): void {
    this.#server?.stop();
  }

  put(bytes: Buffer): Digest {
    const digest = digestOf(bytes);
    this.blobs.set(digest, bytes);
    return digest;
  }

  #answers(): Readonly<Record<string, Answer>> {
    const answers: Readonly<Record<string, (request: Buffer) => Buffer | readonly Buffer[]>> = {
      'Capabilities/GetCapabilities': () => CAPABILITIES,
      'ContentAddressableStorage/FindMissingBlobs': (request) => this.#findMissing(request),
      'ContentAddressableStorage/BatchReadBlobs': (request) => this.#read(request),
      'ContentAddressableStorage/BatchUpdateBlobs': (request) => this.#write(request),
      'ByteStream/Read': (request) => this.#stream(request),
      'ActionCache/GetActionResult': (request) => this.#getResult(request),
      'ActionCache/UpdateActionResult': (request) => this.#putResult(request),
    };
    const all = Object.entries(answers).map(([path, answer]): [string, Answer] => {
      const method = path.slice(path.indexOf('/') + 1);
      return [path, (request, { headers }) => this.#answer(method, headers, () => answer(request))];
    });
    return Object.fromEntries([
      ...all,
      ['ByteStream/Write', (_, call) => this.#answer('Write', call.headers, () => this.#upload(call.uploaded))],
    ] satisfies [string, Answer][]);
  }

  async *#answer(
    method: string,
    headers: Readonly<Record<string, string>>,
    answer: () => Buffer | readonly Buffer[] | Promise<Buffer>,
  ): AsyncGenerator<Buffer> {
    this.calls.set(method, (this.calls.get(method) ?? 0) + 1);
    await this.onCall(method, headers);
    yield* [await answer()].flat();
  }

  #findMissing(request: Buffer): Buffer {
    const { blobDigests } = messages.FindMissingBlobsRequest.decode(request)!;
    const missingBlobDigests = blobDigests.filter((digest) => !this.blobs.has(digest));
    return messages.FindMissingBlobsResponse.encode({ missingBlobDigests });
  }

  #read(request: Buffer): Buffer {
    const { digests } = messages.BatchReadBlobsRequest.decode(request)!;
    const responses = digests.map((digest) => {
      const stored = this.blobs.get(digest);
      const data = stored && this.onBlob(digest, stored);
      if (data === undefined && this.failsBatches) throw new StatusFailure(STATUS.INTERNAL, digest);
      const status = { code: data === undefined ? STATUS.NOT_FOUND : 0, message: '', details: [] };
      return { digest, data: data ?? Buffer.alloc(0), status, compressor: 0 };
    });
    return messages.BatchReadBlobsResponse.encode({ responses });
  }

  #stream(request: Buffer): readonly Buffer[] {
    const digest = messages.ReadRequest.decode(request)!.resourceName.split('blobs/')[1] as Digest;
    const stored = this.blobs.get(digest);
    const bytes = stored && this.onBlob(digest, stored);
    if (bytes === undefined) throw new StatusFailure(STATUS.NOT_FOUND, digest);
    const parts = Array.from({ length: Math.ceil(bytes.length / MIB) }, (_, part) =>
      bytes.subarray(part * MIB, (part + 1) * MIB),
    );
    return parts.map((data) => messages.ReadResponse.encode({ data }));
  }

  async #upload(requests: AsyncIterable<Buffer>): Promise<Buffer> {
    const parts: Buffer[] = [];
    for await (const request of requests) parts.push(Buffer.from(messages.WriteRequest.decode(request)!.data));
    return messages.WriteResponse.encode({ committedSize: sizeOf(this.put(Buffer.concat(parts))) });
  }

  #write(request: Buffer): Buffer {
    const { requests } = messages.BatchUpdateBlobsRequest.decode(request)!;
    const responses = requests.map(({ digest, data }) => {
      this.blobs.set(digest!, Buffer.from(data));
      return { digest, status: undefined };
    });
    return messages.BatchUpdateBlobsResponse.encode({ responses });
  }

  #getResult(request: Buffer): Buffer {
    const { actionDigest, instanceName } = messages.GetActionResultRequest.decode(request)!;
    const key = nameOf(instanceName, actionDigest!);
    const stored = this.results.get(key);
    if (stored === undefined) throw new StatusFailure(STATUS.NOT_FOUND, hexOf(actionDigest!));
    return this.onResult(key, stored);
  }

  #putResult(request: Buffer): Buffer {
    const { actionDigest, actionResult, instanceName } = messages.UpdateActionResultRequest.decode(request)!;
    this.results.set(nameOf(instanceName, actionDigest!), Buffer.from(actionResult!));
    return Buffer.from(actionResult!);
  }
}

const MIB = 1024 * 1024;

/** The digest, with the instance before it unless that is the default one. */
const nameOf = (instance: string, digest: Digest): string => (instance === '' ? digest : `${instance} ${digest}`);

const CAPABILITIES = messages.ServerCapabilities.encode({
  cacheCapabilities: {
    digestFunctions: [messages.SHA256],
    actionCacheUpdateCapabilities: { updateEnabled: true },
    maxBatchTotalSizeBytes: 0,
    supportedCompressors: [],
    maxCasBlobSizeBytes: 0,
  },
  lowApiVersion: { major: 2, minor: 0, patch: 0, prerelease: '' },
  highApiVersion: { major: 2, minor: 3, patch: 0, prerelease: '' },
});
