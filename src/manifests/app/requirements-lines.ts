// Splits one requirements file into requirements and options, exactly like pip (26.3, `_internal/req/req_file.py`). A test
// compares the two.

import { decodeRequirements } from './requirements-encoding.js';
import { splitWords } from './shell-words.js';

/** One requirement as written. */
export interface RequirementLine {
  readonly type: 'requirement';
  readonly line: number;
  readonly editable: boolean;
  /** Name, specifier, path or URL, without marker, options and comment. */
  readonly target: string;
  readonly marker?: string;
  /** `sha256:...` of `--hash` options. */
  readonly hashes: readonly string[];
  /** Names of variables in the line. */
  readonly variables?: readonly string[];
}
/** `--index-url URL`, `-r FILE`, `--pre`: the long name without dashes. pip follows only one include per line. */
export interface OptionLine {
  readonly type: 'option';
  readonly line: number;
  readonly name: string;
  readonly value?: string;
  /** Names of variables in the line. */
  readonly variables?: readonly string[];
}
export type RequirementsFileLine = RequirementLine | OptionLine;

/** Returns the value of a variable. Undefined or empty leaves the variable as written, like pip. */
export type VariableValue = (name: string) => string | undefined;

/** Options that pip accepts in a requirements file, and whether they have a value. */
const OPTIONS: Readonly<Record<string, 'value' | 'flag'>> = {
  'all-releases': 'value',
  'config-setting': 'value',
  'config-settings': 'value',
  constraint: 'value',
  editable: 'value',
  'extra-index-url': 'value',
  'find-links': 'value',
  'global-option': 'value',
  hash: 'value',
  'index-url': 'value',
  'no-binary': 'value',
  'no-index': 'flag',
  'no-require-hashes': 'flag',
  'only-binary': 'value',
  'only-final': 'value',
  pre: 'flag',
  'prefer-binary': 'flag',
  'pypi-url': 'value',
  'require-hashes': 'flag',
  requirement: 'value',
  'trusted-host': 'value',
  'use-feature': 'value',
};
const SHORT: Readonly<Record<string, string>> = {
  C: 'config-settings',
  c: 'constraint',
  e: 'editable',
  f: 'find-links',
  i: 'index-url',
  r: 'requirement',
};
const ALIASES: Readonly<Record<string, string>> = { 'pypi-url': 'index-url', 'config-setting': 'config-settings' };

/** Skips lines that pip would refuse, because pip reports them itself. */
export function parseRequirementsLines(
  bytes: Uint8Array,
  valueOf: VariableValue = () => undefined,
): readonly RequirementsFileLine[] {
  return logicalLines(decodeRequirements(bytes)).flatMap(({ text, line }) => {
    const parsed = parseLine(expand(text, valueOf), line);
    const variables = [...text.matchAll(VARIABLE)].map(([, name]) => name!);
    return variables.length === 0 ? parsed : parsed.map((found) => ({ ...found, variables }));
  });
}

export interface VariableUse {
  readonly name: string;
  readonly line: number;
  /** Used only for the user or password in a URL, so it doesn't affect what is installed. */
  readonly isLogin: boolean;
}

/** Every `${NAME}` that pip would expand: everywhere except in comments. */
export function variableUses(bytes: Uint8Array): readonly VariableUse[] {
  return logicalLines(decodeRequirements(bytes)).flatMap(({ text, line }) => {
    const elsewhere = text.replaceAll(/\/\/[^/@\s]*@/g, '//');
    return [...text.matchAll(VARIABLE)].map(([written, name]) => ({
      name: name!,
      line,
      isLogin: !elsewhere.includes(written),
    }));
  });
}
/** pip expands only this form. */
export const VARIABLE = /\$\{([A-Z0-9_]+)\}/g;

/** Expands one name after the other, so a value may contain the next name, like in pip. */
export function expand(text: string, valueOf: VariableValue): string {
  let expanded = text;
  for (const [written, name] of text.matchAll(VARIABLE)) {
    const value = valueOf(name!);
    if (value !== undefined && value !== '') expanded = expanded.replaceAll(written, () => value);
  }
  return expanded;
}

interface LogicalLine {
  readonly text: string;
  /** The first physical line, from 1. */
  readonly line: number;
}

// The line ends of Python's splitlines(), which pip uses.
// oxlint-disable-next-line no-control-regex
const LINE_END = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/;
/** Blanks of Python's strip() and `\s`. JavaScript treats U+001C and U+FEFF differently. */
const BLANKS = '\t\n\v\f\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000';
const IS_BLANK = new RegExp(`[${BLANKS}]`);

/** Joins lines that end in a backslash, then drops comments and blanks, in that order, like pip. */
function logicalLines(text: string): readonly LogicalLine[] {
  const logical: LogicalLine[] = [];
  let parts: string[] = [];
  let start = 1;
  const finish = (): void => {
    const joined = strip(withoutComment(parts.join('')));
    if (joined !== '') logical.push({ text: joined, line: start });
    parts = [];
  };
  for (const [index, line] of text.split(LINE_END).entries()) {
    if (parts.length === 0) start = index + 1;
    // Only a whole-line comment ends a continuation; any other comment swallows the lines joined to it.
    const isComment = line.charAt(indexOfContent(line)) === '#';
    if (line.endsWith('\\') && !isComment) {
      parts.push(withoutBackslashes(line));
      continue;
    }
    // The blank keeps the comment recognizable after joining.
    parts.push(isComment ? ` ${line}` : line);
    finish();
  }
  finish();
  return logical;
}

/** Index of the first non-blank character, or the length. */
function indexOfContent(text: string): number {
  let at = 0;
  while (at < text.length && IS_BLANK.test(text.charAt(at))) at += 1;
  return at;
}

// Without a regular expression, which would be quadratic on a line of blanks.
function strip(text: string): string {
  let end = text.length;
  while (end > 0 && IS_BLANK.test(text.charAt(end - 1))) end -= 1;
  return text.slice(Math.min(indexOfContent(text), end), end);
}
function withoutBackslashes(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && text.charAt(start) === '\\') start += 1;
  while (end > start && text.charAt(end - 1) === '\\') end -= 1;
  return text.slice(start, end);
}

/** A `#` starts a comment only at the start or after a blank; in a URL it starts a fragment. */
function withoutComment(text: string): string {
  for (let at = text.indexOf('#'); at >= 0; at = text.indexOf('#', at + 1)) {
    if (at === 0 || IS_BLANK.test(text.charAt(at - 1))) return text.slice(0, at);
  }
  return text;
}

function parseLine(text: string, line: number): readonly RequirementsFileLine[] {
  // Options begin at the first word with a dash. Only blanks separate words here; quotes have no meaning.
  const words = text.split(' ');
  const first = words.findIndex((word) => word.startsWith('-'));
  const target = (first < 0 ? words : words.slice(0, first)).join(' ');
  const optionWords = first < 0 ? [] : splitWords(words.slice(first).join(' '));
  const options = optionWords && parseOptions(optionWords);
  if (options === undefined) return [];
  const valuesOf = (wanted: string): readonly string[] =>
    options.flatMap(({ name, value }) => (name === wanted && value !== undefined ? [value] : []));
  const [editable] = valuesOf('editable');
  const hashes = valuesOf('hash');
  if (strip(target) !== '') return [requirement(target, line, editable !== undefined, hashes)];
  if (editable !== undefined) return [requirement(editable, line, true, hashes)];
  // pip ignores everything else on a line that includes a file.
  for (const name of ['requirement', 'constraint']) {
    const [value] = valuesOf(name);
    if (value !== undefined) return [{ type: 'option', line, name, value }];
  }
  return options.flatMap(({ name, value }): readonly RequirementsFileLine[] => {
    if (name === 'hash') return [];
    return [value === undefined ? { type: 'option', line, name } : { type: 'option', line, name, value }];
  });
}

function requirement(text: string, line: number, editable: boolean, hashes: readonly string[]): RequirementLine {
  // A semicolon may be part of a URL, so there it counts only before a blank.
  const at = text.indexOf(text.includes('://') ? '; ' : ';');
  const target = strip(at < 0 ? text : text.slice(0, at));
  const marker = at < 0 ? '' : strip(text.slice(at + 1));
  return { type: 'requirement', line, editable, target, hashes, ...(marker === '' ? {} : { marker }) };
}

interface Option {
  readonly name: string;
  readonly value?: string;
}

/** Parses like Python's optparse. Undefined when optparse would refuse the words. */
function parseOptions(words: readonly string[]): readonly Option[] | undefined {
  const options: Option[] = [];
  for (let index = 0; index < words.length; index++) {
    const word = words[index]!;
    if (word === '--') break;
    const [, long, attached] = /^--([^=]+)(?:=(.*))?$/s.exec(word) ?? [];
    const [, short, rest = ''] = /^-([^-])(.*)$/s.exec(word) ?? [];
    // pip ignores words between options.
    if (long === undefined && short === undefined) continue;
    const name = long === undefined ? SHORT[short!] : fullName(long);
    if (name === undefined) return undefined;
    const given = long === undefined ? (rest === '' ? undefined : rest) : attached;
    if (OPTIONS[name] === 'flag') {
      if (given !== undefined) return undefined;
      options.push({ name });
      continue;
    }
    const value = given ?? words[++index];
    if (value === undefined) return undefined;
    options.push({ name: ALIASES[name] ?? name, value });
  }
  return options;
}

/** Accepts unambiguous prefixes of long options. */
function fullName(name: string): string | undefined {
  if (Object.hasOwn(OPTIONS, name)) return name;
  const names = Object.keys(OPTIONS).filter((known) => known.startsWith(name));
  return names.length === 1 ? names[0] : undefined;
}
