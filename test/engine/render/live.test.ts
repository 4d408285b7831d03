/* oxlint-disable no-control-regex -- control characters are what is looked for */

import { expect } from 'chai';
import type { Event } from '../../../src/engine/events.js';
import { textWidth } from '../../../src/engine/files/clean-text.js';
import { liveRenderer } from '../../../src/engine/render/live.js';
import { failedRun, pipFailure, nodeReport, started, succeededRun } from '../../support/events.js';
import { FakeScreen } from '../../support/fake-screen.js';

/** A renderer on a screen, with a clock that only the test advances. */
function stage(columns = 80, rows = 24) {
  const screen = new FakeScreen(columns, rows);
  const writes: { readonly at: number; readonly text: string }[] = [];
  let now = 0;
  let timers: { readonly due: number; readonly action: () => void }[] = [];
  const renderer = liveRenderer(
    (text) => {
      writes.push({ at: now, text });
      screen.write(text);
    },
    {
      verbose: false,
      color: false,
      now: () => now,
      later: (action, ms) => {
        const timer = { due: now + ms, action };
        timers.push(timer);
        return () => {
          timers = timers.filter((other) => other !== timer);
        };
      },
      size: () => screen.size(),
    },
  );
  const advanceTo = (time: number): void => {
    for (;;) {
      const next = timers.filter(({ due }) => due <= time).sort((a, b) => a.due - b.due)[0];
      if (next === undefined) break;
      timers = timers.filter((other) => other !== next);
      now = Math.max(now, next.due);
      next.action();
    }
    now = time;
  };
  const play = (events: readonly Event[]): void => {
    for (const event of events) {
      advanceTo(event.at);
      renderer.consume(event);
    }
  };
  return { screen, writes, renderer, advanceTo, play, pending: () => timers.length };
}

const start = (at: number, node: string): Event => ({
  at,
  type: 'node-started',
  node: node as never,
  kind: 'command',
  reasons: [],
});

describe('engine/render/live', () => {
  it('shows running nodes with time, progress and their last line', () => {
    const { screen, play, advanceTo } = stage();
    play(failedRun.slice(0, 15));
    advanceTo(1200);
    expect(screen.text()).to.deep.equal([
      'notice: [sandbox::none] Commands are not kept apart from this machine.',
      'notice: runtime: [python::old] 3.13.2 is not the latest patch',
      'runtime: restored (saved 12.3 s)',
      '3 of 6 nodes finished, 2 running',
      '  pip     1 s of about 30 s  download 1.5 MB of 6.0 MB (25 %)  Collecting flas…',
      '  assets  1 s  ::error::forged and cleared\ufffd',
    ]);
  });

  it('ends with the finished nodes, failures and the summary, and without a frame', () => {
    const { screen, play, renderer } = stage();
    play(failedRun);
    renderer.close();
    expect(screen.text()).to.deep.equal(
      [
        'notice: [sandbox::none] Commands are not kept apart from this machine.',
        'notice: runtime: [python::old] 3.13.2 is not the latest patch',
        'runtime: restored (saved 12.3 s)',
        'notice: assets: attempt 1 of 3 failed: The command lost its connection [command::failed]; retrying in 1.0 s',
        'assets: executed in 1.8 s (assets/main.js changed)',
        '  pip | Installing dependencies with pip',
        '  pip | Collecting flask==99',
        '  pip | ERROR: No matching distribution found for flask==99',
        'pip: failed in 2.5 s (requirements.txt was added; config a 1 -> 2; and 1 more)',
        'error: pip could not install the requirements [install-dependencies::pip]',
        '  pip exited with status 1.',
        '  ERROR: No matching distribution found for flask==99',
        '  -> Use a version that exists in requirements.txt.',
        'profile: blocked (needs pip)',
        'Failed in 2.9 s: 1 failed, 1 blocked, 1 executed, 1 restored, 1 up to date, 1 skipped; saved 12.3 s.',
        '  pip: pip could not install the requirements [install-dependencies::pip]',
        'Degraded: runtime: made from the Python of this machine',
      ].flatMap((line) => screen.wrapped(line)),
    );
    expect(screen.cursorHidden).to.equal(false);
  });

  it('draws at most ten frames per second, however much is printed', () => {
    const { writes, play } = stage();
    const lines = Array.from({ length: 5000 }, (_, index): Event => ({
      at: 10 + Math.floor(index / 5),
      type: 'node-printed',
      node: 'pip' as never,
      replayed: false,
      stream: 'stdout',
      text: `line ${index}`,
    }));
    play([started, start(6, 'pip'), ...lines]);
    expect(writes.length).to.be.within(5, 12);
    for (const [index, { at }] of writes.entries()) {
      if (index > 0) expect(at - writes[index - 1]!.at).to.be.at.least(100);
    }
  });

  it('writes nothing if nothing changes', () => {
    const { writes, play, advanceTo } = stage();
    play([started, start(6, 'pip')]);
    advanceTo(950);
    const before = writes.length;
    advanceTo(990);
    expect(writes.length).to.equal(before);
    advanceTo(10_050);
    expect(writes.length - before).to.be.within(9, 11);
  });

  it('never draws a line as wide as the terminal', () => {
    for (const columns of [1, 2, 10, 20, 40]) {
      const { writes, play, advanceTo } = stage(columns);
      play([started, start(6, 'pip')]);
      play([
        {
          at: 20,
          type: 'node-printed',
          node: 'pip' as never,
          replayed: false,
          stream: 'stdout',
          text: '日本語🎉'.repeat(30),
        },
      ]);
      advanceTo(300);
      for (const { text } of writes) {
        for (const line of text.replace(/\u001b\[[?0-9;]*[A-Za-z]|\r/g, '').split('\n')) {
          expect(textWidth(line)).to.be.at.most(Math.max(1, columns - 1));
        }
      }
    }
  });

  it('keeps its frame within the rows of the terminal', () => {
    const { screen, play, advanceTo } = stage(80, 6);
    play([started, ...Array.from({ length: 30 }, (_, index) => start(6, `node-${index}`))]);
    advanceTo(500);
    expect(screen.text().length).to.be.at.most(5);
    expect(screen.text().at(-1)).to.match(/and \d+ more/);
  });

  it('removes the old frame completely if the window becomes narrower or wider', () => {
    const { screen, play, advanceTo, renderer } = stage(80);
    play(failedRun.slice(0, 15));
    advanceTo(500);
    screen.resize(30);
    advanceTo(1500);
    screen.resize(100);
    advanceTo(2500);
    renderer.close();
    expect(screen.text().filter((line) => line.includes('nodes finished'))).to.deep.equal([]);
    expect(screen.text()[0]).to.contain('notice: [sandbox::none]');
  });

  it('shows the cursor and stops its clock if it is closed early', () => {
    const { screen, play, renderer, pending, advanceTo, writes } = stage();
    play(failedRun.slice(0, 15));
    advanceTo(400);
    expect(screen.cursorHidden).to.equal(true);
    renderer.close();
    renderer.close();
    expect(screen.cursorHidden).to.equal(false);
    expect(pending()).to.equal(0);
    const before = writes.length;
    renderer.consume(start(500, 'late'));
    advanceTo(2000);
    expect(writes.length).to.equal(before);
  });

  it('never hides the cursor if nothing runs', () => {
    const { play, renderer, writes } = stage();
    play([started, { at: 9, type: 'run-finished', report: { ...succeededReport(), nodes: {} } }]);
    renderer.close();
    expect(writes.map(({ text }) => text).join('')).not.to.contain('\u001b');
  });

  it('starts over if the run does', () => {
    const { screen, play, advanceTo } = stage();
    play([
      started,
      start(6, 'pip'),
      {
        at: 7,
        type: 'node-finished',
        node: 'pip' as never,
        report: nodeReport({ outcome: 'failed', failure: pipFailure }),
      },
      { ...started, at: 8 },
      start(9, 'pip'),
    ]);
    advanceTo(300);
    expect(screen.text().at(-2)).to.equal('0 of 6 nodes finished, 1 running');
  });
});

const succeededReport = () => {
  const last = succeededRun.at(-1);
  if (last?.type !== 'run-finished') throw new Error('the recorded run has an end');
  return last.report;
};
