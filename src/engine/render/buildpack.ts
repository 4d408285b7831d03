// For the platform's build log: steps begin with `-----> `, the output of tools is indented by seven columns, and warnings
// and failures are blocks of lines that begin with ` !     `.

import type { NodeReport, Reason, RunReport } from '../events.js';
import { cleanLines, cleanText } from '../files/clean-text.js';
import { groupedRenderer, type GroupedLog } from './grouped-renderer.js';
import type { Printed } from './grouping.js';
import { formatDuration, formatFailure } from './messages.js';
import { isDifference, reasonLines } from './reasons.js';
import type { EventOf, RenderOptions, Renderer, Write } from './renderer.js';
import { retryLine } from './shown-lines.js';
import { styleOf } from './style.js';
import { summarize } from './summary.js';

interface BuildpackOptions extends RenderOptions {
  /** Writes blocks, which go to standard error. */
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

/** Shorter than this, neither saved time nor the reasons for a run are worth a line. */
const WORTH_TELLING_MS = 100;
const SHOWN_CHANGES = 8;

export const buildpackRenderer = (write: Write, options: BuildpackOptions): Renderer =>
  groupedRenderer(new BuildpackLog(write, options));

class BuildpackLog implements GroupedLog {
  /** The node of the open block until it has a headline. */
  #untitled: string | undefined;

  constructor(
    private readonly write: Write,
    private readonly options: BuildpackOptions,
  ) {}

  runStarted(): void {}

  /** Notices of the run are about the machine: those who push the app can't do anything about it. */
  notice({ text }: EventOf<'notice'>): void {
    for (const line of cleanLines(text)) this.#detail(line);
  }

  /** The headlines of restored work are part of the log people know; its tool output is not repeated. */
  shows({ replayed, stream }: Printed): boolean {
    return this.options.verbose || !replayed || stream === 'step' || stream === 'notice';
  }

  retryLine(event: EventOf<'node-retried'>): Printed {
    return { ...retryLine(event), stream: 'stderr' };
  }

  open(node: string): void {
    this.#untitled = node;
  }

  pause(): void {}

  resume(node: string): void {
    this.#untitled = node;
  }

  line({ stream, text }: Printed): void {
    if (stream === 'notice') return this.#block('warning', cleanLines(text));
    // Without a headline, the lines would seem to belong to the node before.
    if (this.#untitled !== undefined && stream !== 'step') this.#step(`Running ${this.#untitled}`);
    this.#untitled = undefined;
    if (stream === 'step') this.#step(text);
    else this.#detail(text);
  }

  close(node: string, report: NodeReport, opened: boolean): void {
    this.#untitled = undefined;
    const { outcome, savedMs, restoredFrom } = report;
    // A headline says what was done; that it was restored this time is worth a line if that saved something.
    if (opened && (outcome === 'restored' || outcome === 'up-to-date') && (savedMs ?? Infinity) >= WORTH_TELLING_MS) {
      const place = restoredFrom === 'remote' ? 'remote cache' : 'cache';
      this.#detail(`Restored from the ${place}${savedMs === undefined ? '' : `, saving ${formatDuration(savedMs)}`}`);
    }
    if (opened && outcome === 'executed' && report.durationMs >= WORTH_TELLING_MS) this.#changes(report.reasons);
    if (report.failure !== undefined) this.#block('error', formatFailure(report.failure, styleOf(false), node));
  }

  runFinished(report: RunReport): void {
    const [headline = '', ...rest] = summarize(report, styleOf(false));
    if (report.status !== 'succeeded') return this.#block('error', [headline, ...rest]);
    this.#step(headline);
    for (const line of rest) this.#detail(line);
  }

  end(): void {}

  /** Why work that was in the cache was done again; nothing about work that was never there. */
  #changes(reasons: readonly Reason[]): void {
    const changes = reasonLines(reasons.filter(isDifference));
    if (changes.length === 0) return;
    this.#detail('Not restored from the cache, because of changes:');
    for (const change of changes.slice(0, SHOWN_CHANGES)) this.#detail(`- ${change}`);
    if (changes.length > SHOWN_CHANGES) this.#detail(`- and ${changes.length - SHOWN_CHANGES} more`);
  }

  #step(text: string): void {
    this.write(`-----> ${cleanText(text)}\n`);
  }

  #detail(text: string): void {
    this.write(`${`       ${cleanText(text)}`.trimEnd()}\n`);
  }

  #block(level: Level, lines: readonly string[]): void {
    this.options.shout(styledBlock(level, lines, this.options.color));
  }
}
