// `pyflow run`: asks the fast path whether all is up to date, else calls the engine. A renderer shows the events; the exit
// status is decided in exit-status.ts.

import type { Event, RunReport } from '../engine/events.js';
import type { RunRequest } from '../engine/request.js';
import { reportOfRefusal } from '../engine/render/report.js';
import { eventSink } from '../engine/render/renderer.js';
import { complain, type Command, type Given } from './command.js';
import { writeDocuments, type EndedRun } from './documents.js';
import { statusOfRun, withRefusalStatus, withSignalStatus, withStatusInEvent } from './exit-status.js';
import { planned, printPlan } from './plan.js';
import { printFailure, printRefusal } from './refusal.js';
import { unwritablePlace } from './writable-places.js';
import { RUN_OPTIONS, runRequest } from './run-options.js';
import { LOG_NAMES, chooseLog, openRenderer } from './log-choice.js';
import type { World } from './world.js';

export const command: Command = {
  name: 'run',
  operands: '[PIPELINE]',
  minOperands: 0,
  maxOperands: 1,
  summary: 'Run a pipeline on an app and write the finished app, the slug',
  details: [
    'Checks the pipeline file, runs its nodes in the order of their edges and writes the slug. If the inputs of a node are the same as in an earlier run, pyflow restores its result from the cache instead of executing the node.',
    'PIPELINE is a file or the name of a pipeline that comes with pyflow (default: python).',
  ],
  options: [
    ...RUN_OPTIONS,
    {
      name: 'log',
      value: 'FORMAT',
      choices: LOG_NAMES,
      summary:
        'Format of the log (default: auto, which is live on a terminal, github under GitHub Actions, else plain)',
    },
    { name: 'verbose', short: 'v', summary: 'Also print the logs of restored nodes, and one line for every node' },
    { name: 'report', value: 'FILE', summary: 'Write a report of the run as JSON, even if the run fails' },
    { name: 'trace', value: 'FILE', summary: 'Write a Chrome trace of the run' },
    { name: 'dry-run', summary: 'Show what would happen, like `pyflow plan`, and run nothing' },
  ],
  examples: [
    'pyflow run',
    'pyflow run python --app ../shop --app-id shop --env-dir /run/env --report report.json',
    'pyflow run deploy/pipeline.yml -p stack=scalingo-22 --refresh runtime',
  ],
  run,
};

/** Returns the exit status. */
async function run(given: Given, world: World): Promise<number> {
  const requested = runRequest(given, world);
  if (!requested.ok) return complain(world, requested.failure);
  const request = requested.value;
  if (given.flag('dry-run')) return printPlan(planned(given, request), false, world);
  const unwritable = unwritablePlace(given, world, request);
  if (unwritable !== undefined) return printFailure(unwritable, world);

  const startedAt = world.now();
  const early: Event[] = [];
  const upToDate = await world.engine.tryFastPath(
    request,
    eventSink(world.now, startedAt, [(event) => early.push(event)]),
  );
  const started = { given, world, request, startedAt, early };
  const ended = upToDate === undefined ? await runEngine(started) : await showUpToDate(started, upToDate);
  return statusOfRun(ended.report, writeDocuments(given, world, ended));
}

interface StartedRun {
  readonly given: Given;
  readonly world: World;
  readonly request: RunRequest;
  readonly startedAt: number;
  /** Events of the fast path: all events of the run if it is up to date, else those before the fast path gave up. */
  readonly early: readonly Event[];
}

/** Nothing changed since the last run, so only the code of the renderer is loaded. */
async function showUpToDate({ given, world, early }: StartedRun, report: RunReport): Promise<EndedRun> {
  const { renderer } = await openRenderer(chooseLog(given, world), given.flag('verbose'), world, { light: true });
  for (const event of early) renderer.consume(event);
  renderer.close();
  return { report, events: early };
}

/** `world.engine.run` is `runPipeline` of engine/pipeline.ts; cli/engine.ts loads it. */
async function runEngine({ given, world, request, startedAt, early }: StartedRun): Promise<EndedRun> {
  const { interruption } = world.onInterrupt();
  const log = chooseLog(given, world);
  const { renderer, flush } = await openRenderer(log, given.flag('verbose'), world, { light: false });
  world.atExit(() => renderer.close());
  const events: Event[] = [];
  const isTraced = given.value('trace') !== undefined;
  const consume = (emitted: Event): void => {
    const event = withStatusInEvent(emitted, interruption());
    renderer.consume(event);
    if (isTraced && event.type !== 'node-printed' && event.type !== 'node-progress') events.push(event);
  };
  early.forEach(consume);
  const outcome = await world.engine.run(request, eventSink(world.now, startedAt, [consume]));
  renderer.close();
  await flush();
  if (outcome.ok) return { report: withSignalStatus(outcome.value, interruption()), events };
  printRefusal(outcome.failure, world, log === 'github');
  const report = reportOfRefusal(request, outcome.failure, startedAt, world.now());
  return { report: withRefusalStatus(report, interruption()), events: [] };
}
