import { expect } from 'chai';
import { StallGuard } from '../../../src/engine/remote/stall-guard.js';
import { RemoteError, STATUS } from '../../../src/engine/remote/transport.js';

describe('engine/remote/stall-guard', () => {
  const silent = new RemoteError(STATUS.DEADLINE_EXCEEDED, 'GetCapabilities', 'no answer');

  it('asks the server when calls make no progress, and tells of a stall if it does not answer', async () => {
    let probes = 0;
    const error = await new Promise((onStall) => {
      const probe = () => Promise.resolve(++probes === 3 ? silent : undefined);
      void new StallGuard({ probe, onStall, quietMs: 3 }).watch(new Promise(() => undefined));
    });
    expect(error).to.equal(silent);
    expect(probes, 'an answer is progress').to.equal(3);
  });

  it('still doubts the server after a call that failed', async () => {
    const stalls: RemoteError[] = [];
    const onStall = (error: RemoteError): void => void stalls.push(error);
    const guard = new StallGuard({ probe: () => Promise.resolve(silent), onStall, quietMs: 30 });
    // None of the calls lasts long enough for a probe.
    for (let count = 0; count < 1000 && stalls.length === 0; count++) {
      const call = new Promise((_, reject) => setTimeout(() => reject(silent), 15));
      await guard.watch(call).catch(() => undefined);
    }
    expect(stalls[0]).to.equal(silent);
  });

  it('never probes while calls end well', async () => {
    let probes = 0;
    const probe = () => Promise.resolve((probes++, silent));
    const guard = new StallGuard({ probe, onStall: () => undefined, quietMs: 10_000 });
    for (let count = 0; count < 100; count++) expect(await guard.watch(Promise.resolve(count))).to.equal(count);
    expect(probes).to.equal(0);
  });
});
