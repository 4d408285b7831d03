// `--report` and `--trace`: written at the end, whatever the end was.

import { resolve } from 'node:path';
import type { Event, RunReport } from '../engine/events.js';
import { EXIT_STATUS } from '../engine/failure.js';
import type { Given } from './command.js';
import type { World } from './world.js';

/** The exit status of the run, or of the failure to write when the run itself went well. */
export async function writeDocuments(
  given: Given,
  world: World,
  report: RunReport,
  events: readonly Event[],
): Promise<number> {
  const reportFile = given.value('report');
  const traceFile = given.value('trace');
  let status = report.exitCode;
  if (reportFile !== undefined) status = await write(reportFile, () => report, status, world);
  if (traceFile !== undefined) {
    const { traceRecorder } = await import('../engine/render/trace.js');
    const recorder = traceRecorder();
    for (const event of events) recorder.consume(event);
    status = await write(traceFile, () => recorder.toJSON(), status, world);
  }
  return status;
}

async function write(file: string, document: () => unknown, status: number, world: World): Promise<number> {
  const { writeDocument } = await import('../engine/render/report.js');
  const written = writeDocument(resolve(world.cwd, file), document());
  if (written.ok) return status;
  const { formatFailure } = await import('../engine/render/messages.js');
  world.stderr.write(`${formatFailure(written.failure).join('\n')}\n`);
  return status === 0 ? EXIT_STATUS[written.failure.blame] : status;
}
