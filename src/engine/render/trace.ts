// A Chrome trace of a run, for `--trace`: one span a node, in as many lanes as ran at a time.

import type { Event } from '../events.js';

interface Span {
  readonly name: string;
  readonly category: string;
  readonly lane: number;
  readonly startMs: number;
  readonly endMs: number;
  readonly args: Readonly<Record<string, unknown>>;
}

export interface TraceRecorder {
  consume(event: Event): void;
  /** The trace so far, as a JSON document. */
  toJSON(): { readonly traceEvents: readonly object[]; readonly displayTimeUnit: 'ms' };
}

export function traceRecorder(): TraceRecorder {
  const spans: Span[] = [];
  const started = new Map<string, { readonly startMs: number; readonly lane: number }>();
  /** Lanes that nobody uses, the last used on top; lane 0 is the run itself. */
  const freeLanes: number[] = [];
  let lanes = 0;
  let name = 'pyflow';
  return {
    consume: (event) => {
      switch (event.type) {
        case 'run-started':
          name = event.pipeline;
          return;
        case 'node-started':
          if (!started.has(event.node))
            started.set(event.node, { startMs: event.at, lane: freeLanes.pop() ?? ++lanes });
          return;
        case 'node-finished': {
          const start = started.get(event.node);
          started.delete(event.node);
          if (start !== undefined) freeLanes.push(start.lane);
          const { kind, outcome, reasons, key, layer, failure, savedMs } = event.report;
          spans.push({
            name: event.node,
            category: outcome,
            lane: start?.lane ?? 0,
            // A node that never started ended when its outcome was known.
            startMs: start?.startMs ?? event.at,
            endMs: event.at,
            args: { kind, outcome, reasons: reasons.map(({ what }) => what), key, layer, code: failure?.code, savedMs },
          });
          return;
        }
        case 'slug-written':
          spans.push({
            name: 'write slug',
            category: 'slug',
            lane: 0,
            startMs: Math.max(0, event.at - event.durationMs),
            endMs: event.at,
            args: { files: event.files, bytes: event.bytes },
          });
          return;
        case 'run-finished':
          spans.push({
            name,
            category: 'run',
            lane: 0,
            startMs: 0,
            endMs: event.at,
            args: { runId: event.report.runId, status: event.report.status, exitCode: event.report.exitCode },
          });
          return;
        default:
          return;
      }
    },
    toJSON: () => ({
      displayTimeUnit: 'ms',
      traceEvents: [
        { ph: 'M', pid: 1, tid: 0, name: 'process_name', args: { name: `pyflow ${name}` } },
        ...Array.from({ length: lanes + 1 }, (_, lane) => ({
          ph: 'M',
          pid: 1,
          tid: lane,
          name: 'thread_name',
          args: { name: lane === 0 ? 'run' : `lane ${lane}` },
        })),
        ...spans.map(({ name, category, lane, startMs, endMs, args }) => ({
          ph: 'X',
          pid: 1,
          tid: lane,
          name,
          cat: category,
          ts: Math.round(startMs * 1000),
          dur: Math.round((endMs - startMs) * 1000),
          args,
        })),
      ],
    }),
  };
}
