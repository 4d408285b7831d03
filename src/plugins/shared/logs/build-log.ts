// Finds the cause of a failed build in the log of an installer: the last line of the exception, or the error line of a compiler
// or of the build.

import { indentOf } from './indent.js';

const TRACEBACK = /^\s*Traceback \(most recent call last\):$/;
/** `ValueError: why`, `package.module.SomeError`. */
const EXCEPTION = /^[A-Za-z_][\w.]*(?::.*)?$/;
const AFTER_EXCEPTION =
  /^(?:\[end of output\]|During handling of the above|The above exception|note: |Note: |hint: |[×╰├│]|ERROR: |error: )/;
/** Limit for the further lines of a message. */
const MORE_LINES = 4;

const PIP_BLOCK = /^\s*(?:╰─>|\|) \[\d+ lines? of output\]$/;
const PIP_BLOCK_END = /^\s*\[end of output\]$/;
const UV_BLOCK = /^\s*\[(?:stdout|stderr)\]$/;

/** In this order: errors of a compiler before those of a build tool. */
const ERRORS_IN_BUILD: readonly RegExp[] = [
  /: (?:fatal )?error: |^error\[\w+\]: |^CMake Error\b/,
  /^(?:[A-Za-z_]\w*\.)*\w*(?:Error|Exception): /,
  /^(?:error|fatal): (?!subprocess-exited-with-error$|Command )/i,
];

/**
 * The lines to show first. Empty if no build failed. `output`: the output of the build, if the installer writes it elsewhere.
 */
export function buildCauses(lines: readonly string[], output: readonly string[] = []): readonly string[] {
  const block = output.length > 0 ? output : outputOfBuild(lines);
  const exception = lastException(block) ?? lastException(lines);
  const said = errorIn(block);
  if (exception === undefined) return said === undefined ? [] : [said];
  const compiler = block.map((line) => line.trim()).find((line) => ERRORS_IN_BUILD[0]!.test(line));
  return [...exception, ...(compiler === undefined || exception.includes(compiler) ? [] : [compiler])];
}

/** The lines without tracebacks and their exceptions. */
export function withoutTracebacks(lines: readonly string[]): readonly string[] {
  const kept: string[] = [];
  /** Indentation of the current traceback. */
  let base: number | undefined;
  for (const line of lines) {
    if (TRACEBACK.test(line)) base = indentOf(line);
    else if (base === undefined) kept.push(line);
    else if (line.trim() !== '' && indentOf(line) <= base) base = undefined;
  }
  return kept;
}

/** The exception of the last traceback, with the first lines of its message. */
export function lastException(lines: readonly string[]): readonly string[] | undefined {
  let found: readonly string[] | undefined;
  for (const [start, line] of lines.entries()) {
    if (!TRACEBACK.test(line)) continue;
    const base = indentOf(line);
    let at = start + 1;
    while (at < lines.length && (lines[at]!.trim() === '' || indentOf(lines[at]!) > base)) at += 1;
    const raised = lines[at]?.trim() ?? '';
    if (at < lines.length && indentOf(lines[at]!) === base && EXCEPTION.test(raised)) {
      found = [raised, ...messageBelow(lines.slice(at + 1, at + 20), base, raised.endsWith(':'))];
    }
  }
  return found;
}

function messageBelow(lines: readonly string[], base: number, startsBelow: boolean): readonly string[] {
  const message: string[] = [];
  for (const line of lines) {
    const text = line.trim();
    if (text === '' && startsBelow && message.length === 0) continue;
    const isOver = text === '' || indentOf(line) < base || AFTER_EXCEPTION.test(text) || TRACEBACK.test(line);
    if (isOver || message.length === MORE_LINES) break;
    message.push(text);
  }
  return message;
}

/** The output of the last build in the log. */
function outputOfBuild(lines: readonly string[]): readonly string[] {
  const pip = lines.findLastIndex((line) => PIP_BLOCK.test(line));
  if (pip !== -1) {
    const below = lines.slice(pip + 1);
    const end = below.findIndex((line) => PIP_BLOCK_END.test(line));
    return end === -1 ? below : below.slice(0, end);
  }
  const first = lines.findIndex((line) => UV_BLOCK.test(line));
  if (first === -1) return [];
  const base = indentOf(lines[first]!);
  const below = lines.slice(first + 1);
  const end = below.findIndex((line) => line.trim() !== '' && indentOf(line) < base);
  return (end === -1 ? below : below.slice(0, end)).filter((line) => !UV_BLOCK.test(line));
}

function errorIn(block: readonly string[]): string | undefined {
  const texts = block.map((line) => line.trim()).filter((text) => text !== '');
  for (const pattern of ERRORS_IN_BUILD) {
    const line = texts.find((text) => pattern.test(text));
    if (line !== undefined) return line;
  }
  return texts.at(-1);
}
