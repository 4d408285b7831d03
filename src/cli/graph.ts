// `pyflow graph`: prints or draws the graph of a pipeline.

import { succeed, type Failure, type Result } from '../engine/failure.js';
import { renderGraph, type GraphFormat } from '../engine/render/graph.js';
import type { CheckedPipeline } from '../manifests/pipeline/manifest.js';
import { complain, type Command } from './command.js';
import { printFailure, printRefusal } from './refusal.js';
import { PARAM_OPTION, runRequest } from './run-options.js';

const FORMATS = ['mermaid', 'dot', 'json', 'svg', 'html'] as const;

export const command: Command = {
  name: 'graph',
  operands: '[PIPELINE]',
  minOperands: 0,
  maxOperands: 1,
  summary: 'Print or draw the graph of a pipeline',
  details: [
    'mermaid and dot are input for programs that draw graphs, and json is for any other program. svg is a drawing. html is a self-contained page with the drawing, search, zoom and the details of each node.',
  ],
  options: [
    { name: 'format', value: 'FORMAT', choices: FORMATS, summary: 'Format of the graph (default: mermaid)' },
    PARAM_OPTION,
  ],
  examples: [
    'pyflow graph pipelines/python.yml --format html > python.html',
    'pyflow graph pipelines/python.yml --format dot | dot -Tsvg > python.svg',
  ],
  run: async (given, world) => {
    const requested = runRequest(given, world);
    if (!requested.ok) return complain(world, requested.failure);
    const checked = await world.engine.check(requested.value);
    if (!checked.ok) return printRefusal(checked.failure, world);
    const format = (given.value('format') ?? 'mermaid') as (typeof FORMATS)[number];
    const drawn =
      format === 'svg' || format === 'html'
        ? await draw(checked.value, format)
        : succeed(renderGraph(checked.value, format satisfies GraphFormat));
    if (!drawn.ok) return printFailure(drawn.failure, world);
    world.stdout.write(drawn.value);
    return 0;
  },
};

/** The drawing needs a library, so it is in a separate bundle. */
async function draw(pipeline: CheckedPipeline, format: 'svg' | 'html'): Promise<Result<string, Failure>> {
  const { drawGraph, graphPage } = await import('../engine/render/drawing.js');
  if (format === 'html') return graphPage(pipeline);
  const drawn = drawGraph(pipeline, { alone: true });
  return drawn.ok ? succeed(drawn.value.svg) : drawn;
}
