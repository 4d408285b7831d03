// A Chrome trace of a run, for `--trace`: one span a node, in as many lanes as nodes ran at a time.

import type { Event } from '../events.js';
import { reasonLines } from './reasons.js';
import type { EventOf } from './renderer.js';

interface Span {
  readonly name: string;
  readonly category: string;
  readonly lane: number;
  readonly startMs: number;
  readonly endMs: number;
  readonly args: Readonly<Record<string, unknown>>;
}

/** The run itself, and all that is not the work of a node. */
const RUN_LANE = 0;

export class TraceRecorder {
  readonly #spans: Span[] = [];
  readonly #started = new Map<string, { readonly startMs: number; readonly lane: number }>();
  /** Lanes that no node uses now, the last used on top. */
  readonly #freeLanes: number[] = [];
  #lanes = 0;
  #name = 'pyflow';

  consume(event: Event): void {
    switch (event.type) {
      case 'run-started':
        this.#name = event.pipeline;
        return;
      case 'node-started':
        return this.#nodeStarted(event);
      case 'node-finished':
        return this.#nodeFinished(event);
      case 'slug-written':
        return this.#slugWritten(event);
      case 'output-written':
        return this.#outputWritten(event);
      case 'run-finished':
        return this.#runFinished(event);
      default:
        return;
    }
  }

  /** The trace so far, as a JSON document. */
  toJSON(): { readonly traceEvents: readonly object[]; readonly displayTimeUnit: 'ms' } {
    return {
      displayTimeUnit: 'ms',
      traceEvents: [
        { ph: 'M', pid: 1, tid: RUN_LANE, name: 'process_name', args: { name: `pyflow ${this.#name}` } },
        ...Array.from({ length: this.#lanes + 1 }, (_, lane) => laneName(lane)),
        ...this.#spans.map(completeEvent),
      ],
    };
  }

  #nodeStarted({ node, at }: EventOf<'node-started'>): void {
    if (!this.#started.has(node)) {
      this.#started.set(node, { startMs: at, lane: this.#freeLanes.pop() ?? ++this.#lanes });
    }
  }

  #nodeFinished({ node, at, report }: EventOf<'node-finished'>): void {
    const start = this.#started.get(node);
    this.#started.delete(node);
    if (start !== undefined) this.#freeLanes.push(start.lane);
    const { kind, outcome, reasons, key, layer, failure, savedMs, restoredFrom, executedOn } = report;
    this.#spans.push({
      name: node,
      category: outcome,
      lane: start?.lane ?? RUN_LANE,
      // A node that never started ended when its outcome was known.
      startMs: start?.startMs ?? at,
      endMs: at,
      args: {
        kind,
        outcome,
        reasons: reasonLines(reasons),
        key,
        layer,
        code: failure?.code,
        savedMs,
        restoredFrom,
        executedOn,
      },
    });
  }

  #slugWritten({ at, durationMs, files, bytes }: EventOf<'slug-written'>): void {
    this.#spans.push({
      name: 'write slug',
      category: 'slug',
      lane: RUN_LANE,
      startMs: Math.max(0, at - durationMs),
      endMs: at,
      args: { files, bytes },
    });
  }

  #outputWritten({ at, form, path, bytes, digest, durationMs = 0 }: EventOf<'output-written'>): void {
    this.#spans.push({
      name: `write ${form}`,
      category: 'output',
      lane: RUN_LANE,
      startMs: Math.max(0, at - durationMs),
      endMs: at,
      args: { path, bytes, digest },
    });
  }

  #runFinished({ at, report: { runId, status, exitCode, remote } }: EventOf<'run-finished'>): void {
    this.#spans.push({
      name: this.#name,
      category: 'run',
      lane: RUN_LANE,
      startMs: 0,
      endMs: at,
      args: { runId, status, exitCode, remote },
    });
  }
}

const laneName = (lane: number): object => ({
  ph: 'M',
  pid: 1,
  tid: lane,
  name: 'thread_name',
  args: { name: lane === RUN_LANE ? 'run' : `lane ${lane}` },
});

/** Complete events, `X`, in microseconds. */
const completeEvent = ({ name, category, lane, startMs, endMs, args }: Span): object => ({
  ph: 'X',
  pid: 1,
  tid: lane,
  name,
  cat: category,
  ts: Math.round(startMs * 1000),
  dur: Math.round((endMs - startMs) * 1000),
  args,
});
