import { expect } from 'chai';
import { Breaker, type Off } from '../../../src/engine/remote/breaker.js';
import { RemoteError, STATUS } from '../../../src/engine/remote/transport.js';

describe('engine/remote/breaker', () => {
  let off: Off[];
  let interruption: AbortController;
  let breaker: Breaker;
  beforeEach(() => {
    off = [];
    interruption = new AbortController();
    breaker = new Breaker({ signal: interruption.signal, onOff: (what) => off.push(what) });
  });
  const failWith =
    (status: number) =>
    (_signal: AbortSignal): Promise<never> =>
      Promise.reject(new RemoteError(status, 'Test', ''));
  const end = async (status: number, kind: 'read' | 'write' = 'read'): Promise<void> => {
    expect((await breaker.call(kind, failWith(status))).ok).to.equal(false);
  };

  for (const [name, status] of Object.entries(STATUS)) {
    const isTrouble = ['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'RESOURCE_EXHAUSTED', 'INTERNAL', 'UNKNOWN'].includes(name);
    const isRefusal = ['UNAUTHENTICATED', 'PERMISSION_DENIED'].includes(name);
    const expected = isTrouble ? ['all'] : isRefusal ? ['all'] : [];
    it(`${expected.length > 0 ? 'turns all off' : 'goes on'} after reads that end with ${name}`, async () => {
      for (let count = 0; count < 5; count++) await end(status);
      expect(off).to.deep.equal(expected);
      expect(breaker.isOff('read')).to.equal(expected.length > 0);
    });
  }

  it('needs three failures in a row, of reads and writes together', async () => {
    await end(STATUS.INTERNAL);
    await end(STATUS.INTERNAL, 'write');
    await breaker.call('read', () => Promise.resolve(1));
    await end(STATUS.INTERNAL);
    await end(STATUS.NOT_FOUND);
    await end(STATUS.INTERNAL);
    await end(STATUS.DEADLINE_EXCEEDED, 'write');
    expect(off).to.deep.equal([]);
    await end(STATUS.INTERNAL);
    expect(off).to.deep.equal(['all']);
  });

  it('turns only writing off when a write is refused', async () => {
    await end(STATUS.UNAUTHENTICATED, 'write');
    await end(STATUS.PERMISSION_DENIED, 'write');
    expect(off).to.deep.equal(['writing']);
    expect([breaker.isOff('read'), breaker.isOff('write')]).to.deep.equal([false, true]);
  });

  it('cancels the calls in flight when it opens, and makes no more', async () => {
    const seen: AbortSignal[] = [];
    const pending = breaker.call('read', (signal) => {
      seen.push(signal);
      return new Promise((_, reject) =>
        signal.addEventListener('abort', () => reject(new RemoteError(STATUS.CANCELLED, 'Test', ''))),
      );
    });
    breaker.open('all', new RemoteError(STATUS.UNAVAILABLE, 'GetCapabilities', ''));
    expect((await pending).ok).to.equal(false);
    await end(STATUS.INTERNAL);
    expect(seen.length).to.equal(1);
    expect(off).to.deep.equal(['all']);
  });

  it('repeats a call once if the server was unavailable', async () => {
    let calls = 0;
    const result = await breaker.call('read', () => {
      calls++;
      return calls === 1 ? failWith(STATUS.UNAVAILABLE)(interruption.signal) : Promise.resolve('here');
    });
    expect(result).to.deep.equal({ ok: true, value: 'here' });
    calls = 0;
    await breaker.call('read', () => {
      calls++;
      return failWith(STATUS.INTERNAL)(interruption.signal);
    });
    expect(calls).to.equal(1);
  });

  it('ends calls without a word when the run is interrupted', async () => {
    interruption.abort();
    await end(STATUS.INTERNAL);
    expect(off).to.deep.equal([]);
    expect(breaker.isOff('write')).to.equal(true);
  });

  it('passes on what is no failure of a call', async () => {
    const bug = new TypeError('x');
    const thrown = await breaker.call('read', () => Promise.reject(bug)).catch((error: unknown) => error);
    expect(thrown).to.equal(bug);
  });
});
