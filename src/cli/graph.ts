// `pyflow graph`: a pipeline as a picture.

import { GRAPH_FORMATS, renderGraph, type GraphFormat } from '../engine/render/graph.js';
import { complain, type Command } from './command.js';
import { printRefusal } from './refusal.js';
import { PARAM_OPTION, runRequest } from './run-options.js';

export const command: Command = {
  name: 'graph',
  operands: 'PIPELINE',
  minOperands: 1,
  maxOperands: 1,
  summary: 'Print the graph of a pipeline',
  options: [
    {
      name: 'format',
      value: 'FORMAT',
      choices: GRAPH_FORMATS,
      summary: 'Language of the graph (default: mermaid)',
    },
    PARAM_OPTION,
  ],
  examples: ['pyflow graph pipelines/python.yml --format dot | dot -Tsvg > python.svg'],
  run: async (given, world) => {
    const { signal } = world.onInterrupt();
    const requested = runRequest(given, world, given.operands[0] ?? '', signal);
    if (!requested.ok) return complain(world, requested.problem);
    const checked = await world.engine.check(requested.request);
    if (!checked.ok) return printRefusal(checked.failure, world);
    world.stdout.write(renderGraph(checked.value, (given.value('format') ?? 'mermaid') as GraphFormat));
    return 0;
  },
};
