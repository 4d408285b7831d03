// How long pyflow takes before it does anything, compared with an empty program.

import { join } from 'node:path';
import { bench, interleave, nodeTime, pyflowTime, ratioFigure, root, skippedFigure } from '../measure.mjs';
import { buildExample, runArgs } from '../built-app.mjs';

export function startup({ rounds }) {
  const empty = () => nodeTime([bench('empty.mjs')]);
  const steps = [
    { name: '--version', target: 1.3, floor: empty, pyflow: () => pyflowTime(['--version']) },
    {
      name: 'check pipelines/python.yml',
      target: 3,
      floor: empty,
      pyflow: () => pyflowTime(['check', join(root, 'pipelines/python.yml')]),
    },
  ];
  const figures = [];
  const example = buildExample();
  if (example.reason === undefined) {
    const args = runArgs(example);
    steps.push({
      name: 'example, up to date, slug in place',
      target: 2.5,
      floor: empty,
      pyflow: () => pyflowTime(args),
    });
  } else figures.push(skippedFigure('example, up to date, slug in place', example.reason));
  for (const step of steps) {
    step.floor();
    step.pyflow();
  }
  const samples = interleave(rounds, steps);
  return [...steps.map(({ name, target }) => ratioFigure(name, samples[name], target)), ...figures];
}
