// The events of a run's start and of its slug.

import type { EventSink, OutputReport } from '../events.js';
import { someOf } from '../files/shown-path.js';
import type { ScheduledNode } from '../plan/schedule.js';
import type { Run } from '../run/run.js';
import type { WrittenSlug } from '../slug/write.js';

export function announceRun(run: Run, sink: EventSink, runId: string, nodes: readonly ScheduledNode[]): void {
  const { pipeline, appId } = run;
  sink.emit({
    type: 'run-started',
    runId,
    pipeline: pipeline.name,
    appId,
    nodes: nodes.map(({ id, expectedMs }) => {
      const node = pipeline.nodes[run.positionOf(id)]!;
      return { id: node.id, kind: node.kind, expectedMs };
    }),
  });
  for (const { file, start, message, code } of pipeline.warnings) {
    const text = `${file}:${start.line}:${start.column}: ${message} [${code}]`;
    sink.emit({ type: 'notice', code: 'pipeline::warning', text });
  }
}

export function announceSlug(sink: EventSink, { slug, durationMs }: WrittenSlug): void {
  const { path, digest, files, bytes, kept } = slug;
  if (kept.length > 0) sink.emit({ type: 'notice', code: 'slug::sources-kept', text: sourcesKept(kept) });
  if (durationMs !== undefined) sink.emit({ type: 'slug-written', path, digest, files, bytes, durationMs });
}

export const announceOutput = (sink: EventSink, report: OutputReport): void =>
  sink.emit({ type: 'output-written', ...report });

const sourcesKept = (paths: readonly string[]): string =>
  `The build removed files of the app, but --out is the app's own folder, so pyflow keeps them: ${someOf(paths, 30)}. ` +
  'To get a slug without them, name another folder with --out.';
