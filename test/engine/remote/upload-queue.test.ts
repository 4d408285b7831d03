import { expect } from 'chai';
import { digestOf, type ActionKey } from '../../../src/engine/files/digest.js';
import { Connection } from '../../../src/engine/remote/connection.js';
import { openGrpc } from '../../../src/engine/remote/grpc-transport.js';
import { readRemoteSettings } from '../../../src/engine/remote/settings.js';
import { UploadQueue } from '../../../src/engine/remote/upload-queue.js';
import { MemoryReapi } from '../../support/memory-reapi.js';

/** More than a batch can have. */
const LARGE = 4.5 * 1024 ** 2;

describe('engine/remote/upload-queue', () => {
  it('begins nothing after its time', async () => {
    const server = await MemoryReapi.start();
    const settings = await readRemoteSettings({ url: server.url, write: true, execute: false, env: {} }, {});
    if (!settings.ok) throw new Error('no settings');
    const connection = new Connection({
      settings: settings.value,
      open: ({ url }) => openGrpc({ url, version: 'test' }),
      signal: new AbortController().signal,
      onOff: (_what, error) => expect.fail(error.message),
    });
    try {
      let begin: () => void = () => undefined;
      let goOn: () => void = () => undefined;
      const hasBegun = new Promise<void>((resolve) => (begin = resolve));
      const mayGoOn = new Promise<void>((resolve) => (goOn = resolve));
      server.onCall = async (method) => {
        if (method !== 'Write') return;
        if (server.calls.get('Write') === 4) begin();
        await mayGoOn;
      };
      const queue = new UploadQueue(connection, '', () => expect.fail('all blobs are in memory'));
      const blobs = Array.from({ length: 7 }, (_, index) => Buffer.alloc(LARGE, `blob ${index} `));
      queue.offer(async () => ({
        key: digestOf('key') as ActionKey,
        result: Buffer.from(''),
        blobs: new Map(blobs.map((bytes) => [digestOf(bytes), bytes])),
        stored: [],
      }));
      await hasBegun;
      await queue.drain(0);
      goOn();
      await queue.drain(10_000);
      expect(server.calls.get('Write')).to.equal(4);
      expect(server.blobs.size).to.equal(4);
      expect(server.results.size).to.equal(0);
      expect(queue.notUploaded).to.equal(1);
    } finally {
      connection.close();
      server.stop();
    }
  });
});
