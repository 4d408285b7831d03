import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { JSONValue } from '../../../src/manifests/json-schema.js';
import type { Event, PackageChange, Reason } from '../../../src/engine/events.js';
import { formatFinish } from '../../../src/engine/render/messages.js';
import { formatReason, formatReasons, isDifference, reasonLines } from '../../../src/engine/render/reasons.js';
import { reportPage } from '../../../src/engine/render/report-page.js';
import { reportText } from '../../../src/engine/render/report-text.js';
import { isReason } from '../../../src/engine/run/stored-report.js';
import type { NodeId } from '../../../src/manifests/pipeline/manifest.js';
import { failedReport, nodeReport } from '../../support/events.js';
import { platformLog } from '../../support/platform-log.js';

const digest = (letter: string): string => letter.repeat(64);

/** An example of each reason, with its sentence: a new reason does not compile until it is here. */
const EXAMPLES: {
  readonly [Type in Reason['type']]: readonly [Omit<Extract<Reason, { type: Type }>, 'type'>, string];
} = {
  'key-format-changed': [{ from: 1, to: 2 }, "pyflow's key format 1 -> 2"],
  'plugin-revised': [{ from: 1, to: 2 }, 'plugin revision 1 -> 2'],
  'plugin-code-changed': [{}, 'the code of the plugin changed'],
  'kind-changed': [{ from: 'hook', to: 'command' }, 'kind hook -> command'],
  'config-changed': [{ field: 'timeout', from: 30, to: 60 }, 'config timeout 30 -> 60'],
  'fact-changed': [{ field: 'version', from: '25.1', to: '26.1.2' }, 'version 25.1 -> 26.1.2'],
  'input-changed': [
    { port: 'python', field: 'version', from: '3.12.11', to: '3.13.2' },
    'input python.version 3.12.11 -> 3.13.2',
  ],
  'package-added': [{ name: 'flask', version: '3.0.0' }, 'flask 3.0.0 was added'],
  'package-removed': [{ name: 'flask', version: '3.0.0' }, 'flask was removed'],
  'package-changed': [{ name: 'requests', from: '2.31.0', to: '2.32.0' }, 'requests 2.31.0 -> 2.32.0'],
  'variable-added': [{ name: 'DEBUG' }, 'the variable DEBUG was set'],
  'variable-removed': [{ name: 'DEBUG' }, 'the variable DEBUG was unset'],
  'variable-changed': [{ name: 'DEBUG' }, 'the variable DEBUG changed'],
  'secret-added': [{ name: 'TOKEN' }, 'the node now uses the secret TOKEN'],
  'secret-removed': [{ name: 'TOKEN' }, 'the node no longer uses the secret TOKEN'],
  'secret-set': [{ name: 'TOKEN' }, 'the secret TOKEN was set'],
  'secret-unset': [{ name: 'TOKEN' }, 'the secret TOKEN was unset'],
  'secret-changed': [{ name: 'TOKEN', field: 'label', from: '1', to: '2' }, 'label of the secret TOKEN 1 -> 2'],
  'platform-changed': [{ name: 'OSFamily', from: 'linux', to: 'darwin' }, 'platform OSFamily linux -> darwin'],
  'builder-changed': [
    { from: 'sha256:1', to: 'sha256:2', packages: [{ name: 'gcc', from: '12.2', to: '12.3' }] },
    'packages of the machine: gcc 12.2 -> 12.3',
  ],
  'file-added': [{ path: 'app.py' }, 'app.py was added'],
  'file-removed': [{ path: 'app.py' }, 'app.py was removed'],
  'file-changed': [{ path: 'app.py' }, 'app.py changed'],
  'file-mode-changed': [{ path: 'in/', from: '0755', to: '0700' }, 'the mode of in/ changed from 0755 to 0700'],
  'link-changed': [{ path: 'current', from: 'r/1', to: 'r/2' }, 'the link current now points to r/2'],
  'presence-changed': [{ path: 'nltk.txt', from: false, to: true }, 'nltk.txt exists now'],
  'layer-added': [{ port: 'trees', nodes: ['pip', 'assets'] }, 'the layers of pip and assets were added'],
  'layer-changed': [{ port: 'runtime', nodes: ['pip'] }, 'the layer of pip changed'],
  'layer-removed': [{ port: 'trees' }, 'a layer was removed from input trees'],
  'layers-reordered': [{ port: 'trees' }, 'the order of the layers at input trees changed'],
  'tool-added': [{ port: 'tool', nodes: ['poetry-tool'] }, 'the tool of poetry-tool was added'],
  'tool-changed': [{ port: 'tool', nodes: ['poetry-tool'] }, 'the tool of poetry-tool changed'],
  'tool-removed': [{ port: 'tool' }, 'the tool at input tool was removed'],
  'scope-changed': [{ from: '', to: 'shop' }, 'the result can no longer be shared with other apps'],
  'hidden-value-changed': [{}, 'a masked value changed'],
  'first-run': [{}, 'first run of this app'],
  'new-node': [{}, 'new node'],
  'skipped-before': [{}, 'skipped in the last run'],
  'refresh-requested': [{}, 'a refresh was requested'],
  'side-effects': [{}, 'it has side effects, so it runs every time'],
  'never-cached': [{}, 'results of this node are never cached'],
  'inputs-changed': [
    { evictedAt: '2026-11-30T12:00:05.000Z' },
    'inputs changed, but the earlier result to compare with was evicted on 2026-11-30 12:00 UTC',
  ],
  evicted: [{ at: '2026-11-30T12:00:05.000Z' }, 'the result was evicted on 2026-11-30 12:00 UTC'],
  expired: [{ at: '2026-11-30T12:00:05.000Z' }, 'the result expired on 2026-11-30 12:00 UTC'],
  'missing-from-cache': [{}, 'the result is missing from the cache'],
  'bound-to-other-host': [{}, 'the result can be used only on the machine that made it'],
  'result-lost': [{}, 'a file of the result is missing from the cache'],
  'needs-node': [{ node: 'pip' }, 'needs pip'],
  'outcome-changed': [{ from: 'skipped', to: 'executed' }, 'outcome skipped -> executed'],
};
const examples = Object.entries(EXAMPLES).map(([type, [data, sentence]]) => ({
  reason: { type, ...data } as Reason,
  sentence,
}));

const config = (from: JSONValue | undefined, to: JSONValue | undefined): string =>
  formatReason({
    type: 'config-changed',
    field: 'x',
    ...(from !== undefined && { from }),
    ...(to !== undefined && { to }),
  });

describe('engine/render/reasons', () => {
  for (const { reason, sentence } of examples) {
    it(`says ${reason.type} in a sentence, the same everywhere`, () => {
      expect(formatReason(reason)).to.equal(sentence);
      const node = nodeReport({ outcome: 'executed', reasons: [reason], durationMs: 2000 });
      const report = { ...failedReport, nodes: { a: node } };
      expect(formatFinish(node)).to.contain(sentence);
      expect(reportText(report, false)).to.contain(sentence);
      expect(reportPage(report).replaceAll('&gt;', '>').replaceAll('&#39;', "'")).to.contain(`<li>${sentence}</li>`);
      const events: Event[] = [
        { at: 0, type: 'node-printed', node: 'a' as NodeId, stream: 'step', text: 'Installing', replayed: false },
        { at: 0, type: 'node-finished', node: 'a' as NodeId, report: node },
      ];
      expect(platformLog(events).includes(`- ${sentence}\n`)).to.equal(isDifference(reason));
    });

    it(`keeps the data of ${reason.type} through JSON, and refuses it with a field missing or wrong`, () => {
      expect(isReason(JSON.parse(JSON.stringify(reason)))).to.equal(true);
      for (const field of Object.keys(reason)) {
        const value = reason[field as keyof Reason] as unknown;
        const isAnyValue = ['config-changed', 'fact-changed', 'input-changed', 'secret-changed'].includes(reason.type);
        if (isAnyValue && (field === 'from' || field === 'to')) continue;
        expect(isReason({ ...reason, [field]: typeof value === 'object' ? [1] : { value } }), field).to.equal(false);
      }
    });
  }

  it('has every reason in docs/events.md', () => {
    const text = readFileSync(fileURLToPath(new URL('../../../docs/events.md', import.meta.url)), 'utf8');
    const missing = Object.keys(EXAMPLES).filter((type) => !text.includes(`\`${type}\``));
    expect(missing).to.deep.equal([]);
  });

  it('does not take other objects for reasons', () => {
    for (const value of [undefined, null, 'evicted', [], {}, { type: 'x' }, { type: 'toString' }, { what: 'x' }]) {
      expect(isReason(value)).to.equal(false);
    }
  });

  it('says what happened to values of every shape', () => {
    expect(config(undefined, 30)).to.equal('config x was set to 30');
    expect(config(30, undefined)).to.equal('config x is no longer set (was 30)');
    expect(config(null, false)).to.equal('config x null -> false');
    expect(config('', 'a b')).to.equal('config x "" -> "a b"');
    expect(config({ a: 1 }, 'a')).to.equal('config x {"a":1} -> a');
    expect(config(['a', 'b'], ['b', 'c', 'd'])).to.equal('config x: added c and d, removed a');
    expect(config(['a', 'b'], ['a', 'c'])).to.equal('config x[1] b -> c');
    expect(config(['a', null], ['a', true])).to.equal('config x[1] null -> true');
    expect(config(['a', 'b'], ['b', 'a'])).to.equal('the order of config x changed');
    expect(config(['a'], ['a', 'a'])).to.equal('config x: added a');
    expect(config([], ['a', 'b', 'c', 'd', 'e'])).to.equal('config x: added a, b, c and 2 more');
    expect(config([[1]], [[1], [2]])).to.equal('config x [[1]] -> [[1],[2]]');
    expect(formatReason({ type: 'input-changed', port: 'names', field: '', from: 'a', to: 'b' })).to.equal(
      'input names a -> b',
    );
    expect(formatReason({ type: 'input-changed', port: 'names', field: '[0].a', from: 1, to: 2 })).to.equal(
      'input names[0].a 1 -> 2',
    );
    expect(formatReason({ type: 'fact-changed', field: '', from: null, to: 'b' })).to.equal('facts null -> b');
  });

  it('shows no digests', () => {
    for (const [from, to] of [
      [digest('a'), digest('b')],
      [`sha256:${digest('a')}`, `sha256:${digest('b')}`],
      [`${digest('a')}/12`, `${digest('b')}/12`],
      [undefined, digest('b')],
      [digest('a'), undefined],
    ]) {
      expect(config(from, to)).to.equal('config x changed');
    }
  });

  it('shows the part of long values where they begin to differ', () => {
    const long = 'echo one && '.repeat(30);
    expect(config(`${long}a${long}`, `${long}b${long}`)).to.match(
      /^config x ….{20}aecho one.{29}… -> ….{20}becho one.{29}…$/,
    );
    expect(config('x'.repeat(1000), 'y'.repeat(1000))).to.equal(`config x ${'x'.repeat(59)}… -> ${'y'.repeat(59)}…`);
    expect(config(undefined, 'x'.repeat(1000))).to.have.length(80);
    expect(config('a', '😀'.repeat(1000))).to.equal(`config x a -> ${'😀'.repeat(59)}…`);
    const path = `${'deep/'.repeat(100)}app.py`;
    expect(formatReason({ type: 'file-changed', path }))
      .to.match(/^….{99} changed$/)
      .and.to.match(/deep\/app\.py changed$/);
  });

  it('stays on its line and moves no cursor, whatever the app named its files', () => {
    const hostile = 'a\nb\u001b[2J\u202ec';
    const evilItem = (item: unknown): unknown =>
      typeof item === 'object' ? { name: hostile, from: hostile, to: hostile } : hostile;
    for (const { reason } of examples) {
      const fields = Object.entries(reason).map(([name, value]) => {
        const evil = Array.isArray(value) ? value.map(evilItem) : typeof value === 'string' ? hostile : value;
        return [name, name === 'type' ? value : evil];
      });
      // oxlint-disable-next-line no-control-regex -- control characters are what this test is about
      expect(formatReason(Object.fromEntries(fields) as Reason)).to.not.match(/[\u0000-\u001f\u202e]/);
    }
    expect(config(hostile, 'x')).to.equal('config x "a\\nb\\u001b[2J\\u202ec" -> x');
  });

  it('says that a package may have any version', () => {
    const at = (from: string, to: string) => formatReason({ type: 'package-changed', name: 'flask', from, to });
    expect(at('', '>=3, <4')).to.equal('flask any version -> >=3, <4');
    expect(formatReason({ type: 'package-added', name: 'flask', version: '' })).to.equal('flask was added');
  });

  it('says what is known of another builder', () => {
    const say = (from: string | undefined, to: string | undefined, ...packages: readonly PackageChange[]) =>
      formatReason({
        type: 'builder-changed',
        ...(from !== undefined && { from }),
        ...(to !== undefined && { to }),
        packages,
      });
    expect(say('name:a', 'name:b')).to.equal('builder a -> b');
    expect(say('sha256:1', 'sha256:2')).to.equal('the programs of the machine changed');
    expect(say(undefined, 'name:b')).to.equal('the programs of the machine changed');
    const many = ['a', 'b', 'c', 'd', 'e'].map((name) => ({ name, to: '1' }));
    expect(say('sha256:1', 'sha256:2', { name: 'make', from: '4' }, ...many)).to.equal(
      'packages of the machine: make was removed, a was added, b was added and 3 more',
    );
  });

  it('says whether the network may be used', () => {
    const say = (values: { from?: string; to?: string }) =>
      formatReason({ type: 'platform-changed', name: 'network', ...values });
    expect(say({ to: '1' })).to.equal('the node can now use the network');
    expect(say({ from: '1' })).to.equal('the node can no longer use the network');
  });

  it('says what became of a mode and of a path', () => {
    const mode = (from: string, to: string) => formatReason({ type: 'file-mode-changed', path: 'run', from, to });
    expect(mode('0644', '0755')).to.equal('run is now executable');
    expect(mode('0755', '0644')).to.equal('run is no longer executable');
    const path = (data: { readonly from?: boolean; readonly to?: boolean }) =>
      formatReason({ type: 'presence-changed', path: 'run', ...data });
    expect(path({ from: true, to: false })).to.equal('run no longer exists');
    expect(path({ to: false })).to.equal('the node now checks whether run exists');
    expect(path({ from: true })).to.equal('the node no longer checks whether run exists');
    expect(formatReason({ type: 'scope-changed', from: 'shop', to: '' })).to.equal(
      'the result can now be shared with other apps',
    );
    expect(formatReason({ type: 'scope-changed', from: 'shop', to: 'blog' })).to.equal('app id shop -> blog');
    expect(formatReason({ type: 'inputs-changed' })).to.contain('is missing from the cache');
  });

  it('names the input when the makers of a layer are unknown', () => {
    expect(formatReason({ type: 'layer-changed', port: 'runtime', nodes: [] })).to.equal(
      'the layer at input runtime changed',
    );
    expect(formatReason({ type: 'tool-changed', port: 'pip', nodes: [] })).to.equal('the tool at input pip changed');
  });

  it('shows the first of a thousand changed files and counts the rest', () => {
    const reasons = Array.from({ length: 1000 }, (_, index): Reason => ({ type: 'file-changed', path: `f${index}` }));
    expect(formatReasons(reasons)).to.equal('f0 changed; f1 changed; and 998 more');
    expect(formatReasons([])).to.equal('');
  });

  it('makes no more sentences than it shows and one', () => {
    let read = 0;
    const reasons = Array.from({ length: 1000 }, (_, at): Reason => {
      const reason = { type: 'file-changed', path: `f${at}` } as const;
      return Object.defineProperty({ ...reason }, 'path', { get: () => (read++, reason.path) });
    });
    formatReasons(reasons);
    expect(read).to.equal(3);
  });

  it('says once what two reasons say in the same words', () => {
    const at = (port: string): Reason => ({ type: 'layer-changed', port, nodes: ['pip'] });
    expect(reasonLines([at('a'), at('b')])).to.deep.equal(['the layer of pip changed']);
    expect(formatReasons([at('a'), at('b')])).to.equal('the layer of pip changed');
  });
});
