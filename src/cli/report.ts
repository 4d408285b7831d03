// `pyflow report`: shows what a run did, from its record in the cache.

import { resolve } from 'node:path';
import { writeText } from '../engine/render/report.js';
import { REPORT_SCHEMA, type RunReport } from '../engine/events.js';
import { succeed, unreachable, type Result } from '../engine/failure.js';
import { appIdOf, listRuns } from '../engine/run/run-record.js';
import type { StoredReport } from '../engine/run/stored-report.js';
import { complain, EMPTY_VALUE, wrongUsage, type Command, type UsageProblem } from './command.js';
import { hasColor } from './color.js';
import { printJSON } from './print-json.js';
import { printFailure } from './refusal.js';
import { APP_OPTIONS, appOf, type AppPlace } from './run-options.js';
import type { World } from './world.js';

export const command: Command = {
  name: 'report',
  operands: '[RUN]',
  minOperands: 0,
  maxOperands: 1,
  summary: 'Show what a run did',
  details: [
    'Shows the latest run of the app, or the run RUN: a run id as --list shows it, or the beginning of one. pyflow keeps the last 50 runs of each app.',
  ],
  options: [
    ...APP_OPTIONS,
    { name: 'list', summary: 'List the runs of the app' },
    { name: 'json', summary: 'Print the report as JSON' },
    { name: 'html', value: 'FILE', summary: 'Write the report as a self-contained page' },
  ],
  examples: ['pyflow report --app-id shop', 'pyflow report --html report.html', 'pyflow report --json | jq .nodes'],
  run: async (given, world) => {
    const place = appOf(given, world);
    if (!place.ok) return complain(world, place.failure);
    const html = given.value('html');
    if (html !== undefined && (given.flag('json') || given.flag('list'))) {
      return complain(world, {
        message: '--html writes the page of one run and prints nothing.',
        remedy: 'Remove --json or --list.',
      });
    }
    if (html === '') return complain(world, { message: '--html needs a file.', remedy: EMPTY_VALUE });
    if (given.flag('list')) return list(place.value, given.flag('json'), world);
    const found = await findReport(place.value, given.operands[0]);
    if (!found.ok) return complain(world, found.failure);
    if (html !== undefined) return writePage(found.value, html, world);
    if (given.flag('json')) printJSON(found.value, world);
    else await printText(found.value, world);
    return 0;
  },
};

async function list(place: AppPlace, asJSON: boolean, world: World): Promise<number> {
  const { cacheDir } = place;
  const appId = appIdOf(place);
  const runs = listRuns(cacheDir, appId);
  if (asJSON) {
    world.stdout.write(`${JSON.stringify(runs)}\n`);
    return 0;
  }
  const { readStoredReport } = await import('../engine/run/stored-report.js');
  for (const run of runs) world.stdout.write(listLine(run, readStoredReport(cacheDir, appId, run)));
  return 0;
}

/** Empty for a run whose record is damaged. */
function listLine(run: string, stored: StoredReport): string {
  switch (stored.type) {
    case 'report':
      return `${run}  ${stored.report.status}  ${stored.report.pipeline}\n`;
    case 'other-schema':
      return `${run}  recorded by another version of pyflow\n`;
    case 'none':
      return '';
    default:
      return unreachable(stored);
  }
}

/** `asked`: a run id or the beginning of one. Default: the latest run. */
async function findReport(place: AppPlace, asked: string | undefined): Promise<Result<RunReport, UsageProblem>> {
  const { cacheDir } = place;
  const appId = appIdOf(place);
  const runs = listRuns(cacheDir, appId);
  const found = asked === undefined ? runs.slice(-1) : runs.filter((run) => run.startsWith(asked));
  if (found.length > 1) {
    return wrongUsage(
      `${found.length} runs of ${appId} have an id that starts with "${asked}".`,
      `Write more characters of the id: ${found.slice(0, 3).join(', ')}${found.length > 3 ? ', ...' : ''}`,
    );
  }
  const { readStoredReport } = await import('../engine/run/stored-report.js');
  const stored: StoredReport = found[0] === undefined ? { type: 'none' } : readStoredReport(cacheDir, appId, found[0]);
  if (stored.type === 'report') return succeed(stored.report);
  if (stored.type === 'other-schema') {
    return wrongUsage(
      `Run ${found[0]} was recorded by another version of pyflow (schema ${stored.schema}).`,
      `Name a later run, or run the pipeline again. This version reads ${REPORT_SCHEMA}.`,
    );
  }
  return wrongUsage(
    asked === undefined ? `The cache has no run of ${appId}.` : `The cache has no run ${asked} of ${appId}.`,
    'Check --app, --app-id and --cache-dir. `pyflow report --list` lists the runs.',
  );
}

async function printText(report: RunReport, world: World): Promise<void> {
  const { reportText } = await import('../engine/render/report-text.js');
  world.stdout.write(reportText(report, hasColor(world)));
}

async function writePage(report: RunReport, file: string, world: World): Promise<number> {
  const { reportPage } = await import('../engine/render/report-page.js');
  const written = writeText(resolve(world.cwd, file), reportPage(report));
  if (!written.ok) return printFailure(written.failure, world);
  world.stdout.write(`Wrote the page of run ${report.runId} to ${file}.\n`);
  return 0;
}
