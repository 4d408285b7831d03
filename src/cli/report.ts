// `pyflow report`: what a run of an app did, from the record it left in the cache.

import { reportText } from '../engine/render/report-text.js';
import { appIdOf, listRuns, readReport } from '../engine/run-record.js';
import { complain, type Command } from './command.js';
import { hasColor } from './log-choice.js';
import { APP_OPTIONS, appOf } from './run-options.js';

export const command: Command = {
  name: 'report',
  operands: '[RUN]',
  minOperands: 0,
  maxOperands: 1,
  summary: 'Show what a run did; the latest of the app unless one is named',
  details: 'The last 50 runs of each app are kept. RUN is a run id as --list shows it, or the beginning of one.',
  options: [
    ...APP_OPTIONS,
    { name: 'list', summary: 'List the runs of the app' },
    { name: 'json', summary: 'Print the report as JSON' },
  ],
  examples: ['pyflow report --app-id shop', 'pyflow report --json | jq .nodes'],
  run: async (given, world) => {
    const place = appOf(given, world);
    if (!place.ok) return complain(world, place.problem);
    const { cacheDir } = place.value;
    const appId = appIdOf(place.value);
    const runs = listRuns(cacheDir, appId);
    const asked = given.operands[0];
    const runId = asked === undefined ? runs.at(-1) : runs.find((run) => run.startsWith(asked));
    if (given.flag('list')) {
      const reports = runs.flatMap((run) => readReport(cacheDir, appId, run) ?? []);
      if (given.flag('json')) world.stdout.write(`${JSON.stringify(runs)}\n`);
      else
        world.stdout.write(reports.map(({ runId, status, pipeline }) => `${runId}  ${status}  ${pipeline}\n`).join(''));
      return 0;
    }
    const report = runId === undefined ? undefined : readReport(cacheDir, appId, runId);
    if (report === undefined) {
      return complain(world, {
        message: asked === undefined ? `No run of ${appId} is recorded.` : `No run ${asked} of ${appId} is recorded.`,
        remedy: 'Runs are kept by app and cache: check --app, --app-id and --cache-dir, or see `pyflow report --list`.',
      });
    }
    if (given.flag('json')) {
      world.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`);
      return 0;
    }
    world.stdout.write(reportText(report, hasColor(world)));
    return 0;
  },
};
