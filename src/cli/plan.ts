// `pyflow plan`: shows what a run would do, and why, without running anything.

import type { PlanLine, PlanReport } from '../engine/plan-report.js';
import type { RunRequest } from '../engine/request.js';
import { cleanLines, cleanText } from '../engine/files/clean-text.js';
import { formatOutcome, placesOf, table } from '../engine/render/messages.js';
import { formatReasons } from '../engine/render/reasons.js';
import { formatUnshared } from '../engine/render/unshared.js';
import { complain, type Command, type Given } from './command.js';
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
    'Asks a remote cache only if --remote or --remote-settings is given, not for PYFLOW_REMOTE.',
  ],
  options: [...RUN_OPTIONS, { name: 'json', summary: 'Print JSON' }],
  examples: ['pyflow plan', 'pyflow plan pipelines/python.yml --app ../shop'],
  run: async (given, world) => {
    const requested = runRequest(given, world);
    if (!requested.ok) return complain(world, requested.failure);
    return printPlan(planned(given, requested.value), given.flag('json'), world);
  },
};

/** A plan asks a server only if the command line names it, not if the environment does. */
export function planned(given: Given, { remote, ...request }: RunRequest): RunRequest {
  const isAsked = given.flag('remote') || given.flag('remote-settings');
  return remote === undefined || !isAsked ? request : { ...request, remote };
}

export async function printPlan(request: RunRequest, asJSON: boolean, world: World): Promise<number> {
  const plan = await world.engine.plan(request, (code, text) => {
    world.stderr.write(`${cleanText(text)} [${code}]\n`);
  });
  if (!plan.ok) return printRefusal(plan.failure, world);
  if (asJSON) printJSON(plan.value, world);
  else world.stdout.write(planText(plan.value));
  return 0;
}

function planText(plan: PlanReport): string {
  const rows = plan.lines.map(({ id, kind, certain, outcome, unshared, dependsOn, reasons, failure, ...line }) => [
    id,
    kind,
    outcome === undefined ? '?' : formatOutcome(outcome),
    [
      ...placesOf(line),
      unshared === undefined ? '' : `not shared, because ${formatUnshared(unshared)}`,
      certain ? '' : `depends on ${(dependsOn ?? []).join(', ')}`,
      formatReasons(reasons),
      failure === undefined ? '' : `${cleanLines(failure.title).join(' ')} [${failure.code}]`,
    ]
      .filter((text) => text !== '')
      .join('; '),
  ]);
  const [header = '', ...lines] = table([['NODE', 'KIND', 'WOULD BE', 'WHY'], ...rows]);
  const explained = lines.flatMap((line, index) => [line, ...explanationLines(plan.lines[index]!)]);
  return `${[header, ...explained].join('\n')}\n`;
}

/** Indented, below the line of the node. */
const explanationLines = ({ explanation }: PlanLine): readonly string[] =>
  (explanation?.lines ?? []).map((line) => `    ${cleanText(line)}`);
