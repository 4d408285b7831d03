import { expect } from 'chai';
import { digestOf, type Digest } from '../../../src/engine/files/digest.js';
import { BlobSender } from '../../../src/engine/remote/blob-sender.js';
import type { BlobSource } from '../../../src/engine/remote/blob-writer.js';
import { Connection } from '../../../src/engine/remote/connection.js';
import { openGrpc } from '../../../src/engine/remote/grpc-transport.js';
import { readRemoteSettings } from '../../../src/engine/remote/settings.js';
import { MemoryReapi } from '../../support/memory-reapi.js';

const NODES = 50;

describe('engine/remote/blob-sender', () => {
  let server: MemoryReapi;
  let connection: Connection;
  let sender: BlobSender;
  beforeEach(async () => {
    server = await MemoryReapi.start();
    const settings = await readRemoteSettings({ url: server.url, write: false, execute: true, env: {} }, {});
    if (!settings.ok) throw new Error('no settings');
    connection = new Connection({
      settings: settings.value,
      open: ({ url }) => openGrpc({ url, version: 'test' }),
      signal: new AbortController().signal,
      onOff: (_what, error) => expect.fail(error.message),
    });
    sender = new BlobSender(connection, '');
  });
  afterEach(() => {
    connection.close();
    server.stop();
  });

  const bytesOf = (text: string): Buffer => Buffer.from(text);
  const nodes = Array.from({ length: NODES }, (_, index) => ['shared', `input ${index}`, `action ${index}`]);
  const sourceOf = (texts: readonly string[], lost?: string): BlobSource => ({
    read: async (digest) =>
      texts
        .filter((text) => text !== lost)
        .map(bytesOf)
        .find((bytes) => digestOf(bytes) === digest),
    chunks: () => expect.fail('all are small'),
  });
  const digestsOf = (texts: readonly string[]): readonly Digest[] => texts.map((text) => digestOf(text));

  it('sends what many nodes need at the same time in few calls', async () => {
    const sent = await Promise.all(nodes.map((texts) => sender.send(digestsOf(texts), sourceOf(texts))));
    expect(sent).to.deep.equal(nodes.map(() => undefined));
    for (const digest of nodes.flatMap(digestsOf)) expect(server.blobs.has(digest)).to.equal(true);
    expect(server.calls.get('FindMissingBlobs')).to.be.within(1, 3);
    expect(server.calls.get('BatchUpdateBlobs')).to.be.within(2, 8);
  });

  it('tells only the node whose input is gone, and does not send its action', async () => {
    const sent = await Promise.all(
      nodes.map((texts, index) => sender.send(digestsOf(texts), sourceOf(texts, index === 7 ? 'input 7' : undefined))),
    );
    expect(sent.flatMap((error, index) => (error === undefined ? [] : [index]))).to.deep.equal([7]);
    expect(sent[7]?.detail).to.contain(digestOf('input 7'));
    expect(server.blobs.has(digestOf('action 7'))).to.equal(false);
    expect(server.blobs.has(digestOf('action 8'))).to.equal(true);
  });

  it('sends again what was forgotten, and nothing else', async () => {
    const [texts = []] = nodes;
    await sender.send(digestsOf(texts), sourceOf(texts));
    server.blobs.delete(digestOf('shared'));
    await sender.send(digestsOf(texts), sourceOf(texts));
    expect(server.blobs.has(digestOf('shared'))).to.equal(false);
    sender.forget(digestsOf(texts));
    await sender.send(digestsOf(texts), sourceOf(texts));
    expect(server.blobs.has(digestOf('shared'))).to.equal(true);
  });
});
