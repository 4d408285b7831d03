// Writes the files of `--report` and `--trace` at the end, however the run ended.

import { resolve } from 'node:path';
import type { Event, RunReport } from '../engine/events.js';
import type { Failure } from '../engine/failure.js';
import { writeDocument } from '../engine/render/report.js';
import { TraceRecorder } from '../engine/render/trace.js';
import type { Given } from './command.js';
import { printFailure } from './refusal.js';
import type { World } from './world.js';

/** `events` are for the trace. */
export interface EndedRun {
  readonly report: RunReport;
  readonly events: readonly Event[];
}

/** Returns the failures to write them. */
export function writeDocuments(given: Given, world: World, { report, events }: EndedRun): readonly Failure[] {
  const documents: readonly (readonly [option: string, make: () => unknown])[] = [
    ['report', () => report],
    ['trace', () => traceOf(events)],
  ];
  return documents.flatMap(([option, make]) => {
    const file = given.value(option);
    const written = file === undefined ? undefined : writeDocument(resolve(world.cwd, file), make());
    if (written === undefined || written.ok) return [];
    printFailure(written.failure, world);
    return [written.failure];
  });
}

function traceOf(events: readonly Event[]): unknown {
  const recorder = new TraceRecorder();
  for (const event of events) recorder.consume(event);
  return recorder.toJSON();
}
