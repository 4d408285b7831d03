// Renders diagnostics for people: place, excerpt with a squiggle, reason, remedy.

import type { Diagnostic } from './diagnostic.js';

const MAX_WIDTH = 100;

export function renderDiagnostics(
  diagnostics: readonly Diagnostic[],
  text: string,
  options: { readonly color: boolean },
): string {
  const lines = text.split(/\r\n|\n|\r/);
  const paint = options.color
    ? (code: string, words: string) => `\u001b[${code}m${words}\u001b[0m`
    : (_: string, words: string) => words;
  return diagnostics.map((diagnostic) => renderOne(diagnostic, lines, paint)).join('\n');
}

function renderOne(
  { code, severity, file, start, end, message, reason, remedy }: Diagnostic,
  lines: readonly string[],
  paint: (code: string, words: string) => string,
): string {
  const tone = severity === 'error' ? '31' : '33';
  const gutter = String(start.line).length;
  const margin = `${' '.repeat(gutter)} `;
  const out = [
    `${paint('1', `${makeSafe(file)}:${start.line}:${start.column}`)}: ${paint(`1;${tone}`, severity)}: ${paint('1', makeSafe(message))} [${code}]`,
  ];
  const line = lines[start.line - 1];
  if (line !== undefined && line.trim() !== '') {
    const last = end.line === start.line ? Math.max(end.column, start.column + 1) : line.length + 1;
    const { excerpt, before, under } = excerptOf(line, start.column - 1, last - 1);
    out.push(paint('2', `${margin}|`));
    out.push(`${paint('2', `${start.line} |`)} ${excerpt}`);
    out.push(
      `${paint('2', `${margin}|`)} ${' '.repeat(before)}${paint(tone, `^${'~'.repeat(Math.max(0, under - 1))}`)}`,
    );
  }
  if (reason !== undefined) out.push(`${margin}${paint('2', '=')} why: ${indentRest(makeSafe(reason, true), margin)}`);
  out.push(`${margin}${paint('2', '=')} fix: ${indentRest(makeSafe(remedy, true), margin)}`);
  return `${out.join('\n')}\n`;
}

const indentRest = (words: string, margin: string): string => words.replaceAll('\n', `\n${margin}       `);

/** A window of a long line around the place. Widths are in terminal columns. */
function excerptOf(line: string, from: number, to: number): { excerpt: string; before: number; under: number } {
  let begin = 0;
  let stop = line.length;
  if (line.length > MAX_WIDTH) {
    begin = Math.max(0, Math.min(from - 30, line.length - MAX_WIDTH));
    stop = Math.min(line.length, begin + MAX_WIDTH);
    // Never cut a surrogate pair.
    if (isLowSurrogate(line.charCodeAt(begin))) begin--;
    if (isLowSurrogate(line.charCodeAt(stop))) stop--;
  }
  const lead = begin > 0 ? '... ' : '';
  const tail = stop < line.length ? ' ...' : '';
  const clip = (at: number): number => Math.min(Math.max(at, begin), stop);
  const show = (a: number, b: number): string => makeSafe(line.slice(clip(a), clip(b)));
  return {
    excerpt: `${lead}${show(begin, stop)}${tail}`,
    before: widthOf(lead + show(begin, from)),
    under: Math.max(1, widthOf(show(from, to))),
  };
}

const isLowSurrogate = (code: number): boolean => code >= 0xdc00 && code <= 0xdfff;

/** Control and format characters (including those that reorder text), line separators, lone surrogates. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** Text from a file must not move the terminal's cursor, change its colors or reorder its text. */
function makeSafe(words: string, keepBreaks = false): string {
  return words.replace(UNSAFE, (character) => {
    if (character === '\t') return ' ';
    if (keepBreaks && character === '\n') return character;
    const code = character.charCodeAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    return '\ufffd';
  });
}

/** Width in columns: East Asian wide characters and emoji take two, combining marks none. */
function widthOf(words: string): number {
  let width = 0;
  for (const character of words) {
    const code = character.codePointAt(0) ?? 0;
    if (code < 0x300) width += 1;
    else if (/\p{Mark}/u.test(character)) continue;
    else width += isWide(code) ? 2 : 1;
  }
  return width;
}

const isWide = (code: number): boolean =>
  (code >= 0x1100 && code <= 0x115f) ||
  (code >= 0x2e80 && code <= 0xa4cf) ||
  (code >= 0xac00 && code <= 0xd7a3) ||
  (code >= 0xf900 && code <= 0xfaff) ||
  (code >= 0xfe30 && code <= 0xfe6f) ||
  (code >= 0xff00 && code <= 0xff60) ||
  (code >= 0xffe0 && code <= 0xffe6) ||
  (code >= 0x1f300 && code <= 0x1faff) ||
  (code >= 0x20000 && code <= 0x3fffd);
