// For a terminal: a line for each running node, redrawn in place; what is finished scrolls away above.

import { unreachable } from '../failure.js';
import type { Event, NodeReport } from '../events.js';
import { cleanLines, cleanText, cutText } from '../files/clean-text.js';
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatFailure,
  formatFinish,
  formatOutcome,
  paintOutcome,
} from './messages.js';
import type { EventOf, RenderOptions, Renderer, Write } from './renderer.js';
import { Screen, type Size, type Terminal } from './screen.js';
import { isWorthALine, retryText } from './shown-lines.js';
import { styleOf, type Style } from './style.js';
import { summarize } from './summary.js';

type LiveOptions = RenderOptions & Terminal;

/** Lines of a node's output that are shown when it fails. */
const KEPT_LINES = 60;

interface RunningNode {
  readonly since: number;
  readonly expectedMs: number;
  activity: string;
  progress: string;
  readonly tail: string[];
}

export function liveRenderer(write: Write, options: LiveOptions): Renderer {
  const live = new LiveRenderer(write, options);
  return { consume: (event) => live.consume(event), close: () => live.close() };
}

class LiveRenderer implements Renderer {
  readonly #style: Style;
  readonly #screen: Screen;
  /** Of all nodes of the run. */
  readonly #expectedMs = new Map<string, number>();
  readonly #running = new Map<string, RunningNode>();
  #finished = 0;

  constructor(
    write: Write,
    private readonly options: LiveOptions,
  ) {
    this.#style = styleOf(options.color);
    this.#screen = new Screen(write, options, {
      lines: (size) => this.#frame(size),
      // The clocks of running nodes advance while no event comes.
      isTicking: () => this.#running.size > 0,
      bold: this.#style.bold,
    });
  }

  consume(event: Event): void {
    switch (event.type) {
      case 'run-started':
        return this.#startOver(event);
      case 'notice':
        return this.#notice(event.node, `[${event.code}] ${event.text}`);
      case 'node-started':
        return this.#started(event);
      case 'node-printed':
        return this.#printed(event);
      case 'node-progress':
        return this.#progressed(event);
      case 'node-retried':
        return this.#notice(event.node, retryText(event));
      case 'node-finished':
        return this.#nodeFinished(event.node, event.report);
      case 'run-finished':
        this.#running.clear();
        return this.#screen.print(...summarize(event.report, this.#style));
      case 'slug-written':
      case 'output-written':
        return;
      default:
        return unreachable(event);
    }
  }

  close(): void {
    this.#running.clear();
    this.#screen.close();
  }

  /** A run also starts over when the cache has lost a part of a result. */
  #startOver({ nodes }: EventOf<'run-started'>): void {
    this.#running.clear();
    this.#expectedMs.clear();
    this.#finished = 0;
    for (const { id, expectedMs } of nodes) this.#expectedMs.set(id, expectedMs);
  }

  #notice(node: string | undefined, text: string): void {
    const where = node === undefined ? '' : `${node}: `;
    const lines = cleanLines(text).map((line, index) =>
      index === 0 ? `${this.#style.yellow('notice:')} ${where}${line}` : `  ${line}`,
    );
    this.#screen.print(...lines);
  }

  #started({ node }: EventOf<'node-started'>): void {
    this.#running.set(node, {
      since: this.options.now(),
      expectedMs: this.#expectedMs.get(node) ?? 0,
      activity: '',
      progress: '',
      tail: [],
    });
    this.#screen.refresh();
  }

  #printed(event: EventOf<'node-printed'>): void {
    const text = cleanText(event.text).trimEnd();
    if (event.stream === 'notice') this.#notice(event.node, event.text);
    else if (this.options.verbose) this.#screen.print(`${event.node} | ${text}`);
    const node = this.#running.get(event.node);
    if (node === undefined || event.replayed) return;
    node.tail.push(text);
    if (node.tail.length > KEPT_LINES) node.tail.shift();
    if (text !== '') node.activity = text.trimStart();
    if (event.stream === 'step') node.progress = '';
    this.#screen.refresh();
  }

  #progressed(event: EventOf<'node-progress'>): void {
    const node = this.#running.get(event.node);
    if (node !== undefined) node.progress = formatProgress(event);
    this.#screen.refresh();
  }

  #nodeFinished(node: string, report: NodeReport): void {
    const tail = this.#running.get(node)?.tail ?? [];
    this.#running.delete(node);
    this.#finished += 1;
    const lines: string[] = [];
    if (report.failure !== undefined && !this.options.verbose) {
      lines.push(...tail.map((line) => this.#style.dim(`  ${node} | ${line}`)));
    }
    if (isWorthALine(report, this.options.verbose)) {
      const outcome = paintOutcome(report.outcome, formatOutcome(report.outcome), this.#style);
      lines.push(`${this.#style.bold(node)}: ${outcome} ${this.#style.dim(formatFinish(report))}`.trimEnd());
    }
    if (report.failure !== undefined) lines.push(...formatFailure(report.failure, this.#style));
    this.#screen.print(...lines);
  }

  #frame({ columns, rows }: Size): readonly string[] {
    if (this.#running.size === 0) return [];
    const room = Math.max(1, rows - 2);
    const nodes = [...this.#running];
    const shown = nodes.length > room ? nodes.slice(0, Math.max(1, room - 1)) : nodes;
    const idWidth = Math.min(24, Math.max(...shown.map(([id]) => id.length)));
    const lines = [
      `${this.#finished} of ${this.#expectedMs.size} nodes finished, ${this.#running.size} running`,
      ...shown.map(([id, node]) => runningLine(id.padEnd(idWidth), node, this.options.now())),
      ...(shown.length < nodes.length ? [`  and ${nodes.length - shown.length} more`] : []),
    ];
    // The last column stays free: some terminals wrap as soon as it is written.
    return lines.map((line) => cutText(line, Math.max(1, columns - 1)));
  }
}

function runningLine(id: string, { since, expectedMs, progress, activity }: RunningNode, now: number): string {
  const elapsedMs = Math.max(0, now - since);
  const expected = expectedMs >= 1000 ? ` of about ${wholeSeconds(expectedMs)}` : '';
  const tail = [progress, activity].filter((text) => text !== '').join('  ');
  return `  ${id}  ${wholeSeconds(elapsedMs)}${expected}${tail === '' ? '' : `  ${tail}`}`;
}

/** Tenths would change every frame. */
const wholeSeconds = (ms: number): string =>
  ms < 60_000 ? `${Math.floor(ms / 1000)} s` : formatDuration(Math.floor(ms / 1000) * 1000);

function formatProgress({ what, done, total, unit }: EventOf<'node-progress'>): string {
  const format = unit === 'bytes' ? formatBytes : formatCount;
  const share = total === undefined || total <= 0 ? '' : ` ${Math.min(100, Math.floor((done / total) * 100))} %`;
  const amount = total === undefined ? format(done) : `${format(done)} of ${format(total)}`;
  return `${cleanText(what)} ${amount}${share && ` (${share.trim()})`}`;
}
