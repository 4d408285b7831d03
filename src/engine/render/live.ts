// For a terminal: a line for each running node, redrawn in place; what is finished scrolls away above. One write a
// frame, at most ten frames a second. Unaware of the real clock and terminal.

import { unreachable } from '../failure.js';
import type { Event, NodeReport } from '../events.js';
import { cleanLines, cleanText, cutText, textWidth } from '../files/clean-text.js';
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatFailure,
  formatFinish,
  formatOutcome,
  paintOutcome,
} from './messages.js';
import { isWorthALine, retryText } from './plain.js';
import type { RenderOptions, Renderer, Write } from './renderer.js';
import { styleOf } from './style.js';
import { summarize } from './summary.js';

export interface LiveOptions extends RenderOptions {
  /** Milliseconds, of the same clock as the events' `at` plus some constant. */
  now(): number;
  /** Returns a way to call it off. */
  later(action: () => void, ms: number): () => void;
  size(): { readonly columns: number; readonly rows: number };
}

const FRAME_MS = 100;
/** Lines of a node's output that are shown when it fails. */
const KEPT_LINES = 60;
const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';
const CLEAR_BELOW = '\u001b[0J';

interface RunningNode {
  readonly kind: string;
  readonly since: number;
  readonly expectedMs: number;
  activity: string;
  progress: string;
  readonly tail: string[];
}

export function liveRenderer(write: Write, options: LiveOptions): Renderer {
  const style = styleOf(options.color);
  const declared = new Map<string, { readonly kind: string; readonly expectedMs: number }>();
  const running = new Map<string, RunningNode>();
  /** Finished lines that wait for the next frame. */
  let above: string[] = [];
  let finished = 0;
  /** The frame on the screen: the width of each of its lines, and their text. */
  let drawn: { readonly widths: readonly number[]; readonly text: string } = { widths: [], text: '' };
  let cursorHidden = false;
  let lastDrawnAt = Number.NEGATIVE_INFINITY;
  let callOff: (() => void) | undefined;
  let isClosed = false;

  const print = (...lines: string[]): void => {
    above.push(...lines);
    schedule();
  };

  const schedule = (): void => {
    if (isClosed || callOff !== undefined) return;
    const wait = lastDrawnAt + FRAME_MS - options.now();
    callOff = options.later(tick, Math.max(0, wait));
  };

  const tick = (): void => {
    callOff = undefined;
    draw(frameLines());
    // Clocks on the screen go on while nothing is said.
    if (running.size > 0) schedule();
  };

  const draw = (lines: readonly string[]): void => {
    lastDrawnAt = options.now();
    const text = lines.join('\n');
    if (above.length === 0 && text === drawn.text) return;
    const { columns } = options.size();
    // A narrower window has wrapped the old lines: count the rows they take now.
    const rows = drawn.widths.reduce((sum, width) => sum + Math.max(1, Math.ceil(width / columns)), 0);
    const back = rows === 0 ? '' : `\r${rows > 1 ? `\u001b[${rows - 1}A` : ''}${CLEAR_BELOW}`;
    const done = above.map((line) => `${line}\n`).join('');
    above = [];
    const hide = cursorHidden || lines.length === 0 ? '' : HIDE_CURSOR;
    cursorHidden ||= lines.length > 0;
    write(`${hide}${back}${done}${lines.map((line, index) => (index === 0 ? style.bold(line) : line)).join('\n')}`);
    drawn = { widths: lines.map(textWidth), text };
  };

  const frameLines = (): string[] => {
    if (running.size === 0) return [];
    const { columns, rows } = options.size();
    const room = Math.max(1, rows - 2);
    const nodes = [...running];
    const shown = nodes.length > room ? nodes.slice(0, Math.max(1, room - 1)) : nodes;
    const idWidth = Math.min(24, Math.max(...shown.map(([id]) => id.length)));
    const lines = [
      `${finished} of ${declared.size} nodes finished, ${running.size} running`,
      ...shown.map(([id, node]) => runningLine(id.padEnd(idWidth), node)),
      ...(shown.length < nodes.length ? [`  and ${nodes.length - shown.length} more`] : []),
    ];
    // The last column stays free: some terminals wrap as soon as it is written.
    return lines.map((line) => cutText(line, Math.max(1, columns - 1)));
  };

  const runningLine = (id: string, node: RunningNode): string => {
    const elapsedMs = Math.max(0, options.now() - node.since);
    const expected = node.expectedMs >= 1000 ? ` of about ${wholeSeconds(node.expectedMs)}` : '';
    const tail = [node.progress, node.activity].filter((text) => text !== '').join('  ');
    return `  ${id}  ${wholeSeconds(elapsedMs)}${expected}${tail === '' ? '' : `  ${tail}`}`;
  };

  const finish = (node: string, report: NodeReport): void => {
    const tail = running.get(node)?.tail ?? [];
    running.delete(node);
    finished += 1;
    const lines: string[] = [];
    if (report.failure !== undefined && !options.verbose) {
      lines.push(...tail.map((line) => style.dim(`  ${node} | ${line}`)));
    }
    if (isWorthALine(report, options.verbose)) {
      const outcome = paintOutcome(report.outcome, formatOutcome(report.outcome), style);
      lines.push(`${style.bold(node)}: ${outcome} ${style.dim(formatFinish(report))}`.trimEnd());
    }
    if (report.failure !== undefined) lines.push(...formatFailure(report.failure, style));
    print(...lines);
  };

  const printed = (event: Extract<Event, { type: 'node-printed' }>): void => {
    const text = cleanText(event.text).trimEnd();
    const node = running.get(event.node);
    if (event.stream === 'notice') print(...noticeLines(event.node, event.text));
    else if (options.verbose) print(`${event.node} | ${text}`);
    if (node === undefined || event.replayed) return;
    node.tail.push(text);
    if (node.tail.length > KEPT_LINES) node.tail.shift();
    if (text !== '') node.activity = text.trimStart();
    if (event.stream === 'step') node.progress = '';
    schedule();
  };

  const noticeLines = (node: string | undefined, text: string): string[] => {
    const where = node === undefined ? '' : `${node}: `;
    return cleanLines(text).map((line, index) =>
      index === 0 ? `${style.yellow('notice:')} ${where}${line}` : `  ${line}`,
    );
  };

  return {
    close: () => {
      if (isClosed) return;
      isClosed = true;
      callOff?.();
      running.clear();
      draw([]);
      if (cursorHidden) write(SHOW_CURSOR);
    },
    consume: (event) => {
      switch (event.type) {
        case 'run-started':
          // A run starts over when the cache turns out to have lost something.
          running.clear();
          declared.clear();
          finished = 0;
          for (const { id, kind, expectedMs } of event.nodes) declared.set(id, { kind, expectedMs });
          return;
        case 'notice':
          print(...noticeLines(event.node, `[${event.code}] ${event.text}`));
          return;
        case 'node-started':
          running.set(event.node, {
            kind: event.kind,
            since: options.now(),
            expectedMs: declared.get(event.node)?.expectedMs ?? 0,
            activity: '',
            progress: '',
            tail: [],
          });
          schedule();
          return;
        case 'node-printed':
          printed(event);
          return;
        case 'node-progress': {
          const node = running.get(event.node);
          if (node !== undefined) node.progress = formatProgress(event);
          schedule();
          return;
        }
        case 'node-retried':
          print(...noticeLines(event.node, retryText(event)));
          return;
        case 'node-finished':
          finish(event.node, event.report);
          return;
        case 'run-finished':
          running.clear();
          print(...summarize(event.report, style));
          return;
        case 'slug-written':
          return;
        default:
          return unreachable(event);
      }
    },
  };
}

/** Tenths would make every frame another. */
const wholeSeconds = (ms: number): string =>
  ms < 60_000 ? `${Math.floor(ms / 1000)} s` : formatDuration(Math.floor(ms / 1000) * 1000);

function formatProgress({ what, done, total, unit }: Extract<Event, { type: 'node-progress' }>): string {
  const format = unit === 'bytes' ? formatBytes : formatCount;
  const share = total === undefined || total <= 0 ? '' : ` ${Math.min(100, Math.floor((done / total) * 100))} %`;
  const amount = total === undefined ? format(done) : `${format(done)} of ${format(total)}`;
  return `${cleanText(what)} ${amount}${share && ` (${share.trim()})`}`;
}
