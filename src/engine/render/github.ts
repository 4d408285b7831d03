// For GitHub Actions: a folded group for each node with output, annotations for notices and failures. What tools print is
// never read as a workflow command.

import type { Diagnostic } from '../../manifests/pipeline/diagnostic.js';
import { unreachable, type Failure } from '../failure.js';
import { cleanLines, cleanText } from '../files/clean-text.js';
import { groupByNode } from './grouping.js';
import { countOf, formatFailure, formatFinish, formatOutcome } from './messages.js';
import { isShown, isWorthALine, retryLine } from './plain.js';
import type { RenderOptions, Renderer, Write } from './renderer.js';
import { styleOf } from './style.js';
import { summarize } from './summary.js';

export interface GithubOptions extends RenderOptions {
  /** Unguessable for the tools: while their output is shown, commands are off until this word comes. */
  readonly resumeToken: string;
}

export function githubRenderer(write: Write, options: GithubOptions): Renderer {
  const style = styleOf(false);
  const kinds = new Map<string, string>();
  const print = (line: string): void => write(`${line}\n`);
  let isOpen = false;
  const endGroup = (): void => {
    if (isOpen) write(`::${options.resumeToken}::\n::endgroup::\n`);
    isOpen = false;
  };
  /** Our lines that quote others: a title or path must not be a command either. */
  const quoteLines = (lines: readonly string[]): void => {
    write(`::stop-commands::${options.resumeToken}\n`);
    for (const line of lines) print(line);
    write(`::${options.resumeToken}::\n`);
  };

  const openGroup = (node: string, more: string): void => {
    endGroup();
    const title = escapeData(`${node} (${kinds.get(node) ?? '?'})${more}`);
    write(`::group::${title}\n::stop-commands::${options.resumeToken}\n`);
    isOpen = true;
  };

  const groups = groupByNode({
    open: (node, report) => openGroup(node, report === undefined ? '' : ` ${formatOutcome(report.outcome)}`),
    pause: endGroup,
    resume: (node) => openGroup(node, ', continued'),
    line: ({ stream, text }) => {
      if (stream === 'notice') for (const line of cleanLines(text)) print(`notice: ${line}`);
      else print(stream === 'step' ? `* ${cleanText(text)}` : `  ${cleanText(text)}`.trimEnd());
    },
    close: (node, report, opened) => {
      if (opened) endGroup();
      if (!isWorthALine(report, options.verbose)) return;
      print(disarm(`${node}: ${formatOutcome(report.outcome)} ${formatFinish(report)}`.trimEnd()));
      if (report.failure !== undefined) print(failureAnnotation(report.failure, node));
    },
  });

  return {
    close: () => {
      groups.end();
      endGroup();
    },
    consume: (event) => {
      switch (event.type) {
        case 'run-started':
          for (const { id, kind } of event.nodes) kinds.set(id, kind);
          print(
            disarm(
              `pyflow ${event.runId}: ${cleanText(event.pipeline)} for ${cleanText(event.appId)}, ${countOf(event.nodes.length, 'node')}`,
            ),
          );
          return;
        case 'notice': {
          // Inside a group commands are off; the annotation needs them on.
          if (isOpen) write(`::${options.resumeToken}::\n`);
          const where = event.node === undefined ? '' : `${event.node}: `;
          print(annotation('warning', { title: event.code }, `${where}${event.text}`));
          if (isOpen) write(`::stop-commands::${options.resumeToken}\n`);
          return;
        }
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
          endGroup();
          if (event.report.failure !== undefined && !isToldByNode(event.report.nodes, event.report.failure)) {
            print(failureAnnotation(event.report.failure));
          }
          quoteLines(summarize(event.report, style));
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

/** The older form of a command is one anywhere in a line. */
const disarm = (line: string): string => line.replaceAll('##[', '## [');

const isToldByNode = (
  nodes: Readonly<Record<string, { readonly failure?: Failure }>>,
  { code, title }: Failure,
): boolean => Object.values(nodes).some(({ failure }) => failure?.code === code && failure.title === title);

const failureAnnotation = (failure: Failure, node?: string): string =>
  annotation(
    'error',
    { title: failure.code },
    formatFailure(failure, styleOf(false), node)
      .join('\n')
      .replace(/^error: /, ''),
  );

/** Diagnostics of a pipeline file, shown at their lines in the changed files of a pull request. */
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
  const told = Object.entries(properties).map(([name, value]) => `${name}=${escapeProperty(value)}`);
  return `::${level} ${told.join(',')}::${escapeData(cleanLines(text).join('\n'))}`;
}

const escapeData = (text: string): string =>
  text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
const escapeProperty = (text: string): string =>
  escapeData(cleanText(text)).replaceAll(':', '%3A').replaceAll(',', '%2C');
