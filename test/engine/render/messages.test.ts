import { expect } from 'chai';
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatFailure,
  formatFinish,
  table,
} from '../../../src/engine/render/messages.js';
import { nodeReport, pipFailure } from '../../support/events.js';

describe('engine/render/messages', () => {
  it('shows durations in the two largest units', () => {
    const shown = [0, 0.4, 999, 1000, 59_900, 59_960, 61_000, 3_599_600, 3_661_000, 86_400_000].map(formatDuration);
    expect(shown).to.deep.equal([
      '0 ms',
      '0 ms',
      '999 ms',
      '1.0 s',
      '59.9 s',
      '1 min 00 s',
      '1 min 01 s',
      '1 h 00 min',
      '1 h 01 min',
      '24 h 00 min',
    ]);
  });

  it('shows sizes in decimal units', () => {
    expect([0, 999, 1000, 1500, 999_600, 67_100_000, 1.5e12].map(formatBytes)).to.deep.equal([
      '0 B',
      '999 B',
      '1.0 kB',
      '1.5 kB',
      '1.0 MB',
      '67.1 MB',
      '1.5 TB',
    ]);
  });

  it('groups the digits of counts', () => {
    expect([0, 999, 1000, 1_234_567].map(formatCount)).to.deep.equal(['0', '999', '1,000', '1,234,567']);
  });

  it('shows a failure with code, detail and remedy', () => {
    expect(formatFailure(pipFailure)).to.deep.equal([
      'error: pip could not install the requirements [install-dependencies::pip]',
      '  pip exited with status 1.',
      '  ERROR: No matching distribution found for flask==99',
      '  -> Use a version that exists in requirements.txt.',
    ]);
  });

  it('says that another try can help a retryable failure, and that an internal failure is a bug', () => {
    expect(formatFailure({ ...pipFailure, blame: 'environment', retryable: true }).at(-1)).to.equal(
      '     Trying again may help.',
    );
    expect(formatFailure({ ...pipFailure, blame: 'internal' }).at(-1)).to.contain('bug in pyflow');
  });

  it('removes escape sequences from what a failure quotes', () => {
    expect(
      formatFailure({ ...pipFailure, title: 'a\u001b[2Jb', detail: '\u001b]0;x\u0007c' }).slice(0, 2),
    ).to.deep.equal(['error: ab [install-dependencies::pip]', '  c']);
  });

  it('shows the time of nodes that ran and the saved time of those that did not', () => {
    expect(formatFinish(nodeReport({ outcome: 'executed', durationMs: 1500 }))).to.equal('in 1.5 s');
    expect(formatFinish(nodeReport({ outcome: 'restored', durationMs: 3, savedMs: 1500 }))).to.equal('(saved 1.5 s)');
    expect(formatFinish(nodeReport({ outcome: 'up-to-date', savedMs: 10 }))).to.equal('');
  });

  it('aligns the columns of a table', () => {
    expect(
      table([
        ['a', 'bb', 'c'],
        ['aaa', '', 'cc'],
      ]),
    ).to.deep.equal(['a    bb  c', 'aaa      cc']);
  });
});
