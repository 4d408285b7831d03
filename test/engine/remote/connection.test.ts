import { expect } from 'chai';
import { Connection } from '../../../src/engine/remote/connection.js';
import { RemoteError, STATUS } from '../../../src/engine/remote/transport.js';

describe('engine/remote/connection', () => {
  const failure = new RemoteError(STATUS.UNAVAILABLE, 'GetCapabilities', 'the server does not answer');
  const told: string[] = [];
  const connect = (): Connection =>
    new Connection({
      settings: {} as never,
      open: () => Promise.reject(failure),
      signal: new AbortController().signal,
      onOff: (what) => told.push(what),
    });
  beforeEach(() => (told.length = 0));

  it('says once that the server is off', async () => {
    const connection = connect();
    await connection.whenReady();
    connection.giveUp(failure);
    expect(told).to.deep.equal(['all']);
  });

  it('says nothing after its end, when a probe that was on its way fails', () => {
    const connection = connect();
    connection.close();
    connection.giveUp(failure);
    expect(told).to.deep.equal([]);
    expect(connection.isOff('read')).to.equal(true);
  });
});
