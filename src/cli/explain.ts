// `pyflow explain version`: shows which versions of Python fit the app, and why the others don't.

import { cleanText } from '../engine/files/clean-text.js';
import type { PlanLine } from '../engine/plan-report.js';
import { complain, didYouMean, type Command } from './command.js';
import { planned } from './plan.js';
import { printJSON } from './print-json.js';
import { printFailure, printRefusal } from './refusal.js';
import { RUN_OPTIONS, runRequest } from './run-options.js';
import type { World } from './world.js';

const TOPICS = ['version'] as const;
const KIND = 'version-resolve';

export const command: Command = {
  name: 'explain',
  operands: 'version [PIPELINE]',
  choices: TOPICS,
  minOperands: 1,
  maxOperands: 2,
  summary: 'Show which versions of Python fit the app, and why the others do not',
  details: [
    'Looks at the files of the app and at the catalogue of pyflow. It installs nothing and uses no network. Accepts the options of `pyflow run`.',
  ],
  options: [
    ...RUN_OPTIONS,
    { name: 'format', value: 'FORMAT', choices: ['text', 'json'], summary: 'Format of the output (default: text)' },
  ],
  examples: [
    'pyflow explain version --app ../shop',
    'pyflow explain version --app ../shop -p stack=heroku-26 --format json',
  ],
  run: async (given, world) => {
    const [topic = '', ...pipeline] = given.operands;
    if (topic !== 'version') {
      return complain(world, {
        message: `pyflow explain does not accept "${topic}".`,
        remedy: `Use one of: ${TOPICS.join(', ')}.${didYouMean(topic, TOPICS)}`,
      });
    }
    const requested = runRequest({ ...given, operands: pipeline }, world);
    if (!requested.ok) return complain(world, requested.failure);
    const plan = await world.engine.plan(planned(given, requested.value), (code, text) => {
      world.stderr.write(`${cleanText(text)} [${code}]\n`);
    });
    if (!plan.ok) return printRefusal(plan.failure, world);
    const nodes = plan.value.lines.filter(({ kind }) => kind === KIND);
    if (given.value('format') === 'json') printJSON(nodes.map(explained), world);
    else printText(nodes, world);
    const failed = nodes.find(({ outcome }) => outcome === 'failed') ?? stopping(nodes, plan.value.lines);
    return failed?.failure === undefined ? 0 : printFailure(failed.failure, world);
  },
};

/** The node that fails before the version is known. */
const stopping = (nodes: readonly PlanLine[], lines: readonly PlanLine[]): PlanLine | undefined =>
  nodes.every(({ explanation }) => explanation !== undefined)
    ? undefined
    : lines.find(({ outcome }) => outcome === 'failed');

const explained = ({ id, certain, dependsOn, explanation }: PlanLine) => ({
  node: id,
  certain,
  ...(dependsOn !== undefined && { dependsOn }),
  ...(explanation?.data !== undefined && { trace: explanation.data }),
});

function printText(nodes: readonly PlanLine[], world: World): void {
  if (nodes.length === 0) world.stdout.write(`The pipeline has no node of the kind ${KIND}.\n`);
  for (const { id, explanation, dependsOn = [], outcome } of nodes) {
    const [first = '', ...lines] = explanation?.lines ?? [unknown(dependsOn, outcome)];
    const text = [nodes.length > 1 ? `${id}: ${first}` : first, ...lines.map((line) => `  ${line}`)];
    world.stdout.write(text.map((line) => `${cleanText(line)}\n`).join(''));
  }
}

const unknown = (dependsOn: readonly string[], outcome: string | undefined): string =>
  dependsOn.length > 0
    ? `The version is not known before these nodes have run: ${dependsOn.join(', ')}. Run the pipeline; its report has the trace.`
    : `The version was not decided: the node is ${outcome ?? 'unknown'}.`;
