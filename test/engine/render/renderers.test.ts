/* oxlint-disable no-control-regex -- control characters are what is looked for */

import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import type { Event } from '../../../src/engine/events.js';
import { buildpackRenderer, styledBlock } from '../../../src/engine/render/buildpack.js';
import { githubRenderer } from '../../../src/engine/render/github.js';
import { ndjsonRenderer } from '../../../src/engine/render/ndjson.js';
import { plainRenderer } from '../../../src/engine/render/plain.js';
import { reportText } from '../../../src/engine/render/report-text.js';
import type { Renderer, Write } from '../../../src/engine/render/renderer.js';
import { failedReport, failedRun, started, succeededRun } from '../../support/events.js';
import { expectGolden } from '../../support/golden.js';

const golden = (name: string): string => fileURLToPath(new URL(`golden/${name}.txt`, import.meta.url));

function render(make: (write: Write) => Renderer, events: readonly Event[]): string {
  let text = '';
  const renderer = make((more) => (text += more));
  for (const event of events) renderer.consume(event);
  renderer.close();
  return text;
}

const RENDERERS: Readonly<Record<string, (write: Write) => Renderer>> = {
  plain: (write) => plainRenderer(write, { verbose: false, color: false }),
  'plain-verbose': (write) => plainRenderer(write, { verbose: true, color: false }),
  'plain-color': (write) => plainRenderer(write, { verbose: false, color: true }),
  github: (write) => githubRenderer(write, { verbose: false, color: false, resumeToken: 'TOKEN' }),
  buildpack: (write) => buildpackRenderer(write, { verbose: false, color: false, shout: write }),
  ndjson: (write) => ndjsonRenderer(write),
};

describe('engine/render/renderers', () => {
  for (const [name, make] of Object.entries(RENDERERS)) {
    it(`renders a failed run as ${name}`, () => expectGolden(golden(`failed-${name}`), render(make, failedRun)));
    it(`renders a successful run as ${name}`, () =>
      expectGolden(golden(`succeeded-${name}`), render(make, succeededRun)));
  }

  it('renders a report as a table with complete failures', () => {
    expectGolden(golden('report'), reportText(failedReport, false));
  });

  it('colors each line of a block by its level', () => {
    expect(styledBlock('error', ['one', ''], true)).to.equal(
      '\n\u001b[1;31m !     one\u001b[0m\n\u001b[1;31m !\u001b[0m\n\n',
    );
  });

  it('writes each event as one line of ndjson', () => {
    const lines = render(RENDERERS['ndjson']!, failedRun).trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line) as unknown)).to.deep.equal(failedRun);
  });

  it('prints the lines of unfinished nodes if the run is cut short', () => {
    const cut = failedRun.slice(0, 15);
    const text = render(RENDERERS['plain']!, cut);
    expect(text).to.contain('Collecting flask==99');
    expect(text).to.contain('bundling');
  });

  it('closes every group if the run is cut short', () => {
    const text = render(RENDERERS['github']!, failedRun.slice(0, 15));
    const count = (part: string) => text.split(part).length - 1;
    expect(count('::group::')).to.equal(3);
    expect(count('::endgroup::')).to.equal(3);
    expect(count('::stop-commands::TOKEN')).to.equal(count('::TOKEN::'));
  });

  it('never lets the output of a tool act as a workflow command', () => {
    const hostile = ['::set-env name=A::b', '##[error]x', '::TOKEN', 'a\n::error::b', '\r::warning::c'].map(
      (text, at): Event => ({
        at,
        type: 'node-printed',
        node: 'pip' as never,
        replayed: false,
        stream: 'stdout',
        text,
      }),
    );
    let listening = true;
    for (const line of render(RENDERERS['github']!, [started, ...hostile]).split('\n')) {
      if (line === '::stop-commands::TOKEN') listening = false;
      else if (line === '::TOKEN::') listening = true;
      else if (line.trimStart().startsWith('::') || line.includes('##[')) {
        if (listening) expect(line).to.match(/^::(group::pip|endgroup::)/);
      }
    }
    expect(listening).to.equal(true);
  });

  it('removes escape sequences of tools if there is no terminal', () => {
    for (const name of ['plain', 'github', 'buildpack']) {
      expect(render(RENDERERS[name]!, failedRun), name).not.to.match(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
    }
  });

  it('keeps the lines of one node together', () => {
    const lines = render(RENDERERS['plain']!, failedRun).split('\n');
    const from = lines.indexOf('> assets (command)');
    expect(lines.slice(from + 1, from + 4).every((line) => line.startsWith('  '))).to.equal(true);
    expect(lines.indexOf('> pip (install-deps-pip)')).to.be.lessThan(from);
  });
});
