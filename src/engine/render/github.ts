// For GitHub Actions: a folded group for each node with output, annotations for notices and failures. GitHub never reads
// the output of tools as workflow commands.

import type { Diagnostic } from '../../manifests/pipeline/diagnostic.js';
import type { NodeReport, RunReport } from '../events.js';
import type { Failure } from '../failure.js';
import { cleanLines, cleanText } from '../files/clean-text.js';
import { groupedRenderer, NodeTitles, startLine, type GroupedLog } from './grouped-renderer.js';
import type { Printed } from './grouping.js';
import { formatFailure, formatFinish, formatOutcome } from './messages.js';
import type { EventOf, RenderOptions, Renderer, Write } from './renderer.js';
import { isShown, isWorthALine, retryLine } from './shown-lines.js';
import { styleOf } from './style.js';
import { failuresOf, summarize } from './summary.js';

interface GithubOptions extends RenderOptions {
  /** Commands are off while the output of tools is shown, until this word follows. Tools must not be able to guess it. */
  readonly resumeToken: string;
}

export const githubRenderer = (write: Write, options: GithubOptions): Renderer =>
  groupedRenderer(new GithubLog(write, options));

class GithubLog implements GroupedLog {
  readonly #titles = new NodeTitles();
  #isGroupOpen = false;

  constructor(
    private readonly write: Write,
    private readonly options: GithubOptions,
  ) {}

  runStarted(event: EventOf<'run-started'>): void {
    this.#titles.runStarted(event);
    this.#print(disarm(startLine(event)));
  }

  notice({ node, code, text }: EventOf<'notice'>): void {
    // Inside a group commands are off; the annotation needs them on.
    if (this.#isGroupOpen) this.#resumeCommands();
    const where = node === undefined ? '' : `${node}: `;
    this.#print(annotation('warning', { title: code }, `${where}${text}`));
    if (this.#isGroupOpen) this.#stopCommands();
  }

  shows(printed: Printed): boolean {
    return isShown(printed, this.options.verbose);
  }

  readonly retryLine = retryLine;

  open(node: string, report: NodeReport | undefined): void {
    this.#openGroup(node, report === undefined ? '' : ` ${formatOutcome(report.outcome)}`);
  }

  pause(): void {
    this.#endGroup();
  }

  resume(node: string): void {
    this.#openGroup(node, ', continued');
  }

  line({ stream, text }: Printed): void {
    if (stream === 'notice') for (const line of cleanLines(text)) this.#print(`notice: ${line}`);
    else this.#print(stream === 'step' ? `* ${cleanText(text)}` : `  ${cleanText(text)}`.trimEnd());
  }

  close(node: string, report: NodeReport, opened: boolean): void {
    if (opened) this.#endGroup();
    if (!isWorthALine(report, this.options.verbose)) return;
    this.#print(disarm(`${node}: ${formatOutcome(report.outcome)} ${formatFinish(report)}`.trimEnd()));
    if (report.failure !== undefined) this.#print(failureAnnotation(report.failure, node));
  }

  runFinished(report: RunReport): void {
    this.#endGroup();
    // Failures of nodes were annotated when they happened.
    for (const { node, failure } of failuresOf(report)) if (node === undefined) this.#print(failureAnnotation(failure));
    // The summary quotes titles and paths, which must not be commands either.
    this.#stopCommands();
    for (const line of summarize(report, styleOf(false))) this.#print(line);
    this.#resumeCommands();
  }

  end(): void {
    this.#endGroup();
  }

  #openGroup(node: string, more: string): void {
    this.#endGroup();
    this.#print(`::group::${escapeData(`${this.#titles.of(node)}${more}`)}`);
    this.#stopCommands();
    this.#isGroupOpen = true;
  }

  #endGroup(): void {
    if (!this.#isGroupOpen) return;
    this.#resumeCommands();
    this.#print('::endgroup::');
    this.#isGroupOpen = false;
  }

  #stopCommands(): void {
    this.#print(`::stop-commands::${this.options.resumeToken}`);
  }

  #resumeCommands(): void {
    this.#print(`::${this.options.resumeToken}::`);
  }

  #print(line: string): void {
    this.write(`${line}\n`);
  }
}

/** The older form of a command works anywhere in a line. */
const disarm = (line: string): string => line.replaceAll('##[', '## [');

const failureAnnotation = (failure: Failure, node?: string): string =>
  annotation(
    'error',
    { title: failure.code },
    formatFailure(failure, styleOf(false), node)
      .join('\n')
      .replace(/^error: /, ''),
  );

/** GitHub shows diagnostics of a pipeline file at their lines in a pull request. */
export const diagnosticAnnotation = (diagnostic: Diagnostic): string =>
  annotation(
    diagnostic.severity,
    {
      file: diagnostic.file,
      line: String(diagnostic.start.line),
      endLine: String(diagnostic.end.line),
      col: String(diagnostic.start.column),
      title: diagnostic.code,
    },
    [diagnostic.message, diagnostic.reason, diagnostic.remedy].filter((text) => text !== undefined).join('\n'),
  );

function annotation(level: 'error' | 'warning', properties: Readonly<Record<string, string>>, text: string): string {
  const pairs = Object.entries(properties).map(([name, value]) => `${name}=${escapeProperty(value)}`);
  return `::${level} ${pairs.join(',')}::${escapeData(cleanLines(text).join('\n'))}`;
}

const escapeData = (text: string): string =>
  text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
const escapeProperty = (text: string): string =>
  escapeData(cleanText(text)).replaceAll(':', '%3A').replaceAll(',', '%2C');
