// The platform's build log: `-----> ` steps, tool output indented by seven, ` !     ` notices and failures.

import { unreachable } from '../failure.js';
import { cleanLines, cleanText } from './clean-text.js';
import { groupByNode } from './grouping.js';
import { formatDuration, formatFailure } from './messages.js';
import { retryLine } from './plain.js';
import type { RenderOptions, Renderer, Write } from './renderer.js';
import { styleOf } from './style.js';
import { summarize } from './summary.js';

export function buildpackRenderer(write: Write, options: Pick<RenderOptions, 'verbose'>): Renderer {
  const step = (text: string): void => write(`-----> ${cleanText(text)}\n`);
  const detail = (text: string): void => write(`       ${cleanText(text)}`.trimEnd() + '\n');
  const shout = (lines: readonly string[]): void => {
    for (const line of lines) write(` !     ${line}`.trimEnd() + '\n');
  };

  /** The node of the open block until it has a headline. */
  let untitled: string | undefined;

  const groups = groupByNode({
    open: (node) => {
      untitled = node;
    },
    line: ({ stream, text }) => {
      // The lines of a node that gives no headline would seem to belong to the one before.
      if (untitled !== undefined && stream !== 'step' && stream !== 'notice') step(`Running ${untitled}`);
      if (stream !== 'notice') untitled = undefined;
      if (stream === 'step') step(text);
      else if (stream === 'notice') shout(cleanLines(text));
      else detail(text);
    },
    close: (node, report, opened) => {
      untitled = undefined;
      if (report.outcome === 'restored' && opened) {
        detail(
          report.savedMs === undefined
            ? 'Restored from the cache'
            : `Restored from the cache, saving ${formatDuration(report.savedMs)}`,
        );
      }
      if (report.failure === undefined) return;
      shout(['', ...formatFailure(report.failure, styleOf(false), node), '']);
    },
  });

  return {
    close: () => groups.end(),
    consume: (event) => {
      switch (event.type) {
        case 'notice':
          shout(cleanLines(`[${event.code}] ${event.text}`));
          return;
        case 'node-printed':
          // The headlines of restored work are part of the log people know; its tool output is not repeated.
          if (options.verbose || !event.replayed || event.stream === 'step' || event.stream === 'notice') {
            groups.printed(event);
          }
          return;
        case 'node-retried':
          groups.printed(retryLine(event));
          return;
        case 'node-finished':
          groups.finished(event.node, event.report);
          return;
        case 'run-finished': {
          groups.end();
          const [headline = '', ...rest] = summarize(event.report, styleOf(false));
          if (event.report.status === 'succeeded') step(headline);
          else shout([headline]);
          for (const line of rest) detail(line);
          return;
        }
        case 'run-started':
        case 'node-started':
        case 'node-progress':
        case 'slug-written':
          return;
        default:
          return unreachable(event);
      }
    },
  };
}
