import { expect } from 'chai';
import type { NodeReport, Unshared } from '../../../src/engine/events.js';
import { isUnshared } from '../../../src/engine/run/stored-report.js';
import { formatUnshared, unsharedLines } from '../../../src/engine/render/unshared.js';

const node = (unshared?: Unshared): NodeReport =>
  ({ kind: 'command', outcome: 'executed', reasons: [], durationMs: 1, ...(unshared && { unshared }) }) as NodeReport;

describe('engine/render/unshared', () => {
  it('says in words why a result stays, without letting a name leave its line', () => {
    const derived = { type: 'derived', node: 'a\u001b[2J\nb' } as const;
    const all: readonly Unshared[] = [
      ...(['app', 'secrets', 'variables', 'degraded'] as const).map((type) => ({ type })),
      { ...derived, cause: 'variables' },
      { ...derived, cause: 'secrets' },
    ];
    const words = all.map(formatUnshared);
    expect(new Set(words).size).to.equal(all.length);
    expect(words[4]).to.match(/^it is made from what .+ wrote, and that contains the value of a variable of the app$/);
    // oxlint-disable-next-line no-control-regex
    for (const each of words) expect(each).to.not.match(/[\u0000-\u001f]/);
  });

  it('is refused in a stored report unless there are words for it', () => {
    const derived = { type: 'derived', node: 'a', cause: 'secrets' };
    for (const right of [{ type: 'app' }, { type: 'degraded' }, derived]) expect(isUnshared(right)).to.equal(true);
    const { node: _node, ...nameless } = derived;
    const { cause: _cause, ...causeless } = derived;
    const wrong = [nameless, causeless, { ...derived, node: 1 }, { ...derived, cause: 'app' }];
    for (const each of [undefined, null, 'app', [], {}, { type: 'later' }, { type: 'toString' }, ...wrong])
      expect(isUnshared(each), JSON.stringify(each)).to.equal(false);
  });

  it('names the nodes of each reason in one line', () => {
    const variables = node({ type: 'variables' });
    const many = Object.fromEntries(Array.from({ length: 7 }, (_, index) => [`n${index}`, variables]));
    expect(unsharedLines({ nodes: { one: node(), own: node({ type: 'app' }), ...many } })).to.deep.equal([
      'Not shared: own, because only this app can use the result',
      'Not shared: n0, n1, n2, n3, n4 and 2 more, because the node has a variable of the app',
    ]);
    expect(unsharedLines({ nodes: { one: node() } })).to.deep.equal([]);
  });
});
