import { expect } from 'chai';
import { openLog } from '../../../src/engine/render/log.js';
import { TraceRecorder } from '../../../src/engine/render/trace.js';
import { failedRun, succeededRun } from '../../support/events.js';

interface Span {
  readonly ph: string;
  readonly name: string;
  readonly tid: number;
  readonly ts: number;
  readonly dur: number;
  readonly cat: string;
}

const spansOf = (events: typeof failedRun): Span[] => {
  const recorder = new TraceRecorder();
  for (const event of events) recorder.consume(event);
  return (recorder.toJSON().traceEvents as Span[]).filter(({ ph }) => ph === 'X');
};

describe('engine/render/trace', () => {
  it('has a span for each node, in microseconds and with its outcome', () => {
    const pip = spansOf(failedRun).find(({ name }) => name === 'pip');
    expect(pip).to.include({ ts: 100_000, dur: 2_500_000, cat: 'failed' });
  });

  it('never puts two nodes that overlap into one lane', () => {
    const busy = spansOf(failedRun).filter(({ tid, dur }) => tid > 0 && dur > 0);
    expect(busy.map(({ name }) => name).sort()).to.deep.equal(['assets', 'pip']);
    for (const a of busy) {
      for (const b of busy) {
        if (a !== b && a.tid === b.tid) expect(a.ts >= b.ts + b.dur || b.ts >= a.ts + a.dur).to.equal(true);
      }
    }
  });

  it('has a span for each output', () => {
    const output = { form: 'tar' as const, path: '/a.tar', digest: 'sha256:a', bytes: 5, durationMs: 40 };
    const spans = spansOf([...succeededRun.slice(0, -1), { at: 75_350, type: 'output-written', ...output }]);
    const { name, ts, dur } = spans.at(-1)!;
    expect({ name, ts, dur }).to.deep.equal({ name: 'write tar', ts: 75_310_000, dur: 40_000 });
  });

  it('has spans for the slug and for the run', () => {
    expect(
      spansOf(succeededRun)
        .slice(-2)
        .map(({ name, tid, dur }) => ({ name, tid, dur })),
    ).to.deep.equal([
      { name: 'write slug', tid: 0, dur: 80_000 },
      { name: 'python', tid: 0, dur: 75_400_000 },
    ]);
  });
});

describe('engine/render/log', () => {
  it('passes every text on, unchanged and in order, before it closes', async () => {
    const texts = Array.from({ length: 5000 }, (_, index) => (index % 7 === 0 ? '\n' : `line ${index} %s {}\n`));
    let written = '';
    const log = openLog((text) => (written += text));
    for (const text of texts) log.write(text);
    await log.close();
    expect(written).to.equal(texts.join(''));
  });
});
