// For logs and files: whole lines in order, the output of parallel nodes one node after the other.

import { unreachable } from '../failure.js';
import type { Event, NodeReport, Outcome } from '../events.js';
import { cleanColoredText, cleanLines, cleanText } from '../files/clean-text.js';
import { groupByNode, type Printed } from './grouping.js';
import { countOf, formatDuration, formatFailure, formatFinish, formatOutcome, paintOutcome } from './messages.js';
import type { RenderOptions, Renderer, Write } from './renderer.js';
import { styleOf } from './style.js';
import { summarize } from './summary.js';

export function plainRenderer(write: Write, options: RenderOptions): Renderer {
  const style = styleOf(options.color);
  const clean = options.color ? cleanColoredText : cleanText;
  const kinds = new Map<string, string>();
  const print = (line: string): void => write(`${line}\n`);

  const groups = groupByNode({
    open: (node) => print(style.bold(`> ${node} (${kinds.get(node) ?? '?'})`)),
    pause: () => {},
    resume: (node) => print(style.bold(`> ${node} (${kinds.get(node) ?? '?'}), continued`)),
    line: ({ stream, text }) => {
      if (stream === 'step') print(`  ${style.bold(clean(text))}`);
      else if (stream === 'notice') for (const line of noticeLines(text)) print(`  ${line}`);
      else print(`    ${clean(text)}`.trimEnd());
    },
    close: (node, report) => {
      if (!isWorthALine(report, options.verbose)) return;
      print(
        `${node}: ${paintOutcome(report.outcome, formatOutcome(report.outcome), style)} ${formatFinish(report)}`.trimEnd(),
      );
      if (report.failure !== undefined) for (const line of formatFailure(report.failure, style)) print(line);
    },
  });
  const noticeLines = (text: string): string[] =>
    cleanLines(text).map((line, index) => (index === 0 ? `${style.yellow('notice:')} ${line}` : `  ${line}`));

  return {
    close: () => groups.end(),
    consume: (event) => {
      switch (event.type) {
        case 'run-started':
          for (const { id, kind } of event.nodes) kinds.set(id, kind);
          print(
            style.dim(
              `pyflow ${event.runId}: ${cleanText(event.pipeline)} for ${cleanText(event.appId)}, ${countOf(event.nodes.length, 'node')}`,
            ),
          );
          return;
        case 'notice':
          for (const line of noticeLines(
            `${event.node === undefined ? '' : `${event.node}: `}[${event.code}] ${event.text}`,
          ))
            print(line);
          return;
        case 'node-printed':
          if (isShown(event, options.verbose)) groups.printed(event);
          return;
        case 'node-retried':
          groups.printed(retryLine(event));
          return;
        case 'node-finished':
          groups.finished(event.node, event.report);
          return;
        case 'run-finished':
          groups.end();
          for (const line of summarize(event.report, style)) print(line);
          return;
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

/** A restored node's log was shown when it was made; what it warns of still holds. */
export const isShown = ({ replayed, stream }: Printed, verbose: boolean): boolean =>
  verbose || !replayed || stream === 'notice';

/** Nothing happened to these, or nothing of their own; the summary counts or names them. */
const TOLD_IN_SUMMARY: ReadonlySet<Outcome> = new Set<Outcome>(['up-to-date', 'skipped', 'aborted']);
export const isWorthALine = ({ outcome }: NodeReport, verbose: boolean): boolean =>
  verbose || !TOLD_IN_SUMMARY.has(outcome);

type Retried = Extract<Event, { type: 'node-retried' }>;

export const retryText = ({ attempt, attempts, delayMs, failure }: Retried): string =>
  `attempt ${attempt - 1} of ${attempts} failed: ${failure.title} [${failure.code}]; the next begins in ${formatDuration(delayMs)}`;

export const retryLine = (event: Retried): Printed => ({
  at: event.at,
  type: 'node-printed',
  node: event.node,
  replayed: false,
  stream: 'notice',
  text: retryText(event),
});
