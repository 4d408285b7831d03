// Logs of nodes as blobs hold them: one line of JSON for each line. They may come from another machine.

import type { LogLine } from '../store/store.js';

/** Skips what is no line of a log. */
export const logLinesIn = (bytes: Buffer): readonly LogLine[] =>
  bytes
    .toString('utf8')
    .split('\n')
    .flatMap((line) => logLineOf(line) ?? []);

const STREAMS: ReadonlySet<unknown> = new Set(['stdout', 'stderr', 'step', 'notice'] satisfies LogLine['stream'][]);

function logLineOf(text: string): LogLine | undefined {
  try {
    const line = JSON.parse(text) as Partial<LogLine> | null;
    return STREAMS.has(line?.stream) && typeof line?.text === 'string' ? (line as LogLine) : undefined;
  } catch {
    return undefined;
  }
}
