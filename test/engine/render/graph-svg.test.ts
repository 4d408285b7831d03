import { expect } from 'chai';
import { graphPage } from '../../../src/engine/render/graph-page.js';
import { drawGraph } from '../../../src/engine/render/graph-svg.js';
import type { CheckedPipeline } from '../../../src/manifests/pipeline/manifest.js';
import {
  branching,
  checkedNode,
  HOSTILE,
  layered,
  orderedNode,
  pipelineOf,
  refOf,
} from '../../support/checked-pipeline.js';

function draw(pipeline: CheckedPipeline) {
  const drawn = drawGraph(pipeline, { alone: true });
  if (!drawn.ok) throw new Error(drawn.failure.title);
  return drawn.value;
}

describe('engine/render/graph-svg', () => {
  it('puts each node below those it needs, and no node onto another', () => {
    const { layout } = draw(branching);
    const top = (id: string): number => layout.nodes.get(id)!.y;
    for (const { id, dependencies } of branching.nodes)
      for (const needed of dependencies) expect(top(needed), `${needed} above ${id}`).to.be.lessThan(top(id));
    const boxes = [...layout.nodes.values()];
    boxes.forEach((a, index) => {
      for (const b of boxes.slice(index + 1)) {
        const isApart =
          Math.abs(a.x - b.x) >= (a.width + b.width) / 2 || Math.abs(a.y - b.y) >= (a.height + b.height) / 2;
        expect(isApart).to.equal(true);
      }
    });
  });

  it('shows names, kinds, guards and ports, and which node uses one of several', () => {
    const { svg } = draw(branching);
    expect(svg).to.contain('>package-manager</text>').and.to.contain('>alias, one of 2</text>');
    expect(svg).to.contain('>tree as candidates</text>').and.to.contain('>tree as runtime</text>');
    expect(svg).to.contain('>when name</text>').and.to.contain('>when pick.name == &quot;left&quot;</text>');
    expect(svg).to.match(/class="node guarded group0" data-id="left"/);
    expect(svg).to.match(/class="node guarded group1" data-id="right"/);
    expect(svg).to.match(/class="node choice" data-id="join"/);
  });

  it('draws each pair of nodes once, and leaves out order that a longer path implies', () => {
    const pairs = [...draw(branching).svg.matchAll(/class="link (\w+)" data-from="(\w+)" data-to="(\w+)"/g)];
    expect(pairs.map(([, type, from, to]) => `${from} ${to} ${type}`)).to.deep.equal([
      'pick early after',
      'pick left when',
      'early left after',
      'pick right when',
      'left join input',
      'right join input',
      'join end input',
    ]);
  });

  it('escapes text from the pipeline file', () => {
    const { svg } = draw(branching);
    const page = graphPage(branching);
    if (!page.ok) throw new Error(page.failure.title);
    for (const text of [svg, page.value]) {
      expect(text).to.not.contain('<img').and.to.not.contain('<script>alert');
      expect(text).to.contain('&lt;/script&gt;&lt;/title&gt;');
      expect(Buffer.from(text).toString(), 'half of a pair').to.equal(text);
    }
    expect(HOSTILE).to.contain('\u0007');
    expect(svg).to.not.contain('\u0007');
  });

  it('gives no two guards the same color, even if there are more guards than colors', () => {
    const guards = Array.from({ length: 7 }, (_, at) => `params.p${at} == 'x'`);
    const { svg } = draw(pipelineOf(guards.map((when, at) => checkedNode(`n${at}`, { when }))));
    const groups = [...svg.matchAll(/class="node guarded( group\d+)?" data-id="(n\d)"/g)].map(([, group, id]) => [
      id,
      group,
    ]);
    expect(groups).to.have.length(7);
    expect(new Set(groups.slice(0, 6).map(([, group]) => group)).size).to.equal(6);
    expect(groups[6]).to.deep.equal(['n6', undefined]);
  });

  it('shortens long names, and shows them in full in titles', () => {
    const long = 'n'.repeat(90);
    const { svg, layout } = draw(pipelineOf([checkedNode(long)]));
    expect(svg)
      .to.contain(`<title>${long} (command)</title>`)
      .and.to.contain(`>${'n'.repeat(39)}…</text>`);
    expect(layout.width).to.be.lessThan(800);
  });

  it('draws names that have a meaning in JavaScript', () => {
    const names = ['constructor', '__proto__', 'toString', '_root'];
    const nodes = names.map((name, index) => orderedNode(name, ...names.slice(0, index)));
    expect([...draw(pipelineOf(nodes)).layout.nodes.keys()]).to.deep.equal(names);
  });

  it('draws an empty graph, a single node, and unconnected parts', () => {
    expect(draw(pipelineOf([])).svg).to.contain('0 nodes');
    expect(draw(pipelineOf([checkedNode('alone')])).layout.nodes.get('alone')?.width).to.be.greaterThan(60);
    const { layout } = draw(
      pipelineOf([orderedNode('a'), orderedNode('b', 'a'), orderedNode('c'), orderedNode('d', 'c')]),
    );
    expect(layout.nodes.get('a')?.y).to.equal(layout.nodes.get('c')?.y);
  });

  it('draws 1,000 nodes, with ports in the titles of edges only', function () {
    this.timeout(60_000);
    const { svg, layout } = draw(layered(1000));
    expect(layout.nodes.size).to.equal(1000);
    expect(svg).to.not.contain('class="label"');
    expect(svg).to.contain('<title>n0 to n32: after</title>');
  });

  it('refuses a graph that would be illegible', () => {
    const wide = Array.from({ length: 2001 }, (_, index) => orderedNode(`n${index}`));
    const dense = Array.from({ length: 200 }, (_, index) =>
      checkedNode(`n${index}`, { whenReads: Array.from({ length: index }, (__, before) => refOf(`n${before}`, 'ok')) }),
    );
    for (const nodes of [wide, dense]) {
      const drawn = drawGraph(pipelineOf(nodes), { alone: true });
      expect(drawn.ok ? '' : drawn.failure.code).to.equal('graph::too-large');
    }
  });

  it('draws a chain as long as the stack allows, and refuses a longer one', function () {
    this.timeout(60_000);
    const chain = (length: number) =>
      drawGraph(
        pipelineOf(
          Array.from({ length }, (_, index) =>
            index === 0 ? orderedNode('n0') : orderedNode(`n${index}`, `n${index - 1}`),
          ),
        ),
        { alone: true },
      );
    expect(chain(1000).ok).to.equal(true);
    const long = chain(2000);
    expect(long.ok ? 'graph::too-large' : long.failure.code).to.equal('graph::too-large');
  });
});
