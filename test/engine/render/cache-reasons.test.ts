// What the platform's log says about nodes that ran again, from two key records. test/online/managers.test.ts checks real
// builds.

import { expect } from 'chai';
import type { Event } from '../../../src/engine/events.js';
import { differences } from '../../../src/engine/node/explain.js';
import type { KeyRecord } from '../../../src/engine/store/store.js';
import type { NodeId } from '../../../src/manifests/pipeline/manifest.js';
import { nodeReport } from '../../support/events.js';
import { platformLog } from '../../support/platform-log.js';

const RECORD: KeyRecord = {
  format: 1,
  kind: 'node',
  revision: 1,
  config: {},
  values: {},
  facts: {},
  env: {},
  secrets: {},
  platform: {},
  files: {},
  exists: {},
  trees: {},
  tools: {},
  scope: '',
};
const node = 'node' as NodeId;

/** The lines below the headline of a node that ran because its key changed. */
function linesOf(before: Partial<KeyRecord>, after: Partial<KeyRecord>, durationMs = 2000): readonly string[] {
  const reasons = differences({ ...RECORD, ...before }, { ...RECORD, ...after });
  const events: Event[] = [
    { at: 0, type: 'node-printed', node, stream: 'step', text: 'Installing', replayed: false },
    { at: 0, type: 'node-finished', node, report: nodeReport({ outcome: 'executed', durationMs, reasons }) },
  ];
  return platformLog(events).trimEnd().split('\n').slice(1);
}

describe('engine/render/cache-reasons', () => {
  const HEAD = '       Not restored from the cache, because of changes:';
  const tool = (version: string) => ({ facts: { version }, trees: {} });
  const reasons: readonly (readonly [string, Partial<KeyRecord>, Partial<KeyRecord>, readonly string[]])[] = [
    [
      'a changed stack',
      { config: { stack: 'scalingo-22' } },
      { config: { stack: 'scalingo-24' } },
      ['config stack scalingo-22 -> scalingo-24'],
    ],
    [
      'a changed Python',
      { values: { python: { version: '3.12.11' } } },
      { values: { python: { version: '3.13.2' } } },
      ['input python.version 3.12.11 -> 3.13.2'],
    ],
    ['a changed pip', tool('25.1'), tool('26.1.2'), ['version 25.1 -> 26.1.2']],
    ['a changed Pipenv', tool('2025.1'), tool('2026.6.2'), ['version 2025.1 -> 2026.6.2']],
    ['a changed Poetry', tool('2.1.0'), tool('2.2.0'), ['version 2.1.0 -> 2.2.0']],
    ['a changed uv', tool('0.10.0'), tool('0.11.28'), ['version 0.10.0 -> 0.11.28']],
    [
      'changed requirements',
      { files: { 'requirements.txt': 'a/1' }, facts: { packages: { flask: '3.1.2' } } },
      { files: { 'requirements.txt': 'b/1' }, facts: { packages: { flask: '3.1.3' } } },
      ['flask 3.1.2 -> 3.1.3', 'requirements.txt changed'],
    ],
    [
      'a changed lockfile',
      { files: { 'Pipfile.lock': 'a/1' }, facts: { packages: {} } },
      { files: { 'Pipfile.lock': 'b/1' }, facts: { packages: { six: '1.17.0' } } },
      ['six 1.17.0 was added', 'Pipfile.lock changed'],
    ],
  ];
  for (const [what, before, after, lines] of reasons) {
    it(`shows ${what} below the step that runs again`, () => {
      expect(linesOf(before, after)).to.deep.equal([HEAD, ...lines.map((line) => `       - ${line}`)]);
    });
  }

  it('lists a limited number of reasons, and counts the rest', () => {
    const facts = Object.fromEntries(Array.from({ length: 12 }, (_, index) => [`p${index + 10}`, '1']));
    const lines = linesOf({ facts }, { facts: {} });
    expect(lines).to.have.length(10);
    expect([lines[1], lines[9]]).to.deep.equal(['       - p10 is no longer set (was 1)', '       - and 4 more']);
  });

  it('says that a step was restored', () => {
    const report = nodeReport({ outcome: 'restored', savedMs: 4000 });
    const text = platformLog([
      { at: 0, type: 'node-printed', node, stream: 'step', text: 'Installing uv 0.11.28', replayed: true },
      { at: 0, type: 'node-finished', node, report },
    ]);
    expect(text).to.equal('-----> Installing uv 0.11.28\n       Restored from the cache, saving 4.0 s\n');
  });

  it('shows no digests', () => {
    const lines = linesOf(
      { trees: { runtime: ['aaaa/1'] }, tools: { pip: ['cccc/1'] }, files: { gone: 'a/1' } },
      { trees: { runtime: ['bbbb/1'] }, tools: { pip: ['dddd/1'] } },
    );
    expect(lines.slice(1)).to.deep.equal([
      '       - gone was removed',
      '       - the layer at input runtime changed',
      '       - the tool at input pip changed',
    ]);
    const lock = { before: '7'.repeat(64), after: '8'.repeat(64) };
    expect(linesOf({ facts: { lock: lock.before } }, { facts: { lock: lock.after } })[1]).to.equal(
      '       - lock changed',
    );
    expect(linesOf({}, { facts: { lock: lock.after } })[1]).to.equal('       - lock changed');
  });

  it('says nothing about short work or a first run', () => {
    expect(linesOf({}, { config: { a: 1 } }, 20)).to.deep.equal([]);
    expect(linesOf({}, {})).to.deep.equal([]);
  });
});
