// `pyflow explain version`: shows which versions of Python fit the app, and why the others don't.

import { cleanText } from '../engine/files/clean-text.js';
import { succeed, type Result } from '../engine/failure.js';
import type { PlanLine } from '../engine/plan-report.js';
import type { Refusal, RunRequest } from '../engine/request.js';
import type { VersionTrace } from '../manifests/app/versions/trace.js';
import { complain, didYouMean, type Command, type Given } from './command.js';
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
    const explanation = await explain(planned(given, requested.value), world);
    if (!explanation.ok) return printRefusal(explanation.failure, world);
    const { nodes, lines, before } = explanation.value;
    if (given.value('format') === 'json')
      printJSON(
        nodes.map((node) => explained(node, before)),
        world,
      );
    else printText(nodes, before, world);
    const failed = nodes.find(({ outcome }) => outcome === 'failed') ?? stopping(nodes, lines);
    return failed?.failure === undefined ? 0 : printFailure(failed.failure, world);
  },
};

interface Explanation {
  readonly nodes: readonly PlanLine[];
  /** All nodes. */
  readonly lines: readonly PlanLine[];
  /** Nodes that run before these and may change files; they are assumed to change none. */
  readonly before: readonly string[];
}

/** How the app's version of Python is decided; undefined if that can't be known without a run. For the shipped pipeline. */
export async function versionTraceOf(given: Given, world: World): Promise<VersionTrace | undefined> {
  const requested = runRequest({ ...given, operands: [] }, world);
  if (!requested.ok) return undefined;
  const explanation = await explain(planned(given, requested.value), world, () => undefined);
  const data = explanation.ok ? explanation.value.nodes[0]?.explanation?.data : undefined;
  return data === undefined ? undefined : (data as unknown as VersionTrace);
}

async function explain(
  request: RunRequest,
  world: World,
  onNotice = (code: string, text: string): void => world.stderr.write(`${cleanText(text)} [${code}]\n`),
): Promise<Result<Explanation, Refusal>> {
  const plan = await world.engine.plan(request, onNotice);
  if (!plan.ok) return plan;
  const { lines } = plan.value;
  const nodes = lines.filter(({ kind }) => kind === KIND);
  const before = [...new Set(nodes.flatMap(({ dependsOn = [] }) => dependsOn))];
  if (before.length === 0) return succeed({ nodes, lines, before });
  const only = nodes.map(({ id }) => id);
  const assumed = await world.engine.plan({ ...request, only }, onNotice, { assumesUnchanged: true });
  if (!assumed.ok) return assumed;
  return succeed({
    nodes: assumed.value.lines.filter(({ kind }) => kind === KIND),
    lines: assumed.value.lines,
    before,
  });
}

/** The node that fails before the version is known. */
const stopping = (nodes: readonly PlanLine[], lines: readonly PlanLine[]): PlanLine | undefined =>
  nodes.every(({ explanation }) => explanation !== undefined)
    ? undefined
    : lines.find(({ outcome }) => outcome === 'failed');

const explained = ({ id, certain, explanation }: PlanLine, before: readonly string[]) => ({
  node: id,
  certain: certain && before.length === 0,
  ...(before.length > 0 && { dependsOn: before }),
  ...(explanation?.data !== undefined && { trace: explanation.data }),
});

function printText(nodes: readonly PlanLine[], before: readonly string[], world: World): void {
  if (nodes.length === 0) world.stdout.write(`The pipeline has no node of the kind ${KIND}.\n`);
  for (const { id, explanation, dependsOn = [], outcome } of nodes) {
    const [first = '', ...lines] = explanation?.lines ?? [unknown(dependsOn, outcome)];
    const text = [nodes.length > 1 ? `${id}: ${first}` : first, ...lines.map((line) => `  ${line}`)];
    world.stdout.write(text.map((line) => `${cleanText(line)}\n`).join(''));
  }
  if (before.length > 0) {
    world.stdout.write(`This is for the files as they are now. ${before.join(', ')} may change them in a run.\n`);
  }
}

const unknown = (dependsOn: readonly string[], outcome: string | undefined): string =>
  dependsOn.length > 0
    ? `The version is not known before these nodes have run: ${dependsOn.join(', ')}. Run the pipeline; its report has the trace.`
    : `The version was not decided: the node is ${outcome ?? 'unknown'}.`;
