// The layered graph with 12, 100 and 1,000 nodes against the floor, and the cost of 10,000 nodes.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { layered as layeredGraph, outputOf, pipelineOf, writeInput, writeInputs } from '../graph.mjs';
import {
  bench,
  boundFigure,
  interleave,
  makeFolder,
  nodeTime,
  pyflowPeak,
  pyflowTime,
  ratioFigure,
  remove,
} from '../measure.mjs';

export function layered(options) {
  return [12, 100, 1000].flatMap((count) => measureGraph(count, options));
}

function measureGraph(count, { rounds }) {
  const stage = setStage(count);
  const last = stage.nodes.at(-1).id;
  const compare = (what) => {
    const [wanted, found] = [join(stage.floorDir, outputOf(last)), join(stage.app, outputOf(last))].map((file) =>
      readFileSync(file, 'utf8'),
    );
    if (wanted !== found) throw new Error(`${what}, ${count} nodes: floor and pyflow disagree (${wanted}, ${found})`);
  };
  const edit = (folder, number, comment) => writeInput(folder, 'n0', number, comment);
  const steps = [
    {
      name: 'cold',
      target: count >= 1000 ? 1.3 : 1.6,
      before: stage.reset,
      floor: stage.floor,
      pyflow: stage.pyflow,
    },
    { name: 'up to date', target: 1.4, floor: stage.floor, pyflow: stage.pyflow },
    {
      name: 'one input changed',
      target: 1.4,
      floor: (round) => {
        edit(stage.floorDir, 1000 + round, 'first');
        return stage.floor();
      },
      pyflow: (round) => {
        edit(stage.app, 1000 + round, 'first');
        return stage.pyflow();
      },
    },
    {
      name: 'change that leaves the output equal',
      floor: (round) => {
        edit(stage.floorDir, 1000 + round, 'second');
        return stage.floor();
      },
      pyflow: (round) => {
        edit(stage.app, 1000 + round, 'second');
        return stage.pyflow();
      },
    },
  ];
  const samples = interleave(rounds, steps);
  compare('at the end');
  return steps.map(({ name, target }) => ratioFigure(`${count} nodes, ${name}`, samples[name], target));
}

export function many({ rounds }) {
  const count = 10_000;
  const stage = setStage(count);
  stage.floor();
  stage.pyflow();
  const samples = interleave(Math.min(rounds, 7), [{ name: 'up to date', floor: stage.floor, pyflow: stage.pyflow }]);
  const figure = ratioFigure(`${count} nodes, up to date`, samples['up to date'], 3);
  const perNode = (figure.pyflow.median / count) * 1000;
  return [
    figure,
    boundFigure(`${count} nodes, up to date, a node`, 'us', perNode),
    boundFigure(`${count} nodes, up to date, peak memory`, 'MB', pyflowPeak(stage.args) / 1e6, 300),
  ];
}

/** Two copies of the same inputs; both programs write their outputs beside them, pyflow by building in place. */
function setStage(count) {
  const folder = makeFolder();
  const nodes = layeredGraph(count);
  const [floorDir, app, cache] = ['floor', 'app', 'cache'].map((name) => join(folder, name));
  for (const place of [floorDir, app]) {
    mkdirSync(place);
    writeInputs(place, nodes);
  }
  const pipeline = join(folder, 'layered.yml');
  writeFileSync(pipeline, pipelineOf(nodes));
  const args = [
    'run',
    pipeline,
    '--app',
    app,
    '--out',
    app,
    '--cache-dir',
    cache,
    '--sandbox',
    'none',
    '--log',
    'plain',
  ];
  return {
    nodes,
    floorDir,
    app,
    args,
    floor: () => nodeTime([bench('floor.mjs'), floorDir, String(count)]),
    pyflow: () => pyflowTime(args),
    reset: () => {
      for (const { id } of nodes) for (const place of [floorDir, app]) remove(join(place, outputOf(id)));
      remove(join(floorDir, 'floor-state.json'), join(app, '.pyflow-slug.json'), cache);
      for (const place of [floorDir, app]) writeInput(place, 'n0', 1);
    },
  };
}
