// `pyflow plan`: shows what a run would do, and why, without running anything.

import type { PlanReport } from '../engine/plan-report.js';
import type { RunRequest } from '../engine/request.js';
import { cleanLines } from '../engine/files/clean-text.js';
import { formatOutcome, table } from '../engine/render/messages.js';
import { formatReasons } from '../engine/render/reasons.js';
import { complain, type Command } from './command.js';
import { printJSON } from './print-json.js';
import { printRefusal } from './refusal.js';
import { RUN_OPTIONS, runRequest } from './run-options.js';
import type { World } from './world.js';

export const command: Command = {
  name: 'plan',
  operands: '[PIPELINE]',
  minOperands: 0,
  maxOperands: 1,
  summary: 'Show which nodes would run, be restored or be skipped, and why',
  details: [
    'Accepts the options of `pyflow run` and changes nothing. A line with an outcome is certain. A line with `?` depends on other nodes: their results decide whether the node runs.',
  ],
  options: [...RUN_OPTIONS, { name: 'json', summary: 'Print JSON' }],
  examples: ['pyflow plan', 'pyflow plan pipelines/python.yml --app ../shop'],
  run: async (given, world) => {
    const requested = runRequest(given, world);
    if (!requested.ok) return complain(world, requested.failure);
    return printPlan(requested.value, given.flag('json'), world);
  },
};

export async function printPlan(request: RunRequest, asJSON: boolean, world: World): Promise<number> {
  const planned = await world.engine.plan(request);
  if (!planned.ok) return printRefusal(planned.failure, world);
  if (asJSON) printJSON(planned.value, world);
  else world.stdout.write(planText(planned.value));
  return 0;
}

function planText(plan: PlanReport): string {
  const rows = plan.lines.map(({ id, kind, certain, outcome, dependsOn, reasons, failure }) => [
    id,
    kind,
    outcome === undefined ? '?' : formatOutcome(outcome),
    [
      certain ? '' : `depends on ${(dependsOn ?? []).join(', ')}`,
      formatReasons(reasons),
      failure === undefined ? '' : `${cleanLines(failure.title).join(' ')} [${failure.code}]`,
    ]
      .filter((text) => text !== '')
      .join('; '),
  ]);
  return `${table([['NODE', 'KIND', 'WOULD BE', 'WHY'], ...rows]).join('\n')}\n`;
}
