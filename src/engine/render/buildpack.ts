// The platform's build log: `-----> ` steps and tool output indented by seven; apart from them, warnings and failures as
// blocks of lines that begin with ` !     `.

import type { Reason } from '../events.js';
import { unreachable } from '../failure.js';
import { cleanLines, cleanText } from '../files/clean-text.js';
import { groupByNode } from './grouping.js';
import { formatDuration, formatFailure } from './messages.js';
import { formatReason } from './reasons.js';
import { retryLine } from './plain.js';
import type { RenderOptions, Renderer, Write } from './renderer.js';
import { styleOf } from './style.js';
import { summarize } from './summary.js';

export interface BuildpackOptions extends RenderOptions {
  /** Where blocks go; the platform reads two streams. */
  readonly shout: Write;
}

type Level = 'notice' | 'warning' | 'error';
const PAINT: Readonly<Record<Level, string>> = { notice: '34', warning: '33', error: '31' };

/** A blank line, the lines bold and in the colour of the level, a blank line. */
export function styledBlock(level: Level, lines: readonly string[], color: boolean): string {
  const shown = lines.map((line) => {
    const text = ` !     ${line}`.trimEnd();
    return color ? `\u001b[1;${PAINT[level]}m${text}\u001b[0m\n` : `${text}\n`;
  });
  return `\n${shown.join('')}\n`;
}

const WORTH_TELLING_MS = 100;
const SHOWN_CHANGES = 8;

export function buildpackRenderer(write: Write, { verbose, color, shout }: BuildpackOptions): Renderer {
  const step = (text: string): void => write(`-----> ${cleanText(text)}\n`);
  const detail = (text: string): void => write(`       ${cleanText(text)}`.trimEnd() + '\n');
  const block = (level: Level, lines: readonly string[]): void => shout(styledBlock(level, lines, color));

  /** Why work that was in the cache was done again; nothing of what never was there. */
  const tellChanges = (reasons: readonly Reason[]): void => {
    const changes = reasons.filter(
      ({ from, to, nodes }) => from !== undefined || to !== undefined || nodes !== undefined,
    );
    if (changes.length === 0) return;
    detail('Not taken from the cache, because of changes:');
    for (const change of changes.slice(0, SHOWN_CHANGES)) detail(`- ${formatReason(change)}`);
    if (changes.length > SHOWN_CHANGES) detail(`- and ${changes.length - SHOWN_CHANGES} more`);
  };

  /** The node of the open block until it has a headline. */
  let untitled: string | undefined;

  const groups = groupByNode({
    open: (node) => {
      untitled = node;
    },
    pause: () => {},
    resume: (node) => {
      untitled = node;
    },
    line: ({ stream, text }) => {
      // The lines of a node that gives no headline would seem to belong to the one before.
      if (untitled !== undefined && stream !== 'step' && stream !== 'notice') step(`Running ${untitled}`);
      if (stream !== 'notice') untitled = undefined;
      if (stream === 'step') step(text);
      else if (stream === 'notice') block('warning', cleanLines(text));
      else detail(text);
    },
    close: (node, report, opened) => {
      untitled = undefined;
      const { outcome, savedMs } = report;
      // A headline says what was done; that it was not done again this time is worth a line where that saved something.
      if (opened && (outcome === 'restored' || outcome === 'up-to-date') && (savedMs ?? Infinity) >= WORTH_TELLING_MS) {
        detail(`Restored from the cache${savedMs === undefined ? '' : `, saving ${formatDuration(savedMs)}`}`);
      }
      if (opened && outcome === 'executed' && report.durationMs >= WORTH_TELLING_MS) tellChanges(report.reasons);
      if (report.failure === undefined) return;
      block('error', formatFailure(report.failure, styleOf(false), node));
    },
  });

  return {
    close: () => groups.end(),
    consume: (event) => {
      switch (event.type) {
        case 'notice':
          // Of the machine, so nothing that whoever pushed the app could see to.
          for (const line of cleanLines(event.text)) detail(line);
          return;
        case 'node-printed':
          // The headlines of restored work are part of the log people know; its tool output is not repeated.
          if (verbose || !event.replayed || event.stream === 'step' || event.stream === 'notice') {
            groups.printed(event);
          }
          return;
        case 'node-retried':
          groups.printed({ ...retryLine(event), stream: 'stderr' });
          return;
        case 'node-finished':
          groups.finished(event.node, event.report);
          return;
        case 'run-finished': {
          groups.end();
          const [headline = '', ...rest] = summarize(event.report, styleOf(false));
          if (event.report.status !== 'succeeded') return block('error', [headline, ...rest]);
          step(headline);
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
