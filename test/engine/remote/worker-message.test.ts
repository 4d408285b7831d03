import { expect } from 'chai';
import * as fc from 'fast-check';
import { encodeWorkerMessage, parseWorkerMessage } from '../../../src/engine/remote/worker-message.js';

const failure = {
  code: 'command::failed',
  blame: 'app',
  title: 'It failed',
  detail: 'one\ntwo',
  remedy: 'Fix it',
} as const;

describe('messages of a worker', () => {
  it('come back as they were sent, behind what else was printed', () => {
    for (const message of [
      { type: 'refused', failure },
      { type: 'failed', failure: { ...failure, subject: 's', retryable: true }, status: 3 },
      { type: 'kept-back' },
      { type: 'kept-back', uncacheable: 'why' },
      { type: 'untellable', reason: 'why' },
      { type: 'lost-input', reason: 'why' },
    ] as const) {
      expect(parseWorkerMessage(`(node:1) Warning: x\n${encodeWorkerMessage(message)}`)).to.deep.equal(message);
    }
  });

  it('are ignored in any other form', () => {
    fc.assert(fc.property(fc.string(), (text) => parseWorkerMessage(text) === undefined));
    fc.assert(fc.property(fc.jsonValue(), (value) => parseWorkerMessage(JSON.stringify(value)) === undefined));
    const changed = (change: object): unknown =>
      parseWorkerMessage(JSON.stringify({ type: 'failed', status: 1, failure: { ...failure, ...change } }));
    expect(changed({})).not.to.equal(undefined);
    for (const change of [
      { code: 'no code' },
      { code: `a::${'b'.repeat(100)}` },
      { blame: 'nobody' },
      { title: 1 },
      { detail: undefined },
      { retryable: false },
      { remedy: 'x'.repeat(1024 * 1024) },
    ])
      expect(changed(change), JSON.stringify(change).slice(0, 80)).to.equal(undefined);
  });

  it('keep only the fields of a failure, with a title of one line', () => {
    const sent = { type: 'refused', failure: { ...failure, title: 'a\nb', known: { x: 1 }, more: 1 } } as const;
    expect(parseWorkerMessage(JSON.stringify(sent))).to.deep.equal({
      type: 'refused',
      failure: { ...failure, title: 'a b' },
    });
  });
});
