// For logs and files: whole lines in order, with the output of parallel nodes one node after the other.

import type { NodeReport, RunReport } from '../events.js';
import { cleanColoredText, cleanLines, cleanText } from '../files/clean-text.js';
import { groupedRenderer, NodeTitles, startLine, type GroupedLog } from './grouped-renderer.js';
import type { Printed } from './grouping.js';
import { formatFailure, formatFinish, formatOutcome, paintOutcome } from './messages.js';
import type { EventOf, RenderOptions, Renderer, Write } from './renderer.js';
import { isShown, isWorthALine, retryLine } from './shown-lines.js';
import { styleOf, type Style } from './style.js';
import { summarize } from './summary.js';

export const plainRenderer = (write: Write, options: RenderOptions): Renderer =>
  groupedRenderer(new PlainLog(write, options));

class PlainLog implements GroupedLog {
  readonly #titles = new NodeTitles();
  readonly #style: Style;
  readonly #clean: (text: string) => string;

  constructor(
    private readonly write: Write,
    private readonly options: RenderOptions,
  ) {
    this.#style = styleOf(options.color);
    this.#clean = options.color ? cleanColoredText : cleanText;
  }

  runStarted(event: EventOf<'run-started'>): void {
    this.#titles.runStarted(event);
    this.#print(this.#style.dim(startLine(event)));
  }

  notice({ node, code, text }: EventOf<'notice'>): void {
    const where = node === undefined ? '' : `${node}: `;
    for (const line of this.#noticeLines(`${where}[${code}] ${text}`)) this.#print(line);
  }

  shows(printed: Printed): boolean {
    return isShown(printed, this.options.verbose);
  }

  readonly retryLine = retryLine;

  open(node: string): void {
    this.#print(this.#style.bold(`> ${this.#titles.of(node)}`));
  }

  pause(): void {}

  resume(node: string): void {
    this.#print(this.#style.bold(`> ${this.#titles.of(node)}, continued`));
  }

  line({ stream, text }: Printed): void {
    if (stream === 'step') this.#print(`  ${this.#style.bold(this.#clean(text))}`);
    else if (stream === 'notice') for (const line of this.#noticeLines(text)) this.#print(`  ${line}`);
    else this.#print(`    ${this.#clean(text)}`.trimEnd());
  }

  close(node: string, report: NodeReport): void {
    if (!isWorthALine(report, this.options.verbose)) return;
    const outcome = paintOutcome(report.outcome, formatOutcome(report.outcome), this.#style);
    this.#print(`${node}: ${outcome} ${formatFinish(report)}`.trimEnd());
    if (report.failure !== undefined) for (const line of formatFailure(report.failure, this.#style)) this.#print(line);
  }

  runFinished(report: RunReport): void {
    for (const line of summarize(report, this.#style)) this.#print(line);
  }

  end(): void {}

  #print(line: string): void {
    this.write(`${line}\n`);
  }

  #noticeLines(text: string): string[] {
    return cleanLines(text).map((line, index) =>
      index === 0 ? `${this.#style.yellow('notice:')} ${line}` : `  ${line}`,
    );
  }
}
