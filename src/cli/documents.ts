// `--report` and `--trace`: written at the end, whatever the end was.

import { resolve } from 'node:path';
import type { Event, RunReport } from '../engine/events.js';
import { EXIT_STATUS } from '../engine/failure.js';
import { formatFailure } from '../engine/render/messages.js';
import { writeDocument } from '../engine/render/report.js';
import { TraceRecorder } from '../engine/render/trace.js';
import type { Given } from './command.js';
import type { World } from './world.js';

/** The exit status of the run, or of the failure to write when the run itself went well. */
export function writeDocuments(given: Given, world: World, report: RunReport, events: readonly Event[]): number {
  const reportFile = given.value('report');
  const traceFile = given.value('trace');
  let status = report.exitCode;
  if (reportFile !== undefined) status = write(reportFile, () => report, status, world);
  if (traceFile !== undefined) {
    const recorder = new TraceRecorder();
    for (const event of events) recorder.consume(event);
    status = write(traceFile, () => recorder.toJSON(), status, world);
  }
  return status;
}

function write(file: string, document: () => unknown, status: number, world: World): number {
  const written = writeDocument(resolve(world.cwd, file), document());
  if (written.ok) return status;
  world.stderr.write(`${formatFailure(written.failure).join('\n')}\n`);
  return status === 0 ? EXIT_STATUS[written.failure.blame] : status;
}
