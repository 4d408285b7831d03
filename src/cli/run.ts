// `pyflow run`: the up-to-date path first, then the whole engine; events go to a renderer and to the files asked for.

import type { Event, EventSink, RunReport } from '../engine/events.js';
import { EXIT_STATUS } from '../engine/failure.js';
import type { Refusal, RunRequest } from '../engine/request.js';
import { reportOfRefusal } from '../engine/render/report.js';
import { eventSink, type Renderer } from '../engine/render/renderer.js';
import { complain, type Command, type Given } from './command.js';
import { writeDocuments } from './documents.js';
import { printPlan } from './plan.js';
import { printFailure, printRefusal } from './refusal.js';
import { pipelineFile } from './shipped-pipelines.js';
import { unwritablePlace } from './writable-places.js';
import { RUN_OPTIONS, runRequest } from './run-options.js';
import { LOG_NAMES, chooseLog, openRenderer, type OpenRenderer } from './log-choice.js';
import type { World } from './world.js';

export const command: Command = {
  name: 'run',
  operands: '[PIPELINE]',
  minOperands: 0,
  maxOperands: 1,
  summary: 'Run a pipeline on an app, re-using every result whose inputs did not change',
  details: [
    'Checks the pipeline file, runs its nodes in order of their edges and writes the finished app, the slug. A node',
    'whose inputs are the same as in an earlier run is restored from the cache instead of executed.',
    '',
    'PIPELINE is a file, or the name of a pipeline that comes with pyflow (default: python).',
  ].join('\n'),
  options: [
    ...RUN_OPTIONS,
    {
      name: 'log',
      value: 'FORMAT',
      choices: LOG_NAMES,
      summary: 'What is printed (default: auto, which is live on a terminal, github under GitHub Actions, else plain)',
    },
    { name: 'verbose', short: 'v', summary: 'Print the logs of restored nodes too, and name all nodes' },
    { name: 'report', value: 'FILE', summary: 'Write what happened as JSON, on failure too' },
    { name: 'trace', value: 'FILE', summary: 'Write a Chrome trace of the run' },
    { name: 'dry-run', summary: 'Only say what would happen, as `pyflow plan` does' },
  ],
  examples: [
    'pyflow run',
    'pyflow run python --app ../shop --app-id shop --env-dir /run/env --report report.json',
    'pyflow run deploy/pipeline.yml -p stack=scalingo-22 --refresh runtime',
  ],
  run,
};

async function run(given: Given, world: World): Promise<number> {
  const { signal, interruption } = world.onInterrupt();
  const pipeline = pipelineFile(given.operands[0], world);
  if (!pipeline.ok) return complain(world, pipeline.problem);
  const requested = runRequest(given, world, pipeline.file, signal);
  if (!requested.ok) return complain(world, requested.problem);
  if (given.flag('dry-run')) return printPlan(requested.request, false, world);
  const { request } = requested;
  const unwritable = unwritablePlace(given, world, request.outDir);
  if (unwritable !== undefined) return printFailure(unwritable, world);
  const log = chooseLog(given, world);
  const startedAt = world.now();

  const early = collector(world, startedAt);
  const fast = await world.engine.tryFastPath(request, early.sink);
  if (fast !== undefined) {
    // Nothing but the renderer's own chunk is loaded here.
    const { renderer } = await openRenderer(log, given.flag('verbose'), world, { light: true });
    early.replay([renderer.consume]);
    renderer.close();
    return writeDocuments(given, world, fast, early.events);
  }

  const opened = await openRenderer(log, given.flag('verbose'), world, { light: false });
  world.atExit(() => opened.renderer.close());
  const kept: Event[] = [];
  const needsEvents = given.value('trace') !== undefined;
  const consume = (event: Event): void => {
    const told = withExitStatus(event, interruption()?.exitStatus);
    opened.renderer.consume(told);
    if (needsEvents && told.type !== 'node-printed' && told.type !== 'node-progress') kept.push(told);
  };
  early.replay([consume]);
  const outcome = await world.engine.run(request, eventSink(world.now, startedAt, [consume]));
  await closeAll(opened);
  if (outcome.ok) {
    return writeDocuments(given, world, reportWithStatus(outcome.value, interruption()?.exitStatus), kept);
  }
  return refuse(given, world, request, outcome.failure, startedAt, log === 'github');
}

async function closeAll({ renderer, flush }: OpenRenderer): Promise<void> {
  renderer.close();
  await flush();
}

/** Keeps what the short path says until it is known whether it says all. */
function collector(world: World, startedAt: number) {
  const events: Event[] = [];
  const sink: EventSink = {
    emit: (event) => void events.push({ at: Math.max(0, world.now() - startedAt), ...event } as Event),
  };
  const replay = (consumers: readonly Renderer['consume'][]): void => {
    for (const event of events) for (const consume of consumers) consume(event);
  };
  return { sink, events, replay };
}

/** Only the command line knows which signal it was. */
export const withExitStatus = (event: Event, exitStatus: number | undefined): Event =>
  event.type === 'run-finished' ? { ...event, report: reportWithStatus(event.report, exitStatus) } : event;

export const reportWithStatus = (report: RunReport, exitStatus: number | undefined): RunReport =>
  report.status === 'aborted' && exitStatus !== undefined ? { ...report, exitCode: exitStatus } : report;

function refuse(
  given: Given,
  world: World,
  request: RunRequest,
  refusal: Refusal,
  startedAt: number,
  annotate: boolean,
): number {
  const exitStatus = world.onInterrupt().interruption()?.exitStatus;
  printRefusal(refusal, world, annotate);
  const report = reportOfRefusal(request, refusal, startedAt, world.now());
  const status = exitStatus ?? EXIT_STATUS[report.failure?.blame ?? 'internal'];
  return writeDocuments(given, world, { ...report, exitCode: status }, []);
}
