import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { RunReport } from '../../../src/engine/events.js';
import { badPlugin, lineOfWay, SLOW_WAYS, WAYS, type Way } from '../../support/bad-plugins.js';
import { Workspace } from '../../support/workspace.js';

describe('engine/outside: ways to be wrong', () => {
  let work: Workspace;
  let text: string;
  let report: RunReport;

  const runAll = async (ways: Readonly<Record<string, Way>>, timeout: string, settings = {}): Promise<void> => {
    work = new Workspace().write({ 'x.txt': 'x\n' });
    text = badPlugin(ways);
    writeFileSync(join(work.root, 'bad.mjs'), text);
    const nodes = Object.entries(ways).map(
      ([name, way]) => `  ${name}: { uses: bad, timeout: ${way.timeout ?? timeout}, with: { how: ${name} } }`,
    );
    // In between, correct nodes of the same plugin and of another kind.
    const good = ['one', 'two', 'three'].map((name) => `  good-${name}: { uses: bad, with: { how: ${name} } }`);
    const other = '  other: { uses: command, with: { argv: [sh, -c, "echo other > other.txt"], writes: [other.txt] } }';
    nodes.splice(nodes.length / 2, 0, ...good, other);
    work.pipeline(`pyflow: 1\nname: bad\nplugins: [bad.mjs]\nnodes:\n${nodes.join('\n')}\n`);
    report = await work.run({ keepGoing: true, jobs: 4, settings });
  };

  const check = (name: string, way: Way): void => {
    const node = report.nodes[name];
    expect(node?.outcome, JSON.stringify(node)).to.equal('failed');
    const { code, blame, title, detail, remedy } = node!.failure!;
    expect(code, `${title}\n${detail}`).to.equal(way.code);
    expect(blame).to.equal('internal');
    expect(`${title}\n${detail}`).to.match(way.says);
    // Names plugin, line and remedy.
    expect(title + detail).to.contain('bad');
    expect(detail).to.match(/bad\.mjs:\d+/);
    expect(remedy).to.match(/^[A-Z].*\./);
    expect(detail).not.to.match(/plugin-host|node:internal/);
  };

  const checkOthers = (): void => {
    for (const name of ['good-one', 'good-two', 'good-three', 'other']) {
      const { outcome, failure } = report.nodes[name]!;
      expect(outcome, `${name}: ${JSON.stringify(failure)}`).to.equal('executed');
    }
    expect(report).to.include({ status: 'failed', exitCode: 70 });
  };

  describe('that fail at once', () => {
    before(() => runAll(WAYS, '60s'));
    after(() => work.cleanUp());

    for (const [name, way] of Object.entries(WAYS))
      it(`reports what, where and what to do: ${name}`, () => check(name, way));

    it('names the line that threw', () => {
      for (const name of ['throws-error', 'exits-3', 'value-getter', 'reads-throws', 'asks-wrong'])
        expect(report.nodes[name]?.failure?.detail, name).to.contain(`bad.mjs:${lineOfWay(text, name)}`);
    });

    it('does not affect other nodes, and the run fails', checkOthers);
  });

  describe('that take time', () => {
    before(() => runAll(SLOW_WAYS, '2s', { PLUGIN_MEMORY: '64' }));
    after(() => work.cleanUp());

    for (const [name, way] of Object.entries(SLOW_WAYS))
      it(`ends it within the timeout: ${name}`, () => check(name, way));

    it('keeps what Node prints when it dies out of the log', () => {
      const printed = work.events.flatMap((event) => (event.type === 'node-printed' ? [event.text] : []));
      expect(printed.filter((line) => /GC|FATAL|0x[0-9a-f]{4}/.test(line))).to.deep.equal([]);
    });

    it('names the line of an endless loop', () => {
      for (const name of ['loops-run', 'loops-reads'])
        expect(report.nodes[name]?.failure?.detail, name).to.contain(`bad.mjs:${lineOfWay(text, name)}`);
    });

    it('does not affect other nodes, and the run fails', checkOthers);
  });
});
