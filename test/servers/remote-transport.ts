// The remote transport against a real server of any kind.

import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import * as fc from 'fast-check';
import { digestOf, type ActionKey, type Digest } from '../../src/engine/files/digest.js';
import { openGrpc } from '../../src/engine/remote/grpc-transport.js';
import {
  RemoteError,
  splitBatches,
  STATUS,
  type CallLimits,
  type RemoteTransport,
} from '../../src/engine/remote/transport.js';
import { buildTree, type NewEntry } from '../../src/engine/trees/directories.js';
import { decodeActionResult, encodeActionResult } from '../../src/engine/trees/reapi-result.js';
import { decodeDirectory, encodeDirectory } from '../../src/engine/trees/reapi.js';
import { FaultProxy } from '../support/fault-proxy.js';
import type { CacheServer, CacheServerKind } from '../support/servers/cache-server.js';

const MIB = 1024 * 1024;
export const limits = (deadlineMs = 60_000): CallLimits => ({ signal: new AbortController().signal, deadlineMs });
export const transportTo = (url: string): Promise<RemoteTransport> => openGrpc({ url, version: 'test' });

async function collect(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}
async function* inOne(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** Puts what is missing, in batches and streams, four at once. */
export async function put(transport: RemoteTransport, blobs: ReadonlyMap<Digest, Buffer>): Promise<void> {
  const missing = await transport.findMissing([...blobs.keys()], limits());
  const { batches, streams } = splitBatches(missing, transport.batchBytes);
  await inTurns(batches, async (batch) => {
    const refused = await transport.writeBatch(
      batch.map((digest) => ({ digest, bytes: blobs.get(digest)! })),
      limits(),
    );
    expect([...refused]).to.deep.equal([]);
  });
  for (const digest of streams) await transport.writeStream(digest, inOne(blobs.get(digest)!), limits());
}

async function get(transport: RemoteTransport, digests: Iterable<Digest>): Promise<ReadonlyMap<Digest, Buffer>> {
  const found = new Map<Digest, Buffer>();
  const { batches, streams } = splitBatches(new Set(digests), transport.batchBytes);
  await inTurns(batches, async (batch) => {
    const { blobs, failed } = await transport.readBatch(batch, limits());
    expect([...failed]).to.deep.equal([]);
    for (const [digest, bytes] of blobs) found.set(digest, bytes);
  });
  for (const digest of streams) found.set(digest, await collect(transport.readStream(digest, limits())));
  return found;
}

async function inTurns<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = [...items];
  const worker = async (): Promise<void> => {
    for (let item = rest.shift(); item !== undefined; item = rest.shift()) await work(item);
  };
  await Promise.all([worker(), worker(), worker(), worker()]);
}

/** Tests of the calls that a cache needs, with a server of this kind. */
export function testRemoteTransport(kind: CacheServerKind): void {
  let server: CacheServer;
  let transport: RemoteTransport;
  before(async function () {
    kind.need(this);
    server = await kind.start();
    transport = await transportTo(server.url);
  });
  after(async () => {
    transport?.close();
    await server?.stop();
  });

  it('hears what the server can do, over TCP and over a socket if it has one', async () => {
    for (const url of [server.url, ...server.socketUrls]) {
      const one = await transportTo(url);
      expect(await one.capabilities(limits())).to.include({ cache: true, updatesResults: true, executes: false });
      expect(one.batchBytes).to.equal(4 * MIB - 128 * 1024);
      one.close();
    }
  });

  it('sends a thousand random trees and gets them back, with equal digests', async () => {
    const blobs = new Map<Digest, Buffer>();
    const roots = randomTrees(1000, blobs);
    await put(transport, blobs);
    expect(await transport.findMissing([...blobs.keys()], limits())).to.have.property('size', 0);

    const other = await transportTo(server.url);
    try {
      let level: readonly Digest[] = roots;
      const files = new Set<Digest>();
      let directories = 0;
      while (level.length > 0) {
        const bytes = await get(other, level);
        const next = new Set<Digest>();
        for (const digest of level) {
          const directory = decodeDirectory(bytes.get(digest)!)!;
          expect(digestOf(encodeDirectory(directory))).to.equal(digest);
          for (const child of directory.directories) next.add(child.digest);
          for (const file of directory.files) files.add(file.digest);
          directories++;
        }
        level = [...next];
      }
      expect(directories).to.be.greaterThan(1000);
      const contents = await get(other, files);
      for (const digest of files) expect(contents.get(digest)!.equals(blobs.get(digest)!)).to.equal(true);
    } finally {
      other.close();
    }
  }).timeout(120_000);

  it('sends a file of 5 MB in a stream, and gets it back', async () => {
    const large = randomBytes(5_000_000);
    const digest = digestOf(large);
    expect(splitBatches([digest], transport.batchBytes).streams).to.deep.equal([digest]);
    await transport.writeStream(digest, inOne(large), limits());
    // The server has it now, and may answer before all is sent.
    await transport.writeStream(digest, inOne(large), limits());
    expect((await collect(transport.readStream(digest, limits()))).equals(large)).to.equal(true);
  });

  it('names missing blobs, and a refusal of wrong bytes', async () => {
    const there = Buffer.from('there');
    const [digest, missing] = [digestOf(there), digestOf('missing')];
    await put(transport, new Map([[digest, there]]));
    const { blobs, failed } = await transport.readBatch([missing, digest], limits());
    expect([...blobs.keys()]).to.deep.equal([digest]);
    expect(failed.get(missing)?.status).to.equal(STATUS.NOT_FOUND);
    const gone = await collect(transport.readStream(missing, limits())).catch((error: unknown) => error);
    expect((gone as RemoteError).status).to.equal(STATUS.NOT_FOUND);

    const claimed = digestOf('what was claimed');
    const refused = await transport.writeBatch([{ digest: claimed, bytes: Buffer.from('what was sent ..') }], limits());
    expect([...refused.keys()]).to.deep.equal([claimed]);
    const streamed = await transport
      .writeStream(claimed, inOne(Buffer.from('what was sent ..')), limits())
      .catch((error: unknown) => error);
    expect(streamed).to.be.instanceOf(RemoteError);
    expect([...(await transport.findMissing([claimed, digest], limits()))]).to.deep.equal([claimed]);
  });

  it('keeps a result with its metadata, byte for byte', async () => {
    const content = Buffer.from('{"port":1}');
    await put(transport, new Map([[digestOf(content), content]]));
    const result = encodeActionResult({
      outputFiles: [{ path: 'out/result.json', digest: digestOf(content), executable: false, contents: content }],
      outputDirectories: [],
      outputSymlinks: [],
      exitCode: 0,
      metadata: { worker: 'pyflow', auxiliaryMetadata: [{ typeUrl: 'example/signature', value: randomBytes(64) }] },
    });
    const key = digestOf(randomBytes(8)) as ActionKey;
    expect(await transport.getResult({ key }, limits())).to.equal(undefined);
    await transport.putResult(key, result, limits());
    const back = await transport.getResult({ key, inlineOutputFiles: ['out/result.json'] }, limits());
    expect(decodeActionResult(back!)).to.deep.equal(decodeActionResult(result));
  });

  it('takes 50 MB at a round trip of 40 ms in no more than a few times what it takes at none', async () => {
    const blobs = new Map<Digest, Buffer>();
    for (let index = 0; index < 1000; index++) {
      const bytes = randomBytes(50_000);
      blobs.set(digestOf(bytes), bytes);
    }
    await put(transport, blobs);
    const proxy = await FaultProxy.start(server.address);
    const times: number[] = [];
    try {
      for (const delayMs of [0, 20]) {
        const far = await transportTo(proxy.url);
        await far.capabilities(limits());
        proxy.delayMs = delayMs;
        const start = performance.now();
        const found = await get(far, blobs.keys());
        times.push(performance.now() - start);
        far.close();
        proxy.delayMs = 0;
        expect(found.size).to.equal(1000);
      }
    } finally {
      await proxy.stop();
    }
    const [near = 0, far = 0] = times;
    console.log(
      `      (50 MB: ${near.toFixed(0)} ms, with 20 ms each way ${far.toFixed(0)} ms, ${(far / near).toFixed(1)} times)`,
    );
    // With the default window it takes more than 30 s.
    expect(far).to.be.lessThan(Math.max(3 * near, 8000));
  }).timeout(120_000);

  it('fails every call when the server is killed, and works again when it is back', async () => {
    const own = await kind.start();
    const there = await transportTo(own.url);
    try {
      await there.capabilities(limits());
      await own.kill();
      const error = await there.capabilities(limits()).catch((reason: unknown) => reason);
      expect((error as RemoteError).status).to.equal(STATUS.UNAVAILABLE);
      await own.resume();
      const again = await transportTo(own.url);
      expect(await again.capabilities(limits())).to.include({ cache: true });
      again.close();
    } finally {
      there.close();
      await own.stop();
    }
  });
}

/** A file system with links, empty folders, executables and names from all of Unicode; adds the blobs, returns the roots. */
export function randomTrees(
  count: number,
  blobs: Map<Digest, Buffer>,
  target: fc.Arbitrary<string> = fc.string({ minLength: 1, maxLength: 20 }),
): readonly Digest[] {
  const name = fc
    .oneof(
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }),
      fc.constantFrom('a', 'b', '\u{10ffff}', '\uffff', 'é'),
    )
    .filter((text) => !/[/\0]/.test(text) && text !== '.' && text !== '..');
  const content = fc.oneof(
    fc.constant(Buffer.alloc(0)),
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  );
  const file = fc.record({ content, executable: fc.boolean() });
  const entry = fc.oneof(
    { weight: 3, arbitrary: file },
    { weight: 1, arbitrary: fc.record({ target }) },
    { weight: 1, arbitrary: fc.constant('folder' as const) },
  );
  const tree = fc.array(fc.tuple(fc.array(name, { minLength: 1, maxLength: 4 }), entry), { maxLength: 12 });
  return fc.sample(tree, count).map((entries) => {
    const taken = new Map<string, NewEntry>();
    for (const [path, what] of entries) {
      const joined = path.join('/');
      const conflicts = [...taken.keys()].some((one) => one.startsWith(`${joined}/`) || joined.startsWith(`${one}/`));
      if (conflicts || taken.has(joined)) continue;
      if (what === 'folder') taken.set(joined, { directory: true });
      else if ('target' in what) taken.set(joined, what);
      else {
        blobs.set(digestOf(what.content), what.content);
        taken.set(joined, { digest: digestOf(what.content), executable: what.executable });
      }
    }
    const built = buildTree([...taken]);
    for (const [digest, directory] of built.directories) blobs.set(digest, encodeDirectory(directory));
    return built.root;
  });
}
